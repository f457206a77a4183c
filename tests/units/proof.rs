//! A system on trial writes to itself: the whole way, each step that fails, and what is left.

use crate::act::people::{self, AccountAct, AddressAct, DomainAct};
use crate::admin;
use crate::delivery::checkpoint::Checkpoint;
use crate::delivery::receive::Post;
use crate::limits;
use crate::net::drive::{Pace, Terms};
use crate::net::listen::{Door, Gate};
use crate::net::splice::{Register, Splice, WebPace};
use crate::net::tls::Tls;
use crate::net::{Handler, Service};
use crate::request::{Mail, Message};
use crate::serve::imap::Imap;
use crate::serve::login::Logins;
use crate::serve::receive::Smtp;
use crate::session::Peer;
use crate::settings::{Checks, Ports, Settings};
use crate::smtp::{Answer, Ask, Destination};
use crate::store::account::NewAccount;
use crate::store::salvage::salvage;
use crate::store::writer::Options;
use crate::store::{Read, Store, StoreError, account, address, proof as mailbox, trace, verify};
use crate::tests::admin::stage::World;
use crate::tests::net::toy::{Folder, NOW, Server as Toys, Turn, names};
use crate::tests::store::{Office, add_person};
use crate::units::probe;
use crate::units::proof::{Proof, Unproved, Ways, clear_up, prove};
use crate::wire::address::Address;
use crate::wire::budget::Budget;
use crate::wire::smtp::ForwardPath;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Mail as `units` serves it, at ports of its own; every letter that is judged is told.
struct Trial {
    office: Office,
    ways: Ways,
    tls: PathBuf,
    judged: Arc<AtomicBool>,
    _stop: watch::Sender<bool>,
    _keys: Folder,
}

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

impl Trial {
    fn new() -> Trial {
        Trial::with(Office::new())
    }

    fn with(office: Office) -> Trial {
        let keys = Folder::new();
        let tls = Tls::open(&keys.0.join("tls"), names(), NOW).expect("certificates");
        let (stop, stopping) = watch::channel(false);
        let terms = Terms { tls, stop: stopping, pace: Pace::default() };
        let judged = Arc::new(AtomicBool::new(false));
        let budget = Budget::new(1 << 20);
        let host = "mail.office.test".to_string();
        let post = Post::new(office.store.clone(), host).expect("a post");
        let post = post.judging(checkpoint(judged.clone()));
        let smtp = Smtp::new(Arc::new(post), budget.clone());
        let logins = Logins::new(office.store.clone(), &[7; 32]).expect("log-ins");
        let imap = Imap::new(office.store.clone(), logins, budget);
        let ways = Ways {
            smtp: Some(open("smtp", smtp, &terms, false)),
            imaps: Some(open("imaps", imap, &terms, true)),
            https: None,
        };
        Trial { office, ways, tls: keys.0.join("tls"), judged, _stop: stop, _keys: keys }
    }

    async fn prove(&self) -> Result<(), Unproved> {
        self.prove_by(&self.ways).await
    }

    async fn prove_by(&self, ways: &Ways) -> Result<(), Unproved> {
        let proved = prove(&self.office.store, &self.tls, ways).await;
        assert_clean(&self.office.store);
        proved
    }
}

/// Trusts nobody, and has everybody come twice.
fn checkpoint(judged: Arc<AtomicBool>) -> Checkpoint {
    let checks = Checks { trusted: Vec::new(), greylist: true, ..Checks::default() };
    let examine = move |arrival: crate::net::authenticate::Arrival| {
        judged.store(true, Ordering::SeqCst);
        let evidence = async move {
            let claims = crate::policy::Claims::default();
            crate::policy::Evidence::new(arrival.peer, &arrival.helo, claims)
        };
        Box::pin(evidence)
            as std::pin::Pin<Box<dyn Future<Output = crate::policy::Evidence> + Send>>
    };
    Checkpoint::with(Box::new(examine), checks)
}

fn open<S: Service>(unit: &'static str, service: S, terms: &Terms, tls: bool) -> SocketAddr {
    let door = Door::bind(unit, ANY.into(), tls, 9).expect("a port");
    let at = door.at().expect("an address");
    let (service, gate, terms) = (Arc::new(service), Gate::new(9, 9), terms.clone());
    tokio::spawn(async move { door.serve(&service, &gate, &terms).await });
    at
}

