//! netd's sockets for packets: the DHCP client's, ARP, and time servers.

use super::arp;
use crate::system::syscall::link;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, SockaddrStorage, sockopt,
};
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// RFC 2131 4.1: the ports of servers and of clients.
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const PACKET_BYTES: usize = 4 * 1024;

/// UDP port 68 of one adapter, which may have no address yet.
pub(crate) struct Dhcp(OwnedFd);

impl Dhcp {
    pub(crate) fn open(adapter: &str) -> io::Result<Dhcp> {
        let socket = datagrams(AddressFamily::Inet)?;
        nix::sys::socket::setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        nix::sys::socket::setsockopt(&socket, sockopt::Broadcast, &true)?;
        nix::sys::socket::setsockopt(&socket, sockopt::BindToDevice, &OsString::from(adapter))?;
        let at = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, DHCP_CLIENT));
        nix::sys::socket::bind(socket.as_raw_fd(), &at)?;
        Ok(Dhcp(socket))
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// To everyone, or to one server.
    pub(crate) fn send(&self, octets: &[u8], to: Option<Ipv4Addr>) -> io::Result<()> {
        let to = SocketAddrV4::new(to.unwrap_or(Ipv4Addr::BROADCAST), DHCP_SERVER);
        let none = MsgFlags::empty();
        nix::sys::socket::sendto(self.0.as_raw_fd(), octets, &SockaddrIn::from(to), none)?;
        Ok(())
    }

    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        receive(&self.0).map(|(octets, _)| octets)
    }
}

/// ARP packets of one adapter.
pub(crate) struct ArpSocket {
    socket: OwnedFd,
    index: u32,
}

impl ArpSocket {
    pub(crate) fn open(index: u32) -> io::Result<ArpSocket> {
        Ok(ArpSocket { socket: link::arp_socket(index)?, index })
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn send(&self, packet: &[u8; arp::BYTES]) -> io::Result<()> {
        link::arp_send(&self.socket, self.index, packet)
    }

    pub(crate) fn receive(&self) -> Option<arp::Arp> {
        loop {
            let mut octets = [0; 128];
            let flags = MsgFlags::MSG_DONTWAIT;
            let length =
                nix::sys::socket::recv(self.socket.as_raw_fd(), &mut octets, flags).ok()?;
            if let Some(heard) = arp::read(octets.get(..length).unwrap_or_default()) {
                return Some(heard);
            }
        }
    }
}

/// Questions to time servers.
pub(crate) struct Time(OwnedFd);

impl Time {
    pub(crate) fn open(ipv6: bool) -> io::Result<Time> {
        datagrams(if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }).map(Time)
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn send(&self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = SockaddrStorage::from(to);
        nix::sys::socket::sendto(self.0.as_raw_fd(), octets, &to, MsgFlags::empty())?;
        Ok(())
    }

    pub(crate) fn receive(&self) -> Option<(Vec<u8>, SocketAddr)> {
        let (octets, from) = receive(&self.0)?;
        let four = from.as_sockaddr_in().map(|from| SocketAddr::V4((*from).into()));
        let six = from.as_sockaddr_in6().map(|from| SocketAddr::V6((*from).into()));
        Some((octets, four.or(six)?))
    }
}

fn datagrams(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(nix::sys::socket::socket(family, SockType::Datagram, flags, None)?)
}

fn receive(socket: &OwnedFd) -> Option<(Vec<u8>, SockaddrStorage)> {
    let mut octets = vec![0; PACKET_BYTES];
    let got = nix::sys::socket::recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut octets);
    let (length, from) = got.ok()?;
    octets.truncate(length);
    Some((octets, from?))
}
