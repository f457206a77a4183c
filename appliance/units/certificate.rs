//! The unit that keeps a certificate of an authority: looks whether it is time, asks for one, and
//! tells what stands in the way. `net::acme` does it, `net::acme::plan` says when.

use super::background::{self, stops_within};
use crate::delivery::letter;
use crate::event::{Event, emit};
use crate::net::acme::files::Files;
use crate::net::acme::plan::{self, Asked, ByHand, DAY, Health, InUse, Next, Record, Wanted, Why};
use crate::net::acme::{AcmeFault, Authority, Issued};
use crate::net::dial::Trust;
use crate::net::resolver::Resolver;
use crate::net::stopped;
use crate::net::tls::{Tls, TlsFault};
use crate::settings::{Method, Settings};
use crate::store::{Store, address};
use crate::{clock, limits};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Names before a domain that mail programs and other servers ask for by HTTPS.
pub(crate) const SERVED: [&str; 3] = ["autoconfig", "autodiscover", "mta-sts"];

#[derive(Clone)]
pub(super) struct Keeper {
    settings: Settings,
    store: Store,
    tls: Arc<Tls>,
    files: Files,
    trust: Trust,
    /// The names that lead to this box, and when they were looked up.
    wanted: Vec<String>,
    looked: i64,
    told: i64,
}

impl Keeper {
    /// `None` where the box's own certificate will do.
    pub(super) fn new(
        files: &Files,
        settings: &Settings,
        store: &Store,
        tls: Arc<Tls>,
    ) -> Result<Option<Keeper>, String> {
        tls.is_kept(settings.certificate.method != Method::Own);
        if settings.certificate.method == Method::Own {
            if let Err(fault) = back_to_own(files, &tls, clock::at_least_built()) {
                emit(Event::CertificateTrouble { why: fault.to_string() });
            }
            return Ok(None);
        }
        let trust = Trust::proven(settings.outgoing.authority.as_deref());
        Ok(Some(Keeper {
            settings: settings.clone(),
            store: store.clone(),
            tls,
            files: files.clone(),
            trust: trust.map_err(|fault| fault.to_string())?,
            wanted: Vec::new(),
            looked: i64::MIN,
            told: i64::MIN,
        }))
    }

    /// Until the server stops; begins again should it ever break off.
    pub(super) async fn keep(self, mut stop: watch::Receiver<bool>) {
        loop {
            match tokio::spawn(self.clone().look_on(stop.clone())).await {
                Ok(()) => return,
                Err(error) => emit(Event::UnitFailed { unit: "acme", why: error.to_string() }),
            }
            if stops_within(&mut stop, limits::RESTART_WAIT).await {
                return;
            }
        }
    }

    async fn look_on(mut self, mut stop: watch::Receiver<bool>) {
        let mut look = i64::MIN;
        loop {
            let (asked, now) = (self.files.asked(), clock::now());
            // A clock that was set back must not make us wait for years.
            if asked.is_some() || now >= look || look > now + limits::ACME_LOOK_SECONDS {
                tokio::select! {
                    () = self.step(asked) => look = self.look_again(),
                    () = stopped(&mut stop) => {
                        self.tls.challenges().clear();
                        return;
                    }
                }
            }
            let wait = limits::ACME_ASKED_LOOK;
            if stops_within(&mut stop, wait).await {
                return;
            }
        }
    }

    /// When it is looked again: soon, and at once when it is time.
    fn look_again(&self) -> i64 {
        let now = clock::now();
        let latest = now + limits::ACME_LOOK_SECONDS;
        let Ok(record) = self.files.record() else { return latest };
        if record.by_hand.is_some() {
            return now + limits::ACME_BY_HAND_LOOK_SECONDS;
        }
        let directory = &self.settings.certificate.directory;
        let wanted = Wanted { names: &self.wanted, directory };
        match plan::next(&record, &self.tls.in_use().0, wanted, None, now) {
            Next::At(at) => at.clamp(now + 1, latest),
            // What was to be done now was just done, or cannot be.
            Next::Now(_) | Next::NoClock => latest,
        }
    }

