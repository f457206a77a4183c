//! Mail brought in from providers with bad habits: everything that can be had, each once, and the
//! rest told.

use super::toy::{Folder, Habit, Message, Toy, folder, message};
use crate::collect::imap::import::{self, Ask, Pace, Progress, Report};
use crate::collect::reach::{Place, Security};
use crate::imap::client::{Login, Secret};
use crate::limits;
use crate::store::mail;
use crate::store::{MailboxId, mailbox, verify};
use crate::tests::store::{ALICE, Office};
use std::collections::BTreeMap;
use std::time::Duration;

const QUICK: Pace = Pace {
    first: Duration::from_millis(1),
    at_most: Duration::from_millis(1),
    throttled: Duration::from_millis(1),
};

pub(super) fn ask(toy: &Toy) -> Ask {
    Ask {
        account: ALICE,
        place: Place {
            host: "127.0.0.1".into(),
            port: toy.port,
            tls: Security::None,
            authority: None,
        },
        login: Login { user: "carl".into(), secret: Secret::Password("word".into()) },
        above: None,
        name_servers: Vec::new(),
        pace: QUICK,
    }
}

pub(super) fn run_as(office: &Office, ask: Ask) -> (Result<Report, String>, Vec<Progress>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut told = Vec::new();
    let done = runtime.block_on(import::run(&office.store, ask, &mut |it| told.push(it)));
    (done, told)
}

pub(super) fn run(office: &Office, toy: &Toy) -> Report {
    run_as(office, ask(toy)).0.expect("brought")
}

/// What stands here: by mailbox the subjects with their flags and dates.
pub(super) type Here = BTreeMap<String, Vec<(String, u32, Vec<String>, (i64, i32))>>;

pub(super) fn here(office: &Office) -> Here {
    let read = office.store.snapshot().expect("a snapshot");
    let mut found = Here::new();
    for one in mailbox::list(&read, ALICE).expect("mailboxes") {
        let mut letters = Vec::new();
        mail::rows(&read, ALICE, one.id, 0, u32::MAX, &mut |_, row| {
            let raw = mail::octets(&read, &row, 0, row.size)?;
            let text = String::from_utf8_lossy(&raw).into_owned();
            let subject = text.lines().next().unwrap_or_default();
            let subject = subject.strip_prefix("Subject: ").unwrap_or("?").to_string();
            let date = (row.internal_date, row.internal_zone_minutes);
            letters.push((subject, row.flags, mail::keyword_names(&one.name, &row), date));
            Ok(true)
        })
        .expect("rows");
        if !letters.is_empty() {
            found.insert(one.name.name.clone(), letters);
        }
    }
    let faults = verify::verify(&office.store, &mut |_, _| ()).expect("verified").faults;
    assert_eq!(faults, Vec::<String>::new());
    found
}

pub(super) fn subjects(office: &Office, name: &str) -> Vec<String> {
    let mut found: Vec<String> = here(office)
        .remove(name)
        .unwrap_or_default()
        .into_iter()
        .map(|(subject, ..)| subject)
        .collect();
    found.sort();
    found
}

fn ten() -> Vec<Message> {
    (0..10).map(|n| message(n * 10 + 5, &format!("letter {n}"))).collect()
}

fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("letter {n}")).collect()
}

