//! Resets: RESET.txt on the boot partition and on sticks, the console, the owner's wish. What is
//! left is exactly what was promised, wherever the power is cut.

use super::fake::{BUILD, Disks, Fake};
use crate::limits;
use crate::request::{Code, DeviceId, Message, Plan, Static};
use crate::system::init::reset::asked::{self, Level, RESULT};
use crate::system::init::reset::journal::{Journal, Seen, Step, Work};
use crate::system::init::{Booted, Outcome, boot, reset};
use crate::system::supervisor;
use crate::system::syscall::{Happening, Program, Source};
use nix::libc::{EACCES, EIO, EROFS};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

const PASSWORDS: &str = "reset passwords\r\n";
const JOURNAL: &str = "/data/system/reset";
const NETWORK: &str = "/data/system/network";

fn up(fake: &mut Fake) -> Booted {
    match boot(fake, BUILD).expect("it starts") {
        Outcome::Up(booted) => *booted,
        Outcome::End { .. } => panic!("it ends: {:?}", fake.trace),
    }
}

/// A box that is lived in: with an owner, a fixed address, mail.
fn lived_in() -> Disks {
    let mut fake = Fake::fresh();
    up(&mut fake);
    let mut disks = fake.disks;
    disks.files.remove("/boot/SETUP-CODE.txt");
    let fixed = Static {
        address: Ipv4Addr::new(192, 168, 1, 20),
        prefix: 24,
        gateway: None,
        resolvers: [None; 3],
        on_trial: false,
    };
    let mut put = |path: &str, octets: &[u8]| disks.files.insert(path.into(), octets.to_vec());
    put("/data/system/presets-done", b"");
    put("/data/system/clock", b"1800000000\n");
    put("/data/system/crash.log", b"---- 5: server ended: SIGABRT\n");
    put(NETWORK, &Message::Network(Plan::Static(fixed)).encode());
    put("/data/system/updates", b"{\"epoch\":1}");
    put("/data/mail/mailroom.toml", b"host = \"mail.office.test\"\n");
    put("/data/mail/secret.key", b"0123456789abcdef");
    put("/data/mail/empty", b"");
    put("/data/mail/tls/key.pem", b"-----BEGIN PRIVATE KEY-----\n");
    put("/data/mail/store/data.mdb", &vec![7; 2 << 20]);
    put("/data/mail/store/lock", b"x");
    put("/data/lost+found/#12", b"half a letter");
    put("/data/left/by/somebody", b"?");
    disks
}

fn device(disks: &Disks) -> DeviceId {
    DeviceId(disks.id())
}

fn text(disks: &Disks, path: &str) -> Option<String> {
    disks.files.get(path).map(|octets| String::from_utf8(octets.clone()).expect("text"))
}

fn names(disks: &Disks) -> BTreeSet<String> {
    disks.files.keys().cloned().collect()
}

fn everything(disks: &Disks) -> String {
    format!("reset everything {}\n", device(disks))
}

/// Puts RESET.txt onto the boot partition, or onto a stick.
fn ask(disks: &mut Disks, folder: &str, asked: &str) {
    disks.files.insert(format!("{folder}/RESET.txt"), asked.as_bytes().to_vec());
}

/// Starts a box with these disks and the stick in it.
fn started(disks: Disks) -> (Fake, Booted) {
    let mut fake = Fake::again(disks);
    fake.plug_in();
    let booted = up(&mut fake);
    (fake, booted)
}

/// The setup code, which SETUP-CODE.txt names too.
fn code(disks: &Disks) -> String {
    let code = text(disks, "/data/system/setup-code").expect("a code").trim().to_string();
    let told = text(disks, "/boot/SETUP-CODE.txt").expect("it is told");
    assert!(told.contains(&format!("is {code}\r\n")), "{told}");
    code
}

/// The number under which the server is told to take the owner's log-in away.
fn told_server(fake: &Fake) -> Option<String> {
    let at = |what: &str| fake.trace.iter().position(|line| line.starts_with(what));
    let reset = at("tell server ResetOwner")?;
    assert!(reset < at("tell server Start").expect("it starts"), "before all else");
    Some(fake.trace[reset].clone())
}

