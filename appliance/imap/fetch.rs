//! FETCH and UID FETCH (RFC 9051 6.4.5, RFC 3516, RFC 7162 3.1.4): a cursor over uids.
//!
//! ```text
//! next window -> \Seen set where needed (Ask) -> messages, item by item -> piece full: Again
//!                                                 \-> a literal, block by block /
//! ```
//!
//! Each piece reads from a snapshot of its own, so no reader is held while the client is slow. A
//! message expunged meanwhile is left out; when it goes in the middle of its literal the promised
//! octets cannot come any more, and the connection is closed.

use super::content::{self, Coding, Source};
use super::reply::Reply;
use super::section::{self, Found};
use super::select::{tell_vanished, vanished};
use super::selected::Selected;
use super::structure as imap_structure;
use super::{
    Answer, Core, Event, Modes, Task, Turn, Write, Wrote, email_id, flag_names, misrouted,
    thread_id,
};
use crate::limits;
use crate::message::facts::{Facts, Part};
use crate::message::{headers, structure};
use crate::store::format::{MailRow, MailboxName};
use crate::store::mail::{FlagChange, FlagSet, Flags};
use crate::store::{Result, Snapshot, StoreError, mail, mailbox};
use crate::wire::imap::print::Printer;
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::{Command, FetchItem, SectionWhat};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Messages that get \Seen in one commit, before they are told.
const SEEN_AT_ONCE: usize = 64;

pub(super) fn fetch(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Fetch { uid, set, items, changed_since, vanished: gone } = command else {
        return misrouted(command);
    };
    // RFC 7162 3.2.6: VANISHED only with UID, CHANGEDSINCE and QRESYNC
    if gone && !(uid && changed_since.is_some() && core.modes.qresync) {
        let text = "VANISHED is for UID FETCH with CHANGEDSINCE after ENABLE QRESYNC";
        return Turn::Reply(Reply::bad(text).code("CLIENTBUG"));
    }
    if changed_since.is_some() || items.contains(&FetchItem::ModSeq) {
        core.enable_condstore(out);
    }
    let modes = core.modes;
    let Some(selected) = core.selected.as_mut() else { return misrouted(Command::Noop) };
    let ranges = match selected.resolve(&set, uid) {
        Ok(ranges) => ranges,
        Err(text) => return Turn::Reply(Reply::bad(text).code("CLIENTBUG")),
    };
    if let (true, Some(since)) = (gone, changed_since) {
        let told = core.store.snapshot().and_then(|snapshot| {
            let now = mailbox::get(&snapshot, selected.account, selected.mailbox)?;
            let uidnext = now.map_or(1, |m| m.tail.uidnext);
            let known = set.resolve_uids(uidnext.saturating_sub(1));
            vanished(&snapshot, selected, since, &known, 0)
        });
        match told {
            Ok(gone) => tell_vanished(&gone, out),
            Err(error) => return Turn::Reply(error.into()),
        }
    }
    let expected = if uid { 0 } else { selected.view.count_in(&ranges) };
    let plan = Plan::new(items, uid, changed_since, modes);
    let reply = Reply::ok("FETCH completed");
    Turn::Task(Box::new(Fetch { expected, ..Fetch::new(ranges, plan, reply) }))
}

/// What is told of each message.
struct Plan {
    items: Vec<FetchItem>,
    /// Of a message whose \Seen this command has set.
    seen_items: Vec<FetchItem>,
    sets_seen: bool,
    changed_since: Option<u64>,
    /// RFC 3516 4.3: BINARY of a part whose encoding is not known.
    unknown_cte: Cell<bool>,
}

impl Plan {
    fn new(mut items: Vec<FetchItem>, uid: bool, since: Option<u64>, modes: Modes) -> Plan {
        // RFC 9051 6.4.9: UID FETCH tells the UID
        if uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        // RFC 7162 3.1.4.1: CHANGEDSINCE asks for MODSEQ too
        if since.is_some() && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        let sets_seen = items.iter().any(|item| match item {
            FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
            _ => false,
        });
        let mut seen_items = items.clone();
        let mut also = |item: FetchItem, wanted: bool| {
            if wanted && !seen_items.contains(&item) {
                seen_items.push(item);
            }
        };
        also(FetchItem::Flags, true);
        // RFC 7162 3.2.4: whoever is told modseqs is told uids
        also(FetchItem::Uid, modes.condstore);
        also(FetchItem::ModSeq, modes.condstore);
        let unknown_cte = Cell::new(false);
        Plan { items, seen_items, sets_seen, changed_since: since, unknown_cte }
    }
}

