//! Every limit and every time-out, unit last in the name, the reason beside it.
//!
//! A number that bounds what the world may do to the box stands here and nowhere else.

mod backup;
mod collect;
mod gather;
mod machine;
mod storage;
mod web;

pub(crate) use backup::*;
pub(crate) use collect::*;
pub(crate) use gather::*;
pub(crate) use machine::*;
pub(crate) use storage::*;
pub(crate) use web::*;

use std::time::Duration;

// ---- connections ----

/// All connections at once. 500 phones and desktops with three connections each.
pub(crate) const CONNECTIONS_TOTAL: usize = 2_000;
/// Connections from one address. A NAT hides a whole office behind one address, so this is high.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 400;
/// SMTP connections from one outside address: a sender that needs more waits.
pub(crate) const SMTP_CONNECTIONS_PER_ADDRESS: usize = 100;
/// Connections of one account. Phones and desktops each hold several; "too many connections"
/// makes some clients stop for an hour, so this is far above need.
pub(crate) const CONNECTIONS_PER_ACCOUNT: usize = 200;
/// A TLS handshake that takes longer is not a client.
pub(crate) const TLS_HANDSHAKE: Duration = Duration::from_secs(30);
/// One write of output that makes no progress for this long: the peer is dead.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(120);
/// How long sessions have to finish when the server stops.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// How long a closed connection is read on, so that our last words are not cut off.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// Connections that wait for accept.
pub(crate) const ACCEPT_BACKLOG: u32 = 1_024;
/// No connection could be accepted for want of descriptors or memory: the wait before the next try,
/// doubled with each failure in a row, since one connection that ends is enough.
pub(crate) const ACCEPT_WAIT: Duration = Duration::from_millis(10);
/// And the longest such wait: whoever calls meanwhile must not give up.
pub(crate) const ACCEPT_WAIT_AT_MOST: Duration = Duration::from_millis(640);
/// A connection silent for this long is probed: a phone that lost its network says no goodbye.
pub(crate) const KEEPALIVE_IDLE_SECONDS: u32 = 5 * 60;
/// Between probes.
pub(crate) const KEEPALIVE_INTERVAL_SECONDS: u32 = 60;
/// Probes without an answer before the connection is dead.
pub(crate) const KEEPALIVE_PROBES: u32 = 5;
/// How often the certificate's files are looked at.
pub(crate) const CERTIFICATE_LOOK: Duration = Duration::from_secs(5);
/// Bytes read from a socket at a time.
pub(crate) const READ_CHUNK_BYTES: usize = 16 * 1024;
/// Unread bytes kept for a session: above it the socket is not read, TCP slows the peer.
pub(crate) const INPUT_BUFFER_BYTES: usize = 256 * 1024;
/// Output a session makes before it lets the driver write (`Step::Again`).
pub(crate) const OUTPUT_PIECE_BYTES: usize = 64 * 1024;
/// A buffer that grew above this is given back when the connection goes quiet.
pub(crate) const IDLE_BUFFER_BYTES: usize = 1024;

// ---- messages ----

/// The largest message taken in by any way. RFC 1870; told in EHLO and APPENDLIMIT.
pub(crate) const MESSAGE_BYTES: usize = 50 * 1024 * 1024;
/// Messages being received at the same time may hold this much memory together.
pub(crate) const RECEIVING_BYTES: usize = 128 * 1024 * 1024;
/// What of it the messages of one network may hold: one of the largest, or one APPEND; half is left
/// for everybody else, however slow they send.
pub(crate) const RECEIVING_SHARE_BYTES: usize = RECEIVING_BYTES / 2;
/// A body below this is hashed and compressed where it arrives; a larger one on a thread that may
/// block, so that it holds up no connection.
pub(crate) const PREPARE_INLINE_BYTES: usize = 256 * 1024;
/// MIME nesting read; deeper parts are kept as text.
pub(crate) const MIME_DEPTH: usize = 64;
/// MIME parts read in one message; the rest is kept as part of the last.
pub(crate) const MIME_PARTS: usize = 1_000;
/// Texts of a header kept beside a body (subject, addresses, parameters), all together: what a
/// FETCH of ENVELOPE and BODYSTRUCTURE may cost.
pub(crate) const FACTS_BYTES: usize = 256 * 1024;
/// One such text; a longer one is cut. RFC 5322 2.1.1: lines have 998 octets, so this is 16 folds.
pub(crate) const FACT_BYTES: usize = 16 * 1024;
/// Message-IDs that one message refers to: its thread's root and the last ones are enough.
pub(crate) const REFERENCES: usize = 100;
/// Received headers before a message is taken to loop. RFC 5321 6.3 asks for at least 100.
pub(crate) const RECEIVED_HEADERS: usize = 100;

// ---- SMTP ----

