//! Addresses that lead to many, and to the outside: towns with a mail server each, between which
//! the test carries what stands in their outboxes.

mod judged;
mod pass;
mod posts;
mod returns;
mod routes;

use super::store::{Folder, NOW};
use crate::delivery::local;
use crate::delivery::receive::Post;
use crate::delivery::record::{Came, record};
use crate::delivery::remote::Outcome;
use crate::delivery::report::Moment;
use crate::session::TlsFacts;
use crate::smtp::{Arrived, Caller, Destination, Recipient, Refusals};
use crate::store::account::{self, NewAccount};
use crate::store::format::Outgoing;
use crate::store::outbox::{self, Place};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, INBOX, MailId, Result, Store, address, mail, trace, verify};
use crate::wire::address::Address;
use crate::wire::budget::Hold;
use crate::wire::smtp::{Body, Budget, Content, ForwardPath, Notify, Reply};
use std::sync::atomic::{AtomicI64, Ordering};

fn at(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn path(text: &str) -> ForwardPath {
    match text {
        "postmaster" => ForwardPath::Postmaster,
        text => ForwardPath::To(at(text)),
    }
}

/// One mail server with its domain.
struct Town {
    store: Store,
    post: Post,
    host: String,
    clock: AtomicI64,
    _folder: Folder,
}

impl Town {
    fn new(domain: &'static str) -> Town {
        let folder = Folder::new();
        let store = Store::open(&folder.store(), Options::default()).expect("a new store");
        let host = format!("mail.{domain}");
        let post = Post::new(store.clone(), host.clone()).expect("a post");
        let post = post.with_secret(format!("secret of {domain}").as_bytes());
        let town = Town { store, post, host, clock: AtomicI64::new(NOW), _folder: folder };
        town.write(move |batch| address::add_domain(batch, domain, NOW)).expect("a domain");
        town
    }

    fn write<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Batch) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        self.store.write_blocking(job)
    }

    fn person(&self, login: &str, quota: u64) -> AccountId {
        let account = NewAccount {
            login: at(login),
            name: String::new(),
            quota,
            credentials: Vec::new(),
            scram_salt: vec![7; 16],
            scram_iterations: 4096,
        };
        self.write(move |batch| account::create(batch, account.clone(), NOW)).expect("an account")
    }

    /// Lets an address lead to accounts and to other addresses.
    fn lead(&self, from: &str, accounts: &[AccountId], targets: &[&str]) -> Result<()> {
        let (from, accounts) = (at(from), accounts.to_vec());
        let targets: Vec<Address> = targets.iter().map(|target| at(target)).collect();
        self.write(move |batch| address::set_route(batch, &from, &accounts, &targets, NOW))
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn moment(&self) -> Moment {
        Moment { micros: self.now().unsigned_abs() * 1_000_000, chance: 5 }
    }

    /// What RCPT is told.
    fn rcpt(&self, from: &str, to: &str) -> Destination {
        let (read, from) = (self.store.snapshot().expect("a snapshot"), Address::parse(from).ok());
        let found =
            local::destination(&read, self.post.srs(), (from.as_ref(), &path(to)), 9, self.now());
        found.expect("a lookup")
    }

    /// A message as port 25 takes it; "" is the sender `<>`.
    async fn send(&self, from: &str, to: &[&str], text: &str) -> Reply {
        self.send_asking(from, to, None, text).await
    }

    async fn send_asking(
        &self,
        from: &str,
        to: &[&str],
        notify: Option<Notify>,
        text: &str,
    ) -> Reply {
        for one in to {
            let found = self.rcpt(from, one);
            let taken = matches!(found, Destination::Ours | Destination::Returned);
            assert!(taken, "{one}: {found:?}");
        }
        let hold = Hold::new(&Budget::new(1 << 22), [192, 0, 2, 7].into());
        let mut content = Content::new(1 << 20, hold);
        content.push_chunk(text.as_bytes());
        let (message, hold) = content.finish().expect("a message");
        let recipient = |to: &&str| Recipient { to: path(to), notify, orcpt: None };
        let arrived = Arrived {
            caller: caller(),
            began: self.now(),
            from: Address::parse(from).ok(),
            body: Body::EightBitMime,
            smtputf8: false,
            ret: None,
            envid: None,
            recipients: to.iter().map(recipient).collect(),
            refused: Refusals::default(),
            message,
            hold,
        };
        self.post.receive(arrived, self.now(), self.moment().micros).await.reply
    }

    fn inbox(&self, who: AccountId) -> Vec<String> {
        let read = self.store.snapshot().expect("a snapshot");
        let text = |uid: u32| {
            let row = mail::row(&read, who, INBOX, uid).expect("read").expect("a row");
            let octets = mail::octets(&read, &row, 0, row.size).expect("octets");
            String::from_utf8(octets).expect("UTF-8")
        };
        mail::uids(&read, who, INBOX).expect("uids").into_iter().map(text).collect()
    }

    /// What waits to leave, each with its text.
    fn outbox(&self) -> Vec<(Place, Outgoing, String)> {
        let read = self.store.snapshot().expect("a snapshot");
        let rows = outbox::list(&read, Place { due: 0, id: MailId(0) }, 1_000).expect("rows");
        let with_text = |(place, row): (Place, Outgoing)| {
            let text = outbox::octets(&read, &row, 0, row.octets()).expect("octets");
            (place, row, String::from_utf8(text).expect("UTF-8"))
        };
        rows.into_iter().map(with_text).collect()
    }

    /// Who it goes to, of each that waits: sender, then recipients.
    fn leaving(&self) -> Vec<Vec<String>> {
        let addresses = |(_, row, _): (Place, Outgoing, String)| {
            let to = row.recipients.iter().map(|it| it.address.clone());
            std::iter::once(row.sender.clone()).chain(to).collect()
        };
        self.outbox().into_iter().map(addresses).collect()
    }

    fn steps(&self, about: &str) -> Vec<String> {
        let read = self.store.snapshot().expect("a snapshot");
        let told = trace::find(&read, about, None, 1).expect("traces");
        told.iter().flat_map(|(_, story)| &story.steps).map(|step| step.what.clone()).collect()
    }

    fn record(&self, place: Place, index: usize, outcome: Outcome) {
        let (host, moment) = (self.host.clone(), self.moment());
        let came = Came {
            index,
            outcome,
            server: "mx.there.test [192.0.2.9]".to_string(),
            secured: "not encrypted".to_string(),
            dsn: true,
        };
        let came = [came];
        self.write(move |batch| record(batch, &host, moment, place, &came)).expect("recorded");
    }

    fn sound(&self) {
        let report = verify::verify(&self.store, &mut |_, _| ()).expect("verified");
        assert_eq!(report.faults, Vec::<String>::new());
    }
}

