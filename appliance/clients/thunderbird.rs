//! Autoconfig: the file that Thunderbird and others ask for. It says the same for each address, so
//! that nobody learns from it who is here; the program puts the address in.

use super::{Door, Offer, Security, xml};
use std::fmt::Write;

pub(crate) fn config(offer: &Offer, domain: &str) -> String {
    let (host, domain) = (xml(&offer.host), xml(domain));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <clientConfig version=\"1.1\">\n\
         \x20 <emailProvider id=\"{domain}\">\n\
         \x20   <domain>{domain}</domain>\n\
         \x20   <displayName>{domain}</displayName>\n\
         \x20   <displayShortName>{domain}</displayShortName>\n"
    );
    let mut servers = |direction: &str, kind: &str, doors: &[Door]| {
        for Door { port, security } in doors {
            let socket = match security {
                Security::Tls => "SSL",
                Security::StartTls => "STARTTLS",
            };
            let _ = write!(
                text,
                "    <{direction} type=\"{kind}\">\n      <hostname>{host}</hostname>\n      \
                 <port>{port}</port>\n      <socketType>{socket}</socketType>\n      \
                 <authentication>password-cleartext</authentication>\n      \
                 <username>%EMAILADDRESS%</username>\n    </{direction}>\n"
            );
        }
    };
    servers("incomingServer", "imap", &offer.imap);
    servers("incomingServer", "pop3", &offer.pop3);
    servers("outgoingServer", "smtp", &offer.submission);
    text + "  </emailProvider>\n</clientConfig>\n"
}
