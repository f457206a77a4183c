//! Backups on the pages and by programs: made, tried, searched, brought back; and the nightly ones.

use super::api::Program;
use super::restore::checked;
use super::stage::{Browser, CODE, NOW, PASSWORD, World};
use crate::act::backup::record::{Past, Record};
use crate::act::backup::shelf;
use crate::act::check::State;
use crate::act::check::backup::stands;
use crate::admin::House;
use crate::admin::http::Method;
use crate::admin::sticks::Sticks;
use crate::limits;
use crate::request::{Message, StickState, Words};
use crate::settings::{self, Settings};
use crate::store::backup::sealed::{self, Passphrase};
use crate::store::mail::{self, FlagSet, Flags, NewMail, Prepared};
use crate::store::{Batch, INBOX, Store, account, mailbox};
use crate::tests::net::toy::Folder;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

pub(super) const WORDS: &str = "oak pine elm ash";
pub(super) const DAY: i64 = 24 * 3600;

/// An office with ann and some letters, and a folder for its backups.
pub(super) struct Office {
    pub world: World,
    pub shelf: PathBuf,
    _folder: Folder,
}

impl Office {
    pub(super) fn new() -> Office {
        let world = World::office();
        let folder = Folder::new();
        let shelf = folder.0.join("stick");
        std::fs::create_dir(&shelf).expect("a folder");
        with_folder(&world, &shelf);
        world.person("ann", "blue tractor");
        for (number, subject) in
            ["the offer", "=?utf-8?q?B=C3=BCro?= plan", "an offer again"].iter().enumerate()
        {
            let from = "From: Carl <carl@elsewhere.test>";
            let raw = format!("{from}\r\nSubject: {subject}\r\n\r\nletter {number}\r\n");
            deliver(&world.house.store, raw.as_bytes(), NOW + number as i64);
        }
        Office { world, shelf, _folder: folder }
    }
}

/// Its settings name this folder.
pub(super) fn with_folder(world: &World, shelf: &Path) {
    let path = world.house.data.join("mailroom.toml");
    let mut settings: Settings = (*world.house.settings()).clone();
    settings.backup.folder = Some(shelf.to_path_buf());
    settings::replace_file(&path, settings::print(&settings).as_bytes()).expect("written");
    // As they are read.
    world.house.settle(&settings::load(&path).expect("settings"));
}

fn deliver(store: &Store, raw: &[u8], at: i64) {
    let new = NewMail {
        body: Arc::new(Prepared::new(raw)),
        prefix: Vec::new(),
        flags: FlagSet { flags: Flags::SEEN, keywords: vec!["$Work".to_string()] },
        internal_date: at,
        internal_zone_minutes: 60,
        save_date: at,
    };
    let write = move |batch: &mut Batch| {
        let ann = account::list(batch)?[0].0;
        let id = mail::next_id(batch, 1)?;
        mail::append(batch, ann, INBOX, &new, id)
    };
    store.write_blocking(write).expect("delivered");
}