fn play(fake: &mut Fake, script: Vec<(u64, Happening)>) -> bool {
    let booted = up(fake);
    let of = |(after, what)| (Duration::from_secs(after), what);
    fake.script = script.into_iter().map(of).collect();
    supervisor::run(fake, booted, BUILD)
}

fn stick_came() -> Happening {
    Happening::Disk("sda".to_string())
}

fn keys(source: Source, typed: &str) -> Vec<(u64, Happening)> {
    typed.bytes().map(|octet| (0, Happening::Key(source, octet))).collect()
}

// ---- what is left ----

#[test]
fn passwords_and_network_leave_all_but_those() {
    for folder in ["/boot", "/run/stick"] {
        let mut disks = lived_in();
        ask(&mut disks, folder, PASSWORDS);
        let before = disks.files.clone();
        let (fake, booted) = started(disks);
        assert_eq!((booted.repair, booted.plan), (None, Plan::Dhcp));
        let changed: BTreeMap<_, _> =
            fake.disks.files.iter().filter(|(path, now)| before.get(*path) != Some(now)).collect();
        let result = format!("{folder}/{RESULT}");
        let mut new = vec![
            "/boot/SETUP-CODE.txt",
            "/data/system/presets-done",
            "/data/system/reset",
            "/data/system/seed",
            "/data/system/setup-code",
            result.as_str(),
        ];
        new.sort_unstable();
        assert_eq!(changed.keys().map(|path| path.as_str()).collect::<Vec<_>>(), new);
        let gone: Vec<_> =
            before.keys().filter(|path| !fake.disks.files.contains_key(*path)).collect();
        let mut want = [NETWORK.to_string(), format!("{folder}/RESET.txt")];
        want.sort();
        assert_eq!(gone, want.iter().collect::<Vec<_>>());
        let told = text(&fake.disks, &result).expect("an answer");
        assert!(told.contains(&format!("box is now {}\r\n", code(&fake.disks))), "{told}");
        assert!(told.contains("passwords of their mail"), "{told}");
        // The server does its part, and the owner hears no more of it.
        let number = told_server(&fake).expect("the server is told");
        let (fake, _) = started(fake.disks);
        assert_eq!(told_server(&fake), Some(number.clone()), "until it is done");
        let number = number.trim_end_matches(')').rsplit('(').next().expect("a number");
        let done = Message::ResetDone(number.parse().expect("a number"));
        let other = Happening::Told(Program::Server, Message::ResetDone(1));
        let mut fake = Fake::again(fake.disks);
        play(&mut fake, vec![(1, other)]);
        assert!(fake.disks.files.contains_key(JOURNAL), "of another reset");
        let mut fake = Fake::again(fake.disks);
        play(&mut fake, vec![(1, Happening::Told(Program::Server, done))]);
        assert!(!fake.disks.files.contains_key(JOURNAL));
        let (fake, _) = started(fake.disks);
        assert_eq!(told_server(&fake), None);
        code(&fake.disks);
    }
}

#[test]
fn a_preset_that_lies_there_is_no_part_of_a_reset_of_passwords() {
    let mut disks = lived_in();
    ask(&mut disks, "/boot", PASSWORDS);
    let preset = b"domain = \"other.test\"\n".to_vec();
    disks.files.insert("/boot/mailroom.toml".to_string(), preset.clone());
    let (fake, booted) = started(disks);
    assert_eq!(booted.preset.octets(), None);
    code(&fake.disks);
    // A new owner: the code goes, the file that nobody read stays.
    let owned = crate::request::Health {
        mail: crate::request::Mail::Open,
        store: crate::request::StoreState::Good,
        owned: true,
        accounts: 3,
        waiting: 0,
    };
    let mut fake = Fake::again(fake.disks);
    play(&mut fake, vec![(1, Happening::Told(Program::Server, Message::Health(owned)))]);
    assert_eq!(fake.disks.files.get("/boot/mailroom.toml"), Some(&preset));
    assert!(!fake.disks.files.contains_key("/boot/SETUP-CODE.txt"));
    assert_eq!(text(&fake.disks, "/data/system/presets-done").as_deref(), Some(""));
}

