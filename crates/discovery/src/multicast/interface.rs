//! Which interface packets leave and arrive by.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};

use super::config::InterfaceChoice;

/// An interface, by its number (0 is whichever the system takes) or by its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Index(u32),
    Address(Ipv4Addr),
}

/// The interface that packets leave by, and the one that they arrive by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) out: Interface,
    pub(super) back: Interface,
}

impl Interface {
    pub(super) fn join(self, socket: &Socket, group: IpAddr) -> io::Result<()> {
        let group = match group {
            IpAddr::V4(group) => group,
            IpAddr::V6(group) => return socket.join_multicast_v6(&group, self.index()),
        };
        let interface = match self {
            Self::Index(index) => InterfaceIndexOrAddress::Index(index),
            Self::Address(address) => InterfaceIndexOrAddress::Address(address),
        };
        socket.join_multicast_v4_n(&group, &interface)
    }

    pub(super) fn send_by(self, socket: &Socket, group: IpAddr) -> io::Result<()> {
        let group = match group {
            IpAddr::V4(group) => group,
            IpAddr::V6(_) => return socket.set_multicast_if_v6(self.index()),
        };
        match self {
            Self::Address(address) => socket.set_multicast_if_v4(&address),
            Self::Index(index) => send_by_index(socket, group, index),
        }
    }

    /// Its number. Those of IPv6 groups always have one.
    pub(super) fn index(self) -> u32 {
        match self {
            Self::Index(index) => index,
            Self::Address(_) => 0,
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_by_index(socket: &Socket, group: Ipv4Addr, index: u32) -> io::Result<()> {
    let any = Ipv4Addr::UNSPECIFIED;
    rustix::net::sockopt::set_ip_multicast_if_with_ifindex(socket, &group, &any, index)?;
    Ok(())
}

/// Elsewhere an address of the form 0.x.x.x stands for an interface's number.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_by_index(socket: &Socket, _group: Ipv4Addr, index: u32) -> io::Result<()> {
    socket.set_multicast_if_v4(&Ipv4Addr::from(index))
}

/// The interfaces that are asked for. One that nobody asked for is that by which the way to the group
/// leads; where none does, the first that can send there; and at last the loopback interface.
pub(super) fn ways(choice: &InterfaceChoice, group: SocketAddr) -> io::Result<Ways> {
    let out = match (&choice.name, choice.address) {
        (Some(name), _) => named(name)?,
        (None, Some(address)) => Interface::Address(address),
        (None, None) => match group {
            SocketAddr::V4(group) => chosen(group),
            SocketAddr::V6(_) => Interface::Index(0),
        },
    };
    let back = match &choice.join_name {
        Some(name) => named(name)?,
        None => out,
    };
    Ok(Ways { out, back })
}

fn chosen(group: SocketAddrV4) -> Interface {
    match source_towards(group, None) {
        Some(address) => Interface::Address(address),
        None => by_trial(group).unwrap_or(Interface::Address(Ipv4Addr::LOCALHOST)),
    }
}

/// On a network that no way leads out of, no way leads to the group either.
fn by_trial(group: SocketAddrV4) -> Option<Interface> {
    // Linux lists the interfaces there, a header of two lines first.
    let list = std::fs::read_to_string("/proc/net/dev").ok()?;
    let names = list.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim()));
    // Of the loopback interface the system says that packets would bear another one's address.
    let indexes = names.filter(|name| *name != "lo").filter_map(|name| named(name).ok());
    let mut usable = indexes.filter(|way| source_towards(group, Some(*way)).is_some());
    usable.next()
}

fn named(name: &str) -> io::Result<Interface> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let index = name_to_index(&any, name).map_err(|error| {
        io::Error::new(io::Error::from(error).kind(), format!("no interface \"{name}\": {error}"))
    })?;
    Ok(Interface::Index(index))
}

/// The address of this machine that packets to `there` bear; none when no way leads there.
fn source_towards(there: SocketAddrV4, by: Option<Interface>) -> Option<Ipv4Addr> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    if let Some(interface) = by {
        interface.send_by(&socket, IpAddr::V4(*there.ip())).ok()?;
    }
    // Sends nothing: the system looks up its way and takes note.
    socket.connect(&SocketAddr::V4(there).into()).ok()?;
    let address = *socket.local_addr().ok()?.as_socket_ipv4()?.ip();
    (!address.is_unspecified()).then_some(address)
}
