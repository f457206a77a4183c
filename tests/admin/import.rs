//! All that a mailbox elsewhere holds is brought over: begun, watched and paused on the page and by
//! programs.

use super::api::Program;
use super::outside::{acts, add, all, office};
use super::stage::NOW;
use crate::act::collect::Wish;
use crate::admin::http::Method;
use crate::collect::board::Live;
use crate::collect::imap::import::{Progress, Report};
use crate::limits::{IMPORT_AGAIN_AT_MOST_SECONDS, IMPORT_TRIES, OUTSIDE_IMPORT_SKIPPED};
use crate::store::format::OutsideImport;
use crate::store::outside::{self, BROUGHT, GIVEN_UP, UNDER_WAY};
use crate::store::verify::verify;
use crate::units::import::{failed, went_well};
use serde_json::{Value, json};

fn progress(messages: u64, of: u64, folder: &str) -> Progress {
    Progress { messages, of, octets: messages * 1_000, folder: folder.to_string() }
}

#[test]
fn an_import_is_begun_watched_and_paused_on_the_page_and_by_a_program() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish::default());
    let path = "/people/ann@office.test/outside/ann@gmail.com";
    let mut owner = world.owner();
    let text = owner.get(path).text();
    assert!(text.contains("Bring it here") && !text.contains("<progress"), "{text}");
    assert_eq!(owner.post(&format!("{path}/import"), &[]).status, 303);
    let text = owner.get(path).text();
    assert!(text.contains("Counting the letters") && text.contains("Under way"), "{text}");
    assert!(text.contains("<section id=\"import\" class=\"card\" data-live="), "{text}");
    assert!(text.contains("class=\"again\""), "and without script: {text}");
    let id = all(&world)[0].0;
    let (board, millis) = (&world.house.place.imports, world.house.place.millis());
    board.begin(id);
    board.told(id, progress(40, 1_240, "Проекты & <co>"), millis);
    let text = owner.get(path).text();
    assert!(text.contains("max=\"1240\" value=\"40\"") && text.contains("40 / 1240"), "{text}");
    assert!(text.contains("Проекты &#38; &#60;co&#62;"), "{text}");
    let program = Program::of(&world);
    let call = "/api/v1/accounts/ann@office.test/outside/ann@gmail.com/import";
    let told = program.get(call);
    assert_eq!(told["import"]["stage"], "under-way");
    assert_eq!((&told["now"]["messages"], &told["now"]["of"]), (&json!(40), &json!(1240)));
    assert_eq!(owner.post(&format!("{path}/import"), &[("what", "pause")]).status, 303);
    board.end(id);
    assert!(owner.get(path).text().contains("Paused"));
    let again = owner.post(&format!("{path}/import"), &[("what", "pause")]);
    assert_eq!(again.status, 303, "it may have ended while the page was looked at");
    assert_eq!(program.call(Method::Put, call, &json!({ "paused": true })).0, 422);
    program.good(Method::Put, call, &json!({ "paused": false }));
    let report = Report {
        messages: 7,
        octets: 9_000,
        already: 5,
        skipped: vec!["message 3 of <Work>: it is too large".to_string()],
        skipped_count: 1,
        ..Report::default()
    };
    let store = &world.house.store;
    let done = move |row: &mut OutsideImport| went_well(row, &report, NOW);
    store.write_blocking(move |batch| outside::note_import(batch, id, &mut { &done })).expect("ok");
    let text = owner.get(path).text();
    assert!(text.contains("<strong>7</strong>") && text.contains("here already: 5"), "{text}");
    assert!(text.contains("message 3 of &#60;Work&#62;: it is too large"), "{text}");
    assert!(text.contains("Bring what is new") && !text.contains("data-over"), "{text}");
    let acts = acts(&world);
    assert!(acts.contains("owner outside/import ann@office.test ann@gmail.com []"), "{acts}");
    assert!(acts.contains("owner outside/import-pause ann@office.test ann@gmail.com []"), "{acts}");
    let report = verify(store, &mut |_, _| ()).expect("read");
    assert_eq!(report.faults, Vec::<String>::new());
    program.good(Method::Delete, &call.replace("/import", ""), &Value::Null);
    let gone = outside::import(&store.snapshot().expect("a snapshot"), id).expect("read");
    assert_eq!(gone, None, "it goes with the mailbox");
}

#[test]
fn by_pop3_there_is_nothing_to_bring() {
    let world = office(None);
    add(&world, "ann@gmail.com", Wish { pop3: Some(true), ..Wish::default() });
    let call = "/api/v1/accounts/ann@office.test/outside/ann@gmail.com/import";
    let program = Program::of(&world);
    assert_eq!(program.call(Method::Put, call, &json!({ "paused": false })).0, 422);
    assert_eq!(program.get(call), json!({ "import": null, "now": null }));
    let text = world.owner().get("/people/ann@office.test/outside/ann@gmail.com").text();
    assert!(!text.contains("id=\"import\""), "{text}");
}

#[test]
fn the_pace_is_that_of_the_last_half_minute() {
    let mut live = Live::default();
    assert_eq!((live.pace(0), live.left(0)), (None, None));
    for second in 0..=100 {
        // First those that are known, then 10 a second.
        let messages = if second == 0 { 0 } else { 5_000 + second * 10 };
        live.told(progress(messages, 10_000, ""), second * 1_000);
    }
    assert_eq!(live.pace(100_000), Some(600), "ten a second");
    assert_eq!(live.left(100_000), Some(400));
    assert_eq!(live.pace(160_000), Some(200), "and slower when nothing comes");
}

#[test]
fn what_fails_is_tried_again_less_and_less_and_given_up_in_the_end() {
    let mut row = OutsideImport::default();
    let mut waits = Vec::new();
    for _ in 0..IMPORT_TRIES {
        assert_eq!(row.stage, UNDER_WAY);
        failed(&mut row, "The provider refuses the log-in.", false, NOW);
        waits.push(row.next - NOW);
    }
    assert!(waits.is_sorted() && waits[0] == 300, "{waits:?}");
    assert_eq!(waits.last(), Some(&IMPORT_AGAIN_AT_MOST_SECONDS));
    assert_eq!((row.stage, row.ended), (GIVEN_UP, NOW));
    row.stage = UNDER_WAY;
    failed(&mut row, "It was cut.", true, NOW);
    assert_eq!((row.stage, row.tries, row.next - NOW), (UNDER_WAY, 1, 300), "something came");
    let skipped = vec!["one".to_string(); OUTSIDE_IMPORT_SKIPPED * 2];
    let report = Report { skipped, skipped_count: 400, ..Report::default() };
    went_well(&mut row, &report, NOW);
    assert_eq!((row.stage, row.skipped_count, row.error.as_str()), (BROUGHT, 400, ""));
}