/// RFC 5321 4.5.3.1.4: at least 512; SMTPUTF8, DSN and SIZE parameters add to it.
pub(crate) const SMTP_LINE_BYTES: usize = 2_048;
/// RFC 4954 4: base64 lines of at least 12288 must be taken.
pub(crate) const SASL_LINE_BYTES: usize = 12_288;
/// RFC 5321 4.5.3.1.8: at least 100. RFC 9422: told in LIMITS.
pub(crate) const SMTP_RECIPIENTS: usize = 1_000;
/// RFC 9422: messages in one session, told in LIMITS.
pub(crate) const SMTP_MAILS_PER_SESSION: usize = 1_000;
/// RFC 5321 4.5.3.2.7: a server waits at least five minutes for the next command.
pub(crate) const SMTP_COMMAND: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 4.5.3.2.5: three minutes between data blocks.
pub(crate) const SMTP_DATA: Duration = Duration::from_secs(3 * 60);
/// One message may take this long in all, so that a drip of bytes holds no memory for ever.
pub(crate) const SMTP_DATA_TOTAL: Duration = Duration::from_secs(30 * 60);
/// Wrong commands and refused recipients before the connection is closed with 421.
pub(crate) const SMTP_ERRORS: usize = 20;
/// From this error on, each answer is slowed.
pub(crate) const SMTP_TARPIT_AFTER: usize = 5;
/// How much each answer is slowed then.
pub(crate) const SMTP_TARPIT: Duration = Duration::from_secs(1);
/// Refusals of one connection told one by one in its trace; the rest is a number.
pub(crate) const SMTP_REFUSALS_TOLD: usize = 10;
/// Traces of refused connections written a minute: who knocks without end fills no disk.
pub(crate) const SMTP_REFUSED_TRACES_PER_MINUTE: u32 = 60;
/// The same for a day: for as long as stories are kept, some hundred megabytes at the very most.
pub(crate) const SMTP_REFUSED_TRACES_PER_DAY: u32 = 2_000;
/// Of one network in a day, so that who knocks without end leaves room for the stories of others.
pub(crate) const SMTP_REFUSED_TRACES_PER_NETWORK: u32 = 100;

// ---- the outbox ----

/// Deliveries at once, to all domains: each is a connection and a message in memory.
pub(crate) const OUTBOX_AT_ONCE: usize = 50;
/// Deliveries at once to one domain, or over one relay, at first: who has not shown how much it
/// takes is not flooded.
pub(crate) const OUTBOX_PER_PLACE_FIRST: usize = 2;
/// The same after many were served: as much as large servers take from one sender.
pub(crate) const OUTBOX_PER_PLACE: usize = 20;
/// So many refusals in a row, and all that waits for the place is put off: each of them would wait
/// for a connection that does not come.
pub(crate) const OUTBOX_REFUSALS: usize = 3;
/// Messages put off in one write.
pub(crate) const OUTBOX_PUT_OFF_AT_ONCE: usize = 100;
/// Messages being sent may hold this much memory together.
pub(crate) const OUTBOX_SENDING_BYTES: usize = 64 * 1024 * 1024;
/// Messages whose time has come and that wait in memory for their turn: the rest waits on disk.
/// Many, so that one domain that is slow holds up no other; each is some hundred octets.
pub(crate) const OUTBOX_READY: usize = 20_000;
/// Rows read in one snapshot.
pub(crate) const OUTBOX_LOOK: usize = 500;
/// Mail that waits for longer is worth a look: its senders are told about then, too.
pub(crate) const OUTBOX_OLD_SECONDS: i64 = 4 * 3600;
/// Recipients of one delivery. RFC 5321 4.5.3.1.8: every server takes 100.
pub(crate) const OUTBOX_RECIPIENTS: usize = 100;
/// After the first, second, ... failed try; then again and again the last. Greylisting ends within
/// the first; RFC 5321 4.5.4.1 asks for 30 minutes and more later on.
pub(crate) const OUTBOX_WAIT_MINUTES: [u64; 10] = [5, 10, 20, 30, 60, 60, 60, 120, 120, 240];
/// How much a wait is shortened or lengthened by chance.
pub(crate) const OUTBOX_JITTER_PERCENT: u64 = 10;
/// The sender hears that a message is late.
pub(crate) const OUTBOX_DELAY_WARNING: Duration = Duration::from_secs(4 * 3600);
/// RFC 5321 4.5.4.1: the give-up time is at least four to five days.
pub(crate) const OUTBOX_EXPIRES: Duration = Duration::from_secs(5 * 24 * 3600);
/// The clock is looked at this often while nothing is due: it may have been set.
pub(crate) const OUTBOX_LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Before what came of a delivery is written again, when the disk did not take it.
pub(crate) const OUTBOX_WRITE_AGAIN: Duration = Duration::from_secs(5);
/// A report that finds no room on the disk is tried again with its recipient after this.
pub(crate) const OUTBOX_REPORT_AGAIN_SECONDS: i64 = 15 * 60;
/// A larger message does not come back whole in a report, but its header does.
pub(crate) const DSN_WHOLE_BYTES: u64 = 64 * 1024;
/// Steps of one story; then those of failed tries are forgotten first.
pub(crate) const TRACE_STEPS: usize = 200;

// ---- aliases and mail passed on ----

/// Accounts and outside addresses that one address leads to, over all others it leads to: larger
/// lists want a list manager.
pub(crate) const ALIAS_TARGETS: usize = 1_000;
/// Addresses of ours in a row, each leading to the next.
pub(crate) const ALIAS_DEPTH: usize = 8;
/// Outside recipients to whom mail for one address is passed on in a day: above what an office
/// gets, below what puts it onto blocklists when the address is flooded with junk.
pub(crate) const PASSED_PER_DAY: u32 = 1_000;
/// A return address that we made (SRS) takes reports for this long: other servers try for five
/// days, and some tell of it late.
pub(crate) const SRS_DAYS: u64 = 30;
/// Reports handed back to the senders of passed-on mail in a day, in all: who knows one return
/// address must not flood the one behind it through us.
pub(crate) const SRS_RETURNED_PER_DAY: u32 = 500;

// ---- submission ----

