//! What is believed of arriving mail: `[checks]`.
//!
//! ```text
//! [checks]               trusted, dmarc, greylist, allow, deny, forwarders, blocklist_hit
//! [[checks.blocklist]]   zone, codes
//! ```

use super::{Fault, fault};
use crate::limits;
use crate::wire::address::check_domain;
use crate::wire::party::Party;
use serde::Deserialize;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use toml::Spanned;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checks {
    /// Peers whose mail is not judged, and about whom nobody is asked.
    pub trusted: Vec<Network>,
    pub dmarc: Dmarc,
    pub greylist: bool,
    /// Senders that are taken or refused whatever else is found; deny comes first.
    pub allow: Vec<Party>,
    pub deny: Vec<Party>,
    /// Domains whose ARC seals are believed.
    pub forwarders: Vec<String>,
    pub blocklists: Vec<Blocklist>,
    pub blocklist_hit: BlocklistHit,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            trusted: vec![
                Network { address: IpAddr::from([127, 0, 0, 0]), bits: 8 },
                Network { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), bits: 128 },
            ],
            dmarc: Dmarc::Honour,
            greylist: false,
            allow: Vec::new(),
            deny: Vec::new(),
            forwarders: Vec::new(),
            blocklists: Vec::new(),
            blocklist_hit: BlocklistHit::Junk,
        }
    }
}

impl Checks {
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(peer))
    }
}

