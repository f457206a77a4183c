//! Sets of sequence numbers or uids (RFC 9051 sequence-set).
//!
//! ```text
//! sequence-set    = (seq-number / seq-range) ["," sequence-set] / seq-last-command
//! seq-range       = seq-number ":" seq-number        either order
//! seq-number      = nz-number / "*"                  "*": the largest there is
//! seq-last-command = "$"                             RFC 5182
//! ```
//!
//! A set as written (`SequenceSet`) becomes `Ranges` once it is known what exists: sorted,
//! disjoint, clipped. `1:4294967295` costs one range, never four thousand million numbers.

use std::fmt;

/// As written by the client; `*` is `u32::MAX`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SequenceSet {
    /// `$`: the saved search result.
    pub saved: bool,
    /// (from, to) as written, `u32::MAX` standing for `*`.
    pub ranges: Vec<(u32, u32)>,
}

/// Numbers from 1, as ascending ranges with gaps between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

/// A message number above the number of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchNumber {
    pub number: u32,
    pub count: u32,
}

impl SequenceSet {
    /// One number or one range.
    pub(crate) fn range(from: u32, to: u32) -> SequenceSet {
        SequenceSet { saved: false, ranges: vec![(from, to)] }
    }

    /// Reads the whole of `text`. The error says what is wrong.
    pub(crate) fn parse(text: &[u8]) -> Result<SequenceSet, &'static str> {
        if text == b"$" {
            return Ok(SequenceSet { saved: true, ranges: Vec::new() });
        }
        let mut ranges = Vec::new();
        for item in text.split(|b| *b == b',') {
            let mut ends = item.split(|b| *b == b':');
            let from = number(ends.next().unwrap_or_default())?;
            let to = ends.next().map_or(Ok(from), number)?;
            if ends.next().is_some() {
                return Err("a range has two ends");
            }
            ranges.push((from, to));
        }
        Ok(SequenceSet { saved: false, ranges })
    }

    /// The numbers meant in a mailbox of `count` messages. `$` resolves to nothing here: the
    /// session holds the saved result.
    ///
    /// RFC 9051 6.4.8: numbers above the count are errors. `n:*` takes in the last message
    /// however large n is, and in an empty mailbox `*` means nothing: clients send `1:*` there
    /// without looking, and an error would help nobody.
    pub(crate) fn resolve_numbers(&self, count: u32) -> Result<Ranges, NoSuchNumber> {
        for &(from, to) in &self.ranges {
            let star = from == u32::MAX || to == u32::MAX;
            let number = from.max(to);
            if !star && number > count {
                return Err(NoSuchNumber { number, count });
            }
        }
        Ok(self.resolve_uids(count))
    }

    /// The uids meant when `largest` is the largest uid there is (0: none): those that may exist.
    ///
    /// RFC 9051 9: "3291:*" includes the largest uid even if it is below 3291. A uid that is not
    /// there is no error (RFC 9051 6.4.9).
    pub(crate) fn resolve_uids(&self, largest: u32) -> Ranges {
        let star = |n: u32| if n == u32::MAX { largest } else { n };
        let ranges = self.ranges.iter().filter_map(|&(from, to)| {
            let (from, to) = (star(from), star(to));
            let (low, high) = (from.min(to).max(1), from.max(to).min(largest));
            (low <= high).then_some((low, high))
        });
        Ranges::from_unsorted(ranges.collect())
    }

    /// The uids of a set without `*` (RFC 7162 known-uids), not clipped to what exists.
    pub(crate) fn without_star(&self) -> Option<Ranges> {
        let star = self.ranges.iter().any(|&(a, b)| a == u32::MAX || b == u32::MAX);
        (!star && !self.saved).then(|| self.resolve_uids(u32::MAX - 1))
    }
}

fn number(text: &[u8]) -> Result<u32, &'static str> {
    if text == b"*" {
        return Ok(u32::MAX);
    }
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return Err("a number from 1 to 4294967295 or \"*\" was expected");
    }
    let n = text.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0'));
    match u32::try_from(n) {
        // RFC 9051 9: nz-number; 0 is no message and no uid
        Ok(0) => Err("0 is not a message number or uid"),
        // the value of "*" here; no mailbox comes to have so large a uid
        Ok(u32::MAX) => Ok(u32::MAX - 1),
        Ok(n) => Ok(n),
        Err(_) => Err("a number above 4294967295"),
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.saved {
            return f.write_str("$");
        }
        for (i, &(from, to)) in self.ranges.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write_end(f, from)?;
            if from != to {
                f.write_str(":")?;
                write_end(f, to)?;
            }
        }
        Ok(())
    }
}

fn write_end(f: &mut fmt::Formatter<'_>, n: u32) -> fmt::Result {
    if n == u32::MAX { f.write_str("*") } else { write!(f, "{n}") }
}

impl fmt::Display for NoSuchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => write!(f, "there is no message {}: the mailbox is empty", self.number),
            n => write!(f, "there is no message {}, the last is {n}", self.number),
        }
    }
}

impl Ranges {
    /// Sorts and joins ranges; each must have its lower end first.
    pub(crate) fn from_unsorted(mut ranges: Vec<(u32, u32)>) -> Ranges {
        ranges.sort_unstable();
        let mut out = Ranges::default();
        for (low, high) in ranges {
            out.push_range(low, high);
        }
        out
    }

    /// From numbers in ascending order (repeats are dropped).
    pub(crate) fn from_ascending(numbers: impl IntoIterator<Item = u32>) -> Ranges {
        let mut out = Ranges::default();
        for n in numbers {
            out.push_range(n, n);
        }
        out
    }

    /// Adds a range that begins at or after the begin of the last.
    fn push_range(&mut self, low: u32, high: u32) {
        match self.0.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => self.0.push((low, high)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, n: u32) -> bool {
        let after = self.0.partition_point(|range| range.0 <= n);
        after.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|range| n <= range.1)
    }

    /// How many numbers.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|&(low, high)| u64::from(high - low) + 1).sum()
    }

    /// The ranges, ascending, disjoint, with gaps between them.
    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Each number, ascending. Only for sets that were clipped to what exists.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|&(low, high)| low..=high)
    }
}

/// As IMAP writes it: "1:3,7". Empty prints nothing: the caller must not print an empty set.
impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, &(low, high)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{low}")?;
            if low != high {
                write!(f, ":{high}")?;
            }
        }
        Ok(())
    }
}
