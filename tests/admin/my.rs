//! The page of each person, and what stands between people.

use super::stage::{NOW, World, ip};
use crate::act::people::{self, AccountAct};
use crate::admin::http::Method;
use crate::admin::routes::{May, ROUTES};
use crate::limits;
use crate::serve::login::{PageLogin, is_password};
use crate::store::{account, owner};
use crate::wire::sasl::{LoginAnswer, LoginAsk, Secret};
use std::time::Duration;

const ANN: &str = "a password of ann";
const BOB: &str = "a password of bob";

fn ask(password: &str) -> LoginAsk {
    let password = Secret(password.as_bytes().to_vec());
    LoginAsk::Password { name: "ann@office.test".to_string(), password }
}

fn seen(text: &str) -> String {
    let rest = text.split("name=\"seen\" value=\"").nth(1).expect("a mark");
    rest.split('"').next().expect("a mark").to_string()
}

#[test]
fn a_person_sees_their_own_page_and_nothing_of_others() {
    let world = World::office();
    world.person("ann", ANN);
    world.person("bob", BOB);
    let mut ann = world.logged_in("ann", ANN);
    let text = ann.get("/my").text();
    assert!(text.contains("served in the office’s network only"), "it says so: {text}");
    assert!(text.contains("ann@office.test") && !text.contains("bob@office.test"), "{text}");
    assert!(text.contains("<meter") && text.contains("/my/clients"), "{text}");
    assert!(!text.contains("href=\"/people\"") && !text.contains("href=\"/security\""), "{text}");
    assert_eq!(ann.get("/").header("Location"), Some("/my"));
    let clients = ann.get("/my/clients").text();
    assert!(clients.contains("ann@office.test") && !clients.contains("bob@"), "{clients}");
    assert_eq!(clients.matches("aria-current=\"page\"").count(), 1, "{clients}");
}

#[test]
fn no_page_of_the_owner_opens_to_a_person_and_none_of_a_person_to_the_owner() {
    let world = World::office();
    world.person("ann", ANN);
    let (ann, owner) = (world.logged_in("ann", ANN), world.owner());
    let acts = |world: &World| {
        let read = world.house.store.snapshot().expect("a snapshot");
        owner::acts(&read, None, 1_000).expect("read").len()
    };
    let before = acts(&world);
    for route in ROUTES {
        let mut browser = match route.may {
            May::Owner | May::Setup => ann.clone(),
            May::Person => owner.clone(),
            _ => continue,
        };
        let path = route.path.replace("{}", "ann@office.test");
        let reply = match route.method {
            Method::Get => browser.get(&path),
            _ => browser.post(&path, &[("which", "others"), ("seen", "")]),
        };
        assert!([303, 403].contains(&reply.status), "{path}: {}", reply.status);
        assert!(!reply.text().contains("ann@office.test") || reply.status == 403, "{path}");
    }
    assert_eq!(acts(&world), before, "nothing was done");
    assert_eq!(ann.clone().get("/my").status, 200, "and nobody was logged out");
}

#[test]
fn a_session_of_a_person_ends_with_the_password_the_suspension_and_the_account() {
    let world = World::office();
    let id = world.person("ann", ANN);
    let act = |act: AccountAct| people::account(&world.house.store, act, NOW).expect("done");
    let login = || "ann@office.test".to_string();
    let mut ann = world.logged_in("ann", ANN);
    act(AccountAct::Suspend { login: login(), suspended: true });
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
    act(AccountAct::Suspend { login: login(), suspended: false });
    assert_eq!(ann.get("/my").status, 200);
    let new = people::Password { text: "a newer one of ann".to_string(), made_up: false };
    act(AccountAct::Password { login: login(), password: new });
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
    let mut ann = world.logged_in("ann", "a newer one of ann");
    let gone = world.house.store.write_blocking(move |batch| account::delete(batch, id));
    gone.expect("deleted");
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
}

