//! How a mail program learns of this box: settings as each program reads or names them. Values in,
//! text out.
//!
//! ```text
//! thunderbird   autoconfig, config-v1.1.xml: Thunderbird, K-9, Geary, Evolution
//! outlook       Autodiscover, POX: Outlook
//! apple         .mobileconfig: iPhone, iPad, Mac
//! typed         what a person types, field by field
//! qr            an address to scan
//! ```

pub(crate) mod apple;
pub(crate) mod outlook;
pub(crate) mod qr;
pub(crate) mod thunderbird;
pub(crate) mod typed;

use crate::settings::Settings;

/// How a connection is made safe; one in clear is never recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS from the first octet. RFC 8314 3: this first
    Tls,
    StartTls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Door {
    pub port: u16,
    pub security: Security,
}

/// What the box offers to mail programs; of each protocol the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub host: String,
    pub imap: Vec<Door>,
    pub pop3: Vec<Door>,
    pub submission: Vec<Door>,
}

impl Offer {
    pub(crate) fn of(settings: &Settings) -> Offer {
        let ports = settings.ports;
        let doors = |tls: u16, starttls: u16| {
            let both = [(tls, Security::Tls), (starttls, Security::StartTls)];
            let open = both.into_iter().filter(|(port, _)| *port != 0);
            open.map(|(port, security)| Door { port, security }).collect()
        };
        Offer {
            host: settings.host.clone(),
            imap: doors(ports.imaps, ports.imap),
            pop3: doors(ports.pop3s, ports.pop3),
            submission: doors(ports.submissions, ports.submission),
        }
    }
}

/// Text inside an element or an attribute of XML; what no XML may hold is left out.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            // XML 1.0 2.2: no other controls, and not the last two of the plane
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
