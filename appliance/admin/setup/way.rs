//! How mail comes and leaves: straight from and to the servers of others, through a relay, or by
//! way of the provider where it is today.

use super::{Steps, finish, seen, steps, unchanged};
use crate::act::check::{Finding, State};
use crate::admin::audit;
use crate::admin::finding::{Told, told};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::network;
use crate::admin::page::{Page, show};
use crate::admin::people::domains;
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::settings::{Relay, RelayTls};
use crate::store::format::Setup;
use crate::store::{Batch, owner};
use crate::wire::address::check_domain;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/way.html")]
struct Way<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    running: bool,
    looked: bool,
    findings: Vec<Told>,
    /// What the findings speak for: the class of that line, and its key.
    advice: Option<(&'static str, &'static str)>,
    /// What mail addresses end in, asked for while there is no domain.
    domain: Form,
    named: bool,
    is_box: bool,
    /// Where a router forwards to.
    addresses: Vec<String>,
    hardware: Option<String>,
    /// How the way was when the page was made.
    seen: String,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let settings = visit.house.settings();
    let setup = owner::setup(&visit.house.store.snapshot()?)?;
    let form = match &settings.outgoing.relay {
        None if setup.collects => Form::with(&[("way", "collect"), ("tls", "implicit")]),
        None => Form::with(&[("way", "direct"), ("tls", "implicit")]),
        Some(relay) => Form::with(&[
            ("way", "relay"),
            ("host", &relay.host),
            ("port", &relay.port.to_string()),
            ("user", relay.login.as_ref().map_or("", |(user, _)| user)),
            ("tls", if relay.tls == RelayTls::Implicit { "implicit" } else { "starttls" }),
        ]),
    };
    show_way(visit, &form)
}

fn show_way(visit: &Visit<'_>, form: &Form) -> Answer {
    let looked = visit.house.looked();
    let found = looked.last.as_ref().map(|(_, found)| found.as_slice()).unwrap_or_default();
    let findings: Vec<Finding> = found.iter().filter(|it| is_of_way(it)).cloned().collect();
    let advice = advice(&findings);
    let setup = owner::setup(&visit.house.store.snapshot()?)?;
    let findings = findings.iter().map(|it| told(visit.words, &setup.zone, it)).collect();
    let mut page = visit.page(visit.words.t("way.title"));
    page.goes_on = looked.running;
    let (steps, running) = (steps(visit, "way")?, looked.running);
    let looked = looked.last.is_some();
    let network = visit.house.network.as_ref().map(|network| network.state()).unwrap_or_default();
    let four = network.addresses.iter().map(|(address, ..)| address).filter(|it| it.is_ipv4());
    let addresses = four.map(ToString::to_string).collect();
    let (is_box, hardware) = (visit.house.is_box, network.hardware.map(network::hardware));
    show(&Way {
        page: &page,
        steps,
        form,
        running,
        looked,
        findings,
        advice,
        domain: Form::with(&[("domain", &setup.domain)]),
        named: domains(visit)?.is_empty(),
        is_box,
        addresses,
        hardware,
        seen: seen(&visit.house.settings().outgoing.relay),
    })
}

/// Of the box's address, the way out, and where mail goes today; other records of domains come in
/// the next step.
fn is_of_way(finding: &Finding) -> bool {
    let what = finding.what.as_str();
    let begins = ["world", "name servers", "address of", "name of", "way out", "outgoing address"];
    begins.iter().any(|begin| what.starts_with(begin)) || is_elsewhere(finding)
}

/// Mail of a domain goes to somebody else.
fn is_elsewhere(finding: &Finding) -> bool {
    finding.said.first().is_some_and(|said| said.key == "found.mx-elsewhere")
}

/// What they speak for. Mail that is taken elsewhere today can stay there; where the box can
/// neither be reached nor reach others, it has to.
fn advice(findings: &[Finding]) -> Option<(&'static str, &'static str)> {
    let key = |it: &Finding| it.said.first().map_or(String::new(), |said| said.key.clone());
    let any = |keys: &[&str]| findings.iter().any(|it| keys.contains(&key(it).as_str()));
    let shut = any(&["found.way-blocked", "found.way-silent", "found.way-refused"]);
    let hidden = any(&["found.address-none", "found.address-inner"]);
    let is_way_out = |it: &&Finding| it.what.starts_with("way out");
    // Where nothing could be asked, nothing is known.
    let unasked = ["found.names-none", "found.unknown", "found.mx-elsewhere"];
    let wrong = |it: &Finding| it.state == State::Wrong && !unasked.contains(&key(it).as_str());
    match () {
        () if findings.iter().any(is_elsewhere) => Some(("good", "way.for-collect-mx")),
        () if shut && hidden => Some(("warn", "way.for-collect-shut")),
        () if findings.iter().any(wrong) => Some(("warn", "way.for-relay")),
        () if findings.iter().filter(is_way_out).any(|it| it.state == State::Ok) => {
            Some(("good", "way.for-direct"))
        }
        () => None,
    }
}

