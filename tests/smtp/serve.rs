//! The machine of port 25 as `units` runs it.

use super::office::Office;
use super::stage::{peer, tls};
use crate::delivery::receive::Post;
use crate::limits::{
    SMTP_REFUSED_TRACES_PER_DAY, SMTP_REFUSED_TRACES_PER_MINUTE, SMTP_REFUSED_TRACES_PER_NETWORK,
};
use crate::net::{Handler, Service};
use crate::serve::receive::{Knocks, Smtp};
use crate::session::{Input, Session, Step};
use crate::smtp::{Answer, Ask, Caller, Destination, Refusal, Refusals, Story};
use crate::store::trace;
use crate::wire::smtp::{Budget, Command, ForwardPath, Reply};
use std::net::IpAddr;
use std::sync::Arc;

fn path(text: &str) -> ForwardPath {
    match Command::parse(&format!("RCPT TO:<{text}>")) {
        Ok(Command::Rcpt(rcpt)) => rcpt.to,
        other => panic!("{other:?}"),
    }
}

fn port_25(office: &Office) -> Smtp {
    let post = Post::new(office.store.clone(), "mail.office.test".to_string()).unwrap();
    Smtp::new(Arc::new(post), Budget::new(1 << 20))
}

#[tokio::test]
async fn a_connection_is_greeted_and_its_questions_are_answered() {
    let office = Office::new();
    let smtp = port_25(&office);
    let (mut session, machine) = smtp.connect(peer());
    let mut out = Vec::new();
    assert!(matches!(session.step(Input::Opened, &mut out), Step::Read { .. }));
    assert_eq!(out, b"220 mail.office.test ESMTP Mailroom\r\n");
    for (who, wanted) in [
        ("bob@office.test", Destination::Ours),
        ("Bob+x@OFFICE.test", Destination::Ours),
        ("Postmaster", Destination::Ours),
        ("nobody@office.test", Destination::Unknown),
        ("bob@elsewhere.test", Destination::NotOurs),
    ] {
        let ask = Ask::Recipient { from: None, to: path(who), size: Some(100), sending: None };
        assert_eq!(machine.answer(ask).await, Answer::Recipient(wanted), "{who}");
    }
    assert!(smtp.refusal().starts_with("421 ") && smtp.refusal().ends_with("\r\n"));
}

#[tokio::test]
async fn what_was_refused_is_told_in_the_store() {
    let office = Office::new();
    let smtp = port_25(&office);
    let (_, machine) = smtp.connect(peer());
    let mut refusals = Refusals::default();
    for n in 0..15 {
        refusals.add(Refusal {
            at: 1,
            from: "spam@far.test".to_string(),
            to: format!("guess{n}@office.test"),
            why: "There is no such address here".to_string(),
            reply: Reply::new(550, 1, 1, "No such person here"),
        });
    }
    let caller = Caller {
        remote: peer().remote,
        helo: String::new(),
        extended: true,
        tls: Some(tls()),
        login: None,
    };
    let story = Story { caller, began: 1, refusals };
    assert_eq!(machine.answer(Ask::Tell(Box::new(story))).await, Answer::Told);
    let found = trace::find(&office.store.snapshot().unwrap(), "guess3@", None, 9).unwrap();
    let steps = &found[0].1.steps;
    assert!(steps[0].text.contains("encrypted with TLSv1.3"), "{}", steps[0].text);
    assert_eq!(steps.last().unwrap().text, "5 more were refused on this connection");
}

#[test]
fn who_knocks_without_end_fills_no_disk() {
    let per_minute = SMTP_REFUSED_TRACES_PER_MINUTE as usize;
    let from = |n: u32| IpAddr::from((0xC000_0200 + n).to_be_bytes());
    let mut knocks = Knocks::default();
    for minute in [7, 8] {
        let told = (0..10 * per_minute as u32).filter(|n| knocks.may_tell(minute, from(*n)));
        assert_eq!(told.count(), per_minute);
    }
    // A day and more without a pause, from everywhere: the disk of a small board bears it.
    let mut knocks = Knocks::default();
    let minutes = 0..24 * 60;
    let told = minutes.flat_map(|minute| (0..60).map(move |n| (minute, n)));
    let told = told.filter(|(minute, n)| knocks.may_tell(*minute, from(*minute as u32 * 60 + n)));
    assert_eq!(told.count(), SMTP_REFUSED_TRACES_PER_DAY as usize);
    assert!(knocks.may_tell(24 * 60, from(1)), "the next day is another");
}

#[test]
fn one_who_knocks_all_day_does_not_silence_the_others() {
    let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([198, 51, 100, 1]));
    let mut knocks = Knocks::default();
    let told = (0..600).filter(|minute| knocks.may_tell(*minute, one)).count();
    assert_eq!(told, SMTP_REFUSED_TRACES_PER_NETWORK as usize);
    assert!(knocks.may_tell(600, other));
}
