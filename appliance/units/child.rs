//! The children of a box: what PID 1 starts from the same binary.

use super::{ServeOptions, preset, probe, proof};
use crate::admin::network::Network;
use crate::admin::sticks::Sticks;
use crate::clock;
use crate::event::{self, Event, emit};
use crate::request::{ClockState, Code, Message, Words};
use crate::settings::{self, Ports, Settings};
use crate::store::owner;
use crate::system::confine::{NETD, REPAIR, SERVER};
use crate::system::init::folder;
use crate::system::installer;
use crate::system::netd;
use crate::system::pair::Pair;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The server's end of the talk with PID 1, and what the owner preset.
#[derive(Clone)]
pub(crate) struct Boxed {
    pub pair: Arc<Pair>,
    pub network: Arc<Network>,
    pub sticks: Arc<Sticks>,
    pub preset: Option<settings::preset::Preset>,
    /// Opens the setup page.
    pub code: Code,
    /// It must still be proven that mail works.
    pub trial: Arc<AtomicBool>,
    /// The owner's log-in is to be taken away, under this number.
    pub reset: Option<u64>,
}

/// Runs a child by its role; the error goes to PID 1, which shows it.
pub(crate) fn run(role: &str) -> ExitCode {
    event::start();
    let ran = match role {
        "server" => server(),
        "repair" => repair(),
        "installer" => pair().and_then(|pair| installer::run(&pair)),
        "netd" => pair().and_then(|pair| NETD.enter().and_then(|()| netd::run(pair))),
        #[cfg(debug_assertions)]
        "planted-server" => crate::system::confine::planted::run(Some(&SERVER)),
        #[cfg(debug_assertions)]
        "planted-netd" => crate::system::confine::planted::run(Some(&NETD)),
        #[cfg(debug_assertions)]
        "planted-free" => crate::system::confine::planted::run(None),
        other => Err(format!("there is no child {other:?}")),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            emit(Event::BoxTrouble { what: why });
            ExitCode::FAILURE
        }
    }
}

fn repair() -> Result<(), String> {
    let pair = pair()?;
    REPAIR.enter()?;
    match pair.hear().map_err(|error| format!("PID 1: {error}"))?.map(|heard| heard.message) {
        Some(Message::Repair(why)) => super::repair::run(&why),
        Some(_) => Err("the first message is not the reason".to_string()),
        None => Ok(()),
    }
}

fn pair() -> Result<Pair, String> {
    Pair::of_child().map_err(|error| error.to_string())
}

fn server() -> Result<(), String> {
    let pair = pair()?;
    SERVER.enter()?;
    let hear = || pair.hear().map_err(|error| format!("PID 1: {error}"));
    let Some(mut heard) = hear()? else { return Ok(()) };
    let mut reset = None;
    if let Message::ResetOwner(number) = heard.message {
        reset = Some(number);
        let Some(next) = hear()? else { return Ok(()) };
        heard = next;
    }
    let Message::Start { code, trial, .. } = heard.message else {
        return Err("the first message is not the start's".to_string());
    };
    let data = Path::new(folder::MAIL);
    let preset = match heard.file.as_deref().map(settings::preset::parse) {
        None => None,
        Some(Ok(preset)) => Some(preset),
        Some(Err(error)) => {
            let line = u32::try_from(error.line).unwrap_or(0);
            let why = Words::new(&error.why);
            say(&pair, &Message::PresetWrong { line, why })?;
            None
        }
    };
    prepare(data, preset.as_ref())?;
    if let Some(preset) = &preset {
        tell_box(&pair, preset)?;
    }
    let chosen = preset.as_ref().and_then(|preset| preset.setup_code.as_deref());
    let code = chosen.and_then(Code::parse).unwrap_or(code);
    let pair = Arc::new(pair);
    let to_init = pair.clone();
    let network = Network::new(Box::new(move |message| to_init.say(message)));
    let to_init = pair.clone();
    let sticks = Sticks::new(Box::new(move |message| to_init.say(message)));
    listen(pair.clone(), (network.clone(), sticks.clone()))?;
    let trial = Arc::new(AtomicBool::new(trial));
    let boxed = Boxed { pair, network, sticks, preset, code, trial, reset };
    super::serve_box(data, ServeOptions::default(), boxed)
}