/// Recipients outside of this box that one person may write to in a day, unless the settings say
/// otherwise: above what people write, below what gets a whole office onto blocklists when a
/// password is stolen.
pub(crate) const SENT_PER_DAY: u32 = 1_000;
/// What the settings may raise it to.
pub(crate) const SENT_PER_DAY_AT_MOST: u32 = 10_000_000;
/// Bits of an RSA key for signing. RFC 8301 3.2: at least 1024, should be 2048; a longer one does
/// not fit a DNS answer.
pub(crate) const DKIM_RSA_BITS: usize = 2_048;
/// Selectors of one domain: the one in use, the next, and old ones until they are removed.
pub(crate) const DKIM_SELECTORS: usize = 8;
/// How often domains without keys are looked for.
pub(crate) const DKIM_LOOK: Duration = Duration::from_secs(60 * 60);
/// A key file larger than this is none.
pub(crate) const DKIM_KEY_BYTES: u64 = 16 * 1024;

// ---- the door for scanners ----

/// Where devices send to, unless the settings say otherwise: 25 is taken by mail of the world.
pub(crate) const SCANNER_PORT: u16 = 2_525;
/// Recipients that one device may write to in a day, unless the settings say otherwise: far above
/// what is scanned, far below what a device taken over could do harm with.
pub(crate) const SCANNER_PER_DAY: u32 = 500;

// ---- IMAP ----

/// A command line without its literals. RFC 7162 and long UID sets: RFC 2683 3.2.1.5 asks for 8000.
pub(crate) const IMAP_LINE_BYTES: usize = 64 * 1024;
/// All literals of one command that is not APPEND.
pub(crate) const IMAP_LITERAL_BYTES: usize = 256 * 1024;
/// A literal before log-in: only user names and passwords have reason to be one.
pub(crate) const IMAP_LITERAL_BEFORE_LOGIN_BYTES: usize = 4 * 1024;
/// RFC 9051 5.4: at least 30 minutes.
pub(crate) const IMAP_AUTOLOGOUT: Duration = Duration::from_secs(31 * 60);
/// Before log-in nobody has reason to linger.
pub(crate) const IMAP_BEFORE_LOGIN: Duration = Duration::from_secs(60);
/// Untagged OK while idle: keeps NAT entries alive, seldom enough not to drain phones.
pub(crate) const IMAP_IDLE_TICK: Duration = Duration::from_secs(9 * 60 + 30);
/// Wrong commands before the connection is closed with BYE.
pub(crate) const IMAP_ERRORS: usize = 25;
/// Nesting of SEARCH keys and of FETCH and LIST parentheses.
pub(crate) const IMAP_DEPTH: usize = 40;
/// Messages in one MULTIAPPEND.
pub(crate) const IMAP_APPENDS: usize = 100;
/// All messages of one APPEND: they are in memory until they are stored together.
pub(crate) const IMAP_APPEND_BYTES: usize = 64 * 1024 * 1024;
/// Octets of a refused command read and thrown away, so that the next can be read: a message
/// somewhat too large is worth it, more is not.
pub(crate) const IMAP_DISCARD_BYTES: u64 = 128 * 1024 * 1024;
/// The same before log-in.
pub(crate) const IMAP_DISCARD_BEFORE_LOGIN_BYTES: u64 = 1024 * 1024;

/// What HEADER.FIELDS and a search read of one header: far more than any mail program writes.
pub(crate) const IMAP_HEADER_BYTES: u64 = 1 << 20;
/// What a search reads of one text part, decoded: a book fits.
pub(crate) const SEARCH_PART_BYTES: usize = 4 << 20;
/// Different texts of BODY and TEXT keys in one SEARCH: each is looked for in every text part.
pub(crate) const SEARCH_TEXTS: usize = 100;
/// Octets a search reads before it lets others have their turn: some milliseconds.
pub(crate) const SEARCH_PIECE_BYTES: u64 = 4 << 20;
/// What reading the facts of one message counts towards it.
pub(crate) const SEARCH_FACTS_COST_BYTES: usize = 4 * 1024;

// ---- POP3 ----

/// RFC 2449 4: at least 255; a PASS with the longest password fits.
pub(crate) const POP3_LINE_BYTES: usize = 1_024;
/// RFC 1939 3: at least ten minutes.
pub(crate) const POP3_AUTOLOGOUT: Duration = Duration::from_secs(10 * 60);
pub(crate) const POP3_ERRORS: usize = 20;

// ---- log-in ----

/// Failed log-ins on one connection before it is closed.
pub(crate) const LOGIN_FAILURES_PER_CONNECTION: usize = 5;
/// Failures of one address and account together before that pair waits.
pub(crate) const LOGIN_FAILURES_BEFORE_DELAY: u32 = 3;
/// The longest wait the throttle makes a log-in suffer.
pub(crate) const LOGIN_DELAY: Duration = Duration::from_secs(8);
/// A pair of address and account is forgotten after this long without failure.
pub(crate) const LOGIN_MEMORY: Duration = Duration::from_secs(15 * 60);
/// Attempts of one outside pair that wait for their turn; above it they are turned away.
pub(crate) const LOGIN_QUEUE: Duration = Duration::from_secs(40);
/// Accounts that one address may fail for before it waits for each further one.
pub(crate) const LOGIN_NAMES_BEFORE_DELAY: u32 = 10;
/// Letters of a wrong log-in name that are shown: it may be a password in the wrong field.
pub(crate) const LOGIN_NAME_SHOWN: usize = 64;
/// Pairs remembered at most; the oldest goes first.
pub(crate) const LOGIN_PAIRS: usize = 10_000;
/// argon2 runs at once: each takes 19 MiB and a core for tens of milliseconds.
pub(crate) const ARGON2_AT_ONCE: usize = 2;
/// Log-ins of one network that wait for argon2; above it they are told to come later.
pub(crate) const ARGON2_WAITING: usize = 200;
/// Successful passwords remembered at most.
pub(crate) const LOGIN_CACHED: usize = 4_000;
/// A successful password is remembered this long as a keyed hash: phones poll every minute.
pub(crate) const LOGIN_CACHE: Duration = Duration::from_secs(10 * 60);
/// RFC 7677 4: at least 4096 iterations of PBKDF2.
pub(crate) const SCRAM_ITERATIONS: u32 = 10_000;
/// Credentials of one account: the password and app passwords, each tried at log-in.
pub(crate) const CREDENTIALS_PER_ACCOUNT: usize = 20;
/// The name of an app password, as shown in lists.
pub(crate) const LABEL_BYTES: usize = 100;
/// A password longer than this is not typed by a person.
pub(crate) const PASSWORD_BYTES: usize = 512;

