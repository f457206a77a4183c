//! The name server of the tests, alone: `cargo run --example names -- ADDRESS WORLD ANCHOR`, see
//! world.rs.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code, reason = "the unit tests have this file too")]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [at, file, anchor] = words.as_slice() else {
        return Err("names ADDRESS WORLD ANCHOR".to_string());
    };
    let names = world::Names::start_file(at, file.into())?;
    std::fs::write(anchor, names.anchor()).map_err(|error| format!("{anchor}: {error}"))?;
    println!("{}", names.at);
    loop {
        std::thread::park();
    }
}
