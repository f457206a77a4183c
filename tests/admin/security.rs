//! The page Security: password, second factor, sessions, failed log-ins.

use super::api::Program;
use super::stage::{NOW, PASSWORD, World, ip};
use crate::admin::http::Method;
use crate::admin::owner::{totp, totp_step};
use crate::limits;
use crate::store::owner;

const NEW: &str = "another long password";

#[test]
fn the_owner_changes_the_password_with_the_old_one_and_every_other_browser_is_out() {
    let world = World::office();
    let (mut owner, mut other) = (world.owner(), world.owner());
    owner.get("/security");
    let change = |now: &'static str, one: &'static str, two: &'static str| {
        [("password-now", now), ("password", one), ("password2", two)]
    };
    for (fields, why) in [
        (change(PASSWORD, "short", "short"), "At least 10 characters"),
        (change(PASSWORD, NEW, "something else"), "not the same"),
        (change("not my password", NEW, NEW), "This is not the password"),
        (change(PASSWORD, "with\u{7}a bell in it", "with\u{7}a bell in it"), "cannot be typed"),
    ] {
        let reply = owner.post("/security/password", &fields);
        assert_eq!(reply.status, 422, "{why}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains(NEW), "a password is never sent back");
    }
    assert_eq!(other.get("/security").status, 200);
    let reply = owner.post("/security/password", &change(PASSWORD, NEW, NEW));
    assert_eq!(reply.status, 303, "{}", reply.text());
    let text = owner.get("/security").text();
    assert!(
        text.contains("The new password holds") && text.contains("Changed the owner’s password"),
        "{text}"
    );
    assert_eq!(other.get("/security").header("Location"), Some("/login"));
    assert_eq!(other.get("/").header("Location"), Some("/login"), "the first page as well");
    let mut browser = world.browser();
    browser.get("/login");
    assert_eq!(browser.post("/login", &[("password", PASSWORD)]).status, 422);
    assert_eq!(browser.post("/login", &[("password", NEW)]).status, 303);
}

#[test]
fn guesses_at_the_password_behind_a_session_wait_as_those_before_it() {
    let world = World::office();
    let mut thief = world.owner();
    thief.get("/security");
    let guess = [("password-now", "a guess"), ("password", NEW), ("password2", NEW)];
    for _ in 0..=limits::LOGIN_FAILURES_BEFORE_DELAY {
        assert!(thief.post("/security/password", &guess).text().contains("not the password"));
    }
    let right = [("password-totp", PASSWORD)];
    let reply = thief.post("/security/totp", &right);
    assert!(reply.text().contains("Too many wrong tries"), "{}", reply.text());
}

/// The secret as it is shown to be typed.
fn secret(text: &str) -> Vec<u8> {
    let typed = text.split("<code>").nth(1).and_then(|it| it.split('<').next()).expect("a secret");
    let (mut bits, mut count, mut octets) = (0_u32, 0, Vec::new());
    for letter in typed.bytes().filter(|it| *it != b' ') {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|it| *it == letter);
        bits = bits << 5 | u32::try_from(value.expect("RFC 4648 6")).expect("small");
        count += 5;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}

fn code(secret: &[u8], steps: i64) -> String {
    totp(secret).generate(u64::try_from(NOW + steps * 30).expect("a time"))
}