// ---- store ----

/// How long a store in use by another process is waited for before that is told.
pub(crate) const STORE_LOCK: Duration = Duration::from_millis(400);
/// Address space for the map at first; grows when no transaction is open.
pub(crate) const MAP_BYTES: usize = 4 << 30;
/// Growth step of the map.
pub(crate) const MAP_STEP_BYTES: usize = 4 << 30;
/// Readers at once; each is one short snapshot.
pub(crate) const READERS: u32 = 510;
/// The file grows by zeroed pieces so that a commit does not change its length (a third flush).
pub(crate) const FILE_AHEAD_BYTES: u64 = 1 << 20;
/// Raw bytes of a body compressed together.
pub(crate) const BODY_BLOCK_BYTES: usize = 64 * 1024;
/// A row of a body: fits four pages of the engine with their header.
pub(crate) const BODY_PART_BYTES: usize = 16_280;
/// Writes waiting for the writer; above it callers wait.
pub(crate) const WRITE_QUEUE: usize = 1_024;
/// Writes that share one commit.
pub(crate) const WRITES_PER_COMMIT: usize = 256;
/// Messages that one write removes or moves, so that a mailbox of a hundred thousand keeps nobody
/// waiting: each such write is about as much as the deliveries of one busy commit.
pub(crate) const MESSAGES_PER_WRITE: usize = 500;
/// Rows that it looks through for them.
pub(crate) const ROWS_PER_WRITE: usize = 20_000;
/// Free disk space below which new mail is refused with 4xx while deleting still works.
pub(crate) const DISK_RESERVE_BYTES: u64 = 32 << 20;
/// Mailboxes of one account.
pub(crate) const MAILBOXES_PER_ACCOUNT: usize = 10_000;
/// A mailbox name in UTF-8.
pub(crate) const MAILBOX_NAME_BYTES: usize = 1_000;
/// Levels of a mailbox name.
pub(crate) const MAILBOX_LEVELS: usize = 100;
/// Keywords known to one mailbox.
pub(crate) const KEYWORDS_PER_MAILBOX: usize = 250;
/// One keyword.
pub(crate) const KEYWORD_BYTES: usize = 200;
/// Runs of expunged uids remembered per mailbox for QRESYNC; older clients get a longer VANISHED
/// list.
pub(crate) const EXPUNGES_REMEMBERED: usize = 10_000;
/// Runs of expunged uids in one row: few pages, so that no long run of free pages is needed.
pub(crate) const EXPUNGES_PER_ROW: usize = 1_000;
/// The row of what is known of one body; what would fill more is read anew when it is asked for.
pub(crate) const FACTS_ROW_BYTES: usize = 64 * 1024;
/// References of a message looked up to find its thread: the nearest are the last.
pub(crate) const THREAD_REFERENCES: usize = 50;
/// Faults that verify lists one by one; a store with more has one big fault.
pub(crate) const FAULTS_LISTED: usize = 1_000;
/// How long a new reader gives way to one who needs the engine alone, before it goes in all the
/// same: it may be the same thread that already reads.
pub(crate) const GATE_PATIENCE: Duration = Duration::from_millis(50);
/// People in one of the 256 rows of those whom a person knows: 16,384 in all, and no row fills more
/// than a quarter of a page.
pub(crate) const KNOWN_PER_ROW: usize = 64;
/// Messages moved to or from Junk at once whose authors are learnt.
pub(crate) const KNOWN_LEARNT_AT_ONCE: usize = 100;
/// Events waiting for one watching session; above it the session reads the mailbox anew.
pub(crate) const WATCH_QUEUE: usize = 1_000;
/// Messages examined in one read snapshot: readers must stay short or pages are not reused.
pub(crate) const SNAPSHOT_MESSAGES: usize = 2_000;
/// Stories of messages are kept this long.
pub(crate) const TRACE_DAYS: u64 = 90;
/// The default quota of an account; 0 means none.
pub(crate) const QUOTA_BYTES: u64 = 0;

/// Messages of an import that share one commit, so that each costs little and a cut loses few.
pub(crate) const IMPORT_BATCH_MESSAGES: usize = 64;
/// Octets of such messages: bounds the memory of an import and how long it keeps others waiting.
pub(crate) const IMPORT_BATCH_BYTES: usize = 8 << 20;

// ---- the check at night ----

