//! The page of updates and its calls, with a PID 1 that the test plays.

use super::api::Program;
use super::stage::{NOW, World, form_with_file};
use crate::admin::http::Method;
use crate::admin::routes;
use crate::admin::upload::Upload;
use crate::limits;
use crate::net::splice::Wish;
use crate::request::UpdateAct;
use crate::settings::{self, Restart};
use crate::tests::update::sent::{Pid1, bundle};
use crate::tests::update::state::{full, quiet, version};
use crate::update::bundle::BUNDLE_BYTES;
use crate::update::slot::Standing;
use crate::update::state::{Other, Outcome, Past, Refused, SENT, Step, Told, Work};
use serde_json::{Value, json};

/// A box with an owner whose PID 1 is the test.
fn boxed() -> (World, Pid1) {
    let mut world = World::office();
    let (updates, init) = Pid1::of(&world.house.data);
    init.tells(&quiet());
    world.become_updated(updates);
    (world, init)
}

fn installed() -> Told {
    let work = full().work.expect("one");
    Told { work: Some(Work { step: Step::Installed, ..work }), ..quiet() }
}

fn refused(consent: bool) -> Told {
    let refused = full().refused.expect("one");
    Told { refused: Some(Refused { consent, ..refused }), ..quiet() }
}

fn behind() -> Told {
    Told { other: Some(Other { version: version("0.3.0"), epoch: 1 }), ..quiet() }
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_server_that_is_no_box_says_so_and_does_nothing() {
    let world = World::office();
    let mut owner = world.owner();
    let text = owner.get("/update").text();
    says(&text, &["not a box: update it as it was installed", env!("CARGO_PKG_VERSION")]);
    assert!(!text.contains("type=\"file\"") && !text.contains("data-live"), "{text}");
    for (path, fields) in [
        ("/update/now", &[][..]),
        ("/update/consent", &[("consent", "yes"), ("version", "0.3.0")]),
        ("/update/back", &[("version", "")]),
    ] {
        assert_eq!(owner.post(path, fields).header("Location"), Some("/update"), "{path}");
        says(&owner.get("/update").text(), &["role=\"status\">This server is not a box"]);
    }
    assert_eq!(owner.post("/update/when", &[("when", "03:00")]).status, 404);
    let reply = owner.post_file("/update/file", &bundle());
    assert_eq!(reply.status, 422);
    says(&reply.text(), &["href=\"#file\">This server is not a box"]);
    let program = Program::of(&world);
    for (method, target) in [
        (Method::Get, "/api/v1/update"),
        (Method::Post, "/api/v1/update/now"),
        (Method::Get, "/api/v1/update/when"),
    ] {
        let (status, told) = program.call(method, target, &Value::Null);
        assert_eq!((status, &told["failure"]["why"]), (404, &json!("this server is not a box")));
    }
}

#[test]
fn the_page_shows_how_the_box_stands() {
    let (world, init) = boxed();
    let mut owner = world.owner();
    let mut shows = |told: &Told, words: &[&str], live: bool| {
        init.tells(told);
        let text = owner.get("/update").text();
        says(&text, words);
        assert_eq!(text.contains("data-live"), live, "{text}");
        // What cannot be done now is not offered.
        let free = !live && told.work.is_none();
        assert_eq!(text.contains("type=\"file\""), free, "{text}");
        text
    };
    let facts = ["0.4.0", "qemu-virt", "6.1.0-40-arm64", "2026-09-21", "Proven", "None yet."];
    shows(&quiet(), &facts, false);
    let text =
        shows(&full(), &["value=\"12\"", "0.5.0 was written, and is being read", "12 / 128"], true);
    says(&text, &["mailroom-0.3.0-qemu-virt.mru: the update file has", "Went back", "no mail"]);
    assert!(!text.contains("name=\"consent\""), "not while another is installed: {text}");
    let work =
        Work { version: None, step: Step::Checking, of: 0, done: 0, ..full().work.expect("one") };
    let told = Told { work: Some(work), ..quiet() };
    let text = shows(&told, &["mailroom-0.5.0-qemu-virt.mru: every part of the file"], true);
    assert!(!text.contains("<progress"), "nobody knows of how many: {text}");
    let waits = ["Installed: <strong>0.5.0", "restarts into it now", "action=\"/update/now\""];
    shows(&installed(), &waits, true);
    shows(&Told { standing: Standing::OnTrial, ..quiet() }, &["it stays once mail works"], true);
    let text = shows(&refused(false), &["A file was not installed", "older than 0.4.0"], false);
    assert!(!text.contains("name=\"consent\""), "{text}");
    shows(&refused(true), &["name=\"consent\"", "Install this version all the same"], false);
    let text = shows(&behind(), &["Back to version 0.3.0", "action=\"/update/back\""], false);
    assert!(!text.contains("\"/update/now\""), "{text}");

    std::fs::remove_file(world.house.data.join("told-by-pid-1")).expect("removed");
    let text = owner.get("/update").text();
    says(&text, &["The box does not tell how its system stands"]);
    assert!(!text.contains("<form method=\"post\" action=\"/update"), "{text}");
}

#[test]
fn a_file_that_is_sent_is_followed_from_any_page_and_given_to_pid_1() {
    let (world, init) = boxed();
    let (mut owner, mut other) = (world.owner(), world.owner());
    let updates = &world.house.updates;
    let mut arrival = updates.begin(200_000, NOW).expect("taken");
    arrival.take(&bundle()).expect("taken");
    let text = other.get("/update").text();
    says(
        &text,
        &["data-live=\"/update\"", "max=\"200000\"", "value=\"100008\"", "100.0 kB / 200.0 kB"],
    );
    owner.get("/update");
    let reply = owner.post_file("/update/file", &bundle());
    assert_eq!(reply.status, 422);
    says(&reply.text(), &["Another update file is being sent here"]);
    arrival.break_off();
    says(&other.get("/update").text(), &["did not come whole", "type=\"file\""]);

    let sent = world.house.data.join(SENT);
    for (octets, why) in [
        (&b"Dear Bob, here is the update."[..], "no update file of Mailroom"),
        (b"", "Choose an update file first"),
    ] {
        owner.get("/update");
        let reply = owner.post_file("/update/file", octets);
        assert_eq!(reply.status, 422, "{why}");
        says(&reply.text(), &[why, "aria-invalid=\"true\""]);
    }
    assert_eq!(owner.post("/update/file", &[]).status, 422, "a form without a file");
    assert!(init.hears().is_empty() && !sent.exists());

    owner.get("/update");
    let reply = owner.post_file("/update/file", &bundle());
    assert_eq!(reply.header("Location"), Some("/update"), "{}", reply.text());
    assert_eq!(init.hears(), [UpdateAct::Take]);
    assert_eq!(std::fs::read(&sent).expect("there"), bundle());
    says(&other.get("/update").text(), &["the box looks at it", "data-live"]);
    init.tells(&full());
    let part = other.part("/update").text();
    says(&part, &["12 / 128", "data-live"]);
    let acts = owner.get("/acts").text();
    says(&acts, &["Sent an update file", "Not done:", "no update file of Mailroom"]);
}

/// A form whose file ends in the middle.
#[test]
fn a_browser_that_goes_away_leaves_nothing_behind() {
    let (world, init) = boxed();
    let mut owner = world.owner();
    owner.get("/update");
    let (kind, body) = form_with_file(&owner.csrf, &bundle());
    let reply = owner.post_multipart("/update/file", kind, &body[..body.len() - 2_000]);
    assert_eq!(reply.status, 422);
    says(&reply.text(), &["did not come whole, and nothing was changed"]);
    says(&owner.get("/update").text(), &["did not come whole"]);
    assert!(init.hears().is_empty());
    let left = std::fs::read_dir(&world.house.data).expect("a folder").flatten();
    let left: Vec<_> = left.filter(|it| it.file_name().to_string_lossy().contains("mru")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_dangerous_is_confirmed_and_what_was_done_is_written_down() {
    let (world, init) = boxed();
    let mut owner = world.owner();
    init.tells(&refused(true));
    owner.get("/update");
    let reply = owner.post("/update/consent", &[]);
    assert_eq!(reply.status, 422);
    says(&reply.text(), &["href=\"#consent\">Tick the box"]);
    assert!(init.hears().is_empty());
    // Another stick came since the owner looked.
    let yes = |version| [("consent", "yes"), ("version", version)];
    assert_eq!(owner.post("/update/consent", &yes("0.2.0")).status, 303);
    let text = owner.get("/update").text();
    says(&text, &["That is no longer so", "name=\"version\" value=\"0.3.0\""]);
    assert!(init.hears().is_empty());
    assert_eq!(owner.post("/update/consent", &yes("0.3.0")).status, 303);
    says(&owner.get("/update").text(), &["data-live"]);

    init.tells(&behind());
    for typed in ["", "0.4.0", "yes"] {
        owner.get("/update");
        let reply = owner.post("/update/back", &[("version", typed)]);
        assert_eq!(reply.status, 422, "{typed}");
        says(&reply.text(), &["This is not the version 0.3.0"]);
    }
    owner.get("/update");
    assert_eq!(owner.post("/update/back", &[("version", " 0.3.0 ")]).status, 303);
    says(&owner.get("/update").text(), &["The box restarts", "data-live"]);
    init.tells(&installed());
    owner.get("/update");
    assert_eq!(owner.post("/update/now", &[]).status, 303);
    says(&owner.get("/update").text(), &["The box restarts"]);
    init.tells(&quiet());
    owner.get("/update");
    owner.post("/update/now", &[]);
    says(&owner.get("/update").text(), &["That is no longer so"]);
    assert_eq!(init.hears(), [UpdateAct::Consent, UpdateAct::Back, UpdateAct::Now]);
    let acts = owner.get("/acts").text();
    says(&acts, &["Had an update installed all the same: 0.3.0"]);
    says(&acts, &["Went back to the version 0.3.0", "Restarted into the update"]);
}

#[test]
fn the_owner_says_when_the_box_restarts() {
    let (world, _init) = boxed();
    let mut owner = world.owner();
    says(&owner.get("/update").text(), &["value=\"at-once\" selected", "<option>23:00</option>"]);
    for wrong in ["", "24:00", "soon"] {
        assert_eq!(owner.post("/update/when", &[("when", wrong)]).status, 404, "{wrong}");
    }
    owner.get("/update");
    assert_eq!(owner.post("/update/when", &[("when", "03:00")]).status, 303);
    let path = world.house.data.join("mailroom.toml");
    let kept = settings::load(&path).expect("settings");
    assert_eq!(kept.restart, Restart::Hour(3));
    world.house.settle(&kept);
    says(&owner.get("/update").text(), &["<option selected>03:00", "Saved."]);
    says(&owner.get("/acts").text(), &["when the box restarts into updates: 03:00"]);

    let program = Program::of(&world);
    let target = "/api/v1/update/when";
    assert_eq!(program.get(target), json!({ "when": "03:00" }));
    let told = program.good(Method::Put, target, &json!({ "when": "at-once" }));
    assert_eq!(told, json!({ "when": "at-once" }));
    assert_eq!(settings::load(&path).expect("settings").restart, Restart::AtOnce);
    assert_eq!(program.call(Method::Put, target, &json!({ "when": "3" })).0, 422);
}

#[test]
fn in_the_night_it_says_when_and_does_not_follow() {
    let (world, init) = boxed();
    let restart = Restart::Hour(3);
    world.house.settle(&settings::Settings { restart, ..(*world.house.settings()).clone() });
    init.tells(&installed());
    let text = world.owner().get("/update").text();
    says(&text, &["restarts into it from 03:00 on", "Restart now"]);
    assert!(!text.contains("data-live"), "{text}");
}

#[test]
fn an_update_that_went_back_stands_on_the_first_page_with_its_reason() {
    let (world, init) = boxed();
    let mut owner = world.owner();
    let past = |at, result| Past { at, result, ..full().history.remove(0) };
    let mut home = |told: &Told| {
        init.tells(told);
        owner.get("/").text()
    };
    let went_back = Told { history: vec![past(NOW - 60, Outcome::Back)], ..quiet() };
    let text = home(&went_back);
    says(&text, &["Version 0.5.0 was tried, and since", "version 0.4.0 runs again: no mail"]);
    says(&text, &["take the next version", "<a href=\"/update\">Update</a>"]);
    let no = past(NOW, Outcome::Refused);
    let later = Told { history: [vec![no], went_back.history.clone()].concat(), ..quiet() };
    says(&home(&later), &["runs again: no mail"]);
    let kept = past(NOW, Outcome::Kept);
    let kept = Told { history: [vec![kept], went_back.history].concat(), ..quiet() };
    let old = past(NOW - limits::UPDATE_BACK_TOLD_SECONDS, Outcome::Back);
    for told in [kept, Told { history: vec![old], ..quiet() }, quiet()] {
        assert!(!home(&told).contains("runs again"), "{told:?}");
    }
    let text = home(&Told { standing: Standing::Substitute, ..quiet() });
    says(&text, &["could not be started; version 0.4.0 runs in its place", "class=\"state bad\""]);
}

#[test]
fn only_the_owner_may_send_as_much_as_an_update_has() {
    let (world, init) = boxed();
    let most = |world: &World, cookie: Option<&String>, authorization: &str| {
        let cookie = cookie.map_or("", String::as_str);
        let path = if authorization.is_empty() { "/update/file" } else { "/api/v1/update" };
        let wish = Wish { method: "POST", path, cookie, authorization };
        routes::allowance(&world.house, &wish).octets
    };
    let token = Program::of(&world).token.expect("a token");
    let bearer = format!("Bearer {token}");
    let owner = world.owner();
    assert!(most(&world, owner.cookie.as_ref(), "") > BUNDLE_BYTES);
    assert!(most(&world, None, &bearer) > BUNDLE_BYTES);
    world.person("ann", "blue tractor field");
    let ann = world.logged_in("ann", "blue tractor field");
    for cookie in [None, ann.cookie.as_ref()] {
        assert_eq!(most(&world, cookie, ""), limits::WEB_BODY_BYTES);
    }
    assert_eq!(most(&world, None, "Bearer x"), limits::WEB_BODY_BYTES);
    init.tells(&full());
    assert_eq!(most(&world, owner.cookie.as_ref(), ""), limits::WEB_BODY_BYTES, "not now");
    assert_eq!(most(&world, None, &bearer), limits::WEB_BODY_BYTES, "not now");
}

#[test]
fn a_program_updates_the_box() {
    let (world, init) = boxed();
    let program = Program::of(&world);
    let target = "/api/v1/update";
    init.tells(&full());
    let told = program.get(target);
    assert_eq!(told["update"]["system"]["work"]["step"], "reading-back", "{told}");
    assert_eq!(told["update"]["coming"], Value::Null);
    let send = |mut octets: &[u8]| {
        let mut request = program.request(Method::Post, target, b"");
        request.headers.retain(|(name, _)| name != "content-type");
        request.headers.push(("content-type".into(), "application/octet-stream".into()));
        request.headers.push(("content-length".into(), octets.len().to_string()));
        let upload = Upload::bare(octets.len() as u64, &mut octets);
        let reply = routes::answer_with(&world.house, &request, Some(upload));
        let told: Value = serde_json::from_slice(&reply.body).expect("JSON");
        (reply.status, told)
    };
    assert_eq!(send(&bundle()).0, 409, "another is being installed");
    init.tells(&quiet());
    assert_eq!(send(b"no bundle").0, 422);
    assert_eq!(send(b"").0, 422);
    assert_eq!(program.call(Method::Post, target, &json!({})).0, 415);
    let (status, told) = send(&bundle());
    assert_eq!((status, &told["update"]["asked"]["what"]), (202, &json!("take")), "{told}");

    init.tells(&refused(true));
    let done = |path: &str| program.call(Method::Post, &format!("{target}/{path}"), &Value::Null);
    assert_eq!(done("now").0, 404);
    let consent = |version: &str| {
        let path = format!("{target}/consent");
        program.call(Method::Post, &path, &json!({ "version": version })).0
    };
    assert_eq!((consent("0.2.0"), consent("0.3.0")), (404, 202));
    init.tells(&behind());
    assert_eq!(done("back").0, 202);
    init.tells(&installed());
    assert_eq!(done("back").0, 409);
    assert_eq!(done("now").0, 202);
    let heard = [UpdateAct::Take, UpdateAct::Consent, UpdateAct::Back, UpdateAct::Now];
    assert_eq!(init.hears(), heard);
    let acts = program.get("/api/v1/acts").to_string();
    for what in ["update/send", "update/consent", "update/back", "update/now"] {
        says(&acts, &[what]);
    }
}
