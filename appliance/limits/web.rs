//! Limits of the setup page: of its connections, requests, sessions and forms.

use std::time::Duration;

// ---- connections ----

/// Web connections at once: an office looks at few pages, and mail must not wait for them.
pub(crate) const WEB_CONNECTIONS: usize = 200;
/// Connections at once that hear why a box under repair serves no mail, how long each may take, and
/// octets of a browser's request before it.
pub(crate) const NOTICES: usize = 100;
pub(crate) const NOTICE: Duration = Duration::from_secs(10);
pub(crate) const NOTICE_HEAD_BYTES: usize = 16 << 10;
/// Of one address: browsers open six to a name; a NAT may hide some people.
pub(crate) const WEB_CONNECTIONS_PER_ADDRESS: usize = 40;
/// A connection on which no request begins is closed after this.
pub(crate) const WEB_IDLE: Duration = Duration::from_secs(30);
/// A head, once begun, is whole within this: it is one packet of a browser that is there.
pub(crate) const WEB_HEAD: Duration = Duration::from_secs(10);
/// No octet of a body for this long: the browser is gone.
pub(crate) const WEB_STALL: Duration = Duration::from_secs(20);
/// A body takes no longer than this and its octets at the slowest pace.
pub(crate) const WEB_BODY: Duration = Duration::from_secs(30);
/// The slowest pace of a large upload: a phone at the edge of the wireless network.
pub(crate) const WEB_OCTETS_PER_SECOND: u64 = 32 * 1024;
/// A page is there within this: the slowest looks at the world, which takes a minute.
pub(crate) const WEB_REPLY: Duration = Duration::from_secs(180);
/// Line and headers of a request: browsers send about one KiB.
pub(crate) const WEB_HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request.
pub(crate) const WEB_HEADERS: usize = 64;
/// Path and query of a request.
pub(crate) const WEB_TARGET_BYTES: usize = 2 * 1024;
/// The head of our own reply.
pub(crate) const WEB_REPLY_HEAD_BYTES: usize = 16 * 1024;
/// The body of a request: a form, or a list of people to paste.
pub(crate) const WEB_BODY_BYTES: u64 = 512 * 1024;
/// The head of a part of a form with a file: a name, and the path that some browsers give.
pub(crate) const UPLOAD_HEAD_BYTES: usize = 8 * 1024;
/// A field of such a form beside the file: a token.
pub(crate) const UPLOAD_FIELD_BYTES: usize = 8 * 1024;

// ---- pages ----

/// Threads that make pages: few, since each may wait for the disk and none for a browser.
pub(crate) const PAGE_THREADS: usize = 4;
/// No page is larger, so that it is there at once on a phone.
pub(crate) const PAGE_BYTES: usize = 60 * 1024;
/// Fields of a form.
pub(crate) const FORM_FIELDS: usize = 400;
/// A person's name.
pub(crate) const PERSON_NAME_LETTERS: usize = 100;
/// People in one pasted list: each takes a moment for the password.
pub(crate) const PEOPLE_AT_ONCE: usize = 200;
/// Room of one person, in gigabytes: more than any disk that a board has.
pub(crate) const QUOTA_GIGABYTES_AT_MOST: u64 = 100_000;
/// Servers of others that are tried for somebody who waits on a page, at once: each is a thread
/// that mostly waits. Results that nobody came to see are forgotten after a while.
pub(crate) const TRIALS_AT_ONCE: usize = 12;
pub(crate) const TRIALS_KEPT: usize = 200;
pub(crate) const TRIAL_KEPT_MILLIS: u64 = 30 * 60 * 1000;
/// A call for the servers of an address waits so long for them: most answer in it, and there are
/// few threads for pages.
pub(crate) const FIND_WAIT: Duration = Duration::from_secs(2);
/// Rows of one list on a page; the rest is behind "more".
pub(crate) const PAGE_ROWS: usize = 50;

