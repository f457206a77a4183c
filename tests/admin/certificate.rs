//! The certificate as the setup has it: chosen, followed, given up again.

use super::stage::{NOW, World};
use crate::limits;
use crate::net::acme::files::Files;
use crate::net::acme::plan::{Asked, ByHand, Record};
use crate::net::authority::Names;
use crate::net::tls::Tls;
use crate::settings::{self, Method, Settings};
use crate::units::certificate::back_to_own;

/// An owned server whose settings are in its folder.
fn office() -> World {
    let world = World::owned();
    let path = world.house.data.join("mailroom.toml");
    let text = settings::print(&world.house.settings());
    settings::replace_file(&path, text.as_bytes()).expect("written");
    world
}

fn written(world: &World) -> Settings {
    settings::load(&world.house.data.join("mailroom.toml")).expect("settings")
}

const UPDATE: [(&str, &str); 6] = [
    ("method", "dns-01"),
    ("server", "192.0.2.53"),
    ("key", "mailroom."),
    ("password-tsig", "MDEyMzQ1Njc4OWFiY2RlZg=="),
    ("algorithm", "hmac-sha512"),
    ("zone", "Acme.Office.test"),
];

#[test]
fn an_authority_is_asked_at_once_and_what_came_of_it_is_told_live() {
    let world = office();
    let files = Files::of(&world.house.data);
    let mut owner = world.owner();
    // Before, no clock would be believed.
    owner.now = limits::CLOCK_FLOOR + 3600;
    let text = owner.get("/setup/certificate").text();
    assert!(text.contains("Made by this server itself") && !text.contains("data-live"), "{text}");
    let reply = owner.post("/setup/certificate", &[("method", "http-01")]);
    assert_eq!(reply.header("Location"), Some("/setup/certificate"), "it is seen there");
    assert_eq!(written(&world).certificate.method, Method::Http01);
    assert_eq!(files.asked(), Some(Asked::Issue));
    world.house.settle(&written(&world));
    let text = owner.get("/setup/certificate").text();
    assert!(text.contains("data-live=\"/setup/certificate\""), "{text}");
    // What the unit leaves behind when the authority does not reach us.
    files.answered();
    let failed = Record {
        tries: 1,
        at: NOW,
        failures: 1,
        failing_since: NOW,
        outcome: "<b>port 80</b> is shut".to_string(),
        ..Record::default()
    };
    files.remember(&failed).expect("kept");
    let text = owner.get("/setup/certificate").text();
    assert!(text.contains("&#60;b&#62;port 80"), "its words, and no markup of them: {text}");
    assert!(text.contains("forward port 80 to it") && !text.contains("data-live"), "{text}");
    assert_eq!(owner.post("/setup/certificate/again", &[]).status, 303);
    assert_eq!(files.asked(), Some(Asked::Issue), "once more");
    files.answered();
    let records =
        vec![("_acme-challenge.mail.office.test".to_string(), "to-be-copied".to_string())];
    let by_hand = Some(ByHand { order: String::new(), since: NOW, names: Vec::new(), records });
    files.remember(&Record { by_hand, ..Record::default() }).expect("kept");
    let text = owner.get("/setup/certificate").text();
    assert!(text.contains("data-copy=\"to-be-copied\""), "{text}");
    assert!(text.contains("every two months"), "the last resort, marked as such: {text}");
    assert!(owner.get("/acts").text().contains("Changed how the certificate is got: http-01"));
}

