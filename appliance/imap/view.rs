//! Sequence numbers: the messages of a mailbox as one client has been told of them.
//!
//! ```text
//! uids   3 4 5 9 10 12          spans  (3..5 before 0) (9..10 before 3) (12..12 before 5)
//! seq    1 2 3 4  5  6
//! ```
//!
//! Uids are dense in most mailboxes, so a hundred thousand messages are a few spans.

use crate::wire::imap::sequence::Ranges;

/// An ascending run of uids without gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u32,
    last: u32,
    /// Messages in the spans before this one.
    before: u32,
}

impl Span {
    fn count(self) -> u32 {
        self.last - self.first + 1
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    spans: Vec<Span>,
}

impl View {
    /// Of ascending runs of uids, as (first, last).
    pub(crate) fn of_runs(runs: &[(u32, u32)]) -> View {
        let mut view = View { spans: Vec::with_capacity(runs.len()) };
        runs.iter().for_each(|(first, last)| view.push(*first, *last));
        view
    }

    /// Of ascending uids.
    #[cfg(test)]
    pub(crate) fn new(uids: &[u32]) -> View {
        let mut view = View::default();
        view.add(uids);
        view.spans.shrink_to_fit();
        view
    }

    pub(crate) fn count(&self) -> u32 {
        self.spans.last().map_or(0, |s| s.before + s.count())
    }

    /// The largest uid, 0 if there is none.
    pub(crate) fn last_uid(&self) -> u32 {
        self.spans.last().map_or(0, |s| s.last)
    }

    /// Sequence number (from 1) of a uid.
    pub(crate) fn seq(&self, uid: u32) -> Option<u32> {
        let at = self.spans.partition_point(|s| s.last < uid);
        let span = self.spans.get(at).filter(|s| s.first <= uid)?;
        Some(span.before + (uid - span.first) + 1)
    }

    pub(crate) fn has(&self, uid: u32) -> bool {
        self.seq(uid).is_some()
    }

    /// Uid of a sequence number.
    pub(crate) fn uid(&self, seq: u32) -> Option<u32> {
        let index = seq.checked_sub(1)?;
        let at = self.spans.partition_point(|s| s.before + s.count() <= index);
        let span = self.spans.get(at)?;
        Some(span.first + (index - span.before))
    }

    /// New messages; those not above the largest uid are not new and left out.
    pub(crate) fn add(&mut self, uids: &[u32]) {
        for uid in uids.iter().copied().filter(|u| *u > 0) {
            if uid <= self.last_uid() {
                continue;
            }
            let before = self.count();
            match self.spans.last_mut() {
                Some(span) if span.last.checked_add(1) == Some(uid) => span.last = uid,
                _ => self.spans.push(Span { first: uid, last: uid, before }),
            }
        }
    }

    /// Takes ascending uids out.
    pub(crate) fn remove(&mut self, gone: &[u32]) {
        let Some(lowest) = gone.first() else { return };
        let keep = self.spans.partition_point(|s| s.last < *lowest);
        let tail = self.spans.split_off(keep);
        let mut gone = gone.iter().copied().peekable();
        for span in tail {
            let mut first = span.first;
            while let Some(uid) = gone.next_if(|u| *u <= span.last) {
                if uid < first {
                    continue;
                }
                if first < uid {
                    self.push(first, uid - 1);
                }
                first = uid + 1;
            }
            if first <= span.last {
                self.push(first, span.last);
            }
        }
    }

    fn push(&mut self, first: u32, last: u32) {
        let before = self.count();
        self.spans.push(Span { first, last, before });
    }

    /// All uids, ascending.
    pub(crate) fn uids(&self) -> impl Iterator<Item = u32> + '_ {
        self.spans.iter().flat_map(|s| s.first..=s.last)
    }

