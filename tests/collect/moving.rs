//! A domain on its way here: what takes it on, and what never does.

use crate::act::Reply;
use crate::act::moving::{MoveAct, MoveView, act, due};
use crate::collect::moving::{
    self, CHANGE, Collected, FIRST, LAST, LOWER, OVER, Seen, WATCH, by_day, may_close,
};
use crate::settings::{self, Ports, Settings};
use crate::store::format::{Move, MoveResult, OutsideImport};
use crate::store::{outside, owner, verify};
use crate::tests::remote::peers::{Dns, FAILS, MX, mx};
use crate::tests::store::outside::{add, at_gmail, word};
use crate::tests::store::{ALICE, Office};
use tokio::runtime::Runtime;

const NOW: i64 = 1_760_000_000;
const DAY: i64 = 24 * 3600;
const OURS: &str = "mail.office.test";

fn ours() -> Vec<String> {
    vec![OURS.to_string()]
}

fn seen(hosts: &[&str], ttl: u32) -> Result<Seen, String> {
    Ok(Seen { hosts: hosts.iter().map(ToString::to_string).collect(), ttl })
}

fn look(row: &mut Move, said: Result<Seen, String>, now: i64) -> u32 {
    moving::looked(row, said, &ours(), now);
    row.stage
}

fn at(stage: u32) -> Move {
    Move { stage, seen_at: NOW, ..moving::begun("office.test", NOW) }
}

#[test]
fn a_ttl_counts_as_lowered_when_it_is_seen_twice_and_the_old_one_has_run_out() {
    let old = |ttl| seen(&["mx.old.test"], ttl);
    let mut row = moving::begun("office.test", NOW);
    assert_eq!(look(&mut row, old(3_600), NOW), LOWER);
    // The rest of a long one in the memory of a name server looks like a short one.
    assert_eq!(look(&mut row, old(120), NOW + 3_480), LOWER);
    assert_eq!(moving::next_look(&row), NOW + 3_480 + 330, "it is asked again soon");
    assert_eq!(look(&mut row, old(3_590), NOW + 3_810), LOWER);
    assert_eq!((row.low, row.lowered), (0, 0));
    // This one is short. Asked again too soon or too late it would tell nothing.
    let began = NOW + DAY;
    look(&mut row, old(290), began);
    look(&mut row, old(200), began + 90);
    assert_eq!(row.lowered, 0, "that is the same answer");
    look(&mut row, old(300), began + 4_000);
    assert_eq!((row.low, row.lowered), (began + 4_000, 0), "it may be another rest");
    look(&mut row, old(295), began + 4_330);
    assert_eq!(row.lowered, began + 4_330);
    assert_eq!(moving::next_look(&row), began + 4_000 + 3_600);
    assert_eq!(look(&mut row, old(295), began + 7_000), LOWER, "others still remember");
    assert_eq!(look(&mut row, Err("no answer".into()), began + 9_000), LOWER);
    assert_eq!(look(&mut row, old(295), began + 9_100), FIRST);
    // Of one that was short from the first nobody knows what it was: a day is waited for.
    let mut row = moving::begun("office.test", NOW);
    look(&mut row, old(60), NOW);
    look(&mut row, old(60), NOW + 330);
    assert_eq!(look(&mut row, old(60), NOW + 7_200), LOWER);
    assert_eq!(look(&mut row, old(60), NOW + DAY), FIRST);
}

#[test]
fn bad_answers_take_nothing_on() {
    let bad = [
        Err("the name servers did not answer in time".to_string()),
        Err("the name does not exist".to_string()),
        seen(&[], 60),
        seen(&["mx.old.test"], 60),
        seen(&[OURS, "mx.old.test"], 60),
        seen(&[""], 60),
    ];
    for said in bad {
        let mut row = at(CHANGE);
        assert_eq!(look(&mut row, said.clone(), NOW + DAY), CHANGE, "{said:?}");
        assert_eq!(row.changed, 0);
    }
    let mut row = at(CHANGE);
    assert_eq!(look(&mut row, seen(&["Mail.Office.test"], 60), NOW + DAY), WATCH);
    assert_eq!(row.changed, NOW + DAY);
    // What cannot be asked is not the same as an answer that says otherwise.
    assert_eq!(look(&mut row, Err("no answer".into()), NOW + 2 * DAY), WATCH);
    assert_eq!(look(&mut row, seen(&["mx.old.test"], 60), NOW + 3 * DAY), CHANGE);
    assert_eq!(row.changed, 0);
}