#[test]
fn everything_comes_with_flags_and_dates() {
    let office = Office::new();
    let mut odd = message(4, "odd");
    odd.flags =
        "\\Answered \\flagged \\Recent \\Nonsense $Forwarded project-x (x".replace(" (x", "");
    odd.date = " 1-Jan-2020 00:00:00 +0530".to_string();
    let mut undated = message(9, "undated");
    undated.date = "yesterday".to_string();
    undated.body = b"Subject: undated\nDate: Thu, 1 Jan 1970 01:00:00 +0100\n\nbare\n".to_vec();
    let toy = Toy::new(vec![
        folder("INBOX", vec![message(3, "seen"), odd, undated]),
        Folder { attributes: "\\Sent".into(), ..folder("Gesendet", vec![message(1, "sent")]) },
        folder("&BB8- R&-D/Sub", vec![message(1, "below")]),
        Folder { attributes: "\\Noselect".into(), ..folder("nothing", vec![]) },
    ]);
    let (report, told) = run_as(&office, ask(&toy));
    let report = report.expect("brought");
    assert_eq!((report.messages, report.already, report.skipped_count), (5, 0, 0));
    let expected: Here = [
        (
            "INBOX".to_string(),
            vec![
                ("seen".to_string(), 1, vec![], (837_596_665, -420)),
                (
                    "odd".to_string(),
                    2 | 4,
                    vec!["$Forwarded".to_string(), "project-x".to_string()],
                    (1_577_817_000, 330),
                ),
                ("undated".to_string(), 1, vec![], (0, 60)),
            ],
        ),
        ("Sent".to_string(), vec![("sent".to_string(), 1, vec![], (837_596_665, -420))]),
        ("П R&D/Sub".to_string(), vec![("below".to_string(), 1, vec![], (837_596_665, -420))]),
    ]
    .into();
    assert_eq!(here(&office), expected);
    let read = office.store.snapshot().unwrap();
    let subscribed = mailbox::subscriptions(&read, ALICE).unwrap();
    assert!(subscribed.contains(&"П R&D/Sub".to_string()), "{subscribed:?}");
    let last = told.last().expect("it tells how far it is");
    assert_eq!((last.messages, last.of), (5, 5));
    assert!(toy.state().said.iter().all(|it| !it.starts_with("SELECT")), "nothing is changed");
}

#[test]
fn a_second_run_brings_only_what_is_new() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten())]);
    assert_eq!(run(&office, &toy).messages, 10);
    let again = run(&office, &toy);
    assert_eq!((again.messages, again.already), (0, 10));
    let bodies = toy.state().said.iter().filter(|it| it.contains("BODY")).count();
    assert_eq!(bodies, 1, "bodies are asked for once");
    // The same letter once more is another letter.
    let twin = Message { uid: 200, ..message(5, "letter 0") };
    toy.state().folders[0].messages.push(twin);
    let more = run(&office, &toy);
    assert_eq!((more.messages, more.already), (1, 10));
    assert_eq!(subjects(&office, "INBOX").len(), 11);
    // What a person deleted here does not come back.
    office
        .write(|batch| mail::expunge(batch, ALICE, crate::store::INBOX, None, true).map(drop))
        .expect("expunged");
    assert_eq!(run(&office, &toy).messages, 0);
}

#[test]
fn a_line_that_breaks_in_a_letter_is_opened_again() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten()), folder("more", ten())]);
    let mut cuts = (0..60).step_by(7);
    toy.does(move |command| match command.contains("BODY") {
        true => cuts.next().map_or(Habit::Usual, |cut| Habit::Cuts(40 + cut * 9)),
        false => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.already, report.skipped_count), (20, 0, 0));
    assert!(report.broken >= 5, "{report:?}");
    assert_eq!(subjects(&office, "INBOX"), names(0..10));
    assert_eq!(subjects(&office, "more"), names(0..10));
}

#[test]
fn who_never_answers_is_given_up_and_gone_on_with_later() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten())]);
    let mut left = 1;
    toy.does(move |command| match command.contains("BODY") {
        true if left == 0 => Habit::Cuts(0),
        true => {
            left -= 1;
            Habit::Cuts(400)
        }
        false => Habit::Usual,
    });
    let why = run_as(&office, ask(&toy)).0.expect_err("given up");
    assert!(why.contains("goes on there") && why.contains("times in a row"), "{why}");
    let some = subjects(&office, "INBOX").len();
    assert!((1..10).contains(&some), "{some} came before the line broke");
    toy.does(|_| Habit::Usual);
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.already), (10 - some as u64, some as u64));
    assert_eq!(subjects(&office, "INBOX"), names(0..10));
}

#[test]
fn a_letter_that_is_refused_costs_the_others_nothing() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten())]);
    toy.does(|command| match command.contains("BODY") && command.contains("55") {
        true => Habit::Says("NO [SERVERBUG] cannot read it"),
        // A group with it, too.
        false if command.contains("BODY") && command.contains(',') => Habit::Says("NO some failed"),
        false => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (9, 1));
    let why = &report.skipped[0];
    assert!(why.contains("message 55 of INBOX") && why.contains("cannot read it"), "{why}");
    assert_eq!(subjects(&office, "INBOX"), names((0..10).filter(|n| *n != 5)));
}

