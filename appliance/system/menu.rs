//! The menu of the console: whoever stands at the box can restart it, and reset it. It owns no
//! terminal: octets in, lines and acts out.
//!
//! ```text
//! Closed --Enter--> Open --1--> restart    --2--> off    --5--> the addresses again
//!                     |---3--> Sure   --"yes"--> passwords and network are reset
//!                     |---6--> Old    --"yes"--> the box starts with the old copy of its mail
//!                     '---4--> Naming --the device's id--> everything is reset
//! ```
//!
//! Each line is taken as a whole. An empty one goes back to Closed, and so does a minute without
//! any. Only a line of at most one letter opens it: what a device at the serial port says by
//! itself, and an echo of what the box says, are longer.

use super::init::reset::asked::Level;
use crate::limits;
use crate::request::DeviceId;
use std::time::Duration;

/// What the menu is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Restart,
    Off,
    Reset(Level),
    /// The disk with the mail is gone: its old copy is used from now on.
    Old,
    /// The lines of the console once more.
    Show,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open,
    /// Passwords and network: only after a yes.
    Sure,
    /// Everything: only after the id of the device.
    Naming,
    /// The old copy of the mail: only after a yes.
    Old,
}

/// The menu at one terminal.
#[derive(Debug, Default)]
pub(crate) struct Menu {
    state: State,
    line: Vec<u8>,
    /// More came than a line may have.
    too_long: bool,
    after_return: bool,
    /// Its last words are still shown.
    shown: bool,
    /// When it closes, and they go.
    until: Duration,
}

/// What a key came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Came {
    /// What is to be shown from now on; none: the menu is closed.
    pub lines: Vec<String>,
    pub act: Option<Act>,
}

/// What may be reset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resets {
    /// The data partition can be written.
    pub possible: bool,
    pub device: Option<DeviceId>,
    /// The mail is on another disk that cannot be used.
    pub lost: bool,
    /// An old copy of it is on the system's disk.
    pub old_copy: bool,
}

impl Resets {
    fn offers_old(self) -> bool {
        self.possible && self.lost && self.old_copy
    }
}

impl Menu {
    /// Takes an octet; something comes of a whole line.
    pub(crate) fn key(&mut self, octet: u8, now: Duration, resets: Resets) -> Option<Came> {
        let after_return = std::mem::replace(&mut self.after_return, octet == b'\r');
        match octet {
            b'\n' if after_return => None,
            b'\r' | b'\n' => {
                let line = std::mem::take(&mut self.line);
                let too_long = std::mem::take(&mut self.too_long);
                let line = String::from_utf8_lossy(&line).trim().to_string();
                // A port with a device at it may say anything.
                let is_noise = self.state == State::Closed && (too_long || line.len() > 1);
                if is_noise {
                    return None;
                }
                self.until = now + limits::MENU_OPEN;
                let came = self.take(if too_long { "?" } else { &line }, resets);
                self.shown = !came.lines.is_empty();
                Some(came)
            }
            // Where the terminal does not take letters back itself.
            0x08 | 0x7F => {
                self.line.pop();
                None
            }
            _ if self.line.len() < limits::MENU_LINE_BYTES => {
                self.line.push(octet);
                None
            }
            _ => {
                self.too_long = true;
                None
            }
        }
    }

    /// True: nothing was typed for a minute. It is closed, and nothing of it is shown any more.
    pub(crate) fn is_over(&mut self, now: Duration) -> bool {
        let over = self.shown && self.until <= now;
        if over {
            *self = Menu::default();
        }
        over
    }

    fn take(&mut self, line: &str, resets: Resets) -> Came {
        match self.state {
            State::Closed => {
                let mut came = self.go(State::Open, CHOICES);
                if resets.offers_old() {
                    let at = came.lines.len().saturating_sub(1);
                    came.lines.insert(at, OLD_CHOICE.to_string());
                }
                came
            }
            _ if line.is_empty() => self.close(None, &[]),
            State::Open => self.choose(line, resets),
            State::Sure => match line.eq_ignore_ascii_case("yes") {
                true => self.close(
                    Some(Act::Reset(Level::Passwords)),
                    &["Passwords and network are reset: the box restarts."],
                ),
                false => self.close(None, &["That was not yes. Nothing is reset."]),
            },
            State::Old => match line.eq_ignore_ascii_case("yes") {
                true => self.close(
                    Some(Act::Old),
                    &["The old copy of the mail is used from now on: the box restarts."],
                ),
                false => self.close(None, &["That was not yes. All is left as it is."]),
            },
            State::Naming => match resets.device.filter(|it| DeviceId::parse(line) == Some(*it)) {
                Some(_) => self.close(
                    Some(Act::Reset(Level::Everything)),
                    &["Everything is reset: the box restarts, and goes on with it."],
                ),
                None => {
                    self.close(None, &["That was not the id of this device. Nothing is reset."])
                }
            },
        }
    }

    fn choose(&mut self, line: &str, resets: Resets) -> Came {
        match line {
            "1" => self.close(Some(Act::Restart), &["The box restarts."]),
            "2" => self.close(Some(Act::Off), &["The box switches itself off."]),
            "3" | "4" if !resets.possible || resets.device.is_none() => self.close(
                None,
                &["Nothing can be reset: the data partition cannot be written. Why stands above."],
            ),
            "3" if resets.lost => self.close(
                None,
                &["The passwords are with the mail, on the disk that is missing: put it in first."],
            ),
            "3" => self.go(State::Sure, SURE),
            "4" => self.go(State::Naming, NAMING),
            "6" if resets.offers_old() => self.go(State::Old, OLD),
            "5" => self.close(Some(Act::Show), &[]),
            // Closed, and said once: an echo at the serial port must not have it speak for ever.
            _ => self.close(None, &["There is no such choice. Enter opens the menu again."]),
        }
    }

    fn go(&mut self, state: State, lines: &[&str]) -> Came {
        self.state = state;
        Came { lines: owned(lines), act: None }
    }

    fn close(&mut self, act: Option<Act>, lines: &[&str]) -> Came {
        self.state = State::Closed;
        Came { lines: owned(lines), act }
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

const CHOICES: &[&str] = &[
    "1  restart the box",
    "2  switch it off",
    "3  reset passwords and network: mail, people and their passwords stay",
    "4  reset everything: all mail, people and settings are deleted",
    "5  show the addresses again",
    "Type a number and Enter. Enter alone leaves the menu, and so does a minute.",
];

const OLD_CHOICE: &str = "6  start with the old copy of the mail that is on the system's disk";

const OLD: &[&str] = &[
    "The mail as it was before it moved to the disk that is missing. What came since is on that",
    "disk only: nothing there is changed, and this box uses it no more.",
    "Type yes and Enter to do it. Enter alone leaves all as it is.",
];

const SURE: &[&str] = &[
    "The owner's log-in of the setup page is taken away, the network is DHCP again.",
    "Mail, people and the passwords of their mail stay. A new setup code is shown.",
    "Type yes and Enter to do it. Enter alone leaves all as it is.",
];

const NAMING: &[&str] = &[
    "All mail, people, passwords, keys and settings of this box are deleted.",
    "Type the id of the device, which stands above, and Enter to do it. Enter alone",
    "leaves all as it is.",
];