#[test]
fn silence_counts_only_while_everybody_is_collected_from() {
    let told = |letters, last, deaf: &[&str]| Collected {
        letters,
        last,
        deaf: deaf.iter().map(ToString::to_string).collect(),
    };
    let mut row = Move { changed: NOW, since: NOW, ..at(WATCH) };
    for (day, letters) in [(0, 10), (1, 14), (2, 15)] {
        moving::collected(&mut row, told(letters, NOW + day * DAY, &[]), NOW + day * DAY + 60);
    }
    let days: Vec<u64> = by_day(&row).into_iter().map(|(_, letters)| letters).collect();
    assert_eq!(days, [1, 4], "the newest first");
    let last = NOW + 2 * DAY;
    moving::collected(&mut row, told(15, last, &[]), last + 3 * DAY - 1);
    assert_eq!(row.stage, WATCH);
    moving::collected(&mut row, told(15, last, &["bob@office.test"]), last + 4 * DAY);
    assert_eq!(row.stage, WATCH, "his may have come");
    row.fault = "no answer".to_string();
    moving::collected(&mut row, told(15, last, &[]), last + 4 * DAY);
    assert_eq!(row.stage, WATCH, "does it still lead here?");
    row.fault.clear();
    moving::collected(&mut row, told(15, last, &[]), last + 4 * DAY);
    assert_eq!(row.stage, LAST);
    assert_eq!(may_close(&row), None);
    let good = MoveResult { account: "a@office.test".into(), ..MoveResult::default() };
    let cut = MoveResult { error: "refused".into(), ..good.clone() };
    moving::ran(&mut row, vec![good.clone(), cut], last + 5 * DAY);
    assert_eq!(row.stage, LAST, "one is not at its end");
    moving::ran(&mut row, Vec::new(), last + 5 * DAY);
    assert_eq!(row.stage, LAST, "there was nobody");
    moving::ran(&mut row, vec![good], last + 5 * DAY);
    assert_eq!((row.stage, may_close(&row)), (OVER, Some(last + 5 * DAY)));
    assert!(moving::back(&mut row, NOW) && row.stage == LAST);
    assert!(moving::skip(&mut row, NOW) && row.stage == OVER);
    assert!(!moving::skip(&mut row, NOW), "only a run is passed over");
}

// ---- with zones of the test's own ----

struct Stage {
    office: Office,
    runtime: Runtime,
}

impl Stage {
    fn new() -> Stage {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        Stage { office: Office::new(), runtime }
    }

    /// The world's answer from now on.
    fn zone(&self, records: Vec<(u16, Vec<u8>)>) {
        let records = records.into_iter().map(|(kind, data)| ("office.test", kind, data));
        let dns = self.runtime.block_on(Dns::start(records.collect()));
        let mut settings = Settings::first(OURS, Ports::WELL_KNOWN);
        settings.outgoing.name_servers = vec![dns.at];
        let text = settings::print(&settings);
        std::fs::write(self.office.folder.path().join("mailroom.toml"), text).expect("settings");
    }