#[test]
fn a_reset_of_everything_leaves_a_new_box() {
    for folder in ["/boot", "/run/stick"] {
        let mut disks = lived_in();
        let (id, old) = (disks.id(), text(&disks, "/data/system/setup-code"));
        let asked = everything(&disks);
        ask(&mut disks, folder, &asked);
        let mut fake = Fake::again(disks);
        fake.plug_in();
        // Larger than the watchdog's patience for one removal.
        fake.lengths.insert("/data/mail/store/data.mdb".to_string(), 9 << 30);
        let booted = up(&mut fake);
        assert_eq!((booted.repair, booted.plan), (None, Plan::Dhcp));
        let mut first = Fake::fresh();
        up(&mut first);
        let mut want = names(&first.disks);
        want.extend([format!("{folder}/{RESULT}"), "/data/system/updates".to_string()]);
        assert_eq!(names(&fake.disks), want, "as after the first start of a new box");
        assert_eq!(fake.disks.id(), id, "it is the same device");
        assert_ne!(text(&fake.disks, "/data/system/setup-code"), old);
        let told = text(&fake.disks, &format!("{folder}/{RESULT}")).expect("an answer");
        assert!(told.contains(&format!("box is now {}\r\n", code(&fake.disks))), "{told}");
        let at = |what: &str| fake.trace.iter().position(|line| line.starts_with(what));
        for secret in ["/data/mail/secret.key", "/data/mail/tls/key.pem", NETWORK] {
            let zeros = at(&format!("overwrite {secret} with")).expect(secret);
            assert!(zeros < at(&format!("remove {secret}")).expect(secret), "{secret}");
        }
        assert_eq!(at("overwrite /data/mail/store/data.mdb"), None);
        let parts: Vec<_> = fake.trace.iter().filter(|line| line.starts_with("shorten")).collect();
        assert_eq!(parts.len(), 2, "{parts:?}");
        let folders: Vec<_> = fake.trace.iter().filter(|line| line.ends_with('/')).collect();
        let gone = ["remove /data/left/by/", "remove /data/left/"];
        assert!(gone.iter().all(|folder| folders.iter().any(|line| line == folder)));
        assert!(!folders.iter().any(|line| *line == "remove /data/mail/"), "{folders:?}");
        assert_eq!(told_server(&fake), None, "there is no owner to take away");
        // It is over.
        let (again, _) = started(fake.disks.clone());
        assert_eq!(names(&again.disks), names(&fake.disks));
        assert_eq!(code(&again.disks), code(&fake.disks));
    }
}

#[test]
fn a_stick_that_is_put_in_while_the_box_runs_is_obeyed_too() {
    let mut disks = lived_in();
    let asked = everything(&disks);
    ask(&mut disks, "/run/stick", &asked);
    let mut fake = Fake::again(disks);
    let booted = up(&mut fake);
    fake.plug_in();
    let script = [(1, stick_came()), (60, Happening::End { off: true })];
    fake.script = script.map(|(after, what)| (Duration::from_secs(after), what)).into();
    assert!(!supervisor::run(&mut fake, booted, BUILD), "it restarts");
    assert!(fake.disks.files.contains_key("/data/mail/secret.key"), "not while it is in use");
    assert!(!fake.disks.files.contains_key("/run/stick/RESET.txt"));
    let (fake, _) = started(fake.disks);
    assert!(!fake.disks.files.contains_key("/data/mail/secret.key"));
    let told = text(&fake.disks, &format!("/run/stick/{RESULT}")).expect("an answer");
    assert!(told.contains(&code(&fake.disks)), "{told}");
    // What is wrong is told once, by the boot or when it comes.
    let mut disks = lived_in();
    ask(&mut disks, "/run/stick", "reset it");
    let mut fake = Fake::again(disks);
    fake.plug_in();
    play(&mut fake, vec![(9, stick_came()), (9, Happening::Device(String::new()))]);
    assert_eq!(fake.serial.matches("RESET.txt on the stick was not taken").count(), 1);
}

