//! Letters collected by IMAP: looks at the folders, and between looks IDLE.
//!
//! ```text
//! open -> log-in -> LIST
//! look -> of each folder: SELECT, its UIDs -> of each letter, in their order:
//!             known      -> nothing
//!             too large  -> noted, told, left there
//!             new        -> FETCH -> Post::collect, one commit with its UID
//!         then what is here for long enough is deleted or moved there
//! wait -> IDLE, until there is something new or it is time to look
//! ```
//!
//! The connection may break anywhere: what is here is known by its UID, and what was to go there
//! goes at the next look.

use super::folder::{refused, uids};
use super::folders;
use super::import::list;
use super::line::Line;
use super::{bring, sets};
use crate::collect::plan::{BUSY, CERTIFICATE, OTHER, UNREACHED};
use crate::collect::reach::Place;
use crate::collect::{Desk, Fault, Looked, letter};
use crate::delivery::collected::{Collected, Remember};
use crate::imap::client::{self, Heard, Ill, Login, Trouble};
use crate::limits::{
    COLLECT_LETTERS, FETCH_AT_ONCE_MESSAGES, IMAP_OUT_SET_BYTES, MESSAGE_BYTES, WATCH_REFUSALS,
    WATCH_WHOLE_SECONDS,
};
use crate::net::dial;
use crate::net::resolver::Resolver;
use crate::store::format::Outside;
use crate::store::mail::FlagSet;
use crate::store::outside::{self, OutsideId};
use crate::store::{Batch, INBOX, MailboxId, StoreError, brought, mailbox};
use crate::wire::imap::heard::{Code, Fetched, Listed, Name, Octets, Response, Status};
use crate::wire::imap::utf7;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A connection to the server of one outside account.
pub(crate) struct Watch {
    line: Line,
    /// "user@host".
    source: String,
    host: String,
    listed: Vec<Listed>,
    /// The folder that is open, and its UIDVALIDITY.
    open: Option<(Name, u32)>,
    /// Of each folder: the UID from which on it is not looked at yet, and when it was last looked
    /// at as a whole.
    seen: HashMap<Name, (u32, i64)>,
}

/// Whose letters, and where they go.
pub(crate) struct Of<'d> {
    pub desk: &'d Desk,
    pub id: OutsideId,
    pub row: &'d Outside,
}

/// What is told of a letter before it comes.
struct Facts {
    size: u64,
    flags: FlagSet,
    date: Option<(i64, i32)>,
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        let Trouble { ill, why } = trouble;
        match ill {
            Ill::Login => Fault::refused(&why),
            Ill::Busy(_) => Fault::new(BUSY, why, "Nothing: it is tried again later."),
            Ill::Passing => Fault::new(UNREACHED, why, "Nothing: it is tried again soon."),
            Ill::Lasting => {
                Fault::new(CERTIFICATE, why, "Look whether port and encryption are right.")
            }
        }
    }
}

impl Watch {
    pub(crate) async fn open(
        place: &Place,
        resolver: &Resolver,
        login: Login,
    ) -> Result<Watch, Fault> {
        let source = format!("{}@{}", login.user, place.host);
        let mut line = Line::open(place, resolver, login).await?;
        let listed = list(&mut line).await?;
        let (host, seen) = (place.host.clone(), HashMap::new());
        Ok(Watch { line, source, host, listed, open: None, seen })
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.line.close().await;
    }

    /// Can it say by itself that there is something new?
    pub(crate) fn idles(&self) -> bool {
        self.line.has("IDLE")
    }

    /// Looks once. What was taken over before it failed is taken over.
    pub(crate) async fn look(&mut self, of: &Of<'_>) -> Result<Looked, Fault> {
        let mut looked = Looked::default();
        for (name, mailbox) in self.folders(of)?.into_iter().rev() {
            self.folder(of, &name, mailbox, &mut looked).await?;
            if looked.taken + looked.skipped >= COLLECT_LETTERS {
                looked.more = true;
                break;
            }
        }
        Ok(looked)
    }

    /// Waits until the server tells of something new, or for so long.
    pub(crate) async fn wait(&mut self, within: Duration) -> Result<(), Fault> {
        let end = dial::now() + within;
        // It was told while the last look went on.
        if self.line.take_stirred() {
            return Ok(());
        }
        let number = self.line.say(b"IDLE");
        loop {
            match self.line.hear_until(Some(end)).await? {
                Some(Heard::Told(Response::Exists(_))) | None => break,
                Some(Heard::Told(_)) => {}
                Some(Heard::Done(done, status)) if done == number => {
                    refused(&status)?;
                    let why = format!("The server does not wait: {status}");
                    return Err(Trouble::new(Ill::Passing, why).into());
                }
                Some(Heard::Done(..)) => {}
            }
        }
        self.line.say_line("DONE");
        loop {
            if let Heard::Done(done, _) = self.line.hear().await?
                && done == number
            {
                return Ok(());
            }
        }
    }

