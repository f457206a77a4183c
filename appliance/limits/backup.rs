//! Limits of backups, and of the sticks they lie on.

use std::time::Duration;

/// A backup that is sent to the page: more than any card holds; the disk's own room is less.
pub(crate) const RESTORE_BYTES: u64 = 1 << 40;
/// What is read of a backup at once.
pub(crate) const RESTORE_PIECE_BYTES: usize = 256 * 1024;
/// Settings, keys and certificates in a backup, in octets and in files: a domain has some kilobytes
/// in at most twenty files. They are in memory for a moment.
pub(crate) const BACKUP_PARTS_BYTES: u64 = 8 << 20;
pub(crate) const BACKUP_PARTS: usize = 20_000;
/// How often the progress of a backup is told: smooth for an eye, and nothing for the machine.
pub(crate) const BACKUP_PROGRESS: Duration = Duration::from_millis(200);
/// One file of a sealed backup: FAT32 takes files of 4 GiB less one octet, some tools half of that.
pub(crate) const BACKUP_PART_BYTES: u64 = 2 << 30;
/// What is written and not yet on the disk: seconds of a slow stick.
pub(crate) const BACKUP_UNSYNCED_BYTES: u64 = 16 << 20;
/// Octets that are sealed together: few enough to open one for a single row.
pub(crate) const SEAL_CHUNK_BYTES: usize = 64 * 1024;
/// Chunks kept open while one is looked for what: the upper pages of a tree lie in few.
pub(crate) const SEAL_CHUNKS_KEPT: usize = 16;
/// Memory and passes that argon2id takes for a passphrase. RFC 9106 4: the second choice, for
/// machines with little memory; about two seconds on a small board.
pub(crate) const SEAL_MEMORY_KIB: u32 = 64 * 1024;
pub(crate) const SEAL_PASSES: u32 = 3;
/// And at most for a backup that somebody else wrote, with the longest chunk.
pub(crate) const SEAL_MEMORY_MOST_KIB: u32 = 256 * 1024;
pub(crate) const SEAL_PASSES_MOST: u32 = 16;
pub(crate) const SEAL_CHUNK_MOST_BYTES: u32 = 1 << 20;
/// Letters of a passphrase at least: whoever finds the stick has all the time of the world.
pub(crate) const PASSPHRASE_LETTERS: usize = 12;
/// Nightly backups that are kept, unless the settings say otherwise: a week, in which somebody
/// notices what is missing.
pub(crate) const BACKUPS_KEPT: usize = 7;
/// What the settings may raise it to.
pub(crate) const BACKUPS_KEPT_AT_MOST: usize = 400;
/// Backups of one stick that are listed, and files that are looked at for them.
pub(crate) const BACKUPS_LISTED: usize = 100;
pub(crate) const BACKUP_FILES: usize = 10_000;
/// What a backup takes more than the store has: settings and keys, folders of the stick, and what
/// comes in until it is begun; and a thousandth, since each chunk has 16 octets more when sealed.
pub(crate) const BACKUP_MORE_BYTES: u64 = 32 << 20;
/// The file that says how backups went.
pub(crate) const BACKUP_STATE_BYTES: u64 = 256 * 1024;
/// How often it is looked whether the nightly backup is due.
pub(crate) const BACKUP_LOOK: Duration = Duration::from_secs(60);
/// After one that failed, such as for want of the stick.
pub(crate) const BACKUP_AGAIN_SECONDS: i64 = 3600;
/// A last good backup that is older is told of: one night was missed, and it is not long after it.
pub(crate) const BACKUP_OLD_SECONDS: i64 = 36 * 3600;
/// And then it is wrong: nobody minds the stick.
pub(crate) const BACKUP_LOST_SECONDS: i64 = 4 * 24 * 3600;
/// Messages shown of a search in a backup, and rows that are looked at for them: each is a look at
/// a stick.
pub(crate) const BACKUP_FOUND: usize = 100;
pub(crate) const BACKUP_SEARCHED: usize = 200_000;
/// A backup that was opened on the page is closed again after this.
pub(crate) const BACKUP_OPEN: Duration = Duration::from_secs(15 * 60);
/// The name of a backup.
pub(crate) const BACKUP_NAME_BYTES: usize = 200;
/// PID 1 mounts a stick in this time, or says why not: one that was pulled out is looked through
/// first.
pub(crate) const STICK_LENT: Duration = Duration::from_secs(90);
/// And formats it: the tables of a stick of 2 TiB have 512 MiB, at 1 MiB a second and some rest.
pub(crate) const STICK_FORMATTED: Duration = Duration::from_secs(15 * 60);
/// What is written of an empty stick at once, and how many of these before PID 1 looks around: a
/// second on a slow one.
pub(crate) const FORMAT_PIECE_BYTES: usize = 1 << 20;
pub(crate) const FORMAT_PIECES_AT_ONCE: usize = 4;
/// What a trial restore leaves of the disk: mail goes on meanwhile.
pub(crate) const TRIAL_SPARE_BYTES: u64 = 256 << 20;

const _: () = assert!(SEAL_MEMORY_KIB <= SEAL_MEMORY_MOST_KIB && SEAL_PASSES <= SEAL_PASSES_MOST);
const _: () = assert!(SEAL_CHUNK_BYTES <= SEAL_CHUNK_MOST_BYTES as usize);
const _: () = assert!(BACKUP_MORE_BYTES > 2 * BACKUP_PARTS_BYTES);
const _: () = assert!(SEAL_CHUNK_BYTES >= 16 * 1024);
const _: () = assert!(TRIAL_SPARE_BYTES > super::DISK_RESERVE_BYTES);
