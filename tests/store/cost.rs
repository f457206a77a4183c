//! What a delivery costs the card: octets written by a lone one into a store that is lived in, from
//! people who are known and from ones who are learnt of.
//!
//! Octets are counted by the kernel for the whole process, so it is measured in a process of its
//! own.

use super::{Folder, NOW, letter_of, messages, prepared};
use crate::store::format::{Trace, TraceStep};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, INBOX, Result, Store, address, known, mail, trace};
use crate::wire::address::Address;
use std::process::Command;

const CHILD: &str = "MAILROOM_TEST_COST";
const PEOPLE: u32 = 50;
const MESSAGES: u64 = 10_000;
const LONE: u64 = 200;

#[test]
fn a_lone_delivery_writes_little() {
    let folder = Folder::new();
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "tests::store::cost::child_delivers_one_by_one"])
        .env(CHILD, folder.path())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a child");
    assert!(status.success());
    let result = std::fs::read_to_string(folder.path().join("done")).expect("the child ran");
    for each in result.lines().map(|each| each.parse::<u64>().expect("a number")) {
        assert!((8_192..=64 * 1024).contains(&each), "{each} octets written for each: {result}");
    }
    assert_eq!(result.lines().count(), 2);
    println!("octets written for a lone delivery, author known and not: {result:?}");
}

/// Octets this process has handed to the kernel to write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("the kernel counts");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar");
    line.parse().expect("a number")
}

fn deliver(batch: &mut Batch, number: u64, new: &mail::NewMail) -> Result<()> {
    let account = recipient(number);
    let id = mail::next_id(batch, NOW as u64 * 1_000_000 + number)?;
    mail::append(batch, account, INBOX, new, id)?;
    let step = |what: &str, text: &str| TraceStep {
        at: NOW,
        what: what.to_string(),
        text: text.to_string(),
        ..TraceStep::default()
    };
    let story = Trace {
        from: "sender@example.test".to_string(),
        to: vec!["person@office.test".to_string()],
        subject: "About the matter of yesterday".to_string(),
        message_id: format!("{number}@example.test"),
        size: 4_096,
        steps: vec![
            step("connected", "mail.example.test (192.0.2.1) connected with TLSv1.3"),
            step("delivered", "put into INBOX of person@office.test"),
        ],
    };
    trace::put(batch, id, &story)
}

fn recipient(number: u64) -> AccountId {
    AccountId(1 + (number * 7 % u64::from(PEOPLE)) as u32)
}

fn four_kib(number: u64) -> mail::NewMail {
    let raw = messages::noise(4_096, 2 * number);
    let before = format!("<{}@example.test>", number.saturating_sub(PEOPLE.into()));
    letter_of(prepared(&raw, Some(&format!("<{number}@example.test>")), &[&before]), &[])
}

#[test]
fn child_delivers_one_by_one() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let path = std::path::PathBuf::from(path);
    let store = Store::open(&path.join("store"), Options::default()).expect("a store");
    let people = |batch: &mut Batch| {
        address::add_domain(batch, "office.test", NOW)?;
        (0..PEOPLE).try_for_each(|i| super::add_person(batch, &format!("p{i}")).map(drop))
    };
    store.write_blocking(people).expect("people");
    for some in 0..MESSAGES / 100 {
        let mails: Vec<_> = (some * 100..some * 100 + 100).map(|i| (i, four_kib(i))).collect();
        let fill = move |batch: &mut Batch| {
            mails.iter().try_for_each(|(number, new)| deliver(batch, *number, new))
        };
        store.write_blocking(fill).expect("a life");
    }
    let lone = |from: u64, strangers: bool| {
        let before = written();
        for number in from..from + LONE {
            let new = four_kib(number);
            let job = move |batch: &mut Batch| {
                deliver(batch, number, &new)?;
                let author = if strangers { number } else { number % 10 };
                let author = Address::parse(&format!("p{author}@far.test")).expect("an address");
                known::heard(batch, recipient(number), &author)
            };
            store.write_blocking(job).expect("a delivery");
        }
        (written() - before) / LONE
    };
    // Once before it counts: then they are known.
    lone(MESSAGES, false);
    let known = lone(MESSAGES + LONE, false);
    let strangers = lone(MESSAGES + 2 * LONE, true);
    std::fs::write(path.join("done"), format!("{known}\n{strangers}")).expect("the result");
}
