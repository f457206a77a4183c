//! The stick of a box: PID 1 tells what is in, and lends it for as long as a backup is written or
//! read.
//!
//! ```text
//! borrow   Lend ->      <- Lent: it is at PLACE, and nobody else gets it
//! prepare  Prepare ->       <- Prepared: a disk, emptied, at PLACE for all of the mail
//! dropped  Returned ->     <- TakenBack: it is unmounted, and may be pulled out
//! switch   Switch ->        the box changes to it, and ends the server
//! ```

use crate::event::{Event, emit};
use crate::limits;
use crate::request::{Holds, Message, StickState, Words};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where PID 1 puts it.
pub(crate) const PLACE: &str = "/run/lent/stick";

/// No answer came in time.
const SILENT: &str = "the stick does not answer";

/// Says something to PID 1.
type Say = Box<dyn Fn(&Message) -> io::Result<()> + Send + Sync>;

pub(crate) struct Sticks {
    say: Say,
    place: PathBuf,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    seen: Seen,
    asked: Asked,
    holders: Vec<Holder>,
    /// What went wrong that nobody waits for any more: the server was started anew meanwhile.
    trouble: Option<String>,
}

/// How far a question is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    Nothing,
    /// PID 1 was asked and has not answered.
    Lend,
    Format,
    Prepare,
    Switch,
    Adopt,
    Forget,
    Answered(Result<String, String>),
    /// It is ours.
    Lent,
    /// We want it no more, and PID 1 still has it mounted.
    Return,
}

/// What is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub state: StickState,
    pub octets: u64,
    /// As its maker calls it.
    pub name: String,
}

/// A disk of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub holds: Holds,
    pub octets: u64,
    /// Tenths of its life that are over; 0: it does not say.
    pub worn: u8,
    /// That its file system counted.
    pub errors: u32,
    pub name: String,
}

/// It is given back with this.
pub(crate) struct Borrowed {
    sticks: Arc<Sticks>,
    /// As its maker calls it.
    pub name: String,
}

impl Sticks {
    pub(crate) fn new(say: Say) -> Arc<Sticks> {
        Sticks::at(say, Path::new(PLACE))
    }

