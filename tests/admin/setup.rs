//! Setting up, from the code to the end.

use super::stage::{CODE, NOW, PASSWORD, World};
use crate::admin::zone;
use crate::settings::{self, Settings};

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
    assert_eq!(owner.get("/setup").header("Location"), Some("/setup/time"));
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
    assert_eq!(reply.header("Location"), Some("/setup/people"));
    owner.get("/setup/people");
    let fields = [("from", "setup"), ("name", "Ann"), ("address", "ann")];
    assert!(owner.post("/people", &fields).text().contains("/setup/people"), "and back");
    let reply = owner.post("/people", &fields);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("Steps of the setup"), "still in the setup");
    assert_eq!(owner.post("/setup/people", &[]).header("Location"), Some("/setup/done"));
    assert!(owner.get("/setup/done").text().contains("ann@office.test"));
    assert_eq!(owner.post("/setup/done", &[]).header("Location"), Some("/"));
    assert!(owner.get("/").text().contains("How it stands"), "from now on every day");
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
        ("way", "pigeon", "Choose one of the two"),
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
fn times_are_shown_in_the_zone_of_the_office() {
    assert_eq!(zone::show("Europe/Berlin", 1_782_907_200), "2026-07-01 14:00:00");
    assert_eq!(zone::show("Europe/Berlin", 1_767_225_600), "2026-01-01 01:00:00");
    assert_eq!(zone::show("", 1_767_225_600), "2026-01-01 00:00:00 UTC");
    assert_eq!(zone::show("Nowhere/At_All", 0), "1970-01-01 00:00:00 UTC");
    let names = zone::names();
    assert!(names.len() > 300 && names.iter().all(|name| zone::is_known(name)), "{names:?}");
}
