//! Mailboxes elsewhere: added, changed and removed on the pages and by programs, and seen by nobody
//! else.

use super::api::Program;
use super::stage::{Browser, NOW, World};
use crate::act::collect::{CollectAct, Wish, act};
use crate::act::people::Password;
use crate::admin::http::{Method, Reply};
use crate::limits::{TRIAL_KEPT_MILLIS, TRIALS_AT_ONCE};
use crate::settings;
use crate::store::format::{Outside, OutsideState};
use crate::store::outside::{self, OutsideId};
use crate::store::{account, owner};
use crate::tests::collect::maildrop::Maildrop;
use crate::tests::collect::oauth::token_server;
use crate::tests::remote::certificates::Authority;
use crate::tests::remote::peers::Dns;
use serde_json::{Value, json};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const ANN: &str = "a password of ann";
const BOB: &str = "a password of bob";
const WORD: &str = "open sesame";

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

/// A name server that knows no name.
fn silent() -> &'static Dns {
    static SILENT: LazyLock<(Runtime, Dns)> = LazyLock::new(|| {
        let runtime = runtime();
        let dns = runtime.block_on(Dns::start(Vec::new()));
        (runtime, dns)
    });
    &SILENT.1
}

/// An office with Ann and Bob that asks no name server and trusts this authority.
pub(super) fn office(authority: Option<&Authority>) -> World {
    let world = World::office();
    world.person("ann", ANN);
    world.person("bob", BOB);
    let path = world.house.data.join("mailroom.toml");
    let mut settings = settings::load(&path).expect("settings");
    settings.outgoing.name_servers = vec![silent().at];
    if let Some(authority) = authority {
        let pem = world.house.data.join("authority.pem");
        std::fs::write(&pem, &authority.pem).expect("a file");
        settings.outgoing.authority = Some(pem);
    }
    std::fs::write(path, settings::print(&settings)).expect("written");
    world
}

/// Added without a try.
pub(super) fn add(world: &World, address: &str, wish: Wish) {
    let secret = Some(Password { text: WORD.to_string(), made_up: false });
    let secret = if wish.oauth.is_some() { None } else { secret };
    let wish = Box::new(Wish { untested: true, secret, ..wish });
    let (login, address) = ("ann@office.test".to_string(), address.to_string());
    act(&world.house.store, CollectAct::Add { login, address, wish }, NOW).expect("added");
}

pub(super) fn all(world: &World) -> Vec<(OutsideId, Outside)> {
    outside::all(&world.house.store.snapshot().expect("a snapshot")).expect("read")
}

/// What becomes of a page that follows something, once that is over.
fn settled(browser: &mut Browser<'_>, path: &str) -> Reply {
    until(browser, path, &|reply| !reply.text().contains("id=\"trying\""))
}

fn seen(text: &str) -> String {
    let rest = text.split("name=\"seen\" value=\"").nth(1).expect("a mark");
    rest.split('"').next().expect("a mark").to_string()
}

pub(super) fn acts(world: &World) -> String {
    let read = world.house.store.snapshot().expect("a snapshot");
    let told = owner::acts(&read, None, 1_000).expect("read");
    let line = |(_, act): (u64, crate::store::format::Audit)| {
        format!("{} {} {} [{}]\n", act.who, act.what, act.about, act.failed)
    };
    told.into_iter().map(line).collect()
}

const ADD: &str = "/my/outside/add?address=ann%40far%2Eexample";
const HERS: &str = "/my/outside/ann@far.example";
/// The same as replies name it.
const THERE: &str = "/my/outside/ann%40far%2Eexample";

