//! `/metrics`: the server in numbers, in the text format of Prometheus (version 0.0.4).

use super::{Call, Outcome};
use crate::admin::House;
use crate::admin::http::Reply;
use crate::event::counts::{self, Counts};
use crate::store::verify::night;
use crate::store::{Store, StoreError, account, address, outbox};
use std::fmt::{Display, Write};

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn answer(call: &Call<'_>) -> Outcome {
    let body = text(call.house, call.request.now)?.into_bytes();
    Ok(Reply { status: 200, kind: KIND, body, headers: Vec::new() })
}

pub(in crate::admin) fn text(house: &House, now: i64) -> Result<String, StoreError> {
    let mut text = Text::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("mailroom_build_info", "gauge", "The version that runs.");
    text.sample("mailroom_build_info", &version, 1);
    process(&mut text, house, now);
    let counts = counts::now();
    mail(&mut text, &counts);
    doors(&mut text, &counts);
    store(&mut text, &house.store)?;
    Ok(text.0)
}

fn process(text: &mut Text, house: &House, now: i64) {
    let since = i64::try_from(house.place.millis() / 1_000).unwrap_or(0);
    let begun = now.saturating_sub(since);
    text.gauge("process_start_time_seconds", "When the server started, since 1970.", begun);
    if let Some(octets) = resident() {
        text.gauge("process_resident_memory_bytes", "Memory in use.", octets);
    }
    let sessions = house.place.sessions().list(house.place.millis()).len();
    text.gauge("mailroom_page_sessions", "Browsers with a session on the pages.", sessions);
    let ends = house.tls.ends();
    let name = "mailroom_certificate_end_timestamp_seconds";
    text.gauge(name, "When the certificate ends, since 1970.", ends);
}

/// Octets of memory in use, as the kernel says: "VmRSS:   12345 kB".
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Since the start.
fn mail(text: &mut Text, counts: &Counts) {
    for (name, help, value) in [
        ("mailroom_arrived_messages_total", "Taken in from other servers.", counts.arrived),
        ("mailroom_arrived_bytes_total", "Octets of them.", counts.arrived_octets),
        (
            "mailroom_collected_messages_total",
            "Taken over from outside accounts of people.",
            counts.collected,
        ),
        ("mailroom_collected_bytes_total", "Octets of them.", counts.collected_octets),
        ("mailroom_junk_copies_total", "Copies of them that were judged junk.", counts.junk),
        ("mailroom_submitted_messages_total", "Taken in from people here.", counts.submitted),
        ("mailroom_submitted_bytes_total", "Octets of them.", counts.submitted_octets),
        ("mailroom_refused_total", "Recipients and messages that were refused.", counts.refused),
        ("mailroom_warnings_total", "Lines of the log that warn.", counts.warnings),
    ] {
        text.counter(name, help, value);
    }
    let name = "mailroom_sent_recipients_total";
    text.family(name, "counter", "Recipients elsewhere, by what a try to reach them came to.");
    for (result, value) in
        [("sent", counts.sent), ("put_off", counts.put_off), ("given_up", counts.given_up)]
    {
        text.sample(name, &[("result", result)], value);
    }
}

fn doors(text: &mut Text, counts: &Counts) {
    let name = "mailroom_logins_total";
    text.family(name, "counter", "Log-ins, by where and whether they were granted.");
    for ((unit, granted), value) in &counts.logins {
        let result = if *granted { "granted" } else { "denied" };
        text.sample(name, &[("unit", *unit), ("result", result)], value);
    }
    let of = &counts.connections;
    let name = "mailroom_connections_total";
    text.family(name, "counter", "Connections that were let in.");
    of.iter().for_each(|(unit, it)| text.sample(name, &[("unit", *unit)], it.begun));
    let name = "mailroom_connections_refused_total";
    text.family(name, "counter", "Connections beyond a limit.");
    of.iter().for_each(|(unit, it)| text.sample(name, &[("unit", *unit)], it.refused));
    let name = "mailroom_connections_open";
    text.family(name, "gauge", "Connections now.");
    of.iter().for_each(|(unit, it)| text.sample(name, &[("unit", *unit)], it.open));
}

fn store(text: &mut Text, store: &Store) -> Result<(), StoreError> {
    let space = store.space()?;
    for (name, help, value) in [
        ("mailroom_store_file_bytes", "The length of the store's file.", space.file),
        ("mailroom_store_used_bytes", "Of it, what rows fill.", space.used),
        ("mailroom_store_free_bytes", "Of it, what waits for new mail.", space.free),
        ("mailroom_disk_free_bytes", "What the disk has left beside it.", space.disk),
    ] {
        text.gauge(name, help, value);
    }
    let help = "Commits since the start; each that wrote was flushed to the disk twice.";
    text.counter("mailroom_store_commits_total", help, store.commits());
    let read = store.snapshot()?;
    let waiting = outbox::count(&read, usize::MAX)?;
    let (accounts, domains) = (account::count(&read)?, address::domains(&read)?.len());
    let checked = night::last(&read)?;
    drop(read);
    text.gauge("mailroom_outbox_messages", "Messages on their way out.", waiting);
    text.gauge("mailroom_accounts", "People with a mailbox.", accounts);
    text.gauge("mailroom_domains", "Domains that this is home to.", domains);
    if let Some(checked) = checked {
        let name = "mailroom_store_checked_timestamp_seconds";
        text.gauge(name, "When all of the store was checked last, since 1970.", checked.at);
        let help = "Faults that the last check found.";
        text.gauge("mailroom_store_faults", help, checked.faults);
    }
    Ok(())
}

/// Lines of the format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Names and values of labels are ours, and have nothing to escape.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let _ = match pairs.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{}}} {value}", pairs.join(",")),
        };
    }
}