    /// Those that are chosen, with the mailbox of each; the inbox is looked at last, since the line
    /// waits there.
    fn folders(&self, of: &Of<'_>) -> Result<Vec<(Name, Option<MailboxId>)>, Fault> {
        let inbox = Name(b"INBOX".to_vec());
        if of.row.folders.is_empty() {
            return Ok(vec![(inbox, None)]);
        }
        let read = of.desk.store().snapshot().map_err(|error| Fault::store(&error))?;
        let mut found = Vec::new();
        for folder in &of.row.folders {
            if folder.eq_ignore_ascii_case("INBOX") {
                found.insert(0, (inbox.clone(), None));
                continue;
            }
            let Some(name) = self.named(folder) else {
                let why = format!("The provider has no folder {folder}.");
                return Err(Fault::new(OTHER, why, "Choose the folders anew."));
            };
            let ours = mailbox::by_name(&read, of.id.account, folder);
            let ours = ours.map_err(|error| Fault::store(&error))?;
            found.push((name, ours.map(|ours| ours.id)));
        }
        Ok(found)
    }

    /// The folder with this name in UTF-8, "/" between its levels.
    fn named(&self, folder: &str) -> Option<Name> {
        let is_it = |it: &&Listed| {
            let text = it.name.text();
            let levels = it.delimiter.map_or(text.clone(), |of| text.replace(of, "/"));
            levels == folder || levels.strip_prefix("INBOX/") == Some(folder)
        };
        self.listed.iter().find(is_it).map(|it| it.name.clone())
    }

    async fn folder(
        &mut self,
        of: &Of<'_>,
        name: &Name,
        mailbox: Option<MailboxId>,
        looked: &mut Looked,
    ) -> Result<(), Fault> {
        let uidvalidity = self.select(of, name).await?;
        let now = (of.desk.moment)().now();
        let (mut from, mut whole) = self.seen.get(name).copied().unwrap_or((1, 0));
        if now - whole >= WATCH_WHOLE_SECONDS || now < whole {
            (from, whole) = (1, now);
        }
        self.line.take_stirred();
        let there = uids(&mut self.line, from).await?;
        let memory = brought::Folder::new(of.id.account, &self.source, &name.0);
        let store = of.desk.store();
        let known = store.snapshot().and_then(|read| {
            let missing = memory.missing(&read, uidvalidity, &there)?;
            let others = memory.has_others(&read, uidvalidity)?;
            Ok((missing, memory.to_meet(&read, uidvalidity)?, others))
        });
        let (missing, mut to_meet, others) = known.map_err(|error| Fault::store(&error))?;
        let at = At { memory: &memory, uidvalidity, mailbox, whole: from == 1 };
        let room = COLLECT_LETTERS.saturating_sub(looked.taken + looked.skipped);
        let now_due = missing.get(..room).unwrap_or(&missing);
        let mut busy: Vec<Fault> = Vec::new();
        for (set, members) in sets(now_due, FETCH_AT_ONCE_MESSAGES, IMAP_OUT_SET_BYTES) {
            let facts = self.facts(&set, &members).await?;
            for uid in members {
                // It went meanwhile.
                let Some(facts) = facts.get(&uid) else { continue };
                match self.letter(of, &at, (uid, facts), &mut to_meet, looked).await {
                    // It may be this one alone: those behind it do not wait for it.
                    Err(fault) if fault.trouble == BUSY && busy.len() < WATCH_REFUSALS => {
                        busy.push(fault);
                    }
                    came => came?,
                }
            }
        }
        // It is asked for again at the next look.
        if let Some(fault) = busy.into_iter().next() {
            return Err(fault);
        }
        if missing.len() > room {
            return Ok(());
        }
        if at.whole && others {
            let (memory, uidvalidity) = (memory.clone(), uidvalidity);
            let settled = store.write(move |batch| memory.settle(batch, uidvalidity)).await;
            settled.map_err(|error| Fault::store(&error))?;
        }
        let next = there.last().map_or(from, |last| last.saturating_add(1));
        self.seen.insert(name.clone(), (next, whole));
        self.away(of, &at, &there, now, looked).await
    }

