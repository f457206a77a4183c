//! What mail programs are told of the box, as each reads it.

use crate::clients::apple::{self, Person};
use crate::clients::typed::{self, Value};
use crate::clients::{Door, Offer, Security, qr, xml};
use crate::settings::{Ports, Settings};

fn offer() -> Offer {
    Offer::of(&Settings::first("mail.office.test", Ports::WELL_KNOWN))
}

/// The words between the tags of a text of XML, which must be well-formed.
fn words(text: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut words, mut depth, mut whole) = (Vec::new(), 0, String::new());
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Eof => break,
            Event::Start(_) => {
                depth += 1;
                whole.clear();
            }
            Event::Text(piece) => whole.push_str(&piece.decode().expect("text")),
            Event::GeneralRef(name) => {
                let name = name.decode().expect("text");
                let known = quick_xml::escape::resolve_predefined_entity(&name);
                whole.push_str(known.expect("a known entity"));
            }
            Event::End(_) => {
                depth -= 1;
                words.push(std::mem::take(&mut whole).trim().to_string());
            }
            _ => {}
        }
    }
    assert_eq!(depth, 0, "every element ends");
    words
}

#[test]
fn a_port_that_is_closed_is_not_offered() {
    let tls = |port| Door { port, security: Security::Tls };
    let starttls = |port| Door { port, security: Security::StartTls };
    assert_eq!(offer().imap, [tls(993), starttls(143)]);
    let ports = Ports { imaps: 0, pop3: 0, pop3s: 0, ..Ports::WELL_KNOWN };
    let few = Offer::of(&Settings::first("mail.office.test", ports));
    assert_eq!((few.imap.as_slice(), few.pop3.is_empty()), (&[starttls(143)][..], true));
    let ports = Ports { imaps: 0, imap: 0, ..Ports::WELL_KNOWN };
    let none = Offer::of(&Settings::first("mail.office.test", ports));
    let person = Person { address: "a@office.test", name: "A" };
    assert_eq!(apple::profile(&none, person, None), None);
    assert!(typed::programs(&none, "A", "a@office.test").is_empty());
}

#[test]
fn a_profile_for_apple_holds_the_account_and_the_authority_and_no_password() {
    let person = Person { address: "o'neil&sons@office.test", name: "<Ann> & Co" };
    let text = apple::profile(&offer(), person, Some(b"\x30\x82der")).expect("a profile");
    let words = words(&text);
    let after = |key: &str| {
        let at = words.iter().position(|word| word == key).unwrap_or_else(|| panic!("no {key}"));
        words[at + 1].clone()
    };
    assert_eq!(after("EmailAddress"), "o'neil&sons@office.test");
    assert_eq!(after("EmailAccountName"), "<Ann> & Co");
    assert_eq!(after("IncomingMailServerHostName"), "mail.office.test");
    assert_eq!(after("IncomingMailServerPortNumber"), "993");
    assert_eq!(after("OutgoingMailServerPortNumber"), "465");
    assert_eq!(after("PayloadType"), "com.apple.mail.managed");
    assert!(text.contains("<key>IncomingMailServerUseSSL</key><true/>"), "{text}");
    assert!(words.contains(&"com.apple.security.root".to_string()));
    assert!(words.contains(&"MIJkZXI=".to_string()), "the authority in base64");
    assert!(!words.iter().any(|word| word == "IncomingPassword"), "the device asks for it");
    // Installed again it replaces itself; another person's is another.
    assert_eq!(apple::profile(&offer(), person, Some(b"\x30\x82der")), Some(text.clone()));
    let uuid = after("PayloadUUID");
    assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'8', "{uuid}");
    let other = Person { address: "bob@office.test", name: "" };
    let other = apple::profile(&offer(), other, None).expect("a profile");
    assert!(!other.contains(&uuid) && !other.contains("com.apple.security.root"), "{other}");
    assert!(other.contains("<key>EmailAccountName</key><string>bob@office.test</string>"));
}

#[test]
fn each_program_is_told_every_field_it_asks_for() {
    let programs = typed::programs(&offer(), "Ann", "ann@office.test");
    let names: Vec<_> = programs.iter().map(|program| program.name).collect();
    assert_eq!(names, ["Thunderbird", "Outlook", "The Bat!", "Mailbird", "Touch Mail"]);
    for program in &programs {
        let texts: Vec<_> = program.fields.iter().map(|field| &field.value).collect();
        let said = |text: &str| texts.iter().filter(|v| ***v == Value::Text(text.into())).count();
        assert_eq!(said("mail.office.test"), 2, "{}: both servers", program.name);
        assert_eq!((said("993"), said("465")), (1, 1), "{}: both ports", program.name);
        assert!(said("ann@office.test") >= 1, "{}: who", program.name);
        assert!(texts.contains(&&Value::Password), "{}: the password", program.name);
    }
    let bat = &programs[2];
    let dedicated = Value::Choice("Secure to dedicated port (TLS)");
    assert_eq!(bat.fields.iter().filter(|field| field.value == dedicated).count(), 2);
    let ports = Ports { imaps: 0, submissions: 0, ..Ports::WELL_KNOWN };
    let later = Offer::of(&Settings::first("mail.office.test", ports));
    let outlook = &typed::programs(&later, "Ann", "ann@office.test")[1];
    let starttls = Value::Choice("STARTTLS");
    assert_eq!(outlook.fields.iter().filter(|field| field.value == starttls).count(), 2);
}

#[test]
fn what_has_a_meaning_in_xml_is_written_otherwise() {
    assert_eq!(
        xml("<a b=\"c\" d='e'>&\u{1}\u{ffff}ü\t"),
        "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;ü\t"
    );
}

#[test]
fn a_code_to_scan_is_a_picture_of_its_text() {
    let text = "https://mailroom.local/my/apple/a1b2";
    let svg = qr::svg(text, "scan \"me\"").expect("a code");
    assert!(svg.contains("aria-label=\"scan &quot;me&quot;\""), "{svg}");
    words(&svg);
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M);
    let code = code.expect("a code");
    let dark = code.to_colors().into_iter().filter(|c| *c == qrcode::Color::Dark).count();
    assert_eq!(svg.matches("h1v1h-1z").count(), dark, "each dark module is drawn");
    let whole = code.width() + 8;
    assert!(svg.contains(&format!("viewBox=\"0 0 {whole} {whole}\"")));
    assert_eq!(qr::svg(&"x".repeat(5_000), ""), None);
}
