//! The disks of a box: all of the mail moved to another, and a box that goes on with a disk's mail.

use super::api::Program;
use super::stage::{Browser, CODE, NOW, PASSWORD, World};
use crate::act::storage::Step;
use crate::act::storage::copy;
use crate::act::storage::record::Record;
use crate::act::storage::speed::{Class, class};
use crate::admin::House;
use crate::admin::http::Method;
use crate::admin::sticks::Sticks;
use crate::admin::storage::adopt::owner_of;
use crate::request::{Holds, Message, StickState, Words};
use crate::settings;
use crate::store::format::{FORMAT_VERSION, Version};
use crate::store::writer::Options;
use crate::store::{Store, StoreError, account, verify};
use crate::tests::net::toy::Folder;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DISK: &str = "Samsung T7";
const CARD: &str = "SD SC64G";

/// A box whose PID 1 is the test.
struct Boxed {
    world: World,
    sticks: Arc<Sticks>,
    heard: Receiver<Message>,
    /// Where disks are lent.
    place: PathBuf,
    _folder: Folder,
}

impl Boxed {
    fn of(mut world: World) -> Boxed {
        let folder = Folder::new();
        let place = folder.0.join("lent");
        fs::create_dir(&place).expect("a folder");
        let (say, heard) = channel();
        let say = Mutex::new(say);
        let sticks = Sticks::at(
            Box::new(move |message| {
                let said = say.lock().expect("a sender").send(message.clone());
                said.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
            }),
            &place,
        );
        let old = &world.house;
        let (settle, tls) = (old.place.clone(), old.tls.clone());
        let of_store = (old.store.clone(), old.logins.clone());
        let house = House::new(settle, of_store, &old.data, &old.settings(), tls);
        let (networks, lent) = (old.networks.clone(), Some(sticks.clone()));
        let house = House { clock: || NOW, networks, is_box: true, sticks: lent, ..house };
        world.house = Arc::new(house);
        Boxed { world, sticks, heard, place, _folder: folder }
    }

    fn office() -> Boxed {
        let world = World::office();
        world.person("ann", "blue tractor");
        let boxed = Boxed::of(world);
        boxed.holder(Holds::All, CARD);
        boxed.stick(StickState::Ready);
        boxed
    }

    fn stick(&self, state: StickState) {
        let name = Words::new(if state == StickState::None { "" } else { DISK });
        self.sticks.hear(&Message::Stick { state, octets: 1 << 39, name });
    }

    fn takes_back(&self) {
        assert_eq!(self.next(), Message::Returned);
        self.sticks.hear(&Message::TakenBack);
    }

    fn holder(&self, holds: Holds, name: &str) {
        let name = Words::new(name);
        let octets = 1 << 36;
        self.sticks.hear(&Message::Holder { holds, octets, worn: 10, errors: 3, name });
    }

    fn next(&self) -> Message {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("something is said")
    }

    /// The disk is emptied, and lent.
    fn prepares(&self) {
        assert_eq!(self.next(), Message::Prepare(Words::new(DISK)));
        fs::create_dir(self.place.join("mail")).expect("a folder");
        self.sticks.hear(&Message::Prepared(Words::new(DISK)));
    }

    fn writes(&self) -> Result<(), StoreError> {
        let store = &self.world.house.store;
        store.write_blocking(|batch| {
            let id = account::list(batch)?[0].0;
            account::count_sent(batch, id, 1, NOW)
        })
    }
}

