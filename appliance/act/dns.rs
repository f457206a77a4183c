//! `mailroom dns`: the records to publish for a domain, as a zone file (they are in `records`);
//! `mailroom dkim`: its keys.
//!
//! ```text
//! ; why the record is there
//! name. 3600 IN TYPE value
//! ```
//!
//! Both work on the files of the data folder; of the server they ask only which domains there are.

use super::call;
use super::check::world::Domain;
use super::failure::{Failure, Kind};
use super::people::DomainAct;
use super::records::{self, Dmarc, Known, Record};
use super::{Reply, Request};
use crate::net::dkim::{DkimFault, Keys, Pair};
use crate::net::tls;
use crate::settings::{self, Settings};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;

/// A pair of keys and what to publish for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairView {
    pub domain: String,
    pub pair: String,
    /// Does it sign?
    pub active: bool,
    pub records: Vec<Record>,
}

#[derive(clap::Subcommand, Debug)]
pub(crate) enum Dkim {
    /// Show the keys and the records to publish for them
    Show {
        /// One domain; all without it
        domain: Option<String>,
    },
    /// Make new keys: publish their records, then activate them
    #[command(
        after_help = "Example:\n  mailroom dkim rotate office.test     publish what it prints, \
                            wait a day\n  mailroom dkim activate office.test m20261123"
    )]
    Rotate { domain: String },
    /// Let these keys sign from now on
    Activate { domain: String, pair: String },
    /// Remove keys that no longer sign
    Remove { domain: String, pair: String },
}

/// `mailroom dns`, for one domain or all.
pub(crate) fn zone(
    data: &Path,
    domain: Option<&str>,
    dmarc: Dmarc,
    now: i64,
) -> Result<Reply, Failure> {
    let path = data.join("mailroom.toml");
    let settings = settings::load(&path).map_err(|error| {
        Failure::new("cannot say which records to publish", error, "mend the file")
    })?;
    if is_unknown_outside(&settings.host) {
        let why = format!("{:?} is not a name that others can look up", settings.host);
        let remedy = "set host in mailroom.toml to a name such as mail.example.org";
        return Err(Failure::new("cannot say which records to publish", why, remedy));
    }
    let known = known(data, dmarc);
    let mut all: Vec<Record> = Vec::new();
    for domain in domains(data, domain, now)? {
        let pairs = Keys::of(data).pairs(&domain, now).map_err(|fault| wrong(&domain, &fault))?;
        for record in records::of_domain(&domain, &settings, &pairs, &known) {
            // What is of the box and not of one domain is said once.
            if !all.contains(&record) {
                all.push(record);
            }
        }
    }
    Ok(Reply::Records(all))
}

/// Is it no name that others can look up?
pub(crate) fn is_unknown_outside(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || !host.contains('.')
}

/// What is to be published for each domain of the box; makes no keys.
pub(crate) fn published(
    data: &Path,
    settings: &Settings,
    now: i64,
) -> Result<Vec<Domain>, Failure> {
    let known = known(data, Dmarc::default());
    let of = |name: String| {
        let keys = Keys::of(data);
        let pairs = match data.join("dkim").join(&name).exists() {
            true => keys.pairs(&name, now).map_err(|fault| wrong(&name, &fault))?,
            false => Vec::new(),
        };
        let records = records::of_domain(&name, settings, &pairs, &known);
        Ok(Domain { name, records })
    };
    domains(data, None, now)?.into_iter().map(of).collect()
}

/// What the files of the data folder tell.
fn known(data: &Path, dmarc: Dmarc) -> Known {
    // Without a certificate there is nothing to publish of it.
    Known { key: tls::public_key_hash(&data.join("tls")).ok(), dmarc }
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
    let listed = call::perform(data, Request::Domain(DomainAct::List), now, &mut |_| {})?;
    let Reply::Domains(listed) = listed else { return Ok(Vec::new()) };
    let names = listed.into_iter().map(|view| view.domain);
    let wanted = |name: &String| only.is_none_or(|only| only.eq_ignore_ascii_case(name));
    let names: Vec<String> = names.filter(wanted).collect();
    if let (true, Some(only)) = (names.is_empty(), only) {
        let why = format!("{only} is not a domain of this box");
        let failure = Failure::new("cannot do this", why, "see `mailroom domain list`");
        return Err(failure.of_kind(Kind::Missing));
    }
    Ok(names)
}

fn one(data: &Path, domain: &str, now: i64) -> Result<String, Failure> {
    let found = domains(data, Some(domain), now)?.into_iter().next();
    found.ok_or_else(|| Failure::new("cannot do this", "there is no such domain", ""))
}

fn view(domain: &str, pair: &Pair) -> PairView {
    let records = pair.keys.iter().map(|key| records::of_key(domain, key, pair.active)).collect();
    PairView { domain: domain.to_string(), pair: pair.name.clone(), active: pair.active, records }
}

/// The pairs of keys, each with its records.
pub(crate) fn printed_pairs(pairs: &[PairView]) -> String {
    let one = |view: &PairView| {
        let state = if view.active { "signs" } else { "does not sign" };
        format!("; {} of {}: {state}\n{}", view.pair, view.domain, records::printed(&view.records))
    };
    pairs.iter().map(one).collect::<Vec<_>>().join("\n")
}
