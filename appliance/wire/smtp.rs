//! SMTP (RFC 5321) on the wire: command lines, replies, and the content of a message.
//!
//! ```text
//! line    one command line out of the unread bytes: CRLF, a length, no stray CR, LF or NUL
//! command the line as a value
//! path    <reverse-path> and <forward-path>
//! reply   code, enhanced code and text, with the only printer of them
//! heard   replies of other servers, as they come
//! dots    a message as DATA carries it
//! content DATA and BDAT octets become a message, or a reason why not
//! xtext   RFC 3461 4
//! ```

pub(crate) mod command;
pub(crate) mod content;
pub(crate) mod dots;
pub(crate) mod heard;
pub(crate) mod line;
pub(crate) mod path;
pub(crate) mod reply;
pub(crate) mod xtext;

pub(crate) use super::budget::Budget;
pub(crate) use command::{Body, Command, CommandError, Mail, Notify, OriginalRecipient, Rcpt, Ret};
pub(crate) use content::{Content, Fault};
pub(crate) use line::{LineError, Lines};
pub(crate) use path::ForwardPath;
pub(crate) use reply::Reply;
