//! The machine: its network where it is a box, and an office that is brought back from a backup.

use super::{Call, Outcome, Refused, json, reply};
use crate::act::failure::{Failure, Kind};
use crate::admin::network::{Kept, Network, State, Trial, hardware};
use crate::admin::restore::{self, Refused as NotTaken, Stage};
use crate::admin::setup::network::{Wrong, checked};
use crate::admin::upload::BadUpload;
use crate::request::{Plan, SERVERS, Static};
use crate::store::StoreError;
use crate::store::format::Audit;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

// ---- the network ----

#[derive(Serialize)]
struct NetworkView {
    hardware: Option<String>,
    /// Each with the length of its network: 192.168.1.20/24.
    addresses: Vec<String>,
    /// The fixed address; null: the router gives one.
    fixed: Option<FixedView>,
    /// Where the trial of a fixed address is to be confirmed, and how long there is time.
    trial: Option<TrialView>,
    /// The last trial was not confirmed.
    went_back: bool,
}

#[derive(Serialize)]
struct FixedView {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
    resolvers: Vec<Ipv4Addr>,
}

#[derive(Serialize)]
struct TrialView {
    address: Ipv4Addr,
    seconds: u64,
}

fn view(state: &State) -> NetworkView {
    let fixed = |plan: &Plan| match plan {
        Plan::Static(Static { address, prefix, gateway, resolvers, .. }) => Some(FixedView {
            address: *address,
            prefix: *prefix,
            gateway: *gateway,
            resolvers: resolvers.iter().flatten().copied().collect(),
        }),
        Plan::Dhcp => None,
    };
    let trial = |trial: &Trial| TrialView {
        address: trial.fixed.address,
        seconds: trial.until.saturating_duration_since(Instant::now()).as_secs(),
    };
    let addresses = state.addresses.iter();
    NetworkView {
        hardware: state.hardware.map(hardware),
        addresses: addresses.map(|(address, prefix, _)| format!("{address}/{prefix}")).collect(),
        fixed: state.plan.as_ref().and_then(fixed),
        trial: state.trial.as_ref().map(trial),
        went_back: state.went_back,
    }
}

fn show(network: Option<&Arc<Network>>) -> Outcome {
    let view = network.map(|network| view(&network.state()));
    reply(&serde_json::json!({ "network": view }))
}

/// null: it is no box, and its address is that of the machine.
pub(super) fn network(call: &Call<'_>) -> Outcome {
    show(call.house.network.as_ref())
}

