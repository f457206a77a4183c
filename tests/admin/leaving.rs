//! A person who is deleted can be brought back for some days. And what the world sees changes.

use super::stage::{NOW, World, ip};
use crate::act::check::said::say;
use crate::act::check::{Finding, State};
use crate::act::leaving::count_day;
use crate::admin::look::keep;
use crate::limits;
use crate::store::address::{self, Found};
use crate::store::{account, owner, trace, verify};
use crate::wire::address::Address;
use crate::wire::sasl::{LoginAnswer, LoginAsk, Secret};

const ANN: &str = "a password of ann";
const DAY: i64 = 86_400;

fn leads(world: &World) -> Found {
    let read = world.house.store.snapshot().expect("a snapshot");
    address::find(&read, &Address::parse("ann@office.test").expect("an address")).expect("read")
}

fn may_log_in(world: &World) -> bool {
    let desk = world.house.logins.desk("imap", ip("192.168.1.77"));
    let password = Secret(ANN.as_bytes().to_vec());
    let ask = LoginAsk::Password { name: "ann@office.test".to_string(), password };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    matches!(runtime.block_on(desk.answer(ask)), LoginAnswer::Granted(_))
}

fn delete(world: &World) {
    let mut owner = world.owner();
    let text = owner.get("/people/ann@office.test").text();
    let seen = text.split("name=\"seen\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let fields = [("seen", seen.expect("a mark")), ("who", "ann@office.test")];
    let reply = owner.post("/people/ann@office.test/delete", &fields);
    assert_eq!(reply.status, 303, "{}", reply.text());
}

fn faults(world: &World) -> Vec<String> {
    verify::verify(&world.house.store, &mut |_, _| ()).expect("verified").faults
}

#[test]
fn who_is_deleted_is_shut_out_at_once_and_back_with_all_mail_when_it_is_undone() {
    let world = World::office();
    world.person("ann", ANN);
    world.person("bob", "a password of bob");
    let mut ann = world.logged_in("ann", ANN);
    delete(&world);
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
    assert!(!may_log_in(&world), "nor by mail");
    assert_eq!(leads(&world), Found::UnknownLocal, "mail is refused");
    let mut owner = world.owner();
    assert!(owner.get("/people").text().contains("Deleted"));
    let text = owner.get("/people/ann@office.test").text();
    assert!(text.contains("Undo the deletion") && text.contains("<strong>30</strong>"), "{text}");
    assert!(faults(&world).is_empty());
    let seen = text.split("name=\"seen\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let seen = seen.expect("a mark");
    // Lifting the suspension is no way around it.
    let reply = owner.post("/people/ann@office.test/suspend", &[("seen", seen)]);
    assert!(reply.text().contains("undo that first"), "{}", reply.text());
    let mut other = owner.clone();
    let reply = owner.post("/people/ann@office.test/reopen", &[("seen", seen)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(other.post("/people/ann@office.test/reopen", &[("seen", seen)]).status, 409);
    assert!(may_log_in(&world));
    assert!(matches!(leads(&world), Found::Accounts { .. }));
    let acts = owner.get("/acts").text();
    for act in
        ["Had the account deleted: ann@office.test", "Took back the deletion of ann@office.test"]
    {
        assert!(acts.contains(act), "{act}: {acts}");
    }
}

#[test]
fn the_mail_of_who_was_deleted_goes_when_the_days_are_over_whatever_the_clock_says() {
    let world = World::office();
    let id = world.person("ann", ANN);
    delete(&world);
    let store = &world.house.store;
    let days = || {
        let read = store.snapshot().expect("a snapshot");
        let row = account::get(&read, id).expect("read");
        row.and_then(|row| row.leaving).map(|leaving| leaving.days)
    };
    assert!(count_day(store, NOW + 3_600).expect("counted").is_empty());
    assert_eq!(days(), Some(limits::LEAVING_DAYS), "the same day is not counted");
    // A clock that jumps by years takes a day, and back again none.
    count_day(store, NOW + 3_000 * DAY).expect("counted");
    assert_eq!(days(), Some(limits::LEAVING_DAYS - 1));
    count_day(store, NOW).expect("counted");
    assert_eq!(days(), Some(limits::LEAVING_DAYS - 1));
    for day in 1..i64::from(limits::LEAVING_DAYS) - 1 {
        assert!(count_day(store, NOW + day * DAY).expect("counted").is_empty(), "day {day}");
    }
    assert_eq!(days(), Some(1));
    assert!(faults(&world).is_empty());
    let gone = count_day(store, NOW + i64::from(limits::LEAVING_DAYS) * DAY).expect("counted");
    assert_eq!(gone, ["ann@office.test"]);
    let read = store.snapshot().expect("a snapshot");
    assert!(account::get(&read, id).expect("read").is_none());
    let acts = owner::acts(&read, None, 1).expect("read");
    assert_eq!(acts[0].1.who, "mailroom", "and it is written down: {acts:?}");
    drop(read);
    assert!(faults(&world).is_empty());
}

#[test]
fn a_closed_account_that_is_not_shut_is_a_fault() {
    let world = World::office();
    let id = world.person("ann", ANN);
    let spoil = move |batch: &mut crate::store::Batch| {
        account::close(batch, id, 5, NOW)?;
        account::update(batch, id, &mut |row| {
            row.suspended = false;
            Ok(())
        })
    };
    world.house.store.write_blocking(spoil).expect("written");
    assert!(faults(&world).iter().any(|fault| fault.contains("closed, and yet it is not")));
}

// ---- what the world sees ----

fn seen(what: &str, state: State, meaning: &str) -> Finding {
    let remedy = if state == State::Ok { "" } else { "publish it" };
    let unknown = meaning.strip_prefix("it cannot be looked up: ");
    let said = unknown.map_or(Vec::new(), |why| say("found.unknown", [why.into()]));
    Finding { what: what.into(), state, meaning: meaning.into(), remedy: remedy.into(), said }
}

fn letters(world: &World) -> usize {
    let read = world.house.store.snapshot().expect("a snapshot");
    let found = trace::find(&read, "how the world sees", None, 9).expect("read");
    found.len()
}

#[test]
fn of_the_daily_look_only_changes_are_told() {
    let world = World::office();
    world.person("ann", ANN);
    let (store, host) = (&world.house.store, "mail.office.test");
    let mx = |state, meaning: &str| seen("MX of office.test", state, meaning);
    let spf = seen("TXT of office.test", State::Warn, "missing: SPF");
    let first = keep(store, host, &[mx(State::Ok, "it comes here"), spf.clone()], NOW);
    assert!(first.changes.is_empty(), "the first look changes nothing");
    let same = keep(store, host, &[mx(State::Ok, "it comes here"), spf.clone()], NOW + DAY);
    assert!(same.changes.is_empty());
    // A question that nobody answers is no change.
    let unknown = mx(State::Warn, "it cannot be looked up: no answer");
    let looked = keep(store, host, &[unknown, spf.clone()], NOW + 2 * DAY);
    assert!(looked.changes.is_empty() && letters(&world) == 0);
    let gone = mx(State::Wrong, "mail for it goes to evil.example");
    let looked = keep(store, host, &[gone.clone(), spf.clone()], NOW + 3 * DAY);
    let change = &looked.changes[0];
    assert_eq!((looked.changes.len(), change.was, &change.now), (1, State::Ok, &gone));
    assert_eq!(letters(&world), 1, "the postmaster has a letter");
    keep(store, host, &[gone, spf.clone()], NOW + 4 * DAY);
    assert_eq!(letters(&world), 1, "once");
    // After a restart the pages know it still.
    let mut owner = world.owner();
    let text = owner.get("/").text();
    assert!(text.contains("mail for it goes to evil.example"), "{text}");
    let text = owner.get("/setup/domain").text();
    assert!(text.contains("What changed of late") && text.contains("evil.example"), "{text}");
    // What became better is shown, and is no letter.
    let looked = keep(store, host, &[mx(State::Ok, "it comes here"), spf.clone()], NOW + 5 * DAY);
    assert_eq!((looked.changes.len(), letters(&world)), (2, 1));
    let later = NOW + 5 * DAY + limits::WORLD_CHANGES_SECONDS;
    let looked = keep(store, host, &[mx(State::Ok, "it comes here"), spf], later);
    assert!(looked.changes.is_empty(), "old news is no news");
    assert!(faults(&world).is_empty());
}

#[test]
fn where_nobody_can_be_asked_the_pages_say_so_and_praise_nothing() {
    let good = "Nothing speaks against sending directly";
    let world = World::office();
    let wrong = |what: &str, key: &'static str| Finding {
        said: say(key, ["no answer".into()]),
        ..seen(what, State::Wrong, "")
    };
    let none = wrong("name servers", "found.names-none");
    keep(&world.house.store, "mail.office.test", &[none], NOW);
    let mut owner = world.owner();
    let text = owner.get("/setup/domain").text();
    assert!(text.contains("nothing outside could be looked at"), "{text}");
    let (text, relay) = (owner.get("/setup/way").text(), "The tests speak for a relay");
    assert!(!text.contains(good) && !text.contains(relay), "{text}");
    // A way out that is shut speaks for one.
    let world = World::office();
    let shut = wrong("way out", "found.way-blocked");
    keep(&world.house.store, "mail.office.test", &[shut], NOW);
    let text = world.owner().get("/setup/way").text();
    assert!(text.contains(relay) && text.contains("Blocked: nobody answers"), "{text}");
    // Nor where the server has no name yet.
    let world = World::office();
    let unnamed = seen("world", State::Warn, "localhost is no name for the world");
    keep(&world.house.store, "mail.office.test", &[unnamed], NOW);
    let text = world.owner().get("/setup/way").text();
    assert!(text.contains("no name for the world") && !text.contains(good), "{text}");
    let world = World::office();
    let out = seen("way out", State::Ok, "port 25 is open to the outside");
    keep(&world.house.store, "mail.office.test", &[out], NOW);
    assert!(world.owner().get("/setup/way").text().contains(good));
}
