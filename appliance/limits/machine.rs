//! Limits of the box itself: PID 1, its children, the network, the clock.

use std::net::Ipv4Addr;
use std::time::Duration;

// ---- PID 1 ----

/// A file that PID 1 reads whole: modules.alias of Debian's kernel has about one MiB.
pub(crate) const BOOT_FILE_BYTES: u64 = 8 << 20;
/// Names in a folder: those of a strange stick may be any number.
pub(crate) const FOLDER_NAMES: usize = 10_000;
/// The kernel's events of devices are smaller (UEVENT_BUFFER_SIZE).
pub(crate) const UEVENT_BYTES: usize = 4 * 1024;
/// A line of a child's error output; the rest of it is dropped.
pub(crate) const CHILD_LINE_BYTES: usize = 1_000;
/// The shortest wait of PID 1's loop, so that no fault makes it spin.
pub(crate) const INIT_BREATH: Duration = Duration::from_millis(50);
/// Modules that need each other: the longest chain of Debian's kernel has about ten.
pub(crate) const MODULE_DEPTH: usize = 32;
/// Growth below this is not worth a change of the file system.
pub(crate) const GROWTH_BYTES: u64 = 16 << 20;
/// The largest partition of a data disk: its file system has room for the tables of so much.
pub(crate) const DATA_DISK_BYTES: u64 = 512 << 30;
/// Of the name of a disk, for people: it stands in sentences of [`crate::request::WORDS_BYTES`].
pub(crate) const DISK_NAME_LETTERS: usize = 40;
/// How often wear and errors of the box's disks are looked at.
pub(crate) const DISKS_LOOKED_AT: Duration = Duration::from_secs(10 * 60);
/// The file system grows by so much between two feedings of the watchdog: a slow card does that in
/// a second or two.
pub(crate) const GROWTH_STEP_BYTES: u64 = 4 << 30;
/// BCM2835's watchdog waits no longer.
pub(crate) const WATCHDOG_SECONDS: i32 = 15;
/// How often it is fed: twice may fail.
pub(crate) const WATCHDOG_FEED: Duration = Duration::from_secs(5);
/// A stick that breaks answers a command after half a minute, and the kernel asks again; what takes
/// longer than this is a hang.
pub(crate) const DEVICE_PATIENCE: Duration = Duration::from_secs(180);
/// Slow cards and USB disks appear within seconds; a disk that is not there by then is not there.
pub(crate) const DISK_APPEARS: Duration = Duration::from_secs(60);
/// How often it is looked for.
pub(crate) const DISK_LOOK: Duration = Duration::from_millis(250);
/// The last words of e2fsck that are shown.
pub(crate) const CHECK_LINES: usize = 3;

// ---- resets ----

/// RESET.txt: one line.
pub(crate) const RESET_BYTES: usize = 1_000;
/// Files up to this are overwritten before they are removed: keys, settings, passwords.
pub(crate) const RESET_OVERWRITTEN_BYTES: u64 = 1 << 20;
/// A large file goes in parts of this, with the watchdog fed between them.
pub(crate) const RESET_PART_BYTES: u64 = 4 << 30;
/// RESET.txt on sticks that cannot be written: the oldest is forgotten for another.
pub(crate) const RESETS_SEEN: usize = 16;

// ---- its children ----

/// The server's user and group: above those that systems give away, so that files of a data
/// partition that is looked at elsewhere belong to nobody there.
pub(crate) const SERVER_USER: u32 = 61_025;
pub(crate) const NETD_USER: u32 = 61_026;
pub(crate) const INSTALLER_USER: u32 = 61_027;
/// Connections, and the store's and settings' files.
pub(crate) const CHILD_DESCRIPTORS: u64 = 16 * 1024;
/// A child that ended starts again after this, then twice as long each time.
pub(crate) const CHILD_WAIT_FIRST: Duration = Duration::from_secs(1);
pub(crate) const CHILD_WAIT_MOST: Duration = Duration::from_secs(60);
/// This many ends of the server within [`CRASH_WINDOW`]: the box restarts once, then repair.
pub(crate) const CRASHES: usize = 3;
pub(crate) const CRASH_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Lines of its output that are kept when a child crashes.
pub(crate) const CRASH_LINES: usize = 100;
/// All such lines together: older ones go.
pub(crate) const CRASH_LOG_BYTES: usize = 64 * 1024;
/// How often the server says how it is.
pub(crate) const HEALTH_SAID: Duration = Duration::from_secs(5);
/// Silence after which it is started again. A commit on a poor card may take seconds.
pub(crate) const HEALTH_STALE: Duration = Duration::from_secs(60);
/// The same before its first word: a large store is opened meanwhile.
pub(crate) const HEALTH_FIRST: Duration = Duration::from_secs(5 * 60);
/// A system on trial tries so often whether it does mail, until it does.
pub(crate) const PROOF_AGAIN: Duration = Duration::from_secs(5);
/// One step of it: a commit on a poor card may take seconds, and so may argon2.
pub(crate) const PROOF_STEP: Duration = Duration::from_secs(30);
/// An answer of the setup page is longer; its first line is not.
pub(crate) const PROOF_ANSWER_BYTES: usize = 4 * 1024;
/// How long the server may take to end: its connections get [`super::SHUTDOWN_GRACE`].
pub(crate) const CHILD_ENDS: Duration = Duration::from_secs(20);
/// Waiting messages that are counted: a person does not need more digits.
pub(crate) const HEALTH_COUNTED: usize = 10_000;
/// How often domains are looked for while there is none.
pub(crate) const DOMAIN_LOOK: Duration = Duration::from_secs(1);