    /// The uids of these ranges of sequence numbers, as ranges of uids. A range may hold uids that
    /// the client was never told of only where none exist: new messages come at the end.
    pub(crate) fn uid_ranges(&self, seqs: &Ranges) -> Ranges {
        let clip = |seq: u32| seq.min(self.count());
        let uids = seqs
            .ranges()
            .iter()
            .filter_map(|(from, to)| Some((self.uid(*from)?, self.uid(clip(*to))?)));
        Ranges::from_unsorted(uids.collect())
    }

    /// How many told messages have a uid in these ranges .
    pub(crate) fn count_in(&self, ranges: &Ranges) -> u64 {
        ranges
            .ranges()
            .iter()
            .map(|(from, to)| u64::from(self.rank(*to) - self.rank_below(*from)))
            .sum()
    }

    /// The told uids in these ranges.
    pub(crate) fn uids_in<'a>(&'a self, ranges: &'a Ranges) -> impl Iterator<Item = u32> + 'a {
        ranges.ranges().iter().flat_map(move |(from, to)| {
            let at = self.spans.partition_point(|s| s.last < *from);
            let to = *to;
            let from = *from;
            self.spans
                .get(at..)
                .unwrap_or_default()
                .iter()
                .take_while(move |s| s.first <= to)
                .flat_map(move |s| s.first.max(from)..=s.last.min(to))
        })
    }

    /// What of these ranges is no message.
    pub(crate) fn gaps(&self, known: &Ranges) -> Ranges {
        let mut gaps = Vec::new();
        for (from, to) in known.ranges().iter().copied() {
            let mut first = from;
            let at = self.spans.partition_point(|s| s.last < from);
            for span in self.spans.get(at..).unwrap_or_default().iter() {
                if span.first > to {
                    break;
                }
                if first < span.first {
                    gaps.push((first, span.first - 1));
                }
                first = span.last.saturating_add(1);
            }
            if first <= to {
                gaps.push((first, to));
            }
        }
        Ranges::from_unsorted(gaps)
    }

    /// Messages with a uid not above this one.
    fn rank(&self, uid: u32) -> u32 {
        let at = self.spans.partition_point(|s| s.first <= uid);
        match at.checked_sub(1).and_then(|i| self.spans.get(i)) {
            Some(span) => span.before + (uid.min(span.last) - span.first) + 1,
            None => 0,
        }
    }

    fn rank_below(&self, uid: u32) -> u32 {
        uid.checked_sub(1).map_or(0, |below| self.rank(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_follow_the_gaps() {
        let mut view = View::new(&[3, 4, 5, 9, 10, 12]);
        assert_eq!(view.count(), 6);
        for (seq, uid) in (1..).zip([3, 4, 5, 9, 10, 12]) {
            assert_eq!((view.seq(uid), view.uid(seq)), (Some(seq), Some(uid)));
        }
        assert_eq!((view.seq(6), view.seq(0), view.uid(0), view.uid(7)), (None, None, None, None));
        let set = |ranges: &[(u32, u32)]| Ranges::from_unsorted(ranges.to_vec());
        assert_eq!(view.uid_ranges(&set(&[(2, 4), (6, 9)])), set(&[(4, 9), (12, 12)]));
        assert_eq!(view.count_in(&set(&[(1, 4), (9, 11)])), 4);
        assert_eq!(view.uids_in(&set(&[(1, 4), (9, 11)])).collect::<Vec<_>>(), [3, 4, 9, 10]);
        assert_eq!(view.gaps(&set(&[(1, 4), (8, 20)])), set(&[(1, 2), (8, 8), (11, 11), (13, 20)]));
        view.remove(&[4, 9, 10, 11]);
        assert_eq!(view.uids().collect::<Vec<_>>(), [3, 5, 12]);
        view.add(&[12, 13, 20]);
        assert_eq!(view, View::of_runs(&[(3, 3), (5, 5), (12, 13), (20, 20)]));
        assert_eq!(view, View::new(&[3, 5, 12, 13, 20]));
    }
}
