//! How fast a disk is: in a row, and in the small writes that mail needs, each of which is on the
//! disk before the next begins.

use super::copy::drop_cache;
use crate::act::failure::{Failure, Kind};
use crate::act::words::octets;
use crate::clock::Ticks;
use crate::limits::{
    SPEED_BYTES, SPEED_SLOW_MICROS, SPEED_SLOW_OCTETS, SPEED_SPARE_BYTES, SPEED_TIME,
    SPEED_TOO_SLOW_MICROS, SPEED_TOO_SLOW_OCTETS, SPEED_WRITE_BYTES, SPEED_WRITES,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const WHAT: &str = "cannot measure the disk";
/// Found by the next measurement, should this one be cut off.
const FILE: &str = "speed.tmp";
const PIECE: usize = 1 << 20;
/// On the disk after so many octets: a full memory would be measured otherwise.
const SYNCED: u64 = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    Good,
    Slow,
    TooSlow,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Speed {
    /// Seconds since 1970.
    pub at: i64,
    /// In a row, octets in a second.
    pub write: u64,
    pub read: u64,
    /// Of a small write until it is on the disk, the median and the worst, in microseconds.
    pub commit: u64,
    pub worst: u64,
    pub class: Class,
}

/// How far it is, and of how much.
pub(crate) type Told<'a> = dyn FnMut(u64, u64) + 'a;

/// Measures the disk of the folder; takes at most about a minute. The file is removed afterwards.
pub(crate) fn measure(
    folder: &Path,
    room: u64,
    (at, ticks): (i64, Ticks),
    told: &mut Told<'_>,
) -> Result<Speed, Failure> {
    if room < SPEED_BYTES.saturating_add(SPEED_SPARE_BYTES) {
        let need = octets(SPEED_BYTES + SPEED_SPARE_BYTES);
        let why = format!("the disk has no room for a test: {need} must be free");
        return Err(Failure::new(WHAT, why, "free some").of_kind(Kind::Full));
    }
    let path = folder.join(FILE);
    let tested = Test::begin(&path).and_then(|mut test| test.run((at, ticks), told));
    tested.map_err(|error| Failure::new(WHAT, error, "look at the disk").of_kind(Kind::Trouble))
}

pub(crate) fn class(write: u64, read: u64, commit: u64) -> Class {
    let row = write.min(read);
    if commit > SPEED_TOO_SLOW_MICROS || row < SPEED_TOO_SLOW_OCTETS {
        Class::TooSlow
    } else if commit > SPEED_SLOW_MICROS || row < SPEED_SLOW_OCTETS {
        Class::Slow
    } else {
        Class::Good
    }
}

/// The file goes with it.
struct Test {
    path: PathBuf,
    file: File,
}

impl Drop for Test {
    fn drop(&mut self) {
        // The next measurement takes it over.
        let _ = fs::remove_file(&self.path);
    }
}

impl Test {
    fn begin(path: &Path) -> io::Result<Test> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Test { path: path.to_path_buf(), file: options.open(path)? })
    }

    fn run(&mut self, (at, ticks): (i64, Ticks), told: &mut Told<'_>) -> io::Result<Speed> {
        let begun = ticks.millis();
        let over = |part: u32| {
            let most = u64::try_from(SPEED_TIME.as_millis()).unwrap_or(u64::MAX) / 3;
            ticks.millis().saturating_sub(begun) > most.saturating_mul(part.into())
        };
        let (written, write) = self.write(ticks, &|| over(1), told)?;
        let read = self.read(written, ticks, &|| over(2), told)?;
        let mut times = self.commits(written, ticks, &|| over(3), told)?;
        times.sort_unstable();
        let commit = times.get(times.len() / 2).copied().unwrap_or(0);
        let worst = times.last().copied().unwrap_or(0);
        let class = class(write, read, commit);
        Ok(Speed { at, write, read, commit, worst, class })
    }

    fn write(
        &mut self,
        ticks: Ticks,
        over: &dyn Fn() -> bool,
        told: &mut Told<'_>,
    ) -> io::Result<(u64, u64)> {
        let (begun, mut written) = (ticks.micros(), 0);
        let mut piece = noise(PIECE);
        while written < SPEED_BYTES && !over() {
            // No two pieces are alike: some disks write what is alike but once.
            piece.iter_mut().take(8).zip(written.to_le_bytes()).for_each(|(to, it)| *to ^= it);
            self.file.write_all(&piece)?;
            written += PIECE as u64;
            if written % SYNCED == 0 {
                self.file.sync_data()?;
            }
            told(written, SPEED_BYTES * 3);
        }
        self.file.sync_data()?;
        Ok((written, per_second(written, ticks.micros().saturating_sub(begun))))
    }

    fn read(
        &mut self,
        of: u64,
        ticks: Ticks,
        over: &dyn Fn() -> bool,
        told: &mut Told<'_>,
    ) -> io::Result<u64> {
        drop_cache(&self.file);
        self.file.seek(SeekFrom::Start(0))?;
        let (begun, mut done) = (ticks.micros(), 0);
        let mut piece = vec![0; PIECE];
        while done < of && !over() {
            self.file.read_exact_at(&mut piece, done)?;
            done += PIECE as u64;
            told(SPEED_BYTES + done, SPEED_BYTES * 3);
        }
        Ok(per_second(done, ticks.micros().saturating_sub(begun)))
    }

    /// Far from each other, as pages of a store are.
    fn commits(
        &mut self,
        of: u64,
        ticks: Ticks,
        over: &dyn Fn() -> bool,
        told: &mut Told<'_>,
    ) -> io::Result<Vec<u64>> {
        let piece = noise(SPEED_WRITE_BYTES);
        let places = (of / SPEED_WRITE_BYTES as u64).max(1);
        let mut times = Vec::new();
        for number in 0..SPEED_WRITES as u64 {
            if over() && !times.is_empty() {
                break;
            }
            let place = number.wrapping_mul(2_654_435_761) % places * SPEED_WRITE_BYTES as u64;
            let begun = ticks.micros();
            self.file.write_all_at(&piece, place)?;
            self.file.sync_data()?;
            times.push(ticks.micros().saturating_sub(begun));
            told(SPEED_BYTES * 2 + SPEED_BYTES * number / SPEED_WRITES as u64, SPEED_BYTES * 3);
        }
        Ok(times)
    }
}

fn per_second(octets: u64, micros: u64) -> u64 {
    let (octets, micros) = (u128::from(octets), u128::from(micros.max(1)));
    let second = Duration::from_secs(1).as_micros();
    u64::try_from(octets * second / micros).unwrap_or(u64::MAX)
}

/// What no disk can make smaller.
fn noise(octets: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..octets).map(|_| next()).collect()
}