#[test]
fn guesses_on_the_page_wait_and_lock_nobody_out_of_mail() {
    let world = World::office();
    world.person("ann", ANN);
    let mut guesser = world.browser();
    guesser.get("/my/login");
    let guess = [("name", "ann@office.test"), ("password", "a guess")];
    for _ in 0..=limits::LOGIN_FAILURES_BEFORE_DELAY {
        let text = guesser.post("/my/login", &guess).text();
        assert!(text.contains("Not right"), "{text}");
    }
    let right = [("name", "ANN@office.test"), ("password", ANN)];
    let text = guesser.post("/my/login", &right).text();
    assert!(text.contains("Too many wrong tries"), "also in other letters: {text}");
    let mut ann = world.browser();
    ann.remote = ip("192.168.1.5");
    ann.get("/my/login");
    assert_eq!(ann.post("/my/login", &right).status, 303, "from elsewhere");
    // Mail: from elsewhere at once, and from where the guesses came after the wait of a guess.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for remote in ["192.168.1.5", "192.168.1.77"] {
        let desk = world.house.logins.desk("imap", ip(remote));
        let answer = runtime.block_on(desk.answer(ask(ANN)));
        assert!(matches!(answer, LoginAnswer::Granted(_)), "{remote}: {answer:?}");
    }
}

