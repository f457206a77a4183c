//! What another server says it found of a message that it took, where that server is believed:
//! mail that is collected from a provider was checked there, when it arrived.
//!
//! ```text
//! Authentication-Results: authserv-id; method=result (comment) ptype.property=value ...
//!                                                                           RFC 8601 2.2
//! ```
//!
//! Only the topmost field counts, and only if its authserv-id is one that is believed: any field
//! below it may have come with the message. Microsoft writes none: its field is believed where its
//! domain is among those.

use super::results::flat;
use super::{Claims, Dkim, Dmarc, Evidence, Finding, Identity, Spf};
use crate::limits::{BELIEVED_BYTES, DKIM_CHECKED};
use crate::message::headers;
use crate::wire::address::check_domain;
use crate::wire::party::is_below;
use std::net::{IpAddr, Ipv4Addr};

/// Whose fields have no authserv-id.
const NAMELESS: &str = "outlook.com";

/// Evidence of a message that lay with `host`; `vouchers` are the domains that are believed.
pub(crate) fn evidence(message: &[u8], host: &str, vouchers: &[String]) -> Evidence {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut evidence = Evidence::new(nowhere, host, Claims::of(message));
    // It came by TLS, and nobody has to come again.
    (evidence.tls, evidence.waited) = (true, true);
    let header = message.get(..headers::header_len(message)).unwrap_or_default();
    let Some(field) = headers::find(header, "Authentication-Results") else { return evidence };
    let value = field.value.get(..BELIEVED_BYTES.min(field.value.len())).unwrap_or_default();
    let text = flat(&String::from_utf8_lossy(value));
    let mut parts = text.split(';').map(str::trim);
    let first = text.split(';').next().unwrap_or_default().trim();
    if first.contains('=') {
        if !vouchers.iter().any(|voucher| is_below(NAMELESS, voucher)) {
            return evidence;
        }
    } else {
        let name = first.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if !vouchers.iter().any(|voucher| is_below(&name, voucher)) {
            return evidence;
        }
        parts.next();
    }
    for part in parts {
        add(&mut evidence, part);
    }
    prove(&mut evidence);
    evidence
}

/// One result.
fn add(evidence: &mut Evidence, part: &str) {
    let joined = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let joined = joined.replace(" =", "=").replace("= ", "=");
    let words: Vec<(&str, &str)> =
        joined.split(' ').filter_map(|word| word.split_once('=')).collect();
    let Some(((method, result), rest)) = words.split_first() else { return };
    let Some(finding) = finding(result) else { return };
    let property = |names: &[&str]| {
        rest.iter().find(|(name, _)| names.iter().any(|it| name.eq_ignore_ascii_case(it)))
    };
    let domain = |names: &[&str]| {
        let value = property(names)?.1.rsplit('@').next()?;
        check_domain(value).ok()
    };
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match method.as_str() {
        "spf" => {
            let Some(domain) = domain(&["smtp.mailfrom", "smtp.mail"]) else { return };
            let why = String::new();
            evidence.spf.push(Spf { identity: Identity::Mail, domain, finding, why });
        }
        "dkim" if evidence.dkim.len() < DKIM_CHECKED => {
            let Some(domain) = domain(&["header.d", "header.i"]) else { return };
            evidence.dkim.push(Dkim { domain, finding, ..Dkim::default() });
        }
        "dmarc" => {
            let domain = domain(&["header.from"]).unwrap_or_default();
            evidence.dmarc = Dmarc { finding, domain, ..Dmarc::default() };
        }
        _ => {}
    }
}

fn finding(result: &str) -> Option<Finding> {
    Some(match result.to_ascii_lowercase().as_str() {
        "none" | "bestguesspass" => Finding::None,
        "pass" => Finding::Pass,
        "fail" | "hardfail" => Finding::Fail,
        "softfail" => Finding::SoftFail,
        "neutral" => Finding::Neutral,
        "policy" => Finding::Policy,
        "temperror" => Finding::TempError,
        "permerror" => Finding::PermError,
        _ => return None,
    })
}

/// The author's domain is proven only if it is the one that From names; where the provider tells
/// nothing of DMARC, by a signature or SPF of just that domain.
fn prove(evidence: &mut Evidence) {
    let author = evidence.claims.domain().unwrap_or_default().to_string();
    let said = std::mem::take(&mut evidence.dmarc);
    let own = |domain: &str| !author.is_empty() && domain == author;
    let signed = evidence.dkim.iter().any(|it| it.finding == Finding::Pass && own(&it.domain));
    let sent = evidence.spf.iter().any(|it| it.finding == Finding::Pass && own(&it.domain));
    let by = if signed {
        "DKIM"
    } else if sent {
        "SPF"
    } else {
        ""
    };
    let told = said.finding != Finding::None && own(&said.domain);
    evidence.dmarc = match (told, by) {
        (true, by) => Dmarc { domain: author, by, ..said },
        (false, "") => Dmarc { domain: author, ..Dmarc::default() },
        (false, by) => Dmarc { domain: author, finding: Finding::Pass, by, ..Dmarc::default() },
    };
}
