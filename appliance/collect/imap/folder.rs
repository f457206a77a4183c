//! One folder of another server, from its first message to its last.
//!
//! ```text
//! EXAMINE        UIDVALIDITY, how many
//! UIDs           all of them, less those that were brought
//! a window       flags, dates and sizes of some hundred
//! bodies         some at a time, the next asked for while the last are read
//! ```
//!
//! A command that is refused is said again for each of its messages: what is wrong with one costs
//! the others nothing.

use super::bring::{self, Bringer};
use super::folders::Folder;
use super::import::{Run, Stop};
use super::labels::Labels;
use super::line::Line;
use super::sets;
use crate::imap::client::{self, Heard, Ill, Trouble};
use crate::limits::{
    FETCH_AT_ONCE_BYTES, FETCH_AT_ONCE_MESSAGES, FETCH_UIDS, FETCH_WINDOW_MESSAGES,
    IMAP_OUT_SET_BYTES, MESSAGE_BYTES, SNAPSHOT_MESSAGES,
};
use crate::message::date::Moment;
use crate::store::mail::{FlagSet, Flags};
use crate::store::{MailboxId, brought};
use crate::wire::imap::heard::{Code, Fetched, Octets, Response, Status};
use std::collections::{BTreeMap, VecDeque};

/// What is known of a message before its body comes.
#[derive(Debug, Clone)]
struct Known {
    flags: FlagSet,
    date: Option<Moment>,
    size: u64,
    mailboxes: Vec<MailboxId>,
}

/// A command that fetches bodies.
struct Asked {
    number: u32,
    /// Those that have not come.
    uids: Vec<u32>,
    /// It was said for one message.
    alone: bool,
}

/// What EXAMINE told.
#[derive(Default)]
struct Examined {
    uidvalidity: Option<u32>,
    messages: u32,
}

/// Brings what is new in one folder. Its messages go into `mailbox`, unless their labels say
/// otherwise.
pub(super) async fn bring(
    run: &mut Run<'_>,
    line: &mut Line,
    folder: &Folder,
    mailbox: MailboxId,
    labels: &mut Labels,
) -> Result<(), Stop> {
    let Some(examined) = examine(run, line, folder).await? else { return Ok(()) };
    let Some(uidvalidity) = examined.uidvalidity else {
        let why = "the server names no UIDVALIDITY: it could not be resumed".to_string();
        run.skip_folder(folder, &why);
        return Ok(());
    };
    let there = match examined.messages {
        0 => Vec::new(),
        _ => uids(line, 1).await?,
    };
    let memory = brought::Folder::new(run.account(), run.source(), &folder.name.0);
    let mut missing = Vec::new();
    for some in there.chunks(SNAPSHOT_MESSAGES) {
        missing.extend(memory.missing(&run.store().snapshot()?, uidvalidity, some)?);
    }
    run.already((there.len() - missing.len()) as u64);
    let bringer = Bringer::new(run.store(), run.account(), memory, uidvalidity)?;
    let skipped = run.skipped();
    let mut work = Work { folder, mailbox, labels, bringer };
    let outcome = work.all(run, line, &missing).await;
    // What was read before the line broke is not read again.
    let written = work.bringer.flush().await?;
    run.wrote(written);
    outcome?;
    if run.skipped() == skipped {
        work.bringer.settle().await?;
    }
    Ok(())
}

/// `None`: it cannot be opened, which is told.
async fn examine(
    run: &mut Run<'_>,
    line: &mut Line,
    folder: &Folder,
) -> Result<Option<Examined>, Stop> {
    let Some(name) = client::mailbox(&folder.name) else {
        run.skip_folder(folder, "its name has a line end in it");
        return Ok(None);
    };
    let mut examined = Examined::default();
    let mut each = |told| match told {
        Response::Exists(messages) => examined.messages = messages,
        Response::Status(Status { code: Some(Code::UidValidity(value)), .. }) => {
            examined.uidvalidity = Some(value);
        }
        _ => {}
    };
    let status = line.ask(&[b"EXAMINE ".as_slice(), &name].concat(), &mut each).await?;
    if status.is_ok() {
        return Ok(Some(examined));
    }
    refused(&status)?;
    run.skip_folder(folder, &format!("the server does not open it: {status}"));
    Ok(None)
}

/// Is it about more than this one thing?
pub(super) fn refused(status: &Status) -> Result<(), Trouble> {
    match client::busy(status) {
        Some(wait) => {
            let why = format!("The server asks to slow down: {status}");
            Err(Trouble::new(Ill::Busy(wait), why))
        }
        None => Ok(()),
    }
}

