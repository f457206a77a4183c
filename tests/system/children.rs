//! The supervisor: children that crash, hang, babble, and ask.

use super::fake::{BUILD, Fake};
use crate::net::notice::Notice;
use crate::request::{
    ClockState, Code, From, Health, Mail, Message, Plan, Static, StoreState, Words,
};
use crate::system::init::{Outcome, boot};
use crate::system::supervisor::{self, Watch};
use crate::system::syscall::{Ended, Happening, Program};
use std::net::Ipv4Addr;
use std::time::Duration;

pub(super) const GOOD: Health =
    Health { mail: Mail::Open, store: StoreState::Good, owned: false, accounts: 0, waiting: 0 };

const ON_TRIAL: Static = Static {
    address: Ipv4Addr::new(192, 168, 1, 20),
    prefix: 24,
    gateway: None,
    resolvers: [None; 3],
    on_trial: true,
};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn server(message: Message) -> Happening {
    Happening::Told(Program::Server, message)
}

fn netd(message: Message) -> Happening {
    Happening::Told(Program::Netd, message)
}

/// Starts the box and plays the script; returns what was done after the boot, and whether it ended
/// switched off.
pub(super) fn play(fake: &mut Fake, script: Vec<(u64, Happening)>) -> (Vec<String>, bool) {
    let booted = match boot(fake, BUILD).expect("it starts") {
        Outcome::Up(booted) => *booted,
        Outcome::End { .. } => panic!("it ends"),
    };
    fake.script = script.into_iter().map(|(after, what)| (seconds(after), what)).collect();
    let before = fake.trace.len();
    let off = supervisor::run(fake, booted, BUILD);
    let done = fake.trace.split_off(before);
    (done.into_iter().filter(|line| line != "feed the watchdog").collect(), off)
}

pub(super) fn count(done: &[String], what: &str) -> usize {
    done.iter().filter(|line| line.starts_with(what)).count()
}

pub(super) fn crash() -> Happening {
    Happening::Ended(Program::Server, Ended::Signal(6))
}

#[test]
fn an_orderly_end_lets_the_server_finish_and_writes_all_out() {
    let mut fake = Fake::fresh();
    let script = vec![
        (1, Happening::End { off: true }),
        (3, Happening::Ended(Program::Server, Ended::Code(0))),
    ];
    let (done, off) = play(&mut fake, script);
    assert!(off);
    let want = [
        "kill server Ask",
        "kill server AtOnce",
        "kill netd AtOnce",
        "kill installer AtOnce",
        "sync",
        "mount /data   again, read-only",
        "sync",
        "close the watchdog",
        "power off",
    ];
    assert_eq!(done, want);
    // A server that does not end is not waited for for ever; the watchdog stays for the restart.
    let mut fake = Fake::fresh();
    let hang = (600, Happening::Device(String::new()));
    let (done, off) = play(&mut fake, vec![(1, Happening::End { off: false }), hang]);
    assert!(!off && done.last().is_some_and(|line| line == "restart"));
    assert!(!done.iter().any(|line| line == "close the watchdog"));
}

#[test]
fn one_crash_starts_the_server_again_and_keeps_its_last_words() {
    let mut fake = Fake::fresh();
    let said = Happening::Said(Program::Server, "internal error: at store.rs:7".to_string());
    let (done, _) =
        play(&mut fake, vec![(5, said), (0, crash()), (30, server(Message::Health(GOOD)))]);
    assert_eq!(count(&done, "start server"), 1, "{done:#?}");
    let log = String::from_utf8(fake.disks.files["/data/system/crash.log"].clone()).expect("text");
    assert!(log.contains("server ended: SIGABRT") && log.contains("at store.rs:7"), "{log}");
    assert!(fake.serial.contains("server ended: SIGABRT"), "{}", fake.serial);
}

/// Its program may be gone, or memory: what the boot could not start is tried again, and counts.
#[test]
fn a_server_that_cannot_be_started_is_no_server_that_runs() {
    let mut fake = Fake::fresh();
    fake.fails.push(("start server", nix::libc::ENOENT));
    let later = (0..20).map(|_| (5, netd(Message::Told(Words::new("fine"))))).collect();
    let (done, off) = play(&mut fake, later);
    assert_eq!(count(&done, "start server"), 3, "{done:#?}");
    assert!(!off, "the box restarts as after three crashes");
}

