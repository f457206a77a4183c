//! Evidence for programs: the field Authentication-Results.
//!
//! ```text
//! authres-header  = "Authentication-Results:" authserv-id 1*(";" resinfo)     RFC 8601 2.2
//! resinfo         = method "=" result [ "(" comment ")" ] *( ptype "." property "=" pvalue )
//! pvalue          = token / quoted-string
//! ```

use super::{Dkim, Evidence, Finding, Identity, Spf};

/// The field with its CRLF, one result a line.
pub(crate) fn field(evidence: &Evidence, host: &str) -> String {
    let mut lines = vec![iprev(evidence)];
    lines.extend(evidence.spf.iter().map(spf));
    lines.extend(evidence.dkim.iter().map(dkim));
    if evidence.dkim.is_empty() {
        lines.push("dkim=none".to_string());
    }
    lines.extend(arc(evidence));
    lines.push(dmarc(evidence));
    format!("Authentication-Results: {host};\r\n\t{}\r\n", lines.join(";\r\n\t"))
}

/// RFC 8617 4.1.1: for which author's domain a hop before us says `dmarc=pass`; "" if it says so
/// and names none. `value` is of ARC-Authentication-Results.
pub(crate) fn proven_author(value: &[u8]) -> Option<String> {
    let text = flat(&String::from_utf8_lossy(value));
    let mut proven = None;
    // The number of the hop and its name come first.
    for result in text.split(';').skip(2) {
        let words: Vec<&str> = result.split_whitespace().collect();
        let joined = words.join(" ").replace(" =", "=").replace("= ", "=");
        let mut words = joined.split(' ').filter_map(|word| word.split_once('='));
        let Some((method, result)) = words.next() else { continue };
        let method = method.split('/').next().unwrap_or_default();
        if !method.eq_ignore_ascii_case("dmarc") {
            continue;
        }
        // Whoever says two things says nothing.
        if proven.is_some() || !result.eq_ignore_ascii_case("pass") {
            return None;
        }
        let from = words.find(|(name, _)| name.eq_ignore_ascii_case("header.from"));
        proven = Some(from.map(|(_, domain)| domain.to_ascii_lowercase()).unwrap_or_default());
    }
    proven
}

/// Without comments; what is quoted is one word.
pub(super) fn flat(text: &str) -> String {
    let (mut flat, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted || depth > 0 => {
                chars.next();
            }
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => {
                flat.push(if c.is_alphanumeric() || "._-@".contains(c) { c } else { '?' })
            }
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                flat.push(' ');
            }
            _ if depth > 0 => {}
            c => flat.push(c),
        }
    }
    flat
}

/// RFC 8601 2.7.3
fn iprev(evidence: &Evidence) -> String {
    let name = comment(&evidence.iprev.name);
    let (finding, peer) = (evidence.iprev.finding.name(), evidence.peer.to_canonical());
    format!("iprev={finding}{name} policy.iprev={}", value(&peer.to_string()))
}

/// RFC 8601 2.7.2
fn spf(spf: &Spf) -> String {
    let property = match spf.identity {
        Identity::Helo => "helo",
        Identity::Mail => "mailfrom",
    };
    let why = if spf.finding == Finding::Pass { String::new() } else { comment(&spf.why) };
    format!("spf={}{why} smtp.{property}={}", spf.finding.name(), value(&spf.domain))
}

/// RFC 8601 2.7.1, RFC 6008
fn dkim(dkim: &Dkim) -> String {
    let mut line = format!("dkim={}{}", dkim.finding.name(), comment(&dkim.why));
    let properties = [
        ("d", dkim.domain.as_str()),
        ("s", &dkim.selector),
        ("a", dkim.algorithm),
        ("b", &dkim.begins),
    ];
    for (property, text) in properties.iter().filter(|(_, text)| !text.is_empty()) {
        line.push_str(&format!(" header.{property}={}", value(text)));
    }
    line
}

/// RFC 8617 9.1
fn arc(evidence: &Evidence) -> Option<String> {
    let arc = &evidence.arc;
    let last = arc.sealers.last().map(|last| format!("sealed by {last}"));
    let said = match arc.finding {
        Finding::None => return None,
        Finding::Pass => comment(&last.unwrap_or_default()),
        _ => comment(&arc.why),
    };
    Some(format!("arc={}{said}", arc.finding.name()))
}

/// RFC 9989 4.7
fn dmarc(evidence: &Evidence) -> String {
    let dmarc = &evidence.dmarc;
    let wish = match dmarc.finding {
        Finding::None => String::new(),
        _ if dmarc.testing => format!(" (p={}, testing)", dmarc.wish.name()),
        _ => format!(" (p={})", dmarc.wish.name()),
    };
    let mut line = format!("dmarc={}{wish}", dmarc.finding.name());
    if !dmarc.domain.is_empty() {
        line.push_str(&format!(" header.from={}", value(&dmarc.domain)));
    }
    line
}

/// RFC 5322 3.2.2, with a blank in front; nothing for nothing.
fn comment(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(" ({})", tame(text, "()\\"))
}

/// RFC 2045 5.1: a token, or else a quoted string.
fn value(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c);
    if !text.is_empty() && text.chars().all(is_token) {
        return text.to_string();
    }
    format!("\"{}\"", tame(text, "\"\\"))
}

/// What others wrote, without what could end the field or begin another.
fn tame(text: &str, but: &str) -> String {
    let tame = |c: char| match c {
        ' '..='~' if !but.contains(c) => c,
        _ => '?',
    };
    text.chars().take(200).map(tame).collect()
}
