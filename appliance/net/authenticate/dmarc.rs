//! DMARC (RFC 9989): is the author in From who it says, and what does its domain ask for if not?

use super::Answers;
use crate::net::resolver::NoAnswer;
use crate::policy::{Claims, Dkim, Dmarc, Finding, Identity, Spf, Wish};
use crate::wire::dmarc::{Policy, Record, may_align, organization, walk};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// A domain with the records found on the way up, the longest name first; or why nobody can say.
type Found<'d> = Result<Vec<(&'d str, Record)>, String>;

pub(super) async fn check(answers: &Answers, claims: &Claims, spf: &[Spf], dkim: &[Dkim]) -> Dmarc {
    if let Some(domain) = claims.domain() {
        return check_one(answers, domain, spf, dkim).await;
    }
    // RFC 7489 6.6.1: where it is not one, each is asked for, and the strictest that is not proven
    // counts. Nothing of such a message is proven.
    let mut worst = Dmarc::default();
    for domain in claims.domains() {
        let found = check_one(answers, domain, spf, dkim).await;
        let first = worst.finding != Finding::Fail;
        if found.finding == Finding::Fail && (first || found.wish > worst.wish) {
            worst = found;
        }
    }
    worst
}

async fn check_one(answers: &Answers, domain: &str, spf: &[Spf], dkim: &[Dkim]) -> Dmarc {
    let own = |finding, why| Dmarc { finding, domain: domain.to_string(), why, ..Dmarc::default() };
    let found = match records(answers, domain).await {
        Ok(found) => found,
        Err(why) => return own(Finding::TempError, why),
    };
    let author = organization(domain, &found);
    // RFC 9989 4.10.1: the domain's own, else its organization's, else the one above that
    let at = |name: &str| found.iter().find(|(other, _)| *other == name);
    let Some((at, record)) = at(domain).or_else(|| at(author)).or(found.last()) else {
        return own(Finding::None, String::new());
    };
    let is_own = *at == domain;
    let exists = is_own || record.absent.is_none() || exists(answers, domain).await;
    let Some(wish) = record.wish(is_own, exists) else {
        return own(Finding::None, "its record says no p".to_string());
    };
    let mut alignment = Alignment { answers, domain, author, known: HashMap::new() };
    let (finding, by, why) = alignment.prove(record, spf, dkim).await;
    Dmarc {
        finding,
        domain: domain.to_string(),
        wish: match wish {
            Policy::None => Wish::None,
            Policy::Quarantine => Wish::Quarantine,
            Policy::Reject => Wish::Reject,
        },
        testing: record.testing,
        by,
        why,
    }
}

/// RFC 9989 4.10: the walk up the tree.
async fn records<'d>(answers: &Answers, domain: &'d str) -> Found<'d> {
    let mut found = Vec::new();
    for name in walk(domain) {
        let texts = match answers.texts(&format!("_dmarc.{name}")).await {
            Ok(texts) => texts,
            Err(NoAnswer::NoName | NoAnswer::NoRecord) => continue,
            Err(unknown) => return Err(format!("{name}: {unknown}")),
        };
        let mut records: Vec<Record> =
            texts.iter().filter_map(|text| Record::parse(text)).collect();
        // Of several at one name none counts.
        if let (Some(record), true) = (records.pop(), records.is_empty()) {
            let last = record.public.is_some();
            found.push((name, record));
            if last {
                break;
            }
        }
    }
    Ok(found)
}

/// RFC 8020: only a name server that says so knows that there is no such name.
async fn exists(answers: &Answers, domain: &str) -> bool {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    answers.addresses_like(domain, any).await != Err(NoAnswer::NoName)
}

struct Alignment<'a> {
    answers: &'a Answers,
    domain: &'a str,
    author: &'a str,
    /// Organizations of other domains; `None`: nobody can say.
    known: HashMap<String, Option<String>>,
}

impl Alignment<'_> {
    /// RFC 9989 4.4: SPF or DKIM, of a domain that is aligned.
    async fn prove(
        &mut self,
        record: &Record,
        spf: &[Spf],
        dkim: &[Dkim],
    ) -> (Finding, &'static str, String) {
        let mail = spf.iter().find(|spf| spf.identity == Identity::Mail);
        // RFC 7208 2.4: mail from <> is from the postmaster of the name in HELO
        let spf = mail.or(spf.first());
        let checked = spf.iter().map(|spf| ("SPF", &spf.domain, spf.finding, record.strict_spf));
        let signed = dkim.iter().map(|d| ("DKIM", &d.domain, d.finding, record.strict_dkim));
        let mut unsure = None;
        for (by, domain, finding, strict) in checked.chain(signed) {
            if !matches!(finding, Finding::Pass | Finding::TempError) {
                continue;
            }
            match (self.is_aligned(domain, strict).await, finding) {
                (Some(true), Finding::Pass) => return (Finding::Pass, by, String::new()),
                (Some(false), _) => {}
                // RFC 9989 5.3.6: what might have proven it
                _ => unsure = Some(format!("{by} of {domain} could not be checked")),
            }
        }
        match unsure {
            Some(why) => (Finding::TempError, "", why),
            None => (Finding::Fail, "", "neither SPF nor DKIM proves it".to_string()),
        }
    }

    /// RFC 9989 4.10.2; `None`: nobody can say.
    async fn is_aligned(&mut self, domain: &str, strict: bool) -> Option<bool> {
        if domain == self.domain {
            return Some(true);
        }
        if strict || !may_align(domain, self.author) {
            return Some(false);
        }
        if !self.known.contains_key(domain) {
            let found = records(self.answers, domain).await;
            let own = found.ok().map(|found| organization(domain, &found).to_string());
            self.known.insert(domain.to_string(), own);
        }
        let own = self.known.get(domain)?.as_ref()?;
        Some(own == self.author)
    }
}