#[test]
fn a_second_factor_holds_from_the_first_right_code_and_until_it_is_switched_off() {
    let world = World::office();
    let (mut owner, mut other) = (world.owner(), world.owner());
    let kept = || {
        let row = owner::get(&world.house.store.snapshot().expect("a snapshot"));
        row.expect("read").expect("an owner").totp
    };
    assert_eq!(owner.get("/security/totp").header("Location"), Some("/security"));
    owner.get("/security");
    let reply = owner.post("/security/totp", &[("password-totp", "not it")]);
    assert_eq!(reply.status, 422);
    let reply = owner.post("/security/totp", &[("password-totp", PASSWORD)]);
    assert_eq!(reply.header("Location"), Some("/security/totp"));
    let text = owner.get("/security/totp").text();
    assert!(text.contains("<svg") && text.contains("role=\"img\""), "a picture: {text}");
    let secret = secret(&text);
    assert_eq!(secret.len(), 20);
    for wrong in ["", "000000", "12345", &code(&secret, 9), &format!("{}1", code(&secret, 0))] {
        let reply = owner.post("/security/totp/confirm", &[("code", wrong)]);
        assert_eq!(reply.status, 422, "{wrong:?}");
        assert!(reply.text().contains("not the code of now"), "{}", reply.text());
        assert!(kept().is_empty(), "nothing holds before a right code");
    }
    // Another browser knows nothing of this one's secret.
    let reply = other.post("/security/totp/confirm", &[("code", &code(&secret, 0))]);
    assert_eq!((reply.header("Location"), kept().is_empty()), (Some("/security"), true));
    let reply = owner.post("/security/totp/confirm", &[("code", &code(&secret, 0))]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(kept(), secret);
    assert!(
        owner.get("/security").text().contains("Switched on a code at log-in"),
        "still logged in"
    );
    assert_eq!(other.get("/security").header("Location"), Some("/login"));
    let mut browser = world.browser();
    browser.get("/login");
    let with = |code: &str| [("password", PASSWORD.to_string()), ("code", code.to_string())];
    let mut log_in = |code: &str| {
        let fields = with(code);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/login", &fields).status
    };
    assert_eq!(log_in(""), 422, "the password alone opens nothing");
    assert_eq!(log_in(&code(&secret, 0)), 422, "the code that confirmed it was used");
    assert_eq!(log_in(&code(&secret, 1)), 303);
    let reply = owner.post("/security/totp/off", &[("password-totp", "not it")]);
    assert_eq!((reply.status, kept().is_empty()), (422, false));
    let reply = owner.post("/security/totp/off", &[("password-totp", PASSWORD)]);
    assert_eq!((reply.status, kept().is_empty()), (303, true));
    assert!(totp_step(&secret, &code(&secret, 2), NOW).is_none(), "two steps are too far");
}

#[test]
fn the_owner_sees_who_is_logged_in_and_ends_one_or_all_others() {
    let world = World::office();
    world.person("ann", "a password of ann");
    let mut owner = world.owner();
    let (mut second, mut third) = (world.browser(), world.owner());
    second.remote = ip("192.168.1.5");
    second.get("/login");
    second.post("/login", &[("password", PASSWORD)]);
    let mut ann = world.logged_in("ann", "a password of ann");
    let text = owner.get("/security").text();
    assert_eq!(text.matches("name=\"which\"").count(), 3, "two others, and all others: {text}");
    assert!(text.contains("This one") && text.contains("192.168.1.5"), "{text}");
    let row = text.split("<tr>").find(|row| row.contains("192.168.1.5")).expect("a row");
    let mark = row.split("name=\"which\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let mark = mark.expect("a mark").to_string();
    assert_eq!(owner.post("/security/sessions", &[("which", &mark)]).status, 303);
    assert_eq!(second.get("/security").header("Location"), Some("/login"));
    assert_eq!(third.get("/security").status, 200, "the other goes on");
    owner.get("/security");
    owner.post("/security/sessions", &[("which", &mark)]);
    assert!(owner.get("/security").text().contains("It had ended already"));
    owner.post("/security/sessions", &[("which", "others")]);
    assert_eq!(third.get("/security").header("Location"), Some("/login"));
    let text = owner.get("/security").text();
    assert!(text.contains("This one") && !text.contains("End all"), "alone: {text}");
    assert_eq!(ann.get("/my").status, 200, "a person's session is none of the owner's");
}

#[test]
fn failed_log_ins_are_listed_with_name_and_address_and_counted() {
    let world = World::office();
    let mut guesser = world.browser();
    guesser.remote = ip("192.168.1.231");
    guesser.get("/my/login");
    for _ in 0..2 {
        let guess = [("name", "<b>evil@office.test"), ("password", "x")];
        assert_eq!(guesser.post("/my/login", &guess).status, 422);
    }
    let program = Program { world: &world, token: Some("mailroom_made-up".to_string()) };
    let mut call = program.request(Method::Get, "/api/v1/accounts", b"");
    call.peer.remote.set_ip(ip("192.168.1.232"));
    assert_eq!(program.send(&call).status, 401);
    let text = world.owner().get("/security").text();
    let row = text.split("<tr>").find(|row| row.contains("192.168.1.232")).expect("a row");
    assert!(row.contains("api") && !row.contains("made-up"), "a wrong token counts as one: {row}");
    let row = text.split("<tr>").find(|row| row.contains("192.168.1.231")).expect("a row");
    assert!(row.contains("&#60;b&#62;evil@office.test") && row.contains(">2</td>"), "{row}");
}

#[test]
fn the_list_of_failed_log_ins_is_bounded_and_keeps_the_newest() {
    let mut guesses = crate::event::Guesses::new();
    let remote = ip("192.0.2.77");
    for number in 0..limits::DENIED_KEPT + 50 {
        guesses.add("imap", remote, &format!("name{number}"), NOW);
    }
    guesses.add("imap", remote, "name100", NOW + 9);
    let list = guesses.list();
    assert_eq!(list.len(), limits::DENIED_KEPT);
    let newest = &list[0];
    assert_eq!((newest.login.as_str(), newest.times), ("name100", 2));
    assert_eq!((newest.first, newest.last), (NOW, NOW + 9));
    assert!(!list.iter().any(|it| it.login == "name49"), "the oldest are forgotten");
}
