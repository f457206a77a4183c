//! The selected mailbox of one session: what the client was told, and what it was not told yet.
//!
//! ```text
//! commit -> Watch -> hear -> pending (gone, added, flags) -> tell -> the client's View
//! ```
//!
//! The watch stands before the first snapshot is taken, so no change is missed; a change that the
//! snapshot already holds has a modseq that is not above the snapshot's, and is dropped.

use super::planted::{Planted, planted};
use super::view::View;
use super::{Modes, Told, flag_names};
use crate::limits;
use crate::store::change::{Taken, Watch, What};
use crate::store::format::MailboxName;
use crate::store::mailbox::Mailbox;
use crate::store::{AccountId, MailboxId, Result, Snapshot, Store, mail, mailbox};
use crate::wire::imap::sequence::{Ranges, SequenceSet};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

pub(crate) struct Selected {
    pub account: AccountId,
    pub mailbox: MailboxId,
    pub read_only: bool,
    pub view: View,
    /// RFC 5182: `$`, uids.
    pub saved: Ranges,
    /// Keywords that FLAGS has told.
    keywords_told: usize,
    watch: Watch,
    /// The modseq of the last snapshot taken: changes up to it are in the view or pending.
    base: u64,
    /// The highest modseq that came.
    heard: u64,
    pending: Pending,
    /// The client was told that its modseqs do not count yet.
    held_back: bool,
    /// Modseqs of this session's own flag changes, whose echo is not told again.
    own: Vec<u64>,
}

/// What the client has to be told.
#[derive(Default)]
struct Pending {
    gone: BTreeSet<u32>,
    /// The lowest modseq at which one of them went; 0 if there is none.
    gone_at: u64,
    /// Ascending; all above the view's.
    added: Vec<u32>,
    flags: BTreeSet<u32>,
    deleted: bool,
}

impl Selected {
    /// Opens a mailbox: watch, then snapshot, then uids. Returns the snapshot for what SELECT
    /// tells beside; `None` when the mailbox went meanwhile.
    pub(crate) fn open(
        store: &Store,
        account: AccountId,
        id: MailboxId,
        read_only: bool,
    ) -> Result<Option<(Selected, Mailbox, Snapshot)>> {
        let watch = store.hub().watch(account, id);
        let snapshot = store.snapshot()?;
        let Some(mailbox) = mailbox::get(&snapshot, account, id)? else { return Ok(None) };
        let selected = Selected {
            account,
            mailbox: id,
            read_only,
            view: View::of_runs(&mail::uid_runs(&snapshot, account, id)?),
            saved: Ranges::default(),
            keywords_told: mailbox.name.keywords.len(),
            watch,
            base: mailbox.tail.highestmodseq,
            heard: mailbox.tail.highestmodseq,
            pending: Pending::default(),
            held_back: false,
            own: Vec::new(),
        };
        Ok(Some((selected, mailbox, snapshot)))
    }

    pub(crate) fn notify(&self) -> Arc<Notify> {
        self.watch.notify()
    }

    /// The modseq up to which changes have come.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// The modseq up to which the client knows all there is, if it knows all that came.
    pub(crate) fn knows_all(&self) -> Option<u64> {
        let pending = &self.pending;
        let none = pending.gone.is_empty() && pending.added.is_empty() && pending.flags.is_empty();
        (none && !pending.deleted).then_some(self.heard)
    }

    /// The flag change of this modseq was this session's own: the reply tells it.
    pub(crate) fn own(&mut self, modseq: u64) {
        // 0: nothing changed, nothing is announced
        if modseq > self.base {
            self.own.push(modseq);
        }
    }

    /// Messages this session removed itself.
    pub(crate) fn gone(&mut self, uids: &[u32]) {
        self.went(uids, self.heard.saturating_add(1));
    }

    fn went(&mut self, uids: &[u32], modseq: u64) {
        let pending = &mut self.pending;
        if pending.gone.is_empty() {
            pending.gone_at = modseq;
        }
        pending.gone.extend(uids.iter().copied().filter(|u| self.view.has(*u)));
        pending.gone_at = pending.gone_at.min(modseq);
    }

