//! STORE and UID STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): slice by slice, each a commit.

use super::planted::{Planted, planted};
use super::reply::Reply;
use super::selected::line;
use super::{
    Answer, Core, Event, Modes, Selected, Task, Turn, Write, Wrote, flag_names, flag_set, misrouted,
};
use crate::limits;
use crate::store::mail::FlagChange;
use crate::store::{Result, Store, StoreError, mail, mailbox};
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::{Command, StoreAction};
use std::collections::VecDeque;

pub(super) fn store(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Store { uid, set, unchanged_since, action, silent, flags } = command else {
        return misrouted(command);
    };
    if unchanged_since.is_some() {
        core.enable_condstore(out);
    }
    let Some(selected) = core.selected.as_ref() else { return misrouted(Command::Noop) };
    if selected.read_only {
        return Turn::Reply(Reply::no("The mailbox is open for reading only").code("READ-ONLY"));
    }
    let flags = match flag_set(&flags) {
        Ok(flags) => flags,
        Err(reply) => return Turn::Reply(reply),
    };
    let uids: Vec<u32> = match selected.resolve(&set, uid) {
        Ok(ranges) => selected.view.uids_in(&ranges).collect(),
        Err(text) => return Turn::Reply(Reply::bad(text).code("CLIENTBUG")),
    };
    let change = match action {
        StoreAction::Set => FlagChange::Set(flags),
        StoreAction::Add => FlagChange::Add(flags),
        StoreAction::Remove => FlagChange::Remove(flags),
    };
    Turn::Task(Box::new(Storing {
        uid,
        silent,
        change,
        unchanged_since,
        left: uids,
        tell: VecDeque::new(),
        modified: Vec::new(),
        missing: false,
    }))
}

struct Storing {
    uid: bool,
    silent: bool,
    change: FlagChange,
    unchanged_since: Option<u64>,
    /// Uids not written yet, ascending.
    left: Vec<u32>,
    /// Uids written and not told yet.
    tell: VecDeque<u32>,
    /// RFC 7162 3.1.3: uids that failed the UNCHANGEDSINCE test.
    modified: Vec<u32>,
    missing: bool,
}

impl Task for Storing {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Flagged(flagged)))) => {
                if let Some(selected) = core.selected.as_mut() {
                    selected.own(flagged.modseq);
                }
                // RFC 7162 3.1.3: the new modseq is told even if the flags are not
                if !self.silent || core.modes.condstore {
                    self.tell.extend(flagged.done);
                }
                self.modified.extend(flagged.modified);
                self.missing |= !flagged.missing.is_empty();
            }
            Event::Answer(Answer::Wrote(Err(error))) => return Turn::Reply(error.into()),
            Event::Answer(_) => return Turn::Reply(Reply::no("Not stored").code("SERVERBUG")),
            _ => {}
        }
        let Core { store, selected: Some(selected), modes, .. } = core else {
            return Turn::Reply(Reply::no("No mailbox is selected").code("SERVERBUG"));
        };
        if let Err(error) = self.tell(store, selected, *modes, out) {
            return Turn::Reply(error.into());
        }
        if !self.tell.is_empty() {
            return Turn::Again;
        }
        if self.left.is_empty() {
            return Turn::Reply(self.end(selected));
        }
        let rest = self.left.split_off(self.left.len().min(limits::SNAPSHOT_MESSAGES));
        let uids = std::mem::replace(&mut self.left, rest);
        let (mailbox, change) = (selected.mailbox, self.change.clone());
        core.ask(Write::Flags { mailbox, uids, change, unchanged_since: self.unchanged_since })
    }
}

impl Storing {
    fn end(&self, selected: &Selected) -> Reply {
        let reply = match self.missing && !self.uid {
            // RFC 2180 4.2.1: some of the numbers name messages that went
            true => Reply::no("Some of the messages no longer exist").code("EXPUNGEISSUED"),
            false => Reply::ok("STORE completed"),
        };
        if self.modified.is_empty() {
            return reply;
        }
        let number = |uid: &u32| if self.uid { Some(*uid) } else { selected.view.seq(*uid) };
        let set = Ranges::from_ascending(self.modified.iter().filter_map(number));
        let text = "Some of the messages were changed by others".to_owned();
        Reply { text: text.into(), ..reply.code(format!("MODIFIED {set}")) }
    }

    /// Tells what was written: at most a piece of output.
    fn tell(
        &mut self,
        store: &Store,
        selected: &mut Selected,
        modes: Modes,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.tell.is_empty() {
            return Ok(());
        }
        let snapshot = store.snapshot()?;
        let (account, id) = (selected.account, selected.mailbox);
        let name = mailbox::get(&snapshot, account, id)?.ok_or(StoreError::NotFound("mailbox"))?;
        selected.tell_keywords(&name.name, out);
        while out.len() < limits::OUTPUT_PIECE_BYTES {
            let Some(uid) = self.tell.pop_front() else { break };
            let Some(seq) = selected.view.seq(uid) else { continue };
            let Some(row) = mail::row(&snapshot, account, id, uid)? else { continue };
            let mut items = Vec::with_capacity(3);
            // RFC 7162 3.2.4: whoever is told modseqs is told uids
            if self.uid || modes.condstore {
                items.push(format!("UID {uid}"));
            }
            if !self.silent {
                let flags = flag_names(row.flags, &row.keywords, &name.name);
                items.push(format!("FLAGS ({flags})"));
            }
            if modes.condstore {
                let before = u64::from(planted(Planted::OldModSeq));
                items.push(format!("MODSEQ ({})", row.modseq - before));
            }
            line(out, format_args!("* {seq} FETCH ({})", items.join(" ")));
        }
        Ok(())
    }
}
