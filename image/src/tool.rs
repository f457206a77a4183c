//! Other programs, and what they say when they fail; sums of files.

use ring::digest::{Context, SHA256};
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// Runs a program to its end and returns what it printed. The error carries its own words.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().to_string();
    let output = command.stdin(std::process::Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{name} is missing: `tools/needs image`"),
        _ => format!("{name}: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).to_string());
    }
    let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy().to_string()).collect();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_string();
    Err(format!("{name} {} failed ({}): {said}", arguments.join(" "), output.status))
}

/// A program of Debian's sbin folders too, which are in no ordinary person's PATH.
pub(crate) fn system(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.env("LC_ALL", "C");
    command
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256(file: &Path) -> Result<String, String> {
    let name = file.display();
    let fault = |error: std::io::Error| format!("{name}: {error}");
    let mut opened = std::fs::File::open(file).map_err(fault)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 1 << 20];
    loop {
        match opened.read(&mut piece).map_err(fault)? {
            0 => break,
            length => context.update(&piece[..length]),
        }
    }
    Ok(hex(context.finish().as_ref()))
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_told_with_its_words() {
        let why = run(Command::new("sh").args(["-c", "echo because >&2; exit 3"])).expect_err("3");
        assert!(why.contains("because") && why.contains('3'), "{why}");
        let why = run(&mut Command::new("no-such-program")).expect_err("missing");
        assert!(why.contains("no-such-program is missing"), "{why}");
        assert_eq!(run(Command::new("echo").arg("hello")), Ok("hello\n".to_string()));
    }
}
