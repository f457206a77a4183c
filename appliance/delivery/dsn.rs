//! A delivery status notification (RFC 3464): for a person first, for a program too.
//!
//! ```text
//! multipart/report; report-type=delivery-status            RFC 6522
//!   text/plain                    what happened, in whose words, and what to do
//!   message/delivery-status       one group for the message, one for each recipient
//!   message/rfc822                the message; or its header only: text/rfc822-headers
//!
//! with addresses beyond ASCII (RFC 6533):
//!   message/global-delivery-status, message/global, message/global-headers
//! ```

use super::schedule;
use super::stamp::date;
use crate::message::headers;
use crate::wire::smtp::OriginalRecipient;

/// Why it is written. RFC 3464 2.3.3
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Failed,
    Delayed,
    Delivered,
    /// Handed to a server that sends no report of its own.
    Relayed,
    /// It reached the address, which leads on to several.
    Expanded,
}

/// One recipient of whom it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub address: String,
    pub orcpt: Option<OriginalRecipient>,
    /// What happened, for a person.
    pub why: String,
    /// The server's reply, word by word; empty when there was none.
    pub reply: String,
    /// The server, as "mx1.b.test [192.0.2.1]"; empty when none was reached.
    pub server: String,
    /// RFC 3463
    pub status: String,
}

/// The report. `original` is the message or as much of its front as holds the header.
#[derive(Debug, Clone)]
pub(crate) struct Report<'a> {
    pub action: Action,
    /// Our name, and the domain in From and Message-ID.
    pub host: &'a str,
    pub domain: &'a str,
    /// Whom it goes to.
    pub to: &'a str,
    pub envid: Option<&'a [u8]>,
    /// When the message came to us, and when the report is made.
    pub arrived: i64,
    pub now: i64,
    /// Names the report; not known to who wrote the message.
    pub unique: String,
    pub told: &'a [Told],
    pub original: &'a [u8],
    /// Does `original` hold all, and is all to go back?
    pub whole: bool,
}

/// The report as a message.
pub(crate) fn print(report: &Report<'_>) -> Vec<u8> {
    let text = text(report);
    let status = status(report);
    let boundary = format!("=_report_{}", report.unique);
    let original = original(report);
    let wide = !status.is_ascii();
    let mut out = head(report, &boundary).into_bytes();
    let mut part = |kind: &str, content: &[u8]| {
        let encoding = if content.is_ascii() { "7bit" } else { "8bit" };
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(content);
    };
    part("text/plain; charset=utf-8", text.as_bytes());
    let kind = if wide { "message/global-delivery-status" } else { "message/delivery-status" };
    part(kind, status.as_bytes());
    let kind = match (report.whole, original_is_wide(report)) {
        (true, false) => "message/rfc822",
        (true, true) => "message/global",
        (false, false) => "text/rfc822-headers",
        (false, true) => "message/global-headers",
    };
    part(kind, original);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

/// What a status says to a person, by its subject and detail. RFC 3463 3
pub(crate) fn meaning(status: &str) -> &'static str {
    let (class, rest) = status.split_once('.').unwrap_or(("5", ""));
    match rest {
        "1.1" | "1.10" => "There is no such address there. Look at its spelling.",
        "1.2" => "There is no such domain. Look at the spelling of what stands after the @.",
        "1.0" | "1.3" => "The other side does not take this address. Look at its spelling.",
        "2.1" => "The mailbox is switched off.",
        "2.2" => "The mailbox is full. Its owner must make room.",
        "2.3" | "3.4" => "The message is too large for the other side. Send less at once.",
        "4.1" | "4.2" | "4.4" => "The other side could not be reached.",
        "4.6" => "The mail servers of the other side send mail round in circles.",
        "4.7" => "It could not be delivered in time.",
        "7.1" | "7.0" if class == "5" => {
            "The other side does not want it. Ask the recipient by another way."
        }
        _ if class == "4" => "The other side cannot take it now.",
        _ => "The other side does not take it; its own words say why.",
    }
}

