//! The door for scanners: what a device may say, and what everybody else is told.

use super::office::{ALICE, BOB, NOW, Office};
use super::stage::{Machine, Talk, run};
use crate::delivery::receive::Post;
use crate::delivery::submit::Counter;
use crate::net::dkim::{Keys, Signer};
use crate::net::{Handler, Service};
use crate::serve::login::{Logins, make_credential};
use crate::serve::scanner::{self, Devices};
use crate::session::Peer;
use crate::settings::{self, Settings, SettingsError};
use crate::smtp::{Answer, Ask, Server};
use crate::store::{AccountId, Batch, INBOX, account, address, mail, outbox};
use crate::wire::address::Address;
use crate::wire::smtp::Budget;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::sync::Arc;
use tokio::runtime::Runtime;

const SETTINGS: &str = r#"
host = "mail.office.test"
[scanner]
listen = ["192.0.2.25"]
[[scanner.device]]
name = "copier"
address = "192.0.2.0/29"
from = ["scan@office.test"]
per_day = 3
[[scanner.device]]
name = "fax"
address = "192.0.2.9"
from = ["fax@office.test", "nobody@office.test"]
outside = true
[[scanner.device]]
name = "old scanner"
account = "Bob@office.test"
from = ["bob@office.test"]
"#;

fn read(text: &str) -> Result<Settings, SettingsError> {
    let folder = crate::tests::store::Folder::new();
    let path = folder.path().join("mailroom.toml");
    std::fs::write(&path, text).expect("written");
    settings::load(&path)
}

/// An office with the door open.
struct Door {
    office: Arc<Office>,
    devices: Devices,
    runtime: Runtime,
}

/// The machine of one connection, with the threads it needs.
struct Behind {
    machine: scanner::Machine,
    runtime: tokio::runtime::Handle,
}

impl Machine for Behind {
    fn answer(&mut self, ask: Ask) -> Answer {
        self.runtime.block_on(self.machine.answer(ask))
    }
}

impl Door {
    fn new() -> Door {
        let office = Office::new();
        let set_up = |batch: &mut Batch| {
            let at = |text: &str| Address::parse(text).expect("an address");
            address::set_alias(batch, &at("scan@office.test"), &[ALICE], NOW)?;
            address::set_alias(batch, &at("fax@office.test"), &[BOB], NOW)?;
            account::update(batch, BOB, &mut |account| {
                let (salt, rounds) = (&account.scram_salt, account.scram_iterations);
                let made = make_credential("password", "secret", salt, rounds, NOW);
                account.credentials = vec![made.expect("a credential")];
                Ok(())
            })
        };
        office.write(set_up).expect("addresses");
        let post = Post::new(office.store.clone(), "mail.office.test".to_string()).expect("a post");
        let signer = Arc::new(Signer::new(Keys::of(&office.folder)));
        let counter = Arc::new(Counter::new(Arc::new(post), signer, 1_000));
        let logins = Logins::new(office.store.clone(), &[7; 32]).expect("log-ins");
        let scanner = read(SETTINGS).expect("settings").scanner.expect("a door");
        let devices = Devices::new(&scanner, counter, logins, Budget::new(1 << 22));
        let runtime = Runtime::new().expect("threads");
        Door { office: Arc::new(office), devices, runtime }
    }

    /// A connection from there, greeted.
    fn from(&self, ip: &str) -> Talk<Behind> {
        let remote = format!("{ip}:40001").parse().expect("an address");
        let local = "192.0.2.25:2525".parse().expect("an address");
        let (session, machine): (Server, _) =
            self.devices.connect(Peer { remote, local, tls: None });
        let runtime = self.runtime.handle().clone();
        Talk::with_session(session, Behind { machine, runtime })
    }

    fn inbox(&self, who: AccountId) -> Vec<String> {
        let read = self.office.store.snapshot().expect("a snapshot");
        let message = |uid: u32| {
            let row = mail::row(&read, who, INBOX, uid).expect("read").expect("a row");
            let octets = mail::octets(&read, &row, 0, row.size).expect("octets");
            String::from_utf8(octets).expect("7-bit")
        };
        mail::uids(&read, who, INBOX).expect("uids").into_iter().map(message).collect()
    }

