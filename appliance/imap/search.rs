//! SEARCH and UID SEARCH (RFC 9051 6.4.4, RFC 4731, RFC 5182, RFC 7162 3.1.5): a cursor over uids.
//!
//! Each piece looks at so many messages, or so many octets, from a snapshot of its own, and lets
//! others have their turn.

use super::criteria::{self, Candidate, Test, Texts};
use super::planted::{Planted, planted};
use super::reply::{Reply, Status};
use super::selected::{Selected, line};
use super::{Core, Event, Task, Turn, misrouted};
use crate::limits;
use crate::store::{Result, Snapshot, StoreError, mail, mailbox};
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::{Command, SearchReturn};
use std::cell::Cell;

pub(super) fn search(core: &mut Core, command: Command, tag: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Search { uid, search } = command else { return misrouted(command) };
    let modseq = criteria::names_modseq(&search.key);
    if modseq {
        core.enable_condstore(out);
    }
    let now = (core.now)();
    let Some(selected) = core.selected.as_mut() else { return misrouted(Command::Noop) };
    let (test, texts) = match criteria::test(&search.key, selected, now) {
        Ok(made) => made,
        Err(reply) => {
            let saves = search.returns.iter().flatten().any(|r| *r == SearchReturn::Save);
            if saves && reply.status == Status::No {
                // RFC 5182 2.1: a search that failed leaves nothing
                selected.saved = Ranges::default();
            }
            return Turn::Reply(reply);
        }
    };
    let returns = match search.returns {
        // RFC 9051 6.4.4: rev2 answers with ESEARCH always
        None if core.modes.rev2 => Some(vec![SearchReturn::All]),
        // RFC 4731 3.1: RETURN () means ALL
        Some(returns) if returns.is_empty() => Some(vec![SearchReturn::All]),
        other => other,
    };
    Turn::Task(Box::new(Searching {
        uid,
        tag: tag.to_owned(),
        ranges: test.only().cloned(),
        test,
        texts,
        returns,
        modseq,
        next: 0,
        found: Vec::new(),
        modseqs: ModSeqs::default(),
        printed: None,
    }))
}

struct Searching {
    uid: bool,
    tag: String,
    test: Test,
    texts: Texts,
    /// Only uids of these can be found.
    ranges: Option<Ranges>,
    returns: Option<Vec<SearchReturn>>,
    /// The reply tells a modseq.
    modseq: bool,
    next: u32,
    /// Uids, ascending.
    found: Vec<u32>,
    modseqs: ModSeqs,
    /// Of a SEARCH response: the numbers printed so far.
    printed: Option<usize>,
}

/// RFC 4731 3.2: of what is returned.
#[derive(Default)]
struct ModSeqs {
    first: u64,
    last: u64,
    top: u64,
}

impl Task for Searching {
    fn go(&mut self, core: &mut Core, _: Event, out: &mut Vec<u8>) -> Turn {
        let Core { store, selected: Some(selected), .. } = core else {
            return Turn::Reply(Reply::no("No mailbox is selected").code("SERVERBUG"));
        };
        if self.printed.is_none() {
            match store.snapshot().and_then(|snapshot| self.piece(&snapshot, selected)) {
                Ok(true) => {}
                Ok(false) => return Turn::Again,
                Err(error) => {
                    if self.wants(SearchReturn::Save) {
                        // RFC 5182 2.1: a search that failed leaves nothing
                        selected.saved = Ranges::default();
                    }
                    return Turn::Reply(error.into());
                }
            }
        }
        match self.tell(selected, out) {
            true => Turn::Reply(Reply::ok("SEARCH completed")),
            false => Turn::Again,
        }
    }
}

impl Searching {
    fn wants(&self, what: SearchReturn) -> bool {
        self.returns.iter().flatten().any(|r| *r == what)
    }