pub(super) struct Fetch {
    ranges: Ranges,
    plan: Plan,
    /// Uids below are done.
    next: u32,
    /// Uids up to here have \Seen where they need it.
    ready: u32,
    /// Those of them that got it by this command.
    marked: BTreeSet<u32>,
    current: Option<Box<Current>>,
    /// Messages that the client's numbers name, and those found.
    expected: u64,
    found: u64,
    reply: Reply,
    /// \Seen cannot be set: leave it.
    no_marks: bool,
}

/// A message being told.
struct Current {
    uid: u32,
    seq: u32,
    row: MailRow,
    marked: bool,
    begun: bool,
    /// Items told.
    told: usize,
    source: Option<Source>,
    facts: Option<Facts>,
}

/// How far a piece came.
enum Piece {
    Done,
    More,
    /// These need \Seen first.
    Mark(Vec<u32>),
}

impl Fetch {
    fn new(ranges: Ranges, plan: Plan, reply: Reply) -> Fetch {
        Fetch {
            ready: if plan.sets_seen { 0 } else { u32::MAX },
            ranges,
            plan,
            next: 0,
            marked: BTreeSet::new(),
            current: None,
            expected: 0,
            found: 0,
            reply,
            no_marks: false,
        }
    }

    /// RFC 7162 3.2.5: what SELECT (QRESYNC) tells of the messages that changed.
    pub(super) fn changed(ranges: Ranges, since: u64, reply: Reply) -> Fetch {
        let items = vec![FetchItem::Uid, FetchItem::Flags];
        Fetch::new(ranges, Plan::new(items, true, Some(since), Modes::default()), reply)
    }
}

impl Task for Fetch {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Flagged(flagged)))) => {
                self.marked = flagged.done.into_iter().collect();
                if let Some(selected) = core.selected.as_mut() {
                    selected.own(flagged.modseq);
                }
            }
            // RFC 9051 7.1: reading works on, \Seen is not set (a full disk)
            Event::Answer(_) => self.no_marks = true,
            _ => {}
        }
        let Core { store, selected: Some(selected), modes, .. } = core else {
            return Turn::Reply(Reply::no("No mailbox is selected").code("SERVERBUG"));
        };
        let amid = self.current.is_some();
        let piece = store.snapshot().and_then(|s| self.piece(&s, selected, *modes, out));
        match piece {
            Ok(Piece::Done) => Turn::Reply(self.end()),
            Ok(Piece::More) => Turn::Again,
            Ok(Piece::Mark(uids)) => {
                let change = FlagChange::Add(FlagSet { flags: Flags::SEEN, keywords: Vec::new() });
                let mailbox = selected.mailbox;
                core.ask(Write::Flags { mailbox, uids, change, unchanged_since: None })
            }
            Err(error) => {
                core.report("FETCH", &error);
                // A response that has begun cannot be taken back.
                match amid {
                    true => Turn::Close,
                    false => Turn::Reply(error.into()),
                }
            }
        }
    }
}

impl Fetch {
    fn end(&mut self) -> Reply {
        // RFC 2180 4.1.2: some numbers name messages that went and were not told yet
        if self.found < self.expected && self.plan.changed_since.is_none() {
            return Reply::expunge_issued();
        }
        if self.plan.unknown_cte.get() {
            return Reply::no("A part has an encoding that is not known").code("UNKNOWN-CTE");
        }
        std::mem::replace(&mut self.reply, Reply::ok(""))
    }