// ---- the console ----

/// The name of the box until it is given another: `mailroom.local` in the network.
pub(crate) const HOST_NAME: &str = "mailroom";
/// The last faults that are shown: a screen has few lines beside the code for phones.
pub(crate) const CONSOLE_TROUBLES: usize = 6;
pub(crate) const CONSOLE_ADDRESSES: usize = 6;

/// How long the menu waits for a key.
pub(crate) const MENU_OPEN: Duration = Duration::from_secs(60);
/// A line that is typed there: the id of a device has nine letters.
pub(crate) const MENU_LINE_BYTES: usize = 40;
/// A terminal that is at its end so often hung up: the menu is gone from there.
pub(crate) const TERMINAL_ENDS: u32 = 16;

// ---- the clock ----

/// 2026-11-01: no copy of this program is older.
pub(crate) const CLOCK_FLOOR: i64 = 1_793_491_200;
/// No time is believed that is later than the build by more than this: ten years.
pub(crate) const CLOCK_FLOOR_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;
/// How often a synced time is saved: an hour lost at a power cut does no harm, writes do.
pub(crate) const CLOCK_KEEP: Duration = Duration::from_secs(60 * 60);
/// Names of many servers of different owners.
pub(crate) const TIME_SERVERS: &[&str] =
    &["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"];
/// Where names cannot be looked up: time.cloudflare.com and time.nist.gov, by their addresses.
pub(crate) const TIME_SERVER_ADDRESSES: &[Ipv4Addr] = &[
    Ipv4Addr::new(162, 159, 200, 1),
    Ipv4Addr::new(162, 159, 200, 123),
    Ipv4Addr::new(132, 163, 96, 1),
];
/// Servers asked in one round.
pub(crate) const TIME_SERVERS_ASKED: usize = 6;
/// How long answers are waited for.
pub(crate) const SNTP_ROUND: Duration = Duration::from_secs(3);
/// After a round without an answer, then twice as long each time.
pub(crate) const SNTP_RETRY: Duration = Duration::from_secs(8);
/// After one in which only one server answered.
pub(crate) const SNTP_SOON: Duration = Duration::from_secs(5 * 60);
/// RFC 4330 10: not more often than needed; a board's crystal drifts a second in some hours.
pub(crate) const SNTP_AGAIN: Duration = Duration::from_secs(60 * 60);
/// Differences up to this are slewed, larger ones stepped.
pub(crate) const SNTP_SLEW: Duration = Duration::from_millis(500);
/// How wrong a server may be that is right.
pub(crate) const SNTP_SERVER_ERROR: Duration = Duration::from_millis(50);

// ---- updates ----

