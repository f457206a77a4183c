//! From a submission to mailboxes and the outbox, with a real store, keys and signatures.

use super::office::{ALICE, BOB, NOW, Office};
use super::stage::{noon, peer, tls};
use crate::delivery::receive::Post;
use crate::delivery::report::Moment;
use crate::delivery::submit::{Counter, permit};
use crate::net::dkim::{Keys, Signer};
use crate::smtp::{Arrived, Caller, Permit, Recipient, Refusals};
use crate::store::{AccountId, INBOX, MailId, account, address, mail, outbox, trace};
use crate::wire::address::Address;
use crate::wire::budget::Hold;
use crate::wire::sasl::Login;
use crate::wire::smtp::{Body, Budget, Content, ForwardPath, Notify};
use mail_auth::common::cache::NoCache;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache,
};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

const MICROS: u64 = NOW as u64 * 1_000_000;

pub(super) struct Desk {
    pub office: Office,
    counter: Counter,
}

pub(super) fn desk(per_day: u32) -> Desk {
    let office = Office::new();
    let post = Post::new(office.store.clone(), "mail.office.test".to_string()).expect("a post");
    let signer = Arc::new(Signer::new(keys(&office.folder)));
    Desk { counter: Counter::new(Arc::new(post), signer, per_day), office }
}

/// Names and octets.
type Files = Vec<(String, Vec<u8>)>;

/// Keys made once for all tests: they take a while.
fn keys(data: &Path) -> Keys {
    static MADE: Mutex<Option<Files>> = Mutex::new(None);
    let mut made = MADE.lock().expect("no test failed here");
    let folder = data.join("dkim/office.test");
    let keys = Keys::of(data);
    match &*made {
        Some(files) => {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (name, octets) in files {
                std::fs::write(folder.join(name), octets).expect("written");
            }
        }
        None => {
            keys.ready("office.test", NOW).expect("keys");
            let file = |entry: std::fs::DirEntry| {
                let name = entry.file_name().to_string_lossy().to_string();
                (name, std::fs::read(entry.path()).expect("read"))
            };
            let all = std::fs::read_dir(&folder).expect("a folder").flatten().map(file);
            *made = Some(all.collect());
        }
    }
    keys
}

fn arrived(from: &str, to: &[&str], message: &[u8]) -> Arrived {
    let login = Login {
        account: ALICE.0,
        name: "alice@office.test".into(),
        capabilities_off: Vec::new(),
        credential: 0,
    };
    let caller = Caller {
        remote: peer().remote,
        helo: "laptop.test".to_string(),
        extended: true,
        tls: Some(tls()),
        login: Some(login),
    };
    let budget = Budget::new(1 << 22);
    let mut content = Content::new(1 << 20, Hold::new(&budget, [192, 0, 2, 7].into())).lenient();
    content.push_chunk(message);
    let (message, hold) = content.finish().expect("a message");
    let recipient = |to: &&str| Recipient {
        to: ForwardPath::To(Address::parse(to).expect("an address")),
        notify: None,
        orcpt: None,
    };
    Arrived {
        caller,
        began: noon(),
        from: Some(Address::parse(from).expect("an address")),
        body: Body::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        recipients: to.iter().map(recipient).collect(),
        refused: Refusals::default(),
        message,
        hold,
    }
}

impl Desk {
    pub(super) async fn submit(&self, from: &str, to: &[&str], message: &str) -> String {
        let arrived = arrived(from, to, message.as_bytes());
        self.counter.submit(arrived, Moment { micros: MICROS, chance: 7 }).await.to_string()
    }

    fn inbox(&self, who: AccountId) -> Vec<String> {
        let read = self.office.store.snapshot().expect("a snapshot");
        let uids = mail::uids(&read, who, INBOX).expect("uids");
        let message = |uid: u32| {
            let row = mail::row(&read, who, INBOX, uid).expect("read").expect("a row");
            let octets = mail::octets(&read, &row, 0, row.size).expect("octets");
            String::from_utf8(octets).expect("7-bit")
        };
        uids.into_iter().map(message).collect()
    }
}

