//! How many deliveries to one place go on at once: few at first, more with each that is served, and
//! fewer when the place has enough.
//!
//! ```text
//!           served                      refused: no connection, 421, a connection that breaks
//! growing   one more for each           half as many, and careful
//! careful   one more for each round     half as many, at least one
//!                                       several times in a row: shut, what waits is put off
//! ```
//!
//! What began before the last change for the worse says nothing new: twenty connections that are
//! turned away together are one refusal.

use super::remote::{Attempt, Outcome};
use crate::limits::{OUTBOX_PER_PLACE, OUTBOX_PER_PLACE_FIRST, OUTBOX_REFUSALS};

/// What a delivery felt of the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Felt {
    /// It has time for us.
    Served,
    /// It has not, or is not there: the outcome of whoever is not brought there either.
    Refused(Outcome),
    /// Neither.
    Nothing,
}

impl Felt {
    pub(crate) fn of(attempts: &[Attempt]) -> Self {
        let verdict = |attempt: &Attempt| {
            attempt.reached && !matches!(attempt.outcome, Outcome::Retry { .. })
        };
        if attempts.iter().any(verdict) {
            return Self::Served;
        }
        // RFC 5321 3.8: 421 is about the connection, all other replies are about a message
        let refused = |attempt: &Attempt| match &attempt.outcome {
            Outcome::Retry { reply, .. } => {
                !attempt.reached || reply.as_ref().is_none_or(|reply| reply.code == 421)
            }
            _ => false,
        };
        let refused = attempts.iter().find(|attempt| refused(attempt));
        refused.map_or(Self::Nothing, |attempt| Self::Refused(attempt.outcome.clone()))
    }
}

/// Which deliveries began since the last change for the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Era(u32);

#[derive(Debug)]
pub(crate) struct Pace {
    most: usize,
    careful: bool,
    /// Served since the last growth.
    served: usize,
    /// Refusals in a row.
    refused: usize,
    era: Era,
}

impl Pace {
    pub(crate) fn new() -> Self {
        let most = OUTBOX_PER_PLACE_FIRST;
        Self { most, careful: false, served: 0, refused: 0, era: Era::default() }
    }

    /// At once.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// For a delivery that begins now.
    pub(crate) fn era(&self) -> Era {
        self.era
    }

    /// A delivery that began then has ended.
    pub(crate) fn after(&mut self, era: Era, felt: &Felt) {
        match felt {
            Felt::Served => {
                self.refused = 0;
                self.served += 1;
                let round = if self.careful { self.most } else { 1 };
                if self.served >= round {
                    self.served = 0;
                    self.most = (self.most + 1).min(OUTBOX_PER_PLACE);
                }
            }
            Felt::Refused(_) if era == self.era => {
                self.most = (self.most / 2).max(1);
                self.careful = true;
                self.served = 0;
                self.refused += 1;
                self.era = Era(self.era.0.wrapping_add(1));
            }
            Felt::Refused(_) | Felt::Nothing => {}
        }
    }

    /// Is there nothing to be had there now?
    pub(crate) fn is_shut(&self) -> bool {
        self.refused >= OUTBOX_REFUSALS
    }
}
