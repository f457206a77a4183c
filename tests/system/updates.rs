//! Updates as PID 1 has them: sticks, the installer's words, trials, and the power going at every
//! change.

use super::children::{GOOD, count, crash, play, server};
use super::fake::{Disks, Fake};
use crate::limits;
use crate::request::{Health, InstallStep, Message, RefusedFor, StoreState, UpdateAct, Words};
use crate::system::syscall::events::happening_of;
use crate::system::syscall::{Ended, Happening, Program};
use crate::update::ledger::{self, Ledger};
use crate::update::slot::{self, Slot, State};
use crate::update::state::{self, Outcome, Step, Told, Way};
use std::collections::VecDeque;

const FILE: &str = "mailroom-1.1.0-qemu-virt.mru";
const LETTER: &str = "/run/stick/mailroom-update.txt";

type Script = Vec<(u64, Happening)>;

pub(super) fn release(fake: &mut Fake, version: &str) {
    let text = format!(
        "version = \"{version}\"\nboard = \"qemu-virt\"\nkernel = \"6.1.0\"\nepoch = 1\nbuilt = 9\n"
    );
    fake.put_file("/etc/release.toml", &text);
}

/// A box of version 1.0.0 that ran before.
fn settled() -> Fake {
    let mut fake = Fake::fresh();
    play(&mut fake, Vec::new());
    let mut fake = Fake::again(fake.disks);
    release(&mut fake, "1.0.0");
    fake
}

/// A stick with these files.
fn stick(fake: &mut Fake, files: &[&str]) {
    fake.put_file("/sys/block/sda/size", "2048\n");
    fake.put_file("/sys/block/sda/removable", "1\n");
    fake.put_file("/sys/block/sda/sda1/size", "2000\n");
    fake.disks.files.retain(|path, _| !path.starts_with("/run/stick/"));
    for file in files {
        fake.disks.files.insert(format!("/run/stick/{file}"), Vec::new());
    }
}

fn installer(message: Message) -> Happening {
    Happening::Told(Program::Installer, message)
}

fn found() -> Happening {
    installer(Message::Found { id: [7; 16], epoch: 1, version: Words::new("1.1.0") })
}

fn ended(code: i32) -> Happening {
    Happening::Ended(Program::Installer, Ended::Code(code))
}

/// A stick is in, and the installer does its work.
fn installing() -> Script {
    vec![
        (3, found()),
        (1, installer(Message::Progress { step: InstallStep::Writing, done: 3, of: 128 })),
        (9, installer(Message::Written)),
        (0, ended(0)),
        (1, server(Message::Health(GOOD))),
    ]
}

#[test]
fn a_stick_that_an_update_is_read_from_is_not_lent_meanwhile() {
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    let lend = || server(Message::Lend { write: false });
    let (done, _) = play(&mut fake, vec![(3, found()), (1, lend())]);
    let told = "tell server NotLent(Words(\"an update is read from the stick";
    assert_eq!(count(&done, told), 1, "{done:#?}");
    assert_eq!(count(&done, "mount /run/lent"), 0, "{done:#?}");
}

/// No letter could be taken in to prove the new one, and a good update would be called bad.
#[test]
fn a_full_box_keeps_its_system_until_there_is_room() {
    let mut fake = settled();
    let full = Health { store: StoreState::Full, ..GOOD };
    let send = || (1, server(Message::Update(UpdateAct::Take)));
    fake.disks.files.insert("/data/mail/update.mru".to_string(), b"x".to_vec());
    let (done, _) = play(&mut fake, vec![(1, server(Message::Health(full))), send()]);
    assert_eq!(count(&done, "start installer"), 0, "{done:#?}");
    let refused = told(&fake).refused.expect("words for the owner");
    assert!(refused.why.starts_with("the disk is full"), "{refused:?}");
    let mut fake = Fake::again(fake.disks);
    release(&mut fake, "1.0.0");
    fake.disks.files.insert("/data/mail/update.mru".to_string(), b"x".to_vec());
    let (done, _) = play(&mut fake, vec![(1, server(Message::Health(GOOD))), send()]);
    assert_eq!(count(&done, "start installer"), 1, "{done:#?}");
}

fn now() -> (u64, Happening) {
    (1, server(Message::Update(UpdateAct::Now)))
}