    fn waiting(&self) -> usize {
        outbox::count(&self.office.store.snapshot().expect("a snapshot"), 9).expect("a count")
    }
}

#[test]
fn a_copier_that_knows_only_helo_and_bare_line_feeds_is_served() {
    let door = Door::new();
    let mut copier = door.from("192.0.2.5");
    run(
        &mut copier,
        "C: HELO copier
         S: 250 mail.office.test
         C: MAIL FROM: <Scan@Office.test>
         S: 250 2.1.0
         C: RCPT TO: <bob@office.test>
         S: 250 2.1.5
         C: DATA
         S: 354",
    );
    let reply = copier.send(b"Subject: scan 7\n\nsee attached\n\r\n.\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let inbox = door.inbox(BOB);
    let [scan] = inbox.as_slice() else { panic!("{inbox:?}") };
    for line in [
        "Return-Path: <Scan@office.test>\r\n",
        "\r\nFrom: Scan@office.test\r\n",
        "\r\nDate: ",
        "\r\nMessage-ID: <",
        "\r\nSubject: scan 7\r\n",
        "DKIM-Signature: ",
        "Received: by mail.office.test with SMTP\r\n",
    ] {
        assert!(scan.contains(line), "{line:?}: {scan}");
    }
    assert!(!scan.replace("\r\n", "").contains('\n'), "{scan:?}");
}

#[test]
fn what_a_device_may_not_is_refused_with_what_to_do() {
    let door = Door::new();
    let mut copier = door.from("192.0.2.5");
    run(
        &mut copier,
        "C: EHLO copier
         S: 250-mail.office.test greets copier
         S: 250-PIPELINING
         S: 250-SIZE
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-DSN
         S: 250-LIMITS
         S: 250-STARTTLS
         S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN
         C: MAIL FROM:<>
         S: 550 5.7.1 <> is for reports of servers: set the sender in the device
         C: MAIL FROM:<alice@office.test>
         S: 553 5.7.1 This device may not send as alice@office.test: set another sender
         C: MAIL FROM:<scan@office.test>
         S: 250 2.1.0
         C: RCPT TO:<friend@far.test>
         S: 550 5.7.1 This device may write to people of this server only: see outside
         C: RCPT TO:<gone@office.test>
         S: 550 5.1.1
         C: RCPT TO:<bob@office.test>
         S: 250 2.1.5
         C: DATA
         S: 354
         C: From: boss@office.test
         C:
         C: pay
         C: .
         S: 550 5.7.1 The message says it is from boss@office.test; this device may send as scan@",
    );
    assert!(door.inbox(BOB).is_empty());
    let mut stranger = door.from("192.0.2.77");
    run(
        &mut stranger,
        "C: HELO pc
         S: 250
         C: MAIL FROM:<scan@office.test>
         S: 550 5.7.1 192.0.2.77 is no device of this server: add it as [[scanner.device]] in",
    );
    let mut loopback = door.from("127.0.0.1");
    run(
        &mut loopback,
        "C: HELO localhost
         S: 250
         C: MAIL FROM:<scan@office.test>
         S: 550 5.7.1 127.0.0.1 is no device",
    );
    let mut fax = door.from("192.0.2.9");
    run(
        &mut fax,
        "C: HELO fax
         S: 250
         C: MAIL FROM:<nobody@office.test>
         S: 553 5.7.1 nobody@office.test leads to nobody of this server",
    );
}

#[test]
fn a_device_writes_outside_where_the_settings_say_so() {
    let door = Door::new();
    let mut fax = door.from("192.0.2.9");
    run(
        &mut fax,
        "C: HELO fax
         S: 250
         C: MAIL FROM:<fax@office.test>
         S: 250
         C: RCPT TO:<friend@far.test>
         S: 250 2.1.5
         C: DATA
         S: 354
         C: Subject: fax
         C:
         C: one page
         C: .
         S: 250 2.0.0",
    );
    assert_eq!(door.waiting(), 1);
    let read = door.office.store.snapshot().expect("a snapshot");
    assert_eq!(account::sent(&read, BOB, crate::clock::now()), Ok(1), "counted for its keeper");
}

#[test]
fn a_device_known_by_its_account_logs_in_in_clear() {
    let door = Door::new();
    let mut old = door.from("192.0.2.200");
    let right = BASE64.encode("\0bob@office.test\0secret");
    let wrong = BASE64.encode("\0bob@office.test\0guess");
    let refused = old.say("EHLO old") + &old.say("MAIL FROM:<bob@office.test>");
    assert!(refused.contains("550 5.7.1 192.0.2.200 is no device"), "{refused}");
    assert!(old.say(&format!("AUTH PLAIN {wrong}")).starts_with("535 5.7.8 "));
    assert!(old.say(&format!("AUTH PLAIN {right}")).starts_with("235 "));
    run(
        &mut old,
        "C: MAIL FROM:<scan@office.test>
         S: 553 5.7.1
         C: MAIL FROM:<bob@office.test>
         S: 250
         C: RCPT TO:<alice@office.test>
         S: 250
         C: DATA
         S: 354
         C: From: Bob <bob@office.test>
         C:
         C: scanned
         C: .
         S: 250 2.0.0",
    );
    assert_eq!(door.inbox(ALICE).len(), 1);
}

#[test]
fn a_device_has_its_limit_of_the_day_over_all_connections() {
    let door = Door::new();
    let letter = "C: HELO copier
         S: 250
         C: MAIL FROM:<scan@office.test>
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 250
         C: DATA
         S: 354
         C: Subject: x
         C:
         C: x
         C: .
         S: 250 2.0.0";
    for _ in 0..3 {
        run(&mut door.from("192.0.2.5"), letter);
    }
    run(
        &mut door.from("192.0.2.6"),
        "C: HELO copier
         S: 250
         C: MAIL FROM:<scan@office.test>
         S: 250
         C: RCPT TO:<bob@office.test>
         S: 452 4.7.1 This device has written to as many as may be in a day",
    );
    assert_eq!(door.inbox(BOB).len(), 3);
}

#[test]
fn the_section_is_off_at_first_checked_and_written_as_it_is_read() {
    let first = read("host = \"mail.office.test\"\n").expect("settings");
    assert_eq!(first.scanner, None);
    let again = |settings: &Settings| read(&settings::print(settings)).expect("as it was printed");
    assert_eq!(again(&first), first);
    let open = read(SETTINGS).expect("settings");
    assert_eq!(again(&open), open);
    for (from, to, line, why) in [
        ("[\"192.0.2.25\"]", "[\"0.0.0.0\"]", 4, "not every one"),
        ("[\"192.0.2.25\"]", "[]", 4, "must name the addresses"),
        ("\"192.0.2.0/29\"", "\"192.0.2.0/33\"", 7, "must be an address or a prefix"),
        ("\"192.0.2.9\"", "\"fax.local\"", 12, "must be an address or a prefix"),
        ("address = \"192.0.2.9\"\n", "", 10, "known by its address or by the account"),
        ("[\"bob@office.test\"]", "[]", 18, "name the senders"),
        ("[\"bob@office.test\"]", "[\"bob\"]", 18, "has no @"),
        ("\"fax\"", "\"copier\"", 11, "two devices have this name"),
        ("per_day = 3", "per_day = 0", 9, "must be from 1 to"),
        ("per_day = 3", "per_week = 3", 9, "unknown field `per_week`"),
    ] {
        let error = read(&SETTINGS.replace(from, to)).expect_err(why);
        assert!(error.why.contains(why), "{why}: {error}");
        assert_eq!(error.line, Some(line), "{error}");
    }
    let nobody = read("host = \"m.test\"\n[scanner]\nlisten = [\"192.0.2.25\"]\n");
    assert!(nobody.expect_err("nobody").why.contains("add a [[scanner.device]]"));
}