/// Nothing of a proof is there, and the store is whole.
fn assert_clean(store: &Store) {
    let read = store.snapshot().expect("a snapshot");
    assert!(!mailbox::is_there(&read).expect("read"), "the mailbox is gone");
    let stories = trace::find(&read, "", None, 9).expect("read");
    assert!(stories.is_empty(), "no story tells of it: {stories:?}");
    drop(read);
    assert_whole(store);
}

fn rows(store: &Store) -> usize {
    let (read, mut count) = (store.snapshot().expect("a snapshot"), 0);
    let mut each = |_: &[u8]| {
        count += 1;
        Ok(true)
    };
    read.keys(&[0], &[0xFF], &mut each).expect("read");
    count
}

fn assert_whole(store: &Store) {
    let report = verify::verify(store, &mut |_, _| {}).expect("a check");
    assert_eq!(report.faults, Vec::<String>::new());
}

/// Makes the mailbox of a proof, as if it were cut off there.
fn begin(office: &Office) -> Address {
    let login = Address::parse("abcd-efgh@proof.invalid").expect("an address");
    let new = NewAccount {
        login: login.clone(),
        name: "proof".to_string(),
        quota: 0,
        credentials: Vec::new(),
        scram_salt: Vec::new(),
        scram_iterations: 4096,
    };
    office.write(move |batch| mailbox::make(batch, new.clone(), NOW)).expect("made");
    login
}

fn heard(step: &'static str, heard: &str) -> Result<(), Unproved> {
    Err(Unproved { step, heard: heard.to_string() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_the_whole_way_and_nothing_is_left_of_it() {
    let it = Trial::new();
    let before = rows(&it.office.store);
    assert_eq!(it.prove().await, Ok(()));
    assert!(!it.judged.load(Ordering::SeqCst), "it is not judged, and not asked to come again");
    assert_eq!(rows(&it.office.store), before);
    // The next person gets the number that was next.
    let carol = it.office.write(|batch| add_person(batch, "carol"));
    assert_eq!(carol, Ok(crate::store::AccountId(3)));
}

/// A port that the owner has closed proves nothing, and forbids nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_has_closed_is_passed_over() {
    let it = Trial::new();
    for ways in [Ways { smtp: None, ..it.ways }, Ways { imaps: None, ..it.ways }, Ways::default()] {
        assert_eq!(it.prove_by(&ways).await, Ok(()), "{ways:?}");
    }
    let mut settings = Settings::first("mail.office.test", Ports::WELL_KNOWN);
    settings.ports.imaps = 0;
    let at = |text: &str| Some(text.parse().expect("an address"));
    for (listen, host) in [
        ("0.0.0.0 ::", "127.0.0.1"),
        ("192.0.2.7 ::", "[::1]"),
        ("::1", "[::1]"),
        ("192.0.2.7", "192.0.2.7"),
    ] {
        settings.listen = listen.split(' ').map(|one| one.parse().expect("one")).collect();
        let ways = Ways::of(&settings);
        assert_eq!(ways.smtp, at(&format!("{host}:25")), "{listen}");
        assert_eq!((ways.imaps, ways.https), (None, at(&format!("{host}:443"))));
    }
}

/// A port that nobody listens at.
async fn shut() -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from(ANY)).await.expect("a port");
    listener.local_addr().expect("an address")
}

/// Says so to the first that connects, and closes.
async fn says(line: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from(ANY)).await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(line.as_bytes()).await.expect("written");
    });
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_that_fails_has_its_own_words() {
    let it = Trial::new();
    let at = shut().await;
    let refused = format!("no connection to {at}: Connection refused (os error 111)");
    let ways = Ways { smtp: Some(at), ..it.ways };
    assert_eq!(it.prove_by(&ways).await, heard("smtp", &refused));
    let ways = Ways { imaps: Some(at), ..it.ways };
    assert_eq!(it.prove_by(&ways).await, heard("imap", &refused));

    let ways = Ways { smtp: Some(says("554 5.3.2 not today\r\n").await), ..it.ways };
    assert_eq!(it.prove_by(&ways).await, heard("smtp", "554 5.3.2 not today"));
    let ways = Ways { smtp: Some(says("").await), ..it.ways };
    let why = it.prove_by(&ways).await.expect_err("no greeting").to_string();
    assert!(why.starts_with("smtp: The connection ended"), "{why}");

    // No TLS, another's key, and another service with the right one.
    let ways = Ways { imaps: it.ways.smtp, ..it.ways };
    let why = it.prove_by(&ways).await.expect_err("no TLS").to_string();
    assert!(why.starts_with("imap: TLS: "), "{why}");
    let other = Toys::start(Turn::default());
    let ways = Ways { imaps: Some(other.secure), ..it.ways };
    let why = "the key that it shows is not the box's own";
    assert_eq!(it.prove_by(&ways).await, heard("imap", why));
    let toy = Trial { tls: other.tls_folder(), ..Trial::new() };
    let ways = Ways { imaps: Some(other.secure), ..toy.ways };
    let why = toy.prove_by(&ways).await.expect_err("no IMAP").to_string();
    assert!(why.starts_with("imap: It greets as no IMAP server does"), "{why}");
}