fn caller() -> Caller {
    let tls = TlsFacts {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256".to_string(),
        exporter: None,
        endpoint: Vec::new(),
    };
    Caller {
        remote: "192.0.2.7:40001".parse().expect("an address"),
        helo: "mx.far.test".to_string(),
        extended: true,
        tls: Some(tls),
        login: None,
    }
}

/// Brings what waits in each town to the towns it is for, until nothing moves; what is for nobody
/// here is returned as sender, recipient and text. Fails when it never ends.
async fn carry(towns: &[&Town]) -> Vec<(String, String, String)> {
    let mut gone = Vec::new();
    for _ in 0..50 {
        let mut moved = false;
        for town in towns {
            for (place, row, text) in town.outbox() {
                moved = true;
                for (index, recipient) in row.recipients.iter().enumerate() {
                    let outcome = bring(towns, &row, &recipient.address, &text, &mut gone).await;
                    town.record(place, index, outcome);
                }
            }
            town.sound();
        }
        if !moved {
            return gone;
        }
    }
    panic!("the mail never comes to rest");
}

async fn bring(
    towns: &[&Town],
    row: &Outgoing,
    to: &str,
    text: &str,
    gone: &mut Vec<(String, String, String)>,
) -> Outcome {
    let domain = at(to).domain().to_string();
    let Some(town) = towns.iter().find(|town| town.host == format!("mail.{domain}")) else {
        gone.push((row.sender.clone(), to.to_string(), text.to_string()));
        return Outcome::Delivered { reply: Reply::new(250, 0, 0, "taken") };
    };
    let reply = match town.rcpt(&row.sender, to) {
        Destination::Ours | Destination::Returned => town.send(&row.sender, &[to], text).await,
        other => Reply::new(550, 1, 1, format!("{other:?}")),
    };
    match reply.is_positive() {
        true => Outcome::Delivered { reply },
        false => Outcome::Failed { reply: Some(reply), why: "It was refused.".to_string() },
    }
}