/// Hours that the first page shows mail of.
pub(crate) const TALLY_HOURS: i64 = 24;
/// Stories that are counted in one snapshot, and such turns of one request: some milliseconds. On
/// the day of a flood the page counts on while it is looked at.
pub(crate) const TALLY_STORIES: usize = 500;
pub(crate) const TALLY_TURNS: usize = 8;
/// Stories that one search looks at; where it ends, a link goes on.
pub(crate) const TRACE_LOOKS: usize = 2_000;
/// What is looked for in stories: an address or a Message-ID is no longer than that is useful.
pub(crate) const TRACE_TEXT_LETTERS: usize = 200;
/// Letters of one text in a list, such as an address or a subject; the page of the one has it all.
pub(crate) const LIST_LETTERS: usize = 80;
/// Letters of what another server said, in the list of the queue: the trace has it all.
pub(crate) const QUEUE_LETTERS: usize = 240;
/// Messages on one page of the queue: each takes some lines.
pub(crate) const QUEUE_ROWS: usize = 15;
/// Steps of one story on its page: the first and the last; a message that was tried for days has
/// many alike between.
pub(crate) const STORY_FIRST: usize = 12;
pub(crate) const STORY_LAST: usize = 28;
/// Letters of one text in it: a reply may have 64 KiB, and says what it says at its begin.
pub(crate) const STORY_LETTERS: usize = 600;
/// Lines of the log on a page, and letters of each: the support file has all of them.
pub(crate) const LOG_ROWS: usize = 100;
pub(crate) const LOG_LETTERS: usize = 300;
/// Octets of all these lines: with what stands around them they must fit into [`PAGE_BYTES`].
pub(crate) const LOG_PAGE_BYTES: usize = 32 * 1024;
/// Letters of a line of the log in the support file: a peer's words may be long.
pub(crate) const SUPPORT_LETTERS: usize = 1_000;
/// A secret with fewer letters stands in lines by chance; no line is left out for it.
pub(crate) const SECRET_LETTERS: usize = 4;
/// Sessions that are listed.
pub(crate) const SESSION_ROWS: usize = 30;
/// Findings that the first page lists: who has more has one trouble with many faces.
pub(crate) const HOME_FINDINGS: usize = 25;

// ---- looks at the world ----

/// How old the last look may be: then the world is looked at again by itself.
pub(crate) const WORLD_LOOK_SECONDS: i64 = 24 * 3600;
/// How often that is thought of; the first time this long after the start.
pub(crate) const WORLD_LOOK: Duration = Duration::from_secs(15 * 60);
/// Changes that are kept to be shown.
pub(crate) const WORLD_CHANGES: usize = 40;
/// And for how long: whoever has not seen it by then has seen the state itself.
pub(crate) const WORLD_CHANGES_SECONDS: i64 = 14 * 24 * 3600;

// ---- people who leave ----

/// Days between closing an account and the end of its mail: long enough to miss somebody.
pub(crate) const LEAVING_DAYS: u32 = 30;
/// How often the days of closed accounts are counted.
pub(crate) const LEAVING_LOOK: Duration = Duration::from_secs(60 * 60);
/// A letter from outside is awaited for so long on the page of the setup: one that was tried again
/// later by its server has come by then.
pub(crate) const LETTER_AWAITED_SECONDS: i64 = 30 * 60;

// ---- who may ----

/// Sessions at once; the one that was quiet longest goes.
pub(crate) const WEB_SESSIONS: usize = 500;
/// A session that is quiet for this long has ended: a browser left open in an office.
pub(crate) const WEB_SESSION_IDLE: Duration = Duration::from_secs(60 * 60);
/// And this long after its log-in in any case.
pub(crate) const WEB_SESSION_TOTAL: Duration = Duration::from_secs(12 * 60 * 60);
/// Wrong setup codes before the wait: with 40 bits nobody guesses it, and a person mistypes.
pub(crate) const CODE_TRIES: u32 = 10;
/// The wait after them, in which the right code is not taken either.
pub(crate) const CODE_WAIT: Duration = Duration::from_secs(10 * 60);
/// The shortest password of the owner: it opens everything, and only on the LAN.
pub(crate) const OWNER_PASSWORD_LETTERS: usize = 10;
/// RFC 6238 5.2: one step before and after is taken, for clocks that differ.
pub(crate) const TOTP_SKEW_STEPS: u64 = 1;
/// The shortest password that people choose for themselves: guesses are slowed, and it opens one
/// person's mail.
pub(crate) const PERSON_PASSWORD_LETTERS: usize = 8;
/// Pairs of address and name whose log-ins failed that are remembered, in memory.
pub(crate) const DENIED_KEPT: usize = 200;
/// How long the addresses of the network's interfaces are believed.
pub(crate) const LAN_LOOK: Duration = Duration::from_secs(5);

/// Programs that act for the owner: more than anybody keeps in mind.
pub(crate) const API_TOKENS: usize = 20;
/// Rows of one list that a program asks for, unless it says how many.
pub(crate) const API_ROWS: usize = 100;
/// And at most: what it gets is made in memory.
pub(crate) const API_ROWS_AT_MOST: usize = 1_000;
/// What stories are searched for: it stands in the address of the call.
pub(crate) const API_TEXT_LETTERS: usize = 100;

// ---- the audit list ----

/// Acts that are kept: some years of an office.
pub(crate) const AUDIT_ACTS: u64 = 5_000;
/// One text in it.
pub(crate) const AUDIT_TEXT_BYTES: usize = 300;

// A row is at most so large without its words.
const _: () = assert!(LOG_PAGE_BYTES + LOG_ROWS * 200 < PAGE_BYTES - 8 * 1024);
const _: () = assert!(PAGE_THREADS >= 2, "one slow page holds up nobody");
const _: () = assert!(WEB_SESSION_IDLE.as_secs() < WEB_SESSION_TOTAL.as_secs());
const _: () = assert!(WEB_HEAD_BYTES > 2 * WEB_TARGET_BYTES);
