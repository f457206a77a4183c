//! A backup brought back by way of the page.

use super::stage::{CODE, NOW, PASSWORD, World, form_with_file};
use crate::act::people::{AccountAct, DomainAct, Password};
use crate::act::{self, Request as Act};
use crate::admin::routes;
use crate::admin::upload::{BadUpload, Upload};
use crate::limits;
use crate::net::splice::Wish;
use crate::store::backup::Parts;
use crate::store::format::Setup;
use crate::store::{Batch, Store, account, backup, owner};
use std::io::{self, Read};
use std::time::Duration;

/// An office with an owner and a person, as a backup.
pub(super) fn office() -> Vec<u8> {
    let world = World::owned();
    let domain = Act::Domain(DomainAct::Add { domain: "office.test".into() });
    let password = Password { text: "blue tractor".into(), made_up: false };
    let ann = AccountAct::Add {
        address: "ann@office.test".into(),
        name: "Ann".into(),
        quota: 0,
        password,
    };
    for act in [domain, Act::Account(ann)] {
        act::act(&world.house.store, act, NOW, &mut |_| ()).expect("done");
    }
    let done = |setup: &mut Setup| setup.done.extend(["time", "way", "done"].map(String::from));
    let write = move |batch: &mut Batch| owner::change_setup(batch, &mut { done });
    world.house.store.write_blocking(write).expect("set up");
    let file = world.house.data.join("office.backup");
    backup::backup(&world.house.store, &Parts::new(), &file, &mut |_, _| ()).expect("a backup");
    std::fs::read(file).expect("octets")
}

fn people(store: &Store) -> usize {
    account::list(&store.snapshot().expect("a snapshot")).expect("read").len()
}

/// Waits for the check in the background to end well.
pub(super) fn checked(world: &World) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let wanted = world.house.place.restores.wanted();
        tokio::time::timeout(Duration::from_secs(120), wanted).await.expect("it is good");
    });
}

#[test]
fn a_backup_is_checked_takes_the_place_of_the_store_and_its_owner_logs_in() {
    let backup = office();
    let mut world = World::new();
    let mut browser = world.browser();
    browser.get("/code");
    browser.post("/code", &[("code", CODE)]);
    assert_eq!(browser.get("/setup").header("Location"), Some("/setup/begin"));
    let text = browser.get("/setup/begin").text();
    assert!(text.contains("multipart/form-data") && !text.contains("data-live"), "{text}");
    let reply = browser.post_file("/setup/begin/restore", &backup);
    assert_eq!(reply.header("Location"), Some("/setup/begin"), "{}", reply.text());
    checked(&world);
    let text = browser.get("/setup/begin").text();
    assert!(text.contains("takes its place") && text.contains("data-live"), "{text}");
    assert_eq!(people(&world.house.store), 0, "the store in use is as it was");
    let reply = browser.post_file("/setup/begin/restore", &backup);
    assert!(reply.text().contains("Another backup"), "one at a time: {}", reply.text());

    let cookie = browser.cookie.clone();
    world.start_anew();
    assert_eq!(people(&world.house.store), 1);
    assert!(world.house.data.join("store/before-restore-1").exists(), "the old one is kept");
    assert!(!world.house.data.join("store/restoring").exists());
    let mut browser = world.browser();
    browser.cookie = cookie;
    let reply = browser.get("/setup/begin");
    assert_eq!(reply.header("Location"), Some("/login"), "the code opens nothing any more");
    assert!(browser.get("/login").text().contains("The backup is in place"));
    browser.post("/login", &[("password", PASSWORD)]);
    assert_eq!(browser.get("/").header("Location"), Some("/setup"), "this machine's own steps");
    assert_eq!(browser.get("/setup").header("Location"), Some("/setup/time"));
    let text = browser.get("/acts").text();
    assert!(text.contains("Brought back a backup") && text.contains("setup code"), "{text}");
    // And now that people have mail here, no page replaces it.
    let text = browser.get("/setup/begin").text();
    assert!(text.contains("People have mail on this server"), "{text}");
    let reply = browser.post_file("/setup/begin/restore", &backup);
    assert_eq!(reply.status, 422);
    assert_eq!(people(&world.house.store), 1);
}