#[test]
fn a_key_for_updates_is_checked_kept_and_its_secret_never_shown() {
    let world = office();
    let mut owner = world.owner();
    owner.get("/setup/certificate");
    for (field, value, why) in [
        ("method", "pigeon", "Choose one of these"),
        ("server", "", "This is empty"),
        ("server", "ns.office.test", "no address such as 192.0.2.53"),
        ("key", "two words", "no name of a key"),
        ("zone", "<script>", "no zone such as"),
        ("password-tsig", "c2hvcnQ=", "no secret as name servers print it"),
        ("password-tsig", "", "no secret as name servers print it"),
    ] {
        let mut fields = UPDATE;
        let at = fields.iter().position(|(name, _)| *name == field).expect("a field");
        fields[at] = (field, value);
        let reply = owner.post("/setup/certificate", &fields);
        assert_eq!(reply.status, 422, "{field} {value}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains("MDEyMz") && !reply.text().contains("<script>"));
    }
    for (field, value) in [("contact", "nobody"), ("directory", "http://ca.test/")] {
        let reply = owner.post("/setup/certificate", &[("method", "http-01"), (field, value)]);
        assert_eq!(reply.status, 422, "{field} {value}");
    }
    assert_eq!(written(&world).certificate.method, Method::Own, "nothing was changed");
    let reply = owner.post("/setup/certificate", &UPDATE);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let Method::Dns01(update) = written(&world).certificate.method else { panic!("not kept") };
    assert_eq!(update.secret, b"0123456789abcdef");
    assert_eq!(update.zone.as_deref(), Some("acme.office.test"));
    world.house.settle(&written(&world));
    let text = owner.get("/setup/certificate").text();
    assert!(text.contains("value=\"mailroom\"") && !text.contains("MDEyMz"), "{text}");
    // Left empty, the secret stays; with another key it has to be typed.
    let mut fields = UPDATE;
    (fields[1], fields[3]) = (("server", "192.0.2.54"), ("password-tsig", ""));
    assert_eq!(owner.post("/setup/certificate", &fields).status, 303);
    let Method::Dns01(update) = written(&world).certificate.method else { panic!("not kept") };
    assert_eq!(update.server, ([192, 0, 2, 54], 53).into());
    assert_eq!(update.secret, b"0123456789abcdef");
    fields[2] = ("key", "another");
    assert_eq!(owner.post("/setup/certificate", &fields).status, 422);
}

#[test]
fn the_boxes_own_authority_can_be_taken_along() {
    let world = office();
    let mut owner = world.owner();
    let reply = owner.get("/setup/certificate/ca");
    assert_eq!(reply.kind, "application/x-x509-ca-cert");
    let own = crate::net::tls::own_authority(&world.house.data.join("tls")).expect("one");
    assert_eq!(reply.body, own);
    let mut nobody = world.browser();
    assert_eq!(nobody.get("/setup/certificate/ca").status, 303);
}

/// A certificate for the same key by somebody else, as an authority gives it.
fn foreign(world: &World) {
    let folder = world.house.data.join("tls");
    let key = std::fs::read_to_string(folder.join("host.key")).expect("a key");
    let key = rcgen::KeyPair::from_pem(&key).expect("a key");
    let params = rcgen::CertificateParams::new(vec!["mail.office.test".to_string()]);
    let pem = params.expect("names").self_signed(&key).expect("signed").pem();
    settings::replace_file(&folder.join("host.pem"), pem.as_bytes()).expect("written");
    world.house.tls.refresh(NOW);
    assert!(!world.house.tls.is_ours(), "of somebody else");
}

#[test]
fn whoever_goes_back_to_the_own_certificate_gets_it_at_once() {
    let world = office();
    let (tls, files) = (&world.house.tls, Files::of(&world.house.data));
    // One that the owner put there is none of an authority that we asked: it stays.
    foreign(&world);
    back_to_own(&files, tls, NOW).expect("done");
    assert!(!tls.is_ours());
    let given = Record { directory: "https://ca.test/".to_string(), tries: 3, ..Record::default() };
    files.remember(&given).expect("kept");
    files.ask(Asked::Issue).expect("asked");
    back_to_own(&files, tls, NOW).expect("done");
    assert!(tls.is_ours(), "in use without a restart");
    let names = Names { host: "mail.office.test".to_string(), others: Vec::new() };
    let again = Tls::open(&world.house.data.join("tls"), names, NOW).expect("opened");
    assert!(again.is_ours(), "and after one");
    assert_eq!(files.record().expect("read").directory, "");
    assert_eq!(files.record().expect("read").tries, 3, "whoever waits sees that time goes on");
    assert_eq!(files.asked(), None);
    foreign(&world);
    back_to_own(&files, tls, NOW).expect("done");
    assert!(!tls.is_ours(), "one put there later stays again");
}
