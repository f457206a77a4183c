//! Who is near: on a network of one of the box's own interfaces, and not the router itself (which
//! may stand for the whole world behind it). And which names a browser may call the box by.

use crate::settings::Settings;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks that the box is in, and the ways out of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lan {
    networks: Vec<(IpAddr, u8)>,
    gateways: Vec<IpAddr>,
}

/// As the kernel says.
pub(super) fn of_this_machine() -> Lan {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Lan::parse(&text("/proc/net/route"), &text("/proc/net/ipv6_route"))
}

impl Lan {
    #[cfg(test)]
    pub(crate) fn of(networks: &[(IpAddr, u8)], gateways: &[IpAddr]) -> Lan {
        Lan { networks: networks.to_vec(), gateways: gateways.to_vec() }
    }

    /// From the tables of routes: a route without a gateway is a network of an interface.
    pub(crate) fn parse(four: &str, six: &str) -> Lan {
        let mut lan = Lan::default();
        for line in four.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, network, gateway, _, _, _, _, mask, ..] = fields[..] else { continue };
            let (Some(network), Some(gateway), Some(mask)) =
                (hex4(network), hex4(gateway), hex4(mask))
            else {
                continue;
            };
            let prefix = u32::from(mask).leading_ones() as u8;
            lan.route(network.into(), prefix, gateway.into());
        }
        for line in six.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [network, prefix, _, _, gateway, .., interface] = fields[..] else { continue };
            let (Some(network), Ok(prefix), Some(gateway)) =
                (hex6(network), u8::from_str_radix(prefix, 16), hex6(gateway))
            else {
                continue;
            };
            if interface != "lo" && !network.is_multicast() {
                lan.route(network.into(), prefix, gateway.into());
            }
        }
        lan
    }

    fn route(&mut self, network: IpAddr, prefix: u8, gateway: IpAddr) {
        if !gateway.is_unspecified() {
            self.gateways.push(gateway);
        } else if prefix >= narrowest(network) {
            self.networks.push((network, prefix));
        }
    }

    /// Is this peer near?
    pub(crate) fn holds(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        if peer.is_loopback() {
            return true;
        }
        let is_in = |(network, prefix): &(IpAddr, u8)| bits(peer, *network, *prefix);
        let near = self.networks.iter().any(is_in) || is_link_local(peer);
        near && !self.gateways.contains(&peer)
    }
}

/// A wider one is no office: a tunnel that takes everything, or a whole provider.
fn narrowest(network: IpAddr) -> u8 {
    if network.is_ipv4() { 8 } else { 32 }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Do the first `prefix` bits agree?
fn bits(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            u32::from(one) & mask == u32::from(other) & mask
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            u128::from(one) & mask == u128::from(other) & mask
        }
        _ => false,
    }
}

/// As /proc/net/route has it: the octets in the machine's order.
fn hex4(text: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(text, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()))
}

fn hex6(text: &str) -> Option<Ipv6Addr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from))?
}

// ---- names ----

/// The Host header in its parts: a name or address, and the port if it has one.
pub(crate) fn host(header: &str) -> Option<(String, Option<u16>)> {
    let (name, port) = match header.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            (name, port.strip_prefix(':'))
        }
        None => match header.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (header, None),
        },
    };
    let port = port.map(str::parse).transpose().ok()?;
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some((name, port))
}

/// May a browser call the box so? Its names, and the address that it connected to. Another name
/// that leads here is somebody's who wants to use the browser against the box.
pub(crate) fn is_ours(name: &str, settings: &Settings, local: IpAddr, machine: &str) -> bool {
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.to_canonical() == local.to_canonical();
    }
    let mut own = vec![settings.host.to_lowercase(), format!("{machine}.local")];
    own.push(machine.to_string());
    own.extend(settings.names.iter().map(|name| name.to_lowercase()));
    own.extend(local.is_loopback().then(|| "localhost".to_string()));
    own.iter().any(|it| it == name)
}

/// The machine's name in its network.
pub(super) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_ascii_lowercase()
}
