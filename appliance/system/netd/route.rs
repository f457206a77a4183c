//! The kernel's adapters, addresses and routes, over its route socket.

use super::interface::Bound;
use super::resolvers::{self, Announced};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::sys::socket::{
    AddressFamily as Family, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// RTMGRP_LINK, _IPV4_IFADDR and _IPV6_IFADDR of linux/rtnetlink.h, and RTNLGRP_ND_USEROPT: what
/// routers announce and the kernel does not follow itself.
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 1 << 19;
/// RTM_NEWNDUSEROPT of linux/rtnetlink.h, and struct nduseroptmsg before the options.
const OPTIONS: u16 = 68;
const OPTIONS_HEAD: usize = 16;
const HEADER_BYTES: usize = 16;
/// The kernel sends no larger piece of an answer.
const PIECE_BYTES: usize = 64 * 1024;

/// What the kernel tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// An Ethernet adapter; `up`: it is on and its cable leads somewhere.
    Link {
        index: u32,
        name: String,
        hardware: [u8; 6],
        up: bool,
        on: bool,
    },
    LinkGone {
        index: u32,
    },
    Address {
        index: u32,
        address: IpAddr,
        prefix: u8,
    },
    AddressGone {
        index: u32,
        address: IpAddr,
    },
    /// A router names those who answer questions for names.
    Resolvers {
        index: u32,
        announced: Announced,
    },
    Failed(String),
}

pub(crate) struct Route {
    socket: OwnedFd,
    sequence: u32,
}

impl Route {
    pub(crate) fn open() -> io::Result<Route> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket =
            nix::sys::socket::socket(Family::Netlink, SockType::Datagram, flags, protocol)?;
        nix::sys::socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Route { socket, sequence: 0 })
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// All adapters are told of anew. Addresses come once this is answered: the kernel does one
    /// such listing at a time.
    pub(crate) fn ask_links(&mut self) -> io::Result<()> {
        self.send(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)
    }

    /// Switches an adapter on.
    pub(crate) fn switch_on(&mut self, index: u32) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.send(RouteNetlinkMessage::SetLink(message), NLM_F_ACK)
    }

    pub(crate) fn configure(&mut self, index: u32, bound: &Bound) -> io::Result<()> {
        let message = address(index, bound);
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.send(RouteNetlinkMessage::NewAddress(message), flags)?;
        match bound.gateway {
            None => Ok(()),
            Some(gateway) => {
                let message = default_route(index, bound, gateway);
                self.send(RouteNetlinkMessage::NewRoute(message), flags)
            }
        }
    }

    /// The routes by way of it go with it.
    pub(crate) fn unconfigure(&mut self, index: u32, bound: &Bound) -> io::Result<()> {
        self.send(RouteNetlinkMessage::DelAddress(address(index, bound)), NLM_F_ACK)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let mut octets = vec![0; packet.buffer_len()];
        packet.serialize(&mut octets);
        nix::sys::socket::send(self.socket.as_raw_fd(), &octets, MsgFlags::empty())?;
        Ok(())
    }

    /// All that the kernel told meanwhile.
    pub(crate) fn news(&mut self) -> Vec<News> {
        let (mut news, mut octets) = (Vec::new(), vec![0; PIECE_BYTES]);
        let flags = MsgFlags::MSG_DONTWAIT;
        loop {
            match nix::sys::socket::recv(self.socket.as_raw_fd(), &mut octets, flags) {
                Ok(length) => read(octets.get(..length).unwrap_or_default(), &mut news),
                // Some of it was lost: all is asked anew.
                Err(nix::errno::Errno::ENOBUFS) => {
                    let asked = self.ask_links();
                    news.extend(asked.err().map(|error| News::Failed(error.to_string())));
                }
                Err(_) => return news,
            }
        }
    }
}

fn read(mut octets: &[u8], news: &mut Vec<News>) {
    // The library does not know this one; it comes alone.
    if octets.get(4..6) == Some(&OPTIONS.to_ne_bytes()) {
        news.extend(of_options(octets.get(HEADER_BYTES..).unwrap_or_default()));
        return;
    }
    while let Ok(packet) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(octets) {
        match packet.payload {
            NetlinkPayload::InnerMessage(message) => news.extend(of_message(message)),
            NetlinkPayload::Error(error) if error.raw_code() != 0 => {
                let why = io::Error::from_raw_os_error(error.raw_code().abs());
                news.push(News::Failed(why.to_string()));
            }
            _ => (),
        }
        // Each begins on a multiple of four.
        let length = (packet.header.length as usize).max(16).next_multiple_of(4);
        octets = octets.get(length..).unwrap_or_default();
    }
}

fn of_message(message: RouteNetlinkMessage) -> Option<News> {
    match message {
        RouteNetlinkMessage::NewLink(link) => of_link(&link),
        RouteNetlinkMessage::DelLink(link) => Some(News::LinkGone { index: link.header.index }),
        RouteNetlinkMessage::NewAddress(message) => {
            let (index, prefix) = (message.header.index, message.header.prefix_len);
            Some(News::Address { index, address: of_address(&message)?, prefix })
        }
        RouteNetlinkMessage::DelAddress(message) => {
            let index = message.header.index;
            Some(News::AddressGone { index, address: of_address(&message)? })
        }
        _ => None,
    }
}

fn of_options(message: &[u8]) -> Vec<News> {
    let Some((head, options)) = message.split_at_checked(OPTIONS_HEAD) else { return Vec::new() };
    let length = usize::from(u16::from_ne_bytes([head[2], head[3]]));
    let index = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
    let options = options.get(..length).unwrap_or_default();
    let announced = resolvers::read(options).into_iter();
    announced.map(|announced| News::Resolvers { index, announced }).collect()
}

fn of_link(link: &LinkMessage) -> Option<News> {
    let flags = link.header.flags;
    if link.header.link_layer_type != LinkLayerType::Ether {
        return None;
    }
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let hardware = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Address(octets) => octets.as_slice().try_into().ok(),
        _ => None,
    })?;
    let (on, up) = (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::LowerUp));
    Some(News::Link { index: link.header.index, name, hardware, up: on && up, on })
}

fn of_address(message: &AddressMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    })
}

fn address(index: u32, bound: &Bound) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = bound.prefix;
    message.header.index = index;
    message.header.scope = AddressScope::Universe;
    let broadcast =
        u32::from(bound.address) | u32::MAX.checked_shr(bound.prefix.into()).unwrap_or(0);
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(bound.address)),
        AddressAttribute::Address(IpAddr::V4(bound.address)),
        AddressAttribute::Broadcast(Ipv4Addr::from(broadcast)),
    ];
    message
}

fn default_route(index: u32, bound: &Bound, gateway: Ipv4Addr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Dhcp;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)),
        RouteAttribute::PrefSource(RouteAddress::Inet(bound.address)),
        RouteAttribute::Oif(index),
    ];
    message
}
