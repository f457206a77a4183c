//! The seam to the engine: get, put, delete, ordered range. The only importer of heed.
//!
//! One LMDB environment in the store's folder, one unnamed key space, every commit synced. Readers
//! are snapshots that may move between threads; the map grows and the file is swapped only while
//! the [`Gate`] keeps all of them out.

use super::error::{Result, StoreError};
use super::gate::{Gate, lock};
use super::key;
use super::salvage::reaches_its_end;
use super::writer::{Failure, Memory, Options};
use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What can be read in a snapshot and in a batch alike. Keys and rows as in `format`; the row head
/// (checksum, key) is checked and taken off here.
pub(crate) trait Read {
    /// Shows `look` the payload of the row at `key`, without a copy. Was there a row?
    fn view(&self, key: &[u8], look: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// Calls `each` with key and payload of every row in `from..to` in order, until it says stop
    /// (`false`). No copy is made of rows that `each` does not keep.
    fn scan(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()>;

    /// Calls `each` with every key in `from..to` in order, until it says stop. Rows are not looked
    /// at, nor checked.
    fn keys(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()>;

    /// The last key in `from..to`.
    fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The payload of the row at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.view(key, &mut |payload| {
            found = Some(payload.to_vec());
            Ok(())
        })?;
        Ok(found)
    }
}

type Rows = Database<Bytes, Bytes>;

/// What a scan calls with key and payload; `false` ends it.
pub(crate) type OnRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// The engine and what belongs to it: folder, lock, gate. Dropping the last handle closes it.
pub(super) struct Kv {
    dir: PathBuf,
    options: Options,
    opened: Mutex<Option<Opened>>,
    /// Nothing is written to its file.
    pub(super) frozen: Arc<AtomicBool>,
    pub(super) gate: Gate,
    /// `None`: it is only read.
    _lock: Option<Flock<File>>,
}

#[derive(Clone)]
struct Opened {
    env: Env<WithoutTls>,
    rows: Rows,
}

/// How much room the store takes and has, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// The length of the file.
    pub file: u64,
    /// Of it, what rows fill.
    pub used: u64,
    /// Of it, what deleted rows left and new ones will fill.
    pub free: u64,
    /// What the disk has left beside it.
    pub disk: u64,
}

const DATA_FILE: &str = "data.mdb";
const READERS_FILE: &str = "lock.mdb";
const COMPACT_FILE: &str = "compact.mdb";

impl Kv {
    /// Opens the engine in `dir`, which is made if need be.
    pub(super) fn open(dir: &Path, options: Options) -> Result<Kv> {
        let trouble = |error| io_error("the store's folder cannot be made", &error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(trouble)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(trouble)?;
        let lock = take_lock(dir)?;
        // What a crash in the middle of compacting left; the store itself is the old file.
        match fs::remove_file(dir.join(COMPACT_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error("a left-over file cannot be removed", &error));
            }
            _ => {}
        }
        room_for_readers(dir)?;
        let opened = open_engine(dir, &options)?;
        room_for_readers(dir)?;
        // A store made just now must also be found after a power cut.
        sync_folder(dir)?;
        dir.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), sync_folder)?;
        Ok(Kv {
            dir: dir.to_path_buf(),
            options,
            opened: Mutex::new(Some(opened)),
            frozen: Arc::default(),
            gate: Gate::default(),
            _lock: Some(lock),
        })
    }

    /// Opens what is in `dir` for reading alone, and makes no file there. Nobody else may have it
    /// open.
    pub(super) fn open_read_only(dir: &Path) -> Result<Kv> {
        let file = dir.join(DATA_FILE);
        match reaches_its_end(&file) {
            Ok(true) => (),
            Ok(false) => return Err(StoreError::Corrupt("the store's file is cut off".into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NotFound("store there"));
            }
            Err(error) => return Err(io_error("the store's file", &error)),
        }
        let options = Options::default();
        let opened = Mutex::new(Some(open_to_read(dir, &options)?));
        let (dir, gate) = (dir.to_path_buf(), Gate::default());
        Ok(Kv { dir, options, opened, frozen: Arc::new(true.into()), gate, _lock: None })
    }

    /// The folder of the store.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn snapshot(self: &Arc<Self>) -> Result<Snapshot> {
        let inside = Inside::enter(self);
        let Opened { env, rows } = self.opened()?;
        let txn = env.static_read_txn().map_err(engine)?;
        Ok(Snapshot { txn, rows, _inside: inside })
    }

    /// Runs `work` in one write transaction, and commits when it says so.
    pub(super) fn write<R>(
        &self,
        memory: &mut Memory,
        work: impl FnOnce(&mut Batch) -> (bool, R),
    ) -> Result<R> {
        let Opened { env, rows } = self.opened()?;
        let txn = env.write_txn().map_err(engine)?;
        let mut batch = Batch { txn, rows, env: &env, kv: self, memory };
        let (commit, result) = work(&mut batch);
        let Batch { txn, .. } = batch;
        if !commit {
            txn.abort();
            return Ok(result);
        }
        txn.commit().map_err(|error| self.classify(engine(error)))?;
        Ok(result)
    }

    /// Makes the map larger by a step, once no snapshot is open. Only the writer calls this, with
    /// no transaction of its own.
    pub(super) fn grow(&self) -> Result<()> {
        let Opened { env, .. } = self.opened()?;
        let size = env.info().map_size + self.options.map_step_bytes.max(1 << 20);
        self.gate.alone(None, || resize(&env, size)).unwrap_or(Ok(()))
    }

    /// Makes the map larger now if it is to be soon, before a reader comes that stays long: while
    /// that one reads, it could not. Only the writer calls this, as `grow`.
    pub(super) fn grow_ahead(&self) -> Result<()> {
        let Opened { env, .. } = self.opened()?;
        let info = env.info();
        let used = (info.last_page_number + 1) * env.stat().page_size as usize;
        if info.map_size.saturating_sub(used) >= self.options.map_step_bytes / 2 {
            return Ok(());
        }
        drop(env);
        self.grow()
    }

    /// Writes zeros behind the pages in use until there is room for `file_ahead_bytes` more, so
    /// that commits need not change the file's length. An error says that the disk is full.
    pub(super) fn extend(&self) -> Result<()> {
        if self.is_frozen() {
            return Ok(());
        }
        let ahead = self.options.file_ahead_bytes;
        let Opened { env, .. } = self.opened()?;
        let file = env.try_clone_inner_file().map_err(engine)?;
        let length = file.metadata().map_err(|error| io_error("size of the file", &error))?.len();
        let used = (env.info().last_page_number as u64 + 1) * u64::from(env.stat().page_size);
        if ahead == 0 || length >= used + ahead / 2 {
            return Ok(());
        }
        let end = (used + ahead).next_multiple_of(1 << 12);
        let trouble = |error| io_error("the store's file cannot grow", &error);
        let data =
            OpenOptions::new().write(true).open(self.dir.join(DATA_FILE)).map_err(trouble)?;
        let zeros = vec![0; 1 << 16];
        let mut at = length;
        while at < end {
            let piece = zeros.get(..usize::try_from(end - at).unwrap_or(usize::MAX));
            let piece = piece.unwrap_or(&zeros);
            data.write_all_at(piece, at).map_err(trouble)?;
            at += piece.len() as u64;
        }
        data.sync_data().map_err(trouble)
    }

    pub(super) fn space(&self) -> Result<Space> {
        // First inside, then the handle: `swap` waits for every handle, alone.
        let _inside = Inside::borrow(self);
        let Opened { env, rows } = self.opened()?;
        let txn = env.read_txn().map_err(engine)?;
        self.space_in(&env, &rows, &txn)
    }

    fn space_in(&self, env: &Env<WithoutTls>, rows: &Rows, txn: &RoTxn) -> Result<Space> {
        let stat = rows.stat(txn).map_err(engine)?;
        let pages = stat.branch_pages + stat.leaf_pages + stat.overflow_pages + 2;
        let used = pages as u64 * u64::from(stat.page_size);
        let file = env.real_disk_size().map_err(engine)?;
        let disk = nix::sys::statvfs::statvfs(&self.dir)
            .map_err(|errno| StoreError::Engine(format!("free space of the disk: {errno}")))?;
        let disk = disk.blocks_available().saturating_mul(disk.fragment_size());
        Ok(Space { file, used, free: file.saturating_sub(used), disk })
    }

    /// Writes a consistent copy without free pages into `file`, while readers and the writer go on.
    pub(super) fn copy_to(&self, file: &mut File) -> Result<()> {
        self.pour_into(file)?;
        file.sync_all().map_err(|error| io_error("the copy cannot be synced", &error))
    }

    /// The same into what may be no file, such as a pipe.
    pub(super) fn pour_into(&self, file: &mut File) -> Result<()> {
        let _inside = Inside::borrow(self);
        let Opened { env, .. } = self.opened()?;
        env.copy_to_file(file, CompactionOption::Enabled).map_err(engine)
    }

    /// Replaces the file by a copy without free pages. Only the writer calls this, with no
    /// transaction of its own. A crash leaves the old file or the new one, each whole.
    pub(super) fn compact(&self) -> Result<()> {
        if self.is_frozen() {
            return Err(StoreError::Moving);
        }
        let fresh = self.dir.join(COMPACT_FILE);
        let copied = create_private(&fresh).and_then(|mut file| self.copy_to(&mut file));
        if let Err(error) = copied {
            // The half copy must not take the room that is missing.
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        self.gate.alone(None, || self.swap(&fresh)).unwrap_or(Ok(()))
    }

    fn swap(&self, fresh: &Path) -> Result<()> {
        let mut opened = lock(&self.opened);
        let Some(old) = opened.take() else { return Err(StoreError::Stopped) };
        old.env.prepare_for_closing().wait();
        let renamed = put_in_place(&self.dir, fresh);
        *opened = Some(open_engine(&self.dir, &self.options)?);
        renamed
    }

    /// Lets go of the engine; snapshots have `within` to end.
    pub(super) fn close(&self, within: Duration) {
        let _ = self.gate.alone(Some(within), || ());
        lock(&self.opened).take();
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    fn opened(&self) -> Result<Opened> {
        lock(&self.opened).clone().ok_or(StoreError::Stopped)
    }

    /// A short write of the engine is an I/O error without a reason: look whether the disk is full.
    fn classify(&self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::Engine(_)) {
            return error;
        }
        let full = self.extend() == Err(StoreError::DiskFull)
            || self.space().is_ok_and(|space| space.disk < 1 << 20);
        if full { StoreError::DiskFull } else { error }
    }
}

