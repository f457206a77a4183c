//! Backups where something is in the way: no room, a clock that was wrong, a stick that does not
//! answer, the power that goes, somebody else who is at it.

use super::api::Program;
use super::backup::{DAY, LATER, Office, WORDS, enrolled, free, rebuilt, settled, with_folder};
use super::stage::{NOW, PASSWORD, World};
use crate::act::backup::record::Record;
use crate::act::backup::shelf;
use crate::admin::House;
use crate::admin::http::Method;
use crate::admin::sticks::Sticks;
use crate::limits;
use crate::request::{Message, StickState, Words};
use crate::settings;
use crate::store::backup;
use crate::store::backup::sealed::Passphrase;
use crate::tests::net::toy::Folder;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// PID 1, as the test plays it.
struct Init {
    sticks: Arc<Sticks>,
    said: mpsc::Receiver<Message>,
}

impl Init {
    /// Of a box with this office.
    fn of(world: &mut World) -> Init {
        let (say, said) = mpsc::channel();
        let say = Mutex::new(say);
        let sticks = Sticks::new(Box::new(move |message| {
            say.lock().expect("ours").send(message.clone()).map_err(std::io::Error::other)
        }));
        let given = Some(sticks.clone());
        rebuilt(world, |house| House { sticks: given, clock: || LATER, ..house });
        Init { sticks, said }
    }

    fn hears(&self) -> Message {
        self.said.recv_timeout(Duration::from_secs(60)).expect("something is said")
    }

    fn tells(&self, state: StickState, name: &str) {
        self.sticks.hear(&Message::Stick { state, octets: 8 << 30, name: Words::new(name) });
    }

    fn refuses(&self, why: &str) {
        self.sticks.hear(&Message::NotLent(Words::new(why)));
    }
}

#[test]
fn a_stick_is_formatted_after_its_name_was_typed_whether_it_can_be_used_or_not() {
    let mut world = World::office();
    let init = Init::of(&mut world);
    let mut owner = world.owner();
    let form = "action=\"/backup/format\"";
    assert!(!owner.get("/backup").text().contains(form), "there is none");
    for state in [StickState::Unusable, StickState::Ready] {
        init.tells(state, "SanDisk <Ultra>");
        let text = owner.get("/backup").text();
        assert!(text.contains(form) && text.contains("SanDisk &#60;Ultra&#62;"), "{text}");
        for typed in ["", "sandisk <ultra>", "Other"] {
            let reply = owner.post("/backup/format", &[("stick", typed)]);
            assert!(reply.status == 422 && reply.text().contains("another name"), "{typed}");
        }
        owner.post("/backup/format", &[("stick", "SanDisk <Ultra>")]);
        assert_eq!(init.hears(), Message::Format(Words::new("SanDisk <Ultra>")));
        let text = owner.get("/backup").text();
        assert!(text.contains("is being formatted") && !text.contains(form), "{text}");
        // It is not done while it cannot be used.
        init.tells(StickState::Unusable, "SanDisk <Ultra>");
        assert!(world.house.place.backups.known(0).doing.is_some());
        init.refuses("the stick cannot be formatted: it was taken out");
        let text = settled(&mut owner, "/backup");
        assert!(text.contains("it was taken out") && text.contains("role=\"alert\""), "{text}");
    }
    owner.post("/backup/format", &[("stick", "SanDisk <Ultra>")]);
    init.hears();
    init.tells(StickState::Ready, "SanDisk <Ultra>");
    let text = settled(&mut owner, "/backup");
    assert!(!text.contains("role=\"alert\""), "{text}");
    assert!(init.said.try_recv().is_err(), "nothing else was asked for");
}