/// Rows looked at in one snapshot.
pub(crate) const CHECK_SLICE_ROWS: usize = 500;
/// Octets looked at in one snapshot; only the content of one mail may be more.
pub(crate) const CHECK_SLICE_BYTES: u64 = 2 << 20;
/// Octets in a second: a fifth of what a slow card gives, and 64 GB in one night.
pub(crate) const CHECK_OCTETS_PER_SECOND: u64 = 4 << 20;
/// The rest between two slices, at the least: others want to read too.
pub(crate) const CHECK_REST: Duration = Duration::from_millis(2);
/// Times that a mailbox is looked at which changes meanwhile.
pub(crate) const CHECK_ROUNDS: u32 = 3;
/// Bodies whose references are counted: with more, some 30 MB, they are not.
pub(crate) const CHECK_BODIES: usize = 1_000_000;
/// Faults that are kept for the owner; `verify` tells all.
pub(crate) const CHECK_FAULTS_KEPT: usize = 20;
/// The hour (UTC) at which it begins, unless the settings say otherwise: from the Americas to
/// Australia few offices work.
pub(crate) const CHECK_HOUR: u8 = 2;
/// A server that is started so much later still begins in that night.
pub(crate) const CHECK_WINDOW_SECONDS: i64 = 3 * 3600;
/// A box that never runs at night is checked by day when the last check is older.
pub(crate) const CHECK_OVERDUE_SECONDS: i64 = 3 * 24 * 3600;
/// And then not before the server has run for so long.
pub(crate) const CHECK_AFTER_START_SECONDS: i64 = 3600;
/// How often the clock is looked at until then: it may be set meanwhile.
pub(crate) const CHECK_LOOK: Duration = Duration::from_secs(10 * 60);
/// A last check that is older is told of.
pub(crate) const CHECK_OLD_SECONDS: i64 = 8 * 24 * 3600;

// ---- salvage ----

/// Octets of a damaged file read at once; where the disk fails it is read again page by page.
pub(crate) const SALVAGE_WINDOW_BYTES: usize = 1 << 20;
/// Heads looked at to find out how large the pages of a file are that has no readable beginning.
pub(crate) const SALVAGE_SAMPLES: u64 = 10_000;
/// Octets of found rows held in memory before they go to a file to be sorted.
pub(crate) const SALVAGE_SORT_BYTES: usize = 16 << 20;
/// Such files read together: descriptors, and a buffer each.
pub(crate) const SALVAGE_SORT_FILES: usize = 64;
/// The largest row read that is no part of a body: an outgoing message with all its recipients.
pub(crate) const SALVAGE_ROW_BYTES: usize = 4 << 20;
/// Pages of the longest run that holds one row of ours, with room to spare.
pub(crate) const SALVAGE_RUN_PAGES: u64 = 1_024;
/// Levels of a tree: with two children a page these are more pages than any disk has.
pub(crate) const SALVAGE_TREE_DEPTH: usize = 64;
/// Ranges of lost keys told apart; with more, neighbours become one.
pub(crate) const SALVAGE_GAPS: usize = 100_000;
/// Runs of expunged uids remembered: 8 octets each.
pub(crate) const SALVAGE_EXPUNGES: usize = 4_000_000;
/// Memory of the process that reads: sorting, a map of the pages, and the largest message thrice.
pub(crate) const SALVAGE_MEMORY_BYTES: u64 = 512 << 20;
/// Time on a core that it may take for any file, and how many octets it must do in one second of
/// it beside: a small board does ten times as many.
pub(crate) const SALVAGE_CPU: Duration = Duration::from_secs(10 * 60);
pub(crate) const SALVAGE_OCTETS_PER_CPU_SECOND: u64 = 1 << 20;
/// How often it says that it goes on.
pub(crate) const SALVAGE_BEAT: Duration = Duration::from_secs(10);
/// A process that comes no further for so long hangs: a dying card takes minutes for a block.
pub(crate) const SALVAGE_STALL: Duration = Duration::from_secs(30 * 60);
/// Copies of parts of one mail that are looked at: some of each part of the largest message.
pub(crate) const SALVAGE_SPOTS: usize = 50_000;

// ---- events ----

/// Log lines kept in memory.
pub(crate) const EVENT_RING: usize = 5_000;

// ---- the server ----

/// Stack of a worker thread; futures live on the heap.
pub(crate) const THREAD_STACK_BYTES: usize = 1 << 20;
/// Threads for argon2 and files; more would wait for cores.
pub(crate) const BLOCKING_THREADS: usize = 16;
/// After [`SHUTDOWN_GRACE`], how long the rest may take before the process ends.
pub(crate) const SHUTDOWN_REST: Duration = Duration::from_secs(1);
/// What starting needed of the program's own memory is let go after this.
pub(crate) const START_SETTLES: Duration = Duration::from_secs(1);
/// And later what ran now and then: a check of the store, a backup. Used parts come back in less
/// than a millisecond.
pub(crate) const PROGRAM_LOOK: Duration = Duration::from_secs(10 * 60);
/// The first wait before a failed unit is started again; each further one is twice as long.
pub(crate) const RESTART_WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait before a failed unit is started again.
pub(crate) const RESTART_WAIT: Duration = Duration::from_secs(60);
/// The owner hears this many days before a certificate ends.
pub(crate) const CERTIFICATE_WARN_DAYS: i64 = 14;
/// How often old traces are looked for.
pub(crate) const TRACE_LOOK: Duration = Duration::from_secs(60 * 60);
/// Days of silence before the last ones after which no story is forgotten: the clock may have
/// jumped.
pub(crate) const TRACE_SILENCE_DAYS: u64 = 7;
/// So many last days are no proof of the clock, for they may be of after the jump.
pub(crate) const TRACE_DOUBT_DAYS: u64 = 3;
/// Traces forgotten in one write.
pub(crate) const TRACES_AT_ONCE: usize = 500;
/// Before the next of them, so that mail waits for nothing.
pub(crate) const TRACES_REST: Duration = Duration::from_secs(1);

