//! Evidence and verdict for people: what was found, what it means, what to do.

use super::judge::{Judgement, Override, Reason, Sign, Verdict};
use super::{Clock, Dkim, Evidence, Finding, Identity, Iprev, Wish};
use std::borrow::Cow;

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Junk => "junk",
            Self::Refuse => "refuse",
            Self::Later => "later",
        }
    }
}

impl Reason {
    /// A short word for programs and for those who compare.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::NotChecked => "not-checked",
            Self::Denied(_) => "deny-list",
            Self::Allowed(_) => "allow-list",
            Self::DmarcReject => "dmarc-reject",
            Self::DmarcQuarantine => "dmarc-quarantine",
            Self::Listed(_) => "blocklist",
            Self::Suspicious => "suspicious",
            Self::Greylisted => "greylist",
            Self::Known => "known-author",
            Self::Proven => "proven-author",
            Self::Ordinary => "ordinary",
        }
    }
}

impl Override {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllowList => "allow-list",
            Self::TrustedForwarder => "trusted-forwarder",
            Self::MailingList => "mailing-list",
            Self::Testing => "policy-test-mode",
            Self::Settings => "settings",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AllowList => "the sender is on your allow list",
            Self::TrustedForwarder => "a forwarder that you trust vouches for it (ARC)",
            Self::MailingList => "it comes from a mailing list, which changes what it sends on",
            Self::Testing => "the domain says that it only tests its rule",
            Self::Settings => "your settings are milder ([checks] dmarc)",
        }
    }
}

/// The value of the field X-Mailroom-Reason.
pub(crate) fn reason_field(judgement: &Judgement, evidence: &Evidence) -> String {
    let Judgement { verdict, reason, .. } = judgement;
    let words = because(judgement, evidence);
    let tame = |c: char| if c.is_ascii() && !c.is_control() { c } else { '?' };
    let words: String = words.chars().take(600).map(tame).collect();
    format!("{}; {}; {words}", verdict.name(), reason.name())
}

/// Why, in one sentence without its full stop.
pub(crate) fn because(judgement: &Judgement, evidence: &Evidence) -> String {
    let domain = &evidence.dmarc.domain;
    let mut words = match &judgement.reason {
        Reason::NotChecked => "the checks could not be made, so nothing is held against it".into(),
        Reason::Denied(party) => format!("{party} is on the deny list of this server"),
        Reason::Allowed(party) => format!("{party} is on the allow list of this server"),
        Reason::DmarcReject => {
            format!("{domain} asks to refuse mail in its name that is not proven (DMARC)")
        }
        Reason::DmarcQuarantine => {
            format!("{domain} asks to put aside mail in its name that is not proven (DMARC)")
        }
        Reason::Listed(zone) => format!("the blocklist {zone} names the sending server"),
        Reason::Suspicious => "several things speak against it".into(),
        Reason::Greylisted => "the sender is new here and has to try again".into(),
        Reason::Known => format!("{domain} is proven as its author, and known to you"),
        Reason::Proven => format!("{domain} is proven as its author"),
        Reason::Ordinary if evidence.dmarc.finding == Finding::TempError => {
            "its author could not be checked now, and nothing else speaks against it".into()
        }
        Reason::Ordinary => "nothing speaks enough against it".into(),
    };
    let signs: Vec<Cow<'_, str>> = judgement.signs.iter().map(sign).collect();
    if !signs.is_empty() {
        words.push_str(&format!(": {}", signs.join(", ")));
    }
    if let Some(overridden) = judgement.overridden {
        words.push_str(&format!(" (milder than the domain asks: {})", overridden.words()));
    }
    words
}

/// What is told to the other server, without its codes.
pub(crate) fn reply(judgement: &Judgement, evidence: &Evidence) -> String {
    let domain = &evidence.dmarc.domain;
    match &judgement.reason {
        Reason::Denied(_) => "This server takes no mail of this sender".to_string(),
        Reason::DmarcReject => {
            format!("Refused since {domain} asks so by DMARC: neither SPF nor DKIM proves it")
        }
        Reason::Listed(zone) => {
            format!("Refused since {} is on the blocklist {zone}", evidence.peer.to_canonical())
        }
        Reason::Greylisted => "Not now, try again in a few minutes".to_string(),
        _ => "Refused by the rules of this server".to_string(),
    }
}

/// What a person can do about it.
pub(crate) fn remedy(judgement: &Judgement) -> &'static str {
    match (judgement.verdict, &judgement.reason) {
        (Verdict::Refuse, Reason::Denied(_)) => {
            "To get mail from there, take the entry out of deny in [checks] of the settings."
        }
        (Verdict::Refuse | Verdict::Junk, Reason::DmarcReject | Reason::DmarcQuarantine) => {
            "If you expected this mail: tell the sender that SPF and DKIM of the domain are not \
             right, or put the domain into allow in [checks] of the settings until they are."
        }
        (Verdict::Refuse | Verdict::Junk, Reason::Listed(_)) => {
            "If you expected this mail: the sender's provider can have the server taken off the \
             list; or put the sender into allow in [checks] of the settings."
        }
        (Verdict::Junk, _) => {
            "If it is wanted, move it from Junk to the inbox and answer: who you wrote to is known."
        }
        (Verdict::Later, _) => "Nothing: a real mail server comes again by itself.",
        _ => "",
    }
}

