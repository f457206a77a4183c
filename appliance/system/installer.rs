//! The child that reads an update file: the only one that looks into octets which a stick or an
//! upload brought before they are believed. It opens nothing itself; PID 1 gave it the file, for
//! reading, and the slot that does not run.

use super::confine::INSTALLER;
use super::pair::Pair;
use crate::request::{InstallStep, Message, RefusedFor, Words};
use crate::update::bundle::{self, Hash, Keys, Manifest, Refusal, Running};
use crate::update::install::{self, Failure, Progress, Step, Target};
use crate::update::release;
use semver::Version;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Runs to its end; what came of it PID 1 has heard.
pub(crate) fn run(pair: &Pair) -> Result<(), String> {
    // Read before no file can be opened any more.
    let keys = std::fs::read_to_string(release::KEYS);
    INSTALLER.enter()?;
    let heard = pair.take().map_err(|error| format!("PID 1: {error}"))?;
    let Some((Message::Install { consent, epoch, running }, files)) = heard else {
        return Err("the first message is not an order to install".to_string());
    };
    let [file, slot] = <[File; 2]>::try_from(files)
        .map_err(|files| format!("{} descriptors came, not two", files.len()))?;
    let (board, version) = running.text().split_once(' ').ok_or("what runs is not said")?;
    let version = Version::parse(version).map_err(|error| format!("what runs: {error}"))?;
    let order = Order { running: Running { board, version, epoch }, consent };
    let keys = keys.map_err(|error| format!("{}: {error}", release::KEYS));
    let said = match keys.and_then(|text| Keys::parse(&text)) {
        Ok(keys) => order.install(pair, file, slot, &keys),
        Err(why) => Message::Refused { kind: RefusedFor::Good, why: Words::new(&why) },
    };
    pair.say(&said).map_err(|error| format!("PID 1: {error}"))
}

struct Order<'a> {
    running: Running<'a>,
    consent: bool,
}

impl Order<'_> {
    fn install(&self, pair: &Pair, file: File, slot: File, keys: &Keys) -> Message {
        let mut file = BufReader::with_capacity(bundle::BLOCK_BYTES, file);
        // PID 1 says by the end of its socket, too, that it does not go on.
        let stopped = RefCell::new(None);
        let allowed = |manifest: &Manifest| {
            bundle::judge(manifest, &self.running, self.consent)?;
            announce(pair, manifest).map_err(|why| {
                let refusal = Refusal::Unreadable(why.clone());
                *stopped.borrow_mut() = Some(why);
                refusal
            })
        };
        let mut told = |progress| drop(pair.say(&progress_of(progress)));
        let done = install::install(&mut file, &mut Partition(slot), keys, allowed, &mut told);
        match done {
            Ok(_) => Message::Written,
            Err(failure) => {
                let why = stopped.into_inner().unwrap_or_else(|| failure.to_string());
                Message::Refused { kind: kind(&failure), why: Words::new(&why) }
            }
        }
    }
}

/// Says which update it is, and waits for the word to go on.
fn announce(pair: &Pair, manifest: &Manifest) -> Result<(), String> {
    let (epoch, version) = (manifest.epoch, Words::new(&manifest.version.to_string()));
    let id = id(manifest).map_err(|refusal| refusal.to_string())?;
    let said = pair.say(&Message::Found { id, epoch, version });
    let heard = said.and_then(|()| pair.take()).map_err(|error| format!("PID 1: {error}"))?;
    match heard {
        Some((Message::Go, _)) => Ok(()),
        _ => Err("it was told to stop".to_string()),
    }
}

/// One update is the same as another when all that is signed of it is.
fn id(manifest: &Manifest) -> Result<[u8; 16], Refusal> {
    let sum = String::from(Hash::of(&manifest.print()?));
    let mut id = [0; 16];
    for (octet, digits) in id.iter_mut().zip(sum.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *octet = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    Ok(id)
}

fn kind(failure: &Failure) -> RefusedFor {
    match failure {
        Failure::Refused(Refusal::Same(_)) => RefusedFor::Same,
        Failure::Refused(Refusal::Older { .. }) => RefusedFor::Older,
        _ => RefusedFor::Good,
    }
}

fn progress_of(Progress { step, done, of }: Progress) -> Message {
    let step = match step {
        Step::Checking => InstallStep::Checking,
        Step::Writing => InstallStep::Writing,
        Step::ReadingBack => InstallStep::ReadingBack,
    };
    let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Message::Progress { step, done: count(done), of: count(of) }
}

/// The slot's partition, opened so that no cache stands between.
struct Partition(File);

impl Target for Partition {
    fn size(&mut self) -> io::Result<u64> {
        self.0.seek(SeekFrom::End(0))
    }

    fn write(&mut self, at: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, at)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}
