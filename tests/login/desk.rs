//! Log-ins against a store.

use crate::limits;
use crate::serve::login::{Desk, Logins, make_credential, new_salt, secret};
use crate::store::account::{self, NewAccount};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, Store, address};
use crate::tests::net::toy::{Folder, NOW};
use crate::wire::address::Address;
use crate::wire::sasl::{LoginAnswer, LoginAsk, Secret};
use std::net::IpAddr;
use std::sync::Arc;

struct Office {
    store: Store,
    logins: Arc<Logins>,
    alice: AccountId,
    _folder: Folder,
}

const KEY: &[u8] = &[7; 32];

/// alice@office.test with the password "wonderland" and the app password "phone-phone".
fn office() -> Office {
    let folder = Folder::new();
    let options = Options { map_bytes: 64 << 20, ..Options::default() };
    let store = Store::open(&folder.0.join("store"), options).expect("a store");
    let salt = new_salt().expect("a salt");
    let credential = |label, password: &str| {
        let made = make_credential(label, password, &salt, limits::SCRAM_ITERATIONS, NOW);
        made.expect("a good password")
    };
    let account = NewAccount {
        login: Address::parse("alice@office.test").expect("an address"),
        name: "Alice".to_string(),
        quota: 0,
        credentials: vec![credential("password", "wonderland"), credential("phone", "phone-phone")],
        scram_salt: salt.clone(),
        scram_iterations: limits::SCRAM_ITERATIONS,
    };
    let alice = store
        .write_blocking(move |batch| {
            address::add_domain(batch, "office.test", NOW)?;
            account::create(batch, account.clone(), NOW)
        })
        .expect("made");
    let logins = Logins::new(store.clone(), KEY).expect("log-ins");
    Office { store, logins, alice, _folder: folder }
}

impl Office {
    fn desk(&self, remote: &str) -> Desk {
        self.logins.desk("toy", remote.parse::<IpAddr>().expect("an address"))
    }

    fn change(&self, mut change: impl FnMut(&mut crate::store::format::Account) + Send + 'static) {
        let alice = self.alice;
        let job = move |batch: &mut Batch<'_>| {
            account::update(batch, alice, &mut |account| {
                change(account);
                Ok(())
            })
        };
        self.store.write_blocking(job).expect("changed");
    }
}

