//! The owner's hand on the outbox: list, show, hold, now, drop.

use super::stage::{Stage, refused, took};
use crate::act::Reply;
use crate::act::outbox::{OutboxAct, act};
use crate::cli::render::text;
use crate::store::outbox::{NEVER, State};
use crate::tests::store::ALICE;

fn done(stage: &Stage, what: OutboxAct) -> String {
    text(&act(stage.store(), what).expect("done"))
}

#[test]
fn what_waits_is_listed_and_shown() {
    let stage = Stage::new();
    assert_eq!(done(&stage, OutboxAct::List { limit: 10 }), "the outbox is empty\n");
    let id = stage.put(&["x@b.test", "y@b.test"]).to_string();
    stage.work(1, Box::new(|_, _| refused(451, (3, 0), "Later\u{7}")));
    let list = done(&stage, OutboxAct::List { limit: 10 });
    assert!(list.contains(&id) && list.contains("x@b.test and 1 more"), "{list}");
    let sheet = done(&stage, OutboxAct::Show { id: id.clone() });
    assert!(sheet.contains("waiting after 1 tries"), "{sheet}");
    assert!(sheet.contains("said: 451 4.3.0 Later?"), "{sheet}");
    let many: Vec<_> = (0..5).map(|_| stage.put(&["z@c.test"])).collect();
    let Ok(Reply::Outbox(views)) = act(stage.store(), OutboxAct::List { limit: 3 }) else {
        panic!("no list");
    };
    let first: Vec<_> = many.iter().take(3).map(ToString::to_string).collect();
    let listed: Vec<_> = views.into_iter().map(|view| view.id).collect();
    assert_eq!(listed, first, "the next to be tried first");
}

#[test]
fn held_until_now() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    let words = done(&stage, OutboxAct::Hold { id: id.to_string() });
    assert!(words.contains("1 recipients wait"), "{words}");
    stage.sound();
    assert_eq!(stage.rows()[0].0.due, NEVER);
    assert!(done(&stage, OutboxAct::List { limit: 9 }).contains("held"));
    done(&stage, OutboxAct::Now { id: id.to_string() });
    stage.clock.store(crate::clock::now() + 1, std::sync::atomic::Ordering::SeqCst);
    stage.work(1, Box::new(|_, _| took()));
    assert_eq!(stage.rows(), []);
}

#[test]
fn held_while_it_is_being_sent() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    let store = stage.store().clone();
    stage.work(
        1,
        Box::new(move |_, _| {
            act(&store, OutboxAct::Hold { id: id.to_string() }).expect("held");
            refused(451, (3, 0), "Later")
        }),
    );
    assert_eq!(stage.row(id).unwrap().recipients[0].state(), State::Held);
    assert_eq!(stage.rows()[0].0.due, NEVER);
}

#[test]
fn dropped_with_a_report() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test", "y@c.test"]);
    let refusal = act(stage.store(), OutboxAct::Drop { id: id.to_string(), yes: false });
    assert!(refusal.is_err_and(|failure| failure.remedy.contains("--yes")));
    assert_eq!(stage.rows().len(), 1);
    done(&stage, OutboxAct::Drop { id: id.to_string(), yes: true });
    stage.sound();
    assert_eq!(stage.rows(), []);
    let report = stage.inbox(ALICE).pop().expect("a report");
    assert_eq!(report.matches("Action: failed").count(), 2);
    assert!(report.contains("The owner of this mail server took the message out"));
    let told: Vec<_> = stage.story(id).into_iter().map(|step| step.what).collect();
    assert_eq!(told, ["accepted", "dropped", "reported"]);
}

#[test]
fn dropped_while_it_is_being_sent() {
    let stage = Stage::new();
    let id = stage.put(&["x@b.test"]);
    let store = stage.store().clone();
    stage.work(
        1,
        Box::new(move |_, _| {
            act(&store, OutboxAct::Drop { id: id.to_string(), yes: true }).expect("dropped");
            took()
        }),
    );
    assert_eq!(stage.rows(), []);
    assert!(stage.story(id).last().unwrap().text.contains("took it all the same"));
}

#[test]
fn what_is_not_there() {
    let stage = Stage::new();
    for id in ["zz", "", "77", "fffffffffffffffff"] {
        let id = id.to_string();
        for wrong in [
            OutboxAct::Show { id: id.clone() },
            OutboxAct::Hold { id: id.clone() },
            OutboxAct::Now { id: id.clone() },
            OutboxAct::Drop { id: id.clone(), yes: true },
        ] {
            assert!(act(stage.store(), wrong).is_err(), "{id}");
        }
    }
}