#[test]
fn guesses_on_the_page_and_by_mail_are_counted_together() {
    let world = World::office();
    world.person("ann", ANN);
    let desk = world.house.logins.desk("imap", ip("192.168.1.77"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for _ in 0..=limits::LOGIN_FAILURES_BEFORE_DELAY {
        let answer = runtime.block_on(desk.answer(ask("a guess")));
        assert!(matches!(answer, LoginAnswer::Denied { .. }), "{answer:?}");
    }
    let here =
        world.house.logins.check_page("ann@office.test", ANN, "password", ip("192.168.1.77"));
    assert!(matches!(here, Ok(PageLogin::Later(_))), "{here:?}");
}

#[test]
fn a_password_of_a_program_opens_no_page() {
    let world = World::office();
    world.person("ann", ANN);
    let password = people::Password { text: "of the phone alone".to_string(), made_up: false };
    let login = "ann@office.test".to_string();
    let act = AccountAct::AppPassword { login, label: "phone".to_string(), password };
    people::account(&world.house.store, act, NOW).expect("made");
    let mut thief = world.browser();
    thief.get("/my/login");
    let fields = [("name", "ann@office.test"), ("password", "of the phone alone")];
    assert_eq!(thief.post("/my/login", &fields).status, 422);
    assert_eq!(thief.get("/my").header("Location"), Some("/my/login"));
}

#[test]
fn a_person_changes_the_password_with_the_old_one() {
    let world = World::office();
    let id = world.person("ann", ANN);
    let (mut ann, mut phone) = (world.logged_in("ann", ANN), world.logged_in("ann", ANN));
    let new = "quite another one";
    for (now, one, two, why) in [
        (ANN, "short", "short", "At least 8 characters"),
        (ANN, new, "something else", "not the same"),
        ("not it", new, new, "This is not the password"),
    ] {
        let fields = [("password-now", now), ("password", one), ("password2", two)];
        let reply = ann.post("/my/password", &fields);
        assert_eq!(reply.status, 422);
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    let fields = [("password-now", ANN), ("password", new), ("password2", new)];
    assert_eq!(ann.post("/my/password", &fields).status, 303);
    assert_eq!(ann.get("/my").status, 200, "this browser goes on");
    assert_eq!(phone.get("/my").header("Location"), Some("/my/login"), "and no other");
    let row = account::get(&world.house.store.snapshot().expect("a snapshot"), id);
    let row = row.expect("read").expect("there");
    assert!(is_password(new, &row.credentials[0].argon2));
    assert!(
        world.owner().get("/acts").text().contains("Changed their own password ann@office.test")
    );
}

#[test]
fn app_passwords_are_made_and_removed_and_of_two_browsers_the_second_is_told() {
    let world = World::office();
    world.person("ann", ANN);
    let mut ann = world.logged_in("ann", ANN);
    let before = seen(&ann.get("/my").text());
    let fields = |seen: &str, label: &str| [("seen", seen.to_string()), ("label", label.into())];
    let mut send = |path: &str, seen: &str, label: &str| {
        let fields = fields(seen, label);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = ann.post(path, &fields);
        let now = (reply.status == 200).then(|| ann.get("/my").text());
        (reply, now)
    };
    let long = "x".repeat(limits::LABEL_BYTES);
    for label in ["", long.as_str(), "password", "a\u{8}b"] {
        assert_eq!(send("/my/app", &before, label).0.status, 422, "{label:?}");
    }
    let (reply, page) = send("/my/app", &before, "<i>phone");
    assert!(reply.text().contains("shown this once"), "{}", reply.text());
    let page = page.expect("a page");
    assert!(page.contains("&#60;i&#62;phone"), "{page}");
    assert_eq!(send("/my/app", &before, "tablet").0.status, 409, "the second is told");
    assert_eq!(send("/my/app", &seen(&page), "<i>phone").0.status, 422, "there is one");
    assert_eq!(send("/my/app/remove", &seen(&page), "<i>phone").0.status, 303);
}

#[test]
fn a_form_whose_session_has_ended_is_kept_for_after_the_log_in_of_the_person() {
    let world = World::office();
    world.person("ann", ANN);
    let mut ann = world.logged_in("ann", ANN);
    let now = seen(&ann.get("/my").text());
    world.house.place.sessions().end_all(None, |_| true);
    let reply = ann.post("/my/app", &[("seen", &now), ("label", "tablet")]);
    assert_eq!(reply.status, 403);
    let text = reply.text();
    assert!(text.contains("Your session has ended") && text.contains("/my/login"), "{text}");
    let field = |name: &str| {
        let rest = text.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("a field");
        let value = rest.split('"').next().expect("a value");
        value.replace("&#38;", "&").replace("&#47;", "/").replace("&#x2f;", "/")
    };
    let (again, kept) = (field("again"), field("kept"));
    let fields = [
        ("name", "ann@office.test"),
        ("password", ANN),
        ("again", again.as_str()),
        ("kept", kept.as_str()),
    ];
    let text = ann.post("/my/login", &fields).text();
    assert_eq!(again, "/my/app", "{kept}");
    assert!(text.contains("Shall this be sent now?") && text.contains("tablet"), "{text}");
    assert!(ann.post("/my/app", &[("seen", &now), ("label", "tablet")]).text().contains("once"));
}

#[test]
fn sessions_of_a_person_are_shown_and_ended_by_them_and_by_the_owner() {
    let world = World::office();
    let id = world.person("ann", ANN);
    world.person("bob", BOB);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connect = |remote: &str| {
        let desk = world.house.logins.desk("imap", ip(remote));
        let answer = runtime.block_on(desk.answer(ask(ANN)));
        assert!(matches!(answer, LoginAnswer::Granted(_)), "{answer:?}");
        desk
    };
    let (phone, laptop) = (connect("192.168.1.31"), connect("203.0.113.9"));
    let mut ann = world.logged_in("ann", ANN);
    let text = ann.get("/my").text();
    for remote in ["192.168.1.31", "203.0.113.9", "Reading mail (IMAP)", "This one"] {
        assert!(text.contains(remote), "{remote}: {text}");
    }
    let row = text.split("<tr>").find(|row| row.contains("203.0.113.9")).expect("a row");
    let mark = row.split("name=\"which\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let mark = mark.expect("a mark").to_string();
    // Bob cannot end it.
    let mut bob = world.logged_in("bob", BOB);
    bob.post("/my/sessions", &[("which", &mark)]);
    assert!(bob.get("/my").text().contains("It had ended already"), "told nothing");
    ann.post("/my/sessions", &[("which", &mark)]);
    // Only the one that was meant is told to end.
    runtime.block_on(laptop.shut().notified());
    let told = async { tokio::time::timeout(Duration::ZERO, phone.shut().notified()).await };
    assert!(runtime.block_on(told).is_err(), "the phone goes on");
    drop(laptop);
    assert_eq!(world.house.logins.live(id).len(), 1);
    let mut owner = world.owner();
    let text = owner.get("/people/ann@office.test").text();
    assert!(text.contains("192.168.1.31"), "{text}");
    assert!(text.contains("End all of them"), "none of these is the owner's: {text}");
    owner.post("/people/ann@office.test/sessions", &[("which", "others")]);
    runtime.block_on(phone.shut().notified());
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
    assert_eq!(bob.get("/my").status, 200);
}
