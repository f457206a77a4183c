//! Adapters of the network, below what nix has.

#![allow(unsafe_code)]

use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

nix::ioctl_write_ptr_bad!(set_flags, nix::libc::SIOCSIFFLAGS, nix::libc::ifreq);

/// Switches on the adapter that leads back to this machine; the kernel gives it its addresses.
pub(crate) fn loopback_up() -> io::Result<()> {
    let kind = (AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC);
    let socket = nix::sys::socket::socket(kind.0, kind.1, kind.2, None)?;
    // SAFETY: a struct of plain numbers, for which zeros are fine.
    let mut request: nix::libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        // A signed octet on one processor, an unsigned one on another.
        *to = nix::libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = nix::libc::IFF_UP as i16;
    // SAFETY: the kernel reads this struct, which outlives the call.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// A socket for the ARP packets of one adapter.
pub(crate) fn arp_socket(index: u32) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let kind = nix::libc::SOCK_DGRAM | nix::libc::SOCK_CLOEXEC | nix::libc::SOCK_NONBLOCK;
    let protocol = i32::from(ETH_P_ARP.to_be());
    // SAFETY: no pointers.
    let socket = unsafe { nix::libc::socket(nix::libc::AF_PACKET, kind, protocol) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made it for us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let (at, length) = link_address(index);
    // SAFETY: the address is of the length that is given and outlives the call.
    match unsafe { nix::libc::bind(socket.as_raw_fd(), (&raw const at).cast(), length) } {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends an ARP packet to everyone at this adapter.
pub(crate) fn arp_send(socket: &OwnedFd, index: u32, packet: &[u8]) -> io::Result<()> {
    let (at, length) = link_address(index);
    let (data, octets) = (packet.as_ptr().cast(), packet.len());
    // SAFETY: packet and address are of the lengths that are given and outlive the call.
    let sent = unsafe {
        nix::libc::sendto(socket.as_raw_fd(), data, octets, 0, (&raw const at).cast(), length)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// linux/if_ether.h.
const ETH_P_ARP: u16 = 0x0806;

/// Everyone at an adapter, for ARP.
fn link_address(index: u32) -> (nix::libc::sockaddr_ll, u32) {
    // SAFETY: a struct of plain numbers, for which zeros are fine.
    let mut at: nix::libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    at.sll_family = u16::try_from(nix::libc::AF_PACKET).unwrap_or(0);
    at.sll_protocol = ETH_P_ARP.to_be();
    at.sll_ifindex = index.cast_signed();
    at.sll_halen = 6;
    at.sll_addr = [0xFF; 8];
    (at, 20)
}