#[test]
fn a_person_connects_a_mailbox_which_is_tried_before_it_is_saved() {
    let runtime = runtime();
    let maildrop = runtime.block_on(Maildrop::start(false));
    let world = office(Some(&maildrop.authority));
    let mut ann = world.logged_in("ann", ANN);
    assert!(ann.get("/my").text().contains("href=\"/my/outside\""));
    assert!(ann.get("/my/outside").text().contains("No other mailbox yet"));
    let reply = ann.post("/my/outside/find", &[("address", " ann@far.example ")]);
    assert_eq!((reply.status, reply.header("Location")), (303, Some(ADD)));
    let text = settled(&mut ann, ADD).text();
    assert!(text.contains("Its servers are not known"), "{text}");
    let port = maildrop.at.port().to_string();
    let fields = |password: &'static str| {
        [
            ("address", "ann@far.example"),
            ("way", "password"),
            ("password", password),
            ("what", "collect"),
            ("kind", "pop3"),
            ("host", "localhost"),
            ("port", port.as_str()),
            ("tls", "implicit"),
            ("after", "delete"),
            ("days", "21"),
        ]
    };
    let reply = ann.post("/my/outside/add", &fields("close sesame"));
    assert_eq!((reply.status, reply.header("Location")), (303, Some(ADD)));
    let text = settled(&mut ann, ADD).text();
    assert!(text.contains("nothing was saved") && text.contains("refuses the log-in"), "{text}");
    assert!(text.contains("value=\"localhost\"") && text.contains("value=\"21\""), "{text}");
    assert!(!text.contains("close sesame"), "{text}");
    assert_eq!(all(&world), []);
    assert_eq!(ann.post("/my/outside/add", &fields(WORD)).status, 303);
    let reply = settled(&mut ann, ADD);
    assert_eq!((reply.status, reply.header("Location")), (303, Some(THERE)), "{}", reply.text());
    let text = ann.get(HERS).text();
    assert!(text.contains("ann@far.example is connected"), "{text}");
    assert!(text.contains("localhost, POP3") && text.contains("Being looked at"), "{text}");
    let [(_, row)] = &all(&world)[..] else { panic!("one") };
    assert_eq!((row.days, row.relay.is_none(), row.senders.len()), (21, true, 1));
    // A new password is tried as well, and a wrong one does not take the place of the old.
    let before = row.sealed.clone();
    assert_eq!(ann.post(&format!("{HERS}/password"), &[("password", "a wrong one")]).status, 303);
    let end = Instant::now() + Duration::from_secs(60);
    while !ann.part(HERS).text().contains("nothing was saved") {
        assert!(Instant::now() < end, "it is tried");
    }
    // Script saw it first; the page that it asks for then tells it, one time.
    let text = ann.get(HERS).text();
    assert!(text.contains("nothing was saved") && !text.contains("a wrong one"), "{text}");
    assert!(!ann.get(HERS).text().contains("nothing was saved"));
    assert_eq!(all(&world)[0].1.sealed, before);
    assert_eq!(ann.post(&format!("{HERS}/password"), &[("password", WORD)]).status, 303);
    assert_eq!(settled(&mut ann, HERS).header("Location"), Some(THERE));
    assert_ne!(all(&world)[0].1.sealed, before);
    let acts = acts(&world);
    let mine: Vec<&str> = acts.lines().filter(|line| line.contains("outside/")).collect();
    assert_eq!(mine.len(), 4, "{acts}");
    assert!(mine.iter().all(|line| line.starts_with("ann@office.test outside/")), "{acts}");
    assert!(mine.iter().filter(|line| line.contains("refuses the log-in")).count() == 2, "{acts}");
    assert!(!acts.contains("sesame") && !acts.contains("a wrong one"), "{acts}");
}

#[test]
fn nobody_sees_or_changes_the_mailboxes_of_another() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish::default());
    let before = all(&world);
    let mut bob = world.logged_in("bob", BOB);
    assert!(!bob.get("/my/outside").text().contains("ann@gmail.com"));
    let hers = "/my/outside/ann@gmail.com";
    assert_eq!(bob.get(hers).status, 404);
    assert_eq!(bob.get(&format!("{hers}/sign-in")).status, 404);
    bob.get("/my");
    for part in ["change", "password", "pause", "look", "sign-in", "remove"] {
        let reply = bob.post(&format!("{hers}/{part}"), &[("password", "x"), ("after", "keep")]);
        assert_eq!(reply.status, 404, "{part}");
        bob.get("/my");
    }
    for path in ["/people/ann@office.test/outside", "/people/ann@office.test/outside/ann@gmail.com"]
    {
        let reply = bob.get(path);
        assert_eq!((reply.status, reply.header("Location")), (303, Some("/login")), "{path}");
    }
    bob.get("/my");
    let reply = bob.post("/people/ann@office.test/outside/ann@gmail.com/remove", &[]);
    assert!([303, 403].contains(&reply.status), "{}", reply.status);
    assert_eq!(all(&world), before);
    assert!(!acts(&world).contains("outside/"), "nothing was done");
    let mut owner = world.owner();
    let text = owner.get("/people/ann@office.test/outside").text();
    assert!(text.contains("ann@gmail.com") && text.contains("Gmail"), "{text}");
    assert!(!owner.get("/people/bob@office.test/outside").text().contains("ann@gmail"));
    assert_eq!(owner.get("/people/bob@office.test/outside/ann@gmail.com").status, 404);
    assert_eq!(owner.get("/people/nobody@office.test/outside").status, 404);
}

