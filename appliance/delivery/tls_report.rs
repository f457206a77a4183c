//! Reports to other domains on how TLS with them went (RFC 8460), once a day, where they ask for
//! them and our owner allows it.
//!
//! ```text
//! counts of yesterday --_smtp._tls TXT--> rua=mailto:.. --> JSON, gzip, multipart/report
//!     --> signed, from <>, into the outbox; the day of that domain is marked in the same commit
//! ```

use super::connection::Network;
use super::report::Moment;
use super::stamp::date;
use super::tls_counts::policy;
use crate::limits::{TLS_REPORTS_AFTER_SECONDS, TLS_REPORTS_AT_ONCE};
use crate::net::dkim::Signer;
use crate::net::resolver::NoAnswer;
use crate::store::format::{StsPolicy, TlsCount, TlsDay, Trace, TraceStep};
use crate::store::mail::{self, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient};
use crate::store::{Batch, Result, Store, address, remote, trace};
use crate::wire::address::Address;
use crate::wire::tlsrpt;
use base64::Engine;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

const DAY: i64 = 24 * 3600;

/// What one report tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// Our name, and a domain of ours at which there is a postmaster.
    pub host: &'a str,
    pub ours: &'a str,
    /// Since 1970, UTC.
    pub day: u32,
    pub row: &'a TlsDay,
    pub sts: Option<&'a StsPolicy>,
}

impl Network {
    /// Sends the reports on yesterday that were not sent yet. How many?
    pub(crate) async fn send_tls_reports(
        &self,
        signer: &Arc<Signer>,
        moment: Moment,
    ) -> Result<usize> {
        let Some(store) = self.store.as_ref().filter(|_| self.outgoing.tls_reports) else {
            return Ok(0);
        };
        let today = moment.now().div_euclid(DAY);
        let Ok(yesterday) = u32::try_from(today - 1) else { return Ok(0) };
        // RFC 8460 4.1: not all of the world at midnight
        if moment.now().rem_euclid(DAY) < TLS_REPORTS_AFTER_SECONDS || self.no_time().is_some() {
            return Ok(0);
        }
        let rows = remote::counts(&store.snapshot()?, yesterday)?;
        let open = rows.into_iter().filter(|(day, row)| *day == yesterday && !row.reported);
        let mut sent = 0;
        for (_, row) in open.take(TLS_REPORTS_AT_ONCE) {
            let wanted = match self.resolver.texts(&format!("_smtp._tls.{}", row.domain)).await {
                Ok(wanted) => wanted,
                Err(NoAnswer::NoName | NoAnswer::NoRecord) => Vec::new(),
                // Nobody can say now: in an hour it is asked again.
                Err(_) => continue,
            };
            let to = tlsrpt::addresses(&wanted);
            let told = match to.is_empty() {
                true => None,
                false => self.written(store, signer, moment, yesterday, &row).await?,
            };
            sent += usize::from(told.is_some());
            let domain = row.domain;
            store
                .write(move |batch| put(batch, moment, yesterday, &domain, &to, told.as_ref()))
                .await?;
        }
        Ok(sent)
    }

    /// The report as a signed message; `None`: there is no domain of ours to sign it.
    async fn written(
        &self,
        store: &Store,
        signer: &Arc<Signer>,
        moment: Moment,
        day: u32,
        row: &TlsDay,
    ) -> Result<Option<Vec<u8>>> {
        let (ours, sts) = {
            let read = store.snapshot()?;
            let first = address::domains(&read)?.into_iter().next();
            let Some(first) = first else { return Ok(None) };
            (first.name, remote::policy(&read, &row.domain)?)
        };
        let told = Told { host: &self.host, ours: &ours, day, row, sts: sts.as_ref() };
        let message = print(&told, moment);
        let (signer, domain) = (signer.clone(), ours.clone());
        let signed = tokio::task::spawn_blocking(move || {
            // RFC 8460 3: reports are signed
            let signatures = signer.sign(&domain, &message, moment.now()).ok()?;
            Some([signatures, message].concat())
        });
        Ok(signed.await.ok().flatten())
    }
}

/// Into the outbox, and the day is done.
fn put(
    batch: &mut Batch,
    moment: Moment,
    day: u32,
    domain: &str,
    to: &[Address],
    message: Option<&Vec<u8>>,
) -> Result<()> {
    remote::mark_reported(batch, day, domain)?;
    let Some(message) = message else { return Ok(()) };
    let id = mail::next_id(batch, moment.micros)?;
    let recipient = |to: &Address| NewRecipient { to: to.clone(), notify: None, orcpt: None };
    let new = NewOutgoing {
        body: Arc::new(Prepared::new(message)),
        // Nobody is told when it does not arrive.
        sender: None,
        smtputf8: false,
        eight_bit: false,
        ret: None,
        envid: None,
        recipients: to.iter().map(recipient).collect(),
        prefix: Vec::new(),
        report_to: None,
        now: moment.now(),
    };
    outbox::put(batch, id, &new)?;
    let text = format!("A report of this server on how TLS with {domain} went");
    let step =
        TraceStep { at: moment.now(), what: "reported".to_string(), text, ..TraceStep::default() };
    let story = Trace {
        to: to.iter().map(ToString::to_string).collect(),
        subject: format!("Report Domain: {domain}"),
        size: message.len() as u64,
        steps: vec![step],
        ..Trace::default()
    };
    trace::put(batch, id, &story)
}

