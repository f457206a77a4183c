//! Restart and reset: what the owner asks of the box, and what a reset at the box takes away.

use super::api::Program;
use super::network::{Boxed, boxed};
use super::stage::{CODE, NOW, PASSWORD, World};
use crate::admin::http::Method;
use crate::admin::reset::owner_is_gone;
use crate::request::{DeviceId, Message};
use crate::store::{Store, owner};
use crate::tests::update::sent::Pid1;
use crate::tests::update::state::quiet;
use crate::update::slot::Standing;
use crate::update::state::Told;
use serde_json::Value;
use std::time::Duration;

const DEVICE: DeviceId = DeviceId(0x1A2B_3C4D);

/// As the server does at its start.
fn forget(store: &Store, number: u64) -> bool {
    let act = owner_is_gone(NOW);
    store.write_blocking(move |batch| owner::forget(batch, number, &act)).expect("written")
}

#[test]
fn the_owner_restarts_the_box_and_switches_it_off() {
    let Boxed { world, heard, network } = boxed();
    network.hear(&Message::Device(DEVICE));
    let mut owner = world.owner();
    assert!(owner.get("/security").text().contains("href=\"/reset\""));
    let text = owner.get("/reset").text();
    assert!(text.contains("1A2B-3C4D") && text.contains("reset passwords"), "{text}");
    for (path, off, told) in [
        ("/reset/restart", false, "The box restarts now"),
        ("/reset/off", true, "switches itself off now"),
    ] {
        owner.get("/reset");
        let reply = owner.post(path, &[]);
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains(told), "{}", reply.text());
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(Message::End { off }));
    }
    let acts = owner.get("/acts").text();
    assert!(acts.contains("Restarted the box") && acts.contains("Switched the box off"), "{acts}");
    assert!(owner.get("/setup/network").text().contains("1A2B-3C4D"), "beside its other names");
}

#[test]
fn a_system_on_trial_is_not_ended_before_it_is_proved() {
    let Boxed { mut world, heard, network } = boxed();
    let (updates, init) = Pid1::of(&world.house.data);
    world.become_updated(updates);
    network.hear(&Message::Device(DEVICE));
    let mut owner = world.owner();
    let everything = [("device", "1a2b3c4d"), ("password", PASSWORD)];
    let acts: [(&str, &[(&str, &str)]); 3] =
        [("/reset/restart", &[]), ("/reset/off", &[]), ("/reset/everything", &everything)];
    init.tells(&Told { standing: Standing::OnTrial, ..quiet() });
    for (path, fields) in acts {
        owner.get("/reset");
        let reply = owner.post(path, fields);
        assert_eq!(reply.status, 409, "{path}");
        assert!(reply.text().contains("A new system is being tried"), "{}", reply.text());
    }
    init.tells(&quiet());
    let said = [Message::End { off: false }, Message::End { off: true }, Message::Reset(DEVICE)];
    for ((path, fields), said) in acts.into_iter().zip(said) {
        owner.get("/reset");
        assert_eq!(owner.post(path, fields).status, 200, "{path}");
        assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(said), "{path}");
    }
    assert!(heard.try_recv().is_err(), "nothing was said while it was on trial");
}

#[test]
fn everything_is_reset_by_who_names_the_device_and_knows_the_password() {
    let Boxed { world, heard, network } = boxed();
    let mut owner = world.owner();
    let right = [("device", "1a2b3c4d"), ("password", PASSWORD)];
    assert!(!owner.get("/reset").text().contains("action=\"/reset/everything\""));
    assert_eq!(owner.post("/reset/everything", &right).status, 404, "no device is known yet");
    network.hear(&Message::Device(DEVICE));
    owner.get("/reset");
    for (fields, why) in [
        ([("device", "1A2B-3C4E"), ("password", PASSWORD)], "not the id of this device"),
        ([("device", ""), ("password", PASSWORD)], "not the id of this device"),
        ([("device", "1A2B-3C4D"), ("password", "a guess")], "This is not the password"),
        ([("device", "1A2B-3C4D"), ("password", "")], "This is not the password"),
    ] {
        let reply = owner.post("/reset/everything", &fields);
        assert_eq!(reply.status, 422, "{why}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains(PASSWORD), "a password is never sent back");
    }
    let reply = owner.post("/reset/everything", &right);
    assert!(reply.status == 200 && reply.text().contains("deletes everything"), "{}", reply.text());
    // The first thing that PID 1 hears of it all.
    assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(Message::Reset(DEVICE)));
    assert!(owner.get("/acts").text().contains("Had everything reset"));
}

#[test]
fn a_server_that_is_no_box_is_ended_and_emptied_elsewhere() {
    let world = World::owned();
    let mut owner = world.owner();
    let text = owner.get("/reset").text();
    assert!(text.contains("does other things too") && !text.contains("/reset/"), "{text}");
    for path in ["/reset/restart", "/reset/off", "/reset/everything"] {
        owner.get("/acts");
        assert_eq!(owner.post(path, &[]).status, 404, "{path}");
    }
    assert!(!owner.get("/acts").text().contains("Restarted"));
}

#[test]
fn a_reset_takes_the_owner_away_and_leaves_people_and_mail() {
    let world = World::office();
    world.person("ann", "blue tractor");
    let program = Program::of(&world);
    let mut old = world.owner();
    assert!(forget(&world.house.store, 7));
    // Neither the browser nor the program nor the password opens anything.
    assert_eq!(old.get("/security").header("Location"), Some("/"));
    let (status, _) = program.call(Method::Get, "/api/v1/accounts", &Value::Null);
    assert_eq!(status, 403, "there is nobody to act for");
    let mut browser = world.browser();
    assert_eq!(browser.get("/login").header("Location"), Some("/code"));
    assert_eq!(world.logged_in("ann", "blue tractor").get("/my").status, 200, "people stay");
    // Who has the code chooses the password, and is at home at once: all is set up.
    let text = browser.get("/code").text();
    assert!(text.contains("taken away by a reset"), "{text}");
    browser.post("/code", &[("code", CODE)]);
    assert_eq!(browser.get("/").header("Location"), Some("/setup"));
    assert_eq!(browser.get("/setup").header("Location"), Some("/setup/owner"));
    browser.get("/setup/owner");
    let new = [("password", "another long password"), ("password2", "another long password")];
    assert_eq!(browser.post("/setup/owner", &new).header("Location"), Some("/"));
    assert_eq!(browser.get("/").status, 200);
    assert!(browser.get("/acts").text().contains("A reset took away"), "it is written down");
    // The same reset again, as after a cut of the power: it was done, and the new owner stays.
    assert!(!forget(&world.house.store, 7));
    assert_eq!(browser.get("/security").status, 200);
    assert!(forget(&world.house.store, 8), "another one is another");
    assert_eq!(browser.get("/security").status, 303);
    // Before anything is set up the words are those of a new server.
    let world = World::owned();
    forget(&world.house.store, 7);
    let text = world.browser().get("/code").text();
    assert!(text.contains("has no owner yet") && !text.contains("by a reset"), "{text}");
}
