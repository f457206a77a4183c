//! Who does an act: the running server, asked over its control socket, or, when none runs, this
//! process with the store opened for itself alone.

use super::failure::Failure;
use super::update::Hindrance;
use super::{AnswerLine, Progress, Reply, Request, act, office};
use crate::net::unix::Caller;
use crate::store::backup::sealed::Passphrase;
use crate::store::writer::Options;
use crate::store::{Store, StoreError, backup};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the control socket in the data folder.
pub(crate) const SOCKET: &str = "control.sock";
/// The name of the store's folder in the data folder.
pub(crate) const STORE: &str = "store";

pub(crate) fn perform(
    data: &Path,
    request: Request,
    now: i64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reply, Failure> {
    match server(data)? {
        Some(server) => ask(server, &request, progress),
        None if matches!(request, Request::Log) => Err(Failure::new(
            "cannot tell the log",
            "it is in the memory of the server, and none runs",
            "start it: mailroom serve",
        )),
        None if matches!(request, Request::Update(_)) => Err(Hindrance::NoBox.into()),
        None => {
            let store = open(data)?;
            let result = act(&store, request, now, progress);
            store.close();
            result
        }
    }
}

/// Puts a backup in place of the store.
pub(crate) fn restore(
    data: &Path,
    (file, passphrase): (&Path, Option<&Passphrase>),
    replace: bool,
) -> Result<Reply, Failure> {
    let what = format!("cannot restore {}", file.display());
    if server(data)?.is_some() {
        return Err(Failure::new(&what, "the server is running", "stop it first"));
    }
    let settle = |parts: &mut backup::Parts| office::settle(data, parts);
    let put = |side: &Path| office::put(data, side);
    let from = (file, passphrase);
    let ways: backup::Ways<'_> = (&settle, &office::write, &put);
    let restored = backup::restore(from, &data.join(STORE), replace, ways);
    let whole = restored.map_err(|error| match error {
        StoreError::Exists(_) => {
            Failure::new(&what, &error, "say --replace to put it in its place")
        }
        error => Failure::store(&what, &error),
    })?;
    let mut done = match whole {
        true => format!(
            "mail, settings, keys and certificates are as they were when {} was written; where \
             this machine listens is its own",
            file.display()
        ),
        false => format!(
            "the store is as it was when {} was written; it is of an older version and \
             holds no settings, keys or certificates: those are as they were here",
            file.display()
        ),
    };
    if replace {
        done.push_str("; what was replaced is kept as before-restore, until you delete it");
    }
    Ok(Reply::Done(done))
}

/// The running server, if there is one.
fn server(data: &Path) -> Result<Option<Caller>, Failure> {
    match Caller::call(&data.join(SOCKET)) {
        Ok(caller) => Ok(Some(caller)),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(error) => {
            let what = format!("cannot ask the server at {}", data.join(SOCKET).display());
            let remedy = "run this as the user who runs the server, or as root";
            Err(Failure::new(&what, error, remedy))
        }
    }
}

/// Opens a store that exists: a wrong --data must not make a new one.
fn open(data: &Path) -> Result<Store, Failure> {
    let folder: PathBuf = data.join(STORE);
    let what = format!("cannot open the store in {}", folder.display());
    let no_access = |error| match error {
        StoreError::Locked => Failure::new(
            &what,
            "another process has it open, and no server answers at its control socket",
            "wait for the other command, or look for a server that is starting or stopping",
        ),
        error => Failure::store(&what, &error),
    };
    office::finish_restore(data).map_err(no_access)?;
    if !folder.join("data.mdb").exists() {
        let remedy = "name its folder with --data, or make it: mailroom serve --data DIR";
        return Err(Failure::new(&what, "there is none", remedy));
    }
    Store::open(&folder, Options::default()).map_err(no_access)
}

fn ask(
    mut server: Caller,
    request: &Request,
    progress: &mut dyn FnMut(Progress),
) -> Result<Reply, Failure> {
    let what = "cannot ask the server";
    let lost = |why: &str| {
        Failure::new(what, why, "it may be stopping, or serve too many commands at once: try again")
    };
    let line = serde_json::to_vec(request).map_err(|error| lost(&error.to_string()))?;
    let closed = || lost("it closed the connection before it was done");
    server.send(&line).map_err(|_| closed())?;
    loop {
        let line = server.answer().map_err(|error| match error.kind() {
            ErrorKind::ConnectionReset => closed(),
            _ => lost(&error.to_string()),
        })?;
        let line = line.ok_or_else(closed)?;
        match serde_json::from_slice(&line) {
            Ok(AnswerLine::Progress(done)) => progress(done),
            Ok(AnswerLine::Reply(reply)) => return Ok(reply),
            Ok(AnswerLine::Failure(failure)) => return Err(failure),
            Err(error) => {
                let remedy = "use the command line of the same version as the server";
                return Err(Failure::new(what, error, remedy));
            }
        }
    }
}