/// All there are from this one on, ascending.
pub(super) async fn uids(line: &mut Line, from: u32) -> Result<Vec<u32>, Trouble> {
    let mut found = Vec::new();
    let mut too_many = false;
    // RFC 4731: a line for all of them; else each has a line of its own, however many there are
    let command = match line.has("ESEARCH") || line.has("IMAP4REV2") {
        true => format!("UID SEARCH RETURN (ALL) UID {from}:*"),
        false => format!("UID FETCH {from}:* (UID)"),
    };
    let mut each = |told| match told {
        Response::Esearch(Some(set)) => {
            for (from, to) in set.ranges {
                let (from, to) = (from.min(to), from.max(to));
                let room = FETCH_UIDS.saturating_sub(found.len());
                too_many |= (to - from) as usize >= room;
                found.extend((from..=to).take(room));
            }
        }
        Response::Search(some) => found.extend(some),
        Response::Fetch(Fetched { uid: Some(uid), .. }) => found.push(uid),
        _ => {}
    };
    let status = line.ask(command.as_bytes(), &mut each).await?;
    too_many |= found.len() > FETCH_UIDS;
    if too_many {
        let why = "The server names more messages than a folder can have.";
        return Err(Trouble::new(Ill::Lasting, why));
    }
    if !status.is_ok() {
        refused(&status)?;
        let why = format!("The server does not say what is in a folder: {status}");
        return Err(Trouble::new(Ill::Passing, why));
    }
    // RFC 3501 6.4.8: "n:*" names the last one also where it is below n
    found.retain(|uid| *uid >= from);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

struct Work<'w> {
    folder: &'w Folder,
    mailbox: MailboxId,
    labels: &'w mut Labels,
    bringer: Bringer,
}