    fn piece(
        &mut self,
        snapshot: &Snapshot,
        selected: &mut Selected,
        modes: Modes,
        out: &mut Vec<u8>,
    ) -> Result<Piece> {
        let name = mailbox::get(snapshot, selected.account, selected.mailbox)?
            .ok_or(StoreError::NotFound("mailbox"))?
            .name;
        if self.current.is_none() {
            selected.tell_keywords(&name, out);
        }
        if let Some(mut current) = self.current.take()
            && !self.teller(snapshot, &name, modes).tell(&mut current, out)?
        {
            self.current = Some(current);
            return Ok(Piece::More);
        }
        while let Some((from, to)) = self.ahead(selected) {
            let marks = self.plan.sets_seen && !selected.read_only && !self.no_marks;
            if marks && from > self.ready {
                let unseen = self.window(snapshot, selected, from, to)?;
                if !unseen.is_empty() {
                    return Ok(Piece::Mark(unseen));
                }
            }
            let to = if marks { to.min(self.ready) } else { to };
            let reach = Reach { selected, name: &name, modes, from, to };
            if !self.range(snapshot, &reach, out)? {
                return Ok(Piece::More);
            }
        }
        Ok(Piece::Done)
    }

    /// The next uids to look at.
    fn ahead(&self, selected: &Selected) -> Option<(u32, u32)> {
        let last = selected.view.last_uid();
        let at = self.ranges.ranges().partition_point(|(_, to)| *to < self.next);
        let (from, to) = self.ranges.ranges().get(at)?;
        let (from, to) = ((*from).max(self.next), (*to).min(last));
        (from <= to).then_some((from, to))
    }

    /// The messages of the next window that need \Seen.
    fn window(
        &mut self,
        snapshot: &Snapshot,
        selected: &Selected,
        from: u32,
        to: u32,
    ) -> Result<Vec<u32>> {
        let mut unseen = Vec::new();
        let (mut left, mut ready) = (SEEN_AT_ONCE, to);
        let since = self.plan.changed_since.unwrap_or(0);
        let (account, id) = (selected.account, selected.mailbox);
        mail::rows(snapshot, account, id, from, to, &mut |uid, row| {
            if row.modseq > since && !Flags(row.flags).has(Flags::SEEN) {
                unseen.push(uid);
            }
            left -= 1;
            if left == 0 {
                ready = uid;
            }
            Ok(left > 0)
        })?;
        self.ready = ready;
        self.marked.clear();
        Ok(unseen)
    }

    fn teller<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        name: &'a MailboxName,
        modes: Modes,
    ) -> Teller<'a> {
        Teller { snapshot, name, modes, plan: &self.plan }
    }

    /// Tells the messages of one range; is it all told?
    fn range(&mut self, snapshot: &Snapshot, at: &Reach<'_>, out: &mut Vec<u8>) -> Result<bool> {
        let teller = self.teller(snapshot, at.name, at.modes);
        let (account, id) = (at.selected.account, at.selected.mailbox);
        let since = self.plan.changed_since.unwrap_or(0);
        let (mut next, mut found, mut left) = (self.next, self.found, limits::SNAPSHOT_MESSAGES);
        let (mut whole, mut current, mut damaged) = (true, None, None);
        mail::rows(snapshot, account, id, at.from, at.to, &mut |uid, row| {
            next = uid.saturating_add(1);
            left -= 1;
            let Some(seq) = at.selected.view.seq(uid) else { return Ok(true) };
            if row.modseq > since {
                found += 1;
                let start = out.len();
                let mut message = Box::new(Current::new(uid, seq, row, self.marked.contains(&uid)));
                match teller.tell(&mut message, out) {
                    Ok(true) => {}
                    Ok(false) => {
                        current = Some(message);
                        whole = false;
                    }
                    // One damaged message must not hide the others.
                    Err(error) => {
                        out.truncate(start);
                        damaged = Some(error);
                    }
                }
            }
            whole = whole && left > 0 && out.len() < limits::OUTPUT_PIECE_BYTES;
            Ok(whole)
        })?;
        self.next = if whole { at.to.saturating_add(1) } else { next };
        self.found = found;
        self.current = current;
        if let Some(error) = damaged {
            let why = error.to_string();
            crate::event::emit(crate::event::Event::StoreTrouble { doing: "FETCH", why });
            self.reply = error.into();
        }
        Ok(whole)
    }
}

