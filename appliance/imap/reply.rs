//! The tagged reply of a command, and the words for what the store refuses.

use crate::store::StoreError;
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    No,
    Bad,
}

/// A response code (RFC 9051 7.1, RFC 5530).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    Text(Cow<'static, str>),
    /// The modseq up to which this client knows all, once the updates before the reply are told.
    HighestModSeq,
    /// What is offered now.
    Capability,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: Status,
    pub code: Option<Code>,
    pub text: Cow<'static, str>,
    /// Close the connection after it.
    pub close: bool,
}

impl Reply {
    fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { status, code: None, text: text.into(), close: false }
    }

    pub(crate) fn ok(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::new(Status::Ok, text)
    }

    pub(crate) fn no(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::new(Status::No, text)
    }

    pub(crate) fn bad(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::new(Status::Bad, text)
    }

    pub(crate) fn code(mut self, code: impl Into<Cow<'static, str>>) -> Reply {
        self.code = Some(Code::Text(code.into()));
        self
    }

    pub(crate) fn with(mut self, code: Code) -> Reply {
        self.code = Some(code);
        self
    }

    pub(crate) fn closing(mut self) -> Reply {
        self.close = true;
        self
    }

    /// RFC 9051 7.1 NONEXISTENT: a mailbox that is not there.
    pub(crate) fn no_mailbox() -> Reply {
        Reply::no("No such mailbox").code("NONEXISTENT")
    }

    /// RFC 9051 7.1 EXPUNGEISSUED: by another session, and this client was not told yet.
    pub(crate) fn expunge_issued() -> Reply {
        Reply::no("Some of the messages no longer exist").code("EXPUNGEISSUED")
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Reply {
        let code = match &error {
            StoreError::OverQuota { .. } => "OVERQUOTA",
            StoreError::Limit(_) | StoreError::DiskFull => "LIMIT",
            StoreError::NotFound(_) => "NONEXISTENT",
            StoreError::Exists(_) => "ALREADYEXISTS",
            StoreError::Invalid(_) => "CANNOT",
            StoreError::Corrupt(_) => "CORRUPTION",
            StoreError::Locked | StoreError::Moving | StoreError::Stopped => "UNAVAILABLE",
            StoreError::Engine(_)
            | StoreError::MapFull
            | StoreError::Sealed(_)
            | StoreError::Newer { .. } => "SERVERBUG",
        };
        // A damaged row or an error of the engine is for the owner's eyes.
        let text = match &error {
            StoreError::Corrupt(_) => "The message store is damaged here".to_owned(),
            StoreError::Engine(_) => "The message store failed".to_owned(),
            other => capital(&other.to_string()),
        };
        Reply::no(text).code(code)
    }
}

/// A reply begins with a capital letter and is one line of ASCII.
fn capital(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            c if at == 0 => out.push(c.to_ascii_uppercase()),
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}