/// A reader's place inside the gate.
struct Inside<T: AsRef<Kv>>(T);

impl Inside<Arc<Kv>> {
    fn enter(kv: &Arc<Kv>) -> Self {
        kv.gate.enter();
        Self(kv.clone())
    }
}

impl<'a> Inside<&'a Kv> {
    fn borrow(kv: &'a Kv) -> Self {
        kv.gate.enter();
        Self(kv)
    }
}

impl AsRef<Kv> for Kv {
    fn as_ref(&self) -> &Kv {
        self
    }
}

impl<T: AsRef<Kv>> Drop for Inside<T> {
    fn drop(&mut self) {
        self.0.as_ref().gate.leave();
    }
}

/// A consistent view that holds back page reuse: keep it short.
pub(crate) struct Snapshot {
    // Dropped in this order: the transaction ends before its place inside the gate is given up.
    txn: RoTxn<'static, WithoutTls>,
    rows: Rows,
    _inside: Inside<Arc<Kv>>,
}

/// One write transaction, handed to jobs by the writer.
pub(crate) struct Batch<'e> {
    txn: RwTxn<'e>,
    rows: Rows,
    env: &'e Env<WithoutTls>,
    kv: &'e Kv,
    pub(super) memory: &'e mut Memory,
}

impl Read for Snapshot {
    fn view(&self, key: &[u8], look: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        view(&self.rows, &self.txn, key, look)
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()> {
        scan(&self.rows, &self.txn, from, to, &mut |key, row| each(key, key::open_row(key, row)?))
    }

    fn keys(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        scan(&self.rows, &self.txn, from, to, &mut |key, _| each(key))
    }

    fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>> {
        last_key(&self.rows, &self.txn, from, to)
    }
}

impl Read for Batch<'_> {
    fn view(&self, key: &[u8], look: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        view(&self.rows, &self.txn, key, look)
    }

