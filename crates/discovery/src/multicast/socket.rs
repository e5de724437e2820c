//! The sockets of a group.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::config::{MulticastConfig, reaches_one_link};
use super::interface::{Interface, Ways};

/// A socket that hears the group, as others of this machine may, too.
pub(super) fn to_listen(config: &MulticastConfig, ways: Ways) -> io::Result<UdpSocket> {
    let socket = open(config)?;
    socket.set_reuse_address(true)?;
    // Bound to the group itself, it does not hear what is sent to this machine or to other groups.
    let mut here = at(config.address, ways.back);
    if cfg!(windows) {
        here.set_ip(match here {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
    }
    socket.bind(&here.into())?;
    ways.back.join(&socket, config.address.ip())?;
    into_tokio(socket)
}

/// A socket that sends to the group. `time_to_live` of 0 keeps packets on this machine.
pub(super) fn to_announce(
    config: &MulticastConfig,
    ways: Ways,
    time_to_live: u32,
) -> io::Result<UdpSocket> {
    let socket = open(config)?;
    if config.address.is_ipv4() {
        socket.set_multicast_ttl_v4(time_to_live)?;
        socket.set_multicast_loop_v4(config.heard_here)?;
    } else {
        socket.set_multicast_hops_v6(time_to_live)?;
        socket.set_multicast_loop_v6(config.heard_here)?;
    }
    ways.out.send_by(&socket, config.address.ip())?;
    // From then on it has the address of the interface that it sends by.
    socket.connect(&at(config.address, ways.out).into())?;
    into_tokio(socket)
}

fn open(config: &MulticastConfig) -> io::Result<Socket> {
    let socket =
        Socket::new(Domain::for_address(config.address), Type::DGRAM, Some(Protocol::UDP))?;
    if config.address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// The group, on that interface's link if it is another one on each.
fn at(group: SocketAddr, interface: Interface) -> SocketAddr {
    match group.ip() {
        IpAddr::V6(ip) if reaches_one_link(ip) => {
            SocketAddrV6::new(ip, group.port(), 0, interface.index()).into()
        }
        _ => group,
    }
}

fn into_tokio(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