impl Work<'_> {
    async fn all(
        &mut self,
        run: &mut Run<'_>,
        line: &mut Line,
        missing: &[u32],
    ) -> Result<(), Stop> {
        for (set, members) in sets(missing, FETCH_WINDOW_MESSAGES, IMAP_OUT_SET_BYTES) {
            let mut known = self.window(run, line, &set, &members).await?;
            let mut wanted: Vec<(u32, u64)> = Vec::new();
            for uid in members {
                match known.get(&uid) {
                    Some(it) if it.size > MESSAGE_BYTES as u64 => {
                        let size = it.size;
                        run.skip(self.folder, uid, &format!("{size} octets are too many"));
                        known.remove(&uid);
                    }
                    Some(it) => wanted.push((uid, it.size)),
                    None => run.skip(self.folder, uid, "the server names it and does not show it"),
                }
            }
            let doubtful = wanted.extract_if(.., |(uid, _)| run.doubts().has(*uid));
            let alone: Vec<_> = doubtful.map(|(uid, _)| vec![uid]).collect();
            let groups = alone.into_iter().chain(groups(&wanted)).collect();
            self.bodies(run, line, &mut known, groups).await?;
        }
        Ok(())
    }

    /// Flags, dates and sizes.
    async fn window(
        &mut self,
        run: &mut Run<'_>,
        line: &mut Line,
        set: &str,
        members: &[u32],
    ) -> Result<BTreeMap<u32, Known>, Stop> {
        let mut told = BTreeMap::new();
        let status = self.facts(line, set, members, &mut told).await?;
        if !status.is_ok() {
            refused(&status)?;
            // One of them may be what it does not like.
            for uid in members {
                if !told.contains_key(uid) {
                    self.facts(line, &uid.to_string(), &[*uid], &mut told).await?;
                }
            }
        }
        let mut known = BTreeMap::new();
        for (uid, one) in told {
            let mut flags = bring::flags(&one.flags.unwrap_or_default());
            let mut mailboxes = vec![self.mailbox];
            if let Some(labels) = one.labels.filter(|_| self.folder.is_all) {
                let mut placed = self.labels.place(&labels);
                for label in std::mem::take(&mut placed.unknown) {
                    if let Some(mailbox) = run.mailbox_of_label(&label).await? {
                        self.labels.learn(label, mailbox);
                        placed.mailboxes.push(mailbox);
                    }
                }
                flags.flags.0 |= if placed.starred { Flags::FLAGGED.0 } else { 0 };
                if !placed.mailboxes.is_empty() {
                    mailboxes = placed.mailboxes;
                }
            }
            let moment = |(seconds, zone_minutes)| Moment { seconds, zone_minutes };
            let (date, size) = (one.date.map(moment), one.size.unwrap_or_default());
            known.insert(uid, Known { flags, date, size, mailboxes });
        }
        Ok(known)
    }

    async fn facts(
        &self,
        line: &mut Line,
        set: &str,
        members: &[u32],
        told: &mut BTreeMap<u32, Fetched>,
    ) -> Result<Status, Stop> {
        let labels = if self.folder.is_all { " X-GM-LABELS" } else { "" };
        let command = format!("UID FETCH {set} (UID FLAGS INTERNALDATE RFC822.SIZE{labels})");
        let mut each = |response| {
            if let Response::Fetch(one) = response
                && let Some(uid) = one.uid
                && one.size.is_some()
                && members.contains(&uid)
            {
                told.entry(uid).or_insert(one);
            }
        };
        Ok(line.ask(command.as_bytes(), &mut each).await?)
    }

    async fn bodies(
        &mut self,
        run: &mut Run<'_>,
        line: &mut Line,
        known: &mut BTreeMap<u32, Known>,
        mut groups: VecDeque<Vec<u32>>,
    ) -> Result<(), Stop> {
        let mut asked: VecDeque<Asked> = VecDeque::new();
        loop {
            // One is read while the next is on its way.
            while asked.len() < 2
                && let Some(uids) = groups.pop_front()
            {
                let sets = sets(&uids, usize::MAX, usize::MAX);
                let set = sets.first().map(|(set, _)| set.clone()).unwrap_or_default();
                let number = line.say(format!("UID FETCH {set} (UID BODY.PEEK[])").as_bytes());
                let alone = uids.len() == 1;
                asked.push_back(Asked { number, uids, alone });
            }
            if asked.is_empty() {
                return Ok(());
            }
            match line.hear().await? {
                Heard::Told(Response::Fetch(Fetched {
                    uid: Some(uid), body: Some(body), ..
                })) => {
                    let of = asked.iter_mut().find(|it| it.uids.contains(&uid));
                    if let (Some(of), Some(known)) = (of, known.remove(&uid)) {
                        of.uids.retain(|it| *it != uid);
                        self.body(run, uid, body, known).await?;
                    }
                }
                Heard::Told(_) => {}
                Heard::Done(number, status) => {
                    let at = asked.iter().position(|it| it.number == number);
                    if let Some(done) = at.and_then(|at| asked.remove(at)) {
                        self.unread(run, done, &status, &mut groups)?;
                    }
                }
            }
        }
    }

    /// What of a command did not come.
    fn unread(
        &mut self,
        run: &mut Run<'_>,
        done: Asked,
        status: &Status,
        groups: &mut VecDeque<Vec<u32>>,
    ) -> Result<(), Stop> {
        match (status.is_ok(), done.uids.as_slice()) {
            (_, []) => {}
            (true, uids) => {
                for uid in uids {
                    run.skip(self.folder, *uid, "the server does not send it");
                }
            }
            (false, [uid]) if done.alone => {
                let busy = refused(status);
                if busy.is_err() && !run.doubts().passes_over(*uid) {
                    busy?;
                }
                run.skip(self.folder, *uid, &format!("the server refuses it: {status}"));
            }
            (false, uids) => {
                if let Err(busy) = refused(status) {
                    for uid in uids {
                        run.doubts().refused(*uid);
                    }
                    return Err(busy.into());
                }
                uids.iter().rev().for_each(|uid| groups.push_front(vec![*uid]));
            }
        }
        Ok(())
    }

    async fn body(
        &mut self,
        run: &mut Run<'_>,
        uid: u32,
        body: Octets,
        known: Known,
    ) -> Result<(), Stop> {
        let raw = match body {
            Octets::Held(raw) if raw.is_empty() => {
                run.skip(self.folder, uid, "an empty message");
                return Ok(());
            }
            Octets::Held(raw) => raw,
            Octets::TooLarge(octets) => {
                run.skip(self.folder, uid, &format!("{octets} octets are too many"));
                return Ok(());
            }
            Octets::Nil => {
                run.skip(self.folder, uid, "the server has no content of it");
                return Ok(());
            }
        };
        let date = known.date.unwrap_or_else(|| bring::date_of(&raw));
        let Known { flags, mailboxes, .. } = known;
        let written = self.bringer.take((uid, raw), date, flags, &mailboxes).await?;
        run.wrote(written);
        Ok(())
    }
}

/// Messages to ask for in one command each.
fn groups(wanted: &[(u32, u64)]) -> VecDeque<Vec<u32>> {
    let mut groups: VecDeque<Vec<u32>> = VecDeque::new();
    let mut octets = 0;
    for &(uid, size) in wanted {
        let full = groups.back().is_none_or(|group| {
            group.len() >= FETCH_AT_ONCE_MESSAGES || octets + size > FETCH_AT_ONCE_BYTES
        });
        if full {
            groups.push_back(Vec::new());
            octets = 0;
        }
        octets += size;
        if let Some(group) = groups.back_mut() {
            group.push(uid);
        }
    }
    groups
}
