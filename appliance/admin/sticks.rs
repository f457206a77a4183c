//! The stick of a box: PID 1 tells what is in, and lends it for as long as a backup is written or
//! read.
//!
//! ```text
//! borrow   Lend ->      <- Lent: it is at PLACE, and nobody else gets it
//! dropped  Returned ->     it is unmounted, and may be pulled out
//! ```

use crate::event::{Event, emit};
use crate::limits;
use crate::request::{Message, StickState, Words};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where PID 1 puts it.
pub(crate) const PLACE: &str = "/run/lent/stick";

/// Says something to PID 1.
type Say = Box<dyn Fn(&Message) -> io::Result<()> + Send + Sync>;

pub(crate) struct Sticks {
    say: Say,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    seen: Seen,
    asked: Asked,
}

/// How far a question is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    Nothing,
    /// PID 1 was asked and has not answered.
    Lend,
    Format,
    Answered(Result<String, String>),
    /// It is ours.
    Lent,
}

/// What is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub state: StickState,
    pub octets: u64,
    /// As its maker calls it.
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
        Arc::new(Sticks { say, state: Mutex::default(), news: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().seen.clone()
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
            Message::NotLent(why) => Some(Err(why.text().to_string())),
            _ => None,
        };
        if let Some(answer) = answer
            && matches!(state.asked, Asked::Lend | Asked::Format)
        {
            state.asked = Asked::Answered(answer);
            self.news.notify_all();
        }
    }

    /// The stick, at [`PLACE`] until what is returned is dropped. Waits for PID 1; the error is for
    /// the owner.
    pub(crate) fn borrow(self: &Arc<Self>, write: bool) -> Result<Borrowed, String> {
        let name = self.ask(Asked::Lend, &Message::Lend { write }, Asked::Lent)?;
        Ok(Borrowed { sticks: self.clone(), name })
    }

    /// Empties and formats the one that is called so.
    pub(crate) fn format(&self, name: &str) -> Result<(), String> {
        let message = Message::Format(Words::new(name));
        self.ask(Asked::Format, &message, Asked::Nothing).map(drop)
    }

    fn ask(&self, asked: Asked, message: &Message, after: Asked) -> Result<String, String> {
        let mut state = self.lock();
        if state.asked != Asked::Nothing {
            return Err("the stick is in use".to_string());
        }
        let most = match asked {
            Asked::Format => limits::STICK_FORMATTED,
            _ => limits::STICK_LENT,
        };
        state.asked = asked;
        if let Err(error) = (self.say)(message) {
            state.asked = Asked::Nothing;
            return Err(format!("PID 1 does not listen: {error}"));
        }
        let until = Instant::now() + most;
        loop {
            if let Asked::Answered(answer) = &state.asked {
                let answer = answer.clone();
                state.asked = if answer.is_ok() { after } else { Asked::Nothing };
                return answer;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.asked = Asked::Nothing;
                return Err("the stick does not answer".to_string());
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

impl Borrowed {
    pub(crate) fn place(&self) -> &Path {
        Path::new(PLACE)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.sticks.tell(&Message::Returned);
        self.sticks.lock().asked = Asked::Nothing;
    }
}