    fn act(&self, wanted: MoveAct, now: i64) -> MoveView {
        match act(&self.office.store, wanted, now) {
            Ok(Reply::Moves(mut views)) => views.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn import(&self, id: outside::OutsideId) -> OutsideImport {
        let read = self.office.store.snapshot().expect("a snapshot");
        outside::import(&read, id).expect("read").expect("begun")
    }

    fn ends(&self, id: outside::OutsideId, stage: u32, error: &str, now: i64) {
        let error = error.to_string();
        let ends = move |batch: &mut crate::store::Batch| {
            outside::note_import(batch, id, &mut |row| {
                (row.stage, row.ended, row.messages) = (stage, now, 7);
                row.error.clone_from(&error);
            })
        };
        self.office.store.write_blocking(ends).expect("noted");
    }

    /// A run that a restart does not end, in which one mailbox is given up.
    fn runs(&self, id: outside::OutsideId) {
        let at = NOW + 2 * DAY;
        due(&self.office.store, at).expect("begun");
        assert_eq!((self.import(id).stage, self.import(id).began), (outside::UNDER_WAY, at));
        due(&self.office.store, at + 30).expect("looked");
        assert!(self.act(MoveAct::List, at).running);
        self.ends(id, outside::PAUSED, "", 0);
        due(&self.office.store, at + 60).expect("looked");
        assert_eq!(self.import(id).stage, outside::PAUSED, "its person paused it");
        assert!(self.act(MoveAct::List, at).running);
        self.ends(id, outside::GIVEN_UP, "refused", at + 90);
        due(&self.office.store, at + 90).expect("ended");
        let view = self.act(MoveAct::List, at);
        assert_eq!((view.stage.as_str(), view.running), ("first", false), "not all is here");
        assert_eq!(view.results[0].error, "refused");
        // Once more, and that goes well; then as if it had not, for the rest of the story.
        self.act(MoveAct::Run { domain: "office.test".to_string() }, at + 100);
        due(&self.office.store, at + 100).expect("begun");
        assert_eq!(self.import(id).stage, outside::UNDER_WAY);
        self.ends(id, outside::BROUGHT, "", at + 130);
        due(&self.office.store, at + 130).expect("ended");
        let view = self.act(MoveAct::List, at);
        assert_eq!((view.stage.as_str(), view.results[0].messages), ("change", 7));
        let back = MoveAct::Back { domain: "office.test".to_string() };
        assert_eq!(self.act(back, at + 140).stage, "first");
    }

    fn look(&self, now: i64) -> MoveView {
        self.act(MoveAct::Look { domain: "Office.test".to_string(), waits: true }, now)
    }
}

#[test]
fn a_domain_comes_here_step_by_step() {
    let stage = Stage::new();
    let domain = || "office.test".to_string();
    stage.zone(vec![(MX, mx(20, "mx2.old.test")), (MX, mx(10, "mx.old.test"))]);
    let unknown = MoveAct::Begin { domain: "far.test".to_string(), waits: true };
    assert!(act(&stage.office.store, unknown, NOW).is_err());
    let begun = stage.act(MoveAct::Begin { domain: domain(), waits: false }, NOW);
    assert!(begun.looking && begun.looked == 0, "the server looks: {begun:?}");
    due(&stage.office.store, NOW).expect("looked");
    let view = stage.act(MoveAct::List, NOW);
    assert!(!view.looking, "{view:?}");
    assert_eq!((view.stage.as_str(), view.step), ("lower", 1));
    assert!(view.checked.contains("mx.old.test, mx2.old.test"), "{view:?}");
    assert!(view.wanted.contains("TTL") && view.wanted.contains("5 minutes"), "{view:?}");
    let again = MoveAct::Begin { domain: domain(), waits: true };
    assert!(act(&stage.office.store, again, NOW).is_err(), "it is on its way");
    // What the server does by itself.
    for now in [NOW + 331, NOW + DAY + 60] {
        due(&stage.office.store, now).expect("looked");
    }
    let view = stage.act(MoveAct::List, NOW);
    assert_eq!(view.stage, "first", "{view:?}");
    assert!(view.nobody && view.wanted.contains("Add each"), "{view:?}");
    let row = at_gmail("alice@office.test");
    let id = add(&stage.office.store, ALICE, row, word("word")).expect("an account");
    assert!(stage.act(MoveAct::List, NOW).wanted.contains("Begin the run"));
    let view = stage.act(MoveAct::Run { domain: domain() }, NOW + 2 * DAY);
    assert!(view.running);
    stage.runs(id);
    let view = stage.act(MoveAct::Skip { domain: domain() }, NOW + 3 * DAY);
    assert_eq!((view.stage.as_str(), view.running), ("change", false));
    assert!(view.wanted.contains("office.test. MX 10 mail.office.test."), "{view:?}");
    // Name servers that fail, and one record that stayed.
    stage.zone(vec![(FAILS, Vec::new())]);
    let view = stage.look(NOW + 3 * DAY);
    assert!(view.stage == "change" && !view.fault.is_empty(), "{view:?}");
    assert!(view.checked.contains("mx.old.test"), "what was seen before stays: {view:?}");
    stage.zone(vec![(MX, mx(10, OURS)), (MX, mx(20, "mx.old.test"))]);
    assert_eq!(stage.look(NOW + 3 * DAY).stage, "change");
    stage.zone(vec![(MX, mx(10, OURS))]);
    assert_eq!(stage.look(NOW + 3 * DAY).stage, "watch");
    let view = stage.look(NOW + 9 * DAY);
    assert_eq!(view.stage, "watch", "alice is not collected from: {view:?}");
    assert!(view.checked.contains("alice@office.test"), "{view:?}");
    let collects = move |batch: &mut crate::store::Batch| {
        outside::note(batch, id, &mut |state| state.looked = NOW + 10 * DAY)
    };
    stage.office.store.write_blocking(collects).expect("noted");
    assert_eq!(stage.look(NOW + 10 * DAY).stage, "last");
    let view = stage.act(MoveAct::Skip { domain: domain() }, NOW + 10 * DAY);
    assert_eq!(view.stage, "over");
    assert!(view.wanted.contains("close with the old provider: alice@office.test"), "{view:?}");
    assert_eq!(stage.act(MoveAct::Back { domain: domain() }, NOW + 10 * DAY).stage, "last");
    let faults = verify::verify(&stage.office.store, &mut |_, _| ()).expect("verified").faults;
    assert_eq!(faults, Vec::<String>::new());
    act(&stage.office.store, MoveAct::End { domain: domain() }, NOW).expect("ended");
    let read = stage.office.store.snapshot().expect("a snapshot");
    assert_eq!(owner::moves(&read).expect("read"), []);
}