/// What the boot script does (board/boot.cmd): which slot runs, with the trial counted.
fn next_start(mut disks: Disks) -> Fake {
    let copies = slot::COPIES.map(|at| slot::parse(&disks.sector("/dev/vda", at / 512)));
    let chosen = slot::choose(&copies);
    let state = chosen.state.expect("one copy is always whole");
    let mut running = state.good;
    if let Some(trial) = state.trial.filter(|trial| trial.left > 0) {
        running = trial.slot;
        let trial = Some(slot::Trial { left: trial.left - 1, ..trial });
        let counted = slot::print(&State { generation: state.generation + 1, trial, ..state });
        for copy in chosen.order {
            disks.put("/dev/vda", slot::COPIES[copy] / 512, counted);
        }
    }
    let id = disks.id();
    let mut fake = Fake::again(disks);
    fake.command_line(running.name(), id);
    release(&mut fake, if running == Slot::A { "1.0.0" } else { "1.1.0" });
    fake
}

fn state_of(disks: &Disks) -> State {
    let copies = slot::COPIES.map(|at| slot::parse(&disks.sector("/dev/vda", at / 512)));
    slot::choose(&copies).state.expect("a state")
}

fn told(fake: &Fake) -> Told {
    state::parse(&fake.files[state::FILE]).expect("the state for the server")
}

fn ledger(disks: &Disks) -> Ledger {
    let octets = disks.files.get(ledger::FILE);
    octets.map(|octets| Ledger::parse(octets).expect("a ledger")).unwrap_or_default()
}

fn letter(fake: &Fake) -> String {
    String::from_utf8(fake.disks.files[LETTER].clone()).expect("text")
}

fn at(done: &[String], what: &str) -> usize {
    let found = done.iter().position(|line| line.starts_with(what));
    found.unwrap_or_else(|| panic!("nothing is {what:?} in {done:#?}"))
}

#[test]
fn a_stick_that_is_put_in_becomes_the_running_system() {
    let mut fake = settled();
    stick(&mut fake, &[FILE, "._mailroom-1.1.0-qemu-virt.mru", "holiday.jpg"]);
    let mut script = installing();
    script.push(now());
    let (done, off) = play(&mut fake, script);
    assert!(!off, "it restarts");
    let order = [
        "mount /run/stick vfat /dev/sda1 read-only",
        "start installer",
        "hand installer Install { consent: false, epoch: 1, running: Words(\"qemu-virt 1.0.0\") } \
         with [File(\"/run/stick/mailroom-1.1.0-qemu-virt.mru\"), Partition(\"/dev/vda3\")]",
        "tell installer Go",
        "unmount /run/stick",
        "write /dev/vda at 12582912",
        "write /dev/vda at 4194304",
        "kill server Ask",
    ];
    let places: Vec<usize> = order.iter().map(|what| at(&done, what)).collect();
    assert!(places.is_sorted(), "{done:#?}");
    assert_eq!(state_of(&fake.disks).trial, Some(slot::Trial { slot: Slot::B, left: 1 }));
    let work = told(&fake).work.expect("it waits for the restart");
    assert_eq!((work.step, work.way, work.file.as_str()), (Step::Installed, Way::Stick, FILE));

    let mut fake = next_start(fake.disks);
    stick(&mut fake, &[FILE]);
    let script = vec![
        (20, server(Message::Unproved(Words::new("smtp: nobody answers")))),
        (5, server(Message::Proved)),
        (5, server(Message::Health(GOOD))),
    ];
    let (done, _) = play(&mut fake, script);
    assert_eq!(state_of(&fake.disks), State { generation: 4, ..State::first(Slot::B) });
    let told = told(&fake);
    assert_eq!(told.history[0].result, Outcome::Kept);
    assert_eq!(told.other.expect("the old system").version.to_string(), "1.0.0");
    assert!(letter(&fake).contains("Version 1.1.0 was installed"), "{}", letter(&fake));
    assert_eq!(count(&done, "start installer"), 0, "the stick is not installed again: {done:#?}");
}