/// Three crashes in an hour: one restart of the box; three more: repair, and no further restart.
#[test]
fn a_crash_loop_restarts_the_box_once_and_then_it_stays_up_for_repair() {
    let mut fake = Fake::fresh();
    let crashes = || vec![(5, crash()), (5, crash()), (5, crash())];
    let (done, off) = play(&mut fake, crashes());
    assert!(!off && done.last().is_some_and(|line| line == "restart"), "{done:#?}");
    assert_eq!(count(&done, "write /dev/vda at 13631488"), 1);

    let mut fake = Fake::again(fake.disks);
    let mut script = crashes();
    script.push((4_000, Happening::End { off: true }));
    let (done, off) = play(&mut fake, script);
    assert!(off, "it stayed up until it was switched off");
    assert_eq!(count(&done, "start server"), 2, "and did not start it a third time: {done:#?}");
    assert!(fake.serial.contains("REPAIR    the server ended three times"), "{}", fake.serial);

    // The same where the note cannot be written: rather repair than a restart for ever.
    let mut fake = Fake::fresh();
    fake.fails.push(("write /dev/vda at 13631488", nix::libc::EIO));
    let (done, _) = play(&mut fake, crashes());
    assert_eq!(count(&done, "restart"), 0, "{done:#?}");
}

#[test]
fn an_hour_of_good_health_forgets_a_restart() {
    let mut fake = Fake::fresh();
    let (_, _) = play(&mut fake, vec![(5, crash()), (5, crash()), (5, crash())]);
    let mut fake = Fake::again(fake.disks);
    let script = (0..800).map(|_| (5, server(Message::Health(GOOD)))).collect();
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "write /dev/vda at 13631488"), 1, "once: {done:#?}");
}

#[test]
fn crashes_far_apart_never_restart_the_box() {
    let mut fake = Fake::fresh();
    let mut script = Vec::new();
    for _ in 0..5 {
        script.extend((0..250).map(|_| (10, server(Message::Health(GOOD)))));
        script.push((1, crash()));
    }
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start server"), 4, "the last is still waited for");
    assert_eq!(count(&done, "restart"), 0);
}

#[test]
fn waits_double_and_forget_after_a_long_run() {
    let mut watch = Watch::running(seconds(0));
    watch.ended(seconds(1));
    assert!(!watch.due(Duration::from_millis(1_900)) && watch.due(seconds(2)));
    watch.ended(seconds(2));
    assert!(!watch.due(Duration::from_millis(3_900)) && watch.due(seconds(4)));
    for at in 4..20 {
        watch.ended(seconds(at));
    }
    assert!(!watch.due(seconds(19 + 59)) && watch.due(seconds(19 + 60)));
    let mut watch = Watch::running(seconds(0));
    watch.ended(seconds(1));
    let mut long = Watch::running(seconds(2));
    long.ended(seconds(100));
    assert!(long.due(seconds(101)));
}

#[test]
fn a_server_that_is_silent_is_started_again() {
    let mut fake = Fake::fresh();
    let silence = vec![
        (5, server(Message::Health(GOOD))),
        (62, Happening::Device(String::new())),
        (1, Happening::Ended(Program::Server, Ended::Signal(9))),
        (5, Happening::Device(String::new())),
    ];
    let (done, _) = play(&mut fake, silence);
    let kill = done.iter().position(|line| line == "kill server AtOnce").expect("killed");
    let start = done.iter().position(|line| line == "start server").expect("started again");
    assert!(kill < start);
    // One that opens a large store may take longer before its first word.
    let mut fake = Fake::fresh();
    let slow = vec![(200, server(Message::Health(GOOD))), (5, Happening::End { off: true })];
    let (done, _) = play(&mut fake, slow);
    let first = done.iter().position(|line| line == "kill server AtOnce");
    let asked = done.iter().position(|line| line == "kill server Ask");
    assert!(first > asked, "{done:#?}");
}

#[test]
fn full_and_failing_stores_are_shown_and_restart_nothing() {
    let mut fake = Fake::fresh();
    let full = Health { store: StoreState::Full, ..GOOD };
    let failing = Health { store: StoreState::Failing, ..GOOD };
    let script = vec![(1, server(Message::Health(full))), (5, server(Message::Health(failing)))];
    let (done, _) = play(&mut fake, script);
    assert!(fake.serial.contains("mail      new mail is put off: the disk is full"));
    assert!(fake.serial.contains("mail      the store fails"));
    assert_eq!(count(&done, "start server") + count(&done, "restart"), 0);
}

