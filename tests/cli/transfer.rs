//! Import and export: what goes out comes in again; a cut import goes on; broken sources.

use crate::act::transfer::{Export, Format, Import, Imported, export, import};
use crate::store::mail::{self, FlagSet, Flags, NewMail, Prepared};
use crate::store::{AccountId, Batch, INBOX, MailboxId, mailbox};
use crate::tests::store::{ALICE, BOB, NOW, Office};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A message as a person sees it, without its uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    mailbox: String,
    date: i64,
    raw: String,
    flags: u32,
    keywords: Vec<String>,
}

fn put(office: &Office, seen: &Seen) {
    let flags = FlagSet { flags: Flags(seen.flags), keywords: seen.keywords.clone() };
    let mail = NewMail {
        body: Arc::new(Prepared::new(seen.raw.as_bytes())),
        prefix: Vec::new(),
        flags,
        internal_date: seen.date,
        internal_zone_minutes: 0,
        save_date: NOW,
    };
    let name = seen.mailbox.clone();
    let job = move |batch: &mut Batch| {
        let found = mailbox::by_name(batch, ALICE, &name)?;
        let id = match found {
            Some(mailbox) => mailbox.id,
            None => mailbox::create(batch, ALICE, &name, "", NOW)?.id,
        };
        let mail_id = mail::next_id(batch, NOW as u64)?;
        mail::append(batch, ALICE, id, &mail, mail_id).map(drop)
    };
    office.store.write_blocking(job).expect("appended");
}

fn all(office: &Office, account: AccountId) -> Vec<Seen> {
    let read = office.store.snapshot().expect("a snapshot");
    let mut seen = Vec::new();
    for mailbox in mailbox::list(&read, account).expect("mailboxes") {
        for uid in mail::uids(&read, account, mailbox.id).expect("uids") {
            let row = mail::row(&read, account, mailbox.id, uid).expect("readable").expect("there");
            let raw = mail::octets(&read, &row, 0, row.size).expect("octets");
            let keyword = |&i: &u8| mailbox.name.keywords[usize::from(i)].clone();
            let mut keywords: Vec<String> = row.keywords.iter().map(keyword).collect();
            keywords.sort();
            seen.push(Seen {
                mailbox: mailbox.name.name.clone(),
                date: row.internal_date,
                raw: String::from_utf8_lossy(&raw).into_owned(),
                flags: row.flags,
                keywords,
            });
        }
    }
    seen.sort();
    seen
}

fn bring(office: &Office, from: &Path, mailbox: Option<&str>) -> Result<Imported, String> {
    let account = "bob@office.test".to_string();
    let ask = Import { account, from: from.to_path_buf(), mailbox: mailbox.map(str::to_string) };
    let mut last = (0, 0);
    let result = import(&office.store, &ask, &mut |done, total| {
        assert!(done >= last.0 && done <= total, "progress only grows: {done} of {total}");
        last = (done, total);
    });
    assert!(result.is_err() || last.0 == last.1, "at the end all is done");
    result
}

fn take_out(office: &Office, to: &Path, format: Format) -> u64 {
    let account = "alice@office.test".to_string();
    let ask = Export { account, to: to.to_path_buf(), mailbox: None, format };
    export(&office.store, &ask, &mut |_, _| {}).expect("exported").messages
}

fn file(office: &Office, name: &str, content: &str) -> PathBuf {
    let path = office.folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, content).expect("a file");
    path
}