#[test]
fn a_system_that_never_starts_is_left_and_not_tried_again() {
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    let mut script = installing();
    script.push(now());
    play(&mut fake, script);
    // The boot script counts the trial, and nothing of it ever runs.
    let fake = next_start(fake.disks);
    let mut fake = next_start(fake.disks);
    stick(&mut fake, &[FILE]);
    let (done, _) = play(&mut fake, vec![(5, server(Message::Health(GOOD)))]);
    assert_eq!(count(&done, "start installer"), 0, "{done:#?}");
    assert_eq!(state_of(&fake.disks).trial, None);
    let told = told(&fake);
    assert_eq!(told.history[0].result, Outcome::Back);
    assert_eq!(told.history[0].why, ledger::NEVER_STARTED);
    assert!(letter(&fake).contains("did not start"), "{}", letter(&fake));
    assert!(fake.serial.contains("why it went back: the new system did not start"));

    // The same stick once more.
    let said = letter(&fake);
    let mut fake = next_start(fake.disks);
    stick(&mut fake, &[FILE]);
    fake.disks.files.insert(LETTER.to_string(), said.into());
    let script = vec![(3, found()), (0, Happening::Ended(Program::Installer, Ended::Signal(9)))];
    let (done, _) = play(&mut fake, script);
    assert_eq!((count(&done, "kill installer"), count(&done, "tell installer Go")), (2, 0));
    assert!(letter(&fake).contains("did not start"), "the reason stays: {}", letter(&fake));
    assert!(fake.serial.contains("did not prove itself: it is not tried again"));
    // Unless the owner wants it.
    let mut fake = next_start(fake.disks);
    stick(&mut fake, &[FILE]);
    let script = vec![
        (3, found()),
        (0, Happening::Ended(Program::Installer, Ended::Signal(9))),
        (1, server(Message::Update(UpdateAct::Consent))),
        (1, found()),
        (1, server(Message::Health(GOOD))),
    ];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "tell installer Go"), 1, "{done:#?}");
}

/// Each ends the trial, and the old system says why.
#[test]
fn a_trial_that_fails_goes_back_with_its_reason() {
    let silent = || (0..130).map(|_| (5, server(Message::Health(GOOD)))).collect::<Script>();
    let mut unproved = silent();
    unproved.insert(5, (1, server(Message::Unproved(Words::new("imap: LOGIN was refused")))));
    let cases = [
        ("within ten minutes that mail works", silent()),
        ("within ten minutes: imap: LOGIN was refused", unproved),
        ("the server ended three times", vec![(5, crash()), (5, crash()), (5, crash())]),
        ("it crashed or hung, or the power went", Vec::new()),
    ];
    for (why, script) in cases {
        let mut fake = settled();
        stick(&mut fake, &[FILE]);
        let mut first = installing();
        first.push(now());
        play(&mut fake, first);
        let mut fake = next_start(fake.disks);
        play(&mut fake, script);
        let mut fake = next_start(fake.disks);
        let (_, _) = play(&mut fake, vec![(5, server(Message::Health(GOOD)))]);
        let told = told(&fake);
        assert_eq!((told.slot, told.history[0].result), (Slot::A, Outcome::Back), "{why}");
        assert!(told.history[0].why.contains(why), "{}", told.history[0].why);
        assert!(fake.serial.contains(why), "{}", fake.serial);
        assert_eq!(told.other, None, "there is no way to what failed");
    }
}

#[test]
fn data_that_the_new_system_cannot_mount_ends_its_trial_at_once() {
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    let mut script = installing();
    script.push(now());
    play(&mut fake, script);
    let mut fake = next_start(fake.disks);
    fake.fails.push(("mount /data", nix::libc::EINVAL));
    let (_, off) = play(&mut fake, vec![(60, Happening::Device(String::new()))]);
    assert!(!off && fake.uptime < limits::TRIAL_MOST);
    let mut fake = next_start(fake.disks);
    play(&mut fake, Vec::new());
    let why = told(&fake).history[0].why.clone();
    assert!(why.contains("the data partition cannot be mounted"), "{why}");
}

#[test]
fn what_is_not_taken_has_its_own_words_and_leaves_the_system_alone() {
    let refused = |kind, why: &str| {
        vec![(3, installer(Message::Refused { kind, why: Words::new(why) })), (0, ended(0))]
    };
    let older = "the update file has version 0.9.0, older than 1.0.0, which is running";
    let cases: Vec<(&[&str], Script, &str, bool)> = vec![
        (&[FILE], refused(RefusedFor::Good, "its signature is wrong"), "signature", false),
        (&[FILE], refused(RefusedFor::Older, older), "older than 1.0.0", true),
        (&[FILE], vec![(3, ended(101))], "ended without a word: exit code 101", false),
        (&[FILE, "b.mru"], vec![(9, server(Message::Health(GOOD)))], "several update", false),
        (&["a.mru", "b.mru", "c.mru"], vec![(9, server(Message::Health(GOOD)))], "1 more", false),
    ];
    for (files, mut script, why, consent) in cases {
        let mut fake = settled();
        stick(&mut fake, files);
        script.push((1, server(Message::Health(GOOD))));
        let (done, off) = play(&mut fake, script);
        assert!(off, "it went on running: {done:#?}");
        let told = told(&fake);
        let refused = told.refused.expect("it is told");
        assert!(refused.why.contains(why) && refused.consent == consent, "{refused:?}");
        assert_eq!(told.history[0].result, Outcome::Refused);
        assert!(letter(&fake).contains(why), "{}", letter(&fake));
        assert_eq!(count(&done, "write /dev/vda"), 0, "no state is written: {done:#?}");
        assert_eq!(count(&done, "mount /run/stick"), count(&done, "unmount /run/stick"));
    }
    // The version that runs: a stick that stays in says nothing new.
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    fake.disks.files.insert(LETTER.to_string(), b"as it was".to_vec());
    let (_, _) = play(&mut fake, refused(RefusedFor::Same, "version 1.0.0 is already running"));
    assert_eq!((letter(&fake).as_str(), told(&fake).refused), ("as it was", None));
}