    fn scan(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()> {
        scan(&self.rows, &self.txn, from, to, &mut |key, row| each(key, key::open_row(key, row)?))
    }

    fn keys(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        scan(&self.rows, &self.txn, from, to, &mut |key, _| each(key))
    }

    fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>> {
        last_key(&self.rows, &self.txn, from, to)
    }
}

impl Snapshot {
    /// Every row in `from..to`, also those whose head is wrong, as key and row before the head is
    /// taken off.
    pub(super) fn raw(&self, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()> {
        scan(&self.rows, &self.txn, from, to, each)
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> Result<u64> {
        self.rows.len(&self.txn).map_err(engine)
    }
}

impl Batch<'_> {
    /// Looked at before each row: not even pages that no commit names may be written meanwhile.
    fn may_write(&mut self) -> Result<()> {
        if !self.kv.is_frozen() {
            return Ok(());
        }
        self.memory.put_off = true;
        Err(StoreError::Moving)
    }

    pub(crate) fn put(&mut self, key: &[u8], payload: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > key::KEY_BYTES {
            return Err(StoreError::Invalid("a key of the store has the wrong length"));
        }
        self.may_write()?;
        self.memory.wrote = true;
        let size = key::ROW_HEAD + key.len() + payload.len();
        let checksum = key::checksum(key, payload).to_le_bytes();
        self.rows
            .put_reserved(&mut self.txn, key, size, |space| {
                space.write_all(&checksum)?;
                space.write_all(&key::key_length(key))?;
                space.write_all(key)?;
                space.write_all(payload)
            })
            .map_err(|error| noted(self.memory, engine(error)))
    }

    /// Was there a row?
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<bool> {
        self.may_write()?;
        self.memory.wrote = true;
        let deleted = self.rows.delete(&mut self.txn, key);
        deleted.map_err(|error| noted(self.memory, engine(error)))
    }

    /// Deletes every row in `from..to`, whatever is in it. How many were there?
    pub(super) fn delete_range(&mut self, from: &[u8], to: &[u8]) -> Result<usize> {
        self.may_write()?;
        self.memory.wrote = true;
        let range = (Bound::Included(from), Bound::Excluded(to));
        let deleted = self.rows.delete_range(&mut self.txn, &range);
        deleted.map_err(|error| noted(self.memory, engine(error)))
    }

    /// What sessions that watch are told once this batch is on disk.
    pub(crate) fn announce(&mut self, change: super::change::Change) {
        self.memory.changes.push(change);
    }

    /// Is there room for more mail than is here? Deleting is always allowed.
    pub(super) fn check_room(&mut self) -> Result<()> {
        if self.memory.room.is_none() {
            let space = self.kv.space_in(self.env, &self.rows, &self.txn)?;
            let room = space.disk.saturating_add(space.free);
            // Deleting writes too: where the file cannot grow, what it has left is kept for that.
            let kept = self.memory.cramped && space.free < self.kv.options.file_ahead_bytes / 2;
            self.memory.room = Some(room >= self.kv.options.disk_reserve_bytes && !kept);
        }
        match self.memory.room {
            Some(false) => Err(StoreError::DiskFull),
            _ => Ok(()),
        }
    }

    /// Runs `job` in a transaction inside of this one, so that it can be undone alone.
    pub(super) fn nested<R>(
        &mut self,
        job: impl FnOnce(&mut Batch) -> std::result::Result<R, Failure>,
    ) -> std::result::Result<R, Failure> {
        let txn = self.env.nested_write_txn(&mut self.txn).map_err(engine)?;
        let memory = &mut *self.memory;
        let mut inner = Batch { txn, rows: self.rows, env: self.env, kv: self.kv, memory };
        let result = job(&mut inner);
        let Batch { txn, .. } = inner;
        match result {
            Ok(value) => {
                txn.commit().map_err(engine)?;
                Ok(value)
            }
            Err(error) => {
                txn.abort();
                Err(error)
            }
        }
    }
}

/// The writer must know that the map is full also when the job hides it.
fn noted(memory: &mut Memory, error: StoreError) -> StoreError {
    memory.map_full |= error == StoreError::MapFull;
    error
}

fn view(
    rows: &Rows,
    txn: &RoTxn,
    key: &[u8],
    look: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    match rows.get(txn, key).map_err(engine)? {
        Some(row) => look(key::open_row(key, row)?).map(|()| true),
        None => Ok(false),
    }
}

fn scan(rows: &Rows, txn: &RoTxn, from: &[u8], to: &[u8], each: &mut OnRow<'_>) -> Result<()> {
    if from >= to {
        return Ok(());
    }
    let range = (Bound::Included(from), Bound::Excluded(to));
    for item in rows.range(txn, &range).map_err(engine)? {
        let (key, row) = item.map_err(engine)?;
        if !each(key, row)? {
            break;
        }
    }
    Ok(())
}

fn last_key(rows: &Rows, txn: &RoTxn, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>> {
    let found = rows.get_lower_than(txn, to).map_err(engine)?;
    Ok(found.map(|(key, _)| key).filter(|&key| key >= from && key < to).map(<[u8]>::to_vec))
}

/// Waits a moment for a lock that is about to go: a process that a thread of the last owner just
/// began holds it until it runs its program.
pub(super) fn take_lock(dir: &Path) -> Result<Flock<File>> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(|error| io_error("the store's lock cannot be made", &error))?;
    let until = Instant::now() + crate::limits::STORE_LOCK;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((again, Errno::EWOULDBLOCK)) if Instant::now() < until => file = again,
            Err((_, Errno::EWOULDBLOCK)) => return Err(StoreError::Locked),
            Err((_, errno)) => {
                return Err(StoreError::Engine(format!("the store cannot be locked: {errno}")));
            }
        }
        std::thread::sleep(crate::limits::STORE_LOCK / 20);
    }
}

