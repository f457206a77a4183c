//! The kernel's events of devices.

use super::Happening;
use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType};
use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel's multicast group of device events.
pub(super) fn device_socket() -> nix::Result<OwnedFd> {
    let socket = nix::sys::socket::socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkKObjectUEvent,
    )?;
    nix::sys::socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 1))?;
    Ok(socket)
}

/// What one event of the kernel is for PID 1: its head, then NAME=value each, ended by zeros.
pub(crate) fn happening_of(told: &[u8]) -> Option<Happening> {
    let value = |name: &[u8]| {
        let mut fields = told.split(|octet| *octet == 0).skip(1);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix(b"="))
    };
    // A card that is changed in its reader is a change of the disk.
    if value(b"SUBSYSTEM") == Some(b"block") {
        let name = value(b"DEVNAME").filter(|_| value(b"DEVTYPE") == Some(b"disk"))?;
        return Some(Happening::Disk(String::from_utf8_lossy(name).into_owned()));
    }
    let alias = value(b"MODALIAS").filter(|_| told.starts_with(b"add@"))?;
    Some(Happening::Device(String::from_utf8_lossy(alias).into_owned()))
}