#[test]
fn presets_taken_remove_what_held_secrets() {
    let mut fake = Fake::fresh();
    let toml = b"domain = \"office.test\"\n".to_vec();
    fake.disks.files.insert("/boot/mailroom.toml".to_string(), toml);
    let owned = Health { owned: true, accounts: 1, ..GOOD };
    let code = Code::parse("ABCD-2345").expect("a code");
    let script = vec![
        (1, server(Message::SetupCode(code))),
        (0, server(Message::PresetTaken)),
        (1, server(Message::Health(owned))),
    ];
    let (done, _) = play(&mut fake, script);
    let wiped = ["overwrite /boot/mailroom.toml with 23 octets", "remove /boot/mailroom.toml"];
    let at = wiped.map(|line| done.iter().position(|other| other == line));
    assert!(at[0].is_some() && at[0] < at[1], "its octets go before its name: {done:#?}");
    assert!(fake.trace.iter().any(|line| {
        line.starts_with("tell server Start { preset: true") && line.ends_with("with 23 octets")
    }));
    assert!(!fake.disks.files.contains_key("/boot/mailroom.toml"));
    assert!(!fake.disks.files.contains_key("/boot/SETUP-CODE.txt"));
    assert!(!fake.screen.contains("ABCD-2345"), "an owned box shows no code");
    // Read once: the next start does not look.
    let mut fake = Fake::again(fake.disks);
    fake.disks.files.insert("/boot/mailroom.toml".to_string(), b"x".to_vec());
    let (_, _) = play(&mut fake, Vec::new());
    assert!(fake.trace.iter().any(|line| line.starts_with("tell server Start { preset: false")));
}

/// The power went between the overwriting and the removing.
#[test]
fn a_preset_of_zeros_alone_is_none() {
    let mut fake = Fake::fresh();
    fake.disks.files.insert("/boot/mailroom.toml".to_string(), vec![0; 23]);
    let (_, _) = play(&mut fake, Vec::new());
    assert!(fake.trace.iter().any(|line| line.starts_with("tell server Start { preset: false")));
}

#[test]
fn a_broken_preset_is_told_with_line_and_reason_and_the_box_is_up() {
    let mut fake = Fake::fresh();
    fake.disks.files.insert("/boot/mailroom.toml".to_string(), b"domain = 7\n".to_vec());
    let wrong = Message::PresetWrong { line: 1, why: Words::new("expected a string") };
    let (done, _) = play(&mut fake, vec![(1, server(wrong)), (1, server(Message::Health(GOOD)))]);
    let told = String::from_utf8(fake.disks.files["/boot/SETUP-CODE.txt"].clone()).expect("text");
    assert!(told.contains("line 1: expected a string"), "{told}");
    assert!(fake.serial.contains("mailroom.toml was not taken: line 1: expected a string"));
    assert!(fake.screen.contains("setup code"), "and the code is there: {}", fake.screen);
    assert!(fake.disks.files.contains_key("/boot/mailroom.toml"), "the owner mends it");
    assert_eq!(count(&done, "start server"), 0, "it went on without");
}

/// Whoever has the card in hand can tell the box's page from another's.
#[test]
fn the_words_of_the_key_are_on_the_screen_and_beside_the_setup_code() {
    let mut fake = Fake::fresh();
    let key = || Message::Key(Words::new("oak pine elm ash fir yew"));
    let (_, _) = play(&mut fake, vec![(1, server(key())), (1, server(Message::Health(GOOD)))]);
    let paper = |fake: &Fake| {
        let octets = fake.disks.files.get("/boot/SETUP-CODE.txt").cloned();
        octets.map(|octets| String::from_utf8(octets).expect("text"))
    };
    let told = paper(&fake).expect("it is there");
    assert!(told.contains("names these six words:\r\n\r\n    oak pine elm ash fir yew\r\n"));
    assert!(fake.screen.contains("key       oak pine elm ash fir yew"), "{}", fake.screen);
    // The next start knows no key yet, and leaves what is there; the same key is no news.
    let mut fake = Fake::again(fake.disks);
    let (_, _) = play(&mut fake, vec![(1, server(key()))]);
    assert_eq!(paper(&fake), Some(told));
    assert!(!fake.trace.iter().any(|line| line.starts_with("replace /boot/")), "{:?}", fake.trace);
    // Once it is owned nothing of it comes back.
    let owned = Health { owned: true, accounts: 1, ..GOOD };
    let mut fake = Fake::again(fake.disks);
    let told = vec![(1, server(Message::Health(owned))), (1, server(key()))];
    let (_, _) = play(&mut fake, told);
    assert_eq!(paper(&fake), None);
}