// ---- power ----

/// At each step at which power can go: either nothing is done and the file is there, or the next
/// start goes on; and it ends in the same, once.
#[test]
fn a_reset_cut_anywhere_is_finished_by_the_next_start() {
    for (folder, all) in
        [("/boot", false), ("/run/stick", false), ("/boot", true), ("/run/stick", true)]
    {
        let mut disks = lived_in();
        let asked = if all { everything(&disks) } else { PASSWORDS.to_string() };
        ask(&mut disks, folder, &asked);
        let before = disks.files.clone();
        let (whole, _) = started(disks.clone());
        let mut cuts = 0;
        for cut in 0.. {
            let mut fake = Fake::again(disks.clone());
            fake.plug_in();
            fake.cut = Some(cut);
            let _ = boot(&mut fake, BUILD);
            let at = format!("{folder}, {asked:?}, cut after {cut}: {:#?}", fake.trace);
            let journal = text(&fake.disks, JOURNAL).map(|text| Journal::parse(&text));
            let asks = fake.disks.files.contains_key(&format!("{folder}/RESET.txt"));
            if journal.is_none() && asks {
                let mut now = fake.disks.files.clone();
                now.insert("/data/system/seed".to_string(), before["/data/system/seed"].clone());
                assert!(now == before, "nothing is done: {at}");
            } else if journal.is_none() {
                assert!(!fake.disks.files.contains_key("/data/mail/secret.key"), "all is: {at}");
            }
            let finished = fake.trace == whole.trace;
            let (next, booted) = started(fake.disks);
            assert_eq!((booted.repair, booted.plan), (None, Plan::Dhcp), "{at}");
            assert_eq!(names(&next.disks), names(&whole.disks), "{at}");
            assert_eq!(told_server(&next).is_some(), !all, "{at}");
            let result = text(&next.disks, &format!("{folder}/{RESULT}")).expect("an answer");
            assert!(result.contains(&code(&next.disks)), "{result}\n{at}");
            // Once: nothing is done at the start after that.
            let (last, _) = started(next.disks.clone());
            assert_eq!(code(&last.disks), code(&next.disks), "{at}");
            assert_eq!(told_server(&last), told_server(&next), "{at}");
            assert_eq!(text(&last.disks, JOURNAL), text(&next.disks, JOURNAL), "{at}");
            cuts = cut;
            if finished {
                break;
            }
        }
        let least = if all { 20 } else { 9 };
        assert!(cuts >= least, "{folder}: only {cuts} steps change the disk");
    }
}

#[test]
fn what_cannot_be_removed_is_for_repair_and_the_next_start_goes_on() {
    let mut disks = lived_in();
    let asked = everything(&disks);
    ask(&mut disks, "/boot", &asked);
    let mut fake = Fake::again(disks);
    fake.fails.push(("remove /data/mail/store/data.mdb", EIO));
    let booted = up(&mut fake);
    let why = booted.repair.expect("nobody serves what is left of a store");
    assert!(why.contains("/data/mail/store/data.mdb: "), "{why}");
    assert!(!fake.trace.iter().any(|line| line == "start server"), "{:?}", fake.trace);
    let left: Vec<_> =
        fake.disks.files.keys().filter(|path| path.starts_with("/data/mail/")).cloned().collect();
    assert_eq!(left, ["/data/mail/store/data.mdb"], "all else is gone");
    let mut again = Fake::again(fake.disks.clone());
    again.fails = fake.fails;
    play(&mut again, vec![(1, Happening::End { off: true })]);
    assert!(again.serial.contains("REPAIR    reset everything is not finished: /data/mail/store/"));
    assert!(!again.serial.contains("No mail is lost"), "{}", again.serial);
    let (fake, booted) = started(fake.disks);
    assert_eq!(booted.repair, None);
    assert!(!fake.disks.files.keys().any(|path| path.starts_with("/data/mail/")));
    code(&fake.disks);
}

