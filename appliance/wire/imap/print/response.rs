//! Whole replies: status lines with their codes, LIST, STATUS, SEARCH, ESEARCH, FETCH labels.
//!
//! ```text
//! status    = (tag / "*") SP ("OK" / "NO" / "BAD" / "BYE" / "PREAUTH") SP ["[" code "]" SP] text
//! list      = "*" SP ("LIST" / "LSUB") SP "(" [attr *(SP attr)] ")" SP (DQUOTE "/" DQUOTE) SP
//!             mailbox [SP "(" [item *(SP item)] ")"]
//! status    = "*" SP "STATUS" SP mailbox SP "(" [att SP value *(SP att SP value)] ")"
//! search    = "*" SP "SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP number ")"]
//! esearch   = "*" SP "ESEARCH" SP "(" "TAG" SP string ")" [SP "UID"] *(SP name SP value)
//! ```

use super::super::sequence::Ranges;
use super::super::{FetchItem, Section, SectionName, SectionWhat, StatusItem};
use super::Printer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// Response codes that carry a value; those that are a word alone are `Word`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    /// ALERT, READ-ONLY, TRYCREATE, NONEXISTENT, OVERQUOTA, CLOSED, NOMODSEQ ...
    Word(&'static str),
    Capability(String),
    /// RFC 4315 3: the uids in the order of the messages.
    AppendUid {
        uidvalidity: u32,
        uids: Ranges,
    },
    CopyUid {
        uidvalidity: u32,
        from: Ranges,
        to: Ranges,
    },
    /// RFC 7162 3.1.2.1.
    HighestModSeq(u64),
    /// RFC 7162 3.1.3.
    Modified(Ranges),
    UidNext(u32),
    UidValidity(u32),
    Unseen(u32),
    /// With "\*" when new keywords may be made.
    PermanentFlags {
        flags: Vec<String>,
        any: bool,
    },
    /// RFC 8474 4.1.
    MailboxId(String),
}

/// One LIST or LSUB reply.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ListReply<'a> {
    pub lsub: bool,
    /// With their "\".
    pub attributes: &'a [&'a str],
    pub mailbox: &'a str,
    /// RFC 5258 3.5: it is here because a child is subscribed.
    pub child_info: bool,
    /// RFC 9051 6.3.9.7: the name it was asked for by or had before.
    pub old_name: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusValue<'a> {
    Number(u64),
    /// RFC 8474 4.2: in parentheses.
    Id(&'a str),
    Nil,
}

/// RFC 4731 3.1: what was asked for and is there. An empty `all` must be `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Esearch {
    pub uid: bool,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub all: Option<Ranges>,
    pub count: Option<u64>,
    pub modseq: Option<u64>,
}

