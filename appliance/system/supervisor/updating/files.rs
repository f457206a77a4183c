//! Files of updates: on sticks, on the data partition, and the letter that a stick gets.

use super::{Source, Supervisor, upload};
use crate::limits;
use crate::system::init::reset::asked::ASKED;
use crate::system::sticks::{self, Stick, Unreadable};
use crate::system::syscall::Access;
use crate::update::ledger;
use std::io;

/// What the owner finds on the stick afterwards.
const LETTER: &str = "mailroom-update.txt";
const ENDING: &str = ".mru";

impl Supervisor<'_> {
    /// Sticks that came since the last look: at most one update is begun.
    pub(super) fn look_at_sticks(&mut self) {
        let all = sticks::all(self.system, self.booted.disk.as_ref());
        self.updates.seen.retain(|seen| all.contains(seen));
        let mut unread: Vec<(String, Unreadable)> = Vec::new();
        let new: Vec<Stick> =
            all.into_iter().filter(|stick| !self.updates.seen.contains(stick)).collect();
        for stick in &new {
            // One that is slow takes its time for each of its partitions.
            self.system.feed_watchdog();
            self.updates.seen.push(stick.clone());
            match sticks::mount(self.system, stick, Access::ReadOnly) {
                Ok(()) => self.look_into(stick),
                Err(why) => unread.push((stick.disk.clone(), why)),
            }
            if self.updates.install.is_some() {
                // The others are looked at when this one is done.
                self.updates.look = Some(self.system.uptime());
                break;
            }
        }
        for (disk, why) in unread {
            // Disks of other uses have partitions that are none of ours.
            let whole = !new.iter().any(|stick| stick.disk == disk && is_partition(stick));
            if matches!(why, Unreadable::Ntfs) || (whole && self.is_removable(&disk)) {
                self.trouble(why.to_string());
            }
        }
    }

    /// It is mounted, and is let go unless an update begins.
    fn look_into(&mut self, stick: &Stick) {
        let Some(mut found) = self.listed() else { return self.unmount() };
        if found.iter().any(|name| name.eq_ignore_ascii_case(ASKED)) {
            self.unmount();
            let ends = self.reset_wished(stick);
            if ends || sticks::mount(self.system, stick, Access::ReadOnly).is_err() {
                return;
            }
            let Some(again) = self.listed() else { return self.unmount() };
            found = again;
        }
        found.retain(|name| is_bundle(name));
        let waits = self.updates.ledger.letter.as_ref();
        let letter = waits.filter(|letter| found.contains(&letter.file)).cloned();
        match (letter, found.as_slice()) {
            (Some(letter), _) => {
                self.unmount();
                if self.write_letter(stick, &letter.text, true) {
                    self.updates.ledger.letter = None;
                    self.keep_ledger();
                }
            }
            (None, []) => self.unmount(),
            (None, [one]) => self.begin(Source::Stick(stick.clone()), one, false),
            (None, several) => {
                self.unmount();
                let why = format!(
                    "there are several update files on the stick ({}): leave the one that is to \
                     be installed",
                    named(several)
                );
                self.refuse(&Source::Stick(stick.clone()), &several[0], None, &why);
            }
        }
    }

    /// What the stick's first folder holds; that it cannot be read is told.
    fn listed(&mut self) -> Option<Vec<String>> {
        let names = self.system.list(sticks::TARGET);
        names.map_err(|error| self.trouble(Unreadable::Act(error).to_string())).ok()
    }

    /// A stick is mounted while something is read from it.
    pub(super) fn let_go(&mut self, source: &Source) {
        if matches!(source, Source::Stick(_)) {
            self.unmount();
        }
    }

    fn unmount(&mut self) {
        if let Err(error) = sticks::release(self.system) {
            self.trouble(format!("the stick cannot be let go: {error}"));
        }
    }

    /// Says on the stick what became of it; one that is there stays unless this is news.
    pub(super) fn write_letter(&mut self, stick: &Stick, text: &str, news: bool) -> bool {
        let path = format!("{}/{LETTER}", sticks::TARGET);
        let version = self.updates.here.as_ref().map(|here| here.version.to_string());
        let version = version.unwrap_or_default();
        let text = format!("Mailroom {version}\r\n\r\n{text}");
        let written = sticks::with(self.system, stick, Access::Write, |system| {
            if !news && system.read(&path).is_ok() {
                return Ok(());
            }
            system.replace(&path, text.as_bytes())
        });
        if let Err(why) = &written {
            self.trouble(format!("{LETTER} cannot be written: {why}"));
        }
        written.is_ok()
    }

    pub(super) fn forget_upload(&mut self, source: &Source) {
        if *source != Source::Upload {
            return;
        }
        match self.system.remove(&upload()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.trouble(format!("{} cannot be removed: {error}", upload()));
            }
            _ => (),
        }
    }

    /// False: it is not on the disk, and nothing may build on it.
    pub(super) fn keep_ledger(&mut self) -> bool {
        if !self.updates.knows_ledger {
            // What is written there is not known: it is not written over.
            return false;
        }
        let kept = self.system.replace(ledger::FILE, &self.updates.ledger.print());
        if let Err(error) = &kept {
            self.trouble(format!("{} cannot be written: {error}", ledger::FILE));
        }
        kept.is_ok()
    }

    fn is_removable(&mut self, disk: &str) -> bool {
        let said = self.system.read(&format!("/sys/block/{disk}/removable")).unwrap_or_default();
        said.starts_with(b"1")
    }
}

/// Macs leave a `._name` beside each file.
fn is_bundle(name: &str) -> bool {
    let named = name.to_ascii_lowercase().ends_with(ENDING) && !name.starts_with('.');
    named && !name.chars().any(char::is_control)
}

/// Two of them, in words.
fn named(several: &[String]) -> String {
    let (two, others) = several.split_at(several.len().min(2));
    let short = |name: &String| name.chars().take(limits::UPDATE_NAME_LETTERS).collect::<String>();
    let two = two.iter().map(short).collect::<Vec<_>>().join(" and ");
    if others.is_empty() { two } else { format!("{two} and {} more", others.len()) }
}

fn is_partition(stick: &Stick) -> bool {
    stick.device != format!("/dev/{}", stick.disk)
}