/// The page once nothing is done any more.
pub(super) fn settled(browser: &mut Browser<'_>, page: &str) -> String {
    for _ in 0..2_400 {
        let text = browser.get(page).text();
        if !text.contains("data-live") {
            return text;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("it does not end");
}

fn done(program: &Program<'_>) -> Value {
    for _ in 0..2_400 {
        let told = program.get("/api/v1/backup")["backup"].clone();
        if told["doing"].is_null() {
            return told;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("it does not end");
}

/// Uids of a mailbox of ann's.
fn uids(store: &Store, name: &str) -> usize {
    let read = store.snapshot().expect("a snapshot");
    let ann = account::list(&read).expect("accounts")[0].0;
    let found = mailbox::by_name(&read, ann, name).expect("read");
    found.map_or(0, |it| mail::uids(&read, ann, it.id).expect("uids").len())
}

#[test]
fn a_backup_is_made_tried_searched_and_brought_back_on_the_page() {
    let mut office = Office::new();
    let mut owner = office.world.owner();
    let text = owner.get("/backup").text();
    assert!(text.contains("The folder") && text.contains(">ready<"), "{text}");
    for (first, again, why) in
        [("short", "short", "At least 12"), (WORDS, "oak pine elm yew", "are not the same")]
    {
        let fields = [("passphrase", first), ("passphrase2", again)];
        let reply = owner.post("/backup", &fields);
        assert_eq!(reply.status, 422);
        assert!(reply.text().contains(why) && !reply.text().contains(WORDS), "{}", reply.text());
    }
    let reply = owner.post("/backup", &[("passphrase", WORDS), ("passphrase2", WORDS)]);
    assert_eq!(reply.header("Location"), Some("/backup"), "{}", reply.text());
    let text = settled(&mut owner, "/backup");
    for said in
        ["1 people, 3 messages", "Nothing is damaged", "mail.office.test-20260101-000000.mrb"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    let file = office.shelf.join("mail.office.test-20260101-000000.mrb");
    assert!(std::fs::read(&file).expect("there").starts_with(sealed::MARK));

    owner.post("/backup/look", &[]);
    let text = settled(&mut owner, "/backup");
    assert!(text.contains("value=\"mail.office.test-20260101-000000.mrb\""), "{text}");
    let name = ("name", "mail.office.test-20260101-000000.mrb");
    for (fields, why) in [
        (vec![name, ("word", "oak pine elm yew")], "not the passphrase of the backup"),
        (vec![name], "its passphrase is needed"),
        (vec![("name", "../store/data.mdb"), ("word", WORDS)], "no backup ../store/data.mdb"),
    ] {
        owner.post("/backup/open", &fields);
        let text = settled(&mut owner, "/backup");
        assert!(text.contains(why) && text.contains("role=\"alert\""), "{why}: {text}");
    }
    assert_eq!(owner.post("/backup/open", &[]).status, 422);
    owner.post("/backup/open", &[name, ("word", WORDS)]);
    let text = settled(&mut owner, "/backup");
    assert!(
        text.contains("ann@office.test</option>") && !text.contains("role=\"alert\""),
        "{text}"
    );

    search_and_bring(&office, &mut owner);
    let text = owner.get("/acts").text();
    for said in ["Had a backup made", "Opened the backup", "Brought mail back out of a backup"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains(WORDS));

    // All of it: what came since is not in it, and this office goes on as it is set up.
    let host = ("host", "mail.office.test");
    nothing_is_replaced(&mut owner, name);
    owner.post("/backup/restore", &[name, ("word", WORDS), host, ("password", PASSWORD)]);
    checked(&office.world);
    let cookie = owner.cookie.clone();
    office.world.start_anew();
    let store = office.world.house.store.clone();
    assert_eq!((uids(&store, "Restored"), uids(&store, "INBOX")), (0, 3));
    drop(store);
    let mut owner = office.world.browser();
    owner.cookie = cookie;
    assert_eq!(owner.get("/").status, 200, "it is set up");
    assert!(owner.get("/acts").text().contains("Brought back a backup"));
}

/// Without the name of this office, or its owner's password.
fn nothing_is_replaced(owner: &mut Browser<'_>, name: (&str, &str)) {
    let other = [name, ("word", WORDS), ("host", "other.test"), ("password", PASSWORD)];
    let reply = owner.post("/backup/restore", &other);
    assert!(reply.status == 422 && reply.text().contains("This is another name"));
    assert!(reply.text().contains("<details open>"), "what is wrong is not folded");
    let wrong = [name, ("word", WORDS), ("host", "mail.office.test"), ("password", "no")];
    let reply = owner.post("/backup/restore", &wrong);
    assert_eq!(reply.status, 422, "a browser that stands open replaces no office");
    assert!(reply.text().contains("<details open>"), "what is wrong is not folded");
}

/// One message by its subject, then all of its mailbox.
fn search_and_bring(office: &Office, owner: &mut Browser<'_>) {
    let ann = ("login", "ann@office.test");
    owner.post("/backup/find", &[ann, ("mailbox", ""), ("text", "b\u{fc}ro")]);
    let text = settled(owner, "/backup");
    assert!(text.contains("B\u{fc}ro plan") && !text.contains("the offer"), "{text}");
    assert!(text.contains("Carl &#60;carl@elsewhere.test&#62;"), "{text}");
    owner.post("/backup/bring", &[ann, ("mailbox", "INBOX"), ("uid", "2")]);
    let text = settled(owner, "/backup");
    assert!(text.contains("1 messages were brought back; 0 were there"), "{text}");
    let store = &office.world.house.store;
    assert_eq!((uids(store, "Restored"), uids(store, "INBOX")), (1, 3));
    owner.post("/backup/bring", &[ann, ("mailbox", "INBOX")]);
    settled(owner, "/backup");
    assert_eq!(uids(store, "Restored/INBOX"), 3);
}

#[test]
fn programs_do_the_same() {
    let mut office = Office::new();
    let program = Program::of(&office.world);
    let call = |target: &str, body: Value| {
        program.call(Method::Post, &format!("/api/v1/backup{target}"), &body)
    };
    let told = program.get("/api/v1/backup")["backup"].clone();
    assert_eq!(told["place"]["kind"], "folder");
    assert_eq!((&told["last"], &told["nightly"]), (&Value::Null, &Value::Null));
    assert_eq!(call("", json!({ "passphrase": "short" })).0, 422);
    assert_eq!(call("", json!([WORDS])).0, 422, "a list of values is no object");
    assert_eq!(call("", json!({ "passphrase": WORDS })).0, 202);
    // One thing at a time.
    assert_eq!(call("/look", Value::Null).0, 409);
    let told = done(&program);
    assert_eq!(told["failed"], Value::Null, "{told}");
    let tried = &told["last"]["tried"];
    assert_eq!((&tried["restored"], &tried["messages"]), (&json!(true), &json!(3)), "{told}");
    assert_eq!(told["last"]["failed"], "");
    assert_eq!(call("/look", Value::Null).0, 202);
    let listed = done(&program)["listed"].clone();
    let name = listed[0]["name"].as_str().expect("a name").to_string();
    assert_eq!((&listed[0]["sealed"], &listed[0]["at"]), (&json!(true), &json!(NOW)), "{listed}");
    let with = |more: Value| {
        let mut all = json!({ "name": name, "passphrase": WORDS, "login": "ann@office.test" });
        let more = more.as_object().expect("an object").clone();
        all.as_object_mut().expect("an object").extend(more);
        all
    };
    assert_eq!(call("/find", with(json!({ "text": "OFFER" }))).0, 202);
    let found = done(&program)["found"].clone();
    let subjects: Vec<_> =
        found["messages"].as_array().expect("some").iter().map(|it| &it["subject"]).collect();
    assert_eq!(subjects, ["an offer again", "the offer"], "the newest first");
    assert_eq!(call("/find", with(json!({ "login": "bob@office.test" }))).0, 202);
    assert_eq!(done(&program)["failed"]["kind"], "missing");
    assert_eq!(call("/bring", with(json!({ "uid": 2 }))).0, 422, "of which mailbox?");
    assert_eq!(call("/bring", with(json!({ "mailbox": "INBOX", "uid": 2 }))).0, 202);
    assert_eq!(done(&program)["brought"]["messages"], 1);
    assert_eq!(uids(&office.world.house.store, "Restored"), 1);
    let acts = program.get("/api/v1/acts").to_string();
    assert!(acts.contains("backup/bring") && acts.contains("a script") && !acts.contains(WORDS));
    let restore = json!({ "name": name, "passphrase": WORDS });
    assert_eq!(call("/restore", restore.clone()).0, 409, "people have mail here");
    let mut all = restore;
    all["replace"] = json!(true);
    assert_eq!(call("/restore", all).0, 202);
    checked(&office.world);
    assert_eq!(call("/format", json!({ "stick": "x" })).0, 422);
    office.world.start_anew();
    assert_eq!(uids(&office.world.house.store, "Restored"), 0);
}

/// A machine that nobody has set up goes on from a backup that lies on a stick.
#[test]
fn a_new_machine_takes_a_sealed_backup_from_where_it_lies() {
    let office = Office::new();
    let mut owner = office.world.owner();
    owner.get("/backup");
    owner.post("/backup", &[("passphrase", WORDS), ("passphrase2", WORDS)]);
    settled(&mut owner, "/backup");
    let mut world = World::new();
    with_folder(&world, &office.shelf);
    let mut browser = world.browser();
    browser.get("/code");
    browser.post("/code", &[("code", CODE)]);
    let text = browser.get("/setup/begin").text();
    assert!(text.contains("A backup in the folder of this machine"), "{text}");
    assert_eq!(browser.get("/backup").status, 303, "the page of backups is the owner's");
    browser.get("/setup/begin");
    browser.post("/setup/begin/look", &[]);
    let text = settled(&mut browser, "/setup/begin");
    let name = ("name", "mail.office.test-20260101-000000.mrb");
    assert!(text.contains(name.1), "{text}");
    browser.post("/setup/begin/stick", &[name, ("word", "another one")]);
    let text = settled(&mut browser, "/setup/begin");
    assert!(text.contains("not the passphrase of the backup"), "{text}");
    assert!(!world.house.place.restores.is_wanted());
    // What a browser sends is told where it belongs.
    let octets = std::fs::read(office.shelf.join(name.1)).expect("there");
    let reply = browser.post_file("/setup/begin/restore", &octets);
    assert!(reply.text().contains("locked with a passphrase"), "{}", reply.text());
    let reply = browser.post("/setup/begin/stick", &[name, ("word", WORDS)]);
    assert_eq!(reply.header("Location"), Some("/setup/begin"));
    checked(&world);
    let cookie = browser.cookie.clone();
    world.start_anew();
    let mut browser = world.browser();
    browser.cookie = cookie;
    assert_eq!(browser.get("/setup/begin").header("Location"), Some("/login"));
    assert!(browser.get("/login").text().contains("The backup is in place"));
    assert_eq!(uids(&world.house.store, "INBOX"), 3);
}

/// Waits until the desk is free.
pub(super) fn free(world: &World) {
    for _ in 0..2_400 {
        if world.house.place.backups.known(0).doing.is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("it does not end");
}

/// Midnight of a day on which this program is there.
pub(super) const LATER: i64 = 1_799_971_200;

/// The clock of the office goes on to it.
fn later(office: &mut Office) {
    rebuilt(&mut office.world, |house| House { clock: || LATER, ..house });
}

/// The same house with something else in it.
pub(super) fn rebuilt(world: &mut World, edit: impl FnOnce(House) -> House) {
    let old = &world.house;
    let of_store = (old.store.clone(), old.logins.clone());
    let (place, tls) = (old.place.clone(), old.tls.clone());
    let house = House::new(place, of_store, &old.data, &old.settings(), tls);
    let networks = old.networks.clone();
    world.house = Arc::new(edit(House { networks, ..house }));
}

fn night(office: &Office) -> Record {
    office.world.house.back_up_nightly();
    free(&office.world);
    Record::load(&office.world.house.data)
}

#[test]
fn a_nightly_backup_is_made_on_the_stick_that_is_known_and_what_fails_is_told() {
    let mut office = Office::new();
    later(&mut office);
    let world = &office.world;
    let mut owner = world.owner();
    owner.get("/backup");
    let fields = [("hour", "23"), ("night", WORDS), ("night2", WORDS)];
    owner.post("/backup/nightly", &fields);
    settled(&mut owner, "/backup");
    let written = settings::load(&world.house.data.join("mailroom.toml")).expect("settings");
    assert_eq!(written.backup.nightly, Some(23));
    // Also before the units have started anew with it.
    let text = owner.get("/backup").text();
    assert!(text.contains("A backup is made each night at"), "{text}");
    world.house.settle(&written);
    let text = owner.get("/backup").text();
    assert!(text.contains("A backup is made each night at") && text.contains("none yet"), "{text}");
    let kept = std::fs::read_to_string(world.house.data.join("backups.json")).expect("kept");
    assert!(!kept.contains(WORDS), "{kept}");
    // Since a moment ago: the first night is yet to come.
    assert_eq!(night(&office).attempt, 0);
    let mut record = Record::load(&world.house.data);
    record.since = LATER - 3 * DAY;
    record.save(&world.house.data).expect("saved");
    let record = night(&office);
    let (name, at) = record.good.clone().expect("a good one");
    assert_eq!((name.as_str(), at), ("mail.office.test-night-20270115-000000.mrb", LATER));
    assert!(office.shelf.join(&name).exists() && record.failed.is_empty());
    assert!(record.last.as_ref().is_some_and(|past| past.nightly && past.failed.is_empty()));
    assert!(owner.get("/").text().contains("The last good one is of 2027-01-15"));
    let passphrase = record.passphrase(&world.house.store.sealer().expect("a key"));
    assert_eq!(passphrase, Some(Passphrase::new(WORDS)));
    // Only once in a night.
    assert_eq!(night(&office).attempt, LATER);

    // Another stick: nothing is written on it, and the owner is told.
    let mut record = Record::load(&world.house.data);
    (record.done, record.attempt) = (LATER - DAY, LATER - DAY);
    record.save(&world.house.data).expect("saved");
    shelf::set_id(&office.shelf, &"0".repeat(32)).expect("another");
    let before = std::fs::read_dir(&office.shelf).expect("read").count();
    let record = night(&office);
    assert!(record.failed.contains("not the stick of the nightly backups"), "{record:?}");
    assert_eq!(std::fs::read_dir(&office.shelf).expect("read").count(), before);
    let text = owner.get("/").text();
    assert!(text.contains("it is not the stick of the nightly backups: "), "{text}");
    assert!(text.contains("href=\"/backup\""), "{text}");
    let events = crate::event::recent().join("\n");
    assert!(events.contains("backup: it is not the stick of the nightly backups"));

    owner.get("/backup");
    owner.post("/backup/nightly/off", &[]);
    settled(&mut owner, "/backup");
    let written = settings::load(&world.house.data.join("mailroom.toml")).expect("settings");
    assert_eq!(written.backup.nightly, None);
    let record = Record::load(&world.house.data);
    assert!(!record.is_enrolled() && record.id.is_empty());
}

pub(super) fn enrolled(since: i64) -> Record {
    let mut record = Record::default();
    (record.id, record.since) = ("x".repeat(32), since);
    record
}

#[test]
fn it_is_due_once_a_night_and_again_an_hour_after_a_failure() {
    let world = World::office();
    let mut record = enrolled(NOW - 9 * DAY);
    let at = |hour: i64| NOW + hour * 3600;
    assert!(!record.is_due(2, at(3)), "no passphrase");
    record.keep(&world.house.store, Some(&Passphrase::new(WORDS))).expect("kept");
    assert!(record.is_due(2, at(2)) && record.is_due(2, at(9)) && record.is_due(2, at(1)));
    record.done = at(2);
    assert!(!record.is_due(2, at(3)) && !record.is_due(2, at(25)) && record.is_due(2, at(26)));
    (record.done, record.attempt) = (0, at(2));
    assert!(!record.is_due(2, at(2) + 60) && record.is_due(2, at(3)));
    // Done by a clock that was wrong.
    (record.done, record.attempt) = (at(9_000), at(9_000));
    assert!(record.is_due(2, at(2)));
    (record.done, record.attempt, record.since) = (0, 0, at(5));
    assert!(!record.is_due(2, at(7)) && record.is_due(2, at(26)), "asked for by day");
}

#[test]
fn how_nightly_backups_stand_is_found() {
    let world = World::office();
    let mut record = enrolled(NOW);
    let found = |record: &Record, now: i64| {
        let found = stands(record, true, now).expect("a finding");
        (found.state, found.said[0].key.clone())
    };
    let is = |state: State, key: &str| (state, format!("found.backup{key}"));
    assert_eq!(found(&record, NOW), is(State::Warn, "-unknown"));
    record.keep(&world.house.store, Some(&Passphrase::new(WORDS))).expect("kept");
    assert_eq!(found(&record, NOW + 3600), is(State::Ok, "-soon"));
    assert_eq!(found(&record, NOW + 2 * DAY), is(State::Warn, "-none"));
    record.failed = "there is no stick in the box".to_string();
    assert_eq!(found(&record, NOW + DAY), is(State::Warn, "-never"));
    record.good = Some(("a.mrb".to_string(), NOW + DAY));
    assert_eq!(found(&record, NOW + 2 * DAY), is(State::Warn, "-failed"));
    assert_eq!(found(&record, NOW + 6 * DAY), is(State::Wrong, "-failed"));
    record.failed.clear();
    assert_eq!(found(&record, NOW + 2 * DAY), is(State::Ok, ""));
    assert_eq!(found(&record, NOW + 3 * DAY), is(State::Warn, "-old"));
    assert!(stands(&record, false, NOW).is_none(), "none is wanted");
    record.last = Some(Past { failed: "the disk is full".to_string(), ..Past::default() });
    assert!(stands(&record, false, NOW).is_some_and(|it| it.state == State::Warn));
}

#[test]
fn the_newest_are_kept_and_the_last_good_one_is_never_removed() {
    let folder = Folder::new();
    let path = folder.0.as_path();
    let host = "mail.office.test";
    let write =
        |name: &str| std::fs::write(path.join(name), b"mailroom sealed\n...").expect("made");
    let nights: Vec<String> =
        (0..5).map(|night| shelf::name(host, NOW + night * DAY, true)).collect();
    nights.iter().for_each(|name| write(name));
    write(&format!("{}.2", nights[1]));
    // Of another office, by hand, and what is none.
    let others = [
        shelf::name("mail.office.test-2", NOW, true),
        shelf::name(host, NOW, false),
        "holiday.jpg".to_string(),
        "odd\u{202e}.mrb".to_string(),
    ];
    others.iter().for_each(|name| write(name));
    let names = || -> Vec<String> {
        shelf::list(path).expect("read").into_iter().map(|it| it.name).collect()
    };
    assert_eq!(names()[0], nights[4], "the newest first");
    assert_eq!(names().len(), 7);
    let two = shelf::list(path).expect("read").into_iter().find(|it| it.name == nights[1]);
    assert_eq!(two.map(|it| (it.parts, it.octets, it.at)), Some((2, 38, NOW + DAY)));
    let now = NOW + 9 * DAY;
    shelf::thin_out(path, (host, now), Some(&nights[0]), 2).expect("thinned out");
    let left = names();
    for (name, stays) in nights.iter().zip([true, false, false, true, true]) {
        assert_eq!(left.contains(name), stays, "{name}: {left:?}");
    }
    assert!(!path.join(format!("{}.2", nights[1])).exists());
    assert!(left.contains(&others[0]) && left.contains(&others[1]));
    // All of them together would not do: none goes in vain.
    let room = |need: u64| shelf::make_room(path, (host, now), Some(&nights[0]), need).ok();
    assert_eq!(room(u64::MAX), Some(false));
    assert_eq!(names(), left);
    assert_eq!(room(0), Some(true));
    assert_eq!(names(), left);
    // What was cut off in the middle goes; nobody else's does.
    for left in ["mail.office.test-x.mrb.part", "mail.office.test-x.mrb.2", "other-x.mrb.part"] {
        write(left);
    }
    shelf::clear(path, host).expect("cleared");
    let there = |name: &str| path.join(name).exists();
    assert!(!there("mail.office.test-x.mrb.part") && !there("mail.office.test-x.mrb.2"));
    assert!(there("other-x.mrb.part") && there("holiday.jpg"));
    for bad in ["../a.mrb", "/etc/a.mrb", "a.txt", ".mrb", &"x".repeat(300)] {
        assert_eq!(shelf::path(path, bad), None, "{bad}");
    }
    assert_eq!(shelf::id(path), None);
    let id = shelf::new_id().expect("an id");
    shelf::set_id(path, &id).expect("written");
    assert_eq!(shelf::id(path), Some(id));
}

#[test]
fn a_stick_is_borrowed_of_pid_1_and_given_back() {
    let (say, heard) = mpsc::channel();
    let say = Mutex::new(say);
    let sticks = Sticks::new(Box::new(move |message| {
        say.lock().expect("ours").send(message.clone()).map_err(std::io::Error::other)
    }));
    let next = || heard.recv_timeout(Duration::from_secs(60)).expect("something is said");
    let name = || Words::new("SanDisk Ultra");
    sticks.hear(&Message::Stick { state: StickState::Ready, octets: 7, name: name() });
    assert_eq!(
        (sticks.seen().state, sticks.seen().name.as_str()),
        (StickState::Ready, "SanDisk Ultra")
    );
    let borrow = |write: bool| {
        let sticks = sticks.clone();
        std::thread::spawn(move || sticks.borrow(write))
    };
    let waits = borrow(true);
    assert_eq!(next(), Message::Lend { write: true });
    assert!(sticks.borrow(false).is_err_and(|why| why.contains("in use")));
    sticks.hear(&Message::Lent(name()));
    let lent = waits.join().expect("joined").expect("lent");
    assert_eq!(lent.name, "SanDisk Ultra");
    assert!(sticks.borrow(false).is_err(), "one at a time");
    // It may be pulled out once PID 1 says so; nobody goes on before.
    let returns = std::thread::spawn(move || drop(lent));
    assert_eq!(next(), Message::Returned);
    assert!(sticks.borrow(false).is_err_and(|why| why.contains("in use")));
    assert!(!returns.is_finished());
    sticks.hear(&Message::TakenBack);
    returns.join().expect("joined");
    let waits = borrow(false);
    assert_eq!(next(), Message::Lend { write: false });
    sticks.hear(&Message::NotLent(Words::new("there is no stick in the box")));
    let why = waits.join().expect("joined").err();
    assert_eq!(why.as_deref(), Some("there is no stick in the box"));
    // One that comes when nobody waits any more goes back at once.
    sticks.hear(&Message::Lent(name()));
    assert_eq!(next(), Message::Returned);
    let formats = {
        let sticks = sticks.clone();
        std::thread::spawn(move || sticks.format("SanDisk Ultra"))
    };
    assert_eq!(next(), Message::Format(name()));
    sticks.hear(&Message::Stick { state: StickState::Ready, octets: 7, name: name() });
    assert_eq!(formats.join().expect("joined"), Ok(()));
}

#[test]
fn settings_of_backups_are_read_as_they_are_printed() {
    let world = World::office();
    let mut settings: Settings = (*world.house.settings()).clone();
    settings.backup.nightly = Some(2);
    settings.backup.keep = 3;
    settings.backup.folder = Some(PathBuf::from("/srv/back \"up\""));
    assert_eq!(settings::read(&settings::print(&settings)).as_ref(), Some(&settings));
    let bad =
        |text: &str| settings::read(&format!("host = \"a.test\"\n[backup]\n{text}\n")).is_none();
    assert!(bad("nightly = \"2:00\"") && bad("nightly = \"24:00\"") && bad("nightly = \"02:30\""));
    assert!(bad("keep = 0") && bad("folder = \"backup\"") && bad("kept = 1"));
    assert!(!bad("nightly = \"\"\nfolder = \"\"\nkeep = 400"));
    assert_eq!(limits::BACKUPS_KEPT, 7, "as the page says");
}