// ---- sending to other servers ----

/// To connect to one address of a host; RFC 5321 has no number, and another may answer.
pub(crate) const SMTP_OUT_CONNECT: Duration = Duration::from_secs(30);
/// RFC 5321 4.5.3.2.1: the greeting.
pub(crate) const SMTP_OUT_GREETING: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 4.5.3.2.2 and .3: MAIL and RCPT; the commands beside them likewise.
pub(crate) const SMTP_OUT_COMMAND: Duration = Duration::from_secs(5 * 60);
/// RFC 5321 4.5.3.2.4: DATA.
pub(crate) const SMTP_OUT_DATA: Duration = Duration::from_secs(2 * 60);
/// RFC 5321 4.5.3.2.5: a block of the message.
pub(crate) const SMTP_OUT_BLOCK: Duration = Duration::from_secs(3 * 60);
/// RFC 5321 4.5.3.2.6: the reply to the whole message.
pub(crate) const SMTP_OUT_END: Duration = Duration::from_secs(10 * 60);
/// One try of one message in all, whatever the hosts do to draw it out.
pub(crate) const SMTP_OUT_TOTAL: Duration = Duration::from_secs(60 * 60);
/// An idle connection is kept this long: the next message of a batch comes at once or not at all.
pub(crate) const SMTP_OUT_IDLE: Duration = Duration::from_secs(3);
/// Messages over one connection; some servers refuse more.
pub(crate) const SMTP_OUT_MESSAGES: usize = 50;
/// Idle connections kept at once.
pub(crate) const SMTP_OUT_IDLE_KEPT: usize = 50;
/// Commands under way at once: replies to this many fit every buffer between us.
pub(crate) const SMTP_OUT_PIPELINE: usize = 100;
/// Hosts of a domain that are tried. RFC 5321 5.1: at least two.
pub(crate) const SMTP_OUT_HOSTS: usize = 8;
/// Addresses tried for one message.
pub(crate) const SMTP_OUT_ADDRESSES: usize = 10;
/// Hosts that may put a recipient off until later (4xx) in one try. RFC 5321 5.1: at least two;
/// more would ask every backup of a domain that is greylisting.
pub(crate) const SMTP_OUT_SESSIONS: usize = 2;
/// One line of a reply; RFC 5321 4.5.3.1.5 says 512, some write more.
pub(crate) const SMTP_REPLY_LINE_BYTES: usize = 4 * 1024;
/// A whole reply: the longest EHLO answers have some hundred octets.
pub(crate) const SMTP_REPLY_BYTES: usize = 64 * 1024;
/// One try of one name server.
pub(crate) const DNS_TRY: Duration = Duration::from_secs(5);
/// Tries after the first.
pub(crate) const DNS_TRIES: usize = 2;
/// A question with all its tries and name servers.
pub(crate) const DNS_QUESTION: Duration = Duration::from_secs(30);
/// Records of one answer that are looked at.
pub(crate) const DNS_RECORDS: usize = 50;
/// Aliases that one name may lead over.
pub(crate) const DNS_ALIASES: usize = 16;
/// Name servers that pass on no proofs of DNSSEC are tried again after this.
pub(crate) const DNSSEC_AGAIN: Duration = Duration::from_secs(10 * 60);
/// And name servers that did are held to it for this long after the last time: a day of waiting is
/// better than mail that comes back, and than no DNSSEC as soon as somebody strips it off.
pub(crate) const DNSSEC_LAPSES: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers remembered.
pub(crate) const DNS_REMEMBERED: u64 = 2_000;
/// The longest time that an answer is remembered, whatever its owner allows.
pub(crate) const DNS_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for "there is nothing": a record that was just made should be found soon.
pub(crate) const DNS_MEMORY_OF_NOTHING: Duration = Duration::from_secs(5 * 60);

// ---- MTA-STS and TLS reports ----

/// A policy of MTA-STS. RFC 8461 3.3: senders may limit it, to 64 KiB or more.
pub(crate) const STS_POLICY_BYTES: usize = 64 * 1024;
/// Entries of mx in a policy that are kept: large providers have some ten.
pub(crate) const STS_MX: usize = 200;
/// Fetching a policy, all in all. RFC 8461 3.3: about a minute; mail waits for it meanwhile.
pub(crate) const STS_FETCH: Duration = Duration::from_secs(30);
/// A policy that could not be fetched is asked for again after this. RFC 8461 3.3: five minutes
pub(crate) const STS_FETCH_AGAIN: Duration = Duration::from_secs(5 * 60);
/// A policy older than this is fetched anew when it is used, and in the background. RFC 8461 3.3:
/// about once a day
pub(crate) const STS_REFRESH_SECONDS: i64 = 24 * 3600;
/// How often policies are looked through for old ones.
pub(crate) const STS_LOOK: Duration = Duration::from_secs(60 * 60);
/// Policies kept; the one fetched longest ago goes first.
pub(crate) const STS_POLICIES: usize = 5_000;
/// Domains whose last fetch is remembered in memory.
pub(crate) const STS_TRIED: usize = 10_000;
/// The header of an answer over HTTP.
pub(crate) const HTTP_HEADER_BYTES: usize = 16 * 1024;
/// How long counts of TLS wait in memory to be written together.
pub(crate) const TLS_COUNTS_WRITE: Duration = Duration::from_secs(60);
/// Days of counts that are kept: enough to see what changed last month.
pub(crate) const TLS_COUNT_DAYS: u32 = 35;
/// Domains counted in one day; what is above is counted together.
pub(crate) const TLS_COUNT_DOMAINS: usize = 2_000;
/// Addresses that one domain may want its reports at.
pub(crate) const TLS_REPORT_ADDRESSES: usize = 3;
/// Reports on a day go out when so much of the next has passed. RFC 8460 4.1: some hours
pub(crate) const TLS_REPORTS_AFTER_SECONDS: i64 = 2 * 3600;
/// Reports made in one go; the rest waits for the next hour.
pub(crate) const TLS_REPORTS_AT_ONCE: usize = 200;