/// Senders are asked to come again, and the owner reads the reason on a page.
#[test]
fn a_box_under_repair_has_somebody_who_says_so() {
    use crate::units::repair::notices;
    let why = Words::new("e2fsck ended with 4 & <asked> for a person");
    let notices = notices(&why);
    let said = |port: u16| {
        let found = notices.iter().find(|(_, at, _)| *at == port).map(|(_, _, notice)| notice);
        match found {
            Some(Notice::Line(text) | Notice::Page(text)) => text.to_string(),
            None => panic!("port {port} is closed"),
        }
    };
    assert!(said(25).starts_with("421 4.3.2 ") && said(587).starts_with("421 4.3.2 "));
    assert!(said(143).starts_with("* BYE [UNAVAILABLE] "));
    assert!(said(110).starts_with("-ERR [SYS/TEMP] "));
    let page = said(80);
    let (head, body) = page.split_once("\r\n\r\n").expect("a head and a page");
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("e2fsck ended with 4 &#38; &#60;asked&#62; for a person"), "{body}");
    // What the server could not is not left unsaid.
    let mut fake = Fake::fresh();
    let crashes = || vec![(5, crash()), (5, crash()), (5, crash())];
    let (_, _) = play(&mut fake, crashes());
    let mut fake = Fake::again(fake.disks);
    let mut script = crashes();
    script.push((5, Happening::End { off: true }));
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start repair"), 1, "{done:#?}");
    let told = r#"tell repair Repair(Words("the server ended three times in an hour, also"#;
    assert_eq!(count(&done, told), 1, "{done:#?}");
    // It is started again, as every child is.
    let mut fake = Fake::fresh();
    fake.fails.push(("mount /dev/vda4", nix::libc::EIO));
    let ended = Happening::Ended(Program::Repair, Ended::Signal(9));
    let (done, _) = play(&mut fake, vec![(1, ended), (90, Happening::End { off: true })]);
    assert_eq!(count(&done, "start repair"), 1, "{done:#?}");
}

#[test]
fn a_static_address_on_trial_is_kept_only_once_confirmed() {
    let fixed = ON_TRIAL;
    let mut fake = Fake::fresh();
    let (done, _) = play(&mut fake, vec![(1, server(Message::Network(Plan::Static(fixed))))]);
    assert_eq!(count(&done, "tell netd Network(Static"), 1);
    assert!(!fake.disks.files.contains_key("/data/system/network"));
    let mut fake = Fake::again(fake.disks);
    let script =
        vec![(1, server(Message::Network(Plan::Static(fixed)))), (9, server(Message::NetworkKept))];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "tell netd NetworkKept"), 1);
    let mut fake = Fake::again(fake.disks);
    let booted = match boot(&mut fake, BUILD).expect("it starts") {
        Outcome::Up(booted) => *booted,
        Outcome::End { .. } => panic!("it ends"),
    };
    assert_eq!(booted.plan, Plan::Static(Static { on_trial: false, ..fixed }));
}

#[test]
fn what_is_confirmed_too_late_is_not_kept_and_the_server_hears_what_holds() {
    let fixed = ON_TRIAL;
    let mut fake = Fake::fresh();
    let asked = Message::Network(Plan::Static(fixed));
    let script = vec![(1, server(asked)), (200, server(Message::NetworkKept))];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "tell netd NetworkKept"), 0, "{done:?}");
    assert_eq!(count(&done, "tell netd Network(Dhcp)"), 1, "{done:?}");
    assert_eq!(count(&done, "tell server Network(Dhcp)"), 1, "{done:?}");
    assert!(!fake.disks.files.contains_key("/data/system/network"));
}

#[test]
fn a_server_that_starts_later_is_told_of_the_network_too() {
    let address = Message::Address {
        address: Ipv4Addr::new(192, 168, 1, 77).into(),
        prefix: 24,
        from: crate::request::From::Dhcp,
    };
    let mut fake = Fake::fresh();
    let script = vec![
        (1, netd(Message::Link { up: true, hardware: [2, 0, 0, 0, 0, 1] })),
        (2, netd(address)),
        (3, crash()),
        (20, netd(Message::Told(Words::new("nothing new")))),
    ];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "tell server Link"), 2, "at once, and to the next: {done:?}");
    assert_eq!(count(&done, "tell server Address"), 2, "{done:?}");
}

#[test]
fn a_child_that_says_what_is_not_its_to_say_is_ended() {
    let babbles = [
        Happening::Babbled(Program::Netd, "it has another size"),
        netd(Message::End { off: true }),
        netd(Message::PresetTaken),
        server(Message::Clock { state: ClockState::Synced, seconds: 5 }),
    ];
    for babble in babbles {
        let program = match &babble {
            Happening::Babbled(program, _) | Happening::Told(program, _) => program.clone(),
            _ => unreachable!(),
        };
        let mut fake = Fake::fresh();
        let (done, _) = play(&mut fake, vec![(1, babble)]);
        assert_eq!(done.first(), Some(&format!("kill {} AtOnce", program.name())), "{done:#?}");
    }
}