/// The report as a message, not signed yet.
pub(crate) fn print(told: &Told<'_>, moment: Moment) -> Vec<u8> {
    let Told { host, ours, day, row, .. } = told;
    let id = format!("{day}.{:x}@{ours}", moment.chance);
    let domain = &row.domain;
    let (start, end) = (i64::from(*day) * DAY, i64::from(*day) * DAY + DAY - 1);
    let packed = gzip(document(told, &id).to_string().as_bytes());
    let boundary = format!("=_tls_{:x}", moment.chance);
    let encoded = base64::engine::general_purpose::STANDARD.encode(packed);
    let mut out = format!(
        "From: Mail server <postmaster@{ours}>\r\n\
         To: undisclosed-recipients:;\r\n\
         Subject: Report Domain: {domain} Submitter: {host}\r\n Report-ID: <{id}>\r\n\
         Date: {}\r\n\
         Message-ID: <tls.{id}>\r\n\
         TLS-Report-Domain: {domain}\r\n\
         TLS-Report-Submitter: {host}\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         This is a report on TLS with the mail servers of {domain} (RFC 8460).\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: application/tlsrpt+gzip\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n\
         \tfilename=\"{host}!{domain}!{start}!{end}!001.json.gz\"\r\n\
         \r\n",
        date(moment.now()),
    );
    for line in encoded.as_bytes().chunks(76) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push_str("\r\n");
    }
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    out.into_bytes()
}

/// RFC 8460 4.4
fn document(told: &Told<'_>, id: &str) -> Value {
    let Told { host, ours, day, row, sts } = told;
    let date = |seconds: i64| {
        let form =
            time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let at = time::OffsetDateTime::from_unix_timestamp(i64::from(*day) * DAY + seconds);
        at.ok().and_then(|at| at.format(form).ok()).unwrap_or_default()
    };
    let kinds = [policy::TLSA, policy::STS, policy::NONE];
    let policies: Vec<Value> = kinds
        .into_iter()
        .filter(|kind| row.counts.iter().any(|count| count.policy == *kind))
        .map(|kind| policy_of(kind, row, *sts))
        .collect();
    json!({
        "organization-name": host,
        "date-range": { "start-datetime": date(0), "end-datetime": date(DAY - 1) },
        "contact-info": format!("postmaster@{ours}"),
        "report-id": id,
        "policies": policies,
    })
}

fn policy_of(kind: &str, row: &TlsDay, sts: Option<&StsPolicy>) -> Value {
    let counts = || row.counts.iter().filter(|count| count.policy == kind);
    let sum = |good: bool| -> u64 {
        counts().filter(|count| count.result.is_empty() == good).map(|count| count.sessions).sum()
    };
    let detail = |count: &TlsCount| {
        let mut detail = json!({
            "result-type": count.result,
            "failed-session-count": count.sessions,
            "failure-reason-code": count.why,
        });
        if let (false, Some(fields)) = (count.host.is_empty(), detail.as_object_mut()) {
            fields.insert("receiving-mx-hostname".to_string(), json!(count.host));
        }
        detail
    };
    let mut said = json!({ "policy-type": kind, "policy-domain": row.domain });
    if let (policy::STS, Some(sts), Some(fields)) = (kind, sts, said.as_object_mut()) {
        fields.insert("policy-string".to_string(), json!(lines(sts)));
        fields.insert("mx-host".to_string(), json!(sts.mx));
    }
    let failures: Vec<Value> = counts().filter(|c| !c.result.is_empty()).map(detail).collect();
    json!({
        "policy": said,
        "summary": {
            "total-successful-session-count": sum(true),
            "total-failure-session-count": sum(false),
        },
        "failure-details": failures,
    })
}

/// The policy as it was written.
fn lines(sts: &StsPolicy) -> Vec<String> {
    let mode = match sts.mode {
        2 => "enforce",
        1 => "testing",
        _ => "none",
    };
    let head = ["version: STSv1".to_string(), format!("mode: {mode}")];
    let hosts = sts.mx.iter().map(|host| format!("mx: {host}"));
    let age = format!("max_age: {}", sts.max_age);
    head.into_iter().chain(hosts).chain([age]).collect()
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Memory takes all.
    let _ = packer.write_all(octets);
    packer.finish().unwrap_or_default()
}
