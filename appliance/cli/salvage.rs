//! `mailroom salvage`: a damaged store is read by a process of its own, so that whatever the disk
//! or the file does to it ends that process and not the one who tells what came of it.
//!
//! ```text
//! salvage FROM NEW --starts--> salvage-part FROM NEW    limits of memory and time set on itself
//!                  <--lines--  progress, then the reply or the failure
//! ```

use super::print;
use crate::act::call::STORE;
use crate::act::failure::Failure;
use crate::act::{AnswerLine, Progress, Reply};
use crate::limits::{
    SALVAGE_BEAT, SALVAGE_CPU, SALVAGE_MEMORY_BYTES, SALVAGE_OCTETS_PER_CPU_SECOND, SALVAGE_STALL,
};
use crate::store::salvage::{Disk, Source, is_in_use, salvage};
use crate::store::writer::Options;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The name of the command that is the child.
pub(crate) const PART: &str = "salvage-part";
/// Address space beyond what the files need.
const SPACE_BYTES: u64 = 8 << 30;
/// The map of the new store grows by this.
const MAP_STEP_BYTES: usize = 1 << 30;

/// Brings back what is in `from` into the new data folder `to`. `progress` hears thousandths.
pub(crate) fn all(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Reply, Failure> {
    let file = data_file(from)?;
    check(&file, to)?;
    let what = what(from);
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(&what, error, "call mailroom by its whole path"))?;
    watch(child(&own, &file, to), &what, to, SALVAGE_STALL, progress)
}

#[cfg(not(test))]
fn child(own: &Path, file: &Path, to: &Path) -> Command {
    let mut child = Command::new(own);
    child.arg(PART).arg(file).arg(to);
    child
}

/// Under test this program is a harness that runs tests, and one of them is the child.
#[cfg(test)]
pub(crate) fn child(own: &Path, file: &Path, to: &Path) -> Command {
    let mut child = Command::new(own);
    child.args(["--exact", "tests::cli::salvage::child_reads", "--nocapture"]);
    child.env("MAILROOM_TEST_SALVAGE_FROM", file).env("MAILROOM_TEST_SALVAGE_TO", to);
    child
}

/// Runs the child and hears what it says; one that says nothing for `stall` is ended.
pub(crate) fn watch(
    mut child: Command,
    what: &str,
    to: &Path,
    stall: Duration,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Reply, Failure> {
    let started = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child =
        started.map_err(|error| Failure::new(what, error, "look for memory and processes"))?;
    let (say, hear) = mpsc::channel();
    let lines = child.stdout.take();
    // Ends with the child's last line, or with its end.
    let reader = std::thread::spawn(move || {
        let Some(lines) = lines else { return };
        for line in BufReader::new(lines).split(b'\n').map_while(Result::ok) {
            if let Ok(answer) = serde_json::from_slice::<AnswerLine>(&line)
                && say.send(answer).is_err()
            {
                return;
            }
        }
    });
    let mut result = None;
    let mut silent = false;
    while result.is_none() {
        match hear.recv_timeout(stall) {
            Ok(AnswerLine::Progress(Progress::Part(done, total))) => progress(done, total),
            Ok(AnswerLine::Progress(_)) => {}
            Ok(AnswerLine::Reply(reply)) => result = Some(Ok(reply)),
            Ok(AnswerLine::Failure(failure)) => result = Some(Err(failure)),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                silent = true;
                break;
            }
        }
    }
    let ended = end(&mut child, silent);
    drop(hear);
    if !silent {
        let _ = reader.join();
    }
    result.unwrap_or_else(|| Err(broken_off(what, to, silent, ended)))
}

/// Waits for the child; a silent one is killed first.
fn end(child: &mut Child, silent: bool) -> Option<ExitStatus> {
    if silent {
        // One that a dying disk holds in the kernel cannot even be killed: it is not waited for.
        let _ = child.kill();
        return child.try_wait().ok().flatten();
    }
    child.wait().ok()
}

fn broken_off(what: &str, to: &Path, silent: bool, ended: Option<ExitStatus>) -> Failure {
    let signal = ended.and_then(|status| status.signal());
    let signal = signal.map(|number| match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("signal {number}"),
    });
    let why = match signal {
        _ if silent => "it came no further for a long time: the disk may hang".to_string(),
        Some(signal) => format!("reading was broken off by {signal}"),
        None => "reading broke off".to_string(),
    };
    let folder = to.join(STORE);
    let why = format!("{why}; what was brought until then is kept in {}", folder.display());
    let remedy = "copy the damaged file to another disk, as far as it can be read, and salvage \
                  the copy into another folder";
    Failure::new(what, why, remedy)
}

