//! The setup code, the first owner, the log-in, sessions that end.

use super::stage::{CODE, NOW, PASSWORD, World, ip};
use crate::admin::http::Method;
use crate::admin::who::{Sessions, Who};
use crate::limits;
use crate::store::owner;

#[test]
fn with_the_code_somebody_becomes_the_owner_and_the_code_opens_nothing_any_more() {
    let world = World::new();
    let mut first = world.browser();
    assert_eq!(first.get("/").header("Location"), Some("/code"));
    assert!(first.get("/code").text().contains("Setup code"));
    let reply = first.post("/code", &[("code", "abcd2345")]);
    assert_eq!((reply.status, reply.header("Location")), (303, Some("/")));
    assert_eq!(first.get("/setup/owner").status, 200);
    let reply = first.post("/setup/owner", &[("password", "short"), ("password2", "short")]);
    assert_eq!(reply.status, 422);
    assert!(reply.text().contains("At least 10 characters"), "{}", reply.text());
    assert!(!reply.text().contains("value=\"short\""), "a password is never sent back");
    let reply = first.post("/setup/owner", &[("password", PASSWORD), ("password2", "another one")]);
    assert!(reply.text().contains("not the same"), "{}", reply.text());
    let given = [("password", PASSWORD), ("password2", PASSWORD)];
    let reply = first.post("/setup/owner", &given);
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert!(first.get("/acts").text().contains("Became the owner"));
    // The code of yesterday.
    let mut second = world.browser();
    assert_eq!(second.get("/code").header("Location"), Some("/login"));
    second.get("/login");
    assert_eq!(second.post("/code", &[("code", CODE)]).header("Location"), Some("/login"));
    assert_eq!(second.get("/setup/owner").header("Location"), Some("/login"));
}

#[test]
fn of_two_who_know_the_code_only_the_first_becomes_the_owner() {
    let world = World::new();
    let mut racers = [world.browser(), world.browser()];
    for racer in &mut racers {
        racer.get("/code");
        racer.post("/code", &[("code", CODE)]);
        racer.get("/setup/owner");
    }
    let words = ["the first of them all", "the second of them all"];
    let claims = std::thread::scope(|scope| {
        let mut claims = Vec::new();
        for (racer, word) in racers.iter_mut().zip(words) {
            claims.push(scope.spawn(move || {
                let given = [("password", word), ("password2", word)];
                let reply = racer.post("/setup/owner", &given);
                (reply.header("Location").map(str::to_string), reply.status)
            }));
        }
        claims.into_iter().map(|it| it.join().expect("a reply")).collect::<Vec<_>>()
    });
    let won: Vec<bool> = claims.iter().map(|(to, _)| to.as_deref() == Some("/")).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{claims:?}");
    let row = owner::get(&world.house.store.snapshot().expect("a snapshot"));
    let row = row.expect("read").expect("an owner");
    let winner = if won[0] { words[0] } else { words[1] };
    assert!(crate::serve::login::is_password(winner, &row.argon2), "the password of who won");
}

#[test]
fn ten_wrong_codes_and_then_not_even_the_right_one_for_a_while() {
    let world = World::new();
    let mut guesser = world.browser();
    guesser.get("/code");
    for guess in 1..limits::CODE_TRIES {
        let reply = guesser.post("/code", &[("code", "ZZZZ-9999")]);
        let left = limits::CODE_TRIES - guess;
        assert_eq!(reply.status, 422);
        assert!(reply.text().contains(&format!("{left} more tries")), "{}", reply.text());
    }
    assert!(guesser.post("/code", &[("code", "")]).text().contains("Too many"));
    // From another address and with a new session likewise.
    let mut other = world.browser();
    other.remote = ip("192.168.1.99");
    other.get("/code");
    let reply = other.post("/code", &[("code", CODE)]);
    assert!(reply.text().contains("Too many wrong codes"), "{}", reply.text());
    assert_eq!(other.get("/setup/owner").header("Location"), Some("/code"));
}

#[test]
fn wrong_passwords_of_the_owner_cost_a_wait_of_that_address_alone() {
    let world = World::owned();
    let mut guesser = world.browser();
    guesser.get("/login");
    for _ in 0..=limits::LOGIN_FAILURES_BEFORE_DELAY {
        let reply = guesser.post("/login", &[("password", "not the password")]);
        assert_eq!(reply.status, 422);
        assert!(reply.text().contains("Not right"), "{}", reply.text());
    }
    let reply = guesser.post("/login", &[("password", PASSWORD)]);
    assert!(reply.text().contains("Too many wrong tries"), "{}", reply.text());
    let mut owner = world.browser();
    owner.remote = ip("192.168.1.5");
    owner.get("/login");
    assert_eq!(owner.post("/login", &[("password", PASSWORD)]).status, 303);
}

