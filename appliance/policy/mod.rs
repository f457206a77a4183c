//! What is believed of an arriving message: evidence in, verdict out, no I/O.
//!
//! ```text
//! net::authenticate, store -> Evidence -> judge -> Judgement -> reply, mailbox, headers, trace
//! ```
//!
//! [`results`] prints evidence for programs (RFC 8601), [`words`] tells it to people.

pub(crate) mod believed;
pub(crate) mod judge;
pub(crate) mod results;
pub(crate) mod words;

use crate::limits::{CLAIMS_BYTES, DMARC_DOMAINS};
use crate::message::{headers, people};
use crate::wire::address::{Address, check_domain};
use std::net::{IpAddr, Ipv4Addr};

/// All that is known of a message when it is judged, for one of its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub peer: IpAddr,
    /// As it was said.
    pub helo: String,
    /// The connection was encrypted.
    pub tls: bool,
    /// The sender of the envelope; `None` is `<>`.
    pub sender: Option<Address>,
    pub claims: Claims,
    pub clock: Clock,
    pub iprev: Iprev,
    /// Of the name in HELO, and of the envelope's sender where there is one. RFC 7208 2.3, 2.4
    pub spf: Vec<Spf>,
    pub dkim: Vec<Dkim>,
    /// Signatures beyond those that are looked at.
    pub more_signatures: usize,
    pub arc: Arc,
    pub dmarc: Dmarc,
    pub listed: Vec<Listed>,
    /// The recipient has written to this author, or has had mail from it that was proven.
    pub known: bool,
    /// The same peer came with the same envelope before, and has waited.
    pub waited: bool,
    /// The checks themselves came to grief: nothing above counts.
    pub fault: Option<String>,
}

/// What came of a check. The words of RFC 8601 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Finding {
    /// There was nothing to check.
    #[default]
    None,
    Pass,
    Fail,
    SoftFail,
    Neutral,
    /// Right, and not acceptable to us.
    Policy,
    /// Nobody can say now.
    TempError,
    /// Nobody will ever say: what was published is broken.
    PermError,
}

impl Finding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// How far the clock can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Clock {
    /// It stands before the day this program was built: times are not judged.
    Floor,
    #[default]
    Told,
}

/// RFC 8601 3: does the name of the address lead back to it?
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Iprev {
    pub finding: Finding,
    /// The name that does, or the first that does not.
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    Helo,
    Mail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spf {
    pub identity: Identity,
    pub domain: String,
    pub finding: Finding,
    pub why: String,
}

/// One DKIM-Signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dkim {
    pub domain: String,
    pub selector: String,
    pub algorithm: &'static str,
    /// The first letters of the signature, to tell two apart. RFC 6008
    pub begins: String,
    pub finding: Finding,
    pub why: String,
}

/// The chain of those who handed the message on. RFC 8617
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Arc {
    pub finding: Finding,
    /// Domains of the seals, the first hop first.
    pub sealers: Vec<String>,
    /// The author's domain that the last hop says it saw proven (`dmarc=pass`); "" if it says so
    /// and names none.
    pub proven: Option<String>,
    pub why: String,
}

/// What the domain asks for where its name is not proven. RFC 9989 4.7
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) enum Wish {
    #[default]
    None,
    Quarantine,
    Reject,
}

impl Wish {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// RFC 9989 4.7: one level lower while the domain only tests.
    pub(crate) fn lowered(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dmarc {
    pub finding: Finding,
    /// The one domain of all authors in From; empty when there is none.
    pub domain: String,
    /// As it is published for this domain.
    pub wish: Wish,
    /// The domain says that it only tests (`t=y`, or RFC 7489's `pct=0`).
    pub testing: bool,
    /// What proved the domain: "SPF", "DKIM".
    pub by: &'static str,
    pub why: String,
}

/// The peer is on a list of senders of unwanted mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub zone: String,
    pub code: Ipv4Addr,
}

/// What the message says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    /// From fields; RFC 5322 3.6 wants one.
    pub from_fields: usize,
    /// Addresses in them that are well formed.
    pub authors: Vec<Address>,
    /// What stands in them where an address should, and is none: a mail program may show it.
    pub unreadable: usize,
    /// It says that it comes from a mailing list. RFC 2919, RFC 2369
    pub list: bool,
}

impl Claims {
    pub(crate) fn of(message: &[u8]) -> Self {
        let mut claims = Self::default();
        let mut read = 0_usize;
        for field in headers::fields(message) {
            read = read.saturating_add(field.whole.len());
            claims.list |= field.is("List-Id") || field.is("List-Post");
            if !field.is("From") {
                continue;
            }
            claims.from_fields += 1;
            if read > CLAIMS_BYTES {
                claims.unreadable += 1;
                continue;
            }
            for entry in people::list(&headers::unfold(field.value), &mut |_| true) {
                // Without a host it is the begin or the end of a group.
                let (Some(local), Some(host)) = (entry.mailbox, entry.host) else { continue };
                let text = |octets| String::from_utf8(octets).unwrap_or_default();
                match Address::new(&text(local), &text(host)) {
                    Ok(author) => claims.authors.push(author),
                    Err(_) => claims.unreadable += 1,
                }
            }
        }
        claims
    }

    /// RFC 9989 4.10: the domain of all authors, if it is one, and From says nothing else.
    pub(crate) fn domain(&self) -> Option<&str> {
        let domains = self.domains();
        let [only] = domains[..] else { return None };
        let literal = self.authors.iter().any(|author| author.domain().starts_with('['));
        (self.from_fields == 1 && self.unreadable == 0 && !literal).then_some(only)
    }

    /// Domains of authors, each once; no more than are looked at.
    pub(crate) fn domains(&self) -> Vec<&str> {
        let mut domains: Vec<&str> = Vec::new();
        for author in &self.authors {
            let domain = author.domain();
            if domains.len() < DMARC_DOMAINS
                && !domain.starts_with('[')
                && !domains.contains(&domain)
            {
                domains.push(domain);
            }
        }
        domains
    }
}

impl Evidence {
    /// Nothing was looked at yet.
    pub(crate) fn new(peer: IpAddr, helo: &str, claims: Claims) -> Self {
        Self {
            peer,
            helo: helo.to_string(),
            tls: false,
            sender: None,
            claims,
            clock: Clock::Told,
            iprev: Iprev::default(),
            spf: Vec::new(),
            dkim: Vec::new(),
            more_signatures: 0,
            arc: Arc::default(),
            dmarc: Dmarc::default(),
            listed: Vec::new(),
            known: false,
            waited: false,
            fault: None,
        }
    }

    pub(crate) fn spf_of(&self, identity: Identity) -> Finding {
        let own = self.spf.iter().find(|spf| spf.identity == identity);
        own.map(|spf| spf.finding).unwrap_or_default()
    }

    /// The author is who From says.
    pub(crate) fn is_proven(&self) -> bool {
        self.dmarc.finding == Finding::Pass
    }
}

/// RFC 5321 2.3.5: a name with a dot, as servers of the world have; or an address literal.
pub(crate) fn is_host_name(helo: &str) -> bool {
    match check_domain(helo) {
        Ok(name) => name.starts_with('[') || name.contains('.'),
        Err(_) => false,
    }
}
