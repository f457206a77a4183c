//! Autodiscover: what Outlook asks for and gets ([MS-OXDSCLI], plain XML). It says the same for
//! each address of a domain, so that nobody learns from it who is here.

use super::{Door, Offer, Security, xml};
use crate::limits;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::fmt::Write;

/// What the answer must be, as Outlook writes it.
const WANTED: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const OUTER: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";

/// The address in a request; `None`: it is no request that we can answer.
pub(crate) fn address_of(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut address, mut schema) = (None::<String>, None::<String>);
    let mut field = None::<String>;
    // Each turn takes at least an octet.
    for _ in 0..=request.len() {
        match reader.read_event().ok()? {
            Event::Eof => break,
            Event::DocType(_) => return None,
            Event::Start(element) => {
                let name = element.local_name();
                field = String::from_utf8(name.as_ref().to_ascii_lowercase()).ok();
            }
            Event::End(_) => field = None,
            Event::Text(words) => {
                let words = words.decode().ok()?;
                match field.as_deref() {
                    Some("emailaddress") => address.get_or_insert_default().push_str(&words),
                    Some("acceptableresponseschema") => {
                        schema.get_or_insert_default().push_str(&words);
                    }
                    _ => {}
                }
            }
            // An address with an ampersand.
            Event::GeneralRef(name) if field.as_deref() == Some("emailaddress") => {
                let name = name.decode().ok()?;
                let character = quick_xml::escape::resolve_predefined_entity(&name)?;
                address.get_or_insert_default().push_str(character);
            }
            _ => {}
        }
    }
    schema.filter(|schema| schema.trim().eq_ignore_ascii_case(WANTED))?;
    let address = address?.trim().to_string();
    (address.len() <= limits::ADDRESS_BYTES).then_some(address)
}

/// The answer for an address, which the program logs in with.
pub(crate) fn settings(offer: &Offer, address: &str) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"{OUTER}\">\n\
         \x20 <Response xmlns=\"{WANTED}\">\n\
         \x20   <Account>\n\
         \x20     <AccountType>email</AccountType>\n\
         \x20     <Action>settings</Action>\n"
    );
    for (kind, doors) in [("IMAP", &offer.imap), ("POP3", &offer.pop3), ("SMTP", &offer.submission)]
    {
        // Outlook takes one of each kind.
        if let Some(door) = doors.first() {
            protocol(&mut text, kind, &offer.host, *door, address);
        }
    }
    text + "    </Account>\n  </Response>\n</Autodiscover>\n"
}

fn protocol(text: &mut String, kind: &str, host: &str, door: Door, address: &str) {
    // "TLS" is what this schema calls STARTTLS.
    let (ssl, encryption) = match door.security {
        Security::Tls => ("on", "SSL"),
        Security::StartTls => ("off", "TLS"),
    };
    let (host, address, port) = (xml(host), xml(address), door.port);
    let _ = write!(
        text,
        "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{host}</Server>\n        \
         <Port>{port}</Port>\n        <DomainRequired>off</DomainRequired>\n        \
         <LoginName>{address}</LoginName>\n        <SPA>off</SPA>\n        \
         <SSL>{ssl}</SSL>\n        <Encryption>{encryption}</Encryption>\n        \
         <AuthRequired>on</AuthRequired>\n"
    );
    if kind == "SMTP" {
        text.push_str("        <UsePOPAuth>on</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n");
    }
    text.push_str("      </Protocol>\n");
}

/// The answer to what is no request; `time` as HH:MM:SS.
pub(crate) fn invalid(time: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"{OUTER}\">\n  \
         <Response>\n    <Error Time=\"{time}\" Id=\"0\">\n      <ErrorCode>600</ErrorCode>\n      \
         <Message>Invalid Request</Message>\n      <DebugData />\n    </Error>\n  </Response>\n\
         </Autodiscover>\n"
    )
}
