//! The page on which a domain moves here.

use super::api::Program;
use super::stage::{NOW, World};
use crate::act::moving::due;
use crate::admin::http::Method;
use crate::collect::moving::{CHANGE, OVER, begun};
use crate::settings;
use crate::store::format::Move;
use crate::store::owner;
use crate::tests::remote::peers::{Dns, MX, mx};
use serde_json::{Value, json};

#[test]
fn a_domain_is_begun_looked_at_and_forgotten() {
    let world = World::office();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let dns = runtime.block_on(Dns::start(vec![("office.test", MX, mx(10, "mx.old.test"))]));
    let mut known = (*world.house.settings()).clone();
    known.outgoing.name_servers = vec![dns.at];
    let file = world.house.data.join("mailroom.toml");
    settings::replace_file(&file, settings::print(&known).as_bytes()).expect("written");
    let mut owner = world.owner();
    let page = owner.get("/move");
    assert!(page.text().contains("value=\"office.test\""), "{} {}", page.status, page.text());
    let refused = owner.post("/move", &[("domain", "far.test")]);
    assert_eq!(refused.status, 422);
    assert_eq!(owner.post("/move", &[("domain", "office.test")]).status, 303);
    assert!(owner.get("/move").text().contains("The name servers are being asked"));
    due(&world.house.store, NOW).expect("looked");
    let page = owner.get("/move").text();
    assert!(!page.contains("The name servers are being asked"));
    for text in ["office.test: step 1 of 6", "mx.old.test", "/move/office.test/look"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("/move/office.test/run"), "not before its time");
    assert!(!page.contains("value=\"office.test\""), "it has begun");
    assert_eq!(owner.post("/move/office.test/look", &[]).status, 303);
    assert_eq!(owner.post("/move/office.test/skip", &[]).status, 409, "nothing to pass over");
    owner.get("/move");
    assert_eq!(owner.post("/move/office.test/end", &[]).status, 303);
    assert!(owner.get("/move").text().contains("value=\"office.test\""));
}

/// A page tells times of the office, as everywhere on it; a program and the command line UTC.
#[test]
fn what_was_seen_is_told_in_the_time_of_the_office() {
    let world = World::office();
    let program = Program::of(&world);
    program.good(Method::Put, "/api/v1/zone", &json!({ "zone": "Asia/Tokyo" }));
    // 2026-11-30 20:00:00 UTC, the next day in Tokyo.
    let seen_at = 1_796_068_800;
    let seen = vec!["mx.old.test".to_string()];
    let row = Move { seen, seen_at, seen_ttl: 7_200, stage: OVER, ..begun("office.test", NOW) };
    let kept = move |batch: &mut crate::store::Batch| owner::keep_moves(batch, vec![row.clone()]);
    world.house.store.write_blocking(kept).expect("kept");
    let page = world.owner().get("/move").text();
    for text in ["others may remember that for 2 hours (seen 2026-12-01 05:00:00).", "close the"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let told = program.get("/api/v1/moves")["moves"][0]["checked"].to_string();
    assert!(told.contains("(seen 2026-11-30 20:00:00 UTC)"), "{told}");
}

#[test]
fn a_program_moves_a_domain_as_the_owner_does() {
    let world = World::office();
    let program = Program::of(&world);
    let row = Move { stage: CHANGE, ..begun("office.test", NOW) };
    let kept = move |batch: &mut crate::store::Batch| owner::keep_moves(batch, vec![row.clone()]);
    world.house.store.write_blocking(kept).expect("kept");
    let act = |what: &str| {
        let target = format!("/api/v1/moves/office.test/{what}");
        program.call(Method::Post, &target, &Value::Null)
    };
    let stage = |(status, told): (u16, Value)| (status, told["moves"][0]["stage"].clone());
    assert_eq!(act("skip").0, 422, "the MX is seen, or it is not");
    assert_eq!(stage(act("back")), (200, json!("first")));
    assert_eq!(act("run").1["moves"][0]["running"], json!(true));
    assert_eq!(stage(act("skip")), (200, json!("change")));
    let acts = program.get("/api/v1/acts?limit=9");
    let acts = acts["acts"].as_array().expect("acts");
    let done: Vec<&str> = acts.iter().filter_map(|it| it["what"].as_str()).collect();
    assert_eq!(done, ["move/skip", "move/run", "move/back", "move/skip"]);
    let (status, told) = program.call(Method::Post, "/api/v1/moves/far.test/run", &Value::Null);
    assert_eq!(status, 404, "{told}");
    program.good(Method::Delete, "/api/v1/moves/office.test", &Value::Null);
    assert_eq!(program.get("/api/v1/moves"), json!({ "moves": [] }));
}