#[tokio::test]
async fn a_colleague_and_a_stranger_get_the_same_signed_message() {
    let desk = desk(10);
    let text = "From: Alice <alice@office.test>\nTo: bob@office.test\nBcc: friend@far.test\n\
                Subject: gr\u{fc}\u{df}e\n\nmit \u{e4}\n";
    let reply =
        desk.submit("alice@office.test", &["bob@office.test", "friend@far.test"], text).await;
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let inbox = desk.inbox(BOB);
    let [mail] = inbox.as_slice() else { panic!("{inbox:?}") };
    assert!(mail.starts_with("Return-Path: <alice@office.test>\r\n"), "{mail}");
    assert!(mail.contains("Received: by mail.office.test with ESMTPSA\r\n"), "{mail}");
    for kept in ["192.0.2.7", "laptop.test", "friend@far.test"] {
        assert!(!mail.contains(kept), "{kept} is nobody's business: {mail}");
    }
    for added in ["\r\nDate: ", "\r\nMessage-ID: <", "\r\nMIME-Version: 1.0\r\n", "=C3=A4"] {
        assert!(mail.contains(added), "{added}: {mail}");
    }
    let results = verified(&desk.office.folder, mail.as_bytes()).await;
    assert_eq!(results, [true, true], "RSA and Ed25519: {mail}");
    let tampered = mail.replace("=C3=A4", "=C3=A5");
    assert_eq!(verified(&desk.office.folder, tampered.as_bytes()).await, [false, false]);

    let read = desk.office.store.snapshot().expect("a snapshot");
    assert_eq!(outbox::count(&read, 9), Ok(1), "one message waits");
    assert_eq!(account::sent(&read, ALICE, NOW), Ok(1));
    let told = trace::find(&read, "friend@far.test", None, 5).expect("traces");
    let (_, story) = told.first().expect("a story");
    let steps: Vec<&str> = story.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["connected", "delivered", "queued", "accepted"]);
    let first = story.steps.first().map(|step| step.text.as_str()).unwrap_or_default();
    assert!(first.contains("alice@office.test sent it from [192.0.2.7]"), "{first}");
}

#[tokio::test]
async fn only_own_addresses_may_be_written_as_the_sender() {
    let desk = desk(10);
    let to = ["bob@office.test"];
    for (header, wanted) in [
        ("From: bob@office.test", "550 5.7.1 The message says it is from bob@office.test"),
        ("From: alice@office.test, bob@office.test", "550 5.7.1 "),
        ("From: alice@office.test\r\nSender: ceo@far.test", "550 5.7.1 "),
        ("From: alice@office.test\r\nFrom: bob@office.test", "550 5.6.0 "),
        ("From: Alice", "550 5.1.7 "),
        ("From: alice@office.test", "250 "),
        ("From: Alice <ALICE+news@office.test>", "250 "),
        ("Subject: a script without From", "250 "),
    ] {
        let text = format!("{header}\r\n\r\nhi\r\n");
        let reply = desk.submit("alice@office.test", &to, &text).await;
        assert!(reply.starts_with(wanted), "{header}: {reply}");
    }
    assert!(desk.inbox(BOB).iter().any(|mail| mail.contains("\r\nFrom: alice@office.test\r\n")));
}

#[tokio::test]
async fn a_changed_password_ends_what_it_began() {
    let desk = desk(10);
    let moment = Moment { micros: MICROS, chance: 7 };
    let letter = || {
        let mut letter = arrived("alice@office.test", &["bob@office.test"], b"\r\nhi\r\n");
        if let Some(login) = &mut letter.caller.login {
            login.credential = crate::wire::scram::mark(&[1; 32]);
        }
        letter
    };
    crate::tests::store::set_password(&desk.office.store, ALICE, 1);
    assert!(desk.counter.submit(letter(), moment).await.is_positive());
    crate::tests::store::set_password(&desk.office.store, ALICE, 2);
    let reply = desk.counter.submit(letter(), moment).await.to_string();
    assert!(reply.starts_with("550 5.7.1 Your account may not send"), "{reply}");
    assert_eq!(desk.inbox(BOB).len(), 1);
}

#[tokio::test]
async fn shared_addresses_belong_to_all_who_get_their_mail() {
    let desk = desk(10);
    let sales = Address::parse("sales@office.test").expect("an address");
    let alias = sales.clone();
    let set = move |batch: &mut crate::store::Batch| {
        address::set_alias(batch, &alias, &[ALICE, BOB], NOW)
    };
    desk.office.write(set).expect("an alias");
    let read = desk.office.store.snapshot().expect("a snapshot");
    let may = |id, text: &str| permit(&read, id, &Address::parse(text).expect("an address"));
    assert_eq!(permit(&read, BOB, &sales), Ok(Permit::Own));
    assert_eq!(may(BOB, "bob@office.test"), Ok(Permit::Own));
    assert_eq!(may(BOB, "alice@office.test"), Ok(Permit::NotOwn));
    assert_eq!(may(BOB, "bob@far.test"), Ok(Permit::NotOwn));
    assert_eq!(may(BOB, "nobody@office.test"), Ok(Permit::NotOwn));
    drop(read);
    let suspend = |batch: &mut crate::store::Batch| {
        account::update(batch, BOB, &mut |account| {
            account.suspended = true;
            Ok(())
        })
    };
    desk.office.write(suspend).expect("suspended");
    let read = desk.office.store.snapshot().expect("a snapshot");
    assert_eq!(permit(&read, BOB, &sales), Ok(Permit::NoAccount));
}

