//! .mobileconfig: one file that sets up a mail account on an iPhone, an iPad or a Mac, and with it
//! the trust in the box's own authority. The device asks for the password; the file holds none.

use super::{Offer, Security, xml};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// Whose account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person<'a> {
    pub address: &'a str,
    /// As it stands in From; may be empty.
    pub name: &'a str,
}

/// `None`: the box offers no IMAP, or nothing to send by.
pub(crate) fn profile(
    offer: &Offer,
    person: Person<'_>,
    authority: Option<&[u8]>,
) -> Option<String> {
    let (imap, smtp) = (offer.imap.first()?, offer.submission.first()?);
    let host = offer.host.as_str();
    let domain = person.address.rsplit('@').next().unwrap_or(host);
    // The same for the same account: installed again it replaces what was there.
    let own = format!("mailroom.{host}.{}", person.address);
    let ids = Ids { own: &own };
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \
         \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n<key>PayloadContent</key>\n<array>\n<dict>\n",
    );
    string(&mut text, "EmailAccountDescription", domain);
    string(
        &mut text,
        "EmailAccountName",
        if person.name.is_empty() { person.address } else { person.name },
    );
    string(&mut text, "EmailAccountType", "EmailTypeIMAP");
    string(&mut text, "EmailAddress", person.address);
    for (side, door) in [("Incoming", imap), ("Outgoing", smtp)] {
        string(&mut text, &format!("{side}MailServerAuthentication"), "EmailAuthPassword");
        string(&mut text, &format!("{side}MailServerHostName"), host);
        let _ =
            writeln!(text, "<key>{side}MailServerPortNumber</key><integer>{}</integer>", door.port);
        // With STARTTLS too: the device sees by the port what is meant.
        let safe = matches!(door.security, Security::Tls | Security::StartTls);
        truth(&mut text, &format!("{side}MailServerUseSSL"), safe);
        string(&mut text, &format!("{side}MailServerUsername"), person.address);
    }
    truth(&mut text, "OutgoingPasswordSameAsIncomingPassword", true);
    payload(&mut text, "com.apple.mail.managed", person.address, ids.of("mail"));
    text.push_str("</dict>\n");
    if let Some(der) = authority {
        text.push_str("<dict>\n");
        string(&mut text, "PayloadCertificateFileName", "authority.cer");
        let _ = writeln!(text, "<key>PayloadContent</key><data>{}</data>", STANDARD.encode(der));
        payload(&mut text, "com.apple.security.root", host, ids.of("authority"));
        text.push_str("</dict>\n");
    }
    text.push_str("</array>\n");
    string(&mut text, "PayloadOrganization", domain);
    payload(&mut text, "Configuration", domain, ids.of("profile"));
    truth(&mut text, "PayloadRemovalDisallowed", false);
    text.push_str("</dict>\n</plist>\n");
    Some(text)
}

/// What every payload says of itself.
fn payload(text: &mut String, kind: &str, shown: &str, (identifier, uuid): (String, String)) {
    string(text, "PayloadDisplayName", shown);
    string(text, "PayloadIdentifier", &identifier);
    string(text, "PayloadType", kind);
    string(text, "PayloadUUID", &uuid);
    text.push_str("<key>PayloadVersion</key><integer>1</integer>\n");
}

fn string(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "<key>{key}</key><string>{}</string>", xml(value));
}

fn truth(text: &mut String, key: &str, value: bool) {
    let _ = writeln!(text, "<key>{key}</key><{value}/>");
}

struct Ids<'a> {
    own: &'a str,
}

impl Ids<'_> {
    /// An identifier, and a UUID made of it. RFC 9562 5.8
    fn of(&self, part: &str) -> (String, String) {
        let identifier = format!("{}.{part}", self.own);
        let digest = ring::digest::digest(&ring::digest::SHA256, identifier.as_bytes());
        let mut hex = String::new();
        for (at, octet) in digest.as_ref().iter().take(16).enumerate() {
            let octet = match at {
                6 => octet & 0x0f | 0x80,
                8 => octet & 0x3f | 0x80,
                _ => *octet,
            };
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            let _ = write!(hex, "{dash}{octet:02X}");
        }
        (identifier, hex)
    }
}
