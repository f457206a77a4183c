//! DMARC records: what a domain asks for where its name is not proven.
//!
//! ```text
//! record = "v=DMARC1" *( ";" [tag "=" value] )        RFC 9989 4.8, white space about each sign
//! tag    = "p" / "sp" / "np"  : none, quarantine, reject
//!        / "adkim" / "aspf"   : r, s
//!        / "psd"              : y, n, u
//!        / "t"                : y, n
//!        / "rua" / ...
//! ```
//!
//! What is wrong behind the version is as if it were not there (4.7).

use super::party::is_below;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub policy: Option<Policy>,
    pub subdomains: Option<Policy>,
    pub absent: Option<Policy>,
    pub strict_dkim: bool,
    pub strict_spf: bool,
    /// Is it the record of a domain under which the public registers?
    pub public: Option<bool>,
    /// `t=y`, or `pct=0`, which was the way to say so in RFC 7489 (A.6).
    pub testing: bool,
    /// It says where reports go.
    pub reports: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    None,
    Quarantine,
    Reject,
}

impl Record {
    /// `None`: it is another record.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut tags = text.split(';');
        // RFC 9989 4.8: the version comes first, in this case
        let (name, version) = tags.next()?.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("v") || version.trim() != "DMARC1" {
            return None;
        }
        let mut record = Self {
            policy: None,
            subdomains: None,
            absent: None,
            strict_dkim: false,
            strict_spf: false,
            public: None,
            testing: false,
            reports: false,
        };
        let mut seen: Vec<String> = Vec::new();
        for tag in tags {
            let Some((name, value)) = tag.split_once('=') else { continue };
            let name = name.trim().to_ascii_lowercase();
            if seen.contains(&name) {
                continue;
            }
            record.take(&name, value.trim());
            seen.push(name);
        }
        Some(record)
    }

    fn take(&mut self, name: &str, value: &str) {
        let folded = value.to_ascii_lowercase();
        match (name, folded.as_str()) {
            ("p", value) => self.policy = policy(value),
            ("sp", value) => self.subdomains = policy(value),
            ("np", value) => self.absent = policy(value),
            ("adkim", value) => self.strict_dkim = value == "s",
            ("aspf", value) => self.strict_spf = value == "s",
            ("psd", "y") => self.public = Some(true),
            ("psd", "n") => self.public = Some(false),
            ("t", "y") | ("pct", "0") => self.testing = true,
            ("rua", value) => self.reports = value.contains("mailto:") && value.contains('@'),
            _ => {}
        }
    }

    /// What it asks for: of the domain itself, or of one below it, which exists or does not.
    /// `None`: it does not apply.
    pub(crate) fn wish(&self, own: bool, exists: bool) -> Option<Policy> {
        // RFC 9989 4.7: without a right p it is none where reports are wanted, and else nothing
        let policy = self.policy.or(self.reports.then_some(Policy::None))?;
        let subdomains = self.subdomains.unwrap_or(policy);
        Some(match (own, exists) {
            (true, _) => policy,
            (false, true) => subdomains,
            (false, false) => self.absent.unwrap_or(subdomains),
        })
    }
}

fn policy(value: &str) -> Option<Policy> {
    match value {
        "none" => Some(Policy::None),
        "quarantine" => Some(Policy::Quarantine),
        "reject" => Some(Policy::Reject),
        _ => None,
    }
}

/// RFC 9989 4.10: the names at which records are looked for, from the domain upwards: eight at the
/// very most.
pub(crate) fn walk(domain: &str) -> Vec<&str> {
    let mut names = vec![domain];
    let mut rest = domain;
    let mut labels = domain.split('.').count();
    // Long names are cut to seven labels in the first step.
    while labels > 1 {
        let keep = if labels >= 8 { 7 } else { labels - 1 };
        while labels > keep {
            let Some((_, shorter)) = rest.split_once('.') else { return names };
            rest = shorter;
            labels -= 1;
        }
        names.push(rest);
    }
    names
}

/// RFC 9989 4.10.2: the domain of the organization, from what the walk found: names with their
/// records, the longest first.
pub(crate) fn organization<'d>(domain: &'d str, found: &[(&'d str, Record)]) -> &'d str {
    if let Some((name, _)) = found.iter().find(|(_, record)| record.public == Some(false)) {
        return name;
    }
    let above = |(name, record): &&(&str, Record)| record.public == Some(true) && *name != domain;
    if let Some((public, _)) = found.iter().find(above) {
        // One label below it.
        let below = domain.strip_suffix(public).and_then(|rest| rest.strip_suffix('.'));
        let label = below.map_or(0, |below| below.rsplit('.').next().unwrap_or_default().len());
        return domain.get(domain.len() - public.len() - 1 - label..).unwrap_or(domain);
    }
    found.last().map_or(domain, |(name, _)| name)
}

/// Could `name` be of the same organization? Before its own walk is done.
pub(crate) fn may_align(name: &str, organization: &str) -> bool {
    is_below(name, organization)
}
