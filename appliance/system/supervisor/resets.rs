//! What people ask of the box as a whole while it runs: at the console's menu, on a stick, on the
//! owner's page. A reset is written down here; the next start does it.

use super::Supervisor;
use crate::request::DeviceId;
use crate::system::init::reset::{self, Place, asked::Level};
use crate::system::menu::{Act, Resets};
use crate::system::sticks::Stick;
use crate::system::syscall::Source;
use std::time::Duration;

impl Supervisor<'_> {
    /// Something was typed at the box.
    pub(super) fn key(&mut self, source: Source, octet: u8, now: Duration) {
        let resets = Resets {
            possible: self.can_reset,
            device: self.booted.device,
            lost: self.booted.lost.is_some(),
            old_copy: self.booted.old_copy,
        };
        let menu = match source {
            Source::Screen => &mut self.menus.0,
            Source::Serial => &mut self.menus.1,
        };
        let Some(came) = menu.key(octet, now, resets) else { return };
        self.console.menu(self.system, &mut self.view, source, came.lines);
        match came.act {
            None => (),
            Some(Act::Restart) => self.end = Some(false),
            Some(Act::Off) => self.end = Some(true),
            Some(Act::Show) => self.console.again(),
            Some(Act::Reset(level)) => self.begin_reset(level),
            Some(Act::Old) => self.use_old_copy(),
        }
    }

    /// A menu that nobody uses closes.
    pub(super) fn close_menus(&mut self, now: Duration) {
        if self.menus.0.is_over(now) {
            self.console.menu(self.system, &mut self.view, Source::Screen, Vec::new());
        }
        self.menus.1.is_over(now);
    }

    /// The owner asks on the page: the server knows the password, PID 1 the device.
    pub(super) fn reset_asked(&mut self, device: DeviceId) {
        match self.booted.device {
            Some(own) if own == device => self.begin_reset(Level::Everything),
            _ => self.trouble("a reset of another device was asked for".to_string()),
        }
    }

    fn begin_reset(&mut self, level: Level) {
        if !self.can_reset {
            self.trouble("nothing can be reset: the data partition is not in use".to_string());
            return;
        }
        match reset::begin(self.system, level) {
            Ok(()) => self.end = Some(false),
            Err(error) => self.trouble(format!("nothing was reset: {error}")),
        }
    }

    /// A stick came. True: it asks for a reset, and the box restarts for it.
    pub(super) fn reset_wished(&mut self, stick: &Stick) -> bool {
        let Some(disk) = self.booted.disk.clone().filter(|_| self.can_reset) else { return false };
        let looked = reset::look(self.system, &disk, Place::Stick(stick));
        for what in looked.told {
            // The boot may have looked at it already.
            if !self.booted.faults.contains(&what) {
                self.trouble(what);
            }
        }
        if looked.taken.is_some() {
            self.end = Some(false);
        }
        looked.taken.is_some()
    }

    /// The server took the owner's log-in away.
    pub(super) fn owner_is_gone(&mut self, number: u64) {
        self.booted.reset.take_if(|own| *own == number);
        if let Err(error) = reset::owner_is_gone(self.system, number) {
            self.trouble(format!("a finished reset cannot be forgotten: {error}"));
        }
    }
}