    async fn step(&mut self, asked: Option<Asked>) {
        let now = clock::now();
        let mut record = match self.files.record() {
            Ok(record) => record,
            Err(fault) => return self.tell(now, &fault.to_string()),
        };
        let authority = match self.authority() {
            Ok(authority) => authority,
            Err(why) => return self.tell(now, &why),
        };
        let (in_use, leaf) = self.tls.in_use();
        if asked.is_some() || now.saturating_sub(self.looked) >= limits::ACME_NAMES_LOOK_SECONDS {
            self.look_up_names(&authority.resolver, &mut record).await;
            self.looked = now;
        }
        let before = record.clone();
        if let Some(by_hand) = record.by_hand.clone().filter(|_| self.is_by_hand()) {
            self.by_hand(&authority, &by_hand, &mut record).await;
        } else {
            record.by_hand = None;
            ask_window(&authority, &in_use, &leaf, &mut record).await;
            let directory = &self.settings.certificate.directory;
            let wanted = Wanted { names: &self.wanted, directory };
            match plan::next(&record, &in_use, wanted, asked, clock::now()) {
                Next::Now(why) => {
                    let replaced = (why != Why::First && !in_use.own).then_some(leaf.as_slice());
                    let within = limits::ACME_TRY;
                    let issue = authority.issue(&self.wanted, replaced);
                    let issued = tokio::time::timeout(within, issue).await;
                    let issued = issued.unwrap_or_else(|_| Err(AcmeFault::took_too_long()));
                    self.came_of_it(issued.map_err(|fault| fault.why), &mut record).await;
                }
                Next::At(at) if asked.is_some() => {
                    record.tries += 1;
                    // What failed was asked for before its time.
                    record.failures = 0;
                    let at = date(at);
                    record.outcome = format!("nothing to do: it is to be renewed on {at}");
                }
                Next::NoClock if asked.is_some() => {
                    record.tries += 1;
                    record.outcome = "the clock of this machine is not set".to_string();
                }
                Next::At(_) | Next::NoClock => {}
            }
        }
        self.remind(&mut record, now).await;
        if record != before
            && let Err(fault) = self.files.remember(&record)
        {
            self.tell(now, &fault.to_string());
        }
        if asked.is_some() {
            self.files.answered();
        }
    }

    fn is_by_hand(&self) -> bool {
        self.settings.certificate.method == Method::ByHand
    }

    /// With a resolver that remembers nothing: records are made while we look.
    fn authority(&self) -> Result<Authority, String> {
        let servers = &self.settings.outgoing.name_servers;
        Ok(Authority {
            settings: self.settings.certificate.clone(),
            files: self.files.clone(),
            challenges: self.tls.challenges().clone(),
            resolver: Arc::new(Resolver::new(servers, limits::DNS_QUESTION)?),
            trust: self.trust.clone(),
        })
    }

    /// The box's own name, and those names of its domains that lead here: one that does not would
    /// cost the whole certificate.
    async fn look_up_names(&mut self, resolver: &Resolver, record: &mut Record) {
        let host = self.settings.host.to_lowercase();
        let here = resolver.addresses(&host, true).await.unwrap_or_default();
        let domains = self.store.snapshot().and_then(|read| address::domains(&read));
        let mut wanted = vec![host.clone()];
        record.left_out.clear();
        for domain in domains.unwrap_or_default() {
            for name in SERVED.map(|served| format!("{served}.{}", domain.name)) {
                match leads_here(resolver, &name, &here).await {
                    Ok(()) if wanted.len() >= limits::ACME_NAMES => {
                        let why = "a certificate holds no more names".to_string();
                        record.left_out.push((name, why));
                    }
                    Ok(()) if wanted.contains(&name) => {}
                    Ok(()) => wanted.push(name),
                    Err(why) => record.left_out.push((name, why)),
                }
            }
        }
        self.wanted = wanted;
    }

    async fn by_hand(&self, authority: &Authority, by_hand: &ByHand, record: &mut Record) {
        match authority.unwritten(by_hand).await {
            Ok(missing) if missing.is_empty() => {
                let issued = authority.resume(by_hand).await;
                record.by_hand = None;
                self.came_of_it(issued.map_err(|fault| fault.why), record).await;
            }
            Ok(_) => {
                // RFC 8555 7.1.3: orders end; most authorities keep them for a week
                if clock::now() - by_hand.since > 7 * DAY {
                    record.by_hand = None;
                }
            }
            Err(fault) => record.outcome = fault.why,
        }
    }

    async fn came_of_it(&self, issued: Result<Issued, String>, record: &mut Record) {
        let now = clock::now();
        record.tries += 1;
        record.at = now;
        match issued {
            Ok(Issued::Replaced) => {
                record.failures = 0;
                record.window = None;
                record.directory = self.settings.certificate.directory.clone();
                record.outcome = format!("a certificate came on {}", date(now));
                let tls = self.tls.clone();
                // Reads files, so not on a worker.
                let _ = tokio::task::spawn_blocking(move || tls.refresh(now)).await;
            }
            Ok(Issued::ByHand(by_hand)) => {
                record.outcome = "records are to be written by hand".to_string();
                record.by_hand = Some(by_hand);
            }
            Err(why) => {
                if record.failures == 0 {
                    record.failing_since = now;
                }
                record.failures = record.failures.saturating_add(1);
                record.outcome = why.clone();
                emit(Event::CertificateTrouble { why: format!("no new one: {why}") });
            }
        }
    }