/// The child's whole life: its answer goes to standard output, line by line.
pub(crate) fn part(file: &Path, to: &Path, now: i64) -> Result<(), Failure> {
    let what = what(file);
    let source = Disk::open(file).map_err(|error| unreadable(&what, &error))?;
    let length = source.length();
    let limited = limit(length);
    let say = |answer: &AnswerLine| {
        if let Ok(text) = serde_json::to_string(answer) {
            print::line(&text);
        }
    };
    say(&AnswerLine::Progress(Progress::Part(0, 1_000)));
    let map = usize::try_from(length).unwrap_or(usize::MAX / 4);
    let options = Options {
        map_bytes: map.saturating_add(MAP_STEP_BYTES),
        map_step_bytes: MAP_STEP_BYTES,
        ..Options::default()
    };
    let mut told: Option<(u64, Instant)> = None;
    let done = limited.map_err(|error| error.to_string()).and_then(|()| {
        let dir = to.join(STORE);
        let done = salvage(&source, &dir, options, now, &mut |done| {
            // Also where it takes long to get on: a child that says nothing hangs.
            if told.is_none_or(|(last, at)| last != done || at.elapsed() > SALVAGE_BEAT) {
                told = Some((done, Instant::now()));
                say(&AnswerLine::Progress(Progress::Part(done, 1_000)));
                fault(done);
            }
            Ok(())
        });
        done.map_err(|error| error.to_string())
    });
    say(&match done {
        Ok(salvaged) => AnswerLine::Reply(Reply::Salvaged(salvaged)),
        Err(why) => {
            let remedy = "what was brought until then is kept; salvage again into another folder";
            AnswerLine::Failure(Failure::new(&what, why, remedy))
        }
    });
    Ok(())
}

/// Bounds what this process may take, whatever stands in the file.
fn limit(length: u64) -> nix::Result<()> {
    let space = length.saturating_mul(3).saturating_add(SPACE_BYTES);
    let seconds = SALVAGE_CPU.as_secs() + length / SALVAGE_OCTETS_PER_CPU_SECOND;
    for (resource, most) in [
        (Resource::RLIMIT_DATA, SALVAGE_MEMORY_BYTES),
        (Resource::RLIMIT_AS, space),
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_CORE, 0),
    ] {
        let (_, hard) = getrlimit(resource)?;
        let most = most.min(hard);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// The tests' way to make the child end badly in the middle of its work.
#[cfg(debug_assertions)]
fn fault(done: u64) {
    match std::env::var("MAILROOM_TEST_SALVAGE_FAULT") {
        Ok(how) if done > 500 && how == "abort" => std::process::abort(),
        Ok(how) if done > 500 && how == "hang" => loop {
            std::thread::park();
        },
        _ => {}
    }
}

#[cfg(not(debug_assertions))]
fn fault(_done: u64) {}

/// The file of a store: named itself, or by its folder, or by its data folder.
fn data_file(from: &Path) -> Result<PathBuf, Failure> {
    let below = [from.join("data.mdb"), from.join(STORE).join("data.mdb")];
    let file = if from.is_dir() { below.into_iter().find(|file| file.exists()) } else { None };
    match file {
        Some(file) => Ok(file),
        None if from.is_dir() => {
            Err(Failure::new(&what(from), "there is no store", "name the file itself"))
        }
        None => Ok(from.to_path_buf()),
    }
}

fn check(file: &Path, to: &Path) -> Result<(), Failure> {
    let what = what(file);
    let mut first = [0];
    let mut opened = std::fs::File::open(file).map_err(|error| unreadable(&what, &error))?;
    // A folder opens, and cannot be read. A first octet that a dying disk does not give is no
    // reason to give up.
    if let Err(error) = opened.read(&mut first)
        && error.kind() == std::io::ErrorKind::IsADirectory
    {
        return Err(unreadable(&what, &error));
    }
    if is_in_use(file) {
        let remedy = "stop the server first, or salvage a copy of the file";
        return Err(Failure::new(&what, "the store is in use", remedy));
    }
    let taken = match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if taken {
        let why = format!("{} is there already and not empty", to.display());
        return Err(Failure::new(&what, why, "name a folder for the new store that is not there"));
    }
    Ok(())
}

fn unreadable(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(what, error, "name the store's file or folder, and see that you may read it")
}

fn what(from: &Path) -> String {
    format!("cannot salvage {}", from.display())
}