/// What is done with mail that its domain asks to refuse or put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dmarc {
    Honour,
    /// Put aside what should be refused.
    Junk,
    /// Only say so in the headers.
    Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BlocklistHit {
    Junk,
    Refuse,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub address: IpAddr,
    pub bits: u8,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    pub(crate) fn holds(self, other: IpAddr) -> bool {
        let first = |number: u128, width: u32| {
            let shift = width.saturating_sub(u32::from(self.bits));
            number.checked_shr(shift).unwrap_or_default()
        };
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                first(u32::from(own).into(), 32) == first(u32::from(other).into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                first(own.into(), 128) == first(other.into(), 128)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A list of senders of unwanted mail. RFC 5782
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocklist {
    pub zone: String,
    /// From and to of answers that count.
    pub codes: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl Blocklist {
    /// Does this answer mean that the address is listed? Errors of lists are 127.255.255.x.
    pub(crate) fn counts(&self, code: Ipv4Addr) -> bool {
        self.codes.iter().any(|(from, to)| (*from..=*to).contains(&code))
    }
}

/// What counts where the owner says nothing.
const USUAL_CODES: (Ipv4Addr, Ipv4Addr) =
    (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 254));

/// The section with words for the owner.
pub(super) fn print(checks: &Checks) -> String {
    fn list<T: ToString>(all: &[T]) -> String {
        let all: Vec<String> = all.iter().map(|one| quoted(&one.to_string())).collect();
        format!("[{}]", all.join(", "))
    }
    let dmarc = match checks.dmarc {
        Dmarc::Honour => "honour",
        Dmarc::Junk => "junk",
        Dmarc::Report => "report",
    };
    let hit = match checks.blocklist_hit {
        BlocklistHit::Junk => "junk",
        BlocklistHit::Refuse => "refuse",
    };
    let mut text = format!(
        "\n[checks]\n\
         # Peers whose mail is taken without a check, as \"192.0.2.0/24\".\n\
         trusted = {}\n\
         # Mail whose author is not proven, where the author's domain asks so (DMARC):\n\
         # \"honour\": refused or put into Junk; \"junk\": put into Junk; \"report\": only said.\n\
         dmarc = \"{dmarc}\"\n\
         # Suspicious mail of unknown senders has to come twice: keeps some of it away, and\n\
         # delays some that is wanted.\n\
         greylist = {}\n\
         # Addresses and domains whose mail is always taken, even if somebody forges it; and\n\
         # whose mail is always refused. Who is in both is refused.\n\
         allow = {}\n\
         deny = {}\n\
         # Domains of forwarders and mailing lists that you trust to have checked what they send\n\
         # on (ARC).\n\
         forwarders = {}\n\
         # Mail from a server on a blocklist: \"junk\" or \"refuse\".\n\
         blocklist_hit = \"{hit}\"\n\
         # Blocklists: [[checks.blocklist]] with zone, and codes such as \"127.0.0.2-127.0.0.11\"\n\
         # if only some of its answers count. Ask them through your own name server: many answer\n\
         # nothing through public ones.\n",
        list(&checks.trusted),
        checks.greylist,
        list(&checks.allow),
        list(&checks.deny),
        list(&checks.forwarders),
    );
    for blocklist in &checks.blocklists {
        let codes: Vec<String> =
            blocklist.codes.iter().map(|(from, to)| format!("{from}-{to}")).collect();
        let (zone, codes) = (quoted(&blocklist.zone), list(&codes));
        let _ = write!(text, "\n[[checks.blocklist]]\nzone = {zone}\ncodes = {codes}\n");
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

// ---- the section as it is written ----

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenChecks {
    trusted: Option<Vec<Spanned<String>>>,
    dmarc: Option<Dmarc>,
    greylist: Option<bool>,
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    deny: Vec<Spanned<String>>,
    #[serde(default)]
    forwarders: Vec<Spanned<String>>,
    #[serde(default)]
    blocklist: Vec<WrittenBlocklist>,
    blocklist_hit: Option<BlocklistHit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBlocklist {
    zone: Spanned<String>,
    codes: Option<Vec<Spanned<String>>>,
}

pub(super) fn checks(written: &WrittenChecks) -> Result<Checks, Fault> {
    let usual = Checks::default();
    if let Some(one_more) = written.blocklist.get(limits::BLOCKLISTS) {
        let why = format!("at most {} blocklists: each is asked for each mail", limits::BLOCKLISTS);
        return Err(fault(&one_more.zone, why));
    }
    let trusted = match &written.trusted {
        Some(all) => all.iter().map(network).collect::<Result<_, _>>()?,
        None => usual.trusted,
    };
    Ok(Checks {
        trusted,
        dmarc: written.dmarc.unwrap_or(usual.dmarc),
        greylist: written.greylist.unwrap_or(usual.greylist),
        allow: written.allow.iter().map(party).collect::<Result<_, _>>()?,
        deny: written.deny.iter().map(party).collect::<Result<_, _>>()?,
        forwarders: written.forwarders.iter().map(domain).collect::<Result<_, _>>()?,
        blocklists: written.blocklist.iter().map(blocklist).collect::<Result<_, _>>()?,
        blocklist_hit: written.blocklist_hit.unwrap_or(usual.blocklist_hit),
    })
}

fn network(written: &Spanned<String>) -> Result<Network, Fault> {
    let text = written.get_ref();
    let why = || format!("{text:?} is no network such as 192.0.2.0/24, and no address");
    Network::parse(text).ok_or_else(|| fault(written, why()))
}

fn party(written: &Spanned<String>) -> Result<Party, Fault> {
    let text = written.get_ref();
    let why = || format!("{text:?} is no address such as joe@example.org, and no domain");
    Party::parse(text).ok_or_else(|| fault(written, why()))
}

fn domain(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    match check_domain(text) {
        Ok(name) if !name.starts_with('[') => Ok(name),
        _ => Err(fault(written, format!("{text:?} is no domain"))),
    }
}

fn blocklist(written: &WrittenBlocklist) -> Result<Blocklist, Fault> {
    let codes = match &written.codes {
        None => vec![USUAL_CODES],
        Some(codes) if codes.is_empty() => {
            return Err(fault(&written.zone, "codes is empty: the list would never count"));
        }
        Some(codes) => codes.iter().map(range).collect::<Result<_, _>>()?,
    };
    Ok(Blocklist { zone: domain(&written.zone)?, codes })
}

/// Within 127.0.0.0/8 and below 127.255.0.0: the answers by which lists say that they do not
/// answer never count.
fn range(written: &Spanned<String>) -> Result<(Ipv4Addr, Ipv4Addr), Fault> {
    let text = written.get_ref();
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.trim().parse::<Ipv4Addr>().ok();
    let fits = |code: &Ipv4Addr| code.octets()[0] == 127 && code.octets()[1] != 255;
    match (code(from).filter(fits), code(to).filter(fits)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        _ => {
            let why = "is no code such as 127.0.0.2, and no range such as 127.0.0.2-127.0.0.11";
            Err(fault(written, format!("{text:?} {why}")))
        }
    }
}
