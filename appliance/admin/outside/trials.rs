//! What takes a while: looking for servers, trying them, waiting until somebody signed in. It goes
//! on by itself, and the page that began it follows.

use crate::act::collect::sign_in::SignInView;
use crate::act::collect::{CollectAct, KnownView};
use crate::act::failure::Failure;
use crate::act::{self, Reply as Done, Request as Act};
use crate::admin::form::Form;
use crate::limits::{TRIAL_KEPT_MILLIS, TRIALS_AT_ONCE, TRIALS_KEPT};
use crate::store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Find,
    Add,
    Password,
    SignIn,
}

/// For whom, and of which address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(Kind, String, String);

impl Key {
    pub(crate) fn new(kind: Kind, login: &str, address: &str) -> Key {
        Key(kind, login.to_lowercase(), address.to_lowercase())
    }
}

/// How far it is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Running,
    /// What is known of an address.
    Known(Box<KnownView>),
    /// A code is to be typed in there.
    Code(SignInView),
    Done,
    /// Why not, and the form as it was filled in, without what is secret.
    Failed(Box<(Failure, Form)>),
}

impl Stage {
    pub(crate) fn failed(failure: Failure, form: Form) -> Stage {
        Stage::Failed(Box::new((failure, form)))
    }

    pub(crate) fn goes_on(&self) -> bool {
        matches!(self, Stage::Running | Stage::Code(_))
    }
}

/// Shared with the threads that work.
#[derive(Default, Clone)]
pub(crate) struct Trials {
    table: Arc<Table>,
}

#[derive(Default)]
struct Table {
    state: Mutex<HashMap<Key, Trial>>,
    /// One of them came further, or is gone.
    changed: Condvar,
}

struct Trial {
    /// Milliseconds, when it began.
    begun: u64,
    stage: Stage,
}

impl Trials {
    fn state(&self) -> MutexGuard<'_, HashMap<Key, Trial>> {
        self.table.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stage(&self, key: &Key) -> Option<Stage> {
        self.state().get(key).map(|trial| trial.stage.clone())
    }

    /// The same, once it has ended, or after so long.
    pub(crate) fn stage_within(&self, key: &Key, most: Duration) -> Option<Stage> {
        let runs = |state: &mut HashMap<Key, Trial>| {
            state.get(key).is_some_and(|trial| matches!(trial.stage, Stage::Running))
        };
        let waited = self.table.changed.wait_timeout_while(self.state(), most, runs);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.get(key).map(|trial| trial.stage.clone())
    }

    /// Whoever works on it hears that nobody waits any more.
    pub(crate) fn forget(&self, key: &Key) {
        self.state().remove(key);
        self.table.changed.notify_all();
    }

    /// False: nobody waits for it any more.
    fn tell(&self, key: &Key, stage: Stage) -> bool {
        let mut state = self.state();
        let Some(trial) = state.get_mut(key) else { return false };
        trial.stage = stage;
        drop(state);
        self.table.changed.notify_all();
        true
    }

    /// Begins it, unless it is under way already. False: too many are.
    pub(crate) fn begin(
        &self,
        key: Key,
        now: u64,
        work: impl FnOnce(&dyn Fn(Stage) -> bool) -> Stage + Send + 'static,
    ) -> bool {
        let mut state = self.state();
        if state.get(&key).is_some_and(|trial| trial.stage.goes_on()) {
            return true;
        }
        state.retain(|_, trial| {
            trial.stage.goes_on() || now.saturating_sub(trial.begun) < TRIAL_KEPT_MILLIS
        });
        let running = state.values().filter(|trial| trial.stage.goes_on()).count();
        if running >= TRIALS_AT_ONCE || state.len() >= TRIALS_KEPT {
            return false;
        }
        state.insert(key.clone(), Trial { begun: now, stage: Stage::Running });
        drop(state);
        let (trials, of_thread) = (self.clone(), key.clone());
        let thread = std::thread::Builder::new().name("trial".into()).spawn(move || {
            let told = |stage: Stage| trials.tell(&of_thread, stage);
            // Also after a panic the next may begin.
            let worked = std::panic::AssertUnwindSafe(|| work(&told));
            match std::panic::catch_unwind(worked) {
                Ok(stage) => drop(told(stage)),
                Err(_) => trials.forget(&of_thread),
            }
        });
        if thread.is_err() {
            self.forget(&key);
        }
        thread.is_ok()
    }
}