// ---- certificates of an authority ----

/// One answer of an authority: a chain of certificates is some 10 KiB.
pub(crate) const ACME_ANSWER_BYTES: usize = 256 * 1024;
/// One question to it, with the connection.
pub(crate) const ACME_ANSWER: Duration = Duration::from_secs(60);
/// How long it may take to look at our proofs, and to make the certificate.
pub(crate) const ACME_CHECKED: Duration = Duration::from_secs(3 * 60);
/// A whole try, whatever the authority and the name servers do to draw it out.
pub(crate) const ACME_TRY: Duration = Duration::from_secs(20 * 60);
/// Until all name servers of a zone show a record that we wrote.
pub(crate) const ACME_RECORD_SEEN: Duration = Duration::from_secs(2 * 60);
/// How often they are asked meanwhile.
pub(crate) const ACME_RECORD_LOOK: Duration = Duration::from_secs(2);
/// How often the command line looks whether the server has got a certificate: a person waits.
pub(crate) const ACME_ANSWER_LOOK: Duration = Duration::from_millis(200);
/// Names in one certificate: most authorities allow a hundred.
pub(crate) const ACME_NAMES: usize = 100;
/// RFC 9773 4.3.2: when a renewal window is asked for again, within these bounds.
pub(crate) const ACME_WINDOW_LEAST: Duration = Duration::from_secs(60);
pub(crate) const ACME_WINDOW_MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// RFC 9773 4.3.3: and when that failed.
pub(crate) const ACME_WINDOW_AGAIN_SECONDS: i64 = 6 * 3600;
/// How often it is looked whether it is time.
pub(crate) const ACME_LOOK_SECONDS: i64 = 60;
/// How often it is looked whether the owner asks: he waits for it.
pub(crate) const ACME_ASKED_LOOK: Duration = Duration::from_secs(1);
/// How often it is looked for records that the owner writes: a few questions each time.
pub(crate) const ACME_BY_HAND_LOOK_SECONDS: i64 = 15;
/// How often it is looked which names lead to this box.
pub(crate) const ACME_NAMES_LOOK_SECONDS: i64 = 3600;

// ---- what strangers get by HTTP ----

/// The body of a request: Outlook's has some 400 octets.
pub(crate) const PUBLIC_BODY_BYTES: u64 = 8 * 1024;
/// An address that is asked about. RFC 5321 4.5.3.1.3
pub(crate) const ADDRESS_BYTES: usize = 254;

// ---- checks of arriving mail ----

/// All questions about one message. RFC 7208 4.6.4: at least 20 seconds; the other server waits for
/// ten minutes (RFC 5321 4.5.3.2.6).
pub(crate) const CHECKS: Duration = Duration::from_secs(20);
/// What DMARC has on top of it, since it begins when SPF and DKIM are done.
pub(crate) const CHECKS_DMARC: Duration = Duration::from_secs(10);
/// How far into a message its authors are read; a From field behind it is one too many.
pub(crate) const CLAIMS_BYTES: usize = 256 * 1024;
/// RFC 7208 4.6.4: terms of SPF records that ask a name server.
pub(crate) const SPF_TERMS: usize = 10;
/// RFC 7208 4.6.4: of these may come back empty.
pub(crate) const SPF_VOIDS: usize = 2;
/// RFC 7208 4.6.4: names that one mx or ptr looks at.
pub(crate) const SPF_NAMES: usize = 10;
/// Domains of authors of one message whose DMARC records are asked for: mail has one.
pub(crate) const DMARC_DOMAINS: usize = 5;
/// Authors of one message that a person may know: mail has one or two.
pub(crate) const AUTHORS_KNOWN: usize = 5;
/// Signatures of one message that are checked: mail of large senders has two or three.
pub(crate) const DKIM_CHECKED: usize = 8;
/// Names of an address that are checked.
pub(crate) const IPREV_NAMES: usize = 5;
/// Links of an ARC chain that are checked; RFC 8617 5.1.1.2 allows 50, real ways have few.
pub(crate) const ARC_LINKS: usize = 10;
/// Blocklists asked about each message.
pub(crate) const BLOCKLISTS: usize = 10;
/// With greylisting: how soon a second try is believed. Servers come again after some minutes.
pub(crate) const GREYLIST_WAIT: Duration = Duration::from_secs(2 * 60);
/// How long the first try is remembered.
pub(crate) const GREYLIST_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How many first tries are.
pub(crate) const GREYLIST_REMEMBERED: usize = 20_000;
/// RFC 5782 5: how long the test entries of a blocklist are believed.
pub(crate) const BLOCKLIST_TESTED: Duration = Duration::from_secs(24 * 60 * 60);
/// A list that failed its test is tested again after this.
pub(crate) const BLOCKLIST_FAILED: Duration = Duration::from_secs(60 * 60);