pub(in crate::admin) fn look(visit: &mut Visit<'_>) -> Answer {
    let typed = visit.form.value("domain").trim_start_matches('@').to_string();
    let name = check_domain(&typed).ok().filter(|name| name.contains('.'));
    if visit.form.has("domain") {
        let domain = name.unwrap_or_default();
        change(visit, move |setup| setup.domain.clone_from(&domain))?;
    }
    visit.house.begin_look();
    Ok(Reply::see("/setup/way"))
}

pub(in crate::admin) fn save(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    unchanged(&form, &visit.house.settings().outgoing.relay)?;
    let relay = match form.raw("way") {
        "relay" => relay(visit, &mut form),
        "direct" | "collect" => None,
        _ => {
            form.wrong("way", visit.words.t("way.choose"));
            None
        }
    };
    if !form.is_fine() {
        return Ok(show_way(visit, &form)?.status(422));
    }
    let chosen = form.raw("way").to_string();
    let about = relay.as_ref().map_or(chosen.clone(), |relay| format!("{relay:?}"));
    let collects = chosen == "collect";
    let before = owner::setup(&visit.house.store.snapshot()?)?.collects;
    change(visit, move |setup| setup.collects = collects)?;
    if relay == visit.house.settings().outgoing.relay && collects != before {
        audit::note(visit, "settings/way", &about, "");
    } else if relay != visit.house.settings().outgoing.relay {
        visit.house.change_settings(|settings| settings.outgoing.relay = relay)?;
        audit::note(visit, "settings/way", &about, "");
    }
    finish(visit, "way")
}

fn change(visit: &Visit<'_>, edit: impl Fn(&mut Setup) + Send + 'static) -> Result<(), Trouble> {
    let job = move |batch: &mut Batch| owner::change_setup(batch, &mut |setup| edit(setup));
    visit.house.store.write_blocking(job)?;
    Ok(())
}

/// Can a server be called so?
pub(in crate::admin) fn is_host(text: &str) -> bool {
    let is_name = check_domain(text).is_ok_and(|name| name.is_ascii() && !name.starts_with('['));
    is_name || text.parse::<std::net::IpAddr>().is_ok()
}

/// The relay of the form, or its faults.
fn relay(visit: &Visit<'_>, form: &mut Form) -> Option<Relay> {
    let words = visit.words;
    let host = form.line(words, "host", 1, 253);
    if !host.is_empty() && !is_host(&host) {
        form.wrong("host", words.t("way.host-wrong"));
    }
    let implicit = form.raw("tls") != "starttls";
    let port = match form.value("port") {
        "" => Some(if implicit { 465 } else { 587 }),
        text => text.parse().ok().filter(|port| *port > 0),
    };
    if port.is_none() {
        form.wrong("port", words.t("way.port-wrong"));
    }
    let user = form.line(words, "user", 0, 254);
    let typed = form.raw("password").to_string();
    let settings = visit.house.settings();
    let before = settings.outgoing.relay.as_ref().filter(|relay| relay.host == host);
    // A password is never sent to the browser: left empty, the one that is there stays.
    let kept = before.and_then(|relay| relay.login.as_ref());
    let kept = kept.filter(|(name, _)| *name == user).map(|(_, password)| password.clone());
    let password = if typed.is_empty() { kept } else { Some(typed) };
    let login = match (user.is_empty(), password) {
        (true, _) => None,
        (false, Some(password)) => Some((user, password)),
        (false, None) => {
            form.wrong("password", words.t("form.empty"));
            None
        }
    };
    let tls = if implicit { RelayTls::Implicit } else { RelayTls::StartTls };
    let authority = before.and_then(|relay| relay.authority.clone());
    Some(Relay { host, port: port.unwrap_or(465), tls, login, token: false, authority })
}
