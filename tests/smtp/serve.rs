//! The machine of port 25 as `units` runs it.

use super::office::Office;
use super::stage::{peer, tls};
use crate::delivery::receive::Post;
use crate::limits::SMTP_REFUSED_TRACES_PER_MINUTE;
use crate::net::{Handler, Service};
use crate::serve::receive::{Knocks, Smtp};
use crate::session::{Input, Session, Step};
use crate::smtp::{Answer, Ask, Caller, Destination, Refusal, Refusals, Story};
use crate::store::trace;
use crate::wire::smtp::{Budget, Command, ForwardPath, Reply};
use std::sync::Arc;

fn post(office: &Office) -> Arc<Post> {
    let post = Post::new(office.store.clone(), "mail.office.test".to_string());
    Arc::new(post.expect("a post"))
}

fn path(text: &str) -> ForwardPath {
    match Command::parse(&format!("RCPT TO:<{text}>")) {
        Ok(Command::Rcpt(rcpt)) => rcpt.to,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_is_greeted_and_its_questions_are_answered() {
    let office = Office::new();
    let smtp = Smtp::new(post(&office), Budget::new(1 << 20));
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
        let ask = Ask::Recipient { to: path(who), size: Some(100), sending: None };
        assert_eq!(machine.answer(ask).await, Answer::Recipient(wanted), "{who}");
    }
    assert!(smtp.refusal().starts_with("421 ") && smtp.refusal().ends_with("\r\n"));
}

#[tokio::test]
async fn what_was_refused_is_told_in_the_store() {
    let office = Office::new();
    let smtp = Smtp::new(post(&office), Budget::new(1 << 20));
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
    let mut knocks = Knocks::default();
    for minute in [7, 8] {
        let told = (0..10 * SMTP_REFUSED_TRACES_PER_MINUTE).filter(|_| knocks.may_tell(minute));
        assert_eq!(told.count(), SMTP_REFUSED_TRACES_PER_MINUTE as usize);
    }
}
