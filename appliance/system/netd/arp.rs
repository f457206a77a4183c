//! Does somebody else have this address? Probes and announcements by ARP (RFC 5227), and an address
//! of the link alone where no server lends one (RFC 3927).

use crate::limits;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Octets of an ARP packet for IPv4 over Ethernet.
pub(crate) const BYTES: usize = 28;

/// What an ARP packet of another device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arp {
    pub hardware: [u8; 6],
    pub sender: Ipv4Addr,
    pub target: Ipv4Addr,
}

/// RFC 826: a request; from nobody it is a probe, from the address itself an announcement.
pub(crate) fn request(hardware: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> [u8; BYTES] {
    let mut packet = [0; BYTES];
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    packet[8..14].copy_from_slice(&hardware);
    packet[14..18].copy_from_slice(&sender.octets());
    packet[24..28].copy_from_slice(&target.octets());
    packet
}

pub(crate) fn read(packet: &[u8]) -> Option<Arp> {
    let packet = packet.get(..BYTES)?;
    let kind = packet.get(..7)? == [0, 1, 8, 0, 6, 4, 0] && matches!(packet[7], 1 | 2);
    let four = |at: usize| {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    };
    let hardware = packet.get(8..14)?.try_into().ok()?;
    kind.then_some(Arp { hardware, sender: four(14)?, target: four(24)? })
}

/// One address on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    pub address: Ipv4Addr,
    sent: u32,
    due: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Wait,
    Send,
    Free,
}

impl Probe {
    pub(crate) fn new(address: Ipv4Addr, now: Duration) -> Probe {
        Probe { address, sent: 0, due: now }
    }

    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Answer {
        if now < self.due {
            return Answer::Wait;
        }
        if self.sent >= limits::ARP_PROBES {
            return Answer::Free;
        }
        self.sent += 1;
        self.due = now + limits::ARP_PROBE_PAUSE;
        Answer::Send
    }

    /// RFC 5227 2.1.1: somebody sends from it, or probes it too.
    pub(crate) fn taken(&self, own: [u8; 6], heard: &Arp) -> bool {
        let probes_too = heard.sender.is_unspecified() && heard.target == self.address;
        heard.hardware != own && (heard.sender == self.address || probes_too)
    }
}

/// RFC 3927 2.1: 169.254.1.0 to 169.254.254.255, the same for the same device, another at each try.
pub(crate) fn link_local(hardware: [u8; 6], attempt: u32) -> Ipv4Addr {
    let seed = hardware.iter().fold(attempt.wrapping_mul(0x9E37_79B9), |sum, octet| {
        (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    });
    let host = 256 + (seed ^ (seed >> 16)) % (254 * 256);
    Ipv4Addr::from(0xA9FE_0000 | host)
}