#[test]
fn one_night_is_tried_once_an_hour_also_where_the_box_stops_in_the_middle() {
    let mut world = World::office();
    let init = Init::of(&mut world);
    let mut record = enrolled(LATER - 3 * DAY);
    record.keep(&world.house.store, Some(&Passphrase::new(WORDS))).expect("kept");
    record.save(&world.house.data).expect("saved");
    let mut settings = (*world.house.settings()).clone();
    settings.backup.nightly = Some(0);
    world.house.settle(&settings);
    world.house.back_up_nightly();
    assert_eq!(init.hears(), Message::Lend { write: true });
    // Whatever comes now, such as the end of the power: this is known.
    let noted = Record::load(&world.house.data);
    assert_eq!((noted.attempt, noted.done), (LATER, 0));
    assert!(!noted.is_due(0, LATER + 60) && noted.is_due(0, LATER + 3600));
    init.refuses("there is no stick in the box");
    free(&world);
    let record = Record::load(&world.house.data);
    assert_eq!(record.failed, "there is no stick in the box");
}

#[test]
fn what_was_opened_is_forgotten_though_nobody_looks() {
    let office = Office::new();
    let mut owner = office.world.owner();
    owner.get("/backup");
    owner.post("/backup", &[("passphrase", WORDS), ("passphrase2", WORDS)]);
    settled(&mut owner, "/backup");
    let name = ("name", "mail.office.test-20260101-000000.mrb");
    owner.post("/backup/open", &[name, ("word", WORDS)]);
    settled(&mut owner, "/backup");
    let backups = &office.world.house.place.backups;
    let used = office.world.house.place.millis();
    assert!(backups.known(used).opened.is_some());
    // A message that is none must not bring back all of the mailbox.
    let fields = [("login", "ann@office.test"), ("mailbox", "INBOX"), ("uid", "2x")];
    assert!(owner.post("/backup/bring", &fields).status >= 400);
    assert!(backups.known(used).doing.is_none());
    let most = u64::try_from(limits::BACKUP_OPEN.as_millis()).expect("small");
    backups.forget(used + most + 1_000);
    assert!(backups.known(used).opened.is_none());
}

#[test]
fn a_restore_that_breaks_off_leaves_all_as_it_was() {
    let office = Office::new();
    let world = &office.world;
    let mut owner = world.owner();
    owner.get("/backup");
    owner.post("/backup", &[("passphrase", WORDS), ("passphrase2", WORDS)]);
    settled(&mut owner, "/backup");
    let file = office.shelf.join("mail.office.test-20260101-000000.mrb");
    let whole = std::fs::read(&file).expect("read");
    let fields = [
        ("name", "mail.office.test-20260101-000000.mrb"),
        ("word", WORDS),
        ("host", "mail.office.test"),
        ("password", PASSWORD),
    ];
    let mut bad = whole.clone();
    // Behind the head: the passphrase is right, and then the stick gives something else.
    let last = bad.len() - 40;
    bad[last] ^= 1;
    let cut = &whole[..whole.len() / 2];
    for (octets, why) in [(&bad[..], "is not what was written"), (cut, "is cut off")] {
        std::fs::write(&file, octets).expect("written");
        owner.post("/backup/restore", &fields);
        let text = settled(&mut owner, "/backup");
        assert!(text.contains(why) && text.contains("role=\"alert\""), "{why}: {text}");
        assert!(!world.house.place.restores.is_busy() && !world.house.place.restores.is_wanted());
        assert!(!world.house.store.folder().join("restoring").exists(), "nothing is left");
    }
    // And once more with all of it.
    std::fs::write(&file, &whole).expect("written");
    owner.post("/backup/restore", &fields);
    super::restore::checked(world);
    assert!(world.house.place.restores.is_wanted());
}

#[test]
fn a_restore_that_is_read_and_then_found_damaged_is_told_on_the_page() {
    let office = Office::new();
    let mut owner = office.world.owner();
    owner.get("/backup");
    let mut damaged = super::restore::office();
    let at = damaged.windows(15).rposition(|it| it == b"ann@office.test").expect("a row");
    damaged[at] ^= 1;
    let name = "mail.office.test-20260101-000000.mrb";
    std::fs::write(office.shelf.join(name), damaged).expect("written");
    let fields = [("name", name), ("host", "mail.office.test"), ("password", PASSWORD)];
    assert_eq!(owner.post("/backup/restore", &fields).status, 303);
    let text = settled(&mut owner, "/backup");
    assert!(text.contains("is damaged") && text.contains("role=\"alert\""), "{text}");
    assert!(!owner.get("/acts").text().contains("Brought back a backup"), "it was not");
    // And the next is not kept from it, and does not say it again.
    assert!(!office.world.house.place.restores.is_busy());
    owner.post("/backup/look", &[]);
    assert!(!settled(&mut owner, "/backup").contains("is damaged"));
}