/// The status of a reply as it was written down; `otherwise` when it says none.
pub(crate) fn status_of(reply: &str, otherwise: &str) -> String {
    let mut words = reply.split_ascii_whitespace();
    let class = words.next().and_then(|code| code.chars().next());
    let is_status = |word: &&str| {
        let mut numbers = word.split('.');
        let number = |text: Option<&str>| {
            text.is_some_and(|n| {
                (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let all = number(numbers.next()) && number(numbers.next()) && number(numbers.next());
        all && numbers.next().is_none() && word.chars().next() == class
    };
    match (words.next().filter(is_status), class) {
        (Some(status), _) => status.to_string(),
        // RFC 3463 2: a class alone is told with zeros
        (None, Some(class @ ('2' | '4' | '5'))) => format!("{class}.0.0"),
        _ => otherwise.to_string(),
    }
}

fn head(report: &Report<'_>, boundary: &str) -> String {
    let Report { domain, to, now, unique, .. } = report;
    let of = headers::find(report.original, "Message-ID").map(|field| headers::unfold(field.value));
    let of = of.and_then(|id| String::from_utf8(id).ok()).filter(|id| is_plain_id(id));
    let thread = of.map(|id| format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"));
    format!(
        "From: Mail server <postmaster@{domain}>\r\n\
         To: <{to}>\r\n\
         Subject: {}\r\n\
         Date: {}\r\n\
         Message-ID: <{unique}@{domain}>\r\n\
         {}Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\
         \tboundary=\"{boundary}\"\r\n\
         \r\n\
         This is a report in several parts.\r\n",
        subject(report),
        date(*now),
        thread.unwrap_or_default(),
    )
}

fn subject(report: &Report<'_>) -> String {
    let what = match report.action {
        Action::Failed => "Not delivered",
        Action::Delayed => "Not delivered yet",
        Action::Delivered => "Delivered",
        Action::Relayed => "Passed on",
        Action::Expanded => "Delivered and passed on",
    };
    let field = headers::find(report.original, "Subject");
    let subject = field.map(|field| headers::decode(field.value)).unwrap_or_default();
    let subject: String = subject.chars().take(60).collect();
    match (subject.is_empty(), subject.is_ascii()) {
        (true, _) => what.to_string(),
        (false, true) => format!("{what}: {subject}"),
        (false, false) => format!("{what}:\r\n {}", encoded_words(&subject)),
    }
}

/// RFC 2047 2: an encoded word has at most 75 characters.
fn encoded_words(text: &str) -> String {
    use base64::Engine;
    let letters: Vec<char> = text.chars().collect();
    let word = |letters: &[char]| {
        let text: String = letters.iter().collect();
        format!("=?utf-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(text))
    };
    // Eleven letters of at most four octets are 60 letters of base64.
    letters.chunks(11).map(word).collect::<Vec<_>>().join("\r\n ")
}

fn text(report: &Report<'_>) -> String {
    let until = date(schedule::expires(report.arrived));
    let first = match report.action {
        Action::Failed => "Your message could not be delivered to:".to_string(),
        Action::Delayed => format!(
            "Your message could not be delivered yet. You need not send it again: it is tried\r\n\
             until {until}.\r\nIt still waits for:"
        ),
        Action::Delivered => "Your message was delivered to:".to_string(),
        Action::Expanded => "Your message reached this address, which leads on to others. Of them \
                             no more\r\nwill be told:"
            .to_string(),
        Action::Relayed => "Your message was passed on to a server that sends no reports. Whether \
                            it\r\nis delivered will not be told. It was for:"
            .to_string(),
    };
    let mut text = format!("This is the mail server {}.\r\n\r\n{first}\r\n", report.host);
    for told in report.told {
        text.push_str(&format!("\r\n  {}\r\n", tame(&told.address)));
        if !told.why.is_empty() {
            text.push_str(&format!("    {}\r\n", tame(&told.why)));
        }
        if !told.reply.is_empty() {
            let server = if told.server.is_empty() { "The other server" } else { &told.server };
            text.push_str(&format!("    {} said: {}\r\n", tame(server), tame(&told.reply)));
        }
        if matches!(report.action, Action::Failed | Action::Delayed) {
            text.push_str(&format!("    {}\r\n", meaning(&told.status)));
        }
    }
    let below = if report.whole { "The message" } else { "The header of the message" };
    text.push_str(&format!("\r\n{below} is attached.\r\n"));
    text
}

fn status(report: &Report<'_>) -> String {
    let mut out = String::new();
    if let Some(envid) = report.envid {
        // RFC 3464 2.2.1: decoded from xtext
        out.push_str(&format!("Original-Envelope-Id: {}\r\n", tame_octets(envid)));
    }
    out.push_str(&format!("Reporting-MTA: dns; {}\r\n", report.host));
    out.push_str(&format!("Arrival-Date: {}\r\n", date(report.arrived)));
    for told in report.told {
        out.push_str("\r\n");
        if let Some(original) = &told.orcpt {
            let (kind, address) = (tame(&original.kind), tame_octets(&original.address));
            out.push_str(&format!("Original-Recipient: {kind}; {address}\r\n"));
        }
        // RFC 6533 3: "utf-8" is the type of an address beyond ASCII
        let kind = if told.address.is_ascii() { "rfc822" } else { "utf-8" };
        out.push_str(&format!("Final-Recipient: {kind}; {}\r\n", tame(&told.address)));
        let action = match report.action {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        };
        out.push_str(&format!("Action: {action}\r\nStatus: {}\r\n", told.status));
        if let Some(name) = told.server.split_ascii_whitespace().next() {
            out.push_str(&format!("Remote-MTA: dns; {}\r\n", tame_octets(name.as_bytes())));
        }
        if !told.reply.is_empty() {
            out.push_str(&format!("Diagnostic-Code: smtp; {}\r\n", folded(&told.reply)));
        }
        out.push_str(&format!("Last-Attempt-Date: {}\r\n", date(report.now)));
        if report.action == Action::Delayed {
            let until = date(schedule::expires(report.arrived));
            out.push_str(&format!("Will-Retry-Until: {until}\r\n"));
        }
    }
    out
}

fn original<'a>(report: &Report<'a>) -> &'a [u8] {
    if report.whole {
        return report.original;
    }
    let header = headers::header_len(report.original);
    report.original.get(..header).unwrap_or_default()
}

/// RFC 6532 3.7: a header beyond ASCII is `message/global`; a body beyond ASCII is only 8bit.
fn original_is_wide(report: &Report<'_>) -> bool {
    let header = headers::header_len(report.original);
    report.original.get(..header).is_some_and(|header| !header.is_ascii())
}

/// A Message-ID that may stand in our header as it is.
fn is_plain_id(id: &str) -> bool {
    id.len() < 500
        && id.starts_with('<')
        && id.ends_with('>')
        && id.bytes().all(|b| b.is_ascii_graphic())
}

/// What others wrote, without what would break a line.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn tame_octets(octets: &[u8]) -> String {
    octets.iter().map(|&b| if matches!(b, b' '..=b'~') { char::from(b) } else { '?' }).collect()
}

/// A long reply over several lines. RFC 5322 2.1.1: a line has at most 998 octets
fn folded(reply: &str) -> String {
    let mut lines = String::new();
    let mut length = 30;
    for word in tame(reply).split_ascii_whitespace() {
        let word: String =
            word.chars().map(|c| if c.is_ascii() { c } else { '?' }).take(900).collect();
        if length + word.len() > 76 && length > 30 {
            lines.push_str("\r\n ");
            length = 1;
        } else if !lines.is_empty() {
            lines.push(' ');
        }
        length += word.len() + 1;
        lines.push_str(&word);
    }
    lines
}
