//! Where addresses lead, over others, and what may not be.

use super::{Town, at};
use crate::limits::{ALIAS_DEPTH, ALIAS_TARGETS};
use crate::store::address::{self, Found};
use crate::store::{AccountId, Result, StoreError, account};

fn leads(town: &Town, to: &str) -> Option<(Vec<AccountId>, Vec<String>)> {
    let read = town.store.snapshot().expect("a snapshot");
    match address::find(&read, &at(to)).expect("a lookup") {
        Found::Accounts { accounts, outside, .. } => {
            Some((accounts, outside.iter().map(|to| to.to_string()).collect()))
        }
        _ => None,
    }
}

fn remove(town: &Town, alias: &str) -> Result<()> {
    let alias = at(alias);
    town.write(move |batch| address::remove_alias(batch, &alias))
}

#[test]
fn groups_lead_to_people_to_groups_and_outside_each_once() {
    let town = Town::new("a.test");
    let (alice, bob) = (town.person("alice@a.test", 0), town.person("bob@a.test", 0));
    town.lead("sales@a.test", &[bob], &["partner@far.test"]).expect("sales");
    town.lead("all@a.test", &[alice], &["sales@a.test", "eve@far.test", "Sales+x@a.test"])
        .expect("all");
    let everyone = (vec![alice, bob], vec!["eve@far.test".into(), "partner@far.test".into()]);
    assert_eq!(leads(&town, "all+tag@a.test"), Some(everyone));
    // What sales leads to is looked up when mail comes.
    town.lead("sales@a.test", &[alice], &[]).expect("changed");
    assert_eq!(leads(&town, "all@a.test"), Some((vec![alice], vec!["eve@far.test".into()])));
    // A log-in address goes on leading to its own account, and may lead on.
    town.lead("bob@a.test", &[bob], &["bob@home.test", "alice@a.test"]).expect("bob's own");
    let own = (vec![bob, alice], vec!["bob@home.test".to_string()]);
    assert_eq!(leads(&town, "bob@a.test"), Some(own));
    assert!(town.lead("bob@a.test", &[alice], &[]).is_err());
    assert!(town.lead("bob@a.test", &[], &["bob@home.test"]).is_err());
    town.sound();
    town.write(move |batch| account::delete(batch, alice)).expect("deleted");
    assert_eq!(leads(&town, "bob@a.test"), Some((vec![bob], vec!["bob@home.test".into()])));
    assert_eq!(leads(&town, "sales@a.test"), None);
    assert_eq!(leads(&town, "all@a.test"), Some((vec![], vec!["eve@far.test".into()])));
    town.sound();
}

#[test]
fn circles_and_endless_rows_are_refused_and_leave_nothing_behind() {
    let town = Town::new("a.test");
    let alice = town.person("alice@a.test", 0);
    town.lead("x@a.test", &[alice], &[]).expect("x");
    town.lead("y@a.test", &[], &["x@a.test"]).expect("y");
    for circle in ["x@a.test", "X+tag@a.test", "y@a.test"] {
        let refused = town.lead("x@a.test", &[alice], &[circle]);
        assert!(matches!(refused, Err(StoreError::Invalid(why)) if why.contains("circle")));
    }
    assert_eq!(leads(&town, "y@a.test"), Some((vec![alice], vec![])));
    let unknown = town.lead("z@a.test", &[], &["nobody@a.test"]);
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    assert!(matches!(town.lead("z@a.test", &[], &[]), Err(StoreError::Invalid(_))));
    assert!(matches!(remove(&town, "x@a.test"), Err(StoreError::Invalid(_))), "y leads to it");
    assert_eq!((remove(&town, "y@a.test"), remove(&town, "x@a.test")), (Ok(()), Ok(())));

    town.lead("g0@a.test", &[alice], &[]).expect("the end of a row");
    for number in 1..=ALIAS_DEPTH {
        let before = format!("g{}@a.test", number - 1);
        town.lead(&format!("g{number}@a.test"), &[], &[&before]).expect("one more");
    }
    let last = format!("g{ALIAS_DEPTH}@a.test");
    assert_eq!(leads(&town, &last), Some((vec![alice], vec![])));
    let over = town.lead("over@a.test", &[], &[&last]);
    assert!(matches!(over, Err(StoreError::Limit(_))), "{over:?}");
    // Also when the row grows at its far end.
    town.lead("h0@a.test", &[alice], &[]).expect("another");
    let grown = town.lead("g0@a.test", &[], &["h0@a.test"]);
    assert!(matches!(grown, Err(StoreError::Limit(_))), "{grown:?}");
    town.sound();
}

#[test]
fn an_address_leads_to_so_many_and_no_more() {
    let town = Town::new("a.test");
    let many: Vec<String> = (0..=ALIAS_TARGETS).map(|n| format!("p{n}@far.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    town.lead("list@a.test", &[], &many[..ALIAS_TARGETS]).expect("as many as may be");
    assert!(matches!(town.lead("list@a.test", &[], &many), Err(StoreError::Limit(_))));
    let last = many[ALIAS_TARGETS];
    let more = town.lead("more@a.test", &[], &["list@a.test", last]);
    assert!(matches!(more, Err(StoreError::Limit(_))), "together too many");
    assert_eq!(leads(&town, "list@a.test").map(|it| it.1.len()), Some(ALIAS_TARGETS));
    // A domain that mail is passed on to cannot become ours unnoticed.
    let ours = town.write(|batch| address::add_domain(batch, "far.test", 1));
    assert!(matches!(ours, Err(StoreError::Invalid(_))), "{ours:?}");
}
