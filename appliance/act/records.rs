//! The records to publish for a domain: what others look for, and why.
//!
//! Almost all of them stand in the zone of the domain. Three do not, and a zone file has them as
//! comments: the name of an address (it belongs to whoever gave the address), the policy of
//! MTA-STS (a page on the web), and TLSA (worth nothing without DNSSEC, and harmful when it is
//! forgotten as the key changes).

use crate::net::dkim::{Pair, PublicKey};
use crate::settings::{Ports, Settings};
use crate::wire::sts;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::net::IpAddr;

/// One record, its value as a zone file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The whole name, without the last dot; of a page its address.
    pub name: String,
    /// "TXT", "MX" and so on; "PAGE" for what is on the web.
    pub kind: String,
    pub value: String,
    pub why: String,
    #[serde(rename = "where")]
    pub place: Place,
    pub need: Need,
}

/// Where it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// In the zone of the domain.
    Zone,
    /// In the zone of the domain, when that is signed.
    SignedZone,
    /// With the provider of the address.
    Provider,
    /// In the zone, but its value is not known here.
    Unknown,
    Web,
}

/// What is without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Need {
    /// Mail does not come, or is not believed.
    Must,
    /// Works worse.
    Should,
    /// For who wants it.
    May,
}

/// What DMARC asks others to do with mail in our name that is not ours. RFC 7489 6.3
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Dmarc {
    /// Only tell.
    #[default]
    None,
    Quarantine,
    Reject,
}

/// What is known of the machine beside its settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// SHA-256 of the public key of the certificate.
    pub key: Option<[u8; 32]>,
    pub dmarc: Dmarc,
}

/// Everything to publish for a domain.
pub(crate) fn of_domain(
    domain: &str,
    settings: &Settings,
    pairs: &[Pair],
    known: &Known,
) -> Vec<Record> {
    let host = settings.host.as_str();
    let mut all = vec![must(domain, "MX", format!("10 {host}."), "mail for it comes to this box")];
    all.extend(addresses(settings));
    all.extend(senders(domain, settings));
    for pair in pairs {
        all.extend(pair.keys.iter().map(|key| of_key(domain, key, pair.active)));
    }
    all.extend(policies(domain, settings, known.dmarc));
    all.extend(services(domain, host, settings.ports));
    all.extend(pages(domain, host));
    // RFC 8659 4.2
    let issuer = "0 issue \"letsencrypt.org\"".to_string();
    all.push(may(host, "CAA", issuer, "who may issue certificates; name another if you use it"));
    if let Some(key) = known.key {
        let key = key.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        });
        all.push(Record {
            place: Place::SignedZone,
            ..may(
                &format!("_25._tcp.{host}"),
                "TLSA",
                // RFC 7672 3.1.1: the key itself, whoever signed it
                format!("3 1 1 {key}"),
                "others insist on this key (DANE): only in a zone signed with DNSSEC, and renewed \
                 whenever the key changes",
            )
        });
    }
    all
}

/// The record of a key that signs; of one that does not yet, or no more, it may be missing.
pub(crate) fn of_key(domain: &str, key: &PublicKey, active: bool) -> Record {
    let name = format!("{}._domainkey.{domain}", key.selector);
    let record = text(&name, &key.record(), "others check signatures with it (DKIM)");
    Record { need: if active { Need::Must } else { Need::Should }, ..record }
}

/// The addresses of the box where the settings say them, and their names.
fn addresses(settings: &Settings) -> Vec<Record> {
    let host = settings.host.as_str();
    let public = settings.listen.iter().filter(|address| is_public(address));
    let records = |address: &IpAddr| {
        let kind = if address.is_ipv6() { "AAAA" } else { "A" };
        let own = must(host, kind, address.to_string(), "where this box is found");
        let name = Record {
            place: Place::Provider,
            ..must(&reverse(*address), "PTR", format!("{host}."), NAME_OF_ADDRESS)
        };
        [own, name]
    };
    let known: Vec<Record> = public.flat_map(records).collect();
    if !known.is_empty() {
        return known;
    }
    let address = "(the public address of this server)";
    vec![
        Record {
            place: Place::Unknown,
            ..must(host, "A", address.to_string(), "where this box is found, and AAAA for IPv6")
        },
        Record {
            place: Place::Provider,
            ..must(address, "PTR", format!("{host}."), NAME_OF_ADDRESS)
        },
    ]
}

const NAME_OF_ADDRESS: &str = "the name of the address: ask the provider who gave it to you; \
     without it large servers refuse your mail";

/// Who may send in the name of the domain, and of the box. RFC 7208
fn senders(domain: &str, settings: &Settings) -> Vec<Record> {
    let host = settings.host.as_str();
    let mut why = "this box may send for it (SPF)".to_string();
    if let Some(relay) = settings.outgoing.relay_of(Some(domain)) {
        let _ =
            write!(why, "; your mail leaves over {}: add the include: it tells you", relay.host);
    }
    // By name, so that it stays right when the address changes.
    let mut all = vec![Record {
        need: Need::Must,
        ..text(domain, &format!("v=spf1 mx a:{host} ~all"), &why)
    }];
    if host != domain {
        let own = "the box's own name sends from its address only";
        all.push(text(host, "v=spf1 a -all", own));
    }
    all
}

