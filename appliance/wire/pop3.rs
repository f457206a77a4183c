//! POP3 commands and replies (RFC 1939, 2449, 2595, 5034, 6856).
//!
//! ```text
//! command  = keyword *(SP argument) CRLF
//! keyword  = "CAPA" / "USER" / "PASS" / "AUTH" / "STLS" / "UTF8" / "STAT" / "LIST" / "UIDL" /
//!            "RETR" / "TOP" / "DELE" / "NOOP" / "RSET" / "QUIT"          in any case
//! auth     = "AUTH" SP mechanism [SP (base64 / "=")]                     RFC 5034 4
//! reply    = ("+OK" / "-ERR") [SP "[" code "]"] SP text CRLF             RFC 2449 8
//! ```

pub(crate) mod heard;

use super::sasl::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One command of a client. Message numbers begin with 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Capa,
    User(String),
    Pass(Secret),
    /// `initial` is decoded; empty for "=".
    Auth {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    Stls,
    Utf8,
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    /// Message, lines of its body.
    Top(u32, u64),
    Dele(u32),
    Noop,
    Rset,
    Quit,
}

/// The rule a command breaks, for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandError {
    Unknown,
    NotText,
    NoArgument,
    Argument,
    MessageNumber,
    Lines,
    Base64,
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown command",
            Self::NotText => "A command is UTF-8 text without control characters",
            Self::NoArgument => "The command takes no argument",
            Self::Argument => "The command needs an argument",
            Self::MessageNumber => "A message is named by its number, from 1 on",
            Self::Lines => "TOP takes a message number and a number of lines",
            Self::Base64 => "The initial response is not base64",
        })
    }
}

/// Reads a line without its end.
pub(crate) fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let text = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
    if text.chars().any(char::is_control) {
        return Err(CommandError::NotText);
    }
    let (keyword, rest) = match text.split_once(' ') {
        Some((keyword, rest)) => (keyword, rest),
        None => (text, ""),
    };
    let argument = rest.trim();
    match keyword.to_ascii_uppercase().as_str() {
        // RFC 1939 7: the password is all behind the one space, spaces too.
        "PASS" => password(rest),
        "USER" => user(argument),
        "AUTH" => auth(argument),
        "LIST" => Ok(Command::List(optional_number(argument)?)),
        "UIDL" => Ok(Command::Uidl(optional_number(argument)?)),
        "RETR" => Ok(Command::Retr(number(argument)?)),
        "DELE" => Ok(Command::Dele(number(argument)?)),
        "TOP" => top(argument),
        keyword => {
            let command = bare(keyword).ok_or(CommandError::Unknown)?;
            if argument.is_empty() { Ok(command) } else { Err(CommandError::NoArgument) }
        }
    }
}

fn bare(keyword: &str) -> Option<Command> {
    Some(match keyword {
        "CAPA" => Command::Capa,
        "STLS" => Command::Stls,
        "UTF8" => Command::Utf8,
        "STAT" => Command::Stat,
        "NOOP" => Command::Noop,
        "RSET" => Command::Rset,
        "QUIT" => Command::Quit,
        _ => return None,
    })
}

fn user(argument: &str) -> Result<Command, CommandError> {
    if argument.is_empty() {
        return Err(CommandError::Argument);
    }
    Ok(Command::User(argument.to_string()))
}

fn password(rest: &str) -> Result<Command, CommandError> {
    if rest.is_empty() {
        return Err(CommandError::Argument);
    }
    Ok(Command::Pass(Secret(rest.as_bytes().to_vec())))
}

fn auth(argument: &str) -> Result<Command, CommandError> {
    let mut words = argument.split_ascii_whitespace();
    let mechanism = words.next().ok_or(CommandError::Argument)?.to_string();
    let initial = match words.next() {
        None => None,
        // RFC 5034 4: "=" is an initial response of no octets.
        Some("=") => Some(Vec::new()),
        Some(word) => Some(STANDARD.decode(word).map_err(|_| CommandError::Base64)?),
    };
    match words.next() {
        None => Ok(Command::Auth { mechanism, initial }),
        Some(_) => Err(CommandError::Argument),
    }
}

/// A client's answer to a challenge; `None` when it is not base64.
pub(crate) fn response(line: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(line).ok()
}

/// A challenge of the server, as a line.
pub(crate) fn challenge(octets: &[u8]) -> String {
    format!("+ {}\r\n", STANDARD.encode(octets))
}

fn optional_number(argument: &str) -> Result<Option<u32>, CommandError> {
    if argument.is_empty() { Ok(None) } else { number(argument).map(Some) }
}

fn number(argument: &str) -> Result<u32, CommandError> {
    let digits = !argument.is_empty() && argument.bytes().all(|b| b.is_ascii_digit());
    let number: Option<u32> = argument.parse().ok().filter(|&n| digits && n > 0);
    number.ok_or(CommandError::MessageNumber)
}

fn top(argument: &str) -> Result<Command, CommandError> {
    let (message, lines) = argument.split_once(' ').ok_or(CommandError::Lines)?;
    let lines = lines.trim();
    if lines.is_empty() || !lines.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::Lines);
    }
    // More lines than a number holds are all lines.
    Ok(Command::Top(number(message)?, lines.parse().unwrap_or(u64::MAX)))
}
