//! The pages of every day: how it stands, what became of a mail, what waits.

use super::stage::{NOW, World};
use crate::admin::tally::Tally;
use crate::limits;
use crate::store::format::{Trace, TraceStep};
use crate::store::mail::Prepared;
use crate::store::outbox::{self, NewOutgoing, NewRecipient, State};
use crate::store::{MailId, trace};
use crate::wire::address::Address;
use std::sync::Arc;

fn step(what: &str, text: &str, reply: &str) -> TraceStep {
    TraceStep {
        at: NOW,
        what: what.to_string(),
        text: text.to_string(),
        recipient: String::new(),
        reply: reply.to_string(),
    }
}

fn story(from: &str, to: &str, subject: &str, steps: Vec<TraceStep>) -> Trace {
    Trace {
        from: from.to_string(),
        to: vec![to.to_string()],
        subject: subject.to_string(),
        message_id: format!("<{subject}@far.test>"),
        size: 1_000,
        steps,
    }
}

fn taken(judged: &str) -> Vec<TraceStep> {
    vec![step("judged", judged, ""), step("accepted", "", "250 2.0.0 OK")]
}

/// Puts a message for somebody outside into the outbox.
fn send(world: &World, subject: &str, created: i64) -> MailId {
    let story = story("ann@office.test", "x@far.test", subject, taken("accept (usual): fine"));
    let id = world.story(created - NOW, story);
    let to = Address::parse("x@far.test").expect("an address");
    let new = NewOutgoing {
        body: Arc::new(Prepared::new(format!("Subject: {subject}\r\n\r\nHi\r\n").as_bytes())),
        sender: Address::parse("ann@office.test").ok(),
        smtputf8: false,
        eight_bit: false,
        ret: None,
        envid: None,
        recipients: vec![NewRecipient { to, notify: None, orcpt: None }],
        prefix: Vec::new(),
        report_to: None,
        now: created,
    };
    world.house.store.write_blocking(move |batch| outbox::put(batch, id, &new)).expect("put");
    id
}

/// The other server said this at the last try.
fn said(world: &World, id: MailId, reply: &'static str) {
    let job = move |batch: &mut crate::store::Batch| {
        let (place, mut row) = outbox::find(batch, id, None)?.expect("there");
        for recipient in &mut row.recipients {
            (recipient.reply, recipient.server) = (reply.to_string(), "mx.far.test".to_string());
            (recipient.tries, recipient.next) = (2, NOW + 900);
        }
        outbox::update(batch, place, &row)
    };
    world.house.store.write_blocking(job).expect("written");
}

#[test]
fn the_first_page_says_whether_all_is_well_and_what_to_do() {
    let world = World::office();
    let mut owner = world.owner();
    let text = owner.get("/").text();
    // The disk is this machine's, whatever room it has.
    let articles = text.split("<article").skip(1);
    let wants: Vec<&str> = articles.filter(|it| !it.contains("<h3>Disk ")).collect();
    assert_eq!(wants, Vec::<&str>::new());
    assert_eq!(text.contains("All is well."), !text.contains("What wants you"), "{text}");
    for fact in ["Disk", "Queue", "Clock", "Certificate", "Nothing waits to be sent"] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    send(&world, "old", NOW - limits::OUTBOX_OLD_SECONDS - 1);
    let text = owner.get("/").text();
    assert!(text.contains(" a look") && text.contains("What wants you"), "{text}");
    assert!(text.contains("One message waits to be sent; the oldest since"), "{text}");
    assert!(text.contains("href=\"/queue\""), "and where to look: {text}");
    // The settings cannot be read: that is wrong, and said first.
    std::fs::write(world.house.data.join("mailroom.toml"), "host = 5\n").expect("written");
    let text = owner.get("/").text();
    assert!(text.contains("Something is wrong and wants you."), "{text}");
    let (wrong, old) = (text.find("will not start"), text.find("the oldest since"));
    assert!(wrong.is_some() && wrong < old, "{text}");
}

#[test]
fn mail_by_the_hour_is_a_picture_with_its_numbers_in_words() {
    let world = World::office();
    let mut owner = world.owner();
    world.story(-60, story("a@far.test", "ann@office.test", "good", taken("accept (usual): x")));
    world.story(-50, story("b@far.test", "ann@office.test", "junk", taken("junk (words): x")));
    let refused = vec![step("refused", "no such address", "550 5.1.1 no")];
    world.story(-40, story("c@far.test", "no@office.test", "", refused));
    world.story(-30 * 3600, story("d@far.test", "ann@office.test", "old", taken("accept (x): x")));
    let text = owner.get("/").text();
    let said = "Messages taken: 2, of them junk: 1 (50 %). Refused: 1.";
    assert!(text.contains(&format!("aria-label=\"{said}\"")), "{text}");
    assert_eq!(text.matches("<rect").count(), 3, "a bar of three parts: {text}");
    assert!(!text.contains("Counting goes on"));
    // Once more, and nothing is counted twice; what is new is.
    world.story(-30, story("e@far.test", "ann@office.test", "new", taken("accept (x): x")));
    let text = owner.get("/").text();
    assert!(text.contains("Messages taken: 3, of them junk: 1 (33 %)"), "{text}");
}

