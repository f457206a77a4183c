//! The stories of messages: why a mail arrived, or did not.

use super::format::{Trace, TraceStep};
use super::{Batch, MailId, Read, Result};

/// Writes the story of a new arrival (also one that was refused and has no body).
pub(crate) fn put(_batch: &mut Batch, _id: MailId, _trace: &Trace) -> Result<()> {
    todo!()
}

/// Adds a step to a story, if it is still there.
pub(crate) fn add_step(_batch: &mut Batch, _id: MailId, _step: TraceStep) -> Result<()> {
    todo!()
}

pub(crate) fn get(_read: &impl Read, _id: MailId) -> Result<Option<Trace>> {
    todo!()
}

/// Newest first, those in which the text occurs (addresses, subject, Message-ID, id; case folded;
/// empty: all), at most `limit`, looking at arrivals before `before` (`None`: from the newest).
pub(crate) fn find(
    _read: &impl Read,
    _text: &str,
    _before: Option<MailId>,
    _limit: usize,
) -> Result<Vec<(MailId, Trace)>> {
    todo!()
}

/// Forgets stories older than `before`; at most `limit` at a time. Returns how many went.
pub(crate) fn forget(_batch: &mut Batch, _before: MailId, _limit: usize) -> Result<usize> {
    todo!()
}
