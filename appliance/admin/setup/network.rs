//! The address of a box in its network: from the router, or fixed. A fixed one is on trial until
//! the browser comes by it.

use super::{Steps, finish, mark, seen, steps, unchanged};
use crate::admin::audit;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::lan;
use crate::admin::network::{Kept, Network, Trial, hardware};
use crate::admin::page::{Page, show};
use crate::admin::routes::{Answer, Visit};
use crate::admin::trouble::Trouble;
use crate::limits;
use crate::request::{From, Plan, SERVERS, Static};
use askama::Template;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

#[derive(Template)]
#[template(path = "setup/network.html")]
struct NetworkPage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    form: &'a Form,
    is_box: bool,
    /// Each address, its network's length, and where it comes from.
    addresses: Vec<(String, &'a str)>,
    hardware: Option<String>,
    device: Option<String>,
    /// The name in the network, as browsers type it.
    local: String,
    went_back: bool,
    trial: Option<Shown>,
    /// How it was when the page was made.
    seen: String,
}

/// A trial as the page tells of it.
struct Shown {
    address: String,
    /// Where the browser is to go.
    there: String,
    seconds: u64,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let plan = visit.house.network.as_ref().and_then(|network| network.state().plan);
    let form = match plan {
        Some(Plan::Static(fixed)) => filled(&fixed),
        _ => Form::with(&[("how", "dhcp")]),
    };
    show_network(visit, &form)
}

fn filled(fixed: &Static) -> Form {
    let text = |address: Option<Ipv4Addr>| address.map(|it| it.to_string()).unwrap_or_default();
    let resolvers: Vec<String> =
        fixed.resolvers.iter().flatten().map(ToString::to_string).collect();
    Form::with(&[
        ("how", "fixed"),
        ("address", &fixed.address.to_string()),
        ("mask", &fixed.prefix.to_string()),
        ("gateway", &text(fixed.gateway)),
        ("resolvers", &resolvers.join("\n")),
    ])
}

fn show_network(visit: &Visit<'_>, form: &Form) -> Answer {
    let words = visit.words;
    let state = visit.house.network.as_ref().map(|network| network.state()).unwrap_or_default();
    let from = |from: From| {
        words.t(match from {
            From::Dhcp => "network.from-dhcp",
            From::LinkLocal => "network.from-link",
            From::Static => "network.from-fixed",
            From::Router => "network.from-router",
        })
    };
    let address =
        |(address, prefix, of): &(IpAddr, u8, From)| (format!("{address}/{prefix}"), from(*of));
    let page = visit.page(words.t("network.title"));
    show(&NetworkPage {
        page: &page,
        steps: steps(visit, "network")?,
        form,
        is_box: visit.house.is_box,
        addresses: state.addresses.iter().map(address).collect(),
        hardware: state.hardware.map(hardware),
        device: state.device.map(|device| device.to_string()),
        local: format!("{}.local", lan::machine()),
        went_back: state.went_back,
        trial: state.trial.map(|trial| shown(visit, &trial)),
        seen: seen(&state.plan),
    })
}

/// Where this browser finds the box at the new address: by the name it used, or by number.
fn shown(visit: &Visit<'_>, trial: &Trial) -> Shown {
    let address = trial.fixed.address;
    let named = visit.request.header("host").and_then(lan::host);
    let (name, port) = named.unwrap_or_else(|| (address.to_string(), None));
    let name = if name.parse::<IpAddr>().is_ok() { address.to_string() } else { name };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let left = trial.until.saturating_duration_since(Instant::now());
    Shown {
        address: address.to_string(),
        there: format!("https://{name}{port}/network/{}", trial.secret),
        seconds: left.as_secs(),
    }
}

pub(in crate::admin) fn save(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let Some(network) = visit.house.network.clone() else { return finish(visit, "network") };
    unchanged(&form, &network.state().plan)?;
    let plan = match form.raw("how") {
        "dhcp" => Some(Plan::Dhcp),
        "fixed" => fixed(visit, &mut form).map(Plan::Static),
        _ => {
            form.wrong("how-dhcp", visit.words.t("network.choose"));
            None
        }
    };
    let Some(plan) = plan.filter(|_| form.is_fine()) else {
        return Ok(show_network(visit, &form)?.status(422));
    };
    let asked = |plan: Plan| match plan {
        Plan::Static(fixed) => Plan::Static(Static { on_trial: true, ..fixed }),
        Plan::Dhcp => Plan::Dhcp,
    };
    // What is so already needs no trial.
    if network.state().plan.map(asked) == Some(plan) {
        return finish(visit, "network");
    }
    change(visit, &network, plan)
}

fn change(visit: &Visit<'_>, network: &Arc<Network>, plan: Plan) -> Answer {
    let about = match plan {
        Plan::Dhcp => "DHCP".to_string(),
        Plan::Static(Static { address, prefix, .. }) => format!("{address}/{prefix}"),
    };
    let asked = network.ask(plan).map_err(|error| Trouble::Internal(error.to_string()))?;
    audit::note(visit, "settings/network", &about, "");
    if asked.is_none() {
        visit.say(&visit.words.fill("network.by-dhcp", &[&format!("{}.local", lan::machine())]));
        return finish(visit, "network");
    }
    // The page itself, at once: in a moment the old address is gone.
    show_network(visit, &Form::with(&[("how", "fixed")]))
}

