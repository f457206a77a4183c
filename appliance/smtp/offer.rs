//! What another server offers in its answer to EHLO, and how a message is put to it.
//!
//! ```text
//! PIPELINING (RFC 2920)  SIZE [n] (1870)  8BITMIME (6152)  SMTPUTF8 (6531)  DSN (3461)
//! STARTTLS (3207)        AUTH mechanisms (4954)
//! ```

use super::client::{Mail, Verdict};
use super::envelope::Recipient;
use crate::wire::smtp::{ForwardPath, Notify, OriginalRecipient, Reply, Ret, xtext};
use std::fmt::Write;

/// Nothing, for a server that knows only HELO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub pipelining: bool,
    /// The largest message it takes, if it says so.
    pub size: Option<u64>,
    pub eight_bit: bool,
    pub smtputf8: bool,
    pub dsn: bool,
    pub starttls: bool,
    /// The limit of SIZE aside, was SIZE offered?
    sizes: bool,
    mechanisms: Vec<String>,
}

impl Offer {
    /// From the answer to EHLO.
    pub(crate) fn read(reply: &Reply) -> Self {
        let mut offer = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => offer.pipelining = true,
                Some("8BITMIME") => offer.eight_bit = true,
                Some("SMTPUTF8") => offer.smtputf8 = true,
                Some("DSN") => offer.dsn = true,
                Some("STARTTLS") => offer.starttls = true,
                Some("SIZE") => {
                    offer.sizes = true;
                    // RFC 1870 4: 0 is no fixed limit
                    offer.size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                }
                Some("AUTH") => offer.mechanisms.extend(words.map(str::to_string)),
                _ => {}
            }
        }
        offer
    }

    pub(crate) fn auth(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|known| known == mechanism)
    }

    /// Whom it cannot be sent to here, before anything is said; one for each recipient.
    pub(crate) fn objections(&self, mail: &Mail) -> Vec<Option<Verdict>> {
        let never = |why: &str| Some(Verdict::Never { reply: None, why: why.to_string() });
        let octets = mail.message.len() as u64;
        let all = if let Some(most) = self.size.filter(|most| octets > *most) {
            // RFC 1870 6.1: what is too large is not tried
            never(&format!("The message has {octets} octets; the server takes at most {most}."))
        } else if !self.smtputf8 && needs_utf8(mail) {
            // RFC 6531 3.5
            never("The message has letters in its addresses that the server cannot read.")
        } else {
            None
        };
        let one = |recipient: &Recipient| {
            let ascii = recipient.to.to_string().is_ascii();
            let theirs = (!ascii && !self.smtputf8)
                .then(|| never("The address has letters that the recipient's server cannot read."));
            all.clone().or(theirs.flatten())
        };
        mail.recipients.iter().map(one).collect()
    }

    /// MAIL with the parameters that are understood here.
    pub(crate) fn mail(&self, mail: &Mail, out: &mut Vec<u8>) {
        let from = mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut line = format!("MAIL FROM:<{from}>");
        if self.sizes {
            let _ = write!(line, " SIZE={}", mail.message.len());
        }
        if self.eight_bit && mail.eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        let foreign = |r: &Recipient| !r.to.to_string().is_ascii();
        if self.smtputf8 && (needs_utf8(mail) || mail.recipients.iter().any(foreign)) {
            line.push_str(" SMTPUTF8");
        }
        if self.dsn {
            match mail.ret {
                Some(Ret::Full) => line.push_str(" RET=FULL"),
                Some(Ret::Headers) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(envid) = &mail.envid {
                let _ = write!(line, " ENVID={}", xtext::encode(envid));
            }
        }
        say(&line, out);
    }

    /// RCPT, the same.
    pub(crate) fn rcpt(&self, recipient: &Recipient, out: &mut Vec<u8>) {
        let mut line = match &recipient.to {
            ForwardPath::Postmaster => "RCPT TO:<postmaster>".to_string(),
            ForwardPath::To(address) => format!("RCPT TO:<{address}>"),
        };
        if self.dsn {
            if let Some(notify) = recipient.notify {
                let _ = write!(line, " NOTIFY={}", wishes(notify));
            }
            if let Some(orcpt) = &recipient.orcpt {
                let _ = write!(line, " ORCPT={};{}", orcpt.kind, original(orcpt));
            }
        }
        say(&line, out);
    }
}

fn say(line: &str, out: &mut Vec<u8>) {
    // What stands in an address or a parameter cannot begin another command.
    out.extend(line.bytes().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)));
    out.extend_from_slice(b"\r\n");
}

fn wishes(notify: Notify) -> String {
    let known = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let words: Vec<&str> = known.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    if words.is_empty() { "NEVER".to_string() } else { words.join(",") }
}

fn original(orcpt: &OriginalRecipient) -> String {
    match std::str::from_utf8(&orcpt.address) {
        Ok(text) if orcpt.kind.eq_ignore_ascii_case("utf-8") => {
            text.chars().fold(String::new(), |mut out, c| {
                match c {
                    // RFC 6533 3: utf-8-addr-xtext
                    '!'..='~' if !matches!(c, '+' | '=') => out.push(c),
                    c => _ = write!(out, "\\x{{{:02X}}}", u32::from(c)),
                }
                out
            })
        }
        _ => xtext::encode(&orcpt.address),
    }
}

/// Does the sender's address or the header need SMTPUTF8?
fn needs_utf8(mail: &Mail) -> bool {
    let foreign = mail.from.as_ref().is_some_and(|from| !from.is_ascii());
    foreign || (mail.smtputf8 && !header(&mail.message).is_ascii())
}

fn header(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.and_then(|end| message.get(..end)).unwrap_or(message)
}