/// One range of one piece.
struct Reach<'a> {
    selected: &'a Selected,
    name: &'a MailboxName,
    modes: Modes,
    from: u32,
    to: u32,
}

impl Current {
    fn new(uid: u32, seq: u32, row: MailRow, marked: bool) -> Current {
        let begun = false;
        Current { uid, seq, row, marked, begun, told: 0, source: None, facts: None }
    }

    fn prefix(&self) -> u64 {
        self.row.prefix.len() as u64
    }
}

/// Prints messages.
struct Teller<'a> {
    snapshot: &'a Snapshot,
    name: &'a MailboxName,
    modes: Modes,
    plan: &'a Plan,
}

impl Teller<'_> {
    /// Goes on with a message; is it all told?
    fn tell(&self, current: &mut Current, out: &mut Vec<u8>) -> Result<bool> {
        if !std::mem::replace(&mut current.begun, true) {
            out.extend_from_slice(format!("* {} FETCH (", current.seq).as_bytes());
        }
        let items = if current.marked { &self.plan.seen_items } else { &self.plan.items };
        loop {
            if let Some(source) = current.source.as_mut() {
                while !source.fill(self.snapshot, &current.row, out)? {
                    if out.len() >= limits::OUTPUT_PIECE_BYTES {
                        return Ok(false);
                    }
                }
                current.source = None;
                current.told += 1;
            }
            let Some(item) = items.get(current.told) else {
                out.extend_from_slice(b")\r\n");
                return Ok(true);
            };
            // A command line holds thousands of items, and each may be large.
            if current.told > 0 && out.len() >= limits::OUTPUT_PIECE_BYTES {
                return Ok(false);
            }
            if current.told > 0 {
                out.push(b' ');
            }
            current.source = self.item(current, item, out)?;
            if current.source.is_none() {
                current.told += 1;
            }
        }
    }

    /// An item whole, or up to the octets of its literal.
    fn item(
        &self,
        current: &mut Current,
        item: &FetchItem,
        out: &mut Vec<u8>,
    ) -> Result<Option<Source>> {
        let row = &current.row;
        let text = match item {
            FetchItem::Uid => format!("UID {}", current.uid),
            FetchItem::Flags => {
                format!("FLAGS ({})", flag_names(row.flags, &row.keywords, self.name))
            }
            FetchItem::Rfc822Size => format!("RFC822.SIZE {}", row.size),
            FetchItem::ModSeq => format!("MODSEQ ({})", row.modseq),
            FetchItem::EmailId => format!("EMAILID ({})", email_id(row)),
            FetchItem::ThreadId => format!("THREADID ({})", thread_id(row)),
            FetchItem::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                Printer::new(out, false).date_time(row.internal_date, row.internal_zone_minutes);
                return Ok(None);
            }
            FetchItem::SaveDate => {
                out.extend_from_slice(b"SAVEDATE ");
                Printer::new(out, false).date_time(row.save_date, 0);
                return Ok(None);
            }
            FetchItem::Envelope => {
                let facts = self.facts(current)?;
                out.extend_from_slice(b"ENVELOPE ");
                let envelope = facts.envelope.clone().unwrap_or_default();
                imap_structure::envelope(&mut Printer::new(out, self.modes.utf8), &envelope);
                return Ok(None);
            }
            FetchItem::Body | FetchItem::BodyStructure => {
                let extended = *item == FetchItem::BodyStructure;
                let facts = self.facts(current)?;
                out.extend_from_slice(if extended { b"BODYSTRUCTURE " } else { b"BODY " });
                let part = facts.structure.clone().unwrap_or_default();
                imap_structure::body(&mut Printer::new(out, self.modes.utf8), &part, extended);
                return Ok(None);
            }
            FetchItem::Section { .. } => return self.section(current, item, out),
            FetchItem::Binary { .. } | FetchItem::BinarySize { .. } => {
                return self.binary(current, item, out);
            }
        };
        out.extend_from_slice(text.as_bytes());
        Ok(None)
    }

    fn facts<'c>(&self, current: &'c mut Current) -> Result<&'c Facts> {
        if current.facts.is_none() {
            current.facts = mail::head(self.snapshot, &current.row)?.facts;
        }
        Ok(current.facts.get_or_insert_default())
    }

    fn section(
        &self,
        current: &mut Current,
        item: &FetchItem,
        out: &mut Vec<u8>,
    ) -> Result<Option<Source>> {
        let FetchItem::Section { section, partial, .. } = item else { return Ok(None) };
        Printer::new(out, false).fetch_label(item);
        let (prefix, size) = (current.prefix(), current.row.size);
        let whole = section.part.is_empty() && section.what == SectionWhat::All;
        let facts = if whole { &Facts::default() } else { self.facts(current)? };
        let found = match section::find(facts, prefix, size, section) {
            None => {
                out.extend_from_slice(b" NIL");
                return Ok(None);
            }
            Some(found) => found,
        };
        let (source, length) = match found {
            Found::Octets(span) => {
                let size = span.to.saturating_sub(span.at);
                let (from, count) = section::partial(size, *partial);
                (Source::Raw { at: span.at + from, to: span.at + from + count }, count)
            }
            Found::Fields(span, names, except) => {
                let to = span.to.min(span.at + limits::IMAP_HEADER_BYTES);
                let header = mail::octets(self.snapshot, &current.row, span.at, to)?;
                let octets = chosen_fields(&header, names, except);
                let (from, count) = section::partial(octets.len() as u64, *partial);
                let at = usize::try_from(from).unwrap_or(0);
                let to = at + usize::try_from(count).unwrap_or(0);
                let octets = octets.get(at..to).unwrap_or_default().to_vec();
                (Source::Made { octets, at: 0 }, count)
            }
        };
        out.extend_from_slice(format!(" {{{length}}}\r\n").as_bytes());
        Ok(Some(source))
    }

    /// RFC 3516 4: a part without its transfer encoding.
    fn binary(
        &self,
        current: &mut Current,
        item: &FetchItem,
        out: &mut Vec<u8>,
    ) -> Result<Option<Source>> {
        let (path, partial, only_size) = match item {
            FetchItem::Binary { part, partial, .. } => (part, *partial, false),
            FetchItem::BinarySize { part } => (part, None, true),
            _ => return Ok(None),
        };
        Printer::new(out, false).fetch_label(item);
        let (prefix, size) = (current.prefix(), current.row.size);
        let found = match path.is_empty() {
            true => Some((0, size, Some(Coding::Identity))),
            false => binary_part(self.facts(current)?, path, prefix),
        };
        let Some((at, to, Some(coding))) = found else {
            self.plan.unknown_cte.set(found.is_some() || self.plan.unknown_cte.get());
            out.extend_from_slice(if only_size { b" 0" } else { b" NIL" });
            return Ok(None);
        };
        let size = content::decoded_size(self.snapshot, &current.row, coding, at, to)?;
        if only_size {
            out.extend_from_slice(format!(" {size}").as_bytes());
            return Ok(None);
        }
        let (from, count) = section::partial(size, partial);
        out.extend_from_slice(format!(" ~{{{count}}}\r\n").as_bytes());
        Ok(Some(Source::decoded(coding, at, to, from, count)))
    }
}

/// Where a part's content stands and how it is encoded.
fn binary_part(facts: &Facts, path: &[u32], prefix: u64) -> Option<(u64, u64, Option<Coding>)> {
    let part: &Part = structure::find(facts, path)?;
    let span = section::body(part, prefix);
    Some((span.at, span.to, Coding::of(&part.encoding)))
}

/// RFC 9051 6.4.5.1: the fields named (or all others) as they stand, and the empty line.
fn chosen_fields(header: &[u8], names: &[Vec<u8>], except: bool) -> Vec<u8> {
    let mut chosen = Vec::new();
    for field in headers::fields(header) {
        let named = names.iter().any(|name| name.eq_ignore_ascii_case(field.name));
        if named != except {
            chosen.extend_from_slice(field.whole);
        }
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}
