//! What strangers get through the pages' doors, and how people's devices are set up.

use super::stage::{World, ip};
use crate::act::people::{AccountAct, DomainAct, Password};
use crate::act::{self, Request as Act};
use crate::admin::http::Method;

const PROFILE: &str = "application/x-apple-aspen-config";

/// A world with a domain and Ann.
fn office() -> World {
    let world = World::owned();
    let add = DomainAct::Add { domain: "office.test".to_string() };
    let password = Password { text: "ann writes a long secret".to_string(), made_up: false };
    let (address, name) = ("ann@office.test".to_string(), "Ann <A> & Co".to_string());
    let ann = AccountAct::Add { address, name, quota: 0, password };
    for request in [Act::Domain(add), Act::Account(ann)] {
        act::act(&world.house.store, request, 0, &mut |_| ()).expect("done");
    }
    world
}

#[test]
fn a_stranger_gets_the_four_things_by_their_names_and_nothing_else() {
    let world = office();
    world.house.tls.challenges().show_page("token", "token.thumb");
    let get = |secure: bool, host: &str, path: &str| {
        let mut stranger = world.browser();
        (stranger.remote, stranger.secure) = (ip("203.0.113.9"), secure);
        stranger.host = host.to_string();
        stranger.get(path)
    };
    let proof = get(false, "mail.office.test", "/.well-known/acme-challenge/token");
    assert_eq!((proof.status, proof.text().as_str()), (200, "token.thumb"));
    let policy = get(true, "mta-sts.office.test", "/.well-known/mta-sts.txt");
    assert!(policy.text().contains("mx: mail.office.test\r\n"), "{}", policy.text());
    assert_eq!(policy.header("X-Content-Type-Options"), Some("nosniff"));
    let config = get(true, "autoconfig.office.test", "/mail/config-v1.1.xml?emailaddress=x@y.z");
    assert!(config.text().contains("<port>2993</port>"), "{}", config.text());
    let discover = get(false, "autodiscover.office.test", "/autodiscover/autodiscover.xml");
    assert_eq!(discover.status, 302);
    for (host, path) in [
        ("mail.office.test", "/"),
        ("mail.office.test", "/login"),
        ("mail.office.test", "/my/clients"),
        ("mail.office.test", "/style.css"),
        ("autoconfig.office.test", "/people/ann@office.test/apple"),
        ("autoconfig.other.test", "/mail/config-v1.1.xml"),
        ("192.168.1.20", "/.well-known/acme-challenge/token"),
        ("mail.office.test", "/.well-known/acme-challenge/other"),
    ] {
        for secure in [false, true] {
            let reply = get(secure, host, path);
            assert_eq!(reply.status, 404, "{host}{path}: {}", reply.text());
            assert_eq!(reply.text(), "not found\n", "{host}{path}");
        }
    }
}

#[test]
fn outlook_is_answered_by_post_without_a_session() {
    let world = office();
    let mut outlook = world.browser();
    (outlook.remote, outlook.site) = (ip("203.0.113.9"), None);
    outlook.host = "autodiscover.office.test".to_string();
    let schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
    let body = format!(
        "<Autodiscover><Request><EMailAddress>nobody@office.test</EMailAddress>\
         <AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    );
    let path = "/Autodiscover/Autodiscover.xml";
    let request = outlook.request(Method::Post, path, body.into_bytes());
    let reply = outlook.send(&request);
    assert!(reply.text().contains("<LoginName>nobody@office.test</LoginName>"), "{}", reply.text());
    assert_eq!(reply.header("Set-Cookie"), None);
}

#[test]
fn the_owner_sets_up_anybodys_devices() {
    let world = office();
    let mut owner = world.owner();
    let page = owner.get("/people/ann@office.test/clients").text();
    for wanted in [
        "ann@office.test",
        "mail.office.test",
        "2993",
        "The Bat!",
        "Secure to dedicated port (TLS)",
        "href=\"/people/ann@office.test/apple\"",
        "<svg ",
        "https://mail.office.test:2443/my/clients",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    assert!(!page.contains("<A>"), "names are words, not elements");
    let profile = owner.get("/people/ann@office.test/apple");
    assert_eq!((profile.status, profile.kind), (200, PROFILE));
    let named = profile.header("Content-Disposition").unwrap_or_default();
    assert!(named.contains("ann-office.test.mobileconfig"), "{named}");
    assert!(profile.text().contains("com.apple.security.root"), "with the box's own authority");
    assert_eq!(owner.get("/people/nobody@office.test/clients").status, 404);
    assert_eq!(owner.get("/people/nobody@office.test/apple").status, 404);
    assert_eq!(owner.get("/my/apple").status, 303, "the owner is nobody's mailbox");
}
