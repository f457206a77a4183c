//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 7.5.2): what is known of a body, as IMAP prints it.
//!
//! ```text
//! envelope   = "(" date SP subject SP from SP sender SP reply-to SP to SP cc SP bcc SP
//!              in-reply-to SP message-id ")"
//! addresses  = "(" 1*address ")" / nil         address = "(" name SP NIL SP mailbox SP host ")"
//! body       = "(" (body-1part / body-mpart) ")"
//! body-1part = (basic / message / text) [SP md5 SP disposition SP language SP location]
//! basic      = type SP subtype SP fields       fields = params SP id SP description SP encoding
//!                                                       SP octets
//! message    = "MESSAGE" SP ("RFC822" / "GLOBAL") SP fields SP envelope SP body SP lines
//! text       = "TEXT" SP subtype SP fields SP lines
//! body-mpart = 1*body SP subtype [SP params SP disposition SP language SP location]
//! ```

use crate::message::facts::{Envelope, EnvelopeAddress, Param, Part};
use crate::wire::imap::print::Printer;

pub(crate) fn envelope(printer: &mut Printer<'_>, envelope: &Envelope) {
    // RFC 9051 7.5.2: without Sender or Reply-To the author stands there
    let or_from = |given: &'_ Vec<EnvelopeAddress>| match given.is_empty() {
        true => envelope.from.clone(),
        false => given.clone(),
    };
    printer.raw("(");
    printer.header_text(envelope.date.as_deref());
    printer.raw(" ");
    printer.header_text(envelope.subject.as_deref());
    let lists = [
        &envelope.from,
        &or_from(&envelope.sender),
        &or_from(&envelope.reply_to),
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        printer.raw(" ");
        addresses(printer, list);
    }
    printer.raw(" ");
    printer.header_token(envelope.in_reply_to.as_deref());
    printer.raw(" ");
    printer.header_token(envelope.message_id.as_deref());
    printer.raw(")");
}

fn addresses(printer: &mut Printer<'_>, list: &[EnvelopeAddress]) {
    if list.is_empty() {
        return printer.raw("NIL");
    }
    printer.raw("(");
    for address in list {
        printer.raw("(");
        printer.header_text(address.name.as_deref());
        printer.raw(" NIL ");
        // a group's name stands in the place of the mailbox, without a host
        match address.host {
            None => printer.header_text(address.mailbox.as_deref()),
            Some(_) => printer.header_token(address.mailbox.as_deref()),
        }
        printer.raw(" ");
        printer.header_token(address.host.as_deref());
        printer.raw(")");
    }
    printer.raw(")");
}

/// With `extended` it is BODYSTRUCTURE, without BODY.
pub(crate) fn body(printer: &mut Printer<'_>, part: &Part, extended: bool) {
    printer.raw("(");
    match part.is_multipart() {
        true => multipart(printer, part, extended),
        false => single(printer, part, extended),
    }
    printer.raw(")");
}

fn multipart(printer: &mut Printer<'_>, part: &Part, extended: bool) {
    for child in &part.parts {
        body(printer, child, extended);
    }
    if part.parts.is_empty() {
        // the grammar has no multipart without parts
        printer.raw("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
    }
    printer.raw(" ");
    printer.header_token(Some(&part.subkind));
    if extended {
        printer.raw(" ");
        params(printer, &part.params);
        tail(printer, part);
    }
}

fn single(printer: &mut Printer<'_>, part: &Part, extended: bool) {
    let inner = part.parts.first().filter(|_| part.is_message());
    // the grammar has no message/rfc822 without what is in it
    let (kind, subkind): (&[u8], &[u8]) = match part.is_message() && inner.is_none() {
        true => (b"APPLICATION", b"OCTET-STREAM"),
        false => (&part.kind, &part.subkind),
    };
    printer.header_token(Some(kind));
    printer.raw(" ");
    printer.header_token(Some(subkind));
    printer.raw(" ");
    params(printer, &part.params);
    printer.raw(" ");
    printer.header_token(part.id.as_deref());
    printer.raw(" ");
    printer.header_text(part.description.as_deref());
    printer.raw(" ");
    printer.header_token(Some(&part.encoding));
    printer.value(format_args!(" {}", part.body_size));
    if let Some(inner) = inner {
        printer.raw(" ");
        envelope(printer, part.envelope.as_ref().unwrap_or(&Envelope::default()));
        printer.raw(" ");
        body(printer, inner, extended);
    }
    if inner.is_some() || kind.eq_ignore_ascii_case(b"text") {
        printer.value(format_args!(" {}", part.body_lines));
    }
    if extended {
        printer.raw(" ");
        printer.header_token(part.md5.as_deref());
        tail(printer, part);
    }
}

/// SP disposition SP language SP location
fn tail(printer: &mut Printer<'_>, part: &Part) {
    printer.raw(" ");
    match &part.disposition {
        None => printer.raw("NIL"),
        Some(disposition) => {
            printer.raw("(");
            printer.header_token(Some(disposition));
            printer.raw(" ");
            params(printer, &part.disposition_params);
            printer.raw(")");
        }
    }
    printer.raw(" ");
    match part.language.as_slice() {
        [] => printer.raw("NIL"),
        [one] => printer.header_token(Some(one)),
        more => printer.list(more, |printer, one| printer.header_token(Some(one))),
    }
    printer.raw(" ");
    printer.header_token(part.location.as_deref());
}

fn params(printer: &mut Printer<'_>, params: &[Param]) {
    if params.is_empty() {
        return printer.raw("NIL");
    }
    printer.list(params, |printer, param| {
        printer.header_token(Some(&param.name));
        printer.raw(" ");
        printer.header_token(Some(&param.value));
    });
}
