//! What stands before every page.

use super::stage::{PASSWORD, World, ip};
use crate::admin::http::Method;
use crate::admin::routes::{May, ROUTES};

/// A path that fits the pattern.
fn path(pattern: &str) -> String {
    pattern.replace("{}", "1")
}

#[test]
fn without_a_session_no_page_that_wants_one_is_shown_and_no_act_is_done() {
    for world in [World::new(), World::owned()] {
        for route in ROUTES.iter().filter(|route| route.may != May::Anybody) {
            let mut nobody = world.browser();
            let reply = match route.method {
                Method::Get => nobody.get(&path(route.path)),
                _ => nobody.post(&path(route.path), &[]),
            };
            let sent_away = [303, 403].contains(&reply.status);
            assert!(sent_away, "{} {}: {}", route.path, reply.status, reply.text());
            if let Some(to) = reply.header("Location") {
                assert!(
                    ["/", "/code", "/login", "/my/login"].contains(&to),
                    "{}: {to}",
                    route.path
                );
            }
        }
    }
}

#[test]
fn every_form_wants_the_token_of_its_session() {
    let world = World::owned();
    let (first, other) = (world.owner(), world.owner());
    for route in ROUTES.iter().filter(|route| route.method == Method::Post) {
        for token in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let mut owner = first.clone();
            owner.csrf = token.to_string();
            let cookie = owner.cookie.clone();
            let reply = owner.post(&path(route.path), &[]);
            assert!([303, 403].contains(&reply.status), "{}: {}", route.path, reply.status);
            let stays = owner.cookie == cookie;
            assert!(stays, "{}: the session is as it was", route.path);
        }
        // The token of another session of the same owner.
        let mut one = first.clone();
        one.csrf = other.csrf.clone();
        let reply = one.post(&path(route.path), &[]);
        assert!([303, 403].contains(&reply.status), "{}: {}", route.path, reply.status);
    }
    assert!(!world.owner().get("/acts").text().contains("person"), "nothing was done");
}

#[test]
fn a_form_of_another_site_is_refused_whatever_token_it_has() {
    let world = World::owned();
    let mut owner = world.owner();
    for site in ["cross-site", "same-site", "none"] {
        owner.site = Some(site);
        let reply = owner.post("/logout", &[]);
        assert_eq!(reply.status, 403, "{site}");
    }
    owner.site = Some("same-origin");
    assert_eq!(owner.get("/acts").status, 200, "still logged in");
}

#[test]
fn strangers_are_told_nothing() {
    let world = World::owned();
    let owner = world.owner();
    for remote in ["203.0.113.9", "192.168.2.7", "192.168.1.1", "2001:db8::9"] {
        for secure in [true, false] {
            let mut stranger = owner.clone();
            (stranger.remote, stranger.secure) = (ip(remote), secure);
            for target in ["/", "/login", "/acts", "/style.css", "/nothing"] {
                let reply = stranger.get(target);
                assert_eq!((reply.status, reply.text().as_str()), (404, "not found\n"), "{remote}");
            }
        }
    }
    // Near by the interface's own network, by link-local address, and on the machine itself.
    for remote in ["192.168.1.2", "fe80::1", "169.254.3.4", "127.0.0.1", "::1"] {
        let mut near = owner.clone();
        near.remote = ip(remote);
        assert_eq!(near.get("/login").status, 200, "{remote}");
    }
}

#[test]
fn a_foreign_name_that_leads_here_is_refused() {
    let world = World::owned();
    let mut owner = world.owner();
    let foreign = [
        "evil.example",
        "evil.example:2443",
        "192.168.1.21",
        "127.0.0.1",
        "",
        "[::1",
        "a:b",
        "a b",
    ];
    for host in foreign {
        owner.host = host.to_string();
        for target in ["/", "/acts", "/login"] {
            assert_eq!(owner.get(target).status, 421, "{host:?} {target}");
        }
    }
    for host in ["mail.office.test", "MAIL.office.test.:2443", "192.168.1.20", "192.168.1.20:1"] {
        owner.host = host.to_string();
        assert_eq!(owner.get("/acts").status, 200, "{host:?}");
    }
}

#[test]
fn in_clear_there_is_one_page_without_inputs() {
    let world = World::owned();
    let mut browser = world.owner();
    (browser.secure, browser.host) = (false, "192.168.1.20:2080".to_string());
    for target in ["/", "/acts", "/login", "/code"] {
        let reply = browser.get(target);
        let text = reply.text();
        assert_eq!(reply.status, 200);
        assert!(text.contains("https://192.168.1.20:2443/"), "{text}");
        for word in ["<input", "<form", "<textarea"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        assert!(reply.header("Strict-Transport-Security").is_none());
    }
    assert!(browser.get("/style.css").kind.starts_with("text/css"), "it looks like the others");
    let six = crate::admin::fingerprint::of(&world.house.data.join("tls")).expect("a key");
    assert_eq!(six.len(), 6);
    let text = browser.get("/").text();
    assert!(six.iter().all(|word| text.contains(&format!("<li>{word}</li>"))), "{text}");
    // What runs on somebody's computer has no screen and no card of its own.
    assert!(text.contains("in the terminal") && !text.contains("SETUP-CODE.txt"), "{text}");
    let text = super::network::boxed().world.in_clear();
    assert!(text.contains("SETUP-CODE.txt") && !text.contains("in the terminal"), "{text}");
    let reply = browser.post("/login", &[("password", PASSWORD)]);
    assert!(reply.header("Set-Cookie").is_none(), "nobody logs in in clear");
}

#[test]
fn every_reply_tells_the_browser_what_it_may_not_do() {
    let world = World::owned();
    let mut owner = world.owner();
    for target in ["/acts", "/login", "/nothing", "/style.css", "/"] {
        let reply = owner.get(target);
        let policy = reply.header("Content-Security-Policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(reply.header("Referrer-Policy"), Some("no-referrer"));
        assert!(reply.header("Cache-Control").is_some());
        // Of our own authority: a browser that insisted on TLS for ever could be locked out.
        assert!(reply.header("Strict-Transport-Security").is_none());
        assert!(!reply.text().contains(" style="), "the policy forbids it: {target}");
    }
    assert_eq!(owner.get("/acts").header("Cache-Control"), Some("no-store"));
    let login = world.browser().get("/login");
    let cookie = login.header("Set-Cookie").expect("a session").to_string();
    for part in ["__Host-mailroom=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
}

#[test]
fn what_is_not_there_or_no_form_at_all_is_said_so() {
    let world = World::owned();
    let mut owner = world.owner();
    assert_eq!(owner.get("/nothing").status, 404);
    assert_eq!(owner.get("/login/").status, 404);
    let reply = owner.post("/acts", &[]);
    assert_eq!((reply.status, reply.header("Allow")), (405, Some("GET")));
    let mut request = owner.request(Method::Post, "/login", b"csrf=%ff%fe".to_vec());
    assert_eq!(owner.send(&request).status, 400, "not UTF-8");
    request.body = "a=b&".repeat(crate::limits::FORM_FIELDS + 1).into_bytes();
    assert_eq!(owner.send(&request).status, 400, "too many fields");
}
