//! The domain, the name of the box in it, and the records to publish.

use super::{Steps, finish, steps};
use crate::act::check::{Finding, State};
use crate::act::people::DomainAct;
use crate::act::records::{Dmarc, Need, Place, Record, printed};
use crate::act::{Reply as Done, Request as Act, dns};
use crate::admin::finding::{Told, told};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::look::Change;
use crate::admin::page::{Page, show};
use crate::admin::people::domains;
use crate::admin::refusal;
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::admin::words::Words;
use crate::admin::zone;
use crate::store::format::Setup;
use crate::store::owner;
use crate::wire::address::check_domain;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/domain.html")]
struct DomainPage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    domains: Vec<String>,
    records: Vec<Shown>,
    /// Why there are none.
    trouble: String,
    /// Why the world could not be asked about them.
    unasked: Option<Told>,
    running: bool,
    /// When the world was looked at last.
    at: Option<String>,
    changes: Vec<Changed>,
    /// Mail stays at its provider.
    collects: bool,
}

/// What was seen otherwise than at the look before.
struct Changed {
    at: String,
    was: &'static str,
    is: (&'static str, &'static str),
    told: Told,
}

fn word(state: State) -> (&'static str, &'static str) {
    match state {
        State::Ok => ("good", "records.ok"),
        State::Warn => ("warn", "records.warn"),
        State::Wrong => ("bad", "records.wrong"),
    }
}

/// A record with how the world sees it.
struct Shown {
    record: Record,
    /// What it is for.
    why: String,
    told: Option<Told>,
}

impl Shown {
    /// The class of its mark, and the key of its word.
    fn state(&self) -> (&'static str, &'static str) {
        self.told.as_ref().map_or(("", "records.unseen"), |told| word(told.state))
    }

    fn need(&self) -> &'static str {
        match self.record.need {
            Need::Must => "records.must",
            Need::Should => "records.should",
            Need::May => "records.may",
        }
    }

    /// Its value is not known here: nothing to copy.
    fn is_open(&self) -> bool {
        self.record.place == Place::Unknown
    }

    /// Where it is published, when that is not the zone.
    fn place(&self) -> Option<&'static str> {
        match self.record.place {
            Place::Zone | Place::Web => None,
            Place::SignedZone => Some("records.signed"),
            Place::Provider => Some("records.provider"),
            Place::Unknown => Some("records.unknown"),
        }
    }
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_domain(visit, &Form::default())
}

fn show_domain(visit: &Visit<'_>, form: &Form) -> Answer {
    let domains = domains(visit)?;
    let looked = visit.house.looked();
    let found = looked.last.as_ref().map(|(_, found)| found.as_slice()).unwrap_or_default();
    let (records, trouble) = match (domains.is_empty(), records(visit)) {
        (true, _) => (Vec::new(), String::new()),
        (false, Ok(records)) => (records, String::new()),
        (false, Err(why)) => (Vec::new(), why),
    };
    let no_look = |it: &&Finding| {
        it.state != State::Ok && ["world", "name servers"].contains(&it.what.as_str())
    };
    let words = visit.words;
    let Setup { zone, collects, domain, .. } = owner::setup(&visit.house.store.snapshot()?)?;
    let first = Form::with(&[("domain", &domain)]);
    let form = if form.has("domain") || !domains.is_empty() { form } else { &first };
    let unasked = found.iter().find(no_look).map(|it| told(words, &zone, it));
    let shown = |record: Record| {
        let what = format!("{} of {}", record.kind, record.name);
        let found = found.iter().find(|it| it.what == what);
        let why = why(words, &record);
        Shown { told: found.map(|it| told(words, &zone, it)), why, record }
    };
    let records = records.into_iter().map(shown).collect();
    let mut page = visit.page(visit.words.t("domain.title"));
    page.goes_on = looked.running;
    let at = looked.last.as_ref().map(|(at, _)| zone::show(&zone, *at));
    let change = |it: &Change| Changed {
        at: zone::show(&zone, it.at),
        was: word(it.was).1,
        is: word(it.now.state),
        told: told(words, &zone, &it.now),
    };
    let changes = looked.changes.iter().map(change).collect();
    let (steps, running) = (steps(visit, "domain")?, looked.running);
    show(&DomainPage {
        page: &page,
        steps,
        form,
        domains,
        records,
        trouble,
        unasked,
        running,
        at,
        changes,
        collects,
    })
}

