//! A letter out and a letter in, as the setup follows them.

use super::stage::{NOW, World};
use crate::act::people::{AccountAct, DomainAct, Password};
use crate::act::{self, Request as Act};
use crate::store::format::{Trace, TraceStep};
use crate::store::{MailId, outbox, owner, trace};

/// An owned server where Ann has mail.
fn office() -> World {
    let world = World::owned();
    let domain = Act::Domain(DomainAct::Add { domain: "office.test".into() });
    let password = Password { text: "blue tractor".into(), made_up: false };
    let (address, name) = ("ann@office.test".to_string(), "Ann".to_string());
    let ann = Act::Account(AccountAct::Add { address, name, quota: 0, password });
    for act in [domain, ann] {
        act::act(&world.house.store, act, NOW, &mut |_| ()).expect("done");
    }
    world
}

fn step(at: i64, what: &str, text: &str, reply: &str) -> TraceStep {
    let [what, text, reply] = [what, text, reply].map(str::to_string);
    TraceStep { at, what, text, recipient: String::new(), reply }
}

/// The story of the letter that was sent, one step further.
fn goes_on(world: &World, what: &'static str, text: &'static str, reply: &'static str) {
    let write = world.house.store.write_blocking(move |batch| {
        let letter = owner::setup(batch)?.letter;
        let (id, mut story) = trace::find(batch, &letter, None, 1)?.remove(0);
        story.steps.push(step(NOW, what, text, reply));
        trace::put(batch, id, &story)
    });
    write.expect("written");
}

fn send(owner: &mut super::stage::Browser<'_>, to: &str) -> crate::admin::http::Reply {
    owner.get("/setup/letter");
    owner.post("/setup/letter/send", &[("from", "ann@office.test"), ("to", to)])
}

#[test]
fn a_letter_out_is_signed_in_the_outbox_and_told_of_until_it_is_there() {
    let world = office();
    let mut owner = world.owner();
    for (to, why) in [
        ("", "This is empty"),
        ("phone", "no address such as"),
        ("bob@office.test", "is of this server"),
        ("<script>@x.test", "no address such as"),
    ] {
        let reply = send(&mut owner, to);
        assert_eq!(reply.status, 422, "{to}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains("<script>"));
    }
    let reply = owner.post("/setup/letter/send", &[("from", "eve@x.test"), ("to", "a@b.test")]);
    assert!(reply.text().contains("nobody yet in whose name"), "{}", reply.text());
    assert_eq!(send(&mut owner, "friend@elsewhere.test").status, 303);
    let read = world.house.store.snapshot().expect("a snapshot");
    assert_eq!(outbox::count(&read, 10).expect("read"), 1);
    let setup = owner::setup(&read).expect("read");
    assert!(setup.letter.ends_with("@office.test>"), "{}", setup.letter);
    drop(read);
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("friend@elsewhere.test") && text.contains("data-live"), "{text}");
    assert!(text.contains("on its way out"), "{text}");
    goes_on(&world, "waits", "Not yet: nobody answers on port 25", "");
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("port 25 closed to the outside") && text.contains("data-live"), "{text}");
    goes_on(&world, "sent", "mx.elsewhere.test took it", "250 2.0.0 ok");
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("The other server took it"), "{text}");
    assert!(text.contains("<code>250 2.0.0 ok</code>"), "its own words: {text}");
    assert!(!text.contains("data-live"), "nothing more is awaited: {text}");
}

#[test]
fn a_letter_that_is_refused_has_its_remedy() {
    let world = office();
    let mut owner = world.owner();
    for (reply, why) in [
        ("550 5.7.1 your PTR is missing", "the records of your domain"),
        ("550 5.1.1 no such user", "There is no such mailbox or domain"),
        ("", "There is no such mailbox or domain"),
    ] {
        assert_eq!(send(&mut owner, "friend@elsewhere.test").status, 303);
        goes_on(&world, "failed", "Given up", reply);
        let text = owner.get("/setup/letter").text();
        assert!(text.contains(why) && text.contains("It was not taken"), "{why}: {text}");
    }
    assert_eq!(send(&mut owner, "friend@elsewhere.test").status, 303);
    goes_on(&world, "failed", "Given up: It was tried for too long.", "");
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("No server answered"), "{text}");
}

/// Somebody outside calls.
fn arrives(world: &World, number: u64, from: &str, steps: Vec<TraceStep>) {
    let story = Trace {
        from: from.to_string(),
        to: vec!["ann@office.test".to_string()],
        steps,
        ..Trace::default()
    };
    let id = MailId(u64::try_from(NOW).expect("a time") * 1_000_000 + number);
    let write = world.house.store.write_blocking(move |batch| trace::put(batch, id, &story));
    write.expect("written");
}

#[test]
fn a_letter_in_is_awaited_and_what_came_before_or_from_here_does_not_count() {
    let world = office();
    let mut owner = world.owner();
    let called = |at| step(at, "connected", "mx.elsewhere.test connected", "");
    arrives(
        &world,
        1,
        "old@elsewhere.test",
        vec![called(NOW - 60), step(NOW, "delivered", "", "")],
    );
    owner.get("/setup/letter");
    assert_eq!(owner.post("/setup/letter/wait", &[]).status, 303);
    arrives(&world, 2, "bob@office.test", vec![called(NOW), step(NOW, "delivered", "", "")]);
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("Waiting for it") && text.contains("data-live"), "{text}");
    assert!(text.contains("data-copy=\"ann@office.test\"") && text.contains("port 25"), "{text}");
    let refused = step(NOW, "refused", "The name of the sender leads nowhere", "550 5.7.1 no");
    arrives(&world, 3, "eve@elsewhere.test", vec![called(NOW), refused]);
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("was refused") && text.contains("550 5.7.1 no"), "{text}");
    assert!(text.contains("data-live"), "another may still come: {text}");
    let into = step(NOW, "delivered", "Put into the INBOX of ann@office.test", "");
    arrives(&world, 4, "me@elsewhere.test", vec![called(NOW), into]);
    let text = owner.get("/setup/letter").text();
    assert!(text.contains("Mail comes in") && text.contains("me@elsewhere.test"), "{text}");
    assert!(!text.contains("data-live"), "{text}");
}