/// What was found, a sentence each.
pub(crate) fn findings(evidence: &Evidence) -> String {
    if let Some(fault) = &evidence.fault {
        return format!("The sender could not be checked: {fault}.");
    }
    let mut told = vec![iprev(&evidence.iprev)];
    told.extend(evidence.spf.iter().map(|spf| self::spf(spf, evidence)));
    told.extend(evidence.dkim.iter().map(dkim));
    if evidence.dkim.is_empty() {
        told.push("It is not signed (DKIM).".to_string());
    }
    if evidence.more_signatures > 0 {
        told.push(format!("{} more signatures were not looked at.", evidence.more_signatures));
    }
    if evidence.clock == Clock::Floor {
        told.push("The clock of this server is not set: no signature counts as too old.".into());
    }
    match (evidence.arc.finding, evidence.arc.sealers.last()) {
        (Finding::None, _) => {}
        (Finding::Pass, Some(last)) => told.push(format!("{last} vouches for its way (ARC).")),
        _ => told.push(format!("The chain of its forwarders is broken: {}.", evidence.arc.why)),
    }
    told.push(dmarc(evidence));
    let listed = evidence
        .listed
        .iter()
        .map(|listed| format!("The blocklist {} names the server ({}).", listed.zone, listed.code));
    told.extend(listed);
    // Names are as others wrote them.
    told.join(" ").chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn iprev(iprev: &Iprev) -> String {
    match iprev.finding {
        Finding::Pass => format!("The server's address belongs to {}.", iprev.name),
        Finding::TempError => "The name of the server's address could not be found out.".into(),
        _ if iprev.name.is_empty() => "The server's address has no name.".to_string(),
        _ => format!("The server's address claims the name {}, wrongly.", iprev.name),
    }
}

fn spf(spf: &super::Spf, evidence: &Evidence) -> String {
    let (domain, peer) = (&spf.domain, evidence.peer.to_canonical());
    let whose = match spf.identity {
        Identity::Helo => "as its own name",
        Identity::Mail => "as the sender",
    };
    match spf.finding {
        Finding::Pass => format!("{domain} {whose}: allows {peer} to send for it (SPF)."),
        Finding::Fail => format!("{domain} {whose}: says {peer} may not send for it (SPF)."),
        Finding::SoftFail => {
            format!("{domain} {whose}: says {peer} should not send for it (SPF).")
        }
        Finding::TempError => format!("{domain} {whose}: could not be asked now (SPF)."),
        Finding::PermError => {
            format!("{domain} {whose}: has published a broken SPF record: {}.", spf.why)
        }
        _ => format!("{domain} {whose}: does not say who may send for it (SPF)."),
    }
}

fn dkim(dkim: &Dkim) -> String {
    let by = if dkim.domain.is_empty() { "nobody who can be read" } else { &dkim.domain };
    match dkim.finding {
        Finding::Pass => format!("Signed by {by}, and unchanged since (DKIM)."),
        Finding::TempError => format!("Signed by {by}, whose key could not be fetched now (DKIM)."),
        _ => format!("Signed by {by}, which does not count: {} (DKIM).", dkim.why),
    }
}

fn dmarc(evidence: &Evidence) -> String {
    let dmarc = &evidence.dmarc;
    let domain = match dmarc.domain.as_str() {
        "" => return "It names no author that could be checked.".to_string(),
        domain => domain,
    };
    let asks = match dmarc.wish {
        Wish::None => "which asks for nothing in this case",
        Wish::Quarantine => "which asks to put such mail aside",
        Wish::Reject => "which asks to refuse such mail",
    };
    match dmarc.finding {
        Finding::Pass => format!("The author {domain} is proven by {} (DMARC).", dmarc.by),
        Finding::Fail => format!("The author {domain} is not proven, {asks} (DMARC)."),
        Finding::TempError => format!("The author {domain} could not be checked now (DMARC)."),
        Finding::PermError => {
            format!("The author {domain} has published a broken rule: {} (DMARC).", dmarc.why)
        }
        _ => format!("The author {domain} has published no rule (DMARC)."),
    }
}

fn sign(sign: &Sign) -> Cow<'static, str> {
    match sign {
        Sign::Listed(zone) => format!("blocklist {zone} names the server").into(),
        Sign::SpfFail => "the sender's domain forbids this server (SPF)".into(),
        Sign::SpfSoftFail => "the sender's domain does not know this server (SPF)".into(),
        Sign::HeloSpfFail => "the server uses a name that is not its own (SPF)".into(),
        Sign::NoReverseName => "the server's address has no right name".into(),
        Sign::OddHelo => "the server does not say its name".into(),
        Sign::BrokenSignature => "its signature is not right (DKIM)".into(),
        Sign::NoAuthor => "it names no author".into(),
        Sign::UnclearAuthor => "who wrote it is not clear from its From field".into(),
        Sign::SeveralFrom => "it has several From fields".into(),
        Sign::NotProvenNow => "its author could not be checked now (DMARC)".into(),
        Sign::FirstContact => "first mail from this author".into(),
    }
}