    /// The same, with what is lent elsewhere than on a box.
    pub(crate) fn at(say: Say, place: &Path) -> Arc<Sticks> {
        let place = place.to_path_buf();
        Arc::new(Sticks { say, place, state: Mutex::default(), news: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    /// The disks of the box; that of the mail first.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let mut holders = self.lock().holders.clone();
        holders.sort_by_key(|it| !it.holds_mail());
        holders
    }

    /// Why the box did not change to another disk, when that was told after the restart.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    /// What PID 1 says.
    pub(crate) fn hear(&self, message: &Message) {
        let mut state = self.lock();
        let answer = match message {
            Message::Stick { state: now, octets, name } => {
                let name = name.text().to_string();
                state.seen = Seen { state: *now, octets: *octets, name: name.clone() };
                // What was formatted is told anew, and can be used then.
                let is_done = state.asked == Asked::Format && *now == StickState::Ready;
                is_done.then_some(Ok(name))
            }
            Message::Lent(name) if state.asked != Asked::Lend => {
                // Nobody waits for it any more.
                drop(state);
                return self.tell(&Message::Returned);
            }
            Message::Lent(name) => Some(Ok(name.text().to_string())),
            Message::Prepared(_) if state.asked != Asked::Prepare => {
                drop(state);
                return self.tell(&Message::Returned);
            }
            Message::Prepared(name) => Some(Ok(name.text().to_string())),
            Message::NotPrepared(why) => state.not_prepared(why.text()),
            Message::NotLent(why) if matches!(state.asked, Asked::Lend | Asked::Format) => {
                Some(Err(why.text().to_string()))
            }
            Message::TakenBack if state.asked == Asked::Return => Some(Ok(String::new())),
            Message::Holder { .. } => state.holder(message),
            _ => None,
        };
        if let Some(answer) = answer {
            state.asked = Asked::Answered(answer);
            self.news.notify_all();
        }
    }

    /// The stick, at [`PLACE`] until what is returned is dropped. Waits for PID 1; the error is for
    /// the owner.
    pub(crate) fn borrow(self: &Arc<Self>, write: bool) -> Result<Borrowed, String> {
        let asked = (Asked::Nothing, Asked::Lend, Asked::Lent);
        let name = self.ask(asked, &Message::Lend { write }, Some(limits::STICK_LENT))?;
        Ok(Borrowed { sticks: self.clone(), name })
    }

    /// Empties and formats the one that is called so.
    pub(crate) fn format(&self, name: &str) -> Result<(), String> {
        let message = Message::Format(Words::new(name));
        let asked = (Asked::Nothing, Asked::Format, Asked::Nothing);
        self.ask(asked, &message, Some(limits::STICK_FORMATTED)).map(drop)
    }

    /// The disk that is called so, emptied, at its place until what is returned is dropped.
    pub(crate) fn prepare(self: &Arc<Self>, name: &str) -> Result<Borrowed, String> {
        let asked = (Asked::Nothing, Asked::Prepare, Asked::Lent);
        self.lock().trouble = None;
        let message = Message::Prepare(Words::new(name));
        let name = self.ask(asked, &message, Some(limits::DISK_PREPARED))?;
        Ok(Borrowed { sticks: self.clone(), name })
    }

    /// The old copy of the mail goes.
    pub(crate) fn forget(&self) -> Result<(), String> {
        let asked = (Asked::Nothing, Asked::Forget, Asked::Nothing);
        self.ask(asked, &Message::Forget, Some(limits::DISK_PREPARED)).map(drop)
    }

    /// With what is borrowed: the box uses it from its next start on, which is now. It is PID 1's
    /// once it was told, for as long as it does not say why not: then that is returned.
    fn change_to(&self, asked: Asked, message: &Message) -> String {
        let done = self.ask((Asked::Lent, asked, Asked::Lent), message, None);
        done.err().unwrap_or_else(|| SILENT.to_string())
    }

    fn ask(
        &self,
        (before, asked, after): (Asked, Asked, Asked),
        message: &Message,
        within: Option<Duration>,
    ) -> Result<String, String> {
        let mut state = self.lock();
        if state.asked != before {
            return Err("the stick is in use".to_string());
        }
        state.asked = asked;
        if let Err(error) = (self.say)(message) {
            state.asked = before;
            return Err(format!("PID 1 does not listen: {error}"));
        }
        let until = within.map(|within| Instant::now() + within);
        loop {
            if let Asked::Answered(answer) = &state.asked {
                let answer = answer.clone();
                state.asked = if answer.is_ok() { after } else { before };
                return answer;
            }
            let left = until.map_or(limits::STICK_LENT, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                state.asked = before;
                return Err(SILENT.to_string());
            }
            let waited = self.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn tell(&self, message: &Message) {
        if let Err(error) = (self.say)(message) {
            emit(Event::BoxTrouble { what: format!("PID 1 does not listen: {error}") });
        }
    }
}

impl State {
    /// Whoever waits for it is told; after a restart of the server nobody does.
    fn not_prepared(&mut self, why: &str) -> Option<Result<String, String>> {
        let waits = [Asked::Prepare, Asked::Switch, Asked::Adopt, Asked::Forget];
        if waits.contains(&self.asked) {
            return Some(Err(why.to_string()));
        }
        self.trouble = Some(why.to_string());
        None
    }

    /// There is one of each kind; one without a size is gone. That no old copy is left answers who
    /// had it removed.
    fn holder(&mut self, message: &Message) -> Option<Result<String, String>> {
        let Message::Holder { holds, octets, worn, errors, name } = message else { return None };
        let name = name.text().to_string();
        let new = Holder { holds: *holds, octets: *octets, worn: *worn, errors: *errors, name };
        self.holders.retain(|it| it.holds.kind() != new.holds.kind());
        if *octets > 0 {
            self.holders.push(new);
        }
        let left = self.holders.iter().any(Holder::is_old);
        (self.asked == Asked::Forget && !left).then(|| Ok(String::new()))
    }
}

impl Holder {
    pub(crate) fn holds_mail(&self) -> bool {
        matches!(self.holds, Holds::All | Holds::Mail)
    }

    /// Is there an old copy of the mail on it?
    pub(crate) fn is_old(&self) -> bool {
        matches!(self.holds, Holds::SystemAndOld | Holds::Old)
    }

    /// Does the system start from it?
    pub(crate) fn is_system(&self) -> bool {
        !matches!(self.holds, Holds::Mail | Holds::Old)
    }
}

impl Holds {
    /// Of each kind there is one.
    fn kind(self) -> Holds {
        match self {
            Holds::All | Holds::System | Holds::SystemAndOld => Holds::System,
            other => other,
        }
    }
}

impl Borrowed {
    pub(crate) fn place(&self) -> &Path {
        &self.sticks.place
    }

    /// The box changes to the copy that is on it: this server ends. Returns why it does not.
    pub(crate) fn switch(&self) -> String {
        self.sticks.change_to(Asked::Switch, &Message::Switch)
    }

    /// The box uses the mail that is on it: this server ends. Returns why it does not.
    pub(crate) fn adopt(&self) -> String {
        self.sticks.change_to(Asked::Adopt, &Message::Adopt)
    }
}

impl Drop for Borrowed {
    /// Waits until it may be pulled out: what is done with it is over only then.
    fn drop(&mut self) {
        let asked = (Asked::Lent, Asked::Return, Asked::Nothing);
        if let Err(why) = self.sticks.ask(asked, &Message::Returned, Some(limits::STICK_LENT)) {
            emit(Event::BoxTrouble { what: format!("the stick is not given back: {why}") });
            self.sticks.lock().asked = Asked::Nothing;
        }
    }
}