#[test]
fn who_asks_to_slow_down_is_left_alone_for_a_while() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten()), folder("more", ten())]);
    let mut words = vec![
        "NO [THROTTLED] slow down",
        "NO [OVERQUOTA] Account exceeded command or bandwidth limits",
        "NO [LIMIT] Rate limit hit",
        "BAD Request is throttled. Suggested Backoff Time: 3 milliseconds",
        "NO [UNAVAILABLE] backend",
        "NO Too many simultaneous connections",
    ];
    toy.does(move |command| {
        let asked = ["EXAMINE", "BODY", "SEARCH", "FLAGS"].iter().any(|it| command.contains(it));
        match asked.then(|| words.pop()).flatten() {
            Some(words) => Habit::Says(words),
            None => Habit::Usual,
        }
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count, report.broken), (20, 0, 6));
    assert_eq!(toy.state().connections, 7, "each time the connection is given up");
}

#[test]
fn a_wrong_password_is_said_once() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten())]);
    toy.does(|command| match command.starts_with("AUTHENTICATE") {
        true => Habit::Says("NO [AUTHENTICATIONFAILED] application-specific password required"),
        false => Habit::Usual,
    });
    let why = run_as(&office, ask(&toy)).0.expect_err("refused");
    assert!(why.contains("application-specific password required"), "{why}");
    assert_eq!(toy.state().connections, 1);
}

#[test]
fn a_new_uidvalidity_brings_nothing_twice() {
    let office = Office::new();
    let twins = vec![message(1, "twin"), message(2, "twin"), message(3, "other")];
    let toy = Toy::new(vec![folder("INBOX", twins)]);
    assert_eq!(run(&office, &toy).messages, 3);
    {
        let mut state = toy.state();
        state.folders[0].uidvalidity = 78;
        let messages = &mut state.folders[0].messages;
        messages.iter_mut().for_each(|it| it.uid += 500);
        // One twin more, and a new letter.
        messages.push(Message { uid: 600, ..message(1, "twin") });
        messages.push(message(601, "new"));
    }
    // The line breaks while they are met again.
    let mut cut = Some(200);
    toy.does(move |command| match command.contains("BODY") {
        true => cut.take().map_or(Habit::Usual, Habit::Cuts),
        false => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.already), (2, 3));
    assert_eq!(subjects(&office, "INBOX"), ["new", "other", "twin", "twin", "twin"]);
    assert_eq!(run(&office, &toy).messages, 0);
}

#[test]
fn wrong_uids_and_odd_lines_do_no_harm() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten())]);
    toy.does(|command| match command {
        it if it.contains("BODY") => {
            let mut first = b"* 1 FETCH (UID 0 BODY[] {3}\r\nbad)\r\n".to_vec();
            first.extend(b"* 1 FETCH (UID 4242 BODY[] {5}\r\nalien)\r\n".iter());
            first.extend(
                b"* 1 FETCH (BODY[] {4}\r\nbare)\r\n* 3 FETCH (UID 25 FLAGS ())\r\n".iter(),
            );
            first.extend(b"* 11 EXISTS\r\nnonsense\r\n* OK Still here\r\n".iter());
            Habit::First(first)
        }
        it if it.contains("SEARCH") => Habit::Instead(
            b"* ESEARCH (TAG \"x\") UID ALL 5,15,25,35,45,55,65,75,85,95,5,15,9999\r\n".to_vec(),
        ),
        _ => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (10, 1), "{report:?}");
    assert!(report.skipped[0].contains("9999"), "{report:?}");
    assert_eq!(subjects(&office, "INBOX"), names(0..10));
}