async fn tries(desk: &Desk, name: &str, password: &str) -> bool {
    let password = Secret(password.as_bytes().to_vec());
    match desk.answer(LoginAsk::Password { name: name.to_string(), password }).await {
        LoginAnswer::Granted(login) => {
            assert_eq!(login.name, "alice@office.test");
            true
        }
        LoginAnswer::Denied { .. } => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_password_of_an_account_opens_it_and_no_other() {
    let office = office();
    let desk = office.desk("192.0.2.1");
    assert!(tries(&desk, "alice@office.test", "wonderland").await);
    assert!(tries(&desk, "Alice@Office.Test", "phone-phone").await, "in any case");
    assert!(tries(&desk, "alice@office.test", "wonderland").await, "and again, from the cache");
    for (name, password) in [
        ("alice@office.test", "Wonderland"),
        ("alice@office.test", ""),
        ("alice", "wonderland"),
        ("bob@office.test", "wonderland"),
        ("", "wonderland"),
        ("alice@office.test", "wonderland\u{7}"),
    ] {
        let desk = office.desk("192.0.2.2");
        assert!(!tries(&desk, name, password).await, "{name} {password}");
    }
    let long = "x".repeat(limits::PASSWORD_BYTES + 1);
    assert!(!tries(&office.desk("192.0.2.3"), "alice@office.test", &long).await);
}

/// Which password it was, as a session remembers it.
async fn which(desk: &Desk, password: &str) -> u64 {
    let (name, password) = ("alice@office.test".to_string(), Secret(password.into()));
    match desk.answer(LoginAsk::Password { name, password }).await {
        LoginAnswer::Granted(login) => login.credential,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_lasts_as_long_as_its_own_password_and_no_longer() {
    let office = office();
    let desk = office.desk("192.0.2.1");
    let (own, phone) = (which(&desk, "wonderland").await, which(&desk, "phone-phone").await);
    assert_eq!(which(&desk, "wonderland").await, own, "also from the cache");
    assert!(own != phone && own != 0 && phone != 0);
    let lasts = |which| {
        let read = office.store.snapshot().expect("a snapshot");
        account::is_open(&read, office.alice, which).expect("read")
    };
    assert!(lasts(own) && lasts(phone) && lasts(0) && !lasts(own ^ 1));
    office.change(|account| account.credentials.retain(|kept| kept.label == "phone"));
    assert!(!lasts(own) && lasts(phone), "only the one that is gone");
    office.change(|account| account.suspended = true);
    assert!(!lasts(phone) && !lasts(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_and_a_suspended_account_are_shut_at_once() {
    let office = office();
    let desk = office.desk("192.0.2.1");
    assert!(tries(&desk, "alice@office.test", "wonderland").await);
    office.change(|account| account.credentials.retain(|kept| kept.label == "phone"));
    assert!(!tries(&desk, "alice@office.test", "wonderland").await, "the cache forgot it");
    assert!(tries(&desk, "alice@office.test", "phone-phone").await);
    office.change(|account| account.suspended = true);
    assert!(!tries(&desk, "alice@office.test", "phone-phone").await);
    let scram = desk.answer(LoginAsk::Scram { name: "alice@office.test".into() }).await;
    assert!(matches!(scram, LoginAnswer::Scram(_)), "denied like a wrong password: {scram:?}");
    let proved = LoginAsk::Proved { name: "alice@office.test".into(), right: true };
    assert!(matches!(desk.answer(proved).await, LoginAnswer::Denied { .. }));
    office.change(|account| account.suspended = false);
    assert!(tries(&desk, "alice@office.test", "phone-phone").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scram_knows_each_app_password_and_tells_nothing_of_unknown_names() {
    let office = office();
    let scram = async |logins: &Arc<Logins>, name: &str| {
        let desk = logins.desk("toy", IpAddr::from([192, 0, 2, 1]));
        match desk.answer(LoginAsk::Scram { name: name.to_string() }).await {
            LoginAnswer::Scram(secrets) => secrets,
            other => panic!("{other:?}"),
        }
    };
    let alice = scram(&office.logins, "ALICE@office.test").await;
    assert_eq!(alice.keys.len(), 2);
    let nobody = scram(&office.logins, "nobody@office.test").await;
    assert_eq!(nobody.salt.len(), alice.salt.len());
    assert_eq!(nobody.iterations, alice.iterations);
    assert_eq!(scram(&office.logins, "Nobody@office.test").await, nobody, "always the same");
    assert_ne!(scram(&office.logins, "other@office.test").await.salt, nobody.salt);
    let restarted = Logins::new(office.store.clone(), KEY).expect("log-ins");
    assert_eq!(scram(&restarted, "nobody@office.test").await, nobody, "also after a restart");

    let desk = office.desk("192.0.2.1");
    let proved = |name: &str, right| LoginAsk::Proved { name: name.to_string(), right };
    let granted = desk.answer(proved("alice@office.test", true)).await;
    assert!(matches!(granted, LoginAnswer::Granted(_)), "{granted:?}");
    for (name, right) in [("alice@office.test", false), ("nobody@office.test", true)] {
        let denied = desk.answer(proved(name, right)).await;
        assert!(matches!(denied, LoginAnswer::Denied { .. }), "{name}: {denied:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guesser_is_slowed_and_the_person_elsewhere_is_not() {
    let office = office();
    let guesser = office.desk("203.0.113.7");
    for _ in 0..=limits::LOGIN_FAILURES_BEFORE_DELAY {
        assert!(!tries(&guesser, "alice@office.test", "guess").await);
    }
    let began = std::time::Instant::now();
    assert!(tries(&office.desk("192.0.2.1"), "alice@office.test", "wonderland").await);
    let person = began.elapsed();
    let began = std::time::Instant::now();
    assert!(!tries(&guesser, "alice@office.test", "guess").await);
    assert!(began.elapsed() >= std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(person < std::time::Duration::from_secs(1), "{person:?}");
}

/// Guesses sent side by side, before the first of them has failed, are throttled all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_side_by_side_are_counted_before_they_are_checked() {
    let office = office();
    let began = std::time::Instant::now();
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let guess = |n: usize| {
        let (desk, said) = (office.desk("203.0.113.7"), said.clone());
        tokio::spawn(async move {
            let password = Secret(format!("guess {n}").into_bytes());
            let ask = LoginAsk::Password { name: "alice@office.test".to_string(), password };
            let _ = said.send(desk.answer(ask).await);
        })
    };
    let all: Vec<_> = (0..40).map(guess).collect();
    let free = limits::LOGIN_FAILURES_BEFORE_DELAY as usize + 1 + limits::ARGON2_AT_ONCE;
    for _ in 0..free + 2 {
        assert!(matches!(heard.recv().await, Some(LoginAnswer::Denied { .. })));
    }
    assert!(began.elapsed() >= std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    all.iter().for_each(|one| one.abort());
}

/// A proof costs no argon2: what slows it is the throttle alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_side_by_side_are_counted_one_by_one() {
    let office = office();
    let name = || "alice@office.test".to_string();
    let desks: Vec<Desk> = (0..40).map(|_| office.desk("203.0.113.7")).collect();
    for desk in &desks {
        let secrets = desk.answer(LoginAsk::Scram { name: name() }).await;
        assert!(matches!(secrets, LoginAnswer::Scram(_)));
    }
    let mut at_once = 0;
    for desk in &desks {
        let mut answer = Box::pin(desk.answer(LoginAsk::Proved { name: name(), right: false }));
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx)));
        at_once += usize::from(polled.await.is_ready());
    }
    assert_eq!(at_once, limits::LOGIN_FAILURES_BEFORE_DELAY as usize + 1);
}

/// One network fills its own queue for argon2 and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_names_from_one_network_keeps_nobody_else_out() {
    let office = office();
    let name = |n: usize| format!("name{n}@office.test");
    let flood: Vec<_> = (0..limits::ARGON2_WAITING + 40)
        .map(|n| {
            let desk = office.desk("203.0.113.7");
            tokio::spawn(async move {
                let password = Secret(b"guess".to_vec());
                desk.answer(LoginAsk::Password { name: name(n), password }).await
            })
        })
        .collect();
    // Those above what may wait are turned away, so the queue is full now.
    crate::tests::net::toy::until(|| flood.iter().any(|one| one.is_finished())).await;
    let began = std::time::Instant::now();
    assert!(tries(&office.desk("192.0.2.1"), "alice@office.test", "wonderland").await);
    let waited = began.elapsed();
    let left = flood.iter().filter(|one| !one.is_finished()).count();
    assert!(left > limits::ARGON2_WAITING / 2, "{left} still wait, we no longer after {waited:?}");
    flood.iter().for_each(|one| one.abort());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_account_are_bounded_and_counted_while_they_stand() {
    let office = office();
    let enter = async |desk: &Desk| {
        let password = Secret(b"wonderland".to_vec());
        let ask = LoginAsk::Password { name: "alice@office.test".to_string(), password };
        desk.answer(ask).await
    };
    let mut desks = Vec::new();
    for _ in 0..limits::CONNECTIONS_PER_ACCOUNT {
        let desk = office.desk("192.0.2.1");
        assert!(matches!(enter(&desk).await, LoginAnswer::Granted(_)));
        desks.push(desk);
    }
    assert!(matches!(enter(&desks[0]).await, LoginAnswer::Granted(_)), "the same again");
    let one_more = office.desk("192.0.2.1");
    assert_eq!(enter(&one_more).await, LoginAnswer::Crowded);
    desks.pop();
    assert!(matches!(enter(&one_more).await, LoginAnswer::Granted(_)));
}

#[test]
fn a_password_that_cannot_be_one() {
    let salt = new_salt().expect("a salt");
    let make = |password: &str| {
        make_credential("password", password, &salt, limits::SCRAM_ITERATIONS, NOW)
    };
    assert!(make("").is_err());
    assert!(make("bell\u{7}").is_err());
    assert!(make("\u{AD}").is_err(), "nothing is left of it");
    assert!(make(&"x".repeat(limits::PASSWORD_BYTES + 1)).is_err());
    let made = make(&"x".repeat(limits::PASSWORD_BYTES)).expect("at the limit");
    assert!(made.argon2.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", made.argon2);
    assert_eq!((made.stored_key.len(), made.server_key.len()), (32, 32));
    let again = make(&"x".repeat(limits::PASSWORD_BYTES)).expect("at the limit");
    assert_ne!(made.argon2, again.argon2, "argon2 has a salt of its own");
}

#[test]
fn the_secret_of_a_store_is_made_once() {
    let folder = Folder::new();
    let path = folder.0.join("secret.key");
    let first = secret(&path).expect("made");
    assert_eq!(first.len(), 32);
    assert_eq!(secret(&path).expect("read"), first);
    let other = secret(&folder.0.join("other.key")).expect("made");
    assert_ne!(other, first);
}