/// The key alone is compared: what a clock of 1970 says of the certificate does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_yet_valid_proves_its_key() {
    let it = Trial::new();
    let other = Folder::new();
    let far = NOW + 90 * 365 * 24 * 3600;
    let tls = Tls::open(&other.0.join("tls"), names(), far).expect("certificates");
    let terms = Terms { tls, stop: it._stop.subscribe(), pace: Pace::default() };
    let logins = Logins::new(it.office.store.clone(), &[7; 32]).expect("log-ins");
    let imap = Imap::new(it.office.store.clone(), logins, Budget::new(1 << 20));
    let ways = Ways { imaps: Some(open("imaps", imap, &terms, true)), ..it.ways };
    let proved = prove(&it.office.store, &other.0.join("tls"), &ways).await;
    assert_eq!(proved, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_in_the_words_of_mail() {
    let options = Options { disk_reserve_bytes: u64::MAX, ..Options::default() };
    let it = Trial::with(Office::with(options));
    let why = "452 4.3.1 The disk is full, try again later";
    assert_eq!(it.prove().await, heard("smtp", why));
    it.office.store.close();
    let stopped = prove(&it.office.store, &it.tls, &it.ways).await;
    assert_eq!(stopped, heard("store", &StoreError::Stopped.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_left_goes_at_the_next_start_or_try() {
    let it = Trial::new();
    begin(&it.office);
    assert_whole(&it.office.store);
    let store = it.office.store.clone();
    tokio::task::spawn_blocking(move || clear_up(&store)).await.expect("cleared");
    assert_clean(&it.office.store);
    begin(&it.office);
    assert_eq!(it.prove().await, Ok(()));
}

/// A store that was damaged just then comes back without it and its letter.
#[test]
fn a_salvage_leaves_it_out() {
    let office = Office::new();
    begin(&office);
    office.add(mailbox::ACCOUNT, "to itself");
    office.add(crate::tests::store::ALICE, "to alice");
    assert_whole(&office.store);
    let folder = Folder::new();
    let new = folder.0.join("store");
    office.store.close();
    let source = std::fs::read(office.folder.store().join("data.mdb")).expect("the file");
    let told = salvage(&source, &new, Options::default(), NOW, &mut |_| Ok(())).expect("salvaged");
    let store = Store::open(&new, Options::default()).expect("the new store");
    let read = store.snapshot().expect("a snapshot");
    let logins: Vec<String> =
        account::list(&read).expect("read").into_iter().map(|(_, it)| it.login).collect();
    assert_eq!(logins, ["alice@office.test", "bob@office.test"], "{told:?}");
    assert_eq!(address::domains(&read).expect("read").len(), 1);
    assert!(!mailbox::is_there(&read).expect("read"));
    assert_eq!(account::usage(&read, crate::tests::store::ALICE).expect("read").1, 1);
    drop(read);
    assert_whole(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_it_while_it_is_there() {
    let office = Office::new();
    let login = begin(&office);
    let read = office.store.snapshot().expect("a snapshot");
    assert_eq!(account::count(&read), Ok(2));
    assert_eq!(account::first(&read), Ok(Some(crate::tests::store::ALICE)));
    let health = tokio::task::block_in_place(|| probe::health(&office.store, Mail::Open));
    assert_eq!(health.expect("health").accounts, 2);
    let (store, now) = (&office.store, NOW);
    let told = tokio::task::block_in_place(|| {
        [
            people::account(store, AccountAct::List, now).expect("people"),
            people::domain(store, DomainAct::List, now).expect("domains"),
            people::address(store, AddressAct::List, now).expect("addresses"),
        ]
    });
    let told = format!("{told:?}");
    assert!(told.contains("alice@office.test") && !told.contains("proof"), "{told}");
    // Nor can anybody have its domain.
    let taken = office.write(|batch| address::add_domain(batch, "Proof.invalid", NOW));
    assert!(matches!(taken, Err(StoreError::Invalid(_))), "{taken:?}");
    // Mail to it from elsewhere is mail to a stranger.
    let host = "mail.office.test".to_string();
    let post = Post::new(office.store.clone(), host).expect("a post");
    let smtp = Smtp::new(Arc::new(post), Budget::new(1 << 20));
    for (remote, local, wanted) in [
        ("198.51.100.9:4000", "192.0.2.7:25", Destination::NotOurs),
        ("192.168.1.9:4000", "192.168.1.20:25", Destination::NotOurs),
        ("127.0.0.1:4000", "127.0.0.1:25", Destination::Ours),
        ("[::1]:4000", "[::1]:25", Destination::Ours),
        ("192.168.1.20:4000", "192.168.1.20:25", Destination::Ours),
    ] {
        let at = |text: &str| text.parse().expect("an address");
        let peer = Peer { remote: at(remote), local: at(local), tls: None };
        let to = ForwardPath::To(login.clone());
        let ask = Ask::Recipient { from: None, to, size: None, sending: None };
        let (_, machine) = smtp.connect(peer);
        assert_eq!(machine.answer(ask).await, Answer::Recipient(wanted), "{remote}");
    }
}

/// PID 1 hears of each try, and after the first success of none.
#[tokio::test(flavor = "multi_thread")]
async fn each_try_is_told_until_one_is_right() {
    let it = Trial::new();
    let (said, due) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
    let hears = said.clone();
    let say = Arc::new(move |message: &Message| {
        let mut said = hears.lock().expect("no panic");
        said.push(message.clone());
        // Not heard: it must be said again.
        if said.len() == 2 { Err(std::io::Error::other("gone")) } else { Ok(()) }
    });
    let (store, tls) = (it.office.store.clone(), it.tls.clone());
    let proof = Proof { say, due: due.clone(), store, tls };
    proof.once(&Ways { smtp: Some(says("421 4.3.2 soon\r\n").await), ..it.ways }).await;
    proof.once(&it.ways).await;
    assert!(due.load(Ordering::SeqCst));
    proof.once(&it.ways).await;
    assert!(!due.load(Ordering::SeqCst));
    let unproved = crate::request::Words::new("smtp: 421 4.3.2 soon");
    let want = [Message::Unproved(unproved), Message::Proved, Message::Proved];
    assert_eq!(*said.lock().expect("no panic"), want);
}

/// Without a domain there is no mail: the store and the setup page stand for it.
#[tokio::test(flavor = "multi_thread")]
async fn before_there_is_a_domain_the_page_is_the_proof() {
    let world = World::new();
    let register = Register::default();
    let pages = admin::start(&world.house, &register).expect("pages");
    let wait = limits::PROOF_STEP;
    let pace =
        WebPace { handshake: wait, idle: wait, head: wait, stall: wait, body: wait, reply: wait };
    let allowance = admin::allowance(&world.house);
    let tls = world.house.tls.clone();
    let splice = Splice { pages: pages.at(), register, allowance, pace, tls };
    let door = Door::bind("https", ANY.into(), true, 9).expect("a door");
    let at = door.at().expect("an address");
    let (_stop, stopping) = watch::channel(false);
    tokio::spawn(async move { splice.serve(&door, &Gate::new(9, 9), stopping).await });

    let folder = world.house.data.join("tls");
    let store = &world.house.store;
    let by = |https| Ways { https, ..Ways::default() };
    assert_eq!(prove(store, &folder, &by(Some(at))).await, Ok(()));
    assert_clean(store);
    assert_eq!(prove(store, &folder, &by(None)).await, Ok(()));
    let toys = Toys::start(Turn::default());
    let other = prove(store, &folder, &by(Some(toys.secure))).await;
    assert_eq!(other, heard("page", "the key that it shows is not the box's own"));
    let toy = prove(store, &toys.tls_folder(), &by(Some(toys.secure))).await;
    assert_eq!(toy, heard("page", "hello"));
    assert_clean(store);
}
