//! Whose is an address elsewhere: what a colleague cannot do with it.

use super::maildrop::Maildrop;
use crate::act::Reply;
use crate::act::collect::sender::{Claim, grant};
use crate::act::collect::{CollectAct, OutsideView, Server, Tls, Wish, act};
use crate::act::failure::Failure;
use crate::act::people::Password;
use crate::delivery::submit::permit;
use crate::settings::{Ports, Settings};
use crate::smtp::Permit;
use crate::store::AccountId;
use crate::store::format::{Outside, OutsideHost};
use crate::store::outside;
use crate::tests::store::{ALICE, BOB, Office};
use crate::wire::address::Address;
use tokio::runtime::Runtime;

const EVE: &str = "alice@office.test";
const VICTIM: &str = "bob@office.test";
const THEIRS: &str = "bob@gmail.com";

struct Stage {
    office: Office,
    drop: Maildrop,
    _runtime: Runtime,
}

impl Stage {
    fn new() -> Stage {
        let office = Office::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let drop = runtime.block_on(Maildrop::start(false));
        let pem = office.folder.path().join("authority.pem");
        std::fs::write(&pem, &drop.authority.pem).expect("a file");
        let mut settings = Settings::first("mail.office.test", Ports::WELL_KNOWN);
        settings.outgoing.authority = Some(pem);
        let text = crate::settings::print(&settings);
        std::fs::write(office.folder.path().join("mailroom.toml"), text).expect("settings");
        Stage { office, drop, _runtime: runtime }
    }

    fn act(&self, wanted: CollectAct) -> Result<OutsideView, Failure> {
        match act(&self.office.store, wanted, 1)? {
            Reply::Outside(view) => Ok(*view),
            other => panic!("{other:?}"),
        }
    }

    fn add(&self, login: &str, address: &str, wish: Wish) -> Result<OutsideView, Failure> {
        let text = "open sesame".to_string();
        let secret = Some(Password { text, made_up: false });
        let wish = Box::new(Wish { secret, ..wish });
        self.act(CollectAct::Add { login: login.into(), address: address.into(), wish })
    }

    fn change(&self, login: &str, address: &str, wish: Wish) -> Result<OutsideView, Failure> {
        let (login, address) = (login.to_string(), address.to_string());
        self.act(CollectAct::Change { login, address, wish: Box::new(wish) })
    }

    /// A server that lets in whoever says the word, with whatever name.
    fn own_server(&self) -> Option<Server> {
        let port = self.drop.at.port();
        Some(Server { host: "localhost".to_string(), port, tls: Tls::Implicit })
    }

    /// The first log-in of a person's only account lets us in, as collecting finds it.
    fn lets_in(&self, who: AccountId) {
        let prove = move |batch: &mut crate::store::Batch| {
            let (id, _) = outside::of(batch, who)?.remove(0);
            outside::prove(batch, id)
        };
        self.office.store.write_blocking(prove).expect("proven");
    }

    fn may(&self, who: AccountId, sender: &str) -> bool {
        let read = self.office.store.snapshot().expect("a snapshot");
        let sender = Address::parse(sender).expect("an address");
        permit(&read, who, &sender).expect("read") == Permit::Own
    }

    /// By whose account does mail of this sender leave?
    fn leaves_by(&self, sender: &str) -> Option<AccountId> {
        let read = self.office.store.snapshot().expect("a snapshot");
        outside::by_sender(&read, sender).expect("read").map(|(id, _)| id.account)
    }
}

fn untested() -> Wish {
    Wish { untested: true, ..Wish::default() }
}

#[test]
fn an_address_that_was_only_named_neither_sends_nor_keeps_its_owner_off() {
    let stage = Stage::new();
    let view = stage.add(EVE, THEIRS, untested()).expect("saved");
    assert!(view.waiting[0].1.contains("has not let us in yet"), "{view:?}");
    assert!(!stage.may(ALICE, THEIRS) && stage.leaves_by(THEIRS).is_none());
    stage.add(VICTIM, THEIRS, untested()).expect("his own");
    stage.lets_in(BOB);
    assert!(stage.may(BOB, THEIRS));
    assert_eq!(stage.leaves_by(THEIRS), Some(BOB), "not by who came first");
    // Were it to let her in too, it would stay his.
    stage.lets_in(ALICE);
    assert!(!stage.may(ALICE, THEIRS));
    assert_eq!(stage.leaves_by(THEIRS), Some(BOB));
    let shown = CollectAct::Show { login: EVE.into(), address: THEIRS.into() };
    let view = stage.act(shown).expect("shown");
    assert!(view.waiting[0].1.contains("another person proved"), "{view:?}");
}