#[allow(unsafe_code)]
fn open_engine(dir: &Path, options: &Options) -> Result<Opened> {
    let mut open = EnvOpenOptions::new().read_txn_without_tls();
    open.map_size(map_size(dir, options)).max_readers(crate::limits::READERS);
    // SAFETY: the lock file keeps other processes out of the map, heed keeps a second opening of
    // this process out, and no code of ours writes into pages in use. The flag given only stops
    // read-ahead.
    let env = unsafe { open.flags(EnvFlags::NO_READ_AHEAD).open(dir) }.map_err(engine)?;
    env.clear_stale_readers().map_err(engine)?;
    let mut txn = env.write_txn().map_err(engine)?;
    let rows = env.create_database(&mut txn, None).map_err(engine)?;
    txn.commit().map_err(engine)?;
    Ok(Opened { env, rows })
}

#[allow(unsafe_code)]
fn open_to_read(dir: &Path, options: &Options) -> Result<Opened> {
    let mut open = EnvOpenOptions::new().read_txn_without_tls();
    open.map_size(map_size(dir, options)).max_readers(crate::limits::READERS);
    let flags = EnvFlags::READ_ONLY | EnvFlags::NO_LOCK | EnvFlags::NO_READ_AHEAD;
    // SAFETY: nobody writes to a file that is read so: it is a copy that was just made, or lies on
    // a file system that is mounted to be read.
    let env = unsafe { open.flags(flags).open(dir) }.map_err(engine)?;
    let txn = env.read_txn().map_err(engine)?;
    let rows = env.open_database(&txn, None).map_err(engine)?;
    // The engine forgets the key space of a transaction that does not end well.
    txn.commit().map_err(engine)?;
    let rows = rows.ok_or_else(|| StoreError::Corrupt("the store's file has no rows".into()))?;
    Ok(Opened { env, rows })
}

