//! The end of the setting up: what is set, to print and keep.

use super::{Steps, mark, steps};
use crate::act::certificate;
use crate::act::records::Record;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::people::{Row, domains, everybody};
use crate::admin::routes::{Answer, Visit};
use crate::admin::{clients, fingerprint, lan, zone};
use crate::settings::Ports;
use crate::store::format::Setup;
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/done.html")]
struct DonePage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    domains: Vec<String>,
    people: Vec<Row>,
    /// Where the pages are: the owner's, and everybody's own.
    pages: Vec<String>,
    own_page: String,
    ports: Ports,
    relay: Option<String>,
    certificate: Proof,
    records: Vec<Record>,
    /// When the sheet was made.
    at: String,
    zone: String,
}

/// What proves that it is this server.
struct Proof {
    own: bool,
    ends: String,
    six: String,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let settings = visit.house.settings();
    let Setup { zone, collects, .. } = owner::setup(&visit.house.store.snapshot()?)?;
    let by_provider = collects.then(|| visit.words.t("way.collect").to_string());
    let view = certificate::view(&visit.house.data, &settings, visit.request.now)?;
    let six = fingerprint::of(&visit.house.data.join("tls")).unwrap_or_default().join(" ");
    let page = visit.page(visit.words.t("setup.done"));
    show(&DonePage {
        page: &page,
        steps: steps(visit, "done")?,
        domains: domains(visit)?,
        people: everybody(visit)?,
        pages: pages(visit),
        own_page: clients::own_address(visit),
        ports: settings.ports,
        relay: settings.outgoing.relay.as_ref().map(|relay| relay.host.clone()).or(by_provider),
        certificate: Proof { own: view.own, ends: zone::show(&zone, view.ends), six },
        // Without a name for the world there are none to publish.
        records: match collects {
            true => Vec::new(),
            false => super::domain::records(visit).unwrap_or_default(),
        },
        at: zone::show(&zone, visit.request.now),
        zone: if zone.is_empty() { "UTC".to_string() } else { zone },
    })
}

/// Every address that the pages have: by name, in the office by its own name, by number.
fn pages(visit: &Visit<'_>) -> Vec<String> {
    let settings = visit.house.settings();
    let mut names = vec![settings.host.clone()];
    if let Some(network) = &visit.house.network {
        names.push(format!("{}.local", lan::machine()));
        let addresses = network.state().addresses;
        let four = addresses.iter().map(|(address, ..)| address).filter(|it| it.is_ipv4());
        names.extend(four.map(ToString::to_string));
    }
    let port = match settings.ports.https {
        443 => String::new(),
        port => format!(":{port}"),
    };
    names.iter().map(|name| format!("https://{name}{port}/")).collect()
}

pub(in crate::admin) fn done(visit: &mut Visit<'_>) -> Answer {
    mark(visit, "done")?;
    Ok(Reply::see("/"))
}
