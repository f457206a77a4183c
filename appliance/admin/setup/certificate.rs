//! The certificate: of an authority that the world knows, by one of the ways of proof, or the
//! box's own to be installed on each device.

use super::{Steps, finish, seen, steps, unchanged};
use crate::act::certificate::{self, CertificateView};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::admin::{audit, fingerprint, zone};
use crate::net::acme::files::Files;
use crate::net::acme::plan::{Asked, Health};
use crate::net::tls;
use crate::settings::{Algorithm, Certificate, Method, Update};
use crate::store::owner;
use crate::wire::address::{Address, check_domain};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, SocketAddr};

#[derive(Template)]
#[template(path = "setup/certificate.html")]
struct CertificatePage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    standing: Standing<'a>,
    /// Names of the box that are left out, each with the reason.
    left_out: Vec<(String, String)>,
    names: Vec<String>,
    ends: String,
    own: bool,
    /// Something is being done: the page looks again by itself.
    running: bool,
    six: String,
    /// A key for updates is there, and stays when its field is empty.
    has_secret: bool,
    /// How the settings were when the page was made.
    seen: String,
}

/// How it stands, as the page says it.
struct Standing<'a> {
    /// The class of its mark.
    mark: &'static str,
    words: String,
    remedy: &'a str,
    /// Records to write by hand.
    records: Vec<(String, String)>,
    /// May be tried again now.
    again: bool,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let certificate = visit.house.settings().certificate.clone();
    show_certificate(visit, &filled(&certificate))
}

/// The settings as the form has them; without the secret.
fn filled(certificate: &Certificate) -> Form {
    let Certificate { method, directory, contact } = certificate;
    let mut fields = vec![
        ("method", method.word().to_string()),
        ("directory", directory.clone()),
        ("contact", contact.clone().unwrap_or_default()),
    ];
    if let Method::Dns01(update) = method {
        let port = update.server.port();
        let server =
            if port == 53 { update.server.ip().to_string() } else { update.server.to_string() };
        fields.push(("server", server));
        fields.push(("zone", update.zone.clone().unwrap_or_default()));
        fields.push(("key", update.key.clone()));
        fields.push(("algorithm", algorithm_word(update.algorithm).to_string()));
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, it)| (*name, it.as_str())).collect();
    Form::with(&fields)
}

fn show_certificate(visit: &Visit<'_>, form: &Form) -> Answer {
    let (words, settings) = (visit.words, visit.house.settings());
    let view = certificate::view(&visit.house.data, &settings, visit.request.now)?;
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let asked = Files::of(&visit.house.data).asked().is_some();
    let authority = settings.certificate.method != Method::Own;
    let running = authority && (asked || matches!(view.health, Health::Coming));
    let standing = standing(visit, &view, &zone, running);
    let six = fingerprint::of(&visit.house.data.join("tls")).unwrap_or_default().join(" ");
    let mut page = visit.page(words.t("certificate.title"));
    page.goes_on = running;
    let steps = steps(visit, "certificate")?;
    let (names, ends) = (view.names, zone::show(&zone, view.ends));
    let seen = seen(&settings.certificate);
    let has_secret = matches!(settings.certificate.method, Method::Dns01(_));
    let (left_out, own) = (view.left_out, view.own);
    show(&CertificatePage {
        page: &page,
        steps,
        form,
        standing,
        left_out,
        names,
        ends,
        own,
        running,
        six,
        has_secret,
        seen,
    })
}

fn standing<'a>(
    visit: &Visit<'a>,
    view: &CertificateView,
    zone: &str,
    running: bool,
) -> Standing<'a> {
    let words = visit.words;
    let at = |seconds: i64| zone::show(zone, seconds);
    let say = |mark, words: String, remedy: &'static str| Standing {
        mark,
        words,
        remedy: if remedy.is_empty() { "" } else { visit.words.t(remedy) },
        records: Vec::new(),
        again: false,
    };
    if running {
        return say("", words.t("certificate.running").to_string(), "");
    }
    match &view.health {
        Health::Own { .. } => say("", words.t("certificate.own-standing").to_string(), ""),
        Health::Good { renews, .. } => {
            say("good", words.fill("certificate.good", &[&at(*renews)]), "")
        }
        Health::Coming => say("", words.t("certificate.running").to_string(), ""),
        Health::Failed { why, again, .. } => {
            let told = words.fill("certificate.failed", &[why, &at(*again)]);
            Standing { again: true, ..say("bad", told, remedy(&view.method)) }
        }
        Health::Urgent { why, ends, .. } => {
            let told = words.fill("certificate.urgent", &[&at(*ends), why]);
            Standing { again: true, ..say("bad", told, remedy(&view.method)) }
        }
        Health::ByHand { records, .. } => {
            let records = records.clone();
            let told = words.t("certificate.by-hand-standing").to_string();
            Standing { records, again: true, ..say("warn", told, "certificate.by-hand-remedy") }
        }
        Health::NoClock => say("warn", words.t("certificate.no-clock").to_string(), ""),
    }
}

/// What to look at where this way of proof fails.
fn remedy(method: &str) -> &'static str {
    match method {
        "http-01" => "certificate.http-remedy",
        "tls-alpn-01" => "certificate.alpn-remedy",
        "dns-01" => "certificate.dns-remedy",
        _ => "certificate.by-hand-remedy",
    }
}