/// What is known of the servers of an address.
pub(crate) fn find(store: &Store, address: String, now: i64) -> Stage {
    let act = Act::Collect(CollectAct::Find { address });
    match act::act(store, act, now, &mut |_| ()) {
        Ok(Done::Known(known)) => Stage::Known(known),
        Ok(_) => Stage::Done,
        Err(failure) => Stage::failed(failure, Form::default()),
    }
}

/// Asks for a code, shows it, and waits until it was typed in or has ended.
pub(crate) fn sign_in(
    store: &Store,
    (login, address): (&str, &str),
    now: i64,
    told: &dyn Fn(Stage) -> bool,
) -> Result<(), Failure> {
    let (login, address) = (login.to_string(), address.to_string());
    let ask = |what: CollectAct| act::act(store, Act::Collect(what), now, &mut |_| ());
    let what = CollectAct::SignIn { login: login.clone(), address: address.clone() };
    let Done::SignIn(begun) = ask(what)? else { return Ok(()) };
    let mut wait = begun.interval;
    let end = Instant::now() + Duration::from_secs(begun.expires_in);
    let mut stays = told(Stage::Code(begun.clone()));
    while stays && Instant::now() < end {
        std::thread::sleep(Duration::from_secs(wait.max(1)));
        let (login, address) = (login.clone(), address.clone());
        let begun = Box::new(begun.clone());
        match ask(CollectAct::SignInWait { login, address, begun: begun.clone() })? {
            Done::SignInWaits(seconds) => wait = seconds,
            _ => return Ok(()),
        }
        stays = told(Stage::Code(*begun));
    }
    Err(Failure::new("cannot sign in", "nobody typed in the code in time", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn who_waits_hears_of_the_end_at_once_and_of_what_runs_in_time() {
        let trials = Trials::default();
        let key = || Key::new(Kind::Find, "ann@office.test", "ann@far.example");
        let (go_on, waits) = mpsc::channel::<()>();
        let work = move |_: &dyn Fn(Stage) -> bool| {
            let _ = waits.recv();
            Stage::Done
        };
        assert!(trials.begin(key(), 0, work));
        let soon = Duration::from_millis(1);
        assert!(matches!(trials.stage_within(&key(), soon), Some(Stage::Running)));
        go_on.send(()).expect("it runs");
        // A test that fails here waits for an hour: nothing but the end wakes it.
        let long = Duration::from_secs(3600);
        assert!(matches!(trials.stage_within(&key(), long), Some(Stage::Done)));
        trials.forget(&key());
        assert!(trials.stage_within(&key(), long).is_none());
    }

    #[test]
    fn a_code_to_type_in_is_told_while_its_person_is_waited_for() {
        let trials = Trials::default();
        let key = || Key::new(Kind::SignIn, "ann@office.test", "ann@far.example");
        let (go_on, waits) = mpsc::channel::<()>();
        let (heard, stays) = mpsc::channel();
        let work = move |told: &dyn Fn(Stage) -> bool| {
            told(Stage::Code(SignInView {
                login: "ann@office.test".to_string(),
                address: "ann@far.example".to_string(),
                url: "https://far.example/device".to_string(),
                code: "WDJB-MJHT".to_string(),
                device: "a secret".to_string(),
                interval: 5,
                expires_in: 600,
            }));
            let _ = waits.recv();
            let _ = heard.send(told(Stage::Running));
            Stage::Done
        };
        assert!(trials.begin(key(), 0, work));
        let long = Duration::from_secs(3600);
        let Some(Stage::Code(code)) = trials.stage_within(&key(), long) else { panic!("no code") };
        assert_eq!(code.code, "WDJB-MJHT");
        trials.forget(&key());
        go_on.send(()).expect("it runs");
        assert_eq!(stays.recv(), Ok(false), "nobody waits for it any more");
        assert!(trials.stage(&key()).is_none());
    }
}
