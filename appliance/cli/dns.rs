//! `mailroom dns`: the records to publish for a domain, as a zone file; `mailroom dkim`: its keys.
//!
//! ```text
//! ; why the record is there
//! name. 3600 IN TYPE value
//! ```
//!
//! Both work on the files of the data folder; of the server they ask only which domains there are.

use super::act::{Reply, Request};
use super::args::Dkim;
use super::call;
use super::failure::Failure;
use super::people::DomainAct;
use crate::net::dkim::{DkimFault, Keys, Pair, PublicKey};
use crate::settings::{self, Ports, Settings};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;

/// One record, its value as a zone file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The whole name, without the last dot.
    pub name: String,
    /// "TXT", "MX" and so on.
    pub kind: String,
    pub value: String,
    pub why: String,
}

/// A pair of keys and what to publish for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairView {
    pub domain: String,
    pub pair: String,
    /// Does it sign?
    pub active: bool,
    pub records: Vec<Record>,
}

/// `mailroom dns`, for one domain or all.
pub(crate) fn zone(data: &Path, domain: Option<&str>, now: i64) -> Result<Reply, Failure> {
    let path = data.join("mailroom.toml");
    let settings = settings::load(&path).map_err(|error| {
        Failure::new("cannot say which records to publish", error, "mend the file")
    })?;
    if settings.host.parse::<IpAddr>().is_ok() || !settings.host.contains('.') {
        let why = format!("{:?} is not a name that others can look up", settings.host);
        let remedy = "set host in mailroom.toml to a name such as mail.example.org";
        return Err(Failure::new("cannot say which records to publish", why, remedy));
    }
    let mut all = Vec::new();
    for domain in domains(data, domain, now)? {
        let pairs = Keys::of(data).pairs(&domain, now).map_err(|fault| wrong(&domain, &fault))?;
        all.extend(records(&domain, &settings, &pairs));
    }
    Ok(Reply::Records(all))
}

/// `mailroom dkim`.
pub(crate) fn dkim(data: &Path, act: Dkim, now: i64) -> Result<Reply, Failure> {
    let keys = Keys::of(data);
    match act {
        Dkim::Show { domain } => {
            let mut views = Vec::new();
            for domain in domains(data, domain.as_deref(), now)? {
                let pairs = keys.pairs(&domain, now).map_err(|fault| wrong(&domain, &fault))?;
                views.extend(pairs.iter().map(|pair| view(&domain, pair)));
            }
            Ok(Reply::Pairs(views))
        }
        Dkim::Rotate { domain } => {
            let domain = one(data, &domain, now)?;
            let fault = |fault: DkimFault| wrong(&domain, &fault);
            keys.ready(&domain, now).map_err(fault)?;
            let made = keys.add(&domain, now).map_err(fault)?;
            let pairs = keys.pairs(&domain, now).map_err(fault)?;
            let made = pairs.iter().filter(|pair| pair.name == made);
            Ok(Reply::Pairs(made.map(|pair| view(&domain, pair)).collect()))
        }
        Dkim::Activate { domain, pair } => {
            let domain = one(data, &domain, now)?;
            keys.activate(&domain, &pair).map_err(|fault| wrong(&domain, &fault))?;
            let done = format!(
                "{pair} signs the mail of {domain} now; leave the records of the one before \
                 published for a week, then remove it"
            );
            Ok(Reply::Done(done))
        }
        Dkim::Remove { domain, pair } => {
            let domain = one(data, &domain, now)?;
            keys.remove(&domain, &pair).map_err(|fault| wrong(&domain, &fault))?;
            Ok(Reply::Done(format!("{pair} is removed; take its records out of DNS too")))
        }
    }
}

fn wrong(domain: &str, fault: &DkimFault) -> Failure {
    let remedy = "see `mailroom dkim show`, and run this as the user who runs the server";
    Failure::new(&format!("cannot do this with the keys of {domain}"), fault, remedy)
}

/// The domains of the box, or the one that was named.
fn domains(data: &Path, only: Option<&str>, now: i64) -> Result<Vec<String>, Failure> {
    let listed = call::perform(data, Request::Domain(DomainAct::List), now, &mut |_, _| {})?;
    let Reply::Domains(listed) = listed else { return Ok(Vec::new()) };
    let names = listed.into_iter().map(|view| view.domain);
    let wanted = |name: &String| only.is_none_or(|only| only.eq_ignore_ascii_case(name));
    let names: Vec<String> = names.filter(wanted).collect();
    if let (true, Some(only)) = (names.is_empty(), only) {
        let why = format!("{only} is not a domain of this box");
        return Err(Failure::new("cannot do this", why, "see `mailroom domain list`"));
    }
    Ok(names)
}

