//! The command line: the same acts as the setup page, for scripts and tests.
//!
//! ```text
//! args -> Request -> call: control.sock -> the server's act::answer -> act
//!                    or, without a server, the store opened here  -> act
//!         Reply or Failure -> render, print -> exit code 0 done, 1 failed, 2 wrong usage
//! ```

pub(crate) mod args;
pub(crate) mod collect;
pub(crate) mod import;
pub(crate) mod print;
pub(crate) mod render;
pub(crate) mod salvage;
pub(crate) mod salvaged;

use crate::act::collect::CollectAct;
use crate::act::failure::Failure;
use crate::act::people::{self, Password};
use crate::act::{Progress, Reply, Request, call, certificate, check, dns};
use crate::net::acme::plan::Asked;
use crate::{clock, units};
use args::{Command, GivenPassword, Line};
use clap::Parser;
use print::Screen;
use std::ffi::OsString;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the process returns.
pub(crate) const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;

/// Runs the command line of this process.
pub(crate) fn run(line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut screen = Screen::terminal();
    ExitCode::from(run_on(line, &mut std::io::stdin().lock(), &mut screen))
}

/// The same with other ends, for tests; returns the exit code.
pub(crate) fn run_on(
    line: impl IntoIterator<Item = OsString>,
    input: &mut dyn BufRead,
    screen: &mut Screen,
) -> u8 {
    let line = match Line::try_parse_from(line) {
        Ok(line) => line,
        Err(error) => {
            screen.text(&error.to_string(), error.use_stderr());
            return if error.use_stderr() { USAGE } else { DONE };
        }
    };
    if line.json {
        screen.speak_json();
    }
    let data = line.data.unwrap_or_else(default_data);
    match perform(line.command, &data, input, screen) {
        Ok(reply) => {
            if let Some(reply) = &reply {
                screen.result(reply, &render::text(reply));
            }
            if reply.is_some_and(|reply| tells_of_fault(&reply)) { FAILED } else { DONE }
        }
        Err(failure) => {
            screen.failure(&failure);
            FAILED
        }
    }
}

fn default_data() -> PathBuf {
    std::env::var_os("MAILROOM_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from)
}

fn perform(
    command: Command,
    data: &Path,
    input: &mut dyn BufRead,
    screen: &mut Screen,
) -> Result<Option<Reply>, Failure> {
    let now = clock::now();
    match command {
        Command::Serve(args::Serve { port_base, demo, update_state }) => {
            let options = units::ServeOptions { port_base, demo, update_state };
            units::serve(data, options).map_err(|why| Failure::new("cannot serve", why, ""))?;
            Ok(None)
        }
        Command::Check { here } => Ok(Some(Reply::Checked(check::machine(data, None, !here, now)))),
        Command::Dns { domain, dmarc } => dns::zone(data, domain.as_deref(), dmarc, now).map(Some),
        Command::Dkim(act) => dns::dkim(data, act, now).map(Some),
        Command::Certificate(act) => {
            let within = crate::limits::ACME_TRY;
            let view = match act {
                args::Certificate::Show => certificate::show(data, now),
                args::Certificate::Issue => certificate::ask(data, Asked::Issue, within, now),
                args::Certificate::Renew => certificate::ask(data, Asked::Renew, within, now),
            };
            view.map(|view| Some(Reply::Certificate(view)))
        }
        Command::Salvage { from, to } => {
            let mut progress = |done, total| screen.progress(Progress::Part(done, total));
            salvage::all(&from, &to, &mut progress).map(Some)
        }
        Command::SalvagePart { file, to } => salvage::part(&file, &to, now).map(|()| None),
        Command::Restore(args::Restore {
            file, passphrase_file, replace, account: None, ..
        }) => {
            let wrong = |why| Failure::new("cannot restore", why, "see --help");
            let passphrase = args::passphrase(passphrase_file.as_deref()).map_err(wrong)?;
            call::restore(data, (&file, passphrase.as_ref()), replace).map(Some)
        }
        Command::Collect(command) => {
            let wrong = |why| Failure::new("cannot do this", why, "see --help");
            let request = collect::request(*command, input);
            let mut progress = |done| screen.progress(done);
            let reply = call::perform(data, request.map_err(wrong)?, now, &mut progress)?;
            signed_in(data, reply, screen).map(Some)
        }
        Command::Import(line) => {
            let wrong = |why| Failure::new("cannot import", why, "see --help");
            let request = import::request(line, data, input).map_err(wrong)?;
            let mut progress = |done| screen.progress(done);
            call::perform(data, request, now, &mut progress).map(Some)
        }
        command => {
            let mut password = |given: &GivenPassword| password(given, input);
            let wrong = |why| Failure::new("cannot do this", why, "see --help");
            let Some(request) = args::request(command, now, &mut password).map_err(wrong)? else {
                return Ok(None);
            };
            let mut progress = |done| screen.progress(done);
            call::perform(data, request, now, &mut progress).map(Some)
        }
    }
}

/// Where a code is to be typed in elsewhere: shows it, and waits until it was.
fn signed_in(data: &Path, reply: Reply, screen: &mut Screen) -> Result<Reply, Failure> {
    let Reply::SignIn(view) = reply else { return Ok(reply) };
    screen.text(&render::text(&Reply::SignIn(view.clone())), true);
    let (begun, mut interval) = (clock::now(), view.interval);
    loop {
        std::thread::sleep(std::time::Duration::from_secs(interval));
        let (login, address) = (view.login.clone(), view.address.clone());
        let asked = CollectAct::SignInWait { login, address, begun: Box::new(view.clone()) };
        let asked = Request::Collect(asked);
        match call::perform(data, asked, clock::now(), &mut |_| ())? {
            Reply::SignInWaits(wait) => interval = wait.max(1),
            done => return Ok(done),
        }
        if clock::now().saturating_sub(begun) > i64::try_from(view.expires_in).unwrap_or(0) {
            let what = format!("cannot sign in as {}", view.address);
            return Err(Failure::new(&what, "nobody typed in the code in time", "begin anew"));
        }
    }
}

/// Did the reply find something that a script must not take for success?
fn tells_of_fault(reply: &Reply) -> bool {
    match reply {
        Reply::Verified(verified) => !verified.faults.is_empty(),
        Reply::ImportedMany(all) => all.iter().any(|one| !one.error.is_empty()),
        Reply::Salvaged(back) => !back.has_anything(),
        Reply::Checked(findings) => findings.iter().any(|f| f.state == check::State::Wrong),
        _ => false,
    }
}

/// Reads the password from standard input or makes one up; it never stands in the arguments,
/// where every user of the machine can read it.
fn password(given: &GivenPassword, input: &mut dyn BufRead) -> Result<Password, String> {
    if !given.password_stdin {
        return Ok(Password { text: people::made_up()?, made_up: true });
    }
    let mut text = String::new();
    let most = crate::limits::PASSWORD_BYTES + 2;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    std::io::Read::take(input, most)
        .read_line(&mut text)
        .map_err(|error| format!("the password on standard input cannot be read: {error}"))?;
    Ok(Password { text: text.trim_end_matches(['\r', '\n']).to_string(), made_up: false })
}