    /// Looks at the next messages; were they the last?
    fn piece(&mut self, snapshot: &Snapshot, selected: &Selected) -> Result<bool> {
        let name = mailbox::get(snapshot, selected.account, selected.mailbox)?
            .ok_or(StoreError::NotFound("mailbox"))?
            .name;
        let (read, mut left) = (Cell::new(0), limits::SNAPSHOT_MESSAGES);
        let untold = planted(Planted::SearchSeesTheUntold);
        let last = if untold { u32::MAX - 1 } else { selected.view.last_uid() };
        while let Some((from, to)) = self.ahead(last) {
            let (mut next, mut whole) = (from, true);
            let (account, id) = (selected.account, selected.mailbox);
            let (test, texts) = (&self.test, &self.texts);
            let (found, modseqs) = (&mut self.found, &mut self.modseqs);
            mail::rows(snapshot, account, id, from, to, &mut |uid, row| {
                next = uid.saturating_add(1);
                left = left.saturating_sub(1);
                let candidate = Candidate::new(snapshot, &name, texts, (uid, row), &read);
                if (untold || selected.view.has(uid)) && met(test, &candidate)? {
                    modseqs.add(found.is_empty(), candidate.modseq());
                    found.push(uid);
                }
                whole = left > 0 && read.get() < limits::SEARCH_PIECE_BYTES;
                Ok(whole)
            })?;
            self.next = if whole { to.saturating_add(1) } else { next };
            if !whole {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next uids to look at.
    fn ahead(&self, last: u32) -> Option<(u32, u32)> {
        let all = [(1, last)];
        let ranges = self.ranges.as_ref().map_or(all.as_slice(), Ranges::ranges);
        let at = ranges.partition_point(|(_, to)| *to < self.next);
        let (from, to) = ranges.get(at)?;
        let (from, to) = ((*from).max(self.next), (*to).min(last));
        (from <= to).then_some((from, to))
    }

    /// Tells the result; is it all told?
    fn tell(&mut self, selected: &mut Selected, out: &mut Vec<u8>) -> bool {
        if self.returns.is_none() {
            return self.tell_plain(selected, out);
        }
        if self.wants(SearchReturn::Save) {
            selected.saved = Ranges::from_ascending(self.saved());
        }
        let says = [SearchReturn::Min, SearchReturn::Max, SearchReturn::All, SearchReturn::Count];
        // RFC 5182 2.1: SAVE alone has no response
        if says.iter().any(|what| self.wants(*what)) {
            self.tell_extended(selected, out);
        }
        true
    }

    /// RFC 5182 2.4: with MIN or MAX and nothing that tells all, only these are saved.
    fn saved(&self) -> Vec<u32> {
        let (min, max) = (self.wants(SearchReturn::Min), self.wants(SearchReturn::Max));
        let all = self.wants(SearchReturn::All) || self.wants(SearchReturn::Count);
        if all || !(min || max) {
            return self.found.clone();
        }
        let mut saved: Vec<u32> = Vec::new();
        saved.extend(self.found.first().filter(|_| min));
        saved.extend(self.found.last().filter(|_| max));
        saved.dedup();
        saved
    }

    fn number(&self, selected: &Selected, uid: u32) -> u32 {
        if self.uid { uid } else { selected.view.seq(uid).unwrap_or(0) }
    }

    /// RFC 3501 7.2.5
    fn tell_plain(&mut self, selected: &Selected, out: &mut Vec<u8>) -> bool {
        let mut at = match self.printed {
            Some(at) => at,
            None => {
                out.extend_from_slice(b"* SEARCH");
                0
            }
        };
        while let Some(uid) = self.found.get(at) {
            if out.len() >= limits::OUTPUT_PIECE_BYTES {
                self.printed = Some(at);
                return false;
            }
            out.extend_from_slice(format!(" {}", self.number(selected, *uid)).as_bytes());
            at += 1;
        }
        // RFC 7162 3.1.5: with the highest modseq of what was found
        match self.modseq && !self.found.is_empty() {
            true => line(out, format_args!(" (MODSEQ {})", self.modseqs.top)),
            false => line(out, format_args!("")),
        }
        true
    }

    /// RFC 9051 7.3.4
    fn tell_extended(&self, selected: &Selected, out: &mut Vec<u8>) {
        let mut text = format!("* ESEARCH (TAG \"{}\")", self.tag);
        if self.uid {
            text.push_str(" UID");
        }
        if let (Some(first), Some(last)) = (self.found.first(), self.found.last()) {
            if self.wants(SearchReturn::Min) {
                text.push_str(&format!(" MIN {}", self.number(selected, *first)));
            }
            if self.wants(SearchReturn::Max) {
                text.push_str(&format!(" MAX {}", self.number(selected, *last)));
            }
            if self.wants(SearchReturn::All) {
                let numbers = self.found.iter().map(|uid| self.number(selected, *uid));
                text.push_str(&format!(" ALL {}", Ranges::from_ascending(numbers)));
            }
        }
        if self.wants(SearchReturn::Count) {
            text.push_str(&format!(" COUNT {}", self.found.len()));
        }
        if self.modseq && !self.found.is_empty() {
            text.push_str(&format!(" MODSEQ {}", self.returned_modseq()));
        }
        line(out, format_args!("{text}"));
    }

    /// RFC 4731 3.2: the highest modseq of the messages that are returned.
    fn returned_modseq(&self) -> u64 {
        let (min, max) = (self.wants(SearchReturn::Min), self.wants(SearchReturn::Max));
        match (min, max) {
            _ if self.wants(SearchReturn::All) || self.wants(SearchReturn::Count) => {
                self.modseqs.top
            }
            (true, true) => self.modseqs.first.max(self.modseqs.last),
            (true, false) => self.modseqs.first,
            (false, true) => self.modseqs.last,
            (false, false) => self.modseqs.top,
        }
    }
}

/// A message that is damaged or goes meanwhile is not found; it must not hide the others.
fn met(test: &Test, candidate: &Candidate<'_>) -> Result<bool> {
    match test.meets(candidate) {
        Err(StoreError::Corrupt(why)) => {
            crate::event::emit(crate::event::Event::StoreTrouble { doing: "SEARCH", why });
            Ok(false)
        }
        other => other,
    }
}

impl ModSeqs {
    fn add(&mut self, is_first: bool, modseq: u64) {
        if is_first {
            self.first = modseq;
        }
        self.last = modseq;
        self.top = self.top.max(modseq);
    }
}
