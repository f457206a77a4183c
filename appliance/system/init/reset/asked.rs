//! RESET.txt, as a person writes it, and RESET-RESULT.txt, which answers.
//!
//! ```text
//! reset passwords
//! reset everything 1A2B-3C4D
//! ```
//!
//! One line of ASCII. PID 1 compares it, and takes nothing out of it.

use super::journal::{Step, Work};
use crate::limits;
use crate::request::DeviceId;
use std::fmt;

pub(crate) const ASKED: &str = "RESET.txt";
pub(crate) const RESULT: &str = "RESET-RESULT.txt";

/// How much is reset; the higher takes the lower in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Passwords,
    Everything,
}

/// Why a file is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// 0: the whole file.
    pub line: usize,
    pub why: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

/// What a file asks of this device.
pub(crate) fn parse(octets: &[u8], device: DeviceId) -> Result<Level, Wrong> {
    let wrong = |line, why| Wrong { line, why };
    if octets.len() > limits::RESET_BYTES {
        return Err(wrong(0, "it is too long: one line is wanted"));
    }
    // Windows' editor may begin so.
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
    let mut asked = None;
    for (at, line) in octets.split(|octet| *octet == b'\n').enumerate() {
        let line = line.trim_ascii();
        let is_plain = |octet: &u8| matches!(octet, b' '..=b'~' | b'\t');
        if !line.iter().all(is_plain) {
            let why = "it holds what is no plain letter: save the file as plain text (ASCII)";
            return Err(wrong(at + 1, why));
        }
        match (line.is_empty(), asked) {
            (true, _) => (),
            (false, None) => asked = Some((at + 1, line)),
            (false, Some(_)) => return Err(wrong(at + 1, "it is a second line: one is wanted")),
        }
    }
    let (at, line) = asked.ok_or(wrong(0, "it is empty"))?;
    level(line, device).map_err(|why| wrong(at, why))
}

fn level(line: &[u8], device: DeviceId) -> Result<Level, &'static str> {
    let line = std::str::from_utf8(line).unwrap_or_default();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
    match words[..] {
        [reset, what] if is(reset, "reset") && is(what, "passwords") => Ok(Level::Passwords),
        [reset, what, id] if is(reset, "reset") && is(what, "everything") => {
            match DeviceId::parse(id) {
                Some(id) if id == device => Ok(Level::Everything),
                Some(_) => Err("it is the id of another device"),
                None => Err("the id of a device is eight digits and letters A to F"),
            }
        }
        [reset, what] if is(reset, "reset") && is(what, "everything") => {
            Err("the id of the device is missing")
        }
        _ => Err("it is neither of the two that there are"),
    }
}

const EXAMPLES: &str = "RESET.txt holds one line, and is one of these two:\n\n    \
    reset passwords\n    reset everything 1A2B-3C4D\n\nIn place of 1A2B-3C4D stands the id of the \
    device: the console of the box and\nits setup page show it, so that no box is emptied for \
    which the file was not\nwritten.\n";

/// The answer to one that is wrong.
pub(crate) fn not_taken(wrong: &Wrong) -> String {
    lines(&format!("RESET.txt was not taken, and nothing was reset.\n\n{wrong}\n\n{EXAMPLES}"))
}

/// The answer to one that was there after it was obeyed.
pub(crate) fn known() -> String {
    lines(
        "This RESET.txt was obeyed before, and could not be removed then. It is removed\nnow, and \
         nothing was reset a second time. To reset once\nmore, put it there again.\n",
    )
}

/// The answer to one that is obeyed.
pub(crate) fn taken(work: &Work) -> String {
    let done = match work.step {
        Step::Everything => {
            "RESET.txt was taken: everything is reset. A cut of the power does not stop\nit: the \
             box goes on when it starts again.\n\nDeleted: all mail, all people and their \
             passwords, domains, keys,\ncertificates, settings, the owner's log-in, the \
             network.\nLeft: the id of the device, and the system itself with its \
             updates.\n\nKeys and passwords are overwritten before they are deleted. The mail is \
             deleted\nand not overwritten, and cards keep old copies of what is overwritten: \
             somebody\nwith the right tools may find parts of both. Who must be sure destroys the \
             card.\n"
        }
        Step::Passwords | Step::Owner => {
            "RESET.txt was taken: passwords and network are reset. A cut of the power does\nnot \
             stop it: the box goes on when it starts again.\n\nTaken away: the owner's password of \
             the setup page, its second factor, all that\nwere logged in, the tokens of programs. \
             The network is that of a new box: its\naddress comes from the router (DHCP).\nLeft: \
             all mail, all people and the passwords of their mail, domains,\ncertificates, all \
             other settings.\n"
        }
    };
    let code = work.code;
    lines(&format!(
        "{done}\nThe setup code of this box is now {code}\n\nOpen http://mailroom.local/ in the \
         same network and enter it. Whoever does so\nchooses the owner's password.\n"
    ))
}

/// As Windows' editor wants them.
fn lines(text: &str) -> String {
    text.replace('\n', "\r\n")
}
