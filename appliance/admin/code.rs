//! The setup code: it opens the page while the box has no owner. Ten tries, then a wait.

use crate::limits;
use crate::request::Code;
use subtle::ConstantTimeEq;

/// The code and how often it was missed.
pub(crate) struct Codes {
    code: Code,
    misses: u32,
    /// Milliseconds until which nothing is taken.
    closed_until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    Right,
    /// So many more may be tried.
    Wrong(u32),
    /// Not even looked at: minutes to wait.
    Closed(u64),
}

impl Codes {
    pub(super) fn new(code: Code) -> Codes {
        Codes { code, misses: 0, closed_until: 0 }
    }

    /// For the one who owns the machine already: first-run.json, the console.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// Looks at a code; `now` in milliseconds of a clock that only grows.
    pub(super) fn try_one(&mut self, typed: &str, now: u64) -> Tried {
        if now < self.closed_until {
            return Tried::Closed((self.closed_until - now).div_ceil(60_000));
        }
        // What is no code at all is compared too, so that time tells nothing.
        let typed = Code::parse(typed).map(|code| code.to_string()).unwrap_or_default();
        let typed = format!("{typed:9}");
        let right = bool::from(typed.as_bytes().ct_eq(self.code.to_string().as_bytes()));
        if right {
            self.misses = 0;
            return Tried::Right;
        }
        self.misses += 1;
        if self.misses < limits::CODE_TRIES {
            return Tried::Wrong(limits::CODE_TRIES - self.misses);
        }
        self.misses = 0;
        let wait = u64::try_from(limits::CODE_WAIT.as_millis()).unwrap_or(u64::MAX);
        self.closed_until = now.saturating_add(wait);
        Tried::Closed(wait.div_ceil(60_000))
    }
}
