//! Limits of the disks of a box: the mail moved from one to another, and how fast they are.

use std::time::Duration;

/// PID 1 empties a disk, makes its file system and sweeps an old copy in this time, or says why
/// not.
pub(crate) const DISK_PREPARED: Duration = Duration::from_secs(30 * 60);
/// Mail on its way out is waited for before the store keeps still: longer than any server may take
/// for the end of a message. RFC 5321 4.5.3.2.6: 10 minutes
pub(crate) const FREEZE_WAIT: Duration = Duration::from_secs(11 * 60);
/// What is read and written of a copy at once.
pub(crate) const MOVE_PIECE_BYTES: usize = 1 << 20;
/// What is written and not yet on the disk: seconds of a slow one.
pub(crate) const MOVE_UNSYNCED_BYTES: u64 = 32 << 20;
/// What a copy leaves of the new disk: the box takes mail at once, and keeps its own reserve.
pub(crate) const MOVE_SPARE_BYTES: u64 = 128 << 20;
/// Files and folders of the office, and how deep they lie: thousands of domains have some twenty
/// files each.
pub(crate) const MOVE_FILES: usize = 200_000;
pub(crate) const MOVE_DEPTH: usize = 16;
/// What a measurement of a disk writes and reads in one row: more than its own cache holds, and
/// seconds of a slow card.
pub(crate) const SPEED_BYTES: u64 = 64 << 20;
/// And what it writes in small pieces, each on the disk before the next: as many as say what is
/// usual, in seconds of a slow card.
pub(crate) const SPEED_WRITES: usize = 60;
pub(crate) const SPEED_WRITE_BYTES: usize = 16 * 1024;
/// It ends after this, with what it has.
pub(crate) const SPEED_TIME: Duration = Duration::from_secs(60);
/// Room that is left beside a measurement.
pub(crate) const SPEED_SPARE_BYTES: u64 = 512 << 20;
/// A small write that takes longer is slow for mail: each mail waits for two of them.
pub(crate) const SPEED_SLOW_MICROS: u64 = 60_000;
/// And longer is too slow: whoever sends waits for seconds.
pub(crate) const SPEED_TOO_SLOW_MICROS: u64 = 300_000;
/// Octets in a second in a row, below which backups, searches and moves take very long.
pub(crate) const SPEED_SLOW_OCTETS: u64 = 8_000_000;
pub(crate) const SPEED_TOO_SLOW_OCTETS: u64 = 2_000_000;
/// The file that says how a move went.
pub(crate) const MOVE_STATE_BYTES: u64 = 64 * 1024;

const _: () = assert!(MOVE_SPARE_BYTES > super::DISK_RESERVE_BYTES);
const _: () = assert!(SPEED_SPARE_BYTES > super::DISK_RESERVE_BYTES);
const _: () = assert!(SPEED_SLOW_MICROS < SPEED_TOO_SLOW_MICROS);
const _: () = assert!(SPEED_SLOW_OCTETS > SPEED_TOO_SLOW_OCTETS);