/// What others are asked to do, and to tell.
fn policies(domain: &str, settings: &Settings, dmarc: Dmarc) -> Vec<Record> {
    // Reports are files for programs: the tag lets a mail program sort them.
    let (policy, why) = match dmarc {
        Dmarc::None => (
            "none",
            "others tell once a day who sends in this name (DMARC); when two weeks of reports show \
             only senders you know, ask for more: `mailroom dns --dmarc quarantine`, then reject",
        ),
        Dmarc::Quarantine => ("quarantine", "mail in this name that is not proven is junk (DMARC)"),
        Dmarc::Reject => ("reject", "mail in this name that is not proven is refused (DMARC)"),
    };
    let dmarc = format!("v=DMARC1; p={policy}; rua=mailto:postmaster+dmarc@{domain}");
    let reports = format!("v=TLSRPTv1; rua=mailto:postmaster+tlsrpt@{domain}");
    let page = sts::printed(&settings.host, settings.mta_sts);
    let digest = ring::digest::digest(&ring::digest::SHA256, page.as_bytes());
    let id = digest.as_ref().iter().take(8).fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    });
    vec![
        text(&format!("_dmarc.{domain}"), &dmarc, why),
        // RFC 8460 3
        text(
            &format!("_smtp._tls.{domain}"),
            &reports,
            "others tell of failed encryption (TLS-RPT)",
        ),
        Record {
            need: Need::May,
            ..text(
                &format!("_mta-sts.{domain}"),
                // RFC 8461 3.1: changes with the policy
                &format!("v=STSv1; id={id}"),
                "there is a policy: others must encrypt; publish it with the page (MTA-STS)",
            )
        },
        Record {
            place: Place::Web,
            ..may(
                &format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"),
                "PAGE",
                page,
                "the policy; with a certificate that others trust (not the box's own), and after \
                 some weeks without reports of trouble, write enforce for testing: mta_sts in \
                 mailroom.toml",
            )
        },
    ]
}

/// RFC 6186, RFC 8314 5.1: mail programs find the ports.
fn services(domain: &str, host: &str, ports: Ports) -> Vec<Record> {
    let offered = [
        ("submissions", ports.submissions, 0),
        ("submission", ports.submission, 10),
        ("imaps", ports.imaps, 0),
        ("imap", ports.imap, 10),
        ("pop3s", ports.pop3s, 20),
        ("pop3", ports.pop3, 30),
    ];
    let service = |(name, port, priority): (&str, u16, u16)| {
        let name = format!("_{name}._tcp.{domain}");
        let (value, why) = match port {
            // RFC 2782: a target of "." is a service that is not there
            0 => ("0 0 0 .".to_string(), "mail programs: not served"),
            port => (format!("{priority} 1 {port} {host}."), "mail programs find the port"),
        };
        Record { need: Need::Should, ..may(&name, "SRV", value, why) }
    };
    offered.into_iter().map(service).collect()
}

/// What needs a page on the web beside it.
fn pages(domain: &str, host: &str) -> Vec<Record> {
    let page =
        |name: &str, why: &str| may(&format!("{name}.{domain}"), "CNAME", format!("{host}."), why);
    vec![
        page(
            "autoconfig",
            "Thunderbird and others ask here for settings; publish it when a page is served there",
        ),
        page("autodiscover", "Outlook asks here; publish it when a page is served there"),
        page(
            "mta-sts",
            "others read the policy here; publish it when the page is served (MTA-STS)",
        ),
    ]
}

/// The name of an address in DNS, without the last dot. RFC 1035 3.5, RFC 3596 2.5
pub(crate) fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(six) => {
            let halves = six.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            halves.fold(String::new(), |mut name, half| {
                let _ = write!(name, "{half:x}.");
                name
            }) + "ip6.arpa"
        }
    }
}

/// Can the world reach it? Addresses for documentation count, so that examples can be tried.
pub(crate) fn is_public(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            // RFC 6598: shared by a provider's customers
            let shared = a == 100 && (64..128).contains(&b);
            let special = four.is_unspecified() || four.is_loopback() || four.is_multicast();
            !(special || four.is_private() || four.is_link_local() || four.is_broadcast() || shared)
        }
        IpAddr::V6(six) => six.segments()[0] & 0xe000 == 0x2000,
    }
}

fn must(name: &str, kind: &str, value: String, why: &str) -> Record {
    Record { need: Need::Must, ..may(name, kind, value, why) }
}

fn may(name: &str, kind: &str, value: String, why: &str) -> Record {
    let (name, kind, why) = (name.to_string(), kind.to_string(), why.to_string());
    Record { name, kind, value, why, place: Place::Zone, need: Need::May }
}

/// RFC 1035 3.3: a text is made of strings of at most 255 octets.
fn text(name: &str, value: &str, why: &str) -> Record {
    let strings: Vec<String> = value.as_bytes().chunks(255).map(quoted).collect();
    Record { need: Need::Should, ..may(name, "TXT", strings.join(" "), why) }
}

/// RFC 1035 5.1: what would end the string, or is no ASCII, is escaped.
fn quoted(octets: &[u8]) -> String {
    let mut text = String::from("\"");
    for octet in octets {
        match octet {
            b'"' | b'\\' => text.extend(['\\', char::from(*octet)]),
            b' '..=b'~' => text.push(char::from(*octet)),
            other => _ = write!(text, "\\{other:03}"),
        }
    }
    text.push('"');
    text
}

/// As lines of a zone file.
pub(crate) fn printed(records: &[Record]) -> String {
    records.iter().map(line).collect()
}

fn line(record: &Record) -> String {
    let Record { name, kind, value, why, place, .. } = record;
    match place {
        Place::Zone => format!("; {why}\n{name}. 3600 IN {kind} {value}\n"),
        Place::SignedZone | Place::Provider | Place::Unknown => {
            format!("; {why}\n; {name}. 3600 IN {kind} {value}\n")
        }
        Place::Web => {
            let lines = value.lines().map(|line| format!(";   {line}\n")).collect::<String>();
            format!("; {why}\n; {name} is this text:\n{lines}")
        }
    }
}