    /// The uids that a set of the client means; the error is the reply's text.
    pub(crate) fn resolve(
        &self,
        set: &SequenceSet,
        uid: bool,
    ) -> std::result::Result<Ranges, String> {
        if set.saved {
            return Ok(self.saved.clone());
        }
        if uid {
            return Ok(set.resolve_uids(self.view.last_uid()));
        }
        let numbers = set.resolve_numbers(self.view.count()).map_err(|e| e.to_string())?;
        Ok(self.view.uid_ranges(&numbers))
    }

    /// Takes in what the watch holds.
    fn hear(&mut self, store: &Store) -> Result<()> {
        if !self.watch.has_any() {
            return Ok(());
        }
        match self.watch.take() {
            Taken::Lost => self.read_anew(store),
            Taken::Changes(changes) => {
                for change in changes {
                    if change.what == What::Deleted {
                        self.pending.deleted = true;
                    } else if change.modseq > self.base {
                        self.take_in(change.modseq, &change.what);
                    }
                }
                Ok(())
            }
        }
    }

    fn take_in(&mut self, modseq: u64, what: &What) {
        self.heard = self.heard.max(modseq);
        match what {
            What::Added(_) if planted(Planted::ArrivalsLost) => {}
            What::Added(uids) => self.add(uids),
            What::Flags(_) if planted(Planted::FlagsOfOthersLost) => {}
            What::Flags(uids) => {
                if let Some(at) = self.own.iter().position(|own| *own == modseq) {
                    self.own.swap_remove(at);
                } else {
                    self.pending.flags.extend(uids);
                }
            }
            What::Expunged(uids) => self.expunged(uids, modseq),
            What::Deleted => self.pending.deleted = true,
        }
    }

    fn add(&mut self, uids: &[u32]) {
        let known = self.pending.added.last().copied().unwrap_or(0).max(self.view.last_uid());
        self.pending.added.extend(uids.iter().copied().filter(|u| *u > known));
    }

    fn expunged(&mut self, uids: &[u32], modseq: u64) {
        self.pending.added.retain(|u| uids.binary_search(u).is_err());
        self.went(uids, modseq);
    }

    /// More happened than the watch could hold: the difference between the view and what is there.
    fn read_anew(&mut self, store: &Store) -> Result<()> {
        let snapshot = store.snapshot()?;
        let Some(now) = mailbox::get(&snapshot, self.account, self.mailbox)? else {
            self.pending.deleted = true;
            return Ok(());
        };
        let there = mail::uids(&snapshot, self.account, self.mailbox)?;
        let view = &self.view;
        let gone = view.uids().filter(|uid| there.binary_search(uid).is_err());
        self.pending.gone = gone.collect();
        self.pending.gone_at = self.heard.saturating_add(1);
        let known = view.last_uid();
        self.pending.added = there.iter().copied().filter(|u| *u > known).collect();
        let heard = self.heard;
        let flags = &mut self.pending.flags;
        let (account, mailbox) = (self.account, self.mailbox);
        mail::rows(&snapshot, account, mailbox, 1, known, &mut |uid, row| {
            if row.modseq > heard {
                flags.insert(uid);
            }
            Ok(true)
        })?;
        self.heard = now.tail.highestmodseq;
        self.base = self.heard;
        self.own.clear();
        Ok(())
    }

    /// Tells the client what it may be told now: at most a piece of output.
    pub(crate) fn tell(
        &mut self,
        store: &Store,
        modes: Modes,
        expunges: bool,
        out: &mut Vec<u8>,
    ) -> Result<Told> {
        self.hear(store)?;
        if self.pending.deleted {
            return Ok(Told::Deleted);
        }
        if expunges && !self.pending.gone.is_empty() {
            self.tell_gone(modes.qresync, out);
        }
        if !self.pending.added.is_empty() {
            let added = std::mem::take(&mut self.pending.added);
            self.view.add(&added);
            line(out, format_args!("* {} EXISTS", self.view.count()));
        }
        let told = match self.pending.flags.is_empty() {
            true => Told::All,
            false => self.tell_flags(store, modes, out)?,
        };
        if matches!(told, Told::All) && modes.qresync && !self.pending.gone.is_empty() {
            // RFC 7162 3.2: no modseq above that of a removal that is told later may count
            let below = self.pending.gone_at.saturating_sub(1);
            line(out, format_args!("* OK [HIGHESTMODSEQ {below}] A removal is told later"));
            self.held_back = true;
        }
        Ok(told)
    }

