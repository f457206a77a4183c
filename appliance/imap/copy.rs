//! COPY, MOVE and their UID forms (RFC 9051 6.4.7, 6.4.8; RFC 4315; RFC 6851). COPY is all or
//! nothing; a long MOVE that fails tells what it moved.

use super::reply::{Code, Reply};
use super::selected::line;
use super::{Answer, Ask, Core, Event, Task, Turn, Write, Wrote, misrouted};
use crate::store::mail::Copied;
use crate::wire::imap::Command;
use crate::wire::imap::sequence::Ranges;

pub(super) fn copy(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let (uid, set, to, remove) = match command {
        Command::Copy { uid, set, mailbox } => (uid, set, mailbox, false),
        Command::Move { uid, set, mailbox } => (uid, set, mailbox, true),
        other => return misrouted(other),
    };
    let Some(selected) = core.selected.as_ref() else { return misrouted(Command::Noop) };
    if remove && selected.read_only {
        return Turn::Reply(Reply::no("The mailbox is open for reading only").code("READ-ONLY"));
    }
    let uids: Vec<u32> = match selected.resolve(&set, uid) {
        Ok(ranges) => selected.view.uids_in(&ranges).collect(),
        Err(text) => return Turn::Reply(Reply::bad(text).code("CLIENTBUG")),
    };
    let done = if remove { "MOVE completed" } else { "COPY completed" };
    if uids.is_empty() {
        // RFC 9051 6.4.9: uids that do not exist are no error
        return Turn::Reply(Reply::ok(done));
    }
    let expected = if uid { 0 } else { uids.len() };
    let write = Write::Copy { mailbox: selected.mailbox, uids, to, remove };
    let ask = Ask::Write { account: core.account(), write };
    Turn::Task(Box::new(Copying { ask: Some(ask), remove, expected, done }))
}

struct Copying {
    ask: Option<Ask>,
    remove: bool,
    /// Messages that the client's numbers name.
    expected: usize,
    done: &'static str,
}

impl Task for Copying {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        if let Some(ask) = self.ask.take() {
            return Turn::Ask(ask);
        }
        let (copied, failed) = match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Copied(copied)))) => (copied, None),
            Event::Answer(Answer::Wrote(Ok(Wrote::MovedSome(copied, error)))) => {
                (copied, Some(error))
            }
            // RFC 9051 6.4.7: the client may make it and try again
            Event::Answer(Answer::Wrote(Ok(Wrote::NoMailbox))) => {
                return Turn::Reply(Reply::no("No such mailbox, make it first").code("TRYCREATE"));
            }
            Event::Answer(Answer::Wrote(Err(error))) => return Turn::Reply(error.into()),
            _ => return Turn::Reply(Reply::no("Nothing was copied").code("SERVERBUG")),
        };
        let Some(code) = copy_uid(&copied) else {
            return Turn::Reply(match self.expected {
                0 => Reply::ok(self.done),
                _ => Reply::expunge_issued(),
            });
        };
        if !self.remove {
            return Turn::Reply(Reply::ok(self.done).code(code));
        }
        // RFC 6851 4.3: COPYUID before the EXPUNGE responses
        line(out, format_args!("* OK [{code}] Moved"));
        if let Some(selected) = core.selected.as_mut() {
            selected.gone(&copied.uids.iter().map(|(old, _)| *old).collect::<Vec<_>>());
        }
        if let Some(error) = failed {
            return Turn::Reply(error.into());
        }
        let reply = Reply::ok(self.done);
        // RFC 7162 3.2.9
        Turn::Reply(if core.modes.condstore { reply.with(Code::HighestModSeq) } else { reply })
    }
}

/// RFC 4315 3
fn copy_uid(copied: &Copied) -> Option<String> {
    if copied.uids.is_empty() {
        return None;
    }
    let old = Ranges::from_ascending(copied.uids.iter().map(|(old, _)| *old));
    let new = Ranges::from_ascending(copied.uids.iter().map(|(_, new)| *new));
    Some(format!("COPYUID {} {old} {new}", copied.uidvalidity))
}
