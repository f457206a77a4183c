//! SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE, and NOOP and CHECK.

use super::fetch::Fetch;
use super::list::tell_selected;
use super::mailbox::mailbox_id;
use super::reply::{Code, Reply};
use super::selected::{Selected, line, tell_flag_names};
use super::{Answer, Ask, Core, Event, Task, Turn, Write, Wrote, misrouted};
use crate::limits;
use crate::store::mailbox::Mailbox;
use crate::store::{Result, Snapshot, change, mail};
use crate::wire::imap::sequence::{Ranges, SequenceSet};
use crate::wire::imap::{Command, Qresync};

/// NOOP and CHECK: only the updates.
pub(super) fn noop(_: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    Turn::Reply(Reply::ok(match command {
        Command::Check => "CHECK completed",
        _ => "NOOP completed",
    }))
}

pub(super) fn select(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Select { mailbox, read_only, condstore, qresync } = command else {
        return misrouted(command);
    };
    if qresync.is_some() && !core.modes.qresync {
        // RFC 7162 3.2.5: only after ENABLE QRESYNC
        return Turn::Reply(Reply::bad("Enable QRESYNC first").code("CLIENTBUG"));
    }
    if core.selected.take().is_some() {
        // RFC 9051 7.1: CLOSED, what follows is of the new mailbox
        line(out, format_args!("* OK [CLOSED] The previous mailbox is closed"));
    }
    core.modes.condstore |= condstore;
    let found = match core.mailbox(&mailbox) {
        Ok(found) => found,
        Err(reply) => return Turn::Reply(reply),
    };
    match Selected::open(&core.store, core.account(), found.id, read_only) {
        Ok(Some((selected, found, snapshot))) => {
            begin(core, selected, (found, &mailbox), snapshot, qresync, out)
                .unwrap_or_else(|error| Turn::Reply(error.into()))
        }
        Ok(None) => Turn::Reply(Reply::no_mailbox()),
        Err(error) => Turn::Reply(error.into()),
    }
}

fn begin(
    core: &mut Core,
    selected: Selected,
    (mailbox, given): (Mailbox, &str),
    snapshot: Snapshot,
    qresync: Option<Qresync>,
    out: &mut Vec<u8>,
) -> Result<Turn> {
    tell_state(core, &selected, (&mailbox, given), &snapshot, out)?;
    let reply = match selected.read_only {
        true => Reply::ok("EXAMINE completed").code("READ-ONLY"),
        false => Reply::ok("SELECT completed").code("READ-WRITE"),
    };
    // RFC 7162 3.2.5: another UIDVALIDITY, and nothing that the client knows is true
    let resync = qresync.filter(|q| q.uidvalidity == mailbox.name.uidvalidity);
    let turn = match resync {
        None => Turn::Reply(reply),
        Some(resync) => {
            let known = known_uids(&resync, mailbox.tail.uidnext);
            let agreed = agreed(&resync, &selected);
            let gone = vanished(&snapshot, &selected, resync.modseq, &known, agreed)?;
            tell_vanished(&gone, out);
            Turn::Task(Box::new(Fetch::changed(known, resync.modseq, reply)))
        }
    };
    core.selected = Some(Box::new(selected));
    Ok(turn)
}

fn tell_state(
    core: &Core,
    selected: &Selected,
    (mailbox, given): (&Mailbox, &str),
    snapshot: &Snapshot,
    out: &mut Vec<u8>,
) -> Result<()> {
    tell_flag_names(&mailbox.name, selected.read_only, out);
    line(out, format_args!("* {} EXISTS", selected.view.count()));
    if !core.modes.rev2 {
        line(out, format_args!("* 0 RECENT"));
        if let Some(seq) = first_unseen(selected, mailbox, snapshot)? {
            line(out, format_args!("* OK [UNSEEN {seq}] The first that is not seen"));
        }
    }
    let (validity, next) = (mailbox.name.uidvalidity, mailbox.tail.uidnext);
    line(out, format_args!("* OK [UIDVALIDITY {validity}] Uids stay valid"));
    line(out, format_args!("* OK [UIDNEXT {next}] The next uid"));
    let modseq = mailbox.tail.highestmodseq;
    line(out, format_args!("* OK [HIGHESTMODSEQ {modseq}] The last change"));
    let id = mailbox_id(selected.account, selected.mailbox);
    line(out, format_args!("* OK [MAILBOXID ({id})] The mailbox whatever its name"));
    if core.modes.rev2 {
        tell_selected(mailbox, given, core.modes.utf8, out);
    }
    Ok(())
}

/// RFC 3501 7.1 UNSEEN. Looked for in one piece of the mailbox only: a client may not rely on it,
/// and SELECT shall be quick.
fn first_unseen(
    selected: &Selected,
    mailbox: &Mailbox,
    snapshot: &Snapshot,
) -> Result<Option<u32>> {
    let mut found = None;
    let mut left = limits::SNAPSHOT_MESSAGES;
    if mailbox.tail.unseen == 0 {
        return Ok(None);
    }
    let (account, id) = (selected.account, selected.mailbox);
    mail::rows(snapshot, account, id, 1, u32::MAX, &mut |uid, row| {
        if !mail::Flags(row.flags).has(mail::Flags::SEEN) {
            found = selected.view.seq(uid);
        }
        left -= 1;
        Ok(found.is_none() && left > 0)
    })?;
    Ok(found)
}

