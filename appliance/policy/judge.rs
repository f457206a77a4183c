//! The one decision over an arriving message, to be read from top to bottom.
//!
//! Each way out has a name that stands in the reply, in the headers and in the trace. What nobody
//! can say now never refuses: mail is not lost to a name server that is down.

use super::{Evidence, Finding, Identity, Wish, is_host_name};
use crate::wire::party::{Party, is_below};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    /// Into the mailbox for unwanted mail.
    Junk,
    /// Never.
    Refuse,
    /// Not now: who means it comes again.
    Later,
}

/// What is done with mail that a domain asks to refuse or put aside (DMARC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnDmarc {
    #[default]
    Honour,
    /// Put aside what should be refused.
    Junk,
    /// Only say so in the headers.
    Report,
}

/// The owner's rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rules {
    pub dmarc: OnDmarc,
    pub greylist: bool,
    /// A peer on a blocklist is refused, not only put aside.
    pub refuse_listed: bool,
    pub allow: Vec<Party>,
    pub deny: Vec<Party>,
    /// Domains whose ARC seals are believed.
    pub forwarders: Vec<String>,
}

/// Why the verdict is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The checks came to grief.
    NotChecked,
    /// The owner lists the sender so.
    Denied(Party),
    Allowed(Party),
    DmarcReject,
    DmarcQuarantine,
    /// On this blocklist.
    Listed(String),
    /// Several signs together.
    Suspicious,
    Greylisted,
    /// The author is proven, and known to the recipient.
    Known,
    /// The author is proven.
    Proven,
    /// Nothing speaks against it.
    Ordinary,
}

/// Why a domain's wish was not followed to the letter. RFC 9990 calls these overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Override {
    AllowList,
    /// A forwarder we believe saw it pass.
    TrustedForwarder,
    MailingList,
    /// The domain only tests.
    Testing,
    /// The settings say "junk" or "report".
    Settings,
}

/// Something that speaks against a message, though it may have a harmless cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    Listed(String),
    SpfFail,
    SpfSoftFail,
    HeloSpfFail,
    /// The address has no name, or one that leads elsewhere.
    NoReverseName,
    /// HELO said something that is no host name.
    OddHelo,
    /// Signatures, and not one that is right.
    BrokenSignature,
    NoAuthor,
    /// Authors of several domains, or something beside them that is no address.
    UnclearAuthor,
    SeveralFrom,
    /// Its domain asks for proof, and nobody can say now whether there is one.
    NotProvenNow,
    /// The recipient never heard of the author. Counts only beside another.
    FirstContact,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub verdict: Verdict,
    pub reason: Reason,
    pub signs: Vec<Sign>,
    pub overridden: Option<Override>,
}

/// Together this much is put aside.
const JUNK_AT: u32 = 3;
/// This much has to wait where the owner wants greylisting.
const LATER_AT: u32 = 2;
/// What speaks for an author who is proven and known.
const KNOWN_WEIGHT: u32 = 3;

pub(crate) fn judge(evidence: &Evidence, rules: &Rules) -> Judgement {
    if evidence.fault.is_some() {
        return said(Verdict::Accept, Reason::NotChecked);
    }
    if let Some(party) = listed_in(&rules.deny, evidence) {
        return said(Verdict::Refuse, Reason::Denied(party.clone()));
    }
    if let Some(party) = listed_in(&rules.allow, evidence) {
        let overridden = wish(evidence).is_some().then_some(Override::AllowList);
        return Judgement { overridden, ..said(Verdict::Accept, Reason::Allowed(party.clone())) };
    }
    let (by_dmarc, overridden) = by_dmarc(evidence, rules);
    if let Some((verdict, reason)) = by_dmarc {
        return Judgement { overridden, ..said(verdict, reason) };
    }
    let signs = signs(evidence);
    let (verdict, reason) = by_signs(evidence, rules, &signs);
    Judgement { verdict, reason, signs, overridden }
}

/// What the author's domain asks for, now that its name is not proven.
fn wish(evidence: &Evidence) -> Option<Wish> {
    let dmarc = &evidence.dmarc;
    (dmarc.finding == Finding::Fail && dmarc.wish != Wish::None).then_some(dmarc.wish)
}

fn by_dmarc(evidence: &Evidence, rules: &Rules) -> (Option<(Verdict, Reason)>, Option<Override>) {
    let Some(wish) = wish(evidence) else { return (None, None) };
    if rules.dmarc == OnDmarc::Report {
        return (None, Some(Override::Settings));
    }
    if is_vouched_for(evidence, rules) {
        return (None, Some(Override::TrustedForwarder));
    }
    let (wish, testing) = match evidence.dmarc.testing {
        true => (wish.lowered(), Some(Override::Testing)),
        false => (wish, None),
    };
    let junk = (Verdict::Junk, Reason::DmarcReject);
    match wish {
        Wish::None => (None, testing),
        Wish::Quarantine => (Some((Verdict::Junk, Reason::DmarcQuarantine)), testing),
        Wish::Reject if rules.dmarc == OnDmarc::Junk => (Some(junk), Some(Override::Settings)),
        // RFC 9989 7.4: lists change what they send on; refusing hurts their members. A list that
        // vouches for itself is put aside, where a person can look.
        Wish::Reject if is_list(evidence) => (Some(junk), Some(Override::MailingList)),
        Wish::Reject => (Some((Verdict::Refuse, Reason::DmarcReject)), testing),
    }
}