    /// Opens a folder, to change it only where something is to be changed.
    async fn select(&mut self, of: &Of<'_>, name: &Name) -> Result<u32, Fault> {
        if let Some((open, uidvalidity)) = &self.open
            && open == name
        {
            return Ok(*uidvalidity);
        }
        self.open = None;
        let quoted = client::mailbox(name);
        let quoted = quoted.ok_or_else(|| odd("The name of a folder has a line end in it."))?;
        let verb = if of.row.after == outside::KEEP { "EXAMINE " } else { "SELECT " };
        let mut found = None;
        let mut each = |told| {
            if let Response::Status(Status { code: Some(Code::UidValidity(value)), .. }) = told {
                found = Some(value);
            }
        };
        let command = [verb.as_bytes(), &quoted].concat();
        let status = self.line.ask(&command, &mut each).await?;
        if !status.is_ok() {
            refused(&status)?;
            let why = format!("The provider does not open the folder {}: {status}", name.text());
            return Err(odd(&why));
        }
        let uidvalidity = found.ok_or_else(|| {
            odd("The server names no UIDVALIDITY: what is new could not be told from the rest.")
        })?;
        self.open = Some((name.clone(), uidvalidity));
        Ok(uidvalidity)
    }

    async fn facts(&mut self, set: &str, members: &[u32]) -> Result<BTreeMap<u32, Facts>, Fault> {
        let mut found = BTreeMap::new();
        let mut each = |told| {
            if let Response::Fetch(Fetched {
                uid: Some(uid), size: Some(size), flags, date, ..
            }) = told
                && members.contains(&uid)
            {
                let flags = bring::flags(&flags.unwrap_or_default());
                found.entry(uid).or_insert(Facts { size, flags, date });
            }
        };
        let command = format!("UID FETCH {set} (UID FLAGS INTERNALDATE RFC822.SIZE)");
        let status = self.line.ask(command.as_bytes(), &mut each).await?;
        if !status.is_ok() {
            refused(&status)?;
            return Err(odd(&format!("The server does not tell of its letters: {status}")));
        }
        Ok(found)
    }

    async fn letter(
        &mut self,
        of: &Of<'_>,
        at: &At<'_>,
        (uid, facts): (u32, &Facts),
        to_meet: &mut HashMap<u64, u32>,
        looked: &mut Looked,
    ) -> Result<(), Fault> {
        if facts.size > MESSAGE_BYTES as u64 {
            return self.skip(of, at, (uid, facts.size), looked).await;
        }
        let message = match self.fetch(uid, "BODY.PEEK[]").await? {
            Some(Octets::Held(message)) if !message.is_empty() => message,
            Some(Octets::TooLarge(size)) => return self.skip(of, at, (uid, size), looked).await,
            // It went meanwhile, or there is nothing of it.
            _ => return Ok(()),
        };
        let content = brought::content(&message);
        if let Some(count) = to_meet.get_mut(&content).filter(|count| **count > 0) {
            *count -= 1;
            let (memory, uidvalidity) = (at.memory.clone(), at.uidvalidity);
            let now = (of.desk.moment)().now();
            let job =
                move |batch: &mut Batch| memory.note(batch, uidvalidity, &[(uid, content)], now);
            return of.desk.store().write(job).await.map_err(|error| Fault::store(&error));
        }
        self.take(of, at, (uid, content, message), facts, looked).await
    }

    async fn take(
        &self,
        of: &Of<'_>,
        at: &At<'_>,
        (uid, content, message): (u32, u64, Vec<u8>),
        facts: &Facts,
        looked: &mut Looked,
    ) -> Result<(), Fault> {
        let (id, moment) = (of.id, (of.desk.moment)());
        let now = moment.now();
        let (memory, uidvalidity) = (at.memory.clone(), at.uidvalidity);
        let remember: Remember = Arc::new(move |batch| {
            if memory.has(batch, uidvalidity, uid)? {
                return Ok(false);
            }
            let there = outside::note(batch, id, &mut |state| {
                state.letter = now;
                state.letters = state.letters.saturating_add(1);
            })?;
            if there {
                memory.note(batch, uidvalidity, &[(uid, content)], now)?;
            }
            Ok(there)
        });
        let mailbox = at.mailbox.filter(|it| *it != INBOX);
        let to = letter::to(id, of.row, &message, mailbox);
        let letter = Collected {
            source: format!("{}, from {} by IMAP", of.row.address, self.host),
            host: self.host.clone(),
            protocol: "IMAP",
            message,
            to,
            vouchers: of.row.vouchers.clone(),
            flags: facts.flags.clone(),
            date: facts.date,
        };
        letter::take(of.desk, letter, remember, moment, looked).await
    }

    /// One part of one letter; `None`: the server does not send it.
    async fn fetch(&mut self, uid: u32, part: &str) -> Result<Option<Octets>, Fault> {
        let mut found = None;
        let mut each = |told| {
            if let Response::Fetch(Fetched { uid: Some(of), body: Some(body), .. }) = told
                && of == uid
            {
                found = Some(body);
            }
        };
        let command = format!("UID FETCH {uid} (UID {part})");
        let status = self.line.ask(command.as_bytes(), &mut each).await?;
        if !status.is_ok() {
            refused(&status)?;
        }
        Ok(found)
    }

