//! Who may not: guessers however many at once, strangers at every door.

use super::stage::{CODE, PASSWORD, World, ip};
use crate::admin::api;
use crate::admin::http::Method;
use crate::admin::routes::ROUTES;
use crate::limits;

fn path(pattern: &str) -> String {
    pattern.replace("{}", "bob@office.test")
}

#[test]
fn guesses_at_once_are_no_more_than_guesses_one_after_another() {
    let world = World::new();
    let codes = at_once(&world, "/code", |n| [("code", format!("ZZZZ-{:04}", 2222 + n))]);
    let looked_at = codes.iter().filter(|text| text.contains("This is not the code")).count();
    assert_eq!(looked_at, limits::CODE_TRIES as usize - 1, "and the last of ten closes it");
    let mut owner = world.browser();
    owner.get("/code");
    assert!(owner.post("/code", &[("code", CODE)]).text().contains("Too many wrong codes"));

    let world = World::owned();
    let tries = at_once(&world, "/login", |n| [("password", format!("guess number {n}"))]);
    let looked_at = tries.iter().filter(|text| text.contains("Not right")).count();
    let most = limits::LOGIN_FAILURES_BEFORE_DELAY as usize + 1;
    assert!((1..=most).contains(&looked_at), "{looked_at} of {}", tries.len());
    assert!(tries.iter().any(|text| text.contains("Too many wrong tries")));
    let mut owner = world.browser();
    owner.remote = ip("192.168.1.5");
    owner.get("/login");
    assert_eq!(owner.post("/login", &[("password", PASSWORD)]).status, 303, "elsewhere it is open");
}

/// What eight browsers of one address are told, five times each.
fn at_once(
    world: &World,
    form: &str,
    fields: impl Fn(usize) -> [(&'static str, String); 1] + Sync,
) -> Vec<String> {
    std::thread::scope(|scope| {
        let guess = |number: usize| {
            let mut browser = world.browser();
            browser.get(form);
            let one = |turn: usize| {
                let [(name, value)] = fields(number * 5 + turn);
                browser.post(form, &[(name, &value)]).text()
            };
            (0..5).map(one).collect::<Vec<String>>()
        };
        let guessers: Vec<_> = (0..8).map(|number| scope.spawn(move || guess(number))).collect();
        guessers.into_iter().flat_map(|it| it.join().expect("a guesser")).collect()
    })
}

#[test]
fn strangers_find_nothing_behind_any_public_name() {
    let world = World::office();
    let owner = world.owner();
    let pages = ROUTES.iter().map(|route| (route.method, path(route.path)));
    let calls = api::ROUTES.iter().map(|route| (route.method, path(route.path)));
    let four = ["/.well-known/acme-challenge/x", "/mail/config-v1.1.xml"];
    let others = four.map(|path| (Method::Post, path.to_string()));
    let all: Vec<(Method, String)> = pages.chain(calls).chain(others).collect();
    for name in ["mail", "mta-sts", "autoconfig", "autodiscover"] {
        for (method, target) in &all {
            for secure in [true, false] {
                // Even with a session of the owner's.
                let mut stranger = owner.clone();
                (stranger.remote, stranger.secure) = (ip("203.0.113.9"), secure);
                stranger.host = format!("{name}.office.test");
                let reply = match method {
                    Method::Get => stranger.get(target),
                    _ => stranger.post(target, &[]),
                };
                let told = (reply.status, reply.text());
                assert_eq!(told, (404, "not found\n".to_string()), "{name}: {target}");
                assert_eq!(reply.header("Set-Cookie"), None);
            }
        }
    }
}