#[tokio::test]
async fn the_limit_of_a_day_holds_for_outside_recipients_only() {
    let desk = desk(2);
    let text = "Subject: x\r\n\r\nhi\r\n";
    let from = "alice@office.test";
    assert!(desk.counter.may_send(ALICE, 1, NOW).expect("read"));
    assert!(!desk.counter.may_send(ALICE, 2, NOW).expect("read"));
    let three = ["a@far.test", "b@far.test", "c@far.test"];
    assert!(desk.submit(from, &three, text).await.starts_with("452 4.7.1 "));
    assert!(desk.submit(from, &["a@far.test", "b@far.test"], text).await.starts_with("250 "));
    assert!(desk.submit(from, &["c@far.test"], text).await.starts_with("452 4.7.1 "));
    assert!(desk.submit(from, &["bob@office.test"], text).await.starts_with("250 "));
    assert!(desk.counter.may_send(ALICE, 0, NOW + 86_400).expect("read"), "another day");
}

#[tokio::test]
async fn a_group_that_leads_outside_is_written_to_in_ones_own_name() {
    let desk = desk(1);
    let at = |text: &str| Address::parse(text).expect("an address");
    let lead = move |batch: &mut crate::store::Batch| {
        let outside = [at("partner@far.test"), at("friend@far.test")];
        address::set_route(batch, &at("sales@office.test"), &[BOB], &outside, NOW)
    };
    desk.office.write(lead).expect("a group");
    let to = ["sales@office.test", "friend@far.test"];
    let reply = desk.submit("alice@office.test", &to, "Subject: x\r\n\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "one outside recipient of her own: {reply}");
    let read = desk.office.store.snapshot().expect("a snapshot");
    let rows = outbox::list(&read, outbox::Place { due: 0, id: MailId(0) }, 9).expect("rows");
    let [(_, row)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row.sender, "alice@office.test");
    let to: Vec<&str> = row.recipients.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(to, ["friend@far.test", "partner@far.test"], "each once");
    assert!(row.prefix.starts_with(b"X-Loop: "));
    assert_eq!((desk.inbox(BOB).len(), account::sent(&read, ALICE, NOW)), (1, Ok(1)));
    let sales = Address::parse("sales@office.test").expect("an address");
    assert_eq!(address::passed(&read, &sales, NOW), Ok(2));
}

#[tokio::test]
async fn a_message_that_cannot_be_signed_leaves_all_the_same() {
    let desk = desk(2);
    std::fs::write(desk.office.folder.join("dkim/office.test/active"), "../etc").expect("written");
    let reply = desk.submit("alice@office.test", &["bob@office.test"], "\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(desk.inbox(BOB).iter().all(|mail| !mail.contains("DKIM-Signature")));
    let told = crate::event::recent().join("\n");
    assert!(told.contains("mail of office.test leaves without a DKIM signature"), "{told}");
}

#[tokio::test]
async fn who_asks_for_it_hears_that_a_colleague_has_the_message() {
    let desk = desk(2);
    let mut letter =
        arrived("alice@office.test", &["bob@office.test"], b"Subject: x\r\n\r\nhi\r\n");
    letter.envid = Some(b"job 7".to_vec());
    for recipient in &mut letter.recipients {
        recipient.notify = Some(Notify { success: true, ..Notify::default() });
    }
    let reply = desk.counter.submit(letter, Moment { micros: MICROS, chance: 7 }).await;
    assert!(reply.is_positive(), "{reply}");
    let inbox = desk.inbox(ALICE);
    let [report] = inbox.as_slice() else { panic!("{inbox:?}") };
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    for word in ["Action: delivered\r\n", "bob@office.test", "Original-Envelope-Id: job 7\r\n"] {
        assert!(report.contains(word), "{word}: {report}");
    }
    assert_eq!(desk.inbox(BOB).len(), 1);
}

#[tokio::test]
async fn who_asks_for_it_hears_that_an_address_leads_outside() {
    let desk = desk(9);
    let at = |text: &str| Address::parse(text).expect("an address");
    let lead = move |batch: &mut crate::store::Batch| {
        let outside = [at("partner@far.test")];
        address::set_route(batch, &at("one@office.test"), &[], &outside, NOW)?;
        address::set_route(batch, &at("all@office.test"), &[BOB], &outside, NOW)
    };
    desk.office.write(lead).expect("addresses");
    for (to, action, text) in [
        ("one@office.test", "relayed", "passed on to a server that sends no reports"),
        ("all@office.test", "expanded", "reached this address, which leads on to others"),
    ] {
        let mut letter = arrived("alice@office.test", &[to], b"Subject: x\r\n\r\nhi\r\n");
        letter.recipients[0].notify = Some(Notify { success: true, ..Notify::default() });
        let reply = desk.counter.submit(letter, Moment { micros: MICROS, chance: 7 }).await;
        assert!(reply.is_positive(), "{reply}");
        let report = desk.inbox(ALICE).pop().expect("a report");
        for word in [&format!("Action: {action}\r\n"), &format!("rfc822; {to}\r\n"), text] {
            assert!(report.contains(word), "{word}: {report}");
        }
        assert!(!report.contains("partner@far.test"), "where it leads is nobody's business");
    }
    let read = desk.office.store.snapshot().expect("a snapshot");
    let rows = outbox::list(&read, outbox::Place { due: 0, id: MailId(0) }, 9).expect("rows");
    let notify = |(_, row): &(_, crate::store::format::Outgoing)| row.recipients[0].notify();
    let quiet = Some(Notify::default());
    assert_eq!(rows.iter().map(notify).collect::<Vec<_>>(), [quiet, quiet], "told once");
}

#[test]
fn keys_change_in_steps() {
    let office = Office::new();
    let keys = keys(&office.folder);
    let first = keys.pairs("office.test", NOW).expect("pairs");
    let [one] = first.as_slice() else { panic!("{first:?}") };
    assert!(one.active && one.keys.len() == 2);
    let rsa = one.keys.first().expect("a key").record();
    assert!(
        rsa.starts_with("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"),
        "{rsa}"
    );
    let next = keys.add("office.test", NOW).expect("made");
    assert_ne!(next, one.name);
    assert!(keys.remove("office.test", &one.name).is_err(), "it signs");
    keys.activate("office.test", &next).expect("activated");
    keys.remove("office.test", &one.name).expect("removed");
    let left = keys.pairs("office.test", NOW).expect("pairs");
    assert_eq!(
        left.iter().map(|p| (p.name.as_str(), p.active)).collect::<Vec<_>>(),
        [(next.as_str(), true)]
    );
    for (domain, pair) in [("office.test", "../x"), ("../office.test", "m1"), ("far.test", "m1")] {
        assert!(keys.activate(domain, pair).is_err(), "{domain} {pair}");
    }
    for entry in std::fs::read_dir(office.folder.join("dkim/office.test")).expect("a folder") {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.expect("an entry");
        if entry.file_name().to_string_lossy().starts_with(&next) {
            let mode = entry.metadata().expect("known").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        }
    }
}

/// The DNS of the test: the public keys that the box would publish.
#[derive(Default)]
struct Published(Mutex<HashMap<Box<str>, mail_auth::Txt>>);

impl ResolverCache<Box<str>, mail_auth::Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<mail_auth::Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().expect("no panic").get(name).cloned()
    }

    fn remove<Q>(&self, name: &Q) -> Option<mail_auth::Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().expect("no panic").remove(name)
    }

    fn insert(&self, key: Box<str>, value: mail_auth::Txt, _: Instant) {
        self.0.lock().expect("no panic").insert(key, value);
    }
}

/// Does each signature hold against the keys as the box would publish them?
async fn verified(data: &Path, mail: &[u8]) -> Vec<bool> {
    let published = Published::default();
    for pair in Keys::of(data).pairs("office.test", NOW).expect("pairs") {
        for key in pair.keys {
            let record = DomainKey::parse(key.record().as_bytes()).expect("a record");
            let name = format!("{}._domainkey.office.test.", key.selector);
            published.insert(name.into_boxed_str(), record.into(), Instant::now());
        }
    }
    // Every name that is asked for is in the cache: no server is asked.
    let checker = MessageAuthenticator::new_google().expect("a checker");
    let message = AuthenticatedMessage::parse(mail).expect("a message");
    let parameters = Parameters {
        params: &message,
        cache_txt: Some(&published),
        cache_mx: None::<&NoCache<_, _>>,
        cache_ptr: None::<&NoCache<_, _>>,
        cache_ipv4: None::<&NoCache<_, _>>,
        cache_ipv6: None::<&NoCache<_, _>>,
    };
    let results = checker.verify_dkim(parameters).await;
    results.iter().map(|output| *output.result() == DkimResult::Pass).collect()
}
