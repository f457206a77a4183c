//! Sets of sequence numbers or uids (RFC 9051 sequence-set).
//!
//! ```text
//! sequence-set    = (seq-number / seq-range) ["," sequence-set] / seq-last-command
//! seq-range       = seq-number ":" seq-number        either order
//! seq-number      = nz-number / "*"                  "*": the largest there is
//! seq-last-command = "$"                             RFC 5182
//! ```

/// As written by the client; `*` is `u32::MAX`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SequenceSet {
    /// `$`: the saved search result.
    pub saved: bool,
    /// (from, to) as written, `u32::MAX` standing for `*`.
    pub ranges: Vec<(u32, u32)>,
}