/// RFC 8617 7.2.1: a chain that is whole, whose last link is one we believe, and says that it saw
/// this author proven.
fn is_vouched_for(evidence: &Evidence, rules: &Rules) -> bool {
    let arc = &evidence.arc;
    let believed = arc
        .sealers
        .last()
        .is_some_and(|last| rules.forwarders.iter().any(|domain| is_below(last, domain)));
    let proven = arc.proven.as_deref();
    let saw = proven.is_some_and(|name| name.is_empty() || name == evidence.dmarc.domain);
    arc.finding == Finding::Pass && believed && saw
}

/// It says it is from a list, and whoever sent it is proven by SPF or a signature of its own.
fn is_list(evidence: &Evidence) -> bool {
    let signed = evidence.dkim.iter().any(|dkim| dkim.finding == Finding::Pass);
    evidence.claims.list && (signed || evidence.spf_of(Identity::Mail) == Finding::Pass)
}

fn by_signs(evidence: &Evidence, rules: &Rules, signs: &[Sign]) -> (Verdict, Reason) {
    let vouched = evidence.known && evidence.is_proven();
    let against: u32 = signs.iter().map(weight).sum();
    let against = if vouched { against.saturating_sub(KNOWN_WEIGHT) } else { against };
    let zone = signs.iter().find_map(|sign| match sign {
        Sign::Listed(zone) => Some(zone.clone()),
        _ => None,
    });
    if let Some(zone) = &zone
        && rules.refuse_listed
        && !vouched
    {
        return (Verdict::Refuse, Reason::Listed(zone.clone()));
    }
    if rules.greylist && against >= LATER_AT && !evidence.known && !evidence.waited {
        return (Verdict::Later, Reason::Greylisted);
    }
    match zone {
        Some(zone) if against >= JUNK_AT => (Verdict::Junk, Reason::Listed(zone)),
        _ if against >= JUNK_AT => (Verdict::Junk, Reason::Suspicious),
        _ if vouched => (Verdict::Accept, Reason::Known),
        _ if evidence.is_proven() => (Verdict::Accept, Reason::Proven),
        _ => (Verdict::Accept, Reason::Ordinary),
    }
}

fn signs(evidence: &Evidence) -> Vec<Sign> {
    let mut signs: Vec<Sign> =
        evidence.listed.iter().map(|listed| Sign::Listed(listed.zone.clone())).collect();
    // Who is proven by a signature was forwarded: SPF speaks of the forwarder then.
    if !evidence.is_proven() {
        match evidence.spf_of(Identity::Mail) {
            Finding::Fail => signs.push(Sign::SpfFail),
            Finding::SoftFail => signs.push(Sign::SpfSoftFail),
            _ => {}
        }
        let right = |finding| evidence.dkim.iter().any(|dkim| dkim.finding == finding);
        let unsure = right(Finding::Pass) || right(Finding::TempError) || right(Finding::Policy);
        if !evidence.dkim.is_empty() && !unsure {
            signs.push(Sign::BrokenSignature);
        }
    }
    if evidence.spf_of(Identity::Helo) == Finding::Fail {
        signs.push(Sign::HeloSpfFail);
    }
    if matches!(evidence.iprev.finding, Finding::Fail | Finding::PermError) {
        signs.push(Sign::NoReverseName);
    }
    if !is_host_name(&evidence.helo) {
        signs.push(Sign::OddHelo);
    }
    match evidence.claims.from_fields {
        // RFC 5322 3.6: exactly one
        2.. => signs.push(Sign::SeveralFrom),
        _ if evidence.claims.authors.is_empty() => signs.push(Sign::NoAuthor),
        _ if evidence.claims.unreadable > 0 || evidence.claims.domains().len() > 1 => {
            signs.push(Sign::UnclearAuthor);
        }
        _ => {}
    }
    if evidence.dmarc.finding == Finding::TempError && evidence.dmarc.wish != Wish::None {
        signs.push(Sign::NotProvenNow);
    }
    if !signs.is_empty() && !evidence.known {
        signs.push(Sign::FirstContact);
    }
    signs
}

fn weight(sign: &Sign) -> u32 {
    match sign {
        // One list alone is enough to put aside, and never to refuse.
        Sign::Listed(_) => 3,
        // RFC 5322 3.6: nobody who means it well writes two.
        Sign::SeveralFrom => 3,
        Sign::SpfFail | Sign::NoAuthor | Sign::UnclearAuthor | Sign::NotProvenNow => 2,
        Sign::SpfSoftFail
        | Sign::HeloSpfFail
        | Sign::NoReverseName
        | Sign::OddHelo
        | Sign::BrokenSignature
        | Sign::FirstContact => 1,
    }
}

/// The owner means the sender of the envelope or an author.
fn listed_in<'r>(parties: &'r [Party], evidence: &Evidence) -> Option<&'r Party> {
    let people = || evidence.sender.iter().chain(&evidence.claims.authors);
    parties.iter().find(|party| people().any(|address| party.is(address)))
}

fn said(verdict: Verdict, reason: Reason) -> Judgement {
    Judgement { verdict, reason, signs: Vec::new(), overridden: None }
}