/// The engine notes readers through a map of a file with holes, and a hole for which a full disk
/// has no room ends the process (SIGBUS). So the file has all its room from the first opening on.
fn room_for_readers(dir: &Path) -> Result<()> {
    let trouble = |error| io_error("room for the table of readers", &error);
    let file = match OpenOptions::new().read(true).write(true).open(dir.join(READERS_FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(trouble)?,
    };
    let data = file.metadata().map_err(trouble)?;
    if data.blocks() * 512 >= data.len() {
        return Ok(());
    }
    let length = i64::try_from(data.len()).unwrap_or(i64::MAX);
    match nix::fcntl::fallocate(&file, FallocateFlags::empty(), 0, length) {
        // A file system that cannot set room apart.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        other => {
            other.map_err(|error| trouble(error.into()))?;
            file.sync_all().map_err(trouble)
        }
    }
}

/// The options' map, or more where the file is larger already.
fn map_size(dir: &Path, options: &Options) -> usize {
    let file = fs::metadata(dir.join(DATA_FILE)).map_or(0, |data| data.len());
    let file = usize::try_from(file).unwrap_or(usize::MAX / 2);
    let size = options.map_bytes.max(file + options.map_step_bytes.min(file));
    size.next_multiple_of(1 << 16)
}

#[allow(unsafe_code)]
fn resize(env: &Env<WithoutTls>, size: usize) -> Result<()> {
    // SAFETY: called inside of the gate by the writer, which has no transaction open: no
    // transaction is active in this process, and no other process has the store.
    unsafe { env.resize(size.next_multiple_of(1 << 16)) }.map_err(engine)
}