/// The uids that the client says it knows: all below UIDNEXT if it does not say.
fn known_uids(resync: &Qresync, uidnext: u32) -> Ranges {
    let all = SequenceSet::range(1, u32::MAX - 1);
    resync.known.as_ref().unwrap_or(&all).resolve_uids(uidnext.saturating_sub(1))
}

/// RFC 7162 3.2.5.2: the highest uid whose number client and server agree on; nothing below it has
/// gone that the client does not know of. 0 if there is none.
fn agreed(resync: &Qresync, selected: &Selected) -> u32 {
    let Some((numbers, uids)) = &resync.matched else { return 0 };
    let (Some(numbers), Some(uids)) = (numbers.without_star(), uids.without_star()) else {
        return 0;
    };
    let pairs = numbers.iter().zip(uids.iter()).take(limits::SNAPSHOT_MESSAGES);
    let agree = pairs.filter(|(seq, uid)| selected.view.uid(*seq) == Some(*uid));
    agree.map(|(_, uid)| uid).max().unwrap_or(0)
}

/// The known uids that vanished after `modseq`.
pub(super) fn vanished(
    snapshot: &Snapshot,
    selected: &Selected,
    modseq: u64,
    known: &Ranges,
    agreed: u32,
) -> Result<Ranges> {
    let (account, id) = (selected.account, selected.mailbox);
    let gone: Vec<u32> = match change::expunged_since(snapshot, account, id, modseq)? {
        Some(gone) => gone.into_iter().filter(|u| known.contains(*u)).collect(),
        // The log no longer reaches back: every known uid that is not there.
        None => {
            let gaps = selected.view.gaps(known);
            let above = gaps.ranges().iter().filter(|(_, to)| *to > agreed);
            return Ok(Ranges::from_unsorted(
                above.map(|(from, to)| ((*from).max(agreed + 1), *to)).collect(),
            ));
        }
    };
    // What went and was not told yet is told as going, not as gone.
    Ok(Ranges::from_ascending(gone.into_iter().filter(|u| !selected.view.has(*u))))
}

pub(super) fn tell_vanished(gone: &Ranges, out: &mut Vec<u8>) {
    if !gone.is_empty() {
        line(out, format_args!("* VANISHED (EARLIER) {gone}"));
    }
}

pub(super) fn close(core: &mut Core, _: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Some(selected) = core.selected.as_ref() else { return closed(core) };
    if selected.read_only {
        return closed(core);
    }
    let write = Write::Expunge { mailbox: selected.mailbox, uids: None };
    let ask = Ask::Write { account: core.account(), write };
    Turn::Task(Box::new(Expunge { ask: Some(ask), close: true }))
}

pub(super) fn unselect(core: &mut Core, _: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    core.selected = None;
    Turn::Reply(Reply::ok("UNSELECT completed"))
}

fn closed(core: &mut Core) -> Turn {
    core.selected = None;
    Turn::Reply(Reply::ok("CLOSE completed"))
}

pub(super) fn expunge(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Expunge { uids } = command else { return misrouted(command) };
    let Some(selected) = core.selected.as_ref() else { return closed(core) };
    if selected.read_only {
        return Turn::Reply(Reply::no("The mailbox is open for reading only").code("READ-ONLY"));
    }
    let uids = match uids.map(|set| selected.resolve(&set, true)).transpose() {
        Ok(uids) => uids.map(|ranges| selected.view.uids_in(&ranges).collect()),
        Err(text) => return Turn::Reply(Reply::bad(text).code("CLIENTBUG")),
    };
    let write = Write::Expunge { mailbox: selected.mailbox, uids };
    let ask = Ask::Write { account: core.account(), write };
    Turn::Task(Box::new(Expunge { ask: Some(ask), close: false }))
}

struct Expunge {
    ask: Option<Ask>,
    /// RFC 9051 6.4.1: CLOSE tells no EXPUNGE
    close: bool,
}

impl Task for Expunge {
    fn go(&mut self, core: &mut Core, event: Event, _: &mut Vec<u8>) -> Turn {
        if let Some(ask) = self.ask.take() {
            return Turn::Ask(ask);
        }
        let gone = match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Expunged(gone)))) => gone,
            Event::Answer(Answer::Wrote(Err(error))) => return Turn::Reply(error.into()),
            _ => return Turn::Reply(Reply::no("Nothing was removed").code("SERVERBUG")),
        };
        if self.close {
            return closed(core);
        }
        if let Some(selected) = core.selected.as_mut() {
            selected.gone(&gone);
        }
        let reply = Reply::ok("EXPUNGE completed");
        // RFC 7162 3.2.7: with the updates before it the client knows all up to here
        match core.modes.condstore && !gone.is_empty() {
            true => Turn::Reply(reply.with(Code::HighestModSeq)),
            false => Turn::Reply(reply),
        }
    }
}
