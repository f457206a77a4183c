//! What strangers get by HTTP: four things and nothing else, and the same whoever is here.

use crate::public::{Answer, Asked, Known, answer, may_be};
use crate::settings::{Ports, Settings};
use crate::wire::sts;

const HOST: &str = "mail.office.test";
const OUTLOOK: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/";

fn settings() -> Settings {
    Settings::first(HOST, Ports::WELL_KNOWN)
}

fn domains() -> Vec<String> {
    ["office.test", "shop.test"].map(String::from).to_vec()
}

/// `target` as a browser writes it, decoded already.
fn ask(secure: bool, post: bool, host: &str, target: &str, body: &str) -> Answer {
    let (settings, domains) = (settings(), domains());
    let challenge = |token: &str| (token == "tok-1").then(|| "tok-1.thumb".to_string());
    let known = Known { settings: &settings, domains: &domains, challenge: &challenge };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query: Vec<_> = pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let (query, body) = (query.as_slice(), body.as_bytes());
    answer(&Asked { secure, post, host, path, query, body, now: 86_399 }, &known)
}

fn get(secure: bool, host: &str, target: &str) -> Answer {
    ask(secure, false, host, target, "")
}

fn is_nothing(answer: &Answer) -> bool {
    let Answer { status, kind, location, body } = answer;
    *status == 404 && kind.is_empty() && location.is_none() && body.is_empty()
}

#[test]
fn a_challenge_is_shown_in_clear_by_its_token_alone() {
    let path = "/.well-known/acme-challenge/";
    for host in [HOST, "MAIL.office.test:80", "autoconfig.office.test", "mta-sts.shop.test."] {
        let shown = get(false, host, &format!("{path}tok-1"));
        assert_eq!((shown.status, shown.body.as_str()), (200, "tok-1.thumb"), "{host}");
    }
    assert!(is_nothing(&get(false, HOST, &format!("{path}tok-2"))));
    assert!(is_nothing(&get(false, HOST, path)));
    assert!(is_nothing(&get(true, HOST, &format!("{path}tok-1"))), "only on port 80");
    assert!(is_nothing(&get(false, "192.0.2.1", &format!("{path}tok-1"))));
    assert!(is_nothing(&ask(false, true, HOST, &format!("{path}tok-1"), "")));
}

#[test]
fn the_policy_is_read_back_by_our_own_reader() {
    let page = get(true, "mta-sts.office.test", "/.well-known/mta-sts.txt");
    assert_eq!((page.status, page.kind), (200, "text/plain"));
    let policy = sts::Policy::parse(page.body.as_bytes()).expect("a policy");
    assert_eq!((policy.mode, policy.mx), (sts::Mode::Testing, vec![HOST.to_string()]));
    // RFC 8461 3.3: by HTTPS, and under this name
    assert!(is_nothing(&get(false, "mta-sts.office.test", "/.well-known/mta-sts.txt")));
    assert!(is_nothing(&get(true, HOST, "/.well-known/mta-sts.txt")));
    assert!(is_nothing(&get(true, "mta-sts.other.test", "/.well-known/mta-sts.txt")));
}

#[test]
fn autoconfig_says_the_same_with_an_address_and_without() {
    let plain = get(true, "autoconfig.office.test", "/mail/config-v1.1.xml");
    assert_eq!((plain.status, plain.kind), (200, "text/xml; charset=utf-8"));
    for wanted in [
        "<emailProvider id=\"office.test\">",
        "<hostname>mail.office.test</hostname>",
        "<port>993</port>",
        "<port>465</port>",
        "<username>%EMAILADDRESS%</username>",
    ] {
        assert!(plain.body.contains(wanted), "{wanted}: {}", plain.body);
    }
    let tls = plain.body.find("<port>993</port>").expect("imaps");
    assert!(tls < plain.body.find("<port>143</port>").expect("imap"), "the best is the first");
    for (host, target) in [
        ("autoconfig.office.test", "/mail/config-v1.1.xml?emailaddress=alice@office.test"),
        ("autoconfig.office.test", "/mail/config-v1.1.xml?emailaddress=nobody@office.test"),
        ("autoconfig.office.test", "/mail/config-v1.1.xml?emailaddress=<script>"),
        ("office.test", "/.well-known/autoconfig/mail/config-v1.1.xml"),
        (HOST, "/mail/config-v1.1.xml?emailaddress=nobody@office.test"),
    ] {
        assert_eq!(get(true, host, target), plain, "{host}{target}");
        assert_eq!(get(false, host, target), plain, "in clear {host}{target}");
    }
    assert!(is_nothing(&get(true, HOST, "/mail/config-v1.1.xml")), "which of two domains?");
    assert!(is_nothing(&get(true, HOST, "/mail/config-v1.1.xml?emailaddress=a@other.test")));
    assert!(is_nothing(&get(true, "mta-sts.office.test", "/mail/config-v1.1.xml")));
}

fn request(address: &str, schema: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover \
         xmlns=\"{OUTLOOK}requestschema/2006\"><Request><EMailAddress>{address}</EMailAddress>\
         <AcceptableResponseSchema>{OUTLOOK}{schema}</AcceptableResponseSchema></Request>\
         </Autodiscover>"
    )
}