#[test]
fn what_is_wrong_with_a_form_is_said_and_nothing_is_tried() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish::default());
    let mut ann = world.logged_in("ann", ANN);
    ann.get("/my/outside");
    for (address, why) in [
        ("", "This is empty"),
        ("no address", "no address"),
        ("ANN@gmail.com", "there already"),
        ("\u{7}@x.test", "cannot be seen"),
    ] {
        let reply = ann.post("/my/outside/find", &[("address", address)]);
        assert!(reply.status == 422 && reply.text().contains(why), "{why}: {}", reply.text());
    }
    let good = [
        ("address", "ann@yandex.ru"),
        ("way", "password"),
        ("password", WORD),
        ("what", "both"),
        ("kind", "imap"),
        ("tls", "implicit"),
        ("smtp-tls", "implicit"),
        ("after", "keep"),
        ("out", "yes"),
    ];
    let long = "x".repeat(20_000);
    for (field, value, why) in [
        ("password", "", "This is empty"),
        ("password", long.as_str(), "too long"),
        ("host", "two words", "server"),
        ("smtp-host", "-", "server"),
        ("after", "burn", "Choose what becomes"),
        ("after", "delete", "A whole number of days"),
        ("after", "move", "This is empty"),
        ("way", "code", "This is empty"),
    ] {
        let mut fields = good.to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let reply = ann.post("/my/outside/add", &fields);
        assert!(reply.status == 422, "{field}: {}", reply.status);
        assert!(reply.text().contains(why), "{field}: {why}: {}", reply.text());
        assert!(!reply.text().contains(WORD), "{field}");
    }
    let mut fields = good.to_vec();
    fields.extend([("host", "imap.far.example"), ("port", "70000")]);
    let reply = ann.post("/my/outside/add", &fields);
    assert!(reply.status == 422 && reply.text().contains("id=\"port-fault\""), "{}", reply.text());
    let none = ann.get("/my/outside/add?address=nonsense");
    assert_eq!(none.header("Location"), Some("/my/outside"));
    assert_eq!(all(&world).len(), 1);
    assert!(!acts(&world).contains("outside/"), "{}", acts(&world));
}

