//! Setting up, from the code to the end.

use super::stage::{Browser, CODE, NOW, PASSWORD, World};
use crate::act::check::said::say;
use crate::act::check::{Finding, State};
use crate::admin::http::Method;
use crate::admin::look::keep;
use crate::admin::routes::{May, ROUTES};
use crate::admin::{fingerprint, zone};
use crate::settings::{self, Settings};
use crate::store::format::Setup;
use crate::store::{Batch, owner};

/// A box without an owner whose settings are in its folder.
fn fresh() -> World {
    let world = World::new();
    let path = world.house.data.join("mailroom.toml");
    let text = settings::print(&world.house.settings());
    settings::replace_file(&path, text.as_bytes()).expect("written");
    world
}

fn written(world: &World) -> Settings {
    settings::load(&world.house.data.join("mailroom.toml")).expect("settings")
}

#[test]
fn from_the_code_to_the_end_each_step_leads_to_the_next_and_is_kept() {
    let world = fresh();
    let mut owner = world.browser();
    owner.get("/code");
    owner.post("/code", &[("code", CODE)]);
    assert_eq!(owner.get("/").header("Location"), Some("/setup"));
    assert_eq!(owner.get("/setup").header("Location"), Some("/setup/begin"));
    owner.get("/setup/begin");
    assert_eq!(owner.post("/setup/begin", &[]).header("Location"), Some("/setup/time"));
    assert_eq!(owner.get("/setup/people").status, 303, "not before there is an owner");
    assert!(owner.get("/setup/time").text().contains("Europe/Berlin"));
    let reply = owner.post("/setup/time", &[("zone", "Europe/Atlantis")]);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("no such time zone"), "{}", reply.text());
    let hour_ahead = (NOW + 3600).to_string();
    let reply = owner.post("/setup/time", &[("zone", "Europe/Berlin"), ("now", &hour_ahead)]);
    assert!(reply.text().contains("-60"), "the clocks differ: {}", reply.text());
    let fields = [("zone", "Europe/Berlin"), ("now", &hour_ahead), ("seen", "yes")];
    let reply = owner.post("/setup/time", &fields);
    assert_eq!(reply.header("Location"), Some("/setup/owner"), "told once, then taken");
    owner.get("/setup/owner");
    owner.post("/setup/owner", &[("password", PASSWORD), ("password2", PASSWORD)]);
    assert_eq!(owner.get("/setup").header("Location"), Some("/setup/way"));
    owner.get("/setup/way");
    let reply = owner.post("/setup/way", &[("way", "direct")]);
    assert_eq!(reply.header("Location"), Some("/setup/domain"));
    owner.get("/setup/domain");
    let reply = owner.post("/setup/domain/next", &[]);
    assert_eq!(reply.status, 422, "nobody goes on without a domain");
    let reply = owner.post("/setup/domain", &[("domain", "not a domain"), ("host", "x y")]);
    assert!(reply.text().contains("This is no domain such as"), "{}", reply.text());
    let reply = owner.post("/setup/domain", &[("domain", "Office.Test"), ("host", "")]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(written(&world).host, "mail.office.test");
    let reply = owner.post("/setup/domain/next", &[]);
    assert_eq!(reply.header("Location"), Some("/setup/certificate"));
    owner.get("/setup/certificate");
    let reply = owner.post("/setup/certificate", &[("method", "own")]);
    assert_eq!(reply.header("Location"), Some("/setup/people"));
    owner.get("/setup/people");
    let fields = [("from", "setup"), ("name", "Ann"), ("address", "ann")];
    assert!(owner.post("/people", &fields).text().contains("/setup/people"), "and back");
    let reply = owner.post("/people", &fields);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("Steps of the setup"), "still in the setup");
    assert_eq!(owner.post("/setup/people", &[]).header("Location"), Some("/setup/bring"));
    let text = owner.get("/setup/bring").text();
    assert!(text.contains("href=\"/people/ann%40office%2Etest/outside\""), "{text}");
    let back = owner.get("/people/ann@office.test/outside").text();
    assert!(back.contains("href=\"/setup/bring\""), "and back: {back}");
    assert_eq!(owner.get("/setup").header("Location"), Some("/setup/bring"), "gone on with");
    owner.get("/setup/bring");
    assert_eq!(owner.post("/setup/bring", &[]).header("Location"), Some("/setup/clients"));
    let text = owner.get("/setup/clients").text();
    assert!(text.contains("/people/ann%40office%2Etest/clients"), "{text}");
    assert!(text.contains("<svg") && text.contains("/my/clients"), "{text}");
    assert_eq!(owner.get("/people/ann@office.test/clients").status, 200);
    owner.get("/setup/clients");
    assert_eq!(owner.post("/setup/clients", &[]).header("Location"), Some("/setup/letter"));
    owner.get("/setup/letter");
    assert_eq!(owner.post("/setup/letter", &[]).header("Location"), Some("/setup/done"));
    let text = owner.get("/setup/done").text();
    let six = fingerprint::of(&world.house.data.join("tls")).expect("words").join(" ");
    for what in ["ann@office.test", "Europe/Berlin", "https://mail.office.test", &six] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert_eq!(owner.post("/setup/done", &[]).header("Location"), Some("/"));
    assert!(owner.get("/").text().contains("How it stands"), "from now on every day");
}

