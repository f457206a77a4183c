//! The end of the setting up: what is set, to print and keep.

use super::{Steps, mark, steps};
use crate::admin::fingerprint;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::people::{Row, domains, everybody};
use crate::admin::routes::{Answer, Visit};
use crate::settings::Ports;
use askama::Template;

#[derive(Template)]
#[template(path = "setup/done.html")]
struct DonePage<'a> {
    page: &'a Page<'a>,
    steps: Steps<'a>,
    domains: Vec<String>,
    people: Vec<Row>,
    host: String,
    ports: Ports,
    relay: Option<String>,
    six: String,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let settings = visit.house.settings();
    let relay = settings.outgoing.relay.as_ref().map(|relay| relay.host.clone());
    let six = fingerprint::of(&visit.house.data.join("tls")).unwrap_or_default().join(" ");
    let (steps, domains, people) = (steps(visit, "done")?, domains(visit)?, everybody(visit)?);
    let (host, ports) = (settings.host.clone(), settings.ports);
    let page = visit.page(visit.words.t("setup.done"));
    show(&DonePage { page: &page, steps, domains, people, host, ports, relay, six })
}

pub(in crate::admin) fn done(visit: &mut Visit<'_>) -> Answer {
    mark(visit, "done")?;
    Ok(Reply::see("/"))
}