fn discover(path: &str, body: &str) -> Answer {
    ask(true, true, "autodiscover.office.test", path, body)
}

#[test]
fn outlook_gets_its_settings_whoever_asks() {
    let body = request("alice@office.test", "responseschema/2006a");
    let answer = discover("/autodiscover/autodiscover.xml", &body);
    assert_eq!((answer.status, answer.kind), (200, "text/xml; charset=utf-8"));
    for wanted in [
        "<Type>IMAP</Type>",
        "<Server>mail.office.test</Server>",
        "<Port>993</Port>",
        "<LoginName>alice@office.test</LoginName>",
        "<SSL>on</SSL>",
        "<Type>SMTP</Type>",
        "<Port>465</Port>",
    ] {
        assert!(answer.body.contains(wanted), "{wanted}: {}", answer.body);
    }
    assert_eq!(discover("/Autodiscover/Autodiscover.xml", &body), answer);
    // Nobody learns from it who is here.
    let other = discover("/AUTODISCOVER/autodiscover.xml", &body.replace("alice", "nobody"));
    assert_eq!(other.body, answer.body.replace("alice", "nobody"));
    let odd = discover("/autodiscover/autodiscover.xml", &body.replace("alice", "a&amp;b"));
    assert!(odd.body.contains("<LoginName>a&amp;b@office.test</LoginName>"), "{}", odd.body);
}

#[test]
fn what_is_no_request_of_outlook_is_told_so() {
    let long = "a".repeat(400);
    for body in [
        String::new(),
        "no xml".to_string(),
        request("alice@other.test", "responseschema/2006a"),
        request("alice", "responseschema/2006a"),
        request(&format!("{long}@office.test"), "responseschema/2006a"),
        request("alice@office.test", "mobilesync/responseschema/2006"),
        format!(
            "<!DOCTYPE a [<!ENTITY b \"c\">]>{}",
            request("&b;@office.test", "responseschema/2006a")
        ),
        "<a>".repeat(2_000),
    ] {
        let answer = discover("/autodiscover/autodiscover.xml", &body);
        assert!(answer.body.contains("<ErrorCode>600</ErrorCode>"), "{body}: {answer:?}");
        assert!(answer.body.contains("Time=\"23:59:59\""), "{answer:?}");
    }
    let there = "https://autodiscover.office.test/autodiscover/autodiscover.xml";
    let led = get(false, "autodiscover.office.test", "/autodiscover/autodiscover.xml");
    assert_eq!((led.status, led.location.as_deref()), (302, Some(there)));
    let json = "/autodiscover/autodiscover.json?Email=a@office.test&Protocol=Autodiscoverv1";
    let led = get(true, "autodiscover.office.test", json);
    let led: serde_json::Value = serde_json::from_str(&led.body).expect("JSON");
    assert_eq!(led["Url"], there);
    for (secure, post, host, target) in [
        (false, true, "autodiscover.office.test", "/autodiscover/autodiscover.xml"),
        (true, false, "autodiscover.office.test", "/autodiscover/autodiscover.xml"),
        (true, true, "mta-sts.office.test", "/autodiscover/autodiscover.xml"),
        (true, false, "autodiscover.office.test", "/autodiscover/autodiscover.json"),
        (true, true, "autodiscover.office.test", "/autodiscover/autodiscover.json"),
    ] {
        let body = request("alice@office.test", "responseschema/2006a");
        let answer = ask(secure, post, host, target, &body);
        assert!(is_nothing(&answer), "{secure} {post} {host}{target}: {answer:?}");
    }
}

#[test]
fn strangers_get_nothing_else() {
    let hosts = [
        HOST,
        "office.test",
        "autoconfig.office.test",
        "autodiscover.office.test",
        "mta-sts.office.test",
        "other.test",
        "autoconfig.other.test",
        "127.0.0.1",
        "[::1]:443",
        "",
        "office.test.evil.test",
    ];
    let targets = [
        "/",
        "",
        "*",
        "/index.html",
        "/api/v1/people",
        "/metrics",
        "/setup",
        "/log-in",
        "/.well-known/",
        "/.well-known/acme-challenge/../mta-sts.txt",
        "//mail/config-v1.1.xml",
        "/mail/config-v1.1.xml/",
        "/autodiscover/",
        "/autodiscover/autodiscover.xmlx",
        "/../etc/passwd",
        "/%2e%2e/mailroom.toml",
        "/.well-known/security.txt",
    ];
    for post in [false, true] {
        for host in hosts {
            for target in targets {
                for secure in [false, true] {
                    let answer = ask(secure, post, host, target, "x=1");
                    assert!(is_nothing(&answer), "{post} {host} {target}: {answer:?}");
                }
            }
        }
    }
}

#[test]
fn of_other_paths_it_is_known_at_once_that_there_is_nothing() {
    for path in
        ["/mail/config-v1.1.xml", "/.well-known/mta-sts.txt", "/AutoDiscover/autodiscover.xml"]
    {
        assert!(may_be(path), "{path}");
    }
    for path in ["/", "/login", "/people/1/clients", "/.well-know", "/éé", ""] {
        assert!(!may_be(path), "{path}");
    }
}