/// The file by which PID 1 tells how updates stand: about 30 KiB when all its texts are as long as
/// they may be, and of letters of two octets.
pub(crate) const UPDATE_STATE_BYTES: usize = 128 * 1024;
/// PID 1 looks at a file that was sent within a second or two; after this a page no longer says
/// that it is about to.
pub(crate) const UPDATE_BEGINS_SECONDS: i64 = 30;
/// The same of a restart: the server may have [`CHILD_ENDS`] to end.
pub(crate) const UPDATE_RESTARTS_SECONDS: i64 = 120;
/// How often the server looks how updates stand: while one is being installed, and else.
pub(crate) const UPDATE_LOOK_SOON: Duration = Duration::from_secs(2);
pub(crate) const UPDATE_LOOK: Duration = Duration::from_secs(10);
/// An update that waits for an hour of the night restarts a box that does not know the time after
/// this.
pub(crate) const UPDATE_WAITS_WITHOUT_CLOCK: Duration = Duration::from_secs(60 * 60);
/// What came of an update that ended before the server started is news for so long.
pub(crate) const UPDATE_NEWS_SECONDS: i64 = 60 * 60;
/// An update that went back is told on the first page for so long: 30 days.
pub(crate) const UPDATE_BACK_TOLD_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Updates that are remembered: years of them.
pub(crate) const UPDATE_HISTORY: usize = 20;
/// Letters of a file's name, as file systems allow, of a board and of a kernel.
pub(crate) const UPDATE_NAME_LETTERS: usize = 255;
/// Letters of a reason: a sentence or two, with a name in it.
pub(crate) const UPDATE_WHY_LETTERS: usize = 600;
/// The partitions of a stick appear within this after the stick itself.
pub(crate) const STICK_SETTLES: Duration = Duration::from_secs(2);
/// How often the kernel looks whether a card reader has another card: readers do not say it.
pub(crate) const CARD_LOOK_MILLIS: &str = "2000";
/// How long a new system has, from its start, to prove that mail works. The check of a large disk
/// and the opening of a large store are within it.
pub(crate) const TRIAL_MOST: Duration = Duration::from_secs(10 * 60);

// ---- the network ----

/// The longest that netd waits without looking around.
pub(crate) const NETD_LOOK: Duration = Duration::from_secs(10);
/// RFC 2131 4.1: the first pause.
pub(crate) const DHCP_FIRST: Duration = Duration::from_secs(4);
/// Requests of one offer before the search begins anew.
pub(crate) const DHCP_REQUESTS: u32 = 4;
/// RFC 2131 3.1.5: after an address was declined.
pub(crate) const DHCP_DECLINED: Duration = Duration::from_secs(10);
/// RFC 2131 4.4.5: the shortest pause between renewals.
pub(crate) const DHCP_RENEW_PAUSE: Duration = Duration::from_secs(60);
/// A shorter lease would keep the box busy with renewing.
pub(crate) const DHCP_LEASE_LEAST: Duration = Duration::from_secs(60);
/// "For ever" is not: a network may change.
pub(crate) const DHCP_LEASE_MOST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Resolvers, routers and time servers of one lease.
pub(crate) const DHCP_SERVERS: usize = 4;
/// RFC 8106 5.3.1: three are enough.
pub(crate) const RESOLVERS_ANNOUNCED: usize = 3;
/// RFC 5227 1.1: PROBE_NUM.
pub(crate) const ARP_PROBES: u32 = 3;
/// RFC 5227 1.1 has one to two seconds; a wired network answers in milliseconds, and the box is up
/// sooner.
pub(crate) const ARP_PROBE_PAUSE: Duration = Duration::from_millis(400);
/// RFC 5227 1.1: DEFEND_INTERVAL.
pub(crate) const ARP_DEFEND: Duration = Duration::from_secs(10);
/// Without any other address after this long, one of the link is taken.
pub(crate) const LINK_LOCAL_AFTER: Duration = Duration::from_secs(15);
/// RFC 3927 9: MAX_CONFLICTS.
pub(crate) const LINK_LOCAL_CONFLICTS: u32 = 10;
/// RFC 3927 9: RATE_LIMIT_INTERVAL.
pub(crate) const LINK_LOCAL_PAUSE: Duration = Duration::from_secs(60);
/// A fixed address that another device has is tried again after this.
pub(crate) const STATIC_AGAIN: Duration = Duration::from_secs(60);
/// A new fixed address goes back unless it is confirmed within this.
pub(crate) const NETWORK_TRIAL: Duration = Duration::from_secs(60);
/// The page that says where the box will be has so long to reach the browser before.
pub(crate) const NETWORK_BREATH: Duration = Duration::from_secs(2);

const _: () = assert!(WATCHDOG_FEED.as_secs() * 2 < WATCHDOG_SECONDS.cast_unsigned() as u64);
const _: () = assert!(HEALTH_SAID.as_secs() * 4 < HEALTH_STALE.as_secs());
// A letter has at most four octets, or six where JSON writes it as \u0000.
const _: () = assert!(
    6 * (UPDATE_HISTORY + 1) * (UPDATE_WHY_LETTERS + UPDATE_NAME_LETTERS) < UPDATE_STATE_BYTES
);
const _: () = assert!(super::SHUTDOWN_GRACE.as_secs() < CHILD_ENDS.as_secs());
