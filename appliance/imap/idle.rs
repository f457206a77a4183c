//! IDLE (RFC 2177, RFC 9051 6.3.13).

use super::reply::Reply;
use super::selected::line;
use super::{Core, Event, Task, Told, Turn};
use crate::limits;
use crate::wire::imap::Command;
use std::time::Duration;

pub(super) fn idle(core: &mut Core, _: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    line(out, format_args!("+ idling"));
    Turn::Task(Box::new(Idle { since: (core.now)() }))
}

struct Idle {
    /// Seconds since 1970.
    since: i64,
}

impl Task for Idle {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        let idle =
            Duration::from_secs((core.now)().saturating_sub(self.since).max(0).unsigned_abs());
        match event {
            Event::Line(text) if text.eq_ignore_ascii_case(b"DONE") => {
                return Turn::Reply(Reply::ok("IDLE terminated"));
            }
            Event::Line(_) => {
                return Turn::Reply(Reply::bad("DONE was expected").code("CLIENTBUG"));
            }
            // RFC 2177 3: a client that stays longer than the autologout may be logged out
            Event::TimedOut if idle >= limits::IMAP_AUTOLOGOUT => {
                line(out, format_args!("* BYE Idle for too long"));
                return Turn::Close;
            }
            Event::TimedOut => line(out, format_args!("* OK Still here")),
            _ => {}
        }
        match core.update(true, out) {
            Ok(Told::More) => return Turn::Again,
            Ok(Told::Deleted) => {
                line(out, format_args!("* BYE The selected mailbox was deleted"));
                return Turn::Close;
            }
            Ok(Told::All) => {}
            Err(error) => core.report("telling changes", &error),
        }
        let left = limits::IMAP_AUTOLOGOUT.saturating_sub(idle).max(Duration::from_secs(1));
        Turn::Line { within: limits::IMAP_IDLE_TICK.min(left), wake: true }
    }
}
