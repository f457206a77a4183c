//! A name server with a zone as a test writes it down.
//!
//! ```text
//! name TYPE value      A, AAAA, MX "10 host", TXT (all the rest of the line, cut into strings
//!                      where it is long), PTR, CNAME
//! name SERVFAIL        what is not written down for this name, the server cannot say
//! name SILENT          ... is never answered
//! name GARBAGE         ... is answered with noise
//! name LIE             ... is answered with an answer to another question
//! ```
//!
//! A name that is not written down, and has none below it, does not exist.

use crate::net::resolver::Resolver;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Else {
    Servfail,
    Silent,
    Garbage,
    Lie,
}

#[derive(Debug, Default)]
struct Zone {
    records: HashMap<String, Vec<(u16, Vec<u8>)>>,
    otherwise: HashMap<String, Else>,
}

pub(crate) struct Names {
    pub at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    pub(crate) async fn start(zone: &str) -> Names {
        let zone = Zone::read(zone);
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let names = Names { at: socket.local_addr().expect("an address"), asked: Arc::default() };
        let asked = names.asked.clone();
        tokio::spawn(async move {
            let mut question = [0; 2048];
            while let Ok((octets, from)) = socket.recv_from(&mut question).await {
                let (name, answer) = zone.answer(&question[..octets]);
                asked.lock().expect("a lock").push(name);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        names
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(&[self.at], crate::limits::DNS_QUESTION).expect("a resolver")
    }

    /// The names asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

/// Where the names of an address are.
pub(crate) fn reverse(address: &str) -> String {
    match address.parse().expect("an address") {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let nibbles = format!("{:032x}", u128::from(six));
            let labels: Vec<String> = nibbles.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

impl Zone {
    fn read(text: &str) -> Zone {
        let mut zone = Zone::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, rest) = line.split_once(' ').expect("a name and more");
            let (kind, value) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            let (name, value) = (name.to_lowercase(), value.trim());
            let otherwise = match kind {
                "SERVFAIL" => Else::Servfail,
                "SILENT" => Else::Silent,
                "GARBAGE" => Else::Garbage,
                "LIE" => Else::Lie,
                _ => {
                    zone.records.entry(name).or_default().push(record(kind, value));
                    continue;
                }
            };
            zone.otherwise.insert(name, otherwise);
        }
        zone
    }

    fn answer(&self, question: &[u8]) -> (String, Option<Vec<u8>>) {
        let (mut labels, mut at) = (Vec::new(), 12);
        while let Some(length) = question.get(at).map(|o| usize::from(*o)).filter(|n| *n > 0) {
            let label = question.get(at + 1..at + 1 + length).unwrap_or_default();
            labels.push(String::from_utf8_lossy(label).to_lowercase());
            at += 1 + length;
        }
        let name = labels.join(".");
        let (Some(high), Some(low)) = (question.get(at + 1), question.get(at + 2)) else {
            return (name, None);
        };
        let kind = u16::from_be_bytes([*high, *low]);
        let own = self.records.get(&name);
        let of_kind = |(of, _): &&(u16, Vec<u8>)| *of == kind || *of == CNAME;
        let records: Vec<_> = own.into_iter().flatten().filter(of_kind).collect();
        let mut code = 0;
        let below = format!(".{name}");
        let exists = own.is_some() || self.records.keys().any(|other| other.ends_with(&below));
        match self.otherwise.get(&name).filter(|_| records.is_empty()) {
            Some(Else::Silent) => return (name, None),
            Some(Else::Garbage) => return (name, Some(vec![0x5a; 64])),
            Some(Else::Servfail) => code = 2,
            Some(Else::Lie) => {
                let mut lie = head(question, 1, 0);
                lie.extend(b"\x05other\x04test\0");
                lie.extend([0, kind as u8, 0, 1]);
                push(&mut lie, kind, b"\x01x");
                return (name, Some(lie));
            }
            None if !exists => code = 3,
            None => {}
        }
        let mut out = head(question, records.len() as u16, code);
        out.extend(question.get(12..at + 5).unwrap_or_default());
        records.iter().for_each(|(kind, data)| push(&mut out, *kind, data));
        (name, Some(out))
    }
}

fn head(question: &[u8], answers: u16, code: u8) -> Vec<u8> {
    let mut out = question[..2].to_vec();
    out.extend([0x85, 0x80 | code, 0, 1]);
    out.extend(answers.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out
}

fn push(out: &mut Vec<u8>, kind: u16, data: &[u8]) {
    out.extend([0xc0, 12]);
    out.extend(kind.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 60]);
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
}

const CNAME: u16 = 5;

fn record(kind: &str, value: &str) -> (u16, Vec<u8>) {
    match kind {
        "A" => (1, value.parse::<std::net::Ipv4Addr>().expect("an address").octets().to_vec()),
        "AAAA" => (28, value.parse::<std::net::Ipv6Addr>().expect("an address").octets().to_vec()),
        "CNAME" => (CNAME, name(value)),
        "PTR" => (12, name(value)),
        "MX" => {
            let (preference, host) = value.split_once(' ').unwrap_or((value, ""));
            let mut data = preference.parse::<u16>().expect("a number").to_be_bytes().to_vec();
            data.extend(name(host));
            (15, data)
        }
        "TXT" => (16, strings(value.as_bytes())),
        _ => panic!("{kind} {value}"),
    }
}

fn strings(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return vec![0];
    }
    text.chunks(255).flat_map(|piece| [&[piece.len() as u8], piece].concat()).collect()
}

fn name(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut data: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    data.push(0);
    data
}
