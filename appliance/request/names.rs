//! What people read off the box and type elsewhere.

use std::fmt;

/// Two groups of four letters and digits that are not mistaken for each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(super) [u8; 9]);

impl Code {
    /// 32 of them: a random octet gives five bits without preference.
    pub(crate) const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

    pub(crate) fn new(random: [u8; 8]) -> Code {
        let mut code = *b"....-....";
        for (at, octet) in random.into_iter().enumerate() {
            let at = if at < 4 { at } else { at + 1 };
            code[at] = Self::LETTERS[usize::from(octet % 32)];
        }
        Code(code)
    }

    /// As it is typed: lower case and a missing dash are forgiven.
    pub(crate) fn parse(text: &str) -> Option<Code> {
        let text = text.trim().to_ascii_uppercase().replace('-', "");
        let letters: [u8; 8] = text.as_bytes().try_into().ok()?;
        if !letters.iter().all(|letter| Self::LETTERS.contains(letter)) {
            return None;
        }
        let mut code = *b"....-....";
        code[..4].copy_from_slice(&letters[..4]);
        code[5..].copy_from_slice(&letters[4..]);
        Some(Code(code))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{}", char::from(*octet)))
    }
}

/// A secret does not go into logs.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

/// Tells this box from others: eight hexadecimal digits in two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId(pub u32);

impl DeviceId {
    /// As it is typed: lower case and a missing dash are forgiven.
    pub(crate) fn parse(text: &str) -> Option<DeviceId> {
        let digits = match text.split_once('-') {
            Some((first, second)) if first.len() == 4 => format!("{first}{second}"),
            _ => text.to_string(),
        };
        let right = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        right.then(|| u32::from_str_radix(&digits, 16).ok()).flatten().map(DeviceId)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}-{:04X}", self.0 >> 16, self.0 & 0xFFFF)
    }
}