/// Makes `fresh` the store's file by one rename, while nobody has the store open.
pub(super) fn put_in_place(dir: &Path, fresh: &Path) -> Result<()> {
    fs::rename(fresh, dir.join(DATA_FILE))
        .map_err(|error| io_error("the new file of the store cannot take its place", &error))?;
    sync_folder(dir)
}

/// A new file that only its owner reads.
pub(super) fn create_private(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| io_error(&format!("{} cannot be made", path.display()), &error))
}

/// Makes renames in a folder last.
pub(super) fn sync_folder(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_error("a folder cannot be synced", &error))
}

pub(super) fn io_error(doing: &str, error: &std::io::Error) -> StoreError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => StoreError::DiskFull,
        _ => StoreError::Engine(format!("{doing}: {error}")),
    }
}

fn engine(error: heed::Error) -> StoreError {
    use heed::MdbError;
    match error {
        heed::Error::Mdb(MdbError::MapFull | MdbError::MapResized) => StoreError::MapFull,
        heed::Error::Mdb(
            error @ (MdbError::Corrupted | MdbError::PageNotFound | MdbError::Invalid),
        ) => StoreError::Corrupt(format!("the pages of the store's file: {error}")),
        heed::Error::Io(error) => io_error("the disk", &error),
        other => StoreError::Engine(other.to_string()),
    }
}