#[test]
fn what_is_no_whole_backup_is_told_why_and_changes_nothing() {
    let backup = office();
    let world = World::new();
    let mut browser = world.browser();
    browser.get("/code");
    browser.post("/code", &[("code", CODE)]);
    browser.get("/setup/begin");
    let at_once: [(&[u8], &str); 2] = [
        (b"", "Choose a backup file first"),
        (b"Dear Bob, here is the backup that you wanted.", "no backup of Mailroom"),
    ];
    for (octets, why) in at_once {
        let reply = browser.post_file("/setup/begin/restore", octets);
        assert_eq!(reply.status, 422);
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    let reply = browser.post("/setup/begin/restore", &[]);
    assert!(reply.text().contains("Choose a backup file first"), "{}", reply.text());
    // The browser went away in the middle.
    let (kind, body) = form_with_file(&browser.csrf, &backup);
    let reply = browser.post_multipart("/setup/begin/restore", kind, &body[..body.len() / 2]);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("did not come whole"), "{}", reply.text());
    assert!(!world.house.data.join("store/restoring").exists(), "nothing is left of it");

    let mut damaged = backup.clone();
    let at = damaged.windows(15).rposition(|it| it == b"ann@office.test").expect("a row");
    damaged[at] ^= 1;
    let cut = backup[..backup.len() - 4096].to_vec();
    for (octets, why) in [(cut, "The end of this backup is missing"), (damaged, "is damaged")] {
        let reply = browser.post_file("/setup/begin/restore", &octets);
        assert_eq!(reply.status, 303, "{}", reply.text());
        let text = told(&mut browser);
        assert!(text.contains(why), "{why}: {text}");
        assert!(text.contains("multipart/form-data"), "and another one can be sent: {text}");
    }
    assert!(!world.house.place.restores.is_wanted());
    assert!(!world.house.data.join("store/restoring").exists());
    assert_eq!(browser.get("/setup/begin").status, 200, "the setup goes on");
}

/// The page once the check in the background has ended.
fn told(browser: &mut super::stage::Browser<'_>) -> String {
    for _ in 0..2_400 {
        let text = browser.get("/setup/begin").text();
        if !text.contains("data-live") {
            return text;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the check does not end");
}

#[test]
fn nobody_but_who_sets_the_box_up_may_send_a_large_body() {
    let world = World::new();
    let most = |cookie: Option<&String>, path| {
        let cookie = cookie.map_or("", String::as_str);
        let authorization = "";
        routes::allowance(&world.house, &Wish { method: "POST", path, cookie, authorization })
            .octets
    };
    let mut browser = world.browser();
    browser.get("/code");
    let upload = "/setup/begin/restore";
    assert_eq!(most(None, upload), limits::WEB_BODY_BYTES);
    assert_eq!(most(browser.cookie.as_ref(), upload), limits::WEB_BODY_BYTES, "a visitor");
    browser.post("/code", &[("code", CODE)]);
    assert!(most(browser.cookie.as_ref(), upload) > limits::WEB_BODY_BYTES);
    assert_eq!(most(browser.cookie.as_ref(), "/code"), limits::WEB_BODY_BYTES);
    assert!(world.house.place.restores.begin(None));
    assert_eq!(most(browser.cookie.as_ref(), upload), limits::WEB_BODY_BYTES, "one at a time");
}

/// Gives a few octets at each reading.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(into.len());
        (&mut self.0).take(most as u64).read(into)
    }
}

#[test]
fn a_file_comes_out_as_it_went_in_however_it_is_cut() {
    // With what looks like the begin of a delimiter in it.
    let file = b"\r\n--Xy\r\n--XyY\r\n\r\n--\r\n-\0\xff--XyZ\r".to_vec();
    let (kind, body) = form_with_file("token", &file);
    for step in 1..40 {
        let mut drip = Drip(&body, step);
        let (fields, upload) = Upload::open(kind, &mut drip).expect("a form");
        assert_eq!(fields, [("csrf".to_string(), "token".to_string())]);
        let mut upload = upload.expect("a file");
        let mut out = Vec::new();
        while let Some(piece) = upload.piece().expect("whole") {
            out.extend(piece);
        }
        assert_eq!(out, file, "by {step}");
    }
    let mut cut = Drip(&body[..body.len() - 12], 7);
    let (_, upload) = Upload::open(kind, &mut cut).expect("a form");
    let mut upload = upload.expect("a file");
    let end = std::iter::from_fn(|| upload.piece().transpose()).find_map(Result::err);
    assert_eq!(end, Some(BadUpload::CutOff));
    for bad in ["multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x"] {
        assert!(Upload::open(bad, &mut &b""[..]).is_err(), "{bad}");
    }
    let endless = &mut io::repeat(b'x');
    assert!(Upload::open(kind, endless).is_err(), "no delimiter ever");
}

/// So much of a file that does not end soon.
struct Long(u64);

impl Read for Long {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        into.fill(b'\n');
        let count = self.0.min(into.len() as u64);
        self.0 -= count;
        Ok(count as usize)
    }
}

#[test]
fn a_large_file_is_never_whole_in_memory() {
    let (kind, body) = form_with_file("token", b"");
    let end = body.len() - b"\r\n--XyZ--\r\n".len();
    let mut large = body[..end].chain(Long(200 << 20)).chain(&body[end..]);
    let (_, upload) = Upload::open(kind, &mut large).expect("a form");
    let mut upload = upload.expect("a file");
    let mut count = 0;
    while let Some(piece) = upload.piece().expect("whole") {
        assert!(piece.capacity() <= 4 * limits::READ_CHUNK_BYTES, "{}", piece.capacity());
        count += piece.len();
    }
    assert_eq!(count, 200 << 20);
}