#[test]
fn what_is_too_large_or_empty_is_told() {
    let office = Office::new();
    let mut letters = vec![message(1, "fits"), message(2, "lies"), message(3, "empty")];
    letters[1].body = vec![b'x'; limits::MESSAGE_BYTES + 1];
    letters[2].body = Vec::new();
    let toy = Toy::new(vec![folder("INBOX", letters)]);
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (1, 2));
    let asked = toy.state().said.iter().any(|it| it.contains("BODY") && it.contains('2'));
    assert!(!asked, "it is not even asked for");
    // A size that is a lie: read, thrown away, told.
    let office = Office::new();
    toy.does(|command| match command.contains("RFC822.SIZE") {
        true => Habit::Instead(
            b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 9)\r\n* 2 FETCH (UID 2 FLAGS () RFC822.SIZE \
              9)\r\n* 3 FETCH (UID 3 FLAGS () RFC822.SIZE 9)\r\n"
                .to_vec(),
        ),
        false => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (1, 2), "{report:?}");
    assert!(report.skipped.iter().any(|it| it.contains("octets are too many")), "{report:?}");
}

#[test]
fn labels_of_gmail_are_rows_of_one_body() {
    let office = Office::new();
    let gmail = |name: &str, attributes: &str, messages| Folder {
        attributes: attributes.to_string(),
        ..folder(name, messages)
    };
    let labelled = |uid, text: &str, labels: &str| Message {
        labels: labels.to_string(),
        ..message(uid, text)
    };
    let toy = Toy::new(vec![
        gmail("INBOX", "", vec![message(1, "both")]),
        gmail("[Gmail]", "\\Noselect", vec![]),
        gmail(
            "[Gmail]/All Mail",
            "\\All",
            vec![
                labelled(11, "both", "\"\\\\Inbox\" \\Important work \"&BB8- x\""),
                labelled(12, "archived", ""),
                labelled(13, "starred", "\\Sent \"\\\\Starred\""),
                labelled(14, "late", "made-since"),
            ],
        ),
        gmail("[Gmail]/Sent Mail", "\\Sent", vec![message(1, "starred")]),
        gmail("[Gmail]/Spam", "\\Junk", vec![message(1, "spam")]),
        gmail("work", "", vec![message(1, "both")]),
        gmail("&BB8- x", "", vec![message(1, "both")]),
        gmail("empty", "", vec![]),
    ]);
    toy.state().capabilities.push_str(" X-GM-EXT-1");
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (5, 0), "{report:?}");
    for (mailbox, subject, flags) in [
        ("INBOX", "both", 1),
        ("work", "both", 1),
        ("П x", "both", 1),
        ("Archive", "archived", 1),
        ("Sent", "starred", 1 | 4),
        ("made-since", "late", 1),
        ("Junk", "spam", 1),
    ] {
        let found = here(&office).remove(mailbox).unwrap_or_default();
        assert_eq!(found.len(), 1, "{mailbox}: {found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1), (subject, flags), "{mailbox}");
    }
    let read = office.store.snapshot().unwrap();
    assert!(mailbox::by_name(&read, ALICE, "empty").unwrap().is_some());
    let body = |name: &str| {
        let id: MailboxId = mailbox::by_name(&read, ALICE, name).unwrap().unwrap().id;
        mail::row(&read, ALICE, id, 1).unwrap().unwrap().body
    };
    assert!(body("INBOX") == body("work") && body("work") == body("П x"));
    let fetched = toy.state().said.iter().filter(|it| it.contains("BODY")).count();
    assert_eq!(fetched, 2, "each letter is read once");
}

#[test]
fn a_folder_that_cannot_be_opened_is_told() {
    let office = Office::new();
    let toy = Toy::new(vec![folder("INBOX", ten()), folder("locked", ten()), folder("old", ten())]);
    toy.does(|command| match command {
        "EXAMINE \"locked\"" => Habit::Says("NO [NOPERM] not yours"),
        "EXAMINE \"old\"" => Habit::Instead(b"* 10 EXISTS\r\n".to_vec()),
        _ => Habit::Usual,
    });
    let report = run(&office, &toy);
    assert_eq!((report.messages, report.skipped_count), (10, 2));
    assert!(report.skipped[0].contains("not yours"), "{report:?}");
    assert!(report.skipped[1].contains("UIDVALIDITY"), "{report:?}");
}

#[test]
fn a_password_goes_nowhere_in_clear() {
    let office = Office::new();
    let toy = Toy::new(vec![]);
    let mut ask = ask(&toy);
    ask.place.host = "192.0.2.1".into();
    let why = run_as(&office, ask).0.expect_err("refused");
    assert!(why.contains("without TLS"), "{why}");
}