/// Pulled out and another one put in, between two looks: the kernel gives it the same name.
#[test]
fn a_stick_that_is_changed_quickly_is_another_one() {
    let refused =
        |why| installer(Message::Refused { kind: RefusedFor::Good, why: Words::new(why) });
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    let script = vec![
        (3, refused("it is cut off")),
        (0, ended(0)),
        (1, server(Message::Health(GOOD))),
        (9, Happening::Disk("sda".to_string())),
        (0, Happening::Disk("sda".to_string())),
        (5, server(Message::Health(GOOD))),
        (1, refused("it is another one's")),
        (0, ended(0)),
        (1, server(Message::Health(GOOD))),
    ];
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start installer"), 2, "{done:#?}");
    assert!(letter(&fake).contains("another one's"), "{}", letter(&fake));
}

#[test]
fn a_stick_with_another_file_system_is_named() {
    for (fails, word) in [("NTFS    ", "NTFS"), ("        ", "no file system that the box reads")] {
        let mut fake = settled();
        fake.put_file("/sys/block/sda/size", "2048\n");
        fake.put_file("/sys/block/sda/removable", "1\n");
        let mut head = [0; 512];
        head[3..11].copy_from_slice(fails.as_bytes());
        fake.disks.put("/dev/sda", 0, head);
        fake.fails.push(("mount /run/stick", nix::libc::EINVAL));
        let (_, _) = play(&mut fake, vec![(9, server(Message::Health(GOOD)))]);
        assert!(fake.serial.contains(word), "{}", fake.serial);
    }
}

#[test]
fn an_upload_is_taken_and_refused_while_another_update_waits() {
    let take = || (1, server(Message::Update(UpdateAct::Take)));
    let mut fake = settled();
    fake.disks.files.insert("/data/mail/update.mru".to_string(), b"x".to_vec());
    let mut script = vec![take()];
    script.extend(installing());
    script.push(take());
    script.push((1, server(Message::Health(GOOD))));
    let (done, _) = play(&mut fake, script);
    assert_eq!(count(&done, "start installer"), 1, "{done:#?}");
    let told = told(&fake);
    assert_eq!(told.work.expect("the first").way, Way::Upload);
    assert!(told.refused.expect("the second").why.contains("waits for its restart"));
    assert!(!fake.disks.files.contains_key("/data/mail/update.mru"), "it does not stay");
}

#[test]
fn the_owner_goes_back_by_hand_and_forward_again() {
    let back = || vec![(1, server(Message::Update(UpdateAct::Back)))];
    let mut fake = settled();
    let (done, off) = play(&mut fake, back());
    assert!(off && count(&done, "write /dev/vda") == 0, "there is nothing to go back to");
    let mut fake = next_start(fake.disks);
    stick(&mut fake, &[FILE]);
    let mut script = installing();
    script.push(now());
    play(&mut fake, script);
    let mut fake = next_start(fake.disks);
    play(&mut fake, vec![(9, server(Message::Proved)), (1, server(Message::Health(GOOD)))]);

    let mut fake = next_start(fake.disks);
    let (_, off) = play(&mut fake, back());
    assert!(!off);
    let mut fake = next_start(fake.disks);
    play(&mut fake, vec![(9, server(Message::Proved)), (1, server(Message::Health(GOOD)))]);
    let told = told(&fake);
    assert_eq!((told.slot, told.version.to_string().as_str()), (Slot::A, "1.0.0"));
    assert_eq!(told.other.expect("the newer").version.to_string(), "1.1.0");
    assert_eq!((told.history[0].way, told.history[0].result), (Way::Hand, Outcome::Kept));
}

/// Plays a whole update with the power going at one change, then starts until nothing moves.
fn cut_at(phase: usize, cut: usize) -> Option<(State, Ledger)> {
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    let mut first = installing();
    first.push(now());
    let proved = || vec![(9, server(Message::Proved)), (9, server(Message::Health(GOOD)))];
    let mut phases: VecDeque<Script> = VecDeque::from([first, proved(), proved()]);
    let mut number = 0;
    let mut happened = false;
    while let Some(script) = phases.pop_front() {
        if number == phase {
            fake.cut = Some(cut);
        }
        play(&mut fake, script);
        happened |= fake.is_cut();
        number += 1;
        fake = next_start(fake.disks);
    }
    for _ in 0..3 {
        play(&mut fake, proved());
        fake = next_start(fake.disks);
    }
    happened.then(|| (state_of(&fake.disks), ledger(&fake.disks)))
}

#[test]
fn the_power_may_go_at_every_change_of_an_update() {
    let mut cuts = 0;
    for phase in 0..2 {
        for cut in 0..60 {
            let Some((state, ledger)) = cut_at(phase, cut) else { break };
            cuts += 1;
            let place = format!("phase {phase}, change {cut}: {state:?} {ledger:?}");
            assert_eq!(state.trial, None, "{place}");
            assert_eq!(ledger.under_way, None, "{place}");
            let kept = ledger.history.iter().any(|past| past.result == Outcome::Kept);
            assert_eq!(state.good == Slot::B, kept, "the ledger says what runs: {place}");
        }
    }
    assert!(cuts > 10, "{cuts}");
}

/// The power went between the two copies: the older one would lead back to what was left behind.
#[test]
fn an_older_copy_of_the_state_is_brought_up_at_the_next_start() {
    let mut fake = settled();
    let newer = State { generation: 9, ..State::first(Slot::A) };
    fake.disks.put("/dev/vda", slot::COPIES[1] / 512, slot::print(&newer));
    play(&mut fake, Vec::new());
    for at in slot::COPIES {
        assert_eq!(slot::parse(&fake.disks.sector("/dev/vda", at / 512)), Ok(newer));
    }
    assert!(!fake.serial.contains("slot state"), "nothing was lost: {}", fake.serial);
}

#[test]
fn the_kernel_says_that_a_disk_came_and_what_driver_a_device_wants() {
    let disk = b"add@/x\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda\0DEVTYPE=disk\0";
    assert_eq!(happening_of(disk), Some(Happening::Disk("sda".to_string())));
    let card = b"change@/x\0SUBSYSTEM=block\0DEVNAME=sdb\0DEVTYPE=disk\0DISK_MEDIA_CHANGE=1\0";
    assert_eq!(happening_of(card), Some(Happening::Disk("sdb".to_string())));
    let part = b"add@/devices/x\0SUBSYSTEM=block\0DEVTYPE=partition\0";
    assert_eq!(happening_of(part), None);
    let device = b"add@/devices/y\0SUBSYSTEM=usb\0MODALIAS=usb:v1\0";
    assert_eq!(happening_of(device), Some(Happening::Device("usb:v1".to_string())));
    assert_eq!(happening_of(b"remove@/devices/y\0MODALIAS=usb:v1\0"), None);
}

/// A folder that cannot be read is no empty one, and a ledger that cannot be read is not replaced.
#[test]
fn what_cannot_be_read_is_told_and_not_written_over() {
    let mut fake = settled();
    stick(&mut fake, &[FILE]);
    fake.fails.push(("list /run/stick", nix::libc::EIO));
    let (done, _) = play(&mut fake, vec![(9, server(Message::Health(GOOD)))]);
    assert_eq!(count(&done, "start installer"), 0, "{done:#?}");
    assert!(fake.serial.contains("Input/output error"), "{}", fake.serial);
    let mut fake = settled();
    let kept = b"{\"epoch\": 9, \"failed\": [\"ab\"]}".to_vec();
    fake.disks.files.insert(ledger::FILE.to_string(), kept.clone());
    fake.fails.push(("read /data/system/updates", nix::libc::EIO));
    stick(&mut fake, &["a.mru", "b.mru"]);
    let (_, _) = play(&mut fake, vec![(9, server(Message::Health(GOOD)))]);
    assert_eq!(fake.disks.files[ledger::FILE], kept);
    // The file is good: that it is not taken is the box's fault, and is said so.
    stick(&mut fake, &[FILE]);
    fake.disks.files.remove("/run/stick/a.mru");
    fake.disks.files.remove("/run/stick/b.mru");
    let script = vec![(3, found()), (0, Happening::Ended(Program::Installer, Ended::Signal(9)))];
    let (done, _) = play(&mut fake, script);
    assert_eq!((count(&done, "kill installer"), count(&done, "tell installer Go")), (2, 0));
    assert!(letter(&fake).contains("cannot write down what it does"), "{}", letter(&fake));
    assert_eq!(fake.disks.files[ledger::FILE], kept);
}