#[test]
fn a_box_under_repair_resets_nothing() {
    let mut disks = lived_in();
    let asked = everything(&disks);
    ask(&mut disks, "/boot", &asked);
    let before = disks.files.clone();
    let mut fake = Fake::again(disks);
    fake.fails.push(("mount /data ext4 /dev/vda4$", EROFS));
    let mut script = keys(Source::Serial, "\n3\nyes\n");
    script.push((5, Happening::End { off: true }));
    assert!(play(&mut fake, script), "it stayed up");
    assert_eq!(fake.disks.files, before);
    assert!(fake.serial.contains("Nothing can be reset"), "{}", fake.serial);
}

// ---- what is not obeyed ----

#[test]
fn a_file_that_is_wrong_is_answered_beside_it_and_nothing_is_reset() {
    let disks = lived_in();
    let right = device(&disks).to_string();
    let other = DeviceId(disks.id() ^ 1).to_string();
    for (asked, line, why) in [
        (String::new(), 0, "empty"),
        ("\r\n \t\r\n".to_string(), 0, "empty"),
        ("reset".to_string(), 1, "neither of the two"),
        ("\r\nreset password".to_string(), 2, "neither of the two"),
        ("reset passwords now".to_string(), 1, "neither of the two"),
        ("passwords".to_string(), 1, "neither of the two"),
        ("reset passwords\nreset passwords".to_string(), 2, "second line"),
        (format!("reset passwords\n\n\nreset everything {right}"), 4, "second line"),
        ("reset everything".to_string(), 1, "id of the device is missing"),
        ("reset everything me".to_string(), 1, "eight digits"),
        (format!("reset everything {other}"), 1, "another device"),
        (format!("reset everything {right} {right}"), 1, "neither of the two"),
        ("reset\u{a0}passwords".to_string(), 1, "plain text"),
        ("reset passwords\0".to_string(), 1, "plain text"),
        (" ".repeat(limits::RESET_BYTES + 1), 0, "too long"),
    ] {
        for folder in ["/boot", "/run/stick"] {
            let mut asking = disks.clone();
            ask(&mut asking, folder, &asked);
            let mut before = asking.files.clone();
            let (fake, booted) = started(asking);
            let place = if line == 0 { String::new() } else { format!("line {line}: ") };
            let told = text(&fake.disks, &format!("{folder}/{RESULT}")).expect("an answer");
            let has = told.contains(&place) && told.contains(why) && told.contains("1A2B-3C4D");
            assert!(has && told.contains("nothing was reset"), "{asked:?}: {told}");
            assert!(!told.contains(&right), "a passer-by is not told the id");
            let fault = &booted.faults[0];
            assert!(fault.contains(&place) && fault.contains(why), "{asked:?}: {fault}");
            let mut after = fake.disks.files.clone();
            for path in [format!("{folder}/{RESULT}"), "/data/system/seed".to_string()] {
                before.remove(&path);
                after.remove(&path);
            }
            assert_eq!(after, before, "{asked:?}");
            // The same answer is not written again.
            let (fake, _) = started(fake.disks);
            let again = format!("replace {folder}/{RESULT}");
            assert!(!fake.trace.iter().any(|line| line.starts_with(&again)));
        }
    }
    // As people write it.
    for asked in ["RESET PASSWORDS", "\u{feff}reset passwords\r\n", "\n\n  Reset \t passwords \n"] {
        assert_eq!(asked::parse(asked.as_bytes(), DeviceId(1)), Ok(Level::Passwords), "{asked:?}");
    }
}

