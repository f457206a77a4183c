//! The store's handle and its one writer thread: jobs queue up and commit together.
//!
//! ```text
//! write() -> queue -> group: whoever waits while one commit runs shares the next
//!                       |  every job in one transaction; one that fails after it wrote is undone:
//!                       |  the group starts again, each job in a transaction of its own inside
//!                       v
//!                     commit (two flushes) -> hub: what changed -> the callers' answers
//! ```

use super::change::{Change, Hub};
use super::error::{Result, StoreError};
use super::format::{FORMAT_VERSION, Version};
use super::gate::lock;
use super::kv::{Batch, Kv, Read, Snapshot, Space};
use super::seal::Sealer;
use super::still::Still;
use super::{AccountId, MailId, MailboxId, key};
use crate::limits;
use ring::rand::SecureRandom;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub map_bytes: usize,
    pub map_step_bytes: usize,
    /// How far the file is grown ahead of need; 0: not at all.
    pub file_ahead_bytes: u64,
    /// Room left below which no mail is added.
    pub disk_reserve_bytes: u64,
    /// Test hook for the crash suite: answer before the commit, as no mail server may.
    #[cfg(debug_assertions)]
    pub answer_before_commit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map_bytes: limits::MAP_BYTES,
            map_step_bytes: limits::MAP_STEP_BYTES,
            file_ahead_bytes: limits::FILE_AHEAD_BYTES,
            disk_reserve_bytes: limits::DISK_RESERVE_BYTES,
            #[cfg(debug_assertions)]
            answer_before_commit: false,
        }
    }
}

/// The store. A clone is another handle to the same; the last one to go waits for the queue to be
/// written and closes the file.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    kv: Arc<Kv>,
    hub: Hub,
    queue: Mutex<Option<mpsc::Sender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    sealer: Mutex<Option<Arc<Sealer>>>,
    still: Arc<Still>,
}

impl Store {
    /// Opens the store in the folder `dir`, making it if the folder holds none. Takes the lock that
    /// keeps other processes out.
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Store> {
        #[cfg(debug_assertions)]
        let answer_before_commit = options.answer_before_commit;
        let kv = Arc::new(Kv::open(dir, options)?);
        let mut memory = Memory::default();
        check_version(&kv, &mut memory)?;
        memory.last_mail = last_mail(&kv.snapshot()?)?;
        let (hub, commits) = (Hub::default(), Arc::<AtomicU64>::default());
        let (queue, waiting) = mpsc::channel(limits::WRITE_QUEUE);
        let writer = Writer {
            kv: kv.clone(),
            hub: hub.clone(),
            memory,
            commits: commits.clone(),
            #[cfg(debug_assertions)]
            answer_before_commit,
        };
        let thread = std::thread::Builder::new()
            .name("store".to_string())
            .spawn(move || writer.run(waiting))
            .map_err(|error| StoreError::Engine(format!("no thread for the writer: {error}")))?;
        let queue = Mutex::new(Some(queue));
        let thread = Mutex::new(Some(thread));
        let (sealer, still) = (Mutex::default(), Still::new(kv.frozen.clone()));
        Ok(Store { inner: Arc::new(Inner { kv, hub, queue, thread, commits, sealer, still }) })
    }

    /// Opens what is in the folder `dir` to be read alone: nothing there is made or changed.
    pub(crate) fn open_read_only(dir: &Path) -> Result<Store> {
        let kv = Arc::new(Kv::open_read_only(dir)?);
        check_format(&kv)?;
        let still = Still::new(kv.frozen.clone());
        let inner = Inner {
            kv,
            hub: Hub::default(),
            queue: Mutex::new(None),
            thread: Mutex::new(None),
            commits: Arc::default(),
            sealer: Mutex::default(),
            still,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.inner.kv.snapshot()
    }

    /// Runs `job` in a batch and returns what it returned once the batch is on disk. The job may be
    /// run more than once (the map grew, another job of the same batch failed): it must make its
    /// result anew each time. A job that fails after it wrote leaves nothing behind.
    pub(crate) async fn write<R, F>(&self, job: F) -> Result<R>
    where
        R: Send + 'static,
        F: FnMut(&mut Batch) -> Result<R> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { job, result: None, reply: Some(Reply::Task(reply)) };
        let queue = self.queue()?;
        queue.send(Command::Job(Box::new(task))).await.map_err(|_| StoreError::Stopped)?;
        drop(queue);
        answer.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// The same for a thread that may block.
    pub(crate) fn write_blocking<R, F>(&self, job: F) -> Result<R>
    where
        R: Send + 'static,
        F: FnMut(&mut Batch) -> Result<R> + Send + 'static,
    {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let task = Task { job, result: None, reply: Some(Reply::Thread(reply)) };
        self.send_blocking(Command::Job(Box::new(task)))?;
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    /// Where committed changes are announced.
    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Commits since it was opened; each is flushed to the disk twice.
    pub(crate) fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }

    /// How much room the store takes and has.
    pub(crate) fn space(&self) -> Result<Space> {
        self.inner.kv.space()
    }

    /// Writes what is queued, then closes the file; all handles answer `Stopped` from then on.
    /// Blocks, and waits a little for snapshots to end.
    pub(crate) fn close(&self) {
        self.inner.stop();
        self.inner.kv.close(limits::SHUTDOWN_GRACE);
    }

    /// The key of the box, for what is kept secret in the store; made the first time.
    pub(crate) fn sealer(&self) -> Result<Arc<Sealer>> {
        let mut kept = lock(&self.inner.sealer);
        if let Some(sealer) = kept.as_ref() {
            return Ok(sealer.clone());
        }
        let sealer = Arc::new(Sealer::of(self.inner.kv.dir())?);
        *kept = Some(sealer.clone());
        Ok(sealer)
    }

    /// The folder it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.inner.kv.dir()
    }

