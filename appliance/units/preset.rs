//! The owner's presets, put into the settings and the store. What is there already stays: a start
//! that was cut off is done again.

use crate::act::failure::Failure;
use crate::act::people::{self, AccountAct, DomainAct, Password};
use crate::limits;
use crate::request::{Plan, SERVERS, Static};
use crate::settings::Settings;
use crate::settings::preset::{Network, Preset};
use crate::store::{Store, account, address};

pub(super) fn settings(preset: &Preset, settings: &mut Settings) {
    let of_domain = preset.domain.as_ref().map(|domain| format!("mail.{domain}"));
    if let Some(host) = preset.host.clone().or(of_domain) {
        settings.host = host;
    }
    if preset.smarthost.is_some() {
        settings.outgoing.relay.clone_from(&preset.smarthost);
    }
}

/// Blocks, and takes a moment for each password.
pub(crate) fn apply(store: &Store, preset: &Preset, now: i64) -> Result<(), Failure> {
    let Some(domain) = &preset.domain else { return Ok(()) };
    let unread = |error| Failure::store("cannot read the store", &error);
    let read = store.snapshot().map_err(unread)?;
    let known = address::domains(&read).map_err(unread)?;
    let known = known.iter().any(|other| other.name == *domain);
    drop(read);
    if !known {
        people::domain(store, DomainAct::Add { domain: domain.clone() }, now)?;
    }
    for person in &preset.people {
        let login = person.address.to_string();
        let there = store.snapshot().and_then(|read| account::by_login(&read, &login));
        if there.map_err(unread)?.is_some() {
            continue;
        }
        let password = Password { text: person.password.clone(), made_up: false };
        let (name, quota) = (person.name.clone(), limits::QUOTA_BYTES);
        people::account(store, AccountAct::Add { address: login, name, quota, password }, now)?;
    }
    Ok(())
}

pub(super) fn plan(network: &Network) -> Plan {
    let mut resolvers = [None; SERVERS];
    for (place, resolver) in resolvers.iter_mut().zip(&network.resolvers) {
        *place = Some(*resolver);
    }
    let Network { address, prefix, gateway, .. } = *network;
    Plan::Static(Static { address, prefix, gateway, resolvers, on_trial: false })
}