#[test]
fn mail_may_stay_at_its_provider_and_then_nothing_is_changed_at_the_domain() {
    let world = fresh();
    world.house.claim(PASSWORD, NOW).expect("an owner");
    let mut owner = world.owner();
    assert!(owner.get("/setup/way").text().contains("name=\"domain\""), "it is asked for");
    let found = |what: &str, state: State, key: &'static str| {
        let said = say(key, ["mx.provider.example".into()]);
        let (meaning, remedy) = (String::new(), String::new());
        Finding { what: what.to_string(), state, meaning, remedy, said }
    };
    let shut = || found("way out", State::Wrong, "found.way-blocked");
    let hidden = || found("address of mail.office.test", State::Wrong, "found.address-none");
    let open = || found("way out", State::Ok, "found.way");
    let elsewhere = found("MX of office.test", State::Ok, "found.mx-elsewhere");
    for (findings, advice) in [
        (vec![open()], "Nothing speaks against sending directly"),
        (vec![shut()], "The tests speak for a relay"),
        (vec![open(), hidden()], "The tests speak for a relay"),
        (vec![shut(), hidden()], "let your mail stay at its provider"),
        (vec![open(), elsewhere], "goes to another provider today"),
    ] {
        let looked = keep(&world.house.store, "mail.office.test", &findings, NOW);
        world.house.place.looks.begin(move || looked);
        while world.house.looked().running {
            std::thread::yield_now();
        }
        let text = owner.get("/setup/way").text();
        assert!(text.contains(advice), "{advice}: {text}");
    }
    owner.get("/setup/way");
    let reply = owner.post("/setup/way", &[("way", "collect")]);
    assert_eq!(reply.header("Location"), Some("/setup/domain"));
    assert!(written(&world).outgoing.relay.is_none());
    let text = owner.get("/setup/way").text();
    assert!(text.contains("id=\"way-collect\" name=\"way\" value=\"collect\" checked"), "{text}");
    let text = owner.get("/setup/domain").text();
    assert!(text.contains("Your mail stays at its provider"), "{text}");
    owner.post("/setup/domain", &[("domain", "office.test"), ("host", "")]);
    let text = owner.get("/setup/domain").text();
    assert!(text.contains("<summary>For later"), "no record has to be published: {text}");
    let text = owner.get("/setup/bring").text();
    assert!(text.contains("where each person’s mailbox is"), "{text}");
    assert!(owner.get("/setup/done").text().contains("It stays at its provider"));
    owner.get("/setup/way");
    owner.post("/setup/way", &[("way", "direct")]);
    assert!(!owner.get("/setup/domain").text().contains("Your mail stays"), "and back");
    let acts = owner.get("/acts").text();
    assert_eq!(acts.matches("Changed how mail leaves").count(), 2, "{acts}");
}