/// The page once nothing is done any more.
fn settled(browser: &mut Browser<'_>, page: &str) -> String {
    for _ in 0..2_400 {
        let text = browser.get(page).text();
        if !text.contains("data-live") {
            return text;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("it does not end");
}

#[test]
fn all_of_the_mail_goes_to_another_disk_and_is_good_there() {
    let boxed = Boxed::office();
    let mut owner = boxed.world.owner();
    let text = owner.get("/storage").text();
    for said in [
        DISK,
        CARD,
        "everything on it is erased",
        "100 % of its life",
        "counted 3 errors",
        "The system and all of",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let right = [("disk", DISK), ("password", PASSWORD)];
    for (disk, password, why) in [
        ("", PASSWORD, "Type the name of the disk"),
        (CARD, PASSWORD, "No disk that is in is called so"),
        ("samsung t7", PASSWORD, "No disk that is in is called so"),
        (DISK, "wrong", "not"),
    ] {
        let reply = owner.post("/storage/move", &[("disk", disk), ("password", password)]);
        assert_eq!(reply.status, 422, "{disk}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    assert!(boxed.heard.try_recv().is_err(), "no disk was touched");
    let reply = owner.post("/storage/move", &right);
    assert_eq!((reply.status, reply.header("Location")), (303, Some("/storage")));
    assert!(owner.get("/storage").text().contains("is being emptied"));
    assert_eq!(boxed.writes(), Ok(()), "mail flows meanwhile");
    boxed.prepares();
    assert_eq!(boxed.next(), Message::Switch);

    // It keeps still until the box has changed to it.
    assert!(owner.get("/storage").text().contains("The box restarts with it"));
    assert_eq!(boxed.writes(), Err(StoreError::Moving));
    let reply = owner.post("/storage/measure", &[]);
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("nothing can be changed"), "{}", reply.text());
    let file = boxed.world.house.data.join("mailroom.toml");
    let held = settings::replace_file(&file, b"").expect_err("held");
    assert!(held.to_string().contains("is being moved"));
    assert_eq!(
        crate::units::probe::health(&boxed.world.house.store, crate::request::Mail::Open)
            .expect("health")
            .store,
        crate::request::StoreState::Good
    );

    let there = boxed.place.join("mail");
    let last = Record::load(&there).last.expect("a move");
    assert_eq!((last.at, last.name.as_str()), (NOW, DISK));
    alike(&boxed.world.house.data, &there);
    let copy = Store::open(&there.join("store"), Options::default()).expect("it is a store");
    assert!(verify::verify(&copy, &mut |_, _| ()).expect("checked").faults.is_empty());
    assert!(owner.get("/acts").text().contains("Had the mail moved to the disk Samsung T7"));

    // The box could not, and says so: all goes on here.
    boxed.sticks.hear(&Message::NotPrepared(Words::new("the card cannot be written")));
    boxed.takes_back();
    let text = settled(&mut owner, "/storage");
    assert!(text.contains("the card cannot be written") && text.contains("role=\"alert\""));
    assert_eq!(boxed.writes(), Ok(()));
    settings::replace_file(&file, &fs::read(&file).expect("settings")).expect("free");
    assert_eq!(owner.get("/acts").text().matches("Had the mail moved").count(), 2);
}

/// Every file but those of a running engine.
fn alike(from: &Path, to: &Path) {
    let mut seen = 0;
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(from.join(&below)).expect("listed") {
            let path = below.join(entry.expect("an entry").file_name());
            if from.join(&path).is_dir() {
                folders.push(path);
                continue;
            }
            if ["store/lock", "store/lock.mdb"].contains(&path.to_str().expect("a name")) {
                assert!(!to.join(&path).exists());
                continue;
            }
            use std::os::unix::fs::PermissionsExt;
            let mode = |at: &Path| fs::metadata(at).expect("there").permissions().mode();
            assert_eq!(mode(&from.join(&path)), mode(&to.join(&path)), "{}", path.display());
            let same = fs::read(from.join(&path)).expect("ours")
                == fs::read(to.join(&path)).expect("theirs");
            assert!(same, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} files");
}

#[test]
fn what_goes_wrong_is_told_and_the_mail_goes_on_where_it_is() {
    let boxed = Boxed::office();
    let program = Program::of(&boxed.world);
    let call = |target: &str, body: Value| {
        program.call(Method::Post, &format!("/api/v1/storage{target}"), &body)
    };
    let over = || {
        for _ in 0..6_000 {
            let told = program.get("/api/v1/storage")["storage"].clone();
            if told["doing"].is_null() {
                return told;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    };
    let told = over();
    assert_eq!(told["holders"][0]["holds"], "all", "{told}");
    assert_eq!(told["place"], json!({ "state": "ready", "name": DISK, "octets": 1_u64 << 39 }));
    let wanted = json!({ "disk": DISK });
    assert_eq!(call("/move", json!({ "disk": "another" })).0, 404);
    assert_eq!(call("/forget", Value::Null).0, 404, "there is no old copy");
    // Another store is about to take the place of this one.
    assert!(boxed.world.house.place.restores.begin(None));
    assert_eq!((call("/measure", Value::Null).0, call("/move", wanted.clone()).0), (409, 409));
    boxed.world.house.place.restores.stop();
    // PID 1 does not make it ready.
    assert_eq!(call("/move", wanted.clone()).0, 202);
    assert_eq!(call("/measure", Value::Null).0, 409, "one thing at a time");
    assert_eq!(program.call(Method::Post, "/api/v1/backup/look", &Value::Null).0, 409);
    assert_eq!(boxed.next(), Message::Prepare(Words::new(DISK)));
    boxed.sticks.hear(&Message::NotPrepared(Words::new("it is too small")));
    assert_eq!(over()["failed"]["why"], "it is too small");
    // What is there is not this mail's place.
    assert_eq!(call("/move", wanted.clone()).0, 202);
    assert_eq!(boxed.next(), Message::Prepare(Words::new(DISK)));
    fs::create_dir_all(boxed.place.join("mail/odd")).expect("a folder");
    boxed.sticks.hear(&Message::Prepared(Words::new(DISK)));
    boxed.takes_back();
    assert_eq!(over()["failed"]["why"], "the new disk is not empty");
    assert_eq!(boxed.writes(), Ok(()));
    // Mail on its way out is waited for; a disk that went meanwhile is told.
    fs::remove_dir_all(boxed.place.join("mail")).expect("removed");
    let at_work = boxed.world.house.store.at_work().expect("at work");
    assert_eq!(call("/move", wanted).0, 202);
    assert_eq!(boxed.next(), Message::Prepare(Words::new(DISK)));
    boxed.sticks.hear(&Message::Prepared(Words::new(DISK)));
    while !boxed.world.house.store.is_still() {
        std::thread::yield_now();
    }
    let (status, said) = call("/measure", Value::Null);
    assert_eq!((status, &said["failure"]["kind"]), (409, &json!("exists")));
    drop(at_work);
    boxed.takes_back();
    assert!(over()["failed"]["why"].as_str().is_some_and(|why| why.contains("cannot be read")));
    assert_eq!(boxed.writes(), Ok(()));
}

#[test]
fn the_old_copy_is_removed_and_a_refusal_after_the_restart_is_told() {
    let boxed = Boxed::office();
    boxed.holder(Holds::SystemAndOld, CARD);
    boxed.holder(Holds::Mail, "Kingston A400");
    let mut owner = boxed.world.owner();
    let text = owner.get("/storage").text();
    assert!(text.contains("The old copy") && text.contains("Kingston A400"), "{text}");
    let erased = |name: &str| {
        let of = text.split(&format!("<strong>{name}</strong><br>")).last().unwrap_or_default();
        of.split("</li>").next().unwrap_or_default().to_string()
    };
    assert!(erased(DISK).contains("everything on it is erased"), "{text}");
    assert!(erased(CARD).contains("the system stays; an old copy"), "{text}");
    boxed.stick(StickState::None);
    let text = owner.get("/storage").text();
    assert!(text.contains("The mail can come back to the one with the system"), "{text}");
    assert!(!text.contains("everything on it is erased"), "{text}");
    assert_eq!(owner.post("/storage/forget", &[("password-old", "wrong")]).status, 422);
    assert_eq!(owner.post("/storage/forget", &[("password-old", PASSWORD)]).status, 303);
    assert_eq!(boxed.next(), Message::Forget);
    boxed.holder(Holds::System, CARD);
    let text = settled(&mut owner, "/storage");
    assert!(text.contains("The old copy was removed") && !text.contains("name=\"password-old\""));
    boxed.sticks.hear(&Message::NotPrepared(Words::new("the copy of its own files failed")));
    assert!(owner.get("/storage").text().contains("the copy of its own files failed"));
    let gone = Message::Holder {
        holds: Holds::System,
        octets: 0,
        worn: 0,
        errors: 0,
        name: Words::new(CARD),
    };
    boxed.sticks.hear(&gone);
    assert_eq!(boxed.sticks.holders().len(), 1);
}

#[test]
fn a_disk_that_gives_back_something_else_and_a_file_that_changes_are_found() {
    let folder = Folder::new();
    let (from, to) = (folder.0.join("from"), folder.0.join("to"));
    fs::create_dir_all(from.join("tls/deep")).expect("folders");
    fs::write(from.join("tls/deep/key.pem"), vec![7; 3_000_000]).expect("written");
    fs::write(from.join("empty"), b"").expect("written");
    let again = || {
        let _ = fs::remove_dir_all(&to);
        fs::create_dir(&to).expect("a folder");
    };
    let flip = |place: PathBuf| {
        let mut octets = fs::read(&place).expect("read");
        octets[2_999_999] ^= 1;
        fs::write(&place, octets).expect("written");
    };
    again();
    let mut steps = Vec::new();
    let octets = copy::copy(&from, &to, &mut |step, done, of| steps.push((step, done, of)));
    assert_eq!(octets, Ok(3_000_000));
    assert_eq!(steps.last(), Some(&(Step::Comparing, 3_000_000, 3_000_000)));
    assert!(fs::read(to.join("tls/deep/key.pem")).expect("read") == vec![7; 3_000_000]);
    assert!(to.join("empty").exists());
    let with = |act: &dyn Fn()| {
        again();
        let mut done = false;
        let copied = copy::copy(&from, &to, &mut |step, _, _| {
            if step == Step::Comparing && !std::mem::replace(&mut done, true) {
                act();
            }
        });
        copied.expect_err("found").why
    };
    let why = with(&|| flip(to.join("tls/deep/key.pem")));
    assert_eq!(why, "the new disk gives back something else: tls/deep/key.pem");
    let why = with(&|| fs::write(from.join("new"), b"1").expect("written"));
    assert_eq!(why, "new was changed meanwhile");
    let why = with(&|| fs::remove_file(from.join("new")).expect("removed"));
    assert!(why.contains("new cannot be read again"), "{why}");
    let why = with(&|| fs::remove_file(to.join("empty")).expect("removed"));
    assert!(why.contains("empty cannot be read from the new disk"), "{why}");
    std::os::unix::fs::symlink("/etc/passwd", from.join("link")).expect("a link");
    again();
    let why = copy::copy(&from, &to, &mut |_, _, _| ()).expect_err("odd").why;
    assert_eq!(why, "link is neither a file nor a folder");
}

#[test]
fn a_disk_is_measured_and_judged_by_what_mail_needs() {
    let world = World::office();
    let mut owner = world.owner();
    let text = owner.get("/storage").text();
    assert!(text.contains("no box") && !text.contains("/storage/move"), "{text}");
    assert_eq!(owner.post("/storage/move", &[("disk", DISK), ("password", PASSWORD)]).status, 422);
    owner.post("/storage/measure", &[]);
    let text = settled(&mut owner, "/storage");
    assert!(text.contains("until it is on the disk") && text.contains("was measured"), "{text}");
    let speed = Record::load(&world.house.data).speed.expect("measured");
    assert!(speed.at == NOW && speed.commit <= speed.worst && speed.write > 0 && speed.read > 0);
    assert!(!world.house.data.join("speed.tmp").exists());
    for (write, read, commit, is) in [
        (90_000_000, 90_000_000, 2_000, Class::Good),
        (90_000_000, 90_000_000, 61_000, Class::Slow),
        (7_000_000, 90_000_000, 2_000, Class::Slow),
        (90_000_000, 90_000_000, 301_000, Class::TooSlow),
        (90_000_000, 1_000_000, 2_000, Class::TooSlow),
    ] {
        assert_eq!(class(write, read, commit), is);
    }
}

// ---- a box that nobody owns ----

/// A new box in which a disk with the mail of an office is.
fn found(world: World) -> Boxed {
    let office = World::office();
    office.person("ann", "blue tractor");
    office.house.store.close();
    let boxed = Boxed::of(world);
    let store = boxed.place.join("mail/store");
    fs::create_dir_all(&store).expect("a folder");
    fs::copy(office.house.data.join("store/data.mdb"), store.join("data.mdb")).expect("copied");
    boxed.stick(StickState::Mail);
    boxed
}

fn enters(boxed: &Boxed) -> Browser<'_> {
    let mut browser = boxed.world.browser();
    browser.get("/code");
    browser.post("/code", &[("code", CODE)]);
    browser.get("/setup/begin");
    browser
}

/// What is said of this password.
fn tries(boxed: &Boxed, browser: &mut Browser<'_>, password: &str) -> String {
    let reply = browser.post("/setup/begin/disk", &[("disk-password", password)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(boxed.next(), Message::Lend { write: false });
    boxed.sticks.hear(&Message::Lent(Words::new(DISK)));
    boxed.takes_back();
    settled(browser, "/setup/begin")
}

const DENIED: &str = "not the password of the owner";

#[test]
fn a_new_box_goes_on_with_a_disk_only_for_the_owner_of_its_mail() {
    let boxed = found(World::new());
    let mut browser = enters(&boxed);
    let text = browser.get("/setup/begin").text();
    assert!(text.contains("A disk with mail") && text.contains(DISK), "{text}");
    // A wrong one, and that of a person: the same is said.
    let wrong = tries(&boxed, &mut browser, "wrong password");
    let person = tries(&boxed, &mut browser, "blue tractor");
    assert!(wrong.contains(DENIED) && person.contains(DENIED), "{wrong}");
    let reply = browser.post("/setup/begin/disk", &[("disk-password", PASSWORD)]);
    assert_eq!(reply.status, 303);
    assert_eq!(boxed.next(), Message::Lend { write: false });
    boxed.sticks.hear(&Message::Lent(Words::new(DISK)));
    assert_eq!(boxed.next(), Message::Adopt);
    assert!(browser.get("/setup/begin").text().contains("The box restarts with it"));
    boxed.sticks.hear(&Message::NotPrepared(Words::new("the card cannot be written")));
    boxed.takes_back();
    assert!(settled(&mut browser, "/setup/begin").contains("the card cannot be written"));
    let names: Vec<_> = fs::read_dir(boxed.place.join("mail/store")).expect("listed").collect();
    assert_eq!(names.len(), 1, "nothing was made there");
}

#[test]
fn guesses_at_a_disk_are_slowed() {
    let boxed = found(World::new());
    let mut browser = enters(&boxed);
    for _ in 0..crate::limits::LOGIN_FAILURES_BEFORE_DELAY + 1 {
        tries(&boxed, &mut browser, "a guess");
    }
    let reply = browser.post("/setup/begin/disk", &[("disk-password", PASSWORD)]);
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(boxed.heard.try_recv().is_err(), "not even the right one is looked at");
}

#[test]
fn a_disk_is_of_no_use_where_people_have_mail_or_none_is_in() {
    let boxed = found(World::office());
    boxed.world.person("bob", "green tractor");
    let mut owner = boxed.world.owner();
    owner.get("/setup/begin");
    let reply = owner.post("/setup/begin/disk", &[("disk-password", PASSWORD)]);
    assert!(reply.status == 422 && reply.text().contains("People have mail on this server"));
    let boxed = found(World::new());
    boxed.stick(StickState::Ready);
    let mut browser = enters(&boxed);
    assert!(!browser.get("/setup/begin").text().contains("disk-password"));
    let reply = browser.post("/setup/begin/disk", &[("disk-password", PASSWORD)]);
    assert!(reply.status == 422 && reply.text().contains("no mail on that disk"));
    assert!(boxed.heard.try_recv().is_err());
}

#[test]
fn a_store_that_is_damaged_newer_missing_or_nobodys_is_told_apart() {
    let boxed = found(World::new());
    let store = boxed.place.join("mail/store");
    let file = store.join("data.mdb");
    let good = fs::read(&file).expect("read");
    let why = || owner_of(&store).expect_err("no store").why;
    assert!(owner_of(&store).expect("good").is_some());
    fs::write(&file, &good[..9_000]).expect("written");
    assert!(why().contains("cannot be read"), "{}", why());
    fs::remove_file(&file).expect("removed");
    assert_eq!(why(), "there is no mail on this disk");
    // Nobody owns this one: no password is right.
    let empty = Store::open(&store, Options::default()).expect("a store");
    empty.close();
    drop(empty);
    assert_eq!(owner_of(&store), Ok(None));
    for name in ["lock", "lock.mdb"] {
        fs::remove_file(store.join(name)).expect("removed");
    }
    let mut browser = enters(&boxed);
    assert!(tries(&boxed, &mut browser, "nobody has this password").contains(DENIED));
    // One of the future.
    let newer = Version { format: FORMAT_VERSION + 1, store_id: vec![7; 16], ..Version::default() };
    let opened = Store::open(&store, Options::default()).expect("a store");
    let put =
        opened.write_blocking(move |batch| batch.put(b"V", &prost::Message::encode_to_vec(&newer)));
    put.expect("written");
    opened.close();
    drop(opened);
    assert_eq!(why(), "a newer Mailroom wrote the mail on this disk");
}
