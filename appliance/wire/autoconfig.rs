//! What a domain tells mail programs of its servers: the file of Thunderbird, as others write it.
//! Nothing in it is trusted; only what has TLS is taken.
//!
//! ```text
//! clientConfig / emailProvider / (incomingServer | outgoingServer)
//!     hostname, port, socketType (SSL | STARTTLS), username with %EMAILADDRESS% ..
//! ```

use crate::limits::{AUTOCONFIG_DEPTH, AUTOCONFIG_SERVERS, AUTOCONFIG_TEXT_BYTES};
use crate::wire::address::{Address, check_domain};
use quick_xml::Reader;
use quick_xml::events::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Imap,
    Pop3,
    Smtp,
}

/// A server that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub kind: Kind,
    pub host: String,
    pub port: u16,
    /// TLS from the first octet; else STARTTLS.
    pub implicit: bool,
    /// The log-in name of the address that was asked for.
    pub user: String,
}

#[derive(Default)]
struct Open {
    kind: Option<Kind>,
    host: String,
    port: String,
    socket: String,
    user: String,
}

/// The servers in the order of the file; an error says why it is none.
pub(crate) fn servers(text: &[u8], address: &Address) -> Result<Vec<Server>, &'static str> {
    let mut reader = Reader::from_reader(text);
    let (mut path, mut found) = (Vec::<Vec<u8>>::new(), Vec::new());
    let (mut open, mut content) = (Open::default(), String::new());
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|_| "it is no XML")? {
            Event::Start(tag) => {
                if path.len() >= AUTOCONFIG_DEPTH {
                    return Err("it is nested too deep");
                }
                let name = tag.local_name().as_ref().to_vec();
                content.clear();
                if matches!(name.as_slice(), b"incomingServer" | b"outgoingServer") {
                    let kind = tag.try_get_attribute("type").ok().flatten();
                    let kind = kind.map(|kind| kind.value.to_ascii_lowercase());
                    open = Open { kind: kind.as_deref().and_then(kind_of), ..Open::default() };
                }
                path.push(name);
            }
            Event::Text(text) => add(&mut content, &String::from_utf8_lossy(&text)),
            // &amp; and its like stand in no name of a server: what has one is not used.
            Event::GeneralRef(_) => add(&mut content, "&"),
            Event::End(_) => {
                let name = path.pop().ok_or("it is no XML")?;
                let inside = path.last().is_some_and(|above| above.ends_with(b"Server"));
                if inside {
                    open.take(&name, content.trim());
                } else if name.ends_with(b"Server")
                    && let Some(server) = std::mem::take(&mut open).closed(address)
                {
                    if found.len() >= AUTOCONFIG_SERVERS {
                        return Ok(found);
                    }
                    found.push(server);
                }
                content.clear();
            }
            // No entities of its own making, no files of others: such a file is none of ours.
            Event::DocType(_) => return Err("it has a DOCTYPE"),
            Event::Eof => break,
            _ => {}
        }
    }
    if path.is_empty() { Ok(found) } else { Err("it ends in the middle") }
}

fn add(content: &mut String, text: &str) {
    if content.len() + text.len() <= AUTOCONFIG_TEXT_BYTES {
        content.push_str(text);
    }
}

fn kind_of(name: &[u8]) -> Option<Kind> {
    Some(match name {
        b"imap" => Kind::Imap,
        b"pop3" => Kind::Pop3,
        b"smtp" => Kind::Smtp,
        _ => return None,
    })
}

impl Open {
    fn take(&mut self, name: &[u8], text: &str) {
        let field = match name {
            b"hostname" => &mut self.host,
            b"port" => &mut self.port,
            b"socketType" => &mut self.socket,
            b"username" => &mut self.user,
            _ => return,
        };
        // Of several the first, as the programs do.
        if field.is_empty() {
            *field = text.to_string();
        }
    }

    fn closed(self, address: &Address) -> Option<Server> {
        let whole = address.to_string();
        let filled = |text: &str| {
            text.replace("%EMAILADDRESS%", &whole)
                .replace("%EMAILLOCALPART%", address.local())
                .replace("%EMAILDOMAIN%", address.domain())
        };
        let host = check_domain(&filled(&self.host)).ok().filter(|it| it.contains('.'))?;
        let port = self.port.parse().ok().filter(|port| *port > 0)?;
        let implicit = match self.socket.to_ascii_uppercase().as_str() {
            "SSL" | "TLS" => true,
            "STARTTLS" => false,
            _ => return None,
        };
        let user = filled(&self.user);
        let fine = !user.is_empty() && !user.chars().any(char::is_control);
        let user = if fine { user } else { whole };
        Some(Server { kind: self.kind?, host, port, implicit, user })
    }
}

/// RFC 2782: priority, weight, port and target of an SRV record as a zone file has it. `None`: it
/// makes no sense, or says that there is no such service (RFC 6186 3.4).
pub(crate) fn srv(record: &str) -> Option<(u16, u16, u16, String)> {
    let mut words = record.split_ascii_whitespace();
    let mut number = || words.next()?.parse::<u16>().ok();
    let (priority, weight, port) = (number()?, number()?, number()?);
    let target = words.next()?.trim_end_matches('.');
    let host = check_domain(target).ok().filter(|host| host.contains('.'))?;
    (port > 0 && words.next().is_none()).then_some((priority, weight, port, host))
}