pub(in crate::admin) fn save(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let before = visit.house.settings().certificate.clone();
    unchanged(&form, &before)?;
    let wanted = read(visit, &mut form, &before);
    let Some(wanted) = wanted.filter(|_| form.is_fine()) else {
        return Ok(show_certificate(visit, &form)?.status(422));
    };
    let word = wanted.method.word();
    if wanted == before {
        return finish(visit, "certificate");
    }
    let asks = wanted.method != Method::Own;
    visit.house.change_settings(|settings| settings.certificate = wanted)?;
    audit::note(visit, "settings/certificate", word, "");
    if !asks {
        return finish(visit, "certificate");
    }
    // Here one sees what comes of it, and goes on then.
    ask(visit)?;
    Ok(Reply::see("/setup/certificate"))
}

/// Another try now.
pub(in crate::admin) fn again(visit: &mut Visit<'_>) -> Answer {
    if visit.house.settings().certificate.method != Method::Own {
        ask(visit)?;
        audit::note(visit, "certificate/ask", "", "");
    }
    Ok(Reply::see("/setup/certificate"))
}

fn ask(visit: &Visit<'_>) -> Result<(), Trouble> {
    let asked = Files::of(&visit.house.data).ask(Asked::Issue);
    asked.map_err(|fault| Trouble::Internal(fault.to_string()))
}

pub(in crate::admin) fn next(visit: &mut Visit<'_>) -> Answer {
    finish(visit, "certificate")
}

/// What the form says, or its faults.
fn read(visit: &Visit<'_>, form: &mut Form, before: &Certificate) -> Option<Certificate> {
    let words = visit.words;
    let contact = form.line(words, "contact", 0, 254);
    if !contact.is_empty() && !is_contact(&contact) {
        form.wrong("contact", words.t("certificate.contact-wrong"));
    }
    let directory = match form.value("directory") {
        "" => Certificate::default().directory,
        text => text.to_string(),
    };
    if !is_directory(&directory) {
        form.wrong("directory", words.t("certificate.directory-wrong"));
    }
    let method = match form.raw("method") {
        "own" => Method::Own,
        "http-01" => Method::Http01,
        "tls-alpn-01" => Method::TlsAlpn01,
        "dns-01" => Method::Dns01(update(visit, form, before)?),
        "by-hand" => Method::ByHand,
        _ => {
            form.wrong("method-own", words.t("certificate.choose"));
            return None;
        }
    };
    Some(Certificate { method, directory, contact: Some(contact).filter(|it| !it.is_empty()) })
}

/// Where records are written, and by which key.
fn update(visit: &Visit<'_>, form: &mut Form, before: &Certificate) -> Option<Update> {
    let words = visit.words;
    let text = form.line(words, "server", 1, 60);
    let server = self::server(&text);
    if server.is_none() && !text.is_empty() {
        form.wrong("server", words.t("certificate.server-wrong"));
    }
    let text = form.line(words, "key", 1, 253);
    let key = name(&text);
    if key.is_none() && !text.is_empty() {
        form.wrong("key", words.t("certificate.key-wrong"));
    }
    let text = form.line(words, "zone", 0, 253);
    let zone = name(&text);
    if zone.is_none() && !text.is_empty() {
        form.wrong("zone", words.t("certificate.zone-wrong"));
    }
    let algorithm = match form.raw("algorithm") {
        "hmac-sha384" => Algorithm::HmacSha384,
        "hmac-sha512" => Algorithm::HmacSha512,
        _ => Algorithm::HmacSha256,
    };
    // A secret is never sent to the browser: left empty, the one that is there stays.
    let kept = key.as_ref().and_then(|key| kept_secret(before, key));
    let secret = match form.value("password-tsig") {
        "" => kept,
        text => secret(text),
    };
    if secret.is_none() {
        form.wrong("password-tsig", words.t("certificate.secret-wrong"));
    }
    Some(Update { server: server?, zone, key: key?, secret: secret?, algorithm })
}

// ---- what is right, here and for programs ----

pub(in crate::admin) fn is_directory(text: &str) -> bool {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next());
    let printable = text.len() <= 500 && text.bytes().all(|it| it.is_ascii_graphic());
    printable && host.is_some_and(|host| !host.is_empty())
}

pub(in crate::admin) fn is_contact(text: &str) -> bool {
    // As the settings want it.
    Address::parse(text).is_ok() && text.bytes().all(|it| it.is_ascii_graphic())
}

/// "192.0.2.53", or with a port.
pub(in crate::admin) fn server(text: &str) -> Option<SocketAddr> {
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    bare.or_else(|_| text.parse()).ok()
}

pub(in crate::admin) fn name(text: &str) -> Option<String> {
    check_domain(text.trim_end_matches('.')).ok().filter(|it| it.is_ascii())
}

pub(in crate::admin) fn secret(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|it| (16..=512).contains(&it.len()))
}

/// The secret that stays when none is given with the same key.
pub(in crate::admin) fn kept_secret(before: &Certificate, key: &str) -> Option<Vec<u8>> {
    match &before.method {
        Method::Dns01(update) if update.key == key => Some(update.secret.clone()),
        _ => None,
    }
}

fn algorithm_word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HmacSha256 => "hmac-sha256",
        Algorithm::HmacSha384 => "hmac-sha384",
        Algorithm::HmacSha512 => "hmac-sha512",
    }
}

/// The certificate of the box's own authority, for devices to trust.
pub(in crate::admin) fn authority(visit: &mut Visit<'_>) -> Answer {
    let der = tls::own_authority(&visit.house.data.join("tls"));
    let der = der.map_err(|fault| Trouble::Internal(fault.to_string()))?;
    Ok(Reply::file("application/x-x509-ca-cert", "mailroom-ca.crt", der))
}
