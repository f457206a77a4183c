//! The control socket of a running server: the command line's acts, done by the process that has
//! the store open.
//!
//! ```text
//! caller -> server   one line: the request
//! server -> caller   lines of progress, then one line: the reply or the failure
//! ```
//!
//! What the lines mean is known to the act that is given to [`start`]; here are the socket, who may
//! use it, and how many at once.

use crate::event::{Event, emit};
use crate::limits::{CONTROL_BREATH, CONTROL_CALLERS};
use crate::net::unix::{Caller, Door};
use crate::store::Store;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Does what a request line asks and says lines, the last of which is the result. Blocks.
pub(crate) type Act = Arc<dyn Fn(&Store, &[u8], &mut dyn FnMut(&[u8])) + Send + Sync>;

/// The socket while it is open. Dropping it takes no further callers and removes the socket.
pub(crate) struct Control {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the socket at `path` and answers callers on threads of their own.
pub(crate) fn start(path: &Path, store: Store, act: Act) -> io::Result<Control> {
    let door = Door::open(path)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stopping);
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || take_callers(&door, &store, &act, &seen))?;
    Ok(Control { path: path.to_path_buf(), stopping, thread: Some(thread) })
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The thread waits in accept: this call wakes it.
        let woken = Caller::call(&self.path).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn take_callers(door: &Door, store: &Store, act: &Act, stopping: &AtomicBool) {
    let callers = Arc::new(AtomicUsize::new(0));
    loop {
        let caller = door.accept();
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        match caller {
            Ok(mut caller) if callers.load(Ordering::SeqCst) < CONTROL_CALLERS => {
                callers.fetch_add(1, Ordering::SeqCst);
                let (store, act) = (store.clone(), Arc::clone(act));
                let counted = Counted(Arc::clone(&callers));
                let begun = std::thread::Builder::new().name("act".into()).spawn(move || {
                    answer(&mut caller, &store, &act);
                    // A caller who sees the connection closed knows that its place is free.
                    drop(counted);
                    drop(caller);
                });
                if let Err(error) = begun {
                    trouble(&error.to_string());
                }
            }
            Ok(_) => trouble("too many callers at once; this one was turned away"),
            Err(error) => {
                trouble(&error.to_string());
                // Out of descriptors, the same caller fails again at once: not without a breath.
                if error.kind() != io::ErrorKind::PermissionDenied {
                    std::thread::sleep(CONTROL_BREATH);
                }
            }
        }
    }
}

/// Takes one off the count when its caller is done, also after a panic.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An act once begun runs to its end, even if the caller is gone.
fn answer(caller: &mut Caller, store: &Store, act: &Act) {
    match caller.request() {
        Ok(request) => act(store, &request, &mut |line| {
            let _ = caller.send(line);
        }),
        // Somebody looked whether the server answers.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (),
        Err(error) => trouble(&format!("request not taken: {error}")),
    }
}

fn trouble(why: &str) {
    emit(Event::UnitFailed { unit: "control", why: why.to_string() });
}