    pub(super) fn kv(&self) -> &Kv {
        &self.inner.kv
    }

    pub(super) fn still(&self) -> &Arc<Still> {
        &self.inner.still
    }

    /// Lets the writer finish what was asked before, and write nothing from then on. Blocks.
    pub(super) fn freeze_blocking(&self) -> Result<()> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.send_blocking(Command::Freeze(reply))?;
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    /// Lets the writer compact the file between two commits. Blocks.
    pub(super) fn compact_blocking(&self) -> Result<()> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.send_blocking(Command::Compact(reply))?;
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    /// Makes room in the map for the mail that arrives while somebody reads for long. Blocks.
    pub(crate) fn make_room_blocking(&self) -> Result<()> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.send_blocking(Command::Room(reply))?;
        answer.recv().unwrap_or(Err(StoreError::Stopped))
    }

    fn queue(&self) -> Result<mpsc::Sender<Command>> {
        lock(&self.inner.queue).clone().ok_or(StoreError::Stopped)
    }

    fn send_blocking(&self, command: Command) -> Result<()> {
        let queue = self.queue()?;
        match queue.try_send(command) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(command)) => {
                queue.blocking_send(command).map_err(|_| StoreError::Stopped)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(StoreError::Stopped),
        }
    }
}

impl Inner {
    fn stop(&self) {
        lock(&self.queue).take();
        let thread = lock(&self.thread).take();
        // A job that held the last handle drops it on the writer's own thread.
        if let Some(thread) = thread.filter(|it| it.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the writer keeps in memory beside the rows, and of the job that runs.
#[derive(Default)]
pub(crate) struct Memory {
    /// Did the running job put or delete anything?
    pub(super) wrote: bool,
    /// Did the running job meet the end of the map?
    pub(super) map_full: bool,
    /// Did the running job want to write while nothing may be written?
    pub(super) put_off: bool,
    /// What this batch will announce.
    pub(super) changes: Vec<Change>,
    /// The modseq the running job gave to each mailbox it changed.
    pub(super) modseqs: Vec<((AccountId, MailboxId), u64)>,
    /// Did the file want to grow and could not?
    pub(super) cramped: bool,
    /// Is there room for mail? Looked at once a batch.
    pub(super) room: Option<bool>,
    /// The newest MailId given.
    pub(super) last_mail: MailId,
    /// Did this batch change the outbox?
    pub(super) outbox: bool,
    /// What accounts use and may use, as far as asked.
    pub(super) usage: HashMap<AccountId, Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub used: u64,
    pub quota: u64,
}

impl Memory {
    fn begin_batch(&mut self) {
        self.changes.clear();
        self.room = None;
        self.outbox = false;
    }

    fn begin_job(&mut self) {
        self.wrote = false;
        self.map_full = false;
        self.put_off = false;
        self.modseqs.clear();
    }

    /// What was counted in a transaction that is undone is not true any more.
    fn undo(&mut self, changes: usize) {
        self.changes.truncate(changes);
        self.usage.clear();
    }
}

enum Command {
    Job(Box<dyn Job>),
    Compact(std::sync::mpsc::SyncSender<Result<()>>),
    Room(std::sync::mpsc::SyncSender<Result<()>>),
    Freeze(std::sync::mpsc::SyncSender<Result<()>>),
}

trait Job: Send {
    fn run(&mut self, batch: &mut Batch) -> Result<()>;
    /// Gives the caller the result of the last run.
    fn answer(&mut self);
    fn fail(&mut self, error: StoreError);
}

struct Task<R, F> {
    job: F,
    result: Option<R>,
    reply: Option<Reply<R>>,
}

enum Reply<R> {
    Task(oneshot::Sender<Result<R>>),
    Thread(std::sync::mpsc::SyncSender<Result<R>>),
}

impl<R, F> Task<R, F> {
    fn reply(&mut self, result: Result<R>) {
        // The caller may be gone (its connection broke); the work is done all the same.
        match self.reply.take() {
            Some(Reply::Task(reply)) => drop(reply.send(result)),
            Some(Reply::Thread(reply)) => drop(reply.send(result)),
            None => {}
        }
    }
}

impl<R, F> Job for Task<R, F>
where
    R: Send,
    F: FnMut(&mut Batch) -> Result<R> + Send,
{
    fn run(&mut self, batch: &mut Batch) -> Result<()> {
        self.result = None;
        self.result = Some((self.job)(batch)?);
        Ok(())
    }

    fn answer(&mut self) {
        let result = self.result.take().ok_or(StoreError::Stopped);
        self.reply(result);
    }

    fn fail(&mut self, error: StoreError) {
        self.reply(Err(error));
    }
}

/// A job in its group.
struct Entry {
    job: Box<dyn Job>,
    state: State,
}

#[derive(Clone)]
enum State {
    /// Not run, or its run was undone.
    Waiting,
    Done,
    /// Failed before it wrote; runs again if the group does.
    Failed(StoreError),
    /// Failed after it wrote, or panicked: not run again.
    Out(StoreError),
}

/// How running a group ended.
enum Outcome {
    Commit,
    /// A job failed after it wrote: all is undone.
    Spoiled,
    MapFull,
}

struct Writer {
    kv: Arc<Kv>,
    hub: Hub,
    memory: Memory,
    commits: Arc<AtomicU64>,
    #[cfg(debug_assertions)]
    answer_before_commit: bool,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Command>) {
        self.extend();
        let mut group = Vec::new();
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(Command::Job(job)) = next {
                group.push(Entry { job, state: State::Waiting });
                let more = group.len() < limits::WRITES_PER_COMMIT;
                next = if more { waiting.try_recv().ok() } else { None };
            }
            self.commit(&mut group);
            let quiet = group.len() <= QUIET_GROUP && waiting.is_empty();
            group.clear();
            match next {
                Some(Command::Compact(reply)) => drop(reply.send(self.kv.compact())),
                Some(Command::Freeze(reply)) => {
                    self.kv.frozen.store(true, Ordering::SeqCst);
                    drop(reply.send(Ok(())));
                }
                Some(Command::Room(reply)) => drop(reply.send(self.kv.grow_ahead())),
                _ => {}
            }
            if quiet || self.memory.cramped {
                self.extend();
            }
        }
    }

    /// Grows the file ahead of need. A full disk is told to those who add mail, at the next batch.
    fn extend(&mut self) {
        self.memory.cramped = self.kv.extend() == Err(StoreError::DiskFull);
    }

    /// Runs the group and answers each of its jobs.
    fn commit(&mut self, group: &mut [Entry]) {
        if group.is_empty() {
            return;
        }
        let done = self.attempt(group);
        self.memory.cramped |= done == Err(StoreError::DiskFull);
        match done {
            Err(StoreError::DiskFull) if group.len() > 1 => {
                // What deletes must not suffer with what adds.
                for entry in group {
                    self.commit(std::slice::from_mut(entry));
                }
            }
            Err(error) => group.iter_mut().for_each(|entry| entry.fail(&error)),
            Ok(()) => {
                self.hub.announce(std::mem::take(&mut self.memory.changes));
                if self.memory.outbox {
                    self.hub.outbox().notify_one();
                }
                group.iter_mut().for_each(Entry::answer);
            }
        }
    }

    fn attempt(&mut self, group: &mut [Entry]) -> Result<()> {
        let mut isolate = false;
        loop {
            self.memory.begin_batch();
            let kv = self.kv.clone();
            #[cfg(debug_assertions)]
            let early = self.answer_before_commit;
            let outcome = kv.write(&mut self.memory, |batch| {
                let outcome = run_group(batch, group, isolate);
                #[cfg(debug_assertions)]
                if early && matches!(outcome, Outcome::Commit) {
                    group.iter_mut().for_each(Entry::answer);
                }
                (matches!(outcome, Outcome::Commit), outcome)
            });
            match outcome {
                Ok(Outcome::Commit) => {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(Outcome::Spoiled) => {
                    self.memory.undo(0);
                    isolate = true;
                }
                Ok(Outcome::MapFull) | Err(StoreError::MapFull) => {
                    self.memory.undo(0);
                    self.kv.grow()?;
                }
                Err(error) => {
                    self.memory.undo(0);
                    return Err(error);
                }
            }
        }
    }
}

/// A group so small that the writer has time to grow the file ahead.
const QUIET_GROUP: usize = 4;

/// Runs every job of the group that may still run; with `isolate` each in a transaction of its own.
fn run_group(batch: &mut Batch, group: &mut [Entry], isolate: bool) -> Outcome {
    for entry in group {
        if matches!(entry.state, State::Out(_)) {
            continue;
        }
        batch.memory.begin_job();
        let changes = batch.memory.changes.len();
        let result = if isolate {
            batch.nested(|inner| run_caught(entry.job.as_mut(), inner))
        } else {
            run_caught(entry.job.as_mut(), batch)
        };
        if batch.memory.map_full || result == Err(Failure::Error(StoreError::MapFull)) {
            return Outcome::MapFull;
        }
        // Also when the job hides it.
        let put_off = batch.memory.put_off;
        let result = if put_off { Err(Failure::Error(StoreError::Moving)) } else { result };
        let wrote = batch.memory.wrote;
        entry.state = match result {
            Ok(()) => State::Done,
            Err(Failure::Error(error)) if !wrote => State::Failed(error),
            Err(Failure::Error(error) | Failure::Panic(error)) => State::Out(error),
        };
        if !matches!(entry.state, State::Done) {
            if wrote && !isolate {
                return Outcome::Spoiled;
            }
            // Also what it had counted before it came to write anything.
            batch.memory.undo(changes);
        }
    }
    Outcome::Commit
}

#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    Error(StoreError),
    Panic(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

fn run_caught(job: &mut dyn Job, batch: &mut Batch) -> std::result::Result<(), Failure> {
    match catch_unwind(AssertUnwindSafe(|| job.run(batch))) {
        Ok(result) => result.map_err(Failure::Error),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(|words| words.to_string());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            let words = words.unwrap_or_default();
            Err(Failure::Panic(StoreError::Engine(format!("a write panicked: {words}"))))
        }
    }
}

impl Entry {
    fn answer(&mut self) {
        match &self.state {
            State::Failed(error) | State::Out(error) => self.job.fail(error.clone()),
            State::Waiting | State::Done => self.job.answer(),
        }
    }

    /// The commit failed: that is everyone's answer, but for those who failed by themselves.
    fn fail(&mut self, error: &StoreError) {
        match &self.state {
            State::Out(own) => self.job.fail(own.clone()),
            _ => self.job.fail(error.clone()),
        }
    }
}

/// Refuses a store from the future, and what is none.
fn check_format(kv: &Arc<Kv>) -> Result<()> {
    let found: Option<Version> = key::load(&kv.snapshot()?, &key::version())?;
    match found {
        Some(found) if found.format > FORMAT_VERSION => {
            Err(StoreError::Newer { found: found.format, known: FORMAT_VERSION })
        }
        Some(_) => Ok(()),
        None => Err(StoreError::Corrupt(format!("{} is missing", key::describe(&key::version())))),
    }
}

/// Refuses a store from the future, and makes the first row of a new one.
fn check_version(kv: &Arc<Kv>, memory: &mut Memory) -> Result<()> {
    let found: Option<Version> = key::load(&kv.snapshot()?, &key::version())?;
    match found {
        Some(found) if found.format > FORMAT_VERSION => {
            Err(StoreError::Newer { found: found.format, known: FORMAT_VERSION })
        }
        Some(_) => Ok(()),
        None if kv.snapshot()?.count()? > 0 => {
            Err(StoreError::Corrupt(format!("{} is missing", key::describe(&key::version()))))
        }
        None => {
            let mut store_id = vec![0; 16];
            ring::rand::SystemRandom::new()
                .fill(&mut store_id)
                .map_err(|_| StoreError::Engine("no random numbers".to_string()))?;
            let version =
                Version { format: FORMAT_VERSION, store_id, next_account: 1, ..Version::default() };
            kv.write(memory, |batch| (true, key::save(batch, &key::version(), &version)))?
        }
    }
}

/// The newest MailId that was ever given, as far as the store tells.
pub(crate) fn last_mail(read: &impl Read) -> Result<MailId> {
    let version: Version = key::load(read, &key::version())?.unwrap_or_default();
    let prefix = [super::format::tag::BODY];
    let newest = match read.last_key(&prefix, &key::after(&prefix))? {
        Some(key) => key::u64_at(&key, 1)?,
        None => 0,
    };
    Ok(MailId(newest.max(version.last_mail)))
}
