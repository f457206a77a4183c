//! Limits of what is collected from other providers, and of what leaves by them.

use std::time::Duration;

/// Outside accounts of one person: each is a connection now and then.
pub(crate) const OUTSIDE_PER_ACCOUNT: usize = 20;
/// Folders of one that are collected.
pub(crate) const OUTSIDE_FOLDERS: usize = 500;
/// Addresses that leave through one.
pub(crate) const OUTSIDE_SENDERS: usize = 50;
/// Days that a letter stays at the provider before it is deleted there: ten years.
pub(crate) const OUTSIDE_DAYS_AT_MOST: u32 = 3_650;
/// A name, an address or a folder of one.
pub(crate) const OUTSIDE_TEXT_BYTES: usize = 1_000;
/// Letters that were not taken over and are told of: the newest.
pub(crate) const OUTSIDE_SKIPPED: usize = 50;
/// Of the sender and the subject of one, so many characters: what a person needs to know it.
pub(crate) const COLLECT_TOLD_CHARS: usize = 200;
/// Letters that an import left out and that are told of: the first.
pub(crate) const OUTSIDE_IMPORT_SKIPPED: usize = 200;
/// Imports that run at once beside daily mail; the others wait for their turn.
pub(crate) const IMPORTS_AT_ONCE: usize = 2;
/// An import that ended early is begun again after this, doubled with each in a row; and at most.
/// Providers that were asked for too much open again after a day at the latest.
pub(crate) const IMPORT_AGAIN_SECONDS: i64 = 5 * 60;
pub(crate) const IMPORT_AGAIN_AT_MOST_SECONDS: i64 = 6 * 3600;
/// Tries in a row that brought nothing, after which it waits for the person: about three days.
pub(crate) const IMPORT_TRIES: u32 = 16;
/// How far back the pace of an import is looked at, and how often it is noted: a pace over half a
/// minute is calm enough to tell the time that is left.
pub(crate) const IMPORT_PACE_MILLIS: u64 = 30_000;
pub(crate) const IMPORT_PACE_STEP_MILLIS: u64 = 500;
/// How long a letter that is gone at the provider is remembered, in seconds.
pub(crate) const FETCHED_KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// A password or token of a provider; those of Microsoft have 2,000 octets and more.
pub(crate) const OUTSIDE_SECRET_BYTES: usize = 16 * 1024;

/// To wait for a reply of a POP3 server that collects from nobody else: some look through a large
/// maildrop first.
pub(crate) const POP3_OUT_REPLY: Duration = Duration::from_secs(5 * 60);
/// A line of a reply; RFC 1939 3 allows 512 octets.
pub(crate) const POP3_HEARD_LINE_BYTES: usize = 4_096;
/// Messages of a maildrop that are looked at; of a larger one the first are taken over first.
pub(crate) const POP3_OUT_MESSAGES: usize = 200_000;
/// The replies to UIDL and LIST: a line has 80 octets.
pub(crate) const POP3_OUT_LISTING_BYTES: usize = 32 * 1024 * 1024;
/// What a server may send beyond the size that it told, before it is hung up on.
pub(crate) const POP3_OUT_EXCESS_BYTES: u64 = 256 * 1024 * 1024;
/// Of an Authentication-Results field of a provider; real ones have some hundred octets.
pub(crate) const BELIEVED_BYTES: usize = 16 * 1024;
/// Of a header, for the question to whom a letter was sent.
pub(crate) const MULTIDROP_HEADER_BYTES: usize = 256 * 1024;
/// People that one letter of a shared mailbox goes to.
pub(crate) const MULTIDROP_RECIPIENTS: usize = 100;
/// Letters taken over in one session: what was deleted is gone only at its end, and a provider
/// that ends long sessions must not have us begin anew each time.
pub(crate) const COLLECT_LETTERS: usize = 500;
/// Outside accounts that are spoken to at once: each may hold a letter of the largest size.
pub(crate) const COLLECT_AT_ONCE: usize = 3;
/// How soon a change of outside accounts is seen.
pub(crate) const COLLECT_SETTLES: Duration = Duration::from_secs(5);
/// Between two looks: at first, while mail comes; and at most, when none does.
pub(crate) const COLLECT_EVERY: Duration = Duration::from_secs(2 * 60);
pub(crate) const COLLECT_EVERY_AT_MOST: Duration = Duration::from_secs(15 * 60);
/// After a look that failed, twice as long each time, and at most.
pub(crate) const COLLECT_FAILED: Duration = Duration::from_secs(60);
pub(crate) const COLLECT_FAILED_AT_MOST: Duration = Duration::from_secs(60 * 60);
/// After a log-in that was refused: providers lock out who tries again and again.
pub(crate) const COLLECT_REFUSED: Duration = Duration::from_secs(60 * 60);
pub(crate) const COLLECT_REFUSED_AT_MOST: Duration = Duration::from_secs(12 * 60 * 60);
/// A server that cannot be reached for so long is told to the person.
pub(crate) const COLLECT_SILENT_SECONDS: i64 = 24 * 3600;
/// That it was looked at is written this often, where nothing else is: flash pays for each write.
pub(crate) const COLLECT_NOTED_SECONDS: i64 = 60 * 60;
/// One look with all that it takes over, on a slow line.
pub(crate) const COLLECT_VISIT: Duration = Duration::from_secs(3 * 60 * 60);
/// An answer of a token server; tokens have some thousand octets.
pub(crate) const OAUTH_ANSWER_BYTES: usize = 64 * 1024;
pub(crate) const OAUTH_ANSWER: Duration = Duration::from_secs(30);
/// What it says of an error.
pub(crate) const OAUTH_TEXT_BYTES: usize = 500;
/// RFC 8628 3.2: how long a code may be typed in; half an hour is usual.
pub(crate) const OAUTH_CODE_SECONDS: u64 = 60 * 60;
/// A token that is good for less is renewed before it is used.
pub(crate) const OAUTH_SPARE_SECONDS: i64 = 60;
/// The file in which a domain tells of its servers; real ones have two thousand octets.
pub(crate) const AUTOCONFIG_BYTES: usize = 64 * 1024;
pub(crate) const AUTOCONFIG_DEPTH: usize = 16;
pub(crate) const AUTOCONFIG_SERVERS: usize = 12;
pub(crate) const AUTOCONFIG_TEXT_BYTES: usize = 1_000;
/// To fetch it, and to wait for a server that is tried: nobody looks longer at a page.
pub(crate) const DISCOVER_TRY: Duration = Duration::from_secs(15);
/// To look for what a domain says of its servers, while somebody waits for the page of it.
pub(crate) const DISCOVER_LOOK: Duration = Duration::from_secs(30);
/// Servers that are tried for one account: beyond that the person is asked.
pub(crate) const DISCOVER_TRIES: usize = 12;
/// Files of a .zip that is brought in: a large Maildir has a million.
pub(crate) const IMPORT_ZIP_ENTRIES: usize = 2_000_000;
/// A .zip that unpacks to more than so many times its size is no mail: text shrinks to a tenth.
pub(crate) const IMPORT_ZIP_RATIO: u64 = 100;
/// But so much may come of any: a small one of equal letters shrinks further.
pub(crate) const IMPORT_ZIP_LEAST_BYTES: u64 = 64 * 1024 * 1024;
