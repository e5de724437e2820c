//! The sockets of a group.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::config::MulticastConfig;
use super::interface::Ways;

/// A socket that hears the group, as others of this machine may, too.
pub(super) fn to_listen(config: &MulticastConfig, ways: Ways) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    // Bound to the group itself, it does not hear what is sent to this machine or to other groups.
    let host = if cfg!(windows) { Ipv4Addr::UNSPECIFIED } else { *config.address.ip() };
    socket.bind(&SocketAddr::V4(SocketAddrV4::new(host, config.address.port())).into())?;
    ways.back.join(&socket, *config.address.ip())?;
    into_tokio(socket)
}

/// A socket that sends to the group. `time_to_live` of 0 keeps packets on this machine.
pub(super) fn to_announce(
    config: &MulticastConfig,
    ways: Ways,
    time_to_live: u32,
) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_multicast_ttl_v4(time_to_live)?;
    socket.set_multicast_loop_v4(config.heard_here)?;
    ways.out.send_by(&socket, *config.address.ip())?;
    // From then on it has the address of the interface that it sends by.
    socket.connect(&SocketAddr::V4(config.address).into())?;
    into_tokio(socket)
}

fn into_tokio(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