    /// What the owner must know: once a day as an event, once a week as a letter.
    async fn remind(&mut self, record: &mut Record, now: i64) {
        let (in_use, _) = self.tls.in_use();
        let host = &self.settings.host;
        let (subject, why) = match plan::health(record, &in_use, true, now) {
            Health::Urgent { why, ends, .. } => {
                let end = if ends <= now { "has ended on" } else { "ends on" };
                let subject = format!("The certificate of {host} {end} {}", date(ends));
                (subject, format!("it {end} {} and is not renewed: {why}", date(ends)))
            }
            Health::ByHand { records, .. } => {
                let lines: Vec<String> =
                    records.iter().map(|(name, text)| format!("{name} TXT \"{text}\"")).collect();
                let subject = format!("Records to write for the certificate of {host}");
                (subject, format!("write into the DNS by hand: {}", lines.join(", ")))
            }
            _ => return,
        };
        self.tell(now, &why);
        if (now - record.letter).unsigned_abs() < (7 * DAY).unsigned_abs() {
            return;
        }
        match self.letter(&subject, &why).await {
            Ok(()) => record.letter = now,
            Err(error) => {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "writing to the postmaster", why });
            }
        }
    }

    async fn letter(&self, subject: &str, why: &str) -> crate::store::Result<()> {
        let (host, moment) = (self.settings.host.clone(), background::moment());
        let text = format!(
            "The certificate of this mail server: {why}\n\nWithout a good certificate mail \
             programs warn or refuse to connect.\nThe server goes on trying by itself, and writes \
             again in a week. How it stands:\n\n    mailroom certificate show\n"
        );
        let subject = subject.to_string();
        let written = self
            .store
            .write(move |batch| letter::to_postmasters(batch, &host, moment, &subject, &text));
        written.await.map(|_| ())
    }

    fn tell(&mut self, now: i64, why: &str) {
        if now.saturating_sub(self.told) >= DAY {
            self.told = now;
            emit(Event::CertificateTrouble { why: why.to_string() });
        }
    }
}

/// What an authority gave is renewed by nobody from now on: our own takes its place. One that the
/// owner put there stays.
pub(crate) fn back_to_own(files: &Files, tls: &Tls, now: i64) -> Result<(), TlsFault> {
    let record = files.record()?;
    if record.directory.is_empty() && record.by_hand.is_none() {
        return Ok(());
    }
    if !record.directory.is_empty() && !tls.is_ours() {
        tls.own_again(now)?;
    }
    files.answered();
    files.remember(&Record { tries: record.tries, ..Record::default() })
}

/// Asks the authority when it wants the certificate renewed, as often as it wants to be asked.
async fn ask_window(authority: &Authority, in_use: &InUse, leaf: &[u8], record: &mut Record) {
    let now = clock::now();
    let known = record.window.as_ref().filter(|window| window.not_before == in_use.not_before);
    let stale = known.is_none_or(|window| window.again <= now);
    // One that it did not make it knows nothing of; and a clock not set proves no certificate.
    if in_use.own || !stale || clock::state_at(now) == clock::State::Floor {
        return;
    }
    let usual = plan::renewal(&Record::default(), in_use);
    let later = plan::Window {
        not_before: in_use.not_before,
        start: usual,
        end: usual,
        again: now + limits::ACME_WINDOW_AGAIN_SECONDS,
    };
    let asked = tokio::time::timeout(limits::ACME_CHECKED, authority.window(leaf, in_use, now));
    record.window = match (asked.await, known) {
        (Ok(Ok(Some(window))), _) => Some(window),
        // What it last said holds.
        (_, Some(known)) => Some(plan::Window { again: later.again, ..known.clone() }),
        (_, None) => Some(later),
    };
}

async fn leads_here(resolver: &Resolver, name: &str, here: &[IpAddr]) -> Result<(), String> {
    let addresses = resolver.addresses(name, true).await.map_err(|none| none.to_string())?;
    match addresses.iter().any(|address| here.contains(address)) {
        true => Ok(()),
        false => Err("it leads to another machine".to_string()),
    }
}

/// As "2026-11-25".
fn date(seconds: i64) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(seconds).map(|at| at.date().to_string());
    date.unwrap_or_default()
}