/// Hears what PID 1 says later, on a thread of its own.
fn listen(pair: Arc<Pair>, (network, sticks): (Arc<Network>, Arc<Sticks>)) -> Result<(), String> {
    clock::tell(clock::State::Floor);
    let hear = move || {
        // Once PID 1 is gone nobody is left to be told anything.
        while let Ok(Some(heard)) = pair.hear() {
            match heard.message {
                Message::Clock { state, .. } => clock::tell(match state {
                    ClockState::Floor => clock::State::Floor,
                    ClockState::Plausible | ClockState::Synced => clock::State::Plausible,
                }),
                message => {
                    network.hear(&message);
                    sticks.hear(&message);
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("pid 1".to_string()).spawn(hear);
    thread.map(drop).map_err(|error| format!("no thread: {error}"))
}

fn say(pair: &Pair, message: &Message) -> Result<(), String> {
    pair.say(message).map_err(|error| format!("PID 1: {error}"))
}

/// The settings of a box that has none, and those that the owner preset.
fn prepare(data: &Path, preset: Option<&settings::preset::Preset>) -> Result<(), String> {
    let path = data.join("mailroom.toml");
    if path.exists() && preset.is_none() {
        return Ok(());
    }
    let mut now = match path.exists() {
        true => settings::load(&path).map_err(|error| error.to_string())?,
        false => Settings {
            listen: vec![Ipv4Addr::UNSPECIFIED.into(), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            ..Settings::first("mailroom.local", Ports::WELL_KNOWN)
        },
    };
    if let Some(preset) = preset {
        preset::settings(preset, &mut now);
    }
    settings::replace_file(&path, settings::print(&now).as_bytes())
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// What PID 1 and netd must know of the presets.
fn tell_box(pair: &Pair, preset: &settings::preset::Preset) -> Result<(), String> {
    if let Some(code) = preset.setup_code.as_deref().and_then(Code::parse) {
        say(pair, &Message::SetupCode(code))?;
    }
    if let Some(network) = &preset.network {
        say(pair, &Message::Network(preset::plan(network)))?;
    }
    Ok(())
}

impl Boxed {
    /// The owner is gone who was reset, and the domain and the people of the presets are in the
    /// store when it returns. Blocks.
    pub(super) fn apply(&self, store: &crate::store::Store, now: i64) -> Result<(), String> {
        self.forget_owner(store, now)?;
        let Some(preset) = &self.preset else { return Ok(()) };
        match preset::apply(store, preset, now) {
            Ok(()) => say(&self.pair, &Message::PresetTaken),
            Err(failure) => {
                let why = Words::new(&format!("{}: {}", failure.what, failure.why));
                say(&self.pair, &Message::PresetWrong { line: 0, why })
            }
        }
    }

    /// What cannot be done now is done at another start: mail does not wait for it.
    fn forget_owner(&self, store: &crate::store::Store, now: i64) -> Result<(), String> {
        let Some(number) = self.reset else { return Ok(()) };
        let act = crate::admin::reset::owner_is_gone(now);
        match store.write_blocking(move |batch| owner::forget(batch, number, &act)) {
            Ok(_) => say(&self.pair, &Message::ResetDone(number)),
            Err(error) => {
                let doing = "taking the owner's log-in away";
                emit(Event::StoreTrouble { doing, why: error.to_string() });
                Ok(())
            }
        }
    }

    pub(super) fn probe(&self, store: &crate::store::Store, data: &Path) -> probe::Probe {
        probe::Probe::new(self.pair.clone(), store.clone(), &data.join("tls"))
    }

    pub(super) fn proof(&self, store: &crate::store::Store, data: &Path) -> proof::Proof {
        let pair = self.pair.clone();
        let say = Arc::new(move |message: &Message| pair.say(message));
        let (due, store) = (self.trial.clone(), store.clone());
        proof::Proof { say, due, store, tls: data.join("tls") }
    }
}