/// What a record is for, in words of the page.
fn why(words: &Words, record: &Record) -> String {
    let Record { kind, name, value, .. } = record;
    let begins = |label: &str| name.starts_with(label);
    let key = match kind.as_str() {
        "MX" => "why.mx",
        "A" | "AAAA" => "why.address",
        "PTR" => "why.ptr",
        "CAA" => "why.caa",
        "TLSA" => "why.tlsa",
        "SRV" => "why.srv",
        "CNAME" if begins("autoconfig.") => "why.autoconfig",
        "CNAME" if begins("autodiscover.") => "why.autodiscover",
        "CNAME" if begins("mta-sts.") => "why.sts-page",
        "PAGE" => "why.sts-policy",
        "TXT" if name.contains("._domainkey.") => "why.dkim",
        "TXT" if begins("_dmarc.") => "why.dmarc",
        "TXT" if begins("_smtp._tls.") => "why.tlsrpt",
        "TXT" if begins("_mta-sts.") => "why.sts",
        "TXT" if value.contains("v=spf1") => "why.spf",
        _ => return record.why.clone(),
    };
    words.t(key).to_string()
}

pub(super) fn records(visit: &Visit<'_>) -> Result<Vec<Record>, String> {
    match dns::zone(&visit.house.data, None, Dmarc::default(), visit.request.now) {
        Ok(Done::Records(records)) => Ok(records),
        Ok(_) => Ok(Vec::new()),
        Err(failure) => Err(failure.why),
    }
}

pub(in crate::admin) fn add(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let domain = form.line(visit.words, "domain", 1, 253);
    let name = match check_domain(&domain) {
        Ok(name) if name.contains('.') && !name.starts_with('[') => name,
        _ => {
            if !domain.is_empty() {
                form.wrong("domain", visit.words.t("domain.wrong"));
            }
            String::new()
        }
    };
    let host = match form.value("host") {
        "" => format!("mail.{name}"),
        host => host.to_lowercase(),
    };
    if !is_host(&host) {
        form.wrong("host", visit.words.t("domain.host-wrong"));
    }
    if !form.is_fine() {
        return Ok(show_domain(visit, &form)?.status(422));
    }
    let act = Act::Domain(DomainAct::Add { domain: name.clone() });
    if let Err(failure) = visit.act("domain/add", &name, act) {
        form.wrong("domain", &refusal::words(visit.words, &failure));
        return Ok(show_domain(visit, &form)?.status(422));
    }
    if visit.house.settings().host != host {
        visit.house.change_settings(|settings| settings.host = host)?;
    }
    visit.say(&visit.words.fill("domain.added", &[&name]));
    Ok(Reply::see("/setup/domain"))
}

/// Can the box be called so by the world?
pub(in crate::admin) fn is_host(text: &str) -> bool {
    check_domain(text).is_ok_and(|host| host.is_ascii() && host.contains('.'))
}

pub(in crate::admin) fn look(visit: &mut Visit<'_>) -> Answer {
    visit.house.begin_look();
    Ok(Reply::see("/setup/domain"))
}

/// The records as a file for whoever keeps the zone.
pub(in crate::admin) fn zone(visit: &mut Visit<'_>) -> Answer {
    let records = records(visit).map_err(Trouble::Internal)?;
    let name = domains(visit)?.into_iter().next().unwrap_or_default();
    let text = printed(&records).into_bytes();
    Ok(Reply::file("text/plain; charset=utf-8", &format!("{name}.zone"), text))
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    if domains(visit)?.is_empty() {
        let mut form = Form::default();
        form.wrong("domain", visit.words.t("domain.first"));
        return Ok(show_domain(visit, &form)?.status(422));
    }
    finish(visit, "domain")
}