#[test]
fn of_a_flood_each_request_counts_a_part() {
    let world = World::office();
    let many = limits::TALLY_STORIES * limits::TALLY_TURNS + 7;
    let spam = story("a@far.test", "ann@office.test", "x", taken("junk (words): x"));
    let job = move |batch: &mut crate::store::Batch| {
        for number in 0..many as u64 {
            let id = MailId((NOW as u64 - 100) * 1_000_000 + number);
            trace::put(batch, id, &spam)?;
        }
        Ok(())
    };
    world.house.store.write_blocking(job).expect("written");
    let mut tally = Tally::default();
    let mut turns = 0;
    let counted = loop {
        turns += 1;
        let counted = tally.count(&world.house.store, NOW).expect("counted");
        if !counted.more {
            break counted;
        }
    };
    let sum: u32 = counted.hours.iter().map(|(_, hour)| hour.junk).sum();
    assert_eq!((turns, sum as usize), (2, many));
    let text = world.owner().get("/").text();
    assert!(text.contains("Counting goes on") && text.contains("data-live=\"/\""), "{text}");
}

#[test]
fn stories_are_found_by_words_person_and_day_and_told_in_plain_words() {
    let world = World::office();
    world.person("ann", "a password of ann");
    let mut owner = world.owner();
    assert!(owner.get("/trace").text().contains("No mail yet."));
    let sent = vec![
        step("connected", "ann sent it from [192.168.1.77]", ""),
        step("failed", "Given up: it is not known there", "550 5.1.1 <x> unknown \"user\""),
    ];
    let lost = world.story(0, story("ann@office.test", "x@far.test", "Offer <b>7</b>", sent));
    let other = taken("accept (usual): fine");
    world.story(-86_400 * 3, story("b@far.test", "bob@office.test", "Minutes", other));
    let tagged = taken("accept (usual): fine");
    world.story(-20, story("b@far.test", "Ann+shop@office.test", "Receipt", tagged));
    let mut list = |query: &str| owner.get(&format!("/trace{query}")).text();
    let all = list("");
    assert!(all.contains("Offer &#60;b&#62;7") && !all.contains("<b>7"), "no markup: {all}");
    for subject in ["Offer", "Minutes", "Receipt"] {
        assert!(all.contains(subject), "{subject}: {all}");
    }
    let shows = |text: &str| {
        let subjects = ["Offer", "Minutes", "Receipt"];
        subjects.into_iter().filter(|it| text.contains(it)).collect::<Vec<_>>()
    };
    assert_eq!(shows(&list("?text=MINUTES")), ["Minutes"]);
    assert_eq!(shows(&list("?text=%3Coffer")), ["Offer"], "by Message-ID");
    assert_eq!(shows(&list(&format!("?text={lost}"))), ["Offer"], "by its number");
    assert_eq!(shows(&list("?text=x@far")), ["Offer"]);
    assert_eq!(shows(&list("?who=ann@office.test")), ["Offer", "Receipt"], "also with a tag");
    let day = crate::admin::zone::show("", NOW - 86_400 * 3);
    let day = day.get(..10).expect("a day");
    assert_eq!(shows(&list(&format!("?until={day}"))), ["Minutes"]);
    assert_eq!(shows(&list(&format!("?since={day}&until={day}"))), ["Minutes"]);
    assert!(list("?text=nowhere").contains("Nothing was found"));
    let text = owner.get(&format!("/trace/{lost}")).text();
    assert!(text.contains("550 5.1.1 &#60;x&#62; unknown"), "word by word: {text}");
    assert!(text.contains("There is no such mailbox at that server"), "and plainly: {text}");
    for missing in ["/trace/0", "/trace/zz", "/trace/ffffffffffffffffff"] {
        assert_eq!(owner.get(missing).status, 404, "{missing}");
    }
}