#[test]
fn a_mailbox_is_changed_paused_looked_at_and_removed() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish::default());
    let path = "/people/ann@office.test/outside/ann@gmail.com";
    let there = "/people/ann%40office%2Etest/outside/ann%40gmail%2Ecom";
    let mut owner = world.owner();
    let old = seen(&owner.get(path).text());
    let change = |seen: &str, rest: &[(&str, &str)], owner: &mut Browser<'_>| {
        let mut fields = vec![("seen", seen), ("out", "yes"), ("senders", "ann@gmail.com")];
        fields.extend(rest);
        owner.post(&format!("{path}/change"), &fields)
    };
    let reply = change(&old, &[("after", "move"), ("move-to", "Fetched")], &mut owner);
    assert_eq!((reply.status, reply.header("Location")), (303, Some(there)), "{}", reply.text());
    let text = owner.get(path).text();
    assert!(text.contains("value=\"Fetched\"") && text.contains("Saved."), "{text}");
    // In another browser it is as it was.
    assert_eq!(change(&old, &[("after", "keep")], &mut owner).status, 409);
    let now = seen(&owner.get(path).text());
    let reply = change(&now, &[("after", "keep"), ("senders", "")], &mut owner);
    assert_eq!(reply.status, 303, "the first of two counts");
    let now = seen(&owner.get(path).text());
    let fields = [("seen", now.as_str()), ("after", "keep"), ("out", "yes"), ("senders", "@")];
    let reply = owner.post(&format!("{path}/change"), &fields);
    assert!(reply.status == 422 && reply.text().contains("no address"), "{}", reply.text());
    // Of Bob's address Ann does not send.
    let fields =
        [("seen", now.as_str()), ("after", "keep"), ("out", "yes"), ("senders", "bob@office.test")];
    let reply = owner.post(&format!("{path}/change"), &fields);
    assert!(reply.status == 422 && reply.text().contains("somebody else"), "{}", reply.text());
    let fields = [("seen", now.as_str()), ("after", "keep"), ("folders", "INBOX\n\nНовые/Счета\n")];
    assert_eq!(owner.post(&format!("{path}/change"), &fields).status, 303);
    let row = all(&world)[0].1.clone();
    assert_eq!(row.folders, ["INBOX", "Новые/Счета"]);
    assert!(row.relay.is_none(), "no tick: nothing leaves by it");

    let now = seen(&owner.get(path).text());
    assert_eq!(owner.post(&format!("{path}/pause"), &[("seen", &now)]).status, 303);
    assert!(owner.get(path).text().contains("Go on fetching"));
    assert_eq!(owner.post(&format!("{path}/look"), &[]).status, 500, "paused: not looked at");
    let now = seen(&owner.get(path).text());
    assert_eq!(owner.post(&format!("{path}/pause"), &[("seen", &now)]).status, 303);
    let (id, row) = all(&world).remove(0);
    assert!(!row.paused);
    let failed = |state: &mut OutsideState| {
        (state.looked, state.trouble, state.since) = (NOW, 1, NOW - 600);
        state.error = "The provider refuses <the> log-in. What to do: wait".to_string();
    };
    let store = &world.house.store;
    store.write_blocking(move |batch| outside::note(batch, id, &mut { failed })).expect("noted");
    let text = owner.get(path).text();
    assert!(text.contains("Needs you") && text.contains("refuses &#60;the&#62; log-in"), "{text}");
    let list = owner.get("/people/ann@office.test/outside").text();
    assert!(list.contains("Needs you") && list.contains("refuses"), "{list}");
    let changes = all(&world)[0].1.changes;
    assert_eq!(owner.post(&format!("{path}/look"), &[]).status, 303);
    assert!(all(&world)[0].1.changes > changes, "its task begins anew");
    assert!(owner.get(path).text().contains("Being looked at"));

    assert_eq!(owner.post(&format!("{path}/remove"), &[]).status, 303);
    assert_eq!(all(&world), []);
    assert_eq!(owner.get(path).status, 404);
    let acts = acts(&world);
    for what in ["change", "pause", "resume", "look", "remove"] {
        let line = format!("owner outside/{what} ann@office.test ann@gmail.com [");
        assert!(acts.contains(&line), "{what}: {acts}");
    }
}

