//! The network of a box as PID 1 tells of it, and how another address is asked for and kept; what
//! else PID 1 is asked for goes the same way.
//!
//! ```text
//! ask    said a moment later: the page that tells where to go must reach the browser first
//! keep   by the secret of that page, at the new address, in time; else netd goes back by itself
//! ```

use super::who::random;
use crate::event::{Event, emit};
use crate::limits;
use crate::request::{DeviceId, From, Message, Plan, Static};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use subtle::ConstantTimeEq;

/// Says something to PID 1.
type Say = Box<dyn Fn(&Message) -> io::Result<()> + Send + Sync>;

pub(crate) struct Network {
    say: Say,
    state: Mutex<State>,
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub plan: Option<Plan>,
    /// The adapter's own address: routers know devices by it.
    pub hardware: Option<[u8; 6]>,
    pub addresses: Vec<(IpAddr, u8, From)>,
    pub trial: Option<Trial>,
    /// The last trial was not confirmed.
    pub went_back: bool,
    /// What a reset of everything has to name.
    pub device: Option<DeviceId>,
}

/// A new address that is not kept yet.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub fixed: Static,
    /// Whoever has it was shown the owner's page.
    pub secret: String,
    pub until: Instant,
}

/// What came of keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    /// Nothing is on trial, or not by this secret.
    NoTrial,
    /// Asked at another address than the new one.
    Elsewhere,
    /// PID 1 does not listen.
    Unheard,
}

impl Network {
    pub(crate) fn new(say: Say) -> Arc<Network> {
        Arc::new(Network { say, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        let mut state = self.lock();
        if state.trial.take_if(|trial| trial.until <= Instant::now()).is_some() {
            state.went_back = true;
        }
        state.clone()
    }

    /// What PID 1 says.
    pub(crate) fn hear(&self, message: &Message) {
        let mut state = self.lock();
        match message {
            Message::Network(plan) => {
                state.plan = Some(*plan);
                let of_trial = |trial: &mut Trial| *plan != Plan::Static(trial.fixed);
                // Another holds: what was on trial is kept, or gone.
                if let Some(Trial { fixed, .. }) = state.trial.take_if(of_trial) {
                    let kept = Plan::Static(Static { on_trial: false, ..fixed });
                    state.went_back = *plan != kept;
                }
            }
            Message::Device(device) => state.device = Some(*device),
            Message::Link { hardware, .. } => state.hardware = Some(*hardware),
            Message::Address { address, prefix, from } => {
                state.addresses.retain(|(known, ..)| known != address);
                state.addresses.push((*address, *prefix, *from));
                state.addresses.sort_by_key(|(address, ..)| address.is_ipv6());
                state.addresses.truncate(limits::CONSOLE_ADDRESSES);
            }
            Message::AddressGone(gone) => state.addresses.retain(|(known, ..)| known != gone),
            _ => (),
        }
    }

    /// Another plan, from in a moment on. A fixed address is on trial; its trial is returned.
    pub(super) fn ask(self: &Arc<Self>, plan: Plan) -> io::Result<Option<Trial>> {
        let trial = match plan {
            Plan::Dhcp => None,
            // A little less than netd waits, so that what is confirmed here is kept there.
            Plan::Static(fixed) => Some(Trial {
                fixed,
                secret: random(),
                until: Instant::now() + limits::NETWORK_TRIAL,
            }),
        };
        self.later(Message::Network(plan))?;
        let mut state = self.lock();
        (state.trial, state.went_back) = (trial.clone(), false);
        Ok(trial)
    }

    /// Says it in a moment.
    pub(super) fn later(self: &Arc<Self>, message: Message) -> io::Result<()> {
        let network = self.clone();
        let say = move || {
            std::thread::sleep(limits::NETWORK_BREATH);
            if let Err(error) = (network.say)(&message) {
                emit(Event::BoxTrouble { what: format!("PID 1 does not listen: {error}") });
            }
        };
        std::thread::Builder::new().name("network".into()).spawn(say).map(drop)
    }

    /// What is on trial by this secret.
    pub(super) fn on_trial(&self, secret: &str) -> Option<Trial> {
        let right = |trial: &Trial| {
            bool::from(trial.secret.as_bytes().ct_eq(secret.as_bytes())) && !secret.is_empty()
        };
        self.state().trial.filter(right)
    }

    /// Keeps the new address; `at` is where the browser reached us.
    pub(super) fn keep(&self, secret: &str, at: IpAddr) -> Kept {
        let Some(trial) = self.on_trial(secret) else { return Kept::NoTrial };
        if at.to_canonical() != IpAddr::V4(trial.fixed.address) {
            return Kept::Elsewhere;
        }
        if (self.say)(&Message::NetworkKept).is_err() {
            return Kept::Unheard;
        }
        let mut state = self.lock();
        (state.trial, state.went_back) = (None, false);
        state.plan = Some(Plan::Static(Static { on_trial: false, ..trial.fixed }));
        Kept::Yes
    }
}

/// As it stands on a sticker: 02:00:5e:10:00:01.
pub(crate) fn hardware(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}