fn of_box<'a>(call: &Call<'a>) -> Result<&'a Arc<Network>, Refused> {
    let failure = || {
        let why = "this server is no box: its address is that of the machine it runs on";
        Failure::new("cannot change the network", why, "set it there").of_kind(Kind::Missing)
    };
    call.house.network.as_ref().ok_or_else(|| failure().into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNetwork {
    fixed: Option<NewFixed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFixed {
    address: Ipv4Addr,
    prefix: u8,
    gateway: Option<Ipv4Addr>,
    #[serde(default)]
    resolvers: Vec<Ipv4Addr>,
}

impl NewFixed {
    fn fixed(self) -> Result<Static, Refused> {
        let NewFixed { address, prefix, gateway, resolvers } = self;
        let wrong = |why: &str| Err(Refused::wrong(why.to_string(), ""));
        match checked(address, prefix, gateway) {
            Ok(()) => {}
            Err(Wrong::Address) => return wrong("no device can have this address"),
            Err(Wrong::Prefix) => return wrong("prefix is from 1 to 30"),
            Err(Wrong::NoHost) => return wrong("it is the address of the network itself"),
            Err(Wrong::Gateway) => return wrong("no router can have this address"),
            Err(Wrong::GatewayFar) => return wrong("the gateway is not in the same network"),
        }
        if resolvers.len() > SERVERS || resolvers.iter().any(Ipv4Addr::is_unspecified) {
            return wrong("resolvers are at most three addresses");
        }
        let mut places = [None; SERVERS];
        places.iter_mut().zip(resolvers).for_each(|(place, it)| *place = Some(it));
        Ok(Static { address, prefix, gateway, resolvers: places, on_trial: true })
    }
}

/// A fixed address is on trial until it is confirmed there, with `keep`.
pub(super) fn set_network(call: &Call<'_>) -> Outcome {
    let network = of_box(call)?;
    let plan = match call.body::<NewNetwork>()?.fixed {
        Some(fixed) => Plan::Static(fixed.fixed()?),
        None => Plan::Dhcp,
    };
    let about = match plan {
        Plan::Dhcp => "DHCP".to_string(),
        Plan::Static(Static { address, prefix, .. }) => format!("{address}/{prefix}"),
    };
    let asked = network.ask(plan);
    asked.map_err(|error| Failure::new("cannot change the network", error, ""))?;
    call.note("settings/network", &about, None);
    show(Some(network))
}

/// Keeps the address on trial; called at that address.
pub(super) fn keep_network(call: &Call<'_>) -> Outcome {
    let network = of_box(call)?;
    let failed = |why: &str, remedy: &str| Failure::new("cannot keep the address", why, remedy);
    let secret = network.state().trial.map(|trial| trial.secret).unwrap_or_default();
    match network.keep(&secret, call.request.peer.local.ip()) {
        Kept::Yes => {
            call.note("settings/network-kept", "", None);
            show(Some(network))
        }
        Kept::NoTrial => {
            Err(failed("no address is on trial, or no more", "").of_kind(Kind::Missing).into())
        }
        Kept::Elsewhere => Err(failed("this call came by another", "call it at the new").into()),
        Kept::Unheard => Err(failed("PID 1 does not listen", "").of_kind(Kind::Trouble).into()),
    }
}

// ---- a backup ----

#[derive(Serialize)]
struct RestoreView {
    /// "nothing", "coming", "checking", "changing", "failed".
    stage: &'static str,
    /// Why it failed; "" when it did not.
    why: String,
}

pub(super) fn restoring(call: &Call<'_>) -> Outcome {
    show_restore(call, 200)
}

fn show_restore(call: &Call<'_>, status: u16) -> Outcome {
    let (stage, why) = match call.house.place.restores.stage() {
        Stage::Nothing => ("nothing", String::new()),
        Stage::Coming => ("coming", String::new()),
        Stage::Checking => ("checking", String::new()),
        Stage::Changing => ("changing", String::new()),
        Stage::Failed(error) => ("failed", error.to_string()),
    };
    json(status, &serde_json::json!({ "restore": RestoreView { stage, why } }))
}

/// Takes a backup; it is checked, and then takes the place of what is here.
pub(super) fn restore(call: &Call<'_>) -> Outcome {
    let kind = call.request.header("content-type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("application/octet-stream") {
        return Err(Refused::no_octets(kind));
    }
    let what = "cannot bring the backup back";
    let failed = |why: &str, remedy: &str| Failure::new(what, why, remedy);
    let act = Audit {
        at: call.request.now,
        who: call.program.clone(),
        from: call.request.peer.remote.ip().to_string(),
        what: "store/restore".to_string(),
        ..Audit::default()
    };
    let brought = match call.upload.take() {
        Some(mut upload) => restore::bring(call.house, &mut upload, None, act),
        None => Err(NotTaken::Nothing),
    };
    let failure = match brought {
        Ok(()) => return show_restore(call, 202),
        Err(NotTaken::LivedIn) => {
            failed("people have mail here, which it would replace", "mailroom restore --replace")
                .of_kind(Kind::Exists)
        }
        Err(NotTaken::Busy) => {
            failed("another is being brought back", "wait for it").of_kind(Kind::Exists)
        }
        Err(NotTaken::Nothing) => failed("no octet came", "send the file as the body"),
        Err(NotTaken::Upload(BadUpload::CutOff)) => {
            failed("it did not come whole", "send it again")
        }
        Err(NotTaken::Upload(bad)) => failed(bad.words(), ""),
        Err(NotTaken::Store(StoreError::Invalid(why))) => failed(why, ""),
        Err(NotTaken::Store(error)) => Failure::store(what, &error),
    };
    call.note("store/restore", "", Some(&failure));
    Err(failure.into())
}