/// The page, once it is so.
fn until(browser: &mut Browser<'_>, path: &str, good: &dyn Fn(&Reply) -> bool) -> Reply {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let reply = browser.get(path);
        if good(&reply) {
            return reply;
        }
        assert!(Instant::now() < end, "{}", reply.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_person_signs_in_there_with_a_code_that_is_shown_here() {
    let (runtime, authority) = (runtime(), Authority::new());
    let (port, answers, heard) = token_server(&runtime, &authority);
    let world = office(Some(&authority));
    let url = |path: &str| format!("https://127.0.0.1:{port}/{path}");
    let mut ann = world.logged_in("ann", ANN);
    ann.get("/my/outside");
    ann.post("/my/outside/find", &[("address", "ann@far.example")]);
    settled(&mut ann, ADD);
    let (device, token) = (url("device"), url("token"));
    let mut fields = vec![
        ("address", "ann@far.example"),
        ("way", "code"),
        ("client-id", "our client"),
        ("client-secret", "a client secret"),
        ("device-url", device.as_str()),
        ("token-url", "http://in.clear/token"),
        ("scope", "mail"),
        ("what", "collect"),
        ("kind", "imap"),
        ("host", "imap.far.example"),
        ("after", "keep"),
    ];
    let reply = ann.post("/my/outside/add", &fields);
    assert!(reply.status == 422 && reply.text().contains("https://"), "{}", reply.text());
    assert!(!reply.text().contains("a client secret"), "{}", reply.text());
    fields[5].1 = token.as_str();
    assert_eq!(ann.post("/my/outside/add", &fields).status, 303);
    let there = format!("{HERS}/sign-in");
    let led = format!("{THERE}/sign-in");
    assert_eq!(settled(&mut ann, ADD).header("Location"), Some(led.as_str()));
    let answer = |status: u16, body: &'static str| {
        answers.lock().expect("a lock").push((status, body));
    };
    answer(400, r#"{"error":"unauthorized_client"}"#);
    assert!(ann.get(&there).text().contains("Get a code"));
    assert_eq!(ann.post(&there, &[]).status, 303);
    let reply = until(&mut ann, &there, &|reply| reply.text().contains("You are not signed in"));
    assert!(reply.text().contains("unauthorized_client"), "{}", reply.text());
    answer(
        200,
        r#"{"device_code":"dev-1","user_code":"ABCD-EFGH","expires_in":900,"interval":1,
            "verification_uri":"https://provider.test/device"}"#,
    );
    answer(400, r#"{"error":"authorization_pending"}"#);
    assert_eq!(ann.post(&there, &[]).status, 303);
    let text = until(&mut ann, &there, &|reply| reply.text().contains("ABCD-EFGH")).text();
    assert!(text.contains("href=\"https://provider.test/device\"") && text.contains("data-live"));
    assert!(!text.contains("dev-1"), "what tokens are got by stays here: {text}");
    let program = Program::of(&world);
    let goes = program.get("/api/v1/accounts/ann@office.test/outside/ann@far.example/sign-in");
    assert_eq!(
        goes["sign-in"],
        json!({ "stage": "waits", "url": "https://provider.test/device", "code": "ABCD-EFGH" })
    );
    answer(200, r#"{"access_token":"a-1","expires_in":3600,"refresh_token":"r-1"}"#);
    let reply = until(&mut ann, &there, &|reply| reply.status == 303);
    assert_eq!(reply.header("Location"), Some(THERE));
    assert!(ann.get(HERS).text().contains("Signed in"));
    assert!(heard.lock().expect("a lock").len() >= 3);
    let (id, row) = all(&world).remove(0);
    let sealer = world.house.store.sealer().expect("the key");
    let secrets = outside::secrets(id, &row, &sealer).expect("readable");
    assert_eq!((&*secrets.refresh_token, &*secrets.client_secret), ("r-1", "a client secret"));
    let acts = acts(&world);
    assert!(acts.contains("ann@office.test outside/sign-in ann@far.example []"), "{acts}");
}

#[test]
fn a_program_keeps_mailboxes_elsewhere_and_no_secret_comes_out() {
    let world = office(None);
    let program = Program::of(&world);
    let base = "/api/v1/accounts/ann@office.test/outside";
    let one = format!("{base}/ann@gmail.com");
    let providers = program.get("/api/v1/outside/providers");
    assert!(providers["providers"].as_array().is_some_and(|all| all.len() > 10));
    let known = program.get("/api/v1/outside/servers?address=ann@gmail.com");
    assert_eq!(known["known"]["imap"]["host"], "imap.gmail.com");
    assert_eq!(program.call(Method::Get, "/api/v1/outside/servers?address=x", &Value::Null).0, 422);
    for (body, why) in [
        (json!({ "password": WORD }), "names no address"),
        (json!({ "address": "ann@gmail.com" }), "no password"),
        (json!({ "address": "ann@gmail.com", "password": "" }), "empty"),
        (json!({ "address": "ann@gmail.com", "password": WORD, "word": 1 }), "unknown field"),
        (
            json!({ "address": "ann@gmail.com", "password": WORD, "after": { "delete": 9999 } }),
            "at most",
        ),
        (json!({ "address": "x@none.example", "password": WORD, "provider": "no" }), "provider"),
    ] {
        let (status, told) = program.call(Method::Post, base, &body);
        assert_eq!(status, 422, "{body}: {told}");
        assert!(told.to_string().contains(why), "{why}: {told}");
    }
    let body = json!({
        "address": "ann@gmail.com", "password": WORD, "untested": true, "relay": null,
        "after": { "delete": 30 }, "folders": ["INBOX", "Work"],
    });
    let made = program.good(Method::Post, base, &body);
    assert_eq!(made["outside"]["relay"], Value::Null, "null: nothing leaves by it");
    assert_eq!(made["outside"]["source"]["host"], "imap.gmail.com");
    assert_eq!(program.call(Method::Post, base, &body).0, 409);
    let changed = program.good(Method::Put, &one, &json!({ "after": "keep", "paused": true }));
    assert_eq!(changed["outside"]["after"], "keep");
    assert_eq!(changed["outside"]["folders"], json!(["INBOX", "Work"]), "the rest stays");
    let look = format!("{one}/look");
    assert_eq!(program.call(Method::Post, &look, &Value::Null).0, 422, "paused");
    program.good(Method::Put, &one, &json!({ "paused": false }));
    program.good(Method::Post, &look, &Value::Null);
    assert_eq!(program.call(Method::Post, &format!("{one}/sign-in"), &Value::Null).0, 422);
    assert_eq!(program.call(Method::Post, &format!("{one}/test"), &Value::Null).0, 422, "no DNS");
    let told = [program.get(base), program.get(&one), program.get("/api/v1/outside")];
    let told: String = told.iter().map(Value::to_string).collect();
    assert!(told.matches("ann@gmail.com").count() >= 3 && !told.contains(WORD), "{told}");
    for path in [&one.replace("ann@gmail", "no@gmail"), "/api/v1/accounts/no@office.test/outside"] {
        assert_eq!(program.call(Method::Get, path, &Value::Null).0, 404, "{path}");
    }
    program.good(Method::Delete, &one, &Value::Null);
    assert_eq!(program.call(Method::Delete, &one, &Value::Null).0, 404);
    let acts = acts(&world);
    for what in ["add", "pause", "resume", "look", "remove"] {
        assert!(
            acts.contains(&format!("outside/{what} ann@office.test ann@gmail.com [")),
            "{acts}"
        );
    }
    assert!(!acts.contains(WORD), "{acts}");
}

#[test]
fn only_so_many_things_are_tried_at_once_and_old_results_are_forgotten() {
    use crate::admin::outside::trials::{Key, Kind, Stage, Trials};
    let trials = Trials::default();
    let key = |number: usize| Key::new(Kind::Add, "ann@office.test", &format!("{number}@x.test"));
    let mut ends = Vec::new();
    for number in 0..TRIALS_AT_ONCE {
        let (end, ended) = mpsc::channel::<()>();
        ends.push(end);
        let work = move |_: &dyn Fn(Stage) -> bool| {
            let _ = ended.recv();
            Stage::Done
        };
        assert!(trials.begin(key(number), 0, work));
    }
    assert!(!trials.begin(key(99), 0, |_| Stage::Done), "too many");
    assert!(trials.begin(key(0), 0, |_| panic!("it is under way already")));
    drop(ends);
    let end = Instant::now() + Duration::from_secs(60);
    while (0..TRIALS_AT_ONCE).any(|number| trials.stage(&key(number)).is_none_or(|it| it.goes_on()))
    {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert!(trials.begin(key(99), TRIAL_KEPT_MILLIS, |_| panic!("as a fault of ours")));
    while trials.stage(&key(99)).is_some() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert!(trials.stage(&key(0)).is_none(), "forgotten");
}

#[test]
fn a_mailbox_of_somebody_who_is_gone_is_nowhere() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish::default());
    let store = &world.house.store;
    let read = store.snapshot().expect("a snapshot");
    let id = account::by_login(&read, "ann@office.test").expect("read").expect("there").0;
    drop(read);
    store.write_blocking(move |batch| account::delete(batch, id)).expect("deleted");
    assert_eq!(world.owner().get("/people/ann@office.test/outside/ann@gmail.com").status, 404);
    assert_eq!(all(&world), []);
}