#[test]
fn an_address_that_somebody_proved_is_refused_to_others_in_words() {
    let stage = Stage::new();
    stage.add(VICTIM, THEIRS, untested()).expect("saved");
    stage.lets_in(BOB);
    for wish in [untested(), Wish { owner: true, ..untested() }] {
        let refused = stage.add(EVE, THEIRS, wish).expect_err("his");
        assert!(refused.why.contains("proven to be an address of bob@office.test"), "{refused:?}");
    }
    let wish = Wish { senders: Some(vec!["eve@gmail.com".into(), THEIRS.into()]), ..untested() };
    assert!(stage.add(EVE, "eve@gmail.com", wish).is_err());
    stage.add(EVE, "eve@gmail.com", untested()).expect("her own");
    let wish = Wish { senders: Some(vec![THEIRS.into()]), ..Wish::default() };
    let refused = stage.change(EVE, "eve@gmail.com", wish).expect_err("his");
    assert!(refused.why.contains(THEIRS), "{refused:?}");
}

#[test]
fn a_server_named_by_hand_proves_nothing_and_the_owner_may_say_so() {
    let stage = Stage::new();
    let relay = Some(Server { host: "smtp.evil.test".into(), port: 465, tls: Tls::Implicit });
    let by_hand = || Wish {
        pop3: Some(true),
        source: stage.own_server(),
        // It lets in whoever comes.
        user: Some(THEIRS.to_string()),
        no_relay: true,
        ..Wish::default()
    };
    stage.add(EVE, THEIRS, by_hand()).expect("it lets her in");
    let wish = Wish { relay: relay.clone(), untested: true, ..Wish::default() };
    let view = stage.change(EVE, THEIRS, wish).expect("changed");
    assert!(view.waiting[0].1.contains("nothing proves"), "{view:?}");
    assert!(!stage.may(ALICE, THEIRS) && stage.leaves_by(THEIRS).is_none());
    let senders = Some(vec![THEIRS.to_string()]);
    let view = stage.change(EVE, THEIRS, Wish { owner: true, senders, ..Wish::default() });
    assert_eq!(view.expect("changed").waiting, []);
    assert!(stage.may(ALICE, THEIRS));
    assert_eq!(stage.leaves_by(THEIRS), Some(ALICE));
    // Another log-in is another claim.
    let user = Some("somebody".to_string());
    let wish = Wish { user, untested: true, ..Wish::default() };
    let view = stage.change(EVE, THEIRS, wish).expect("changed");
    assert!(view.waiting[0].1.contains("nothing proves"), "{view:?}");
    stage.lets_in(ALICE);
    assert!(!stage.may(ALICE, THEIRS));
}

#[test]
fn more_addresses_than_the_log_in_are_the_owners_to_give() {
    let stage = Stage::new();
    let senders = Some(vec![THEIRS.to_string(), "chef@firm.example".to_string()]);
    let wish = Wish { senders: senders.clone(), ..untested() };
    stage.add(VICTIM, THEIRS, wish).expect("saved");
    stage.lets_in(BOB);
    assert!(stage.may(BOB, THEIRS) && !stage.may(BOB, "chef@firm.example"));
    // What the owner changes beside it grants nothing.
    let wish = Wish { owner: true, paused: Some(true), ..Wish::default() };
    stage.change(VICTIM, THEIRS, wish).expect("changed");
    assert!(!stage.may(BOB, "chef@firm.example"));
    let wish = Wish { owner: true, senders, ..Wish::default() };
    stage.change(VICTIM, THEIRS, wish).expect("changed");
    assert!(stage.may(BOB, THEIRS) && stage.may(BOB, "chef@firm.example"));
    // A name before the @ is an address only in the provider's own domains.
    for (address, theirs) in [("chef@laposte.net", true), ("chef@other.example", false)] {
        let laposte = Wish { provider: Some("laposte".to_string()), ..untested() };
        let view = stage.add(EVE, address, laposte).expect("saved");
        assert_eq!(view.user, "chef");
        assert_eq!(view.waiting[0].1.contains("has not let us in yet"), theirs, "{view:?}");
    }
}

#[test]
fn whose_server_serves_a_domain_says_nothing_of_the_addresses_of_others() {
    let at = |login: &str| {
        let mut row = Outside {
            address: "eve@eve.test".to_string(),
            login: login.to_string(),
            senders: vec![login.to_lowercase()],
            source: Some(OutsideHost {
                host: "mail.eve.test".to_string(),
                ..OutsideHost::default()
            }),
            ..Outside::default()
        };
        grant(&mut row, None, &[], Claim { owner: false, found: true });
        row.granted
    };
    assert_eq!(at("Eve@eve.test"), ["eve@eve.test"]);
    assert!(at("boss@firm.test").is_empty(), "Eve's own server lets in whoever she likes");
}
