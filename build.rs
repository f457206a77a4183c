//! What is embedded smaller than it is written: config/openapi.json without the white space that is
//! there for people.

use std::io::{Error, Result, Write};
use std::path::Path;

const DESCRIPTION: &str = "config/openapi.json";

fn main() -> Result<()> {
    let folder =
        std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("cargo names no OUT_DIR"))?;
    let text = std::fs::read_to_string(DESCRIPTION)?;
    std::fs::write(Path::new(&folder).join("openapi.json"), without_space(&text))?;
    writeln!(std::io::stdout(), "cargo::rerun-if-changed={DESCRIPTION}")
}

/// JSON without the white space between its words.
fn without_space(json: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(json.len()), false, false);
    for letter in json.chars() {
        if quoted {
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else if letter.is_ascii_whitespace() {
            continue;
        } else {
            quoted = letter == '"';
        }
        out.push(letter);
    }
    out
}
