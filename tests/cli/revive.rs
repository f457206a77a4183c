//! One mailbox or one message out of a backup.

use super::{Data, says, twice};
use crate::store::salvage::Archive;
use crate::store::{account, mail, mailbox};

/// Mail as another server wrote it out: with flags, a keyword and dates of its own.
const MBOX: &str = "From a@elsewhere.test Mon Mar  2 10:20:30 2026\n\
    Subject: the first\nMessage-ID: <1@elsewhere.test>\nStatus: RO\nX-Status: AF\n\
    X-Keywords: $Work\n\nHello Bob\n\n\
    From b@elsewhere.test Tue Mar  3 11:21:31 2026\nSubject: the second\n\nShort\n\n\
    From b@elsewhere.test Tue Mar  3 11:21:31 2026\nSubject: the third\nX-Status: T\n\nLong\n";

/// Bob with three messages in Projects, and a backup.
fn office(data: &Data) -> String {
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    let mbox = data.0.join("in.mbox");
    std::fs::write(&mbox, MBOX).unwrap();
    data.good(&format!("import bob@office.test {} --mailbox Projects", mbox.display()));
    let file = data.0.join("office.backup").display().to_string();
    data.good(&format!("backup {file}"));
    file
}

fn exported(data: &Data, mailbox: &str, name: &str) -> String {
    let to = data.0.join(name);
    data.good(&format!("export bob@office.test {} --mailbox {mailbox}", to.display()));
    std::fs::read_to_string(&to).unwrap()
}

#[test]
fn a_mailbox_comes_back_with_flags_and_dates_and_only_once() {
    twice(|data| {
        let file = office(data);
        let before = exported(data, "Projects", "before.mbox");
        says(&before, &["the first", "X-Status", "$Work"]);
        data.good("account delete bob@office.test --yes");
        data.good("account add bob@office.test");
        let line = format!("restore {file} --account bob@office.test --mailbox Projects");
        says(
            &data.good(&line),
            &["3 messages", "brought into 1 mailboxes", "0 were there already"],
        );
        assert_eq!(exported(data, "Projects", "after.mbox"), before);
        says(&data.good(&line), &["0 messages", "3 were there already"]);
        let json = data.json(&format!("{line} --into Found/Again"));
        assert_eq!(json["imported"]["messages"], 3);
        assert_eq!(exported(data, "Found/Again", "again.mbox"), before);
        // All of it: what is back already stays as it is.
        let all = data.json(&format!("restore {file} --account bob@office.test"));
        assert_eq!(all["imported"]["already_there"], 3);
        assert_eq!(all["imported"]["messages"], 0);
        says(&data.good("verify"), &["6 messages, 3 bodies", "nothing is damaged"]);
    });
}

#[test]
fn one_message_comes_back_by_its_uid_or_its_number() {
    twice(|data| {
        let file = office(data);
        let bob = format!("restore {file} --account bob@office.test");
        let line = format!("{bob} --mailbox Projects --message 2 --into Two");
        says(&data.good(&line), &["1 messages"]);
        let two = exported(data, "Two", "two.mbox");
        says(&two, &["the second", "Tue Mar  3 11:21:31 2026"]);
        assert!(!two.contains("the first") && !two.contains("the third"));
        let archive = Archive::open(file.as_ref(), None).unwrap();
        let (owner, _) = account::by_login(&archive, "bob@office.test").unwrap().unwrap();
        let projects = mailbox::by_name(&archive, owner, "Projects").unwrap().unwrap();
        let third = mail::row(&archive, owner, projects.id, 3).unwrap().unwrap();
        let line = format!("{bob} --message {:x} --into Three", third.body);
        says(&data.good(&line), &["1 messages"]);
        says(&exported(data, "Three", "three.mbox"), &["the third", "X-Status"]);
        // Where it was it still is.
        let there = format!("{bob} --message {:x}", third.body);
        says(&data.good(&there), &["0 messages", "1 were there already"]);
        says(&data.bad(&format!("{bob} --mailbox Projects --message 9")), &["no message 9 there"]);
        says(&data.bad(&format!("{bob} --message xyz")), &["no message xyz there"]);
    });
}

#[test]
fn what_is_not_in_the_backup_or_here_is_said() {
    twice(|data| {
        let file = office(data);
        let bad = |rest: &str| data.bad(&format!("restore {rest}"));
        says(
            &bad(&format!("{file} --account carl@office.test")),
            &["cannot restore from", "there is no account carl@office.test"],
        );
        data.good("account add carl@office.test");
        let carl = bad(&format!("{file} --account carl@office.test"));
        says(&carl, &["the backup has no account carl@office.test"]);
        let none = bad(&format!("{file} --account bob@office.test --mailbox Nowhere"));
        says(&none, &["bob@office.test has no mailbox Nowhere in the backup"]);
        let letter = data.0.join("in.mbox");
        let no_backup = bad(&format!("{} --account bob@office.test", letter.display()));
        says(&no_backup, &["the file is no backup of a store"]);
        let own = data.0.join("store/data.mdb");
        let own = bad(&format!("{} --account bob@office.test", own.display()));
        says(&own, &["the file of a store in use"]);
        let usage = data.run(&format!("restore {file} --mailbox Projects"));
        assert_eq!(usage.code, 2);
        says(&usage.err, &["--account"]);
    });
}

#[test]
fn a_damaged_backup_gives_what_is_good_and_says_what_is_not() {
    let data = Data::new();
    let file = office(&data);
    let mut octets = std::fs::read(&file).unwrap();
    // The body of the second is small and stands in a leaf, compressed or not.
    let (number, row) = {
        let archive = Archive::open(file.as_ref(), None).unwrap();
        let (owner, _) = account::by_login(&archive, "bob@office.test").unwrap().unwrap();
        let projects = mailbox::by_name(&archive, owner, "Projects").unwrap().unwrap();
        let row = mail::row(&archive, owner, projects.id, 2).unwrap().unwrap();
        (row.body, [&b"J"[..], &row.body.to_be_bytes(), &[1, 0, 0, 0, 0]].concat())
    };
    let head = [&14_u16.to_le_bytes()[..], &row].concat();
    // It stands in the node and, behind that, in the row.
    let at = octets.windows(head.len()).rposition(|it| it == head).unwrap();
    octets[at - 1] ^= 1;
    std::fs::write(&file, &octets).unwrap();
    let line = format!("restore {file} --account bob@office.test --mailbox Projects --into Back");
    let told = data.good(&line);
    says(&told, &["2 messages", "1 skipped", "message 2 of Projects: damaged: part 0 of mail"]);
    says(&told, &[&format!("{number:x}"), "the checksum is wrong"]);
    // Noise in the place of the whole tree is an error, and harms no one.
    let parts = u64::from_le_bytes(octets[24..32].try_into().unwrap());
    let kept = (40 + parts).next_multiple_of(4096) as usize + 8_192;
    let noise = octets.iter().enumerate().map(|(i, it)| if i < kept { *it } else { !it });
    std::fs::write(&file, noise.collect::<Vec<_>>()).unwrap();
    says(&data.bad(&line), &["cannot restore from", "damaged: page", "mailroom salvage"]);
    data.good("verify");
}
