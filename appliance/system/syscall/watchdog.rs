//! The watchdog, and the patience that it has with devices.
//!
//! PID 1 feeds it each time around its loop. A stick that is breaking may keep a mount in the
//! kernel for longer than the watchdog waits, and is no reason to reset a box that delivers mail.
//! So before such a call PID 1 asks for patience: a thread feeds meanwhile, until PID 1 is around
//! again or [`limits::DEVICE_PATIENCE`] is over. A PID 1 that hangs elsewhere has no such friend.

use crate::limits;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) struct Watchdog {
    file: File,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
    /// Of the thread's feedings.
    each: Duration,
}

#[derive(Default)]
struct Shared {
    /// How often the thread feeds from now on.
    meals: u32,
    ends: bool,
}

impl Watchdog {
    /// Where no thread can be made it has no patience, and is a watchdog all the same.
    pub(crate) fn new(file: File, each: Duration) -> Watchdog {
        let shared = Arc::<Mutex<Shared>>::default();
        let (seen, meal) = (shared.clone(), file.try_clone());
        let friend = thread::Builder::new().name("watchdog".to_string());
        let thread = meal.and_then(|meal| friend.spawn(move || feed_on(&seen, meal, each)));
        Watchdog { file, shared, thread: thread.ok(), each }
    }

    /// One that cannot be fed resets the box: so it shall. Patience is over.
    pub(crate) fn feed(&mut self) {
        lock(&self.shared).meals = 0;
        let _ = self.file.write_all(b"\0");
    }

    pub(crate) fn be_patient(&self) {
        self.be_patient_for(limits::DEVICE_PATIENCE);
    }

    pub(crate) fn be_patient_for(&self, most: Duration) {
        let meals = most.as_millis() / self.each.as_millis().max(1);
        lock(&self.shared).meals = u32::try_from(meals).unwrap_or(u32::MAX);
    }

    /// Only after this letter does closing it stop it, and only when nobody has it open.
    pub(crate) fn close(mut self) -> io::Result<()> {
        lock(&self.shared).ends = true;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        self.file.write_all(b"V")
    }
}

fn feed_on(shared: &Mutex<Shared>, mut meal: File, each: Duration) {
    loop {
        thread::park_timeout(each);
        // Held while it is fed: after the last letter there is no other.
        let mut shared = lock(shared);
        if shared.ends {
            return;
        }
        if let Some(left) = shared.meals.checked_sub(1) {
            shared.meals = left;
            let _ = meal.write_all(b"\0");
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
