//! How a FETCH reply calls what it gives.
//!
//! ```text
//! msg-att = "BODY" section ["<" number64 ">"] / "BINARY" section-binary ["<" number64 ">"] / ...
//! ```

use super::super::{FetchItem, Section, SectionName, SectionWhat};
use super::Printer;

impl Printer<'_> {
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