    /// Notes a letter that is too large, and tells the person, in one commit.
    async fn skip(
        &mut self,
        of: &Of<'_>,
        at: &At<'_>,
        (uid, size): (u32, u64),
        looked: &mut Looked,
    ) -> Result<(), Fault> {
        let header = match self.fetch(uid, "BODY.PEEK[]<0.65536>").await? {
            Some(Octets::Held(header)) => header,
            _ => Vec::new(),
        };
        let (id, moment) = (of.id, (of.desk.moment)());
        let skipped = letter::too_large(&header, size, moment.now());
        let (host, address) = (of.desk.post.host().to_string(), of.row.address.clone());
        let (memory, uidvalidity) = (at.memory.clone(), at.uidvalidity);
        let written = of.desk.store().write(move |batch| {
            if !outside::note(batch, id, &mut |state| state.skipped.push(skipped.clone()))? {
                return Ok(());
            }
            memory.note_left(batch, uidvalidity, uid, moment.now())?;
            letter::tell(batch, (&host, moment), (id, &address), &skipped)
        });
        written.await.map_err(|error| Fault::store(&error))?;
        looked.skipped += 1;
        Ok(())
    }

    /// What is here for long enough goes there.
    async fn away(
        &mut self,
        of: &Of<'_>,
        at: &At<'_>,
        there: &[u32],
        now: i64,
        looked: &mut Looked,
    ) -> Result<(), Fault> {
        let days = match of.row.after {
            outside::DELETE => of.row.days,
            outside::MOVE => 0,
            _ => return Ok(()),
        };
        let Some(day) = brought::day(now).checked_sub(days) else { return Ok(()) };
        let read = of.desk.store().snapshot();
        let gone = read.and_then(|read| at.memory.brought_until(&read, at.uidvalidity, there, day));
        let gone = gone.map_err(|error: StoreError| Fault::store(&error))?;
        for (set, members) in sets(&gone, 500, IMAP_OUT_SET_BYTES) {
            match of.row.after {
                outside::MOVE => self.move_away(&set, &of.row.move_to).await?,
                _ => self.delete(&set).await?,
            }
            looked.deleted += members.len();
        }
        Ok(())
    }

    async fn move_away(&mut self, set: &str, to: &str) -> Result<(), Fault> {
        let name = self.named(to).unwrap_or_else(|| {
            let of = self.listed.iter().find_map(|it| it.delimiter).unwrap_or('/');
            // Where all folders stand below the inbox there can be none beside it.
            let before = folders::prefix(&self.listed).unwrap_or_default();
            let whole = format!("{before}{}", to.replace('/', &of.to_string()));
            Name(utf7::encode(&whole).into_bytes())
        });
        let quoted = client::mailbox(&name);
        let quoted = quoted.ok_or_else(|| odd("The name of a folder has a line end in it."))?;
        if self.named(to).is_none() {
            let create = [b"CREATE ".as_slice(), &quoted].concat();
            let status = self.line.ask(&create, &mut |_| ()).await?;
            refused(&status)?;
            self.listed = list(&mut self.line).await?;
        }
        let moves = self.line.has("MOVE");
        let verb = if moves { "UID MOVE" } else { "UID COPY" };
        let command = [format!("{verb} {set} ").as_bytes(), &quoted].concat();
        let status = self.line.ask(&command, &mut |_| ()).await?;
        if !status.is_ok() {
            refused(&status)?;
            return Err(odd(&format!("The provider does not move letters to {to}: {status}")));
        }
        if moves { Ok(()) } else { self.delete(set).await }
    }

    async fn delete(&mut self, set: &str) -> Result<(), Fault> {
        let store = format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)");
        let status = self.line.ask(store.as_bytes(), &mut |_| ()).await?;
        if !status.is_ok() {
            refused(&status)?;
            return Err(odd(&format!("The provider does not delete letters: {status}")));
        }
        // RFC 4315 2.1: only these; EXPUNGE alone would take what others marked
        if self.line.has("UIDPLUS") {
            self.line.ask(format!("UID EXPUNGE {set}").as_bytes(), &mut |_| ()).await?;
        }
        Ok(())
    }
}

/// The folder that is looked at.
struct At<'m> {
    memory: &'m brought::Folder,
    uidvalidity: u32,
    /// Where its letters go, unless into the INBOX.
    mailbox: Option<MailboxId>,
    /// From its first letter on.
    whole: bool,
}

fn odd(why: &str) -> Fault {
    Fault::new(OTHER, why, "Look whether the server and the folders are right.")
}