#[test]
fn a_stick_that_cannot_be_written_is_obeyed_once() {
    let locked = ("mount /run/stick vfat /dev/sda1$", EACCES);
    for all in [false, true] {
        let mut disks = lived_in();
        let asked = if all { everything(&disks) } else { PASSWORDS.to_string() };
        ask(&mut disks, "/run/stick", &asked);
        let mut fake = Fake::again(disks);
        fake.plug_in();
        fake.fails.push(locked);
        let booted = up(&mut fake);
        assert!(booted.faults[0].contains("it is not obeyed again"), "{:?}", booted.faults);
        let first = code(&fake.disks);
        assert_eq!(told_server(&fake).is_some(), !all);
        assert_eq!(fake.disks.files.contains_key("/data/mail/secret.key"), !all);
        let number = told_server(&fake);
        // It is still in at the next start, and at every other.
        let mut fake = Fake::again(fake.disks);
        fake.plug_in();
        fake.fails.push(locked);
        fake.disks.files.insert("/data/mail/new".to_string(), b"mail".to_vec());
        let booted = up(&mut fake);
        assert!(booted.faults[0].contains("was obeyed before"), "{:?}", booted.faults);
        assert_eq!((code(&fake.disks), told_server(&fake)), (first.clone(), number));
        assert!(fake.disks.files.contains_key("/data/mail/new"));
        // Its lock is opened: the file goes, and nothing is reset.
        let (fake, booted) = started(fake.disks);
        assert_eq!(booted.faults, Vec::<String>::new());
        assert_eq!(code(&fake.disks), first);
        assert!(!fake.disks.files.contains_key("/run/stick/RESET.txt"));
        let told = text(&fake.disks, &format!("/run/stick/{RESULT}")).expect("an answer");
        assert!(told.contains("was obeyed before") || told.contains(&first), "{told}");
        // The same file once more is another wish.
        let mut disks = fake.disks;
        disks.files.remove(JOURNAL);
        ask(&mut disks, "/run/stick", &asked);
        let mut fake = Fake::again(disks);
        fake.plug_in();
        fake.random = 90;
        up(&mut fake);
        assert_ne!(code(&fake.disks), first);
    }
}

#[test]
fn another_stick_and_another_wish_are_not_taken_for_the_one_that_was_obeyed() {
    let locked = ("mount /run/stick vfat /dev/sda1$", EROFS);
    let mut disks = lived_in();
    ask(&mut disks, "/run/stick", PASSWORDS);
    let start = |disks: Disks, random| {
        let mut fake = Fake::again(disks);
        fake.random = random;
        fake.plug_in();
        fake.fails.push(locked);
        up(&mut fake);
        let seen = Journal::read(&mut fake).expect("a journal").seen;
        (fake, seen)
    };
    let (fake, first) = start(disks, 3);
    let code = code(&fake.disks);
    let done = |disks: &mut Disks| {
        // As the server did its part.
        let mut journal = Journal::parse(&text(disks, JOURNAL).expect("a journal"));
        journal.work = None;
        let mut fake = Fake::again(disks.clone());
        fake.mounted.insert("/data".to_string());
        journal.write(&mut fake).expect("written");
        *disks = fake.disks;
    };
    let mut disks = fake.disks;
    done(&mut disks);
    // The same stick with another text.
    ask(&mut disks, "/run/stick", "reset  passwords");
    let (fake, second) = start(disks, 13);
    let other = super::reset::code(&fake.disks);
    assert!(other != code && first != second && second.len() == 1, "one for each stick");
    // The same text on another stick.
    let mut disks = fake.disks;
    done(&mut disks);
    let mut head = [0; 512];
    head[0x43] = 9;
    disks.put("/dev/sda1", 0, head);
    let (fake, third) = start(disks, 23);
    assert!(super::reset::code(&fake.disks) != other && third.len() == 2);
    // Neither is in, or has none: what was remembered of the one that is in is forgotten.
    let mut disks = fake.disks;
    disks.files.remove("/run/stick/RESET.txt");
    let (_, left) = start(disks, 33);
    assert_eq!(left, second);
}

// ---- at the console, and the owner's wish ----