#[test]
fn what_is_wrong_with_a_search_is_said() {
    let world = World::office();
    let mut owner = world.owner();
    let long = "x".repeat(limits::TRACE_TEXT_LETTERS + 1);
    for (query, why) in [
        (format!("text={long}"), "At most 200 characters"),
        ("text=a%00b".to_string(), "a character in it that cannot be seen"),
        ("who=nobody@office.test".to_string(), "There is no such person"),
        ("since=yesterday".to_string(), "This is no day"),
        ("until=2026-02-31".to_string(), "This is no day"),
    ] {
        let reply = owner.get(&format!("/trace?{query}"));
        assert_eq!(reply.status, 422, "{query}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    assert_eq!(owner.get("/trace?before=nonsense").status, 200);
}

#[test]
fn a_long_list_of_stories_has_pages_and_a_search_without_end_goes_on_by_a_link() {
    let world = World::office();
    let rows = limits::PAGE_ROWS;
    let (job_rows, looks) = (rows as u64, limits::TRACE_LOOKS as u64);
    let job = move |batch: &mut crate::store::Batch| {
        for number in 0..looks + job_rows + 10 {
            let subject = if number < job_rows + 3 { "rare" } else { "usual" };
            let story = story("a@far.test", "ann@office.test", subject, taken("accept (x): x"));
            trace::put(batch, MailId((NOW as u64 - 9_000) * 1_000_000 + number), &story)?;
        }
        Ok(())
    };
    world.house.store.write_blocking(job).expect("written");
    let mut owner = world.owner();
    let next = |text: &str| {
        let at = text.split("href=\"/trace?").nth(1)?.split('"').next()?;
        Some(format!("/trace?{}", at.replace("&#38;", "&")))
    };
    // Each row is shown once.
    let text = owner.get("/trace").text();
    assert_eq!(text.matches("href=\"/trace/").count(), rows);
    let text = owner.get(&next(&text).expect("a next page")).text();
    assert_eq!(text.matches("href=\"/trace/").count(), rows);
    // What is rare stands so far back that one request does not reach it.
    let text = owner.get("/trace?text=rare").text();
    assert!(text.contains("Nothing found so far"), "{text}");
    let mut found = 0;
    let mut target = next(&text);
    while let Some(to) = target {
        let text = owner.get(&to).text();
        found += text.matches("href=\"/trace/").count();
        target = next(&text);
    }
    assert_eq!(found, rows + 3);
}

#[test]
fn a_story_without_end_is_told_from_its_begin_and_its_end() {
    let world = World::office();
    let mut steps = vec![step("connected", "the first", "")];
    let words = "450 4.2.0 not now ".repeat(30);
    steps.extend((0..98).map(|number| step("waits", &format!("try {number}."), &words)));
    steps.push(step("failed", "the last", "550 5.1.1 no"));
    let id = world.story(0, story("ann@office.test", "x@far.test", "Offer", steps));
    let text = world.owner().get(&format!("/trace/{id}")).text();
    for shown in ["the first", "try 10.", "try 97.", "the last", "not shown here: 60"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("try 11.") && !text.contains("try 70."), "{text}");
}

#[test]
fn the_queue_says_why_and_the_owner_holds_hurries_and_drops() {
    let world = World::office();
    world.person("ann", "a password of ann");
    let mut owner = world.owner();
    assert!(owner.get("/queue").text().contains("Nothing waits."));
    let id = send(&world, "Offer <script>", NOW);
    said(&world, id, "450 4.2.0 <x> greylisted");
    let text = owner.get("/queue").text();
    assert!(text.contains("Offer &#60;script&#62;"), "{text}");
    assert!(text.contains("450 4.2.0 &#60;x&#62; greylisted"), "{text}");
    assert!(text.contains("wants it to be tried again later"), "{text}");
    assert!(text.contains("Tries so far: 2"), "{text}");
    let state = || {
        let read = world.house.store.snapshot().expect("a snapshot");
        outbox::find(&read, id, None).expect("read").map(|(_, row)| row.recipients[0].state())
    };
    assert_eq!(owner.post(&format!("/queue/{id}/hold"), &[]).status, 303);
    assert_eq!(state(), Some(State::Held));
    assert!(owner.get("/queue").text().contains("It is held until you say otherwise."));
    assert_eq!(owner.post(&format!("/queue/{id}/now"), &[]).status, 303);
    assert_eq!(state(), Some(State::Waiting));
    owner.get("/queue");
    let mut other = owner.clone();
    assert_eq!(owner.post(&format!("/queue/{id}/drop"), &[]).status, 303);
    assert_eq!(state(), None);
    assert!(owner.get("/queue").text().contains("its sender is told"));
    // The sender is told indeed.
    let read = world.house.store.snapshot().expect("a snapshot");
    let told = trace::find(&read, "ann@office.test", None, 9).expect("read");
    drop(read);
    assert!(told.iter().any(|(other, _)| *other != id), "a report to ann: {told:?}");
    // The other browser still shows it.
    other.post(&format!("/queue/{id}/hold"), &[]);
    assert!(other.get("/queue").text().contains("not in the queue any more"), "the second is told");
    let acts = owner.get("/acts").text();
    for did in ["Held a message that waited", "Had a message sent now", "Dropped a message"] {
        let told = acts.split("<tr>").any(|row| row.contains(did) && row.contains(&id.to_string()));
        assert!(told, "{did}: {acts}");
    }
}

#[test]
fn a_long_queue_has_pages() {
    let world = World::office();
    let all = limits::QUEUE_ROWS + 2;
    for number in 0..all {
        send(&world, &format!("n{number}"), NOW + number as i64);
    }
    let mut owner = world.owner();
    let text = owner.get("/queue").text();
    assert_eq!(text.matches("<article").count(), limits::QUEUE_ROWS);
    let more = text.split("/queue?from=").nth(1).and_then(|it| it.split('"').next());
    let text = owner.get(&format!("/queue?from={}", more.expect("more"))).text();
    assert_eq!(text.matches("<article").count(), 2, "{text}");
    assert_eq!(owner.get("/queue?from=nonsense").status, 200);
}