#[test]
fn what_a_trial_left_when_the_power_went_is_gone_at_the_next_start() {
    let world = World::office();
    let dir = world.house.store.folder();
    for left in ["trying", "restoring"] {
        std::fs::create_dir(dir.join(left)).expect("made");
        std::fs::write(dir.join(left).join("data.mdb"), b"half").expect("written");
    }
    backup::clear_up(dir).expect("cleared");
    backup::clear_up(dir).expect("nothing to do");
    assert!(!dir.join("trying").exists() && !dir.join("restoring").exists());
    assert!(dir.join("data.mdb").exists());
}

#[test]
fn nothing_is_begun_while_another_store_takes_the_place_of_this_one() {
    let office = Office::new();
    let program = Program::of(&office.world);
    let place = &office.world.house.place;
    assert!(place.restores.begin(None));
    let make = || program.call(Method::Post, "/api/v1/backup", &json!({ "passphrase": WORDS }));
    let (status, told) = make();
    assert_eq!(status, 409, "{told}");
    let look = || program.call(Method::Post, "/api/v1/backup/look", &Value::Null);
    assert_eq!(look().0, 409);
    place.restores.stop();
    assert_eq!(look().0, 202);
    free(&office.world);
}

#[test]
fn a_place_without_room_is_told_before_anything_is_written() {
    let world = World::office();
    // It has no room at all.
    with_folder(&world, Path::new("/proc"));
    let mut owner = world.owner();
    owner.get("/backup");
    owner.post("/backup", &[("passphrase", WORDS), ("passphrase2", WORDS)]);
    let text = settled(&mut owner, "/backup");
    assert!(text.contains("/proc has no room: 0 octets are free"), "{text}");
    let record = Record::load(&world.house.data);
    assert!(record.last.is_some_and(|past| past.failed.contains("has no room")));
}

#[test]
fn backups_of_a_clock_that_was_wrong_and_many_others_hide_none() {
    let folder = Folder::new();
    let path = folder.0.as_path();
    let host = "mail.office.test";
    let write = |name: &str| std::fs::write(path.join(name), b"mailroom sealed\n").expect("made");
    let far = shelf::name(host, NOW + 5_000 * DAY, true);
    write(&far);
    let nights: Vec<String> =
        (0..3).map(|night| shelf::name(host, NOW + night * DAY, true)).collect();
    nights.iter().for_each(|name| write(name));
    // More than a page lists, all of them newer.
    for hour in 0..limits::BACKUPS_LISTED as i64 + 9 {
        write(&shelf::name(host, NOW + 3 * DAY + hour * 3600, false));
    }
    assert_eq!(shelf::list(path).expect("read").len(), limits::BACKUPS_LISTED);
    let now = NOW + 9 * DAY;
    shelf::thin_out(path, (host, now), None, 2).expect("thinned out");
    let there = |name: &str| path.join(name).exists();
    assert!(there(&nights[2]) && there(&nights[1]), "the newest two of those that can be");
    assert!(!there(&nights[0]) && !there(&far));
}

#[test]
fn settings_name_no_hour_that_a_record_does_not_know() {
    let world = World::office();
    let mut settings = (*world.house.settings()).clone();
    settings.backup.nightly = Some(0);
    world.house.settle(&settings::read(&settings::print(&settings)).expect("settings"));
    // Such as after a restore onto a new box: nothing is tried, and nothing is broken.
    world.house.back_up_nightly();
    free(&world);
    assert_eq!(Record::load(&world.house.data), Record::default());
}