    /// Was a lower modseq told than the client has seen, and does it know all now?
    pub(crate) fn caught_up(&mut self) -> bool {
        let all = self.held_back && self.knows_all().is_some();
        self.held_back &= !all;
        all
    }

    fn tell_gone(&mut self, vanished: bool, out: &mut Vec<u8>) {
        let gone: Vec<u32> = std::mem::take(&mut self.pending.gone).into_iter().collect();
        if vanished {
            // RFC 7162 3.2.10: VANISHED instead of EXPUNGE
            line(out, format_args!("* VANISHED {}", Ranges::from_ascending(gone.iter().copied())));
        } else {
            // From the end, so that no number shifts another.
            let mut seqs: Vec<u32> =
                gone.iter().rev().filter_map(|uid| self.view.seq(*uid)).collect();
            if planted(Planted::ExpungesFromTheFront) {
                seqs.reverse();
            }
            for seq in seqs {
                line(out, format_args!("* {seq} EXPUNGE"));
            }
        }
        for uid in &gone {
            self.pending.flags.remove(uid);
        }
        self.view.remove(&gone);
        self.saved = without(&self.saved, &gone);
    }

    fn tell_flags(&mut self, store: &Store, modes: Modes, out: &mut Vec<u8>) -> Result<Told> {
        let snapshot = store.snapshot()?;
        let Some(mailbox) = mailbox::get(&snapshot, self.account, self.mailbox)? else {
            return Ok(Told::Deleted);
        };
        self.tell_keywords(&mailbox.name, out);
        for _ in 0..limits::SNAPSHOT_MESSAGES {
            let Some(uid) = self.pending.flags.pop_first() else { return Ok(Told::All) };
            let Some(seq) = self.view.seq(uid) else { continue };
            let Some(row) = mail::row(&snapshot, self.account, self.mailbox, uid)? else {
                continue;
            };
            let flags = flag_names(row.flags, &row.keywords, &mailbox.name);
            let modseq = match modes.condstore {
                true => format!(" MODSEQ ({})", row.modseq),
                false => String::new(),
            };
            line(out, format_args!("* {seq} FETCH (UID {uid} FLAGS ({flags}){modseq})"));
            if out.len() > limits::OUTPUT_PIECE_BYTES {
                break;
            }
        }
        Ok(if self.pending.flags.is_empty() { Told::All } else { Told::More })
    }

    /// RFC 9051 7.3.5: FLAGS again when the mailbox learnt new keywords.
    pub(crate) fn tell_keywords(&mut self, name: &MailboxName, out: &mut Vec<u8>) {
        if name.keywords.len() > self.keywords_told {
            self.keywords_told = name.keywords.len();
            tell_flag_names(name, self.read_only, out);
        }
    }
}

/// FLAGS and PERMANENTFLAGS.
pub(crate) fn tell_flag_names(name: &MailboxName, read_only: bool, out: &mut Vec<u8>) {
    let all: Vec<u8> = (0..=u8::MAX).take(name.keywords.len()).collect();
    let flags = flag_names(u32::MAX, &all, name);
    line(out, format_args!("* FLAGS ({flags})"));
    match read_only {
        true => line(out, format_args!("* OK [PERMANENTFLAGS ()] No flag can be changed")),
        false => {
            line(out, format_args!("* OK [PERMANENTFLAGS ({flags} \\*)] Flags and new keywords"))
        }
    }
}

/// One line of output.
pub(crate) fn line(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Writing to memory cannot fail.
    let _ = out.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}

/// Ranges without the ascending uids that are gone.
fn without(ranges: &Ranges, gone: &[u32]) -> Ranges {
    let mut left = Vec::with_capacity(ranges.ranges().len());
    for (from, to) in ranges.ranges().iter().copied() {
        let mut first = from;
        let at = gone.partition_point(|g| *g < from);
        for uid in gone.get(at..).unwrap_or_default().iter().copied().take_while(|g| *g <= to) {
            if first < uid {
                left.push((first, uid - 1));
            }
            first = uid.saturating_add(1);
        }
        if first <= to {
            left.push((first, to));
        }
    }
    Ranges::from_unsorted(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_result_loses_what_is_gone() {
        let saved = Ranges::from_ascending([1, 2, 3, 4, 5, 7]);
        assert_eq!(without(&saved, &[1, 3, 7]), Ranges::from_ascending([2, 4, 5]));
    }
}