#[test]
fn a_relay_is_checked_kept_and_its_password_never_shown() {
    let world = fresh();
    world.house.claim(PASSWORD, NOW).expect("an owner");
    let mut owner = world.owner();
    owner.get("/setup/way");
    let good = [
        ("way", "relay"),
        ("host", "smtp.provider.example"),
        ("tls", "starttls"),
        ("port", ""),
        ("user", "office"),
        ("password", "relay secret"),
    ];
    for (field, value, why) in [
        ("way", "pigeon", "Choose one of the three"),
        ("host", "not a host", "no name of a server"),
        ("host", "", "This is empty"),
        ("port", "70000", "a number from 1 to 65535"),
        ("password", "", "This is empty"),
    ] {
        let mut fields = good;
        let at = fields.iter().position(|(name, _)| *name == field).expect("a field");
        fields[at] = (field, value);
        let reply = owner.post("/setup/way", &fields);
        assert_eq!(reply.status, 422, "{field}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains("relay secret"));
    }
    assert!(written(&world).outgoing.relay.is_none(), "nothing was changed");
    assert_eq!(owner.post("/setup/way", &good).status, 303);
    let relay = written(&world).outgoing.relay.expect("a relay");
    assert_eq!((relay.host.as_str(), relay.port), ("smtp.provider.example", 587));
    assert_eq!(relay.login, Some(("office".to_string(), "relay secret".to_string())));
    world.house.settle(&written(&world));
    let text = owner.get("/setup/way").text();
    assert!(text.contains("smtp.provider.example") && !text.contains("relay secret"), "{text}");
    // Left empty, the password stays.
    let mut fields = good;
    (fields[3], fields[5]) = (("port", "2587"), ("password", ""));
    assert_eq!(owner.post("/setup/way", &fields).status, 303);
    let relay = written(&world).outgoing.relay.expect("a relay");
    assert_eq!((relay.port, relay.login.is_some()), (2587, true));
}

#[test]
fn a_form_of_any_step_survives_a_session_that_ended_but_for_its_secrets() {
    let world = fresh();
    world.house.claim(PASSWORD, NOW).expect("an owner");
    let of_setup = |route: &&crate::admin::routes::Route| {
        route.method == Method::Post && route.may == May::Owner && route.path.starts_with("/setup")
    };
    let routes: Vec<_> = ROUTES.iter().filter(of_setup).collect();
    assert!(routes.len() > 10);
    for route in routes {
        let mut late = world.browser();
        let fields = [("address", "192.168.1.50"), ("password-tsig", "secret-of-a-key")];
        let reply = late.post(route.path, &fields);
        let text = reply.text();
        assert_eq!(reply.status, 403, "{}", route.path);
        assert!(text.contains("What you typed is kept"), "{}: {text}", route.path);
        assert!(!text.contains("secret-of-a-key"), "{}: {text}", route.path);
        let kept = text.split("name=\"kept\" value=\"").nth(1).expect("kept");
        let kept = kept.split('"').next().expect("kept");
        let again = [("password", PASSWORD), ("again", route.path), ("kept", kept)];
        let text = late.post("/login", &again).text();
        let action = format!("action=\"{}\"", route.path);
        assert!(text.contains(&action) && text.contains("value=\"192.168.1.50\""), "{text}");
    }
}

#[test]
fn of_two_browsers_on_one_step_the_second_is_told() {
    let world = fresh();
    world.house.claim(PASSWORD, NOW).expect("an owner");
    for (step, fields) in [
        ("/setup/way", vec![("way", "relay"), ("host", "smtp.a.test"), ("tls", "implicit")]),
        ("/setup/certificate", vec![("method", "tls-alpn-01")]),
    ] {
        let (mut one, mut other) = (world.owner(), world.owner());
        let filled = |browser: &mut Browser<'_>| {
            let text = browser.get(step).text();
            let seen = text.split("name=\"seen\" value=\"").nth(1).expect("a mark").to_string();
            seen.split('"').next().unwrap_or_default().to_string()
        };
        let (first, second) = (filled(&mut one), filled(&mut other));
        let with = |seen: &str, browser: &mut Browser<'_>| {
            let mut all = fields.clone();
            all.push(("seen", seen));
            browser.post(step, &all)
        };
        assert_eq!(with(&first, &mut one).status, 303, "{step}");
        world.house.settle(&written(&world));
        let reply = with(&second, &mut other);
        assert_eq!(reply.status, 409, "{step}: {}", reply.text());
        assert!(reply.text().contains("Changed meanwhile"));
    }
}