// ---- settings ----

/// A settings file larger than this is not one.
pub(crate) const SETTINGS_BYTES: usize = 256 * 1024;
/// Names in a file of a later version that are passed over; with more it is no file of ours.
pub(crate) const SETTINGS_PASSED_OVER: usize = 100;

// ---- control socket ----

/// One request of the command line tool.
pub(crate) const CONTROL_REQUEST_BYTES: usize = 1 << 20;
/// One line of the answer: a list of all accounts or of many stories.
pub(crate) const CONTROL_LINE_BYTES: usize = 64 << 20;
/// The caller has its request ready before it calls.
pub(crate) const CONTROL_REQUEST: Duration = Duration::from_secs(10);
/// Acts at once: an owner at a terminal and a few scripts.
pub(crate) const CONTROL_CALLERS: usize = 16;
/// After a caller could not be let in (no descriptors left), before the next is.
pub(crate) const CONTROL_BREATH: Duration = Duration::from_millis(500);
/// The disk of the store has less than this part of it left, in percent: time to act.
pub(crate) const DISK_LOW_PERCENT: u64 = 10;
/// A store file smaller than this is never told to be compacted: there is nothing to win.
pub(crate) const STORE_WORTH_COMPACTING_BYTES: u64 = 256 << 20;
/// A certificate that ends sooner than this is told of: two weeks to find out why it was not
/// replaced.
pub(crate) const CERTIFICATE_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Large receivers that `check` calls to see whether mail gets out: what is closed to all of them
/// is closed to the world.
pub(crate) const CHECK_RECEIVERS: [&str; 4] = ["gmail.com", "outlook.com", "gmx.net", "icloud.com"];
/// A server that takes no call in this time is behind something that drops it.
pub(crate) const CHECK_CALL: Duration = Duration::from_secs(10);
/// To wait for a greeting or an answer; nobody makes a mail wait so short, but an owner does.
pub(crate) const CHECK_REPLY: Duration = Duration::from_secs(15);
/// Questions to the name servers at once.
pub(crate) const CHECK_AT_ONCE: usize = 8;
/// Domains whose records are looked at.
pub(crate) const CHECK_DOMAINS: usize = 50;
/// Addresses of the box, and names of one address, that are looked at.
pub(crate) const CHECK_NAMES: usize = 4;
/// A port of this machine that does not take a connection in this time is not served.
pub(crate) const PORT_PROBE: Duration = Duration::from_secs(2);
/// Stories shown by one `trace`, unless asked for another number.
pub(crate) const TRACE_SHOWN: usize = 20;
/// Stories that one `trace` may ask for.
pub(crate) const TRACE_SHOWN_AT_MOST: usize = 10_000;
/// Messages shown by one `outbox list`, unless asked for another number.
pub(crate) const OUTBOX_SHOWN: usize = 100;

/// Days shown by `tls counts`, unless asked for another number.
pub(crate) const TLS_DAYS_SHOWN: u32 = 7;

const _: () = assert!(SMTP_RECIPIENTS >= 100);
const _: () = assert!(SRS_DAYS < TRACE_DAYS, "the story of a message knows its sender");
const _: () = assert!(SRS_DAYS > OUTBOX_EXPIRES.as_secs() / 86_400 && SRS_DAYS < 1_024);
const _: () = assert!(IMAP_AUTOLOGOUT.as_secs() >= 30 * 60);
const _: () = assert!(IMAP_IDLE_TICK.as_secs() < IMAP_AUTOLOGOUT.as_secs());
const _: () = assert!(POP3_LINE_BYTES > PASSWORD_BYTES + 7);
const _: () = assert!(POP3_AUTOLOGOUT.as_secs() >= 10 * 60);
const _: () = assert!(MESSAGE_BYTES <= RECEIVING_BYTES);
const _: () = assert!(MESSAGE_BYTES <= OUTBOX_SENDING_BYTES);
const _: () = assert!(OUTBOX_PER_PLACE_FIRST <= OUTBOX_PER_PLACE);
const _: () = assert!(OUTBOX_PER_PLACE * 2 <= OUTBOX_AT_ONCE, "one place leaves room for others");
const _: () = assert!(OUTBOX_DELAY_WARNING.as_secs() < OUTBOX_EXPIRES.as_secs());
const _: () = assert!(MESSAGE_BYTES <= IMAP_APPEND_BYTES);
const _: () = assert!(IMAP_APPEND_BYTES <= RECEIVING_SHARE_BYTES);
const _: () = assert!(RECEIVING_SHARE_BYTES * 2 <= RECEIVING_BYTES);
const _: () = assert!(IMAP_LITERAL_BYTES >= IMAP_LITERAL_BEFORE_LOGIN_BYTES);
const _: () = assert!(BODY_BLOCK_BYTES < 8 * BODY_PART_BYTES, "a part is block * 8 + piece");
const _: () = assert!(BODY_PART_BYTES + 84 <= 4 * 4096 - 16, "a part and its row head fit 4 pages");
const _: () = assert!(SCRAM_ITERATIONS >= 4096);
const _: () = assert!(SMTP_OUT_END.as_secs() >= 10 * 60 && SMTP_OUT_DATA.as_secs() >= 2 * 60);
const _: () = assert!(SMTP_REPLY_LINE_BYTES <= SMTP_REPLY_BYTES);