impl Printer<'_> {
    /// A status line; tag "*" is untagged.
    pub(crate) fn status_line(
        &mut self,
        tag: &str,
        condition: Condition,
        code: Option<&Code>,
        text: &str,
    ) {
        self.raw(tag);
        self.raw(match condition {
            Condition::Ok => " OK ",
            Condition::No => " NO ",
            Condition::Bad => " BAD ",
            Condition::Bye => " BYE ",
            Condition::Preauth => " PREAUTH ",
        });
        if let Some(code) = code {
            self.raw("[");
            self.code(code);
            self.raw("] ");
        }
        self.raw(text);
        self.end_line();
    }

    pub(crate) fn code(&mut self, code: &Code) {
        match code {
            Code::Word(word) => self.raw(word),
            Code::Capability(names) => self.value(format_args!("CAPABILITY {names}")),
            Code::AppendUid { uidvalidity, uids } => {
                self.value(format_args!("APPENDUID {uidvalidity} {uids}"));
            }
            Code::CopyUid { uidvalidity, from, to } => {
                self.value(format_args!("COPYUID {uidvalidity} {from} {to}"));
            }
            Code::HighestModSeq(modseq) => self.value(format_args!("HIGHESTMODSEQ {modseq}")),
            Code::Modified(set) => self.value(format_args!("MODIFIED {set}")),
            Code::UidNext(uid) => self.value(format_args!("UIDNEXT {uid}")),
            Code::UidValidity(value) => self.value(format_args!("UIDVALIDITY {value}")),
            Code::Unseen(number) => self.value(format_args!("UNSEEN {number}")),
            Code::PermanentFlags { flags, any } => {
                self.raw("PERMANENTFLAGS ");
                let any = any.then_some("\\*");
                self.flags(flags.iter().map(String::as_str).chain(any));
            }
            Code::MailboxId(id) => self.value(format_args!("MAILBOXID ({id})")),
        }
    }

    pub(crate) fn list_reply(&mut self, reply: &ListReply<'_>) {
        self.raw(if reply.lsub { "* LSUB " } else { "* LIST " });
        self.flags(reply.attributes.iter().copied());
        self.raw(" \"/\" ");
        self.mailbox(reply.mailbox);
        // RFC 9051 9: mbox-list-extended is one list of pairs
        if reply.child_info || reply.old_name.is_some() {
            self.raw(" (");
            if reply.child_info {
                self.raw("\"CHILDINFO\" (\"SUBSCRIBED\")");
            }
            if let Some(old) = reply.old_name {
                self.raw(if reply.child_info { " " } else { "" });
                self.raw("\"OLDNAME\" (");
                self.mailbox(old);
                self.raw(")");
            }
            self.raw(")");
        }
        self.end_line();
    }

    pub(crate) fn status_reply(&mut self, mailbox: &str, items: &[(StatusItem, StatusValue<'_>)]) {
        self.raw("* STATUS ");
        self.mailbox(mailbox);
        self.raw(" ");
        self.list(items, |printer, (item, value)| {
            printer.raw(item.name());
            match value {
                StatusValue::Number(n) => printer.value(format_args!(" {n}")),
                StatusValue::Id(id) => printer.value(format_args!(" ({id})")),
                StatusValue::Nil => printer.raw(" NIL"),
            }
        });
        self.end_line();
    }

    pub(crate) fn search_reply(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        modseq: Option<u64>,
    ) {
        self.raw("* SEARCH");
        for number in numbers {
            self.value(format_args!(" {number}"));
        }
        if let Some(modseq) = modseq {
            self.value(format_args!(" (MODSEQ {modseq})"));
        }
        self.end_line();
    }

    pub(crate) fn esearch_reply(&mut self, tag: &str, found: &Esearch) {
        self.raw("* ESEARCH (TAG ");
        self.string(tag.as_bytes());
        self.raw(if found.uid { ") UID" } else { ")" });
        if let Some(min) = found.min {
            self.value(format_args!(" MIN {min}"));
        }
        if let Some(max) = found.max {
            self.value(format_args!(" MAX {max}"));
        }
        if let Some(all) = found.all.as_ref().filter(|all| !all.is_empty()) {
            self.value(format_args!(" ALL {all}"));
        }
        if let Some(count) = found.count {
            self.value(format_args!(" COUNT {count}"));
        }
        if let Some(modseq) = found.modseq {
            self.value(format_args!(" MODSEQ {modseq}"));
        }
        self.end_line();
    }

    /// The name under which a FETCH reply gives `item`; the value is for the caller to print.
    pub(crate) fn fetch_label(&mut self, item: &FetchItem) {
        let word = match item {
            FetchItem::Uid => "UID",
            FetchItem::Flags => "FLAGS",
            FetchItem::InternalDate => "INTERNALDATE",
            FetchItem::SaveDate => "SAVEDATE",
            FetchItem::Rfc822Size => "RFC822.SIZE",
            FetchItem::Envelope => "ENVELOPE",
            FetchItem::Body => "BODY",
            FetchItem::BodyStructure => "BODYSTRUCTURE",
            FetchItem::ModSeq => "MODSEQ",
            FetchItem::EmailId => "EMAILID",
            FetchItem::ThreadId => "THREADID",
            FetchItem::Section { section, partial, name, .. } => {
                return self.section_label(section, *partial, *name);
            }
            FetchItem::Binary { part, partial, .. } => {
                self.value(format_args!("BINARY[{}]", dotted(part)));
                return self.origin(*partial);
            }
            FetchItem::BinarySize { part } => {
                return self.value(format_args!("BINARY.SIZE[{}]", dotted(part)));
            }
        };
        self.raw(word);
    }

    fn section_label(&mut self, section: &Section, partial: Option<(u64, u64)>, name: SectionName) {
        match name {
            SectionName::Body => {
                self.raw("BODY[");
                self.section(section);
                self.raw("]");
                self.origin(partial);
            }
            SectionName::Rfc822 => self.raw("RFC822"),
            SectionName::Rfc822Header => self.raw("RFC822.HEADER"),
            SectionName::Rfc822Text => self.raw("RFC822.TEXT"),
        }
    }

    /// RFC 9051 7.5.2: a partial reply names only where it begins.
    fn origin(&mut self, partial: Option<(u64, u64)>) {
        if let Some((from, _)) = partial {
            self.value(format_args!("<{from}>"));
        }
    }

    /// What stands between the brackets.
    pub(crate) fn section(&mut self, section: &Section) {
        self.raw(&dotted(&section.part));
        if section.what != SectionWhat::All && !section.part.is_empty() {
            self.raw(".");
        }
        match &section.what {
            SectionWhat::All => {}
            SectionWhat::Header => self.raw("HEADER"),
            SectionWhat::Text => self.raw("TEXT"),
            SectionWhat::Mime => self.raw("MIME"),
            SectionWhat::HeaderFields(names) => self.header_fields("HEADER.FIELDS ", names),
            SectionWhat::HeaderFieldsNot(names) => self.header_fields("HEADER.FIELDS.NOT ", names),
        }
    }

    fn header_fields(&mut self, word: &str, names: &[Vec<u8>]) {
        self.raw(word);
        self.list(names, |printer, name| printer.astring(name));
    }
}

/// "1.2.3"
fn dotted(part: &[u32]) -> String {
    part.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}