/// The fixed address of the form, or its faults.
fn fixed(visit: &Visit<'_>, form: &mut Form) -> Option<Static> {
    let words = visit.words;
    let four = |text: &str| text.parse::<Ipv4Addr>().ok();
    let address = four(form.value("address")).filter(|address| is_host(*address));
    if address.is_none() {
        form.wrong("address", words.t("network.address-wrong"));
    }
    let prefix = prefix(form.value("mask"));
    if prefix.is_none() {
        form.wrong("mask", words.t("network.mask-wrong"));
    }
    let gateway = form.value("gateway").to_string();
    let way_out = four(&gateway).filter(|gateway| is_host(*gateway));
    if !gateway.is_empty() && way_out.is_none() {
        form.wrong("gateway", words.t("network.gateway-wrong"));
    }
    let written = form.value("resolvers").to_string();
    let written: Vec<&str> = written.split([' ', ',', '\n']).filter(|it| !it.is_empty()).collect();
    let mut resolvers = [None; SERVERS];
    for (place, text) in resolvers.iter_mut().zip(&written) {
        *place = four(text).filter(|address| !address.is_unspecified());
        if place.is_none() {
            form.wrong("resolvers", &words.fill("network.resolver-wrong", &[text]));
        }
    }
    if written.len() > SERVERS {
        form.wrong("resolvers", &words.fill("network.resolvers-many", &[&SERVERS]));
    }
    let (address, prefix) = (address?, prefix?);
    match checked(address, prefix, way_out) {
        Err(Wrong::NoHost) => form.wrong("address", words.t("network.no-host")),
        Err(Wrong::GatewayFar) => form.wrong("gateway", words.t("network.gateway-far")),
        // The rest was told above, each where it is wrong.
        _ => {}
    }
    Some(Static { address, prefix, gateway: way_out, resolvers, on_trial: true })
}

/// What is wrong with a fixed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Wrong {
    Address,
    Prefix,
    /// It is the network itself, or everybody in it.
    NoHost,
    Gateway,
    GatewayFar,
}

/// Can a box have this address?
pub(in crate::admin) fn checked(
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
) -> Result<(), Wrong> {
    if !is_host(address) {
        return Err(Wrong::Address);
    }
    if !PREFIXES.contains(&prefix) {
        return Err(Wrong::Prefix);
    }
    if gateway.is_some_and(|gateway| !is_host(gateway)) {
        return Err(Wrong::Gateway);
    }
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let (own, of_net) = (u32::from(address), |it: Ipv4Addr| u32::from(it) & !host_bits);
    // RFC 1122 3.2.1.3: neither the network itself nor everybody in it
    if own & host_bits == 0 || own & host_bits == host_bits {
        return Err(Wrong::NoHost);
    }
    let far = |gateway: Ipv4Addr| of_net(gateway) != of_net(address) || gateway == address;
    match gateway.is_some_and(far) {
        true => Err(Wrong::GatewayFar),
        false => Ok(()),
    }
}

const PREFIXES: std::ops::RangeInclusive<u8> = 1..=30;

/// Can a device have it?
fn is_host(address: Ipv4Addr) -> bool {
    let none = address.is_unspecified() || address.is_loopback() || address.is_link_local();
    !(none || address.is_multicast() || address.octets()[0] >= 240 || address.octets()[0] == 0)
}

/// "24", or "255.255.255.0" as routers write it.
fn prefix(text: &str) -> Option<u8> {
    let prefix = match text.trim_start_matches('/').parse::<u8>() {
        Ok(prefix) => prefix,
        Err(_) => {
            let mask = u32::from(text.parse::<Ipv4Addr>().ok()?);
            let ones = mask.leading_ones();
            (mask.count_ones() == ones).then_some(u8::try_from(ones).ok()?)?
        }
    };
    PREFIXES.contains(&prefix).then_some(prefix)
}

// ---- at the new address ----

#[derive(Template)]
#[template(path = "network_keep.html")]
struct Keep<'a> {
    page: &'a Page<'a>,
    address: String,
    secret: String,
    seconds: u64,
    /// Why it was not kept.
    why: Option<&'a str>,
}

/// `/network/{}`: whoever was shown the secret may keep the address, without a log-in: there is
/// little time.
pub(in crate::admin) fn keep_page(visit: &mut Visit<'_>) -> Answer {
    visit.need_session();
    show_keep(visit, None)
}

fn show_keep(visit: &Visit<'_>, why: Option<&str>) -> Answer {
    let secret = visit.part(0).to_string();
    let network = visit.house.network.as_ref().ok_or(Trouble::Missing)?;
    let trial = network.on_trial(&secret).ok_or(Trouble::Missing)?;
    let left = trial.until.saturating_duration_since(Instant::now());
    let page = visit.page(visit.words.t("network.keep-title"));
    let (address, seconds) = (trial.fixed.address.to_string(), left.as_secs());
    show(&Keep { page: &page, address, secret, seconds, why })
}

pub(in crate::admin) fn keep(visit: &mut Visit<'_>) -> Answer {
    let network = visit.house.network.as_ref().ok_or(Trouble::Missing)?;
    let words = visit.words;
    match network.keep(visit.part(0), visit.request.peer.local.ip()) {
        Kept::Yes => {
            mark(visit, "network")?;
            audit::note(visit, "settings/network-kept", "", "");
            visit.say(words.t("network.kept"));
            Ok(Reply::see("/"))
        }
        Kept::NoTrial => Err(Trouble::Missing),
        Kept::Elsewhere => Ok(show_keep(visit, Some(words.t("network.elsewhere")))?.status(422)),
        Kept::Unheard => Err(Trouble::Internal(words.t("network.unheard").to_string())),
    }
}

const _: () = assert!(limits::NETWORK_BREATH.as_secs() * 10 < limits::NETWORK_TRIAL.as_secs());
