//! Servers that nobody named: found in what a domain tells, and tried before they are saved.

use super::maildrop::Maildrop;
use crate::collect::discover::Finder;
use crate::net::dial::Trust;
use crate::net::resolver::Resolver;
use crate::tests::remote::peers::{A, Dns};
use crate::wire::address::Address;
use crate::wire::autoconfig::{Kind, servers, srv};
use crate::wire::sasl::Secret;
use proptest::prelude::*;
use std::time::Duration;

const SRV: u16 = 33;

fn address() -> Address {
    Address::parse("eve.w@firm.test").expect("an address")
}

fn config(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><clientConfig version=\"1.1\"><emailProvider id=\"firm.test\">\
         {inside}</emailProvider></clientConfig>"
    )
}

fn server(direction: &str, kind: &str, host: &str, port: &str, socket: &str, user: &str) -> String {
    format!(
        "<{direction} type=\"{kind}\"><hostname>{host}</hostname><port>{port}</port>\
         <socketType>{socket}</socketType><username>{user}</username></{direction}>"
    )
}

#[test]
fn what_a_domain_tells_is_read_and_what_has_no_tls_is_not_used() {
    let inside = [
        server("incomingServer", "imap", "imap.%EMAILDOMAIN%", "993", "SSL", "%EMAILADDRESS%"),
        server("incomingServer", "pop3", "pop.firm.test", "110", "STARTTLS", "%EMAILLOCALPART%"),
        server("incomingServer", "imap", "imap.firm.test", "143", "plain", "x"),
        server("outgoingServer", "smtp", "smtp.firm.test", "587", "STARTTLS", ""),
        server("outgoingServer", "smtp", "localhost", "465", "SSL", "x"),
        server("outgoingServer", "smtp", "smtp.firm.test", "0", "SSL", "x"),
        server("incomingServer", "exchange", "ews.firm.test", "443", "SSL", "x"),
    ];
    let found = servers(config(&inside.concat()).as_bytes(), &address()).expect("read");
    let told: Vec<_> =
        found.iter().map(|it| (it.kind, it.host.as_str(), it.port, it.implicit)).collect();
    assert_eq!(
        told,
        [
            (Kind::Imap, "imap.firm.test", 993, true),
            (Kind::Pop3, "pop.firm.test", 110, false),
            (Kind::Smtp, "smtp.firm.test", 587, false),
        ]
    );
    let users: Vec<&str> = found.iter().map(|it| it.user.as_str()).collect();
    assert_eq!(users, ["eve.w@firm.test", "eve.w", "eve.w@firm.test"]);
}

#[test]
fn hostile_files_are_no_use_and_no_harm() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><clientConfig/>";
    assert!(servers(bomb.as_bytes(), &address()).is_err());
    let deep = "<a>".repeat(100_000);
    assert!(servers(deep.as_bytes(), &address()).is_err());
    let good = config(&server("incomingServer", "imap", "imap.firm.test", "993", "SSL", "x"));
    assert!(servers(&good.as_bytes()[..good.len() - 20], &address()).is_err(), "cut off");
    let many = config(&good.repeat(2).replace("<?xml version=\"1.0\"?>", "").repeat(50));
    assert!(servers(many.as_bytes(), &address()).expect("read").len() <= 12);
    let entity = config(&server("incomingServer", "imap", "a&amp;b.test", "993", "SSL", "x"));
    assert_eq!(servers(entity.as_bytes(), &address()), Ok(Vec::new()));
    assert!(servers(b"<html><body>404</body></html>", &address()).expect("read").is_empty());
}

proptest! {
    #[test]
    fn no_file_makes_it_stumble(
        text in "[<>/a-zS!&;%\"= ]{0,200}",
        raw in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = servers(config(&text).as_bytes(), &address());
        let _ = servers(&raw, &address());
        let _ = srv(&text);
    }
}

#[test]
fn srv_records_are_read_as_a_zone_file_has_them() {
    let read = srv("10 5 993 imap.firm.test.");
    assert_eq!(read, Some((10, 5, 993, "imap.firm.test".to_string())));
    for bad in ["0 0 0 .", "0 0 993 .", "1 2 x imap.firm.test.", "1 2 3", "0 0 993 localhost."] {
        assert_eq!(srv(bad), None, "{bad}");
    }
}

fn service(port: u16, host: &str) -> Vec<u8> {
    let mut data = [[0, 1], [0, 1], port.to_be_bytes()].concat();
    for label in host.split('.') {
        data.push(label.len() as u8);
        data.extend(label.bytes());
    }
    data.push(0);
    data
}

#[tokio::test]
async fn a_server_is_found_by_its_srv_record_and_tried() {
    let maildrop = Maildrop::named("pop.firm.test", false).await;
    let here = vec![127, 0, 0, 1];
    let dns = Dns::start(vec![
        ("firm.test", A, here.clone()),
        ("pop.firm.test", A, here),
        ("_pop3s._tcp.firm.test", SRV, service(maildrop.at.port(), "pop.firm.test")),
    ])
    .await;
    let folder = crate::tests::store::Folder::new();
    let pem = folder.path().join("authority.pem");
    std::fs::write(&pem, &maildrop.authority.pem).expect("a file");
    let finder = Finder {
        resolver: Resolver::new(&[dns.at], Duration::from_secs(2)).expect("a resolver"),
        trust: Trust::proven(Some(&pem)).expect("trust"),
        authority: Some(pem),
        // Nobody listens there.
        https_port: 9,
    };
    let right = Secret(b"open sesame".to_vec());
    let found = finder.find(&address(), &right, true).await;
    let source = found.source.expect("a server");
    assert_eq!(
        (source.at.host.as_str(), source.user.as_str()),
        ("pop.firm.test", "eve.w@firm.test")
    );
    assert!(source.from.contains("_pop3s._tcp.firm.test"), "{source:?}");
    let told = found.told.join("\n");
    assert!(told.contains("https://autoconfig.firm.test/mail/config-v1.1.xml"), "{told}");
    assert!(told.ends_with("it lets you in."), "{told}");
    let before = maildrop.with(|inside| inside.heard.len());
    let found = finder.find(&address(), &Secret(b"wrong".to_vec()), true).await;
    assert!(found.source.is_none() && found.refused.is_some(), "{found:?}");
    let tries = maildrop.with(|inside| {
        inside.heard[before..].iter().filter(|line| line.starts_with("PASS")).count()
    });
    assert_eq!(tries, 1, "who is refused is not locked out by more tries");
}