#[test]
fn what_an_act_refuses_is_told_in_words_of_the_page() {
    let world = fresh();
    world.house.claim(PASSWORD, NOW).expect("an owner");
    let mut owner = world.owner();
    owner.get("/setup/domain");
    let domain = [("domain", "office.test"), ("host", "")];
    assert_eq!(owner.post("/setup/domain", &domain).status, 303);
    owner.get("/setup/domain");
    let text = owner.post("/setup/domain", &domain).text();
    assert!(text.contains("This domain is there already"), "{text}");
    owner.get("/people");
    owner.post("/people", &[("name", "Ann"), ("address", "ann")]);
    let mut save = |address: &str, targets: &str| {
        owner.get("/addresses");
        owner.post("/addresses", &[("address", address), ("targets", targets)]).text()
    };
    let text = save("sales@office.test", "eve@office.test");
    assert!(text.contains("There is no eve@office.test here"), "{text}");
    save("sales@office.test", "ann@office.test");
    let text = save("round@office.test", "round@office.test");
    assert!(text.contains("go round in a circle") || text.contains("There is no round"), "{text}");
    let text = save("ann@office.test", "sales@office.test");
    assert!(text.contains("somebody’s own address"), "{text}");
    for cli in ["mailroom ", "--yes", "`"] {
        assert!(!text.contains(cli), "no hint for the command line: {text}");
    }
    save("mail@elsewhere.test", "x");
    // The room is filled in as it is.
    let path = "/people/ann@office.test";
    owner.get(path);
    let seen = owner.get(path).text();
    let seen = seen.split("name=\"seen\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let seen = seen.expect("a mark").to_string();
    let reply = owner.post(&format!("{path}/quota"), &[("quota", "7"), ("seen", &seen)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let text = owner.get(path).text();
    assert!(text.contains("name=\"quota\" type=\"number\"") && text.contains("value=\"7\""));
    assert!(text.contains("/people/ann%40office%2Etest/clients"), "{text}");
}

#[test]
fn times_are_shown_in_the_zone_of_the_office() {
    assert_eq!(zone::show("Europe/Berlin", 1_782_907_200), "2026-07-01 14:00:00");
    assert_eq!(zone::show("Europe/Berlin", 1_767_225_600), "2026-01-01 01:00:00");
    assert_eq!(zone::show("", 1_767_225_600), "2026-01-01 00:00:00 UTC");
    assert_eq!(zone::show("Nowhere/At_All", 0), "1970-01-01 00:00:00 UTC");
    let names = zone::names();
    assert!(names.len() > 300 && names.iter().all(|name| zone::is_known(name)), "{names:?}");
}

#[test]
fn what_is_found_is_told_in_the_words_and_the_zone_of_the_office() {
    let world = World::office();
    let zone = |setup: &mut Setup| setup.zone = "Europe/Berlin".to_string();
    let write = move |batch: &mut Batch| owner::change_setup(batch, &mut { zone });
    world.house.store.write_blocking(write).expect("set");
    let mut owner = world.owner();
    let text = owner.get("/").text();
    let now = zone::show("Europe/Berlin", NOW);
    assert!(text.contains(&format!("It is {now}")) && !text.contains("UTC"), "{text}");
    let text = owner.get("/security").text();
    assert!(!text.contains("UTC") && !text.contains("the box"), "{text}");
    for path in ["/", "/security", "/setup/domain", "/setup/certificate"] {
        let text = owner.get(path).text();
        assert!(!text.contains("mailroom dns") && !text.contains("the box"), "{path}: {text}");
    }
}

#[test]
fn once_all_is_set_up_the_steps_are_settings() {
    let world = World::office();
    let mut owner = world.owner();
    let text = owner.get("/setup/domain").text();
    assert!(text.contains("Settings") && text.contains("href=\"/setup/certificate\""), "{text}");
    for gone in ["Step ", "Save and go on", "/setup/domain/next", "/setup/letter"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert!(owner.get("/setup/time").text().contains("<button>Save</button>"));
    let reply = owner.post("/setup/time", &[("zone", "Europe/Rome")]);
    assert_eq!(reply.header("Location"), Some("/setup/time"), "it leads to no other step");
    assert!(owner.get("/setup/time").text().contains("Saved."));
}
