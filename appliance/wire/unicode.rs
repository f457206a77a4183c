//! Net-Unicode (RFC 5198): the one form in which a name is kept.

use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// RFC 5198 3: composed (NFC). macOS writes "u" and two dots where others write one character.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::composed;

    #[test]
    fn two_ways_to_write_a_name_are_one() {
        assert_eq!(composed("Bu\u{308}ro"), "B\u{fc}ro");
        assert_eq!(composed("\u{1112}\u{1161}\u{11ab}"), "\u{d55c}");
        assert_eq!(composed("plain &U,BTFw-"), "plain &U,BTFw-");
    }
}