#[test]
fn the_menu_restarts_switches_off_and_resets() {
    for (source, typed, off) in [(Source::Screen, "\n1\n", false), (Source::Serial, "\r1\r", false)]
        .into_iter()
        .chain([(Source::Serial, "\n2\n", true)])
    {
        let mut fake = Fake::again(lived_in());
        let mut script = keys(source, typed);
        script.push((900, Happening::End { off: !off }));
        assert_eq!(play(&mut fake, script), off, "{typed:?}");
        assert!(!fake.disks.files.contains_key(JOURNAL));
    }
    let disks = lived_in();
    let word = device(&disks).to_string();
    for (source, typed, all) in [
        (Source::Screen, "\n3\nyes\n".to_string(), false),
        (Source::Serial, format!("\n4\n{word}\n"), true),
    ] {
        let mut fake = Fake::again(disks.clone());
        let mut script = keys(source, &typed);
        script.push((900, Happening::End { off: true }));
        assert!(!play(&mut fake, script), "it restarts");
        assert!(fake.disks.files.contains_key("/data/mail/secret.key"), "not before it does");
        let (fake, booted) = started(fake.disks);
        assert_eq!((booted.repair, booted.plan), (None, Plan::Dhcp));
        assert_eq!(fake.disks.files.contains_key("/data/mail/secret.key"), !all);
        assert_eq!(told_server(&fake).is_some(), !all);
        code(&fake.disks);
    }
}

#[test]
fn the_menu_is_shown_where_it_was_asked_for_and_goes() {
    let mut fake = Fake::again(lived_in());
    let mut script = keys(Source::Serial, "\n");
    script.extend([(5, Happening::Device(String::new()))]);
    play(&mut fake, script);
    assert!(fake.serial.contains("box: menu      1  restart the box\r\n"), "{}", fake.serial);
    assert!(fake.serial.contains("box: menu      4  reset everything"), "{}", fake.serial);
    assert!(!fake.screen.contains("1  restart"), "{}", fake.screen);
    let mut fake = Fake::again(lived_in());
    let mut script = keys(Source::Screen, "\n");
    script.extend([(5, Happening::Device(String::new())), (1, Happening::End { off: true })]);
    play(&mut fake, script);
    assert!(fake.screen.contains("1  restart the box"), "{}", fake.screen);
    assert!(fake.screen.contains("device    "), "what is asked for stands above it");
    assert!(!fake.serial.contains("box: menu"), "{}", fake.serial);
    let mut fake = Fake::again(lived_in());
    let mut script = keys(Source::Screen, "\n");
    script.extend([(70, Happening::Device(String::new())), (1, Happening::End { off: true })]);
    play(&mut fake, script);
    assert!(!fake.screen.contains("1  restart the box"), "after a minute: {}", fake.screen);
    // All lines once more, where they were said before.
    let mut fake = Fake::again(lived_in());
    play(&mut fake, keys(Source::Serial, "\n5\n"));
    assert_eq!(fake.serial.matches("box: name      mailroom.local").count(), 2);
}

#[test]
fn the_owner_resets_this_device_and_no_other() {
    let disks = lived_in();
    let asked = |device: DeviceId| {
        let mut fake = Fake::again(disks.clone());
        let said = Happening::Told(Program::Server, Message::Reset(device));
        let off = play(&mut fake, vec![(1, said), (60, Happening::End { off: true })]);
        (fake, off)
    };
    let (fake, off) = asked(DeviceId(disks.id() ^ 0x100));
    assert!(off && !fake.disks.files.contains_key(JOURNAL), "nothing is done");
    assert!(fake.serial.contains("another device"), "{}", fake.serial);
    let (fake, off) = asked(device(&disks));
    assert!(!off, "it restarts");
    let (fake, _) = started(fake.disks);
    assert!(!fake.disks.files.contains_key("/data/mail/secret.key"));
    code(&fake.disks);
}

// ---- the journal ----