#[test]
fn a_synced_clock_is_saved_at_most_once_an_hour_and_never_absurd() {
    let clock = |seconds| netd(Message::Clock { state: ClockState::Synced, seconds });
    let mut fake = Fake::fresh();
    let script =
        vec![(1, clock(BUILD + 50)), (60, clock(BUILD + 110)), (3_600, clock(BUILD + 9_999))];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "replace /data/system/clock"), 2);
    assert_eq!(fake.disks.files["/data/system/clock"], format!("{}\n", BUILD + 9_999).as_bytes());
    let plausible = netd(Message::Clock { state: ClockState::Plausible, seconds: BUILD + 7 });
    let (done, _) = play(&mut Fake::fresh(), vec![(1, plausible)]);
    assert_eq!(count(&done, "replace /data/system/clock"), 0);
    let mut fake = Fake::fresh();
    let (_, _) = play(&mut fake, vec![(1, clock(i64::from(u32::MAX)))]);
    let saved = String::from_utf8_lossy(&fake.disks.files["/data/system/clock"]).trim().to_string();
    assert_eq!(saved.parse::<i64>().expect("a number"), BUILD + 10 * 365 * 86_400);
}

/// What of the clock is told to the server, in its order.
fn told_of_the_clock(done: &[String]) -> Vec<&str> {
    let told = done.iter().filter_map(|line| line.strip_prefix("tell server Clock { state: "));
    told.filter_map(|rest| rest.split(',').next()).collect()
}

#[test]
fn the_server_is_told_what_the_clock_is_worth_also_one_that_starts_later() {
    let clock = |state| netd(Message::Clock { state, seconds: BUILD + 70 });
    let mut fake = Fake::fresh();
    fake.clock = 12;
    let script = vec![
        (5, clock(ClockState::Plausible)),
        (5, crash()),
        // Nobody is there to be told.
        (0, clock(ClockState::Synced)),
        (30, Happening::Device(String::new())),
    ];
    let (done, _) = play(&mut fake, script);
    assert_eq!(told_of_the_clock(&fake.trace), ["Floor"], "a board without a clock");
    assert_eq!(told_of_the_clock(&done), ["Plausible", "Synced"]);
    assert!(fake.serial.contains("clock     not set yet"), "{}", fake.serial);
    // A board with a clock of its own, and one that is behind what was known before.
    for (clock, saved, want) in
        [(BUILD + 90, BUILD, "Plausible"), (BUILD + 90, BUILD + 99, "Floor")]
    {
        let mut fake = Fake::fresh();
        fake.clock = clock;
        fake.disks.files.insert("/data/system/clock".to_string(), saved.to_string().into());
        let (_, _) = play(&mut fake, Vec::new());
        assert_eq!(told_of_the_clock(&fake.trace), [want]);
    }
}

#[test]
fn addresses_come_and_go_on_the_console() {
    let address = "192.168.1.7".parse().expect("an address");
    let came = Message::Address { address, prefix: 24, from: From::Dhcp };
    let mut fake = Fake::fresh();
    let script = vec![
        (1, netd(Message::Link { up: false, hardware: [1; 6] })),
        (1, netd(Message::Link { up: true, hardware: [1; 6] })),
        (1, netd(came)),
        (5, netd(Message::AddressGone(address))),
        (5, Happening::Device(String::new())),
    ];
    let (_, _) = play(&mut fake, script);
    let lines: Vec<&str> = fake.serial.lines().filter(|line| line.contains("network ")).collect();
    let want = [
        "box: network   no network adapter",
        "box: network   no cable",
        "box: network   looking for an address",
        "box: network   192.168.1.7 (DHCP)",
        "box: network   looking for an address",
    ];
    assert_eq!(lines, want);
}

#[test]
fn a_line_that_a_child_logs_has_one_time() {
    let said = "2026-11-26T11:15:34Z INFO  http: listening on 0.0.0.0:80";
    assert_eq!(supervisor::undated(said), "http: listening on 0.0.0.0:80");
    let said = "2026-11-26T11:15:34Z WARN  smtp: 192.0.2.7 is slow";
    assert_eq!(supervisor::undated(said), "WARN  smtp: 192.0.2.7 is slow");
    for other in ["panicked at a.rs: A-Z is no range", "", "Z "] {
        assert_eq!(supervisor::undated(other), other);
    }
}
