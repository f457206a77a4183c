//! `mailroom certificate`: how the certificate stands, and a new one now.
//!
//! Works on the files of DATA/tls, of which the server takes what is asked and leaves there what
//! came of it.

use super::call::SOCKET;
use super::check::said::{Said, Value, english, say};
use super::failure::Failure;
use super::words::{date_time, plain};
use crate::limits;
use crate::net::acme::files::Files;
use crate::net::acme::plan::{self, Asked, Health};
use crate::net::tls;
use crate::net::unix::Caller;
use crate::settings::{self, Method, Settings};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// How the certificate in use stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CertificateView {
    /// As the settings say it, such as "http-01".
    pub method: String,
    /// Made by the box itself.
    pub own: bool,
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub begins: i64,
    pub ends: i64,
    pub health: Health,
    /// What came of the last try; "" when there was none.
    pub outcome: String,
    /// Names of the box that are left out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// How it stands.
pub(crate) fn show(data: &Path, now: i64) -> Result<CertificateView, Failure> {
    view(data, &settings_of(data)?, now)
}

/// The same with settings that are read already.
pub(crate) fn view(data: &Path, settings: &Settings, now: i64) -> Result<CertificateView, Failure> {
    let wrong = |fault: tls::TlsFault| Failure::new(WHAT, fault, ABOUT_FILES);
    let in_use = tls::in_use(&data.join("tls")).map_err(wrong)?;
    let record = Files::of(data).record().map_err(wrong)?;
    let method = &settings.certificate.method;
    let health = plan::health(&record, &in_use, *method != Method::Own, now);
    let mut names = in_use.names;
    names.sort_by_key(|name| *name != settings.host);
    Ok(CertificateView {
        method: method.word().to_string(),
        own: in_use.own,
        names,
        begins: in_use.not_before,
        ends: in_use.not_after,
        health,
        outcome: record.outcome,
        left_out: record.left_out,
    })
}

/// Asks the running server for a certificate and waits for what comes of it.
pub(crate) fn ask(
    data: &Path,
    asked: Asked,
    within: Duration,
    now: i64,
) -> Result<CertificateView, Failure> {
    let settings = settings_of(data)?;
    if settings.certificate.method == Method::Own {
        let why = "the settings say that the box itself signs its certificate";
        let remedy = "set method in [certificate] of mailroom.toml, and start the server again";
        return Err(Failure::new(WHAT_NEW, why, remedy));
    }
    if Caller::call(&data.join(SOCKET)).is_err() {
        let why = "the server must run: the authority looks for its proof there";
        return Err(Failure::new(WHAT_NEW, why, "start it: mailroom serve"));
    }
    let files = Files::of(data);
    let wrong = |fault: tls::TlsFault| Failure::new(WHAT_NEW, fault, ABOUT_FILES);
    let before = files.record().map_err(wrong)?;
    files.ask(asked).map_err(wrong)?;
    for _ in 0..within.as_millis() / limits::ACME_ANSWER_LOOK.as_millis() {
        let record = files.record().map_err(wrong)?;
        if record.tries != before.tries && files.asked().is_none() {
            if record.failures > 0 {
                let remedy = "it is tried again by itself; see `mailroom certificate show`";
                return Err(Failure::new(WHAT_NEW, record.outcome, remedy));
            }
            return view(data, &settings, now);
        }
        std::thread::sleep(limits::ACME_ANSWER_LOOK);
    }
    let remedy = "was the server started after the settings were changed? It goes on; see \
                  `mailroom certificate show`";
    Err(Failure::new(WHAT_NEW, "nothing came of it yet", remedy))
}

const WHAT: &str = "cannot say how the certificate stands";
pub(crate) const WHAT_NEW: &str = "cannot get a certificate";
const ABOUT_FILES: &str = "run this as the user who runs the server, or as root";

fn settings_of(data: &Path) -> Result<Settings, Failure> {
    let path = data.join("mailroom.toml");
    settings::load(&path).map_err(|error| Failure::new(WHAT, error, "mend the file"))
}

// ---- for people ----

pub(crate) fn printed(view: &CertificateView) -> String {
    let issuer = if view.own { "the box itself" } else { "an authority" };
    let mut text = format!(
        "made by    {issuer}\nfor        {}\nfrom       {} UTC\nuntil      {} UTC\nmethod     {}\n",
        plain(&view.names.join(", ")),
        date_time(view.begins),
        date_time(view.ends),
        view.method,
    );
    let _ = writeln!(text, "state      {}", english(&standing(&view.health)));
    if let Health::ByHand { records, .. } = &view.health {
        for (name, value) in records {
            let _ = writeln!(text, "write      {}. 60 IN TXT \"{}\"", plain(name), plain(value));
        }
    }
    if !view.outcome.is_empty() {
        let _ = writeln!(text, "last       {}", plain(&view.outcome));
    }
    for (name, why) in &view.left_out {
        let _ = writeln!(text, "left out   {}: {}", plain(name), plain(why));
    }
    text
}

/// In a sentence.
pub(crate) fn standing(health: &Health) -> Vec<Said> {
    match health {
        Health::Own { .. } => say("found.certificate-own", []),
        Health::Good { renews, .. } => say("found.certificate-good", [Value::Time(*renews)]),
        Health::Coming => say("found.certificate-coming", []),
        Health::Failed { why, again, .. } => {
            say("found.certificate-failed", [Value::Time(*again), plain(why).into()])
        }
        Health::Urgent { why, ends, .. } => {
            say("found.certificate-urgent", [Value::Time(*ends), plain(why).into()])
        }
        Health::ByHand { .. } => say("found.certificate-by-hand", []),
        Health::NoClock => say("found.certificate-no-clock", []),
    }
}