fn mails() -> impl Strategy<Value = Vec<Seen>> {
    let name = prop::sample::select(vec!["INBOX", "Sent", "Lists/a.b", "Größe/&%", ".x/y.mbox"]);
    let text = prop::collection::vec("(>{0,2}From )?[ -~]{0,12}", 0..4);
    let keywords = prop::sample::subsequence(vec!["$Forwarded", "later", "work"], 0..=3);
    let one = (name, text, 1i64..2_000_000_000, 0u32..32, keywords);
    let seen = one.prop_map(|(mailbox, text, date, flags, keywords)| Seen {
        mailbox: mailbox.to_string(),
        date,
        raw: format!("Subject: x\r\n\r\n{}\r\n", text.join("\r\n")),
        flags,
        keywords: keywords.into_iter().map(str::to_string).collect(),
    });
    prop::collection::vec(seen, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_imported_again_once(mails in mails(), maildir in any::<bool>()) {
        let office = Office::new();
        mails.iter().for_each(|seen| put(&office, seen));
        let out = office.folder.path().join("out");
        let format = if maildir { Format::Maildir } else { Format::Mbox };
        prop_assert_eq!(take_out(&office, &out, format), mails.len() as u64);
        let first = bring(&office, &out, None).expect("imported");
        prop_assert_eq!((first.messages, first.already_there), (mails.len() as u64, 0));
        prop_assert_eq!(all(&office, BOB), all(&office, ALICE));
        let again = bring(&office, &out, None).expect("imported");
        prop_assert_eq!((again.messages, again.already_there), (0, mails.len() as u64));
    }
}

/// The first `n` of 200 messages, some of them equal, as an mbox file.
fn many(n: usize) -> String {
    let mail = |i: usize| {
        format!("From a@b Fri Nov 21 09:55:06 1997\nSubject: {}\n\ntext {}\n\n", i / 3, i / 3)
    };
    (0..n).map(mail).collect()
}

#[test]
fn a_cut_import_goes_on_without_doubles() {
    let office = Office::new();
    for n in [0, 1, 64, 70, 131, 200, 200] {
        let before = all(&office, BOB).len();
        let path = file(&office, "mail.mbox", &many(n));
        let done = bring(&office, &path, Some("Old/Mail")).expect("imported");
        assert_eq!(done.already_there as usize, before);
        assert_eq!(all(&office, BOB).len(), n, "equal messages stay as many as they are");
    }
    let read = office.store.snapshot().expect("a snapshot");
    let subscribed = mailbox::subscriptions(&read, BOB).expect("subscriptions");
    assert!(subscribed.contains(&"Old/Mail".to_string()), "{subscribed:?}");
}

#[test]
fn an_error_in_the_middle_keeps_what_was_committed_and_the_next_run_brings_the_rest() {
    let office = Office::new();
    let path = file(&office, "tree/a.mbox", &many(100));
    let bad = office.folder.path().join("tree/b\u{1}.mbox");
    fs::write(&bad, many(5)).expect("a file");
    let why = bring(&office, path.parent().expect("a folder"), None).expect_err("a bad name");
    assert!(why.contains("b\u{1}.mbox"), "{why}");
    assert_eq!(all(&office, BOB).len(), 100);
    fs::rename(&bad, office.folder.path().join("tree/c.mbox")).expect("renamed");
    let done = bring(&office, path.parent().expect("a folder"), None).expect("imported");
    assert_eq!((done.messages, done.already_there), (5, 100));
}

#[test]
fn broken_sources_are_named_with_their_place() {
    let office = Office::new();
    let garbage = file(&office, "garbage", "\u{0}\u{1}binary\nFrom x\n");
    let why = bring(&office, &garbage, None).expect_err("no mbox");
    assert!(why.contains("garbage: at offset 0"), "{why}");
    let none = office.folder.path().join("none");
    assert!(bring(&office, &none, None).expect_err("nothing there").contains("none"));
    fs::create_dir(&none).expect("a folder");
    let why = bring(&office, &none, None).expect_err("an empty folder");
    assert!(why.contains("neither an mbox file nor a Maildir"), "{why}");
    let ask = Import { account: "nobody@office.test".into(), from: none.clone(), mailbox: None };
    let why = import(&office.store, &ask, &mut |_, _| {}).expect_err("no account");
    assert!(why.contains("no account nobody@office.test"), "{why}");
}

#[test]
fn a_maildir_of_another_server_keeps_dates_flags_and_folders() {
    let office = Office::new();
    for (name, text) in [
        ("md/cur/100.a.host,S=9:2,FRS", "A: 1\n\nx\n"),
        ("md/new/101.b.host", "B: 2\n\n"),
        ("md/cur/102.c.host:2,PTab", "C: 3\n\n"),
        ("md/tmp/103.d.host", "half a message"),
        ("md/.Sent.2024.Q&AOk-/cur/5.e", "D: 4\n\n"),
        ("md/dovecot-keywords", "0 later\n"),
        ("md/dovecot.index", "index"),
    ] {
        file(&office, name, text);
    }
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let dated =
        fs::File::options().append(true).open(office.folder.path().join("md/new/101.b.host"));
    dated.and_then(|f| f.set_modified(date)).expect("dated");
    let done = bring(&office, &office.folder.path().join("md"), None).expect("imported");
    assert_eq!((done.messages, done.mailboxes, done.skipped), (4, 2, 0));
    let seen = all(&office, BOB);
    let of = |raw: &str| seen.iter().find(|s| s.raw.starts_with(raw)).expect("imported");
    let flags = Flags::FLAGGED.0 | Flags::ANSWERED.0 | Flags::SEEN.0;
    assert_eq!((of("A: 1\r\n\r\nx\r\n").flags, of("B: 2").date), (flags, 1_000_000_000));
    assert_eq!(of("C").flags, Flags::DELETED.0);
    assert_eq!(of("C").keywords, ["$Forwarded", "later"]);
    assert_eq!(of("D").mailbox, "Sent/2024/Qé");
}

#[test]
fn dates_come_from_received_then_date_when_the_from_line_has_none() {
    let office = Office::new();
    let text = "From somebody\nReceived: by x; Sat, 1 Jan 2000 00:00:00 +0000\n\
        Date: Fri, 21 Nov 1997 09:55:06 -0600\n\nx\n";
    bring(&office, &file(&office, "a", text), None).expect("imported");
    let text = "From somebody\nDate: Fri, 21 Nov 1997 09:55:06 -0600\n\nx\n";
    bring(&office, &file(&office, "b", text), None).expect("imported");
    let dates: Vec<i64> = all(&office, BOB).iter().map(|s| s.date).collect();
    assert_eq!(dates, [880_127_706, 946_684_800]);
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(mail::uids(&read, BOB, MailboxId(INBOX.0)), Ok(vec![1, 2]));
}

#[test]
fn an_export_is_for_its_owners_eyes_and_follows_no_link() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let office = Office::new();
    for mailbox in ["INBOX", "Lists/rust"] {
        let raw = "Subject: secret\r\n\r\nx\r\n".to_string();
        let (mailbox, keywords) = (mailbox.to_string(), Vec::new());
        put(&office, &Seen { mailbox, date: 1_000_000_000, raw, flags: 0, keywords });
    }
    let mut others: Vec<PathBuf> = Vec::new();
    let mut look = |folder: &Path| {
        let mut folders = vec![folder.to_path_buf()];
        while let Some(path) = folders.pop() {
            let data = fs::metadata(&path).expect("there");
            if data.permissions().mode() & 0o077 != 0 {
                others.push(path.clone());
            }
            if data.is_dir() {
                folders
                    .extend(fs::read_dir(path).expect("a folder").map(|e| e.expect("one").path()));
            }
        }
    };
    for (name, format) in [("mbox", Format::Mbox), ("maildir", Format::Maildir)] {
        let out = office.folder.path().join(name);
        take_out(&office, &out, format);
        look(&out);
    }
    assert_eq!(others, Vec::<PathBuf>::new(), "read by everybody");

    let precious = file(&office, "precious", "precious");
    let to = office.folder.path().join("one.mbox");
    symlink(&precious, office.folder.path().join("one.mbox.part")).expect("a link");
    let (account, mailbox) = ("alice@office.test".to_string(), Some("INBOX".to_string()));
    let ask = Export { account, to: to.clone(), mailbox, format: Format::Mbox };
    export(&office.store, &ask, &mut |_, _| {}).expect("exported");
    assert_eq!(fs::read_to_string(precious).expect("still there"), "precious");
    assert!(fs::symlink_metadata(to).expect("there").is_file());
}

#[test]
fn an_export_writes_over_nothing() {
    let office = Office::new();
    let path = file(&office, "there", "precious");
    let account = "alice@office.test".to_string();
    let to =
        |to: PathBuf| Export { account: account.clone(), to, mailbox: None, format: Format::Mbox };
    let why = export(&office.store, &to(path.clone()), &mut |_, _| {}).expect_err("a file");
    assert!(why.contains("exists already"), "{why}");
    let folder = path.parent().expect("a folder").to_path_buf();
    let why = export(&office.store, &to(folder), &mut |_, _| {}).expect_err("a full folder");
    assert!(why.contains("not empty"), "{why}");
    assert_eq!(fs::read_to_string(path).expect("still there"), "precious");
}
