//! Limits of fetching mail from other servers.

use super::MESSAGE_BYTES;
use std::time::Duration;

// ---- IMAP, as the client ----

/// A response without its literals. The longest that we ask for is the answer to one window of
/// messages, some hundred octets each line; what is told unasked may be longer.
pub(crate) const IMAP_HEARD_LINE_BYTES: usize = 1 << 20;
/// All literals of one response beside the message it brings: names of mailboxes.
pub(crate) const IMAP_HEARD_LITERAL_BYTES: usize = 256 * 1024;
/// Literals of one response: a list of labels may be some hundred.
pub(crate) const IMAP_HEARD_LITERALS: usize = 1_000;
/// Until the greeting. RFC 9051 says none; a server that looks up our name takes half a minute.
pub(crate) const IMAP_OUT_GREETING: Duration = Duration::from_secs(60);
/// Until something more is said while an answer is awaited: large mailboxes are slow to open.
pub(crate) const IMAP_OUT_REPLY: Duration = Duration::from_secs(3 * 60);
/// To connect.
pub(crate) const IMAP_OUT_CONNECT: Duration = Duration::from_secs(30);
/// A command that makes no progress.
pub(crate) const IMAP_OUT_BLOCK: Duration = Duration::from_secs(60);
/// Octets of UIDs in one command. RFC 7162 4: at least 8000 octets of a line must be taken.
pub(crate) const IMAP_OUT_SET_BYTES: usize = 4_000;

// ---- bringing mail in from another server ----

/// Folders of one account on another server.
pub(crate) const FETCH_FOLDERS: usize = 10_000;
/// UIDs of one folder, held in memory: four octets each.
pub(crate) const FETCH_UIDS: usize = 4_000_000;
/// Messages asked about at a time: flags, dates and sizes are held until they are fetched.
pub(crate) const FETCH_WINDOW_MESSAGES: usize = 500;
/// Messages asked for in one command: few enough that what is refused is found again soon.
pub(crate) const FETCH_AT_ONCE_MESSAGES: usize = 50;
/// And their octets: what is on its way when the person pauses.
pub(crate) const FETCH_AT_ONCE_BYTES: u64 = 4 << 20;
/// Octets of messages that wait to be committed together, compressed or not: with one message of
/// the largest size in work this bounds what fetching holds.
pub(crate) const FETCH_BATCH_BYTES: usize = 4 << 20;
/// Messages in one commit.
pub(crate) const FETCH_BATCH_MESSAGES: usize = 200;
/// Tries to connect in a row without one message more before a run gives up.
pub(crate) const FETCH_TRIES: u32 = 8;
/// A message that a server cannot give now is asked for alone so often, with the waits of a busy
/// server between; then it is passed over, and told. Where more than so many in a row are refused,
/// it is the server that is busy.
pub(crate) const FETCH_REFUSALS: u32 = 3;
pub(crate) const FETCH_PASSED_OVER: u32 = 3;
/// Before the second try; doubled with each.
pub(crate) const FETCH_WAIT: Duration = Duration::from_secs(1);
/// And at the most.
pub(crate) const FETCH_WAIT_AT_MOST: Duration = Duration::from_secs(60);
/// The same for a server that says it is asked for too much.
pub(crate) const FETCH_THROTTLED: Duration = Duration::from_secs(30);
/// A provider that says how long it wants to be left alone is believed up to this; providers close
/// an account for a day at the most.
pub(crate) const FETCH_THROTTLED_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Letters of a folder that the provider says it cannot give now, at one look; with one more all of
/// it is taken to be busy.
pub(crate) const WATCH_REFUSALS: usize = 3;
/// A folder that is watched is looked through as a whole this often: for what goes there after some
/// days, and for what was missed.
pub(crate) const WATCH_WHOLE_SECONDS: i64 = 3600;
/// People whose mail is brought at once: each holds a letter of the largest size, and a board has
/// little memory.
pub(crate) const IMPORT_AT_ONCE: usize = 2;
/// A list of people whose mail is brought: an office has some hundred, and passwords are short. It
/// fits into one request of the command line.
pub(crate) const IMPORT_CSV_BYTES: usize = 512 * 1024;
pub(crate) const IMPORT_CSV_LINES: usize = 1_000;
/// Domains that move here at once: an office has a few.
pub(crate) const MOVES: usize = 20;
/// So long may others remember an MX that is about to change, in seconds: shorter ones are refused
/// by some who offer DNS, and longer ones make the change and the way back slow.
pub(crate) const MOVE_TTL_SECONDS: u32 = 300;
/// When it was not asked again by then, an answer that is remembered elsewhere may have run down
/// from a TTL three times as long.
pub(crate) const MOVE_ASK_AGAIN_SECONDS: i64 = 600;
/// Nothing came the old way for so long: a working day and a weekend.
pub(crate) const MOVE_SILENT_SECONDS: i64 = 3 * 24 * 3600;
/// Days whose letters are told.
pub(crate) const MOVE_DAYS: usize = 60;
/// The last of them, which are shown.
pub(crate) const MOVE_DAYS_SHOWN: usize = 7;
/// How often it is looked whether one is due.
pub(crate) const MOVE_TICK: Duration = Duration::from_secs(30);
/// A line that waited for this long before it broke is opened again at once.
pub(crate) const COLLECT_STOOD: Duration = Duration::from_secs(60);
/// UIDs that share a row of the memory of what was brought: rows stay below a page of the store.
pub(crate) const BROUGHT_PER_ROW: u32 = 128;

const _: () = assert!(FETCH_BATCH_BYTES <= MESSAGE_BYTES);
const _: () = assert!(FETCH_AT_ONCE_MESSAGES <= FETCH_WINDOW_MESSAGES);