#[test]
fn a_reset_of_everything_takes_one_of_passwords_in() {
    let mut disks = lived_in();
    let asked = everything(&disks);
    ask(&mut disks, "/boot", PASSWORDS);
    ask(&mut disks, "/run/stick", &asked);
    let (fake, _) = started(disks);
    assert!(!fake.disks.files.contains_key("/data/mail/secret.key"));
    assert!(!fake.disks.files.contains_key(JOURNAL));
    assert_eq!(told_server(&fake), None);
    let code = code(&fake.disks);
    for folder in ["/boot", "/run/stick"] {
        assert!(!fake.disks.files.contains_key(&format!("{folder}/RESET.txt")));
        let told = text(&fake.disks, &format!("{folder}/{RESULT}")).expect("an answer");
        assert!(told.contains(&code), "{told}");
    }
}

#[test]
fn a_journal_is_read_as_it_is_written() {
    let mut fake = Fake::again(lived_in());
    fake.mounted.insert("/data".to_string());
    assert_eq!(Journal::read(&mut fake).expect("none"), Journal::default());
    let seen = |n: u8| Seen::of([n; 12], &[n]);
    for step in [Step::Passwords, Step::Owner, Step::Everything] {
        let work = Some(Work { step, number: u64::MAX, code: Code::new([9; 8]) });
        let mut journal = Journal { work, seen: Vec::new() };
        (0..=20).for_each(|n| journal.remember(seen(n)));
        journal.remember(seen(20));
        assert_eq!(journal.seen.len(), limits::RESETS_SEEN);
        assert_eq!(journal.seen.last(), Some(&seen(20)));
        journal.write(&mut fake).expect("written");
        assert_eq!(Journal::read(&mut fake).expect("read"), journal);
    }
    let odd = "work passwords\nwork all 1 ABCD-2345\nseen 00 11\nseen é 1\n\n";
    assert_eq!(Journal::parse(odd), Journal::default());
    Journal::default().write(&mut fake).expect("written");
    assert!(!fake.disks.files.contains_key(JOURNAL), "one that says nothing is none");
    // What cannot be read is not taken for "nothing is to be done".
    fake.fails.push(("read /data/system/reset", EIO));
    assert!(reset::begin(&mut fake, Level::Passwords).is_err());
}

#[test]
fn every_answer_fits_a_window_and_is_for_windows_too() {
    let wrong = asked::parse(b"x", DeviceId(1)).expect_err("wrong");
    let mut texts = vec![asked::not_taken(&wrong), asked::known()];
    for step in [Step::Passwords, Step::Everything] {
        texts.push(asked::taken(&Work { step, number: 1, code: Code::new([1; 8]) }));
    }
    for text in texts {
        assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']));
        for line in text.lines() {
            assert!(line.len() <= 80, "{line}");
        }
    }
}

proptest! {
    #[test]
    fn only_the_two_lines_are_obeyed(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(asked::parse(&octets, DeviceId(0x1A2B_3C4D)).is_err());
    }

    #[test]
    fn a_letter_more_or_less_is_another_text(
        at in 0_usize..30, octet in any::<u8>(), cut in any::<bool>(), all in any::<bool>(),
    ) {
        let device = DeviceId(0x1A2B_3C4D);
        let text = if all { "reset everything 1A2B-3C4D" } else { "reset passwords" };
        let mut octets = text.as_bytes().to_vec();
        let at = at % octets.len();
        if cut {
            octets.remove(at);
        } else {
            octets[at] = octet;
        }
        let level = if all { Level::Everything } else { Level::Passwords };
        // Of all that is near, these mean the same: other cases, another space, no dash.
        let plain = |octets: &[u8]| {
            let words = octets.split(|octet| octet.is_ascii_whitespace() && *octet != b'\n');
            let words = words.filter(|word| !word.is_empty()).map(<[u8]>::to_ascii_lowercase);
            let text = words.collect::<Vec<_>>().join(&b' ');
            String::from_utf8_lossy(&text).replace('-', "")
        };
        match asked::parse(&octets, device) {
            Ok(found) => {
                prop_assert_eq!(found, level);
                prop_assert_eq!(plain(&octets), plain(text.as_bytes()));
            }
            Err(_) => prop_assert!(octets != text.as_bytes()),
        }
    }
}