fn one(data: &Path, domain: &str, now: i64) -> Result<String, Failure> {
    let found = domains(data, Some(domain), now)?.into_iter().next();
    found.ok_or_else(|| Failure::new("cannot do this", "there is no such domain", ""))
}

fn view(domain: &str, pair: &Pair) -> PairView {
    let records = pair.keys.iter().map(|key| key_record(domain, key)).collect();
    PairView { domain: domain.to_string(), pair: pair.name.clone(), active: pair.active, records }
}

/// Everything to publish for a domain.
pub(crate) fn records(domain: &str, settings: &Settings, pairs: &[Pair]) -> Vec<Record> {
    let host = settings.host.as_str();
    let mut all = vec![
        record(domain, "MX", format!("10 {host}."), "mail for this domain comes to this box"),
        // By name, so that it stays right when the address changes.
        text(domain, &format!("v=spf1 mx a:{host} ~all"), "this box may send for it (SPF)"),
    ];
    if host != domain {
        all.push(text(host, "v=spf1 a -all", "the box's own name sends from its address only"));
    }
    let keys = pairs.iter().flat_map(|pair| &pair.keys);
    all.extend(keys.map(|key| key_record(domain, key)));
    let report = format!("rua=mailto:postmaster@{domain}");
    all.push(text(
        &format!("_dmarc.{domain}"),
        &format!("v=DMARC1; p=quarantine; {report}"),
        "mail in this name that is not from here is junk (DMARC)",
    ));
    all.push(text(
        &format!("_smtp._tls.{domain}"),
        &format!("v=TLSRPTv1; {report}"),
        "others tell of failed encryption (TLS-RPT)",
    ));
    all.extend(services(domain, host, settings.ports));
    all.extend(pages(domain, host));
    all
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
        record(&name, "SRV", value, why)
    };
    offered.into_iter().map(service).collect()
}

/// What needs a page on the web or an authority beside it.
fn pages(domain: &str, host: &str) -> Vec<Record> {
    let mut all = vec![
        record(
            &format!("autoconfig.{domain}"),
            "CNAME",
            format!("{host}."),
            "mail programs ask here for settings; publish it when a page is served there",
        ),
        record(
            &format!("mta-sts.{domain}"),
            "CNAME",
            format!("{host}."),
            "others read the policy here; publish it when the page is served there (MTA-STS)",
        ),
        text(
            &format!("_mta-sts.{domain}"),
            "v=STSv1; id=1",
            "there is a policy: others must encrypt; publish it with the page (MTA-STS)",
        ),
    ];
    let issuer = "0 issue \"letsencrypt.org\"".to_string();
    all.push(record(host, "CAA", issuer, "who may issue certificates; name another if you use it"));
    all
}

fn key_record(domain: &str, key: &PublicKey) -> Record {
    let name = format!("{}._domainkey.{domain}", key.selector);
    text(&name, &key.record(), "others check signatures with it (DKIM)")
}

fn record(name: &str, kind: &str, value: String, why: &str) -> Record {
    Record { name: name.to_string(), kind: kind.to_string(), value, why: why.to_string() }
}

/// RFC 1035 3.3: a text is made of strings of at most 255 octets.
fn text(name: &str, value: &str, why: &str) -> Record {
    let octets: Vec<char> = value.chars().collect();
    let strings =
        octets.chunks(255).map(|chunk| format!("\"{}\"", chunk.iter().collect::<String>()));
    record(name, "TXT", strings.collect::<Vec<_>>().join(" "), why)
}

/// As lines of a zone file.
pub(crate) fn printed(records: &[Record]) -> String {
    let line = |r: &Record| format!("; {}\n{}. 3600 IN {} {}\n", r.why, r.name, r.kind, r.value);
    records.iter().map(line).collect()
}

/// The pairs of keys, each with its records.
pub(crate) fn printed_pairs(pairs: &[PairView]) -> String {
    let one = |view: &PairView| {
        let state = if view.active { "signs" } else { "does not sign" };
        format!("; {} of {}: {state}\n{}", view.pair, view.domain, printed(&view.records))
    };
    pairs.iter().map(one).collect::<Vec<_>>().join("\n")
}