#[test]
fn a_log_in_gives_a_new_session_and_a_log_out_ends_it() {
    let world = World::owned();
    let mut owner = world.browser();
    owner.get("/login");
    let before = owner.clone();
    owner.post("/login", &[("password", PASSWORD)]);
    assert_ne!(owner.cookie, before.cookie, "no session that somebody else may know");
    assert_eq!(before.clone().get("/acts").header("Location"), Some("/login"));
    assert!(owner.get("/acts").text().contains("Logged in"));
    let copy = owner.clone();
    assert_eq!(owner.post("/logout", &[]).header("Location"), Some("/login"));
    assert!(owner.cookie.is_none());
    assert_eq!(copy.clone().get("/acts").header("Location"), Some("/login"), "ended here too");
}

#[test]
fn a_changed_password_ends_the_sessions_of_the_old_one() {
    let world = World::owned();
    let mut owner = world.owner();
    assert_eq!(owner.get("/acts").status, 200);
    let store = &world.house.store;
    let changed = store.write_blocking(|batch| {
        owner::change(batch, &mut |owner| {
            owner.created += 1;
            Ok(())
        })
    });
    changed.expect("written");
    assert_eq!(owner.get("/acts").header("Location"), Some("/login"));
}

#[test]
fn sessions_end_when_they_are_quiet_or_old_and_there_are_not_too_many() {
    let world = World::new();
    let request = world.browser().request(Method::Get, "/", Vec::new());
    let with = |cookie: &str| {
        let mut browser = world.browser();
        browser.cookie = Some(format!("__Host-mailroom={cookie}"));
        browser.request(Method::Get, "/", Vec::new())
    };
    let idle = u64::try_from(limits::WEB_SESSION_IDLE.as_millis()).expect("a time");
    let total = u64::try_from(limits::WEB_SESSION_TOTAL.as_millis()).expect("a time");
    let mut sessions = Sessions::default();
    let owner = Who::Owner { changes: 0 };
    let (quiet, _) = sessions.begin(owner.clone(), &request, 0);
    let (busy, _) = sessions.begin(owner.clone(), &request, 0);
    let mut now = 0;
    while now + idle / 2 < total {
        now += idle / 2;
        assert!(sessions.find(&with(&busy), now).is_some(), "used within the hour, at {now}");
    }
    assert!(sessions.find(&with(&quiet), now).is_none(), "quiet for too long");
    assert!(sessions.find(&with(&busy), total).is_none(), "after so long in any case");
    // A flood of those who are nobody drives out none who logged in.
    let (kept, _) = sessions.begin(owner, &request, total);
    for number in 0..limits::WEB_SESSIONS as u64 * 2 {
        sessions.begin(Who::Visitor, &request, total + number);
    }
    assert!(sessions.find(&with(&kept), total + 5_000).is_some());
    assert!(sessions.list(total + 5_000).len() <= limits::WEB_SESSIONS);
}

#[test]
fn a_form_whose_session_has_ended_is_kept_for_after_the_log_in_but_for_passwords() {
    let world = World::new();
    let mut browser = world.browser();
    browser.get("/code");
    browser.post("/code", &[("code", CODE)]);
    browser.get("/setup/owner");
    world.house.claim(PASSWORD, NOW).expect("an owner");
    // The session of the code has ended with the claim. What is typed now:
    let typed = [("password", "my new secret"), ("name", "Ann \"Bee\" <b>"), ("csrf", "old")];
    let reply = browser.post("/setup/owner", &typed);
    assert_eq!(reply.status, 403);
    let text = reply.text();
    assert!(!text.contains("my new secret"), "{text}");
    assert!(!text.contains("<b>"), "{text}");
}

#[test]
fn the_second_factor_is_asked_for_and_a_code_is_good_once() {
    let world = World::owned();
    let secret = b"12345678901234567890".to_vec();
    let kept = secret.clone();
    let set = world.house.store.write_blocking(move |batch| {
        owner::change(batch, &mut |owner| {
            owner.totp = kept.clone();
            Ok(())
        })
    });
    set.expect("written");
    let step = u64::try_from(NOW).expect("a time") / 30;
    let code = crate::admin::owner::totp(&secret).generate(step * 30);
    // RFC 6238 B: the values for this secret.
    assert_eq!(crate::admin::owner::totp(&secret).generate(59), "287082");
    assert_eq!(crate::admin::owner::totp(&secret).generate(1_111_111_109), "081804");
    let mut owner = world.browser();
    assert!(owner.get("/login").text().contains("Code of your app"));
    for wrong in ["", "000000", &format!("{code}0")] {
        let reply = owner.post("/login", &[("password", PASSWORD), ("code", wrong)]);
        assert_eq!(reply.status, 422, "{wrong:?}");
    }
    let reply = owner.post("/login", &[("password", PASSWORD), ("code", &code)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let mut thief = world.browser();
    thief.remote = ip("192.168.1.66");
    thief.get("/login");
    let reply = thief.post("/login", &[("password", PASSWORD), ("code", &code)]);
    assert_eq!(reply.status, 422, "who looked over the shoulder is too late");
}
