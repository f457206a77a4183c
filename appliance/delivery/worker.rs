//! The queue: takes from the outbox what is due, in turn for each domain, and has it delivered.
//!
//! ```text
//! outbox rows due --look--> pieces: one message, recipients of one domain
//!     domain a: piece piece piece      at most OUTBOX_PER_DOMAIN of each at once,
//!     domain b: piece                  OUTBOX_AT_ONCE in all, domains by turns
//! piece --> memory for it --> Deliver --> record: one commit --> next
//! ```
//!
//! It wakes when the outbox changed, when the next row is due, and when a delivery is done. What is
//! being worked on is known here only, in memory: after a crash all of it is due again.

use super::record::{Came, record};
use super::remote::{Attempt, Job, Outcome, Target};
use super::report::Moment;
use crate::event::{Event, emit};
use crate::limits::{
    OUTBOX_AT_ONCE, OUTBOX_LOOK, OUTBOX_LOOK_AGAIN, OUTBOX_PER_DOMAIN, OUTBOX_READY,
    OUTBOX_RECIPIENTS, OUTBOX_SENDING_BYTES, OUTBOX_WRITE_AGAIN, PREPARE_INLINE_BYTES,
    SHUTDOWN_GRACE,
};
use crate::net::stopped;
use crate::store::format::Outgoing;
use crate::store::outbox::{self, Place, State};
use crate::store::{Batch, MailId, Result, Store, StoreError};
use crate::wire::address::Address;
use crate::wire::smtp::Body;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Who brings a message to the servers of a domain: `remote`, or a script in a test.
pub(crate) trait Deliver: Send + Sync + 'static {
    fn deliver(&self, job: Job) -> impl Future<Output = Vec<Attempt>> + Send;
}

/// What the queue works with.
pub(crate) struct Desk {
    store: Store,
    /// Our name.
    host: String,
    moment: Box<dyn Fn() -> Moment + Send + Sync>,
    /// Memory for messages being sent, in KiB.
    memory: Arc<Semaphore>,
}

impl Desk {
    pub(crate) fn new(
        store: Store,
        host: String,
        moment: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Arc<Self> {
        let memory = Arc::new(Semaphore::new(OUTBOX_SENDING_BYTES / 1024));
        Arc::new(Self { store, host, moment: Box::new(moment), memory })
    }

    fn now(&self) -> u64 {
        (self.moment)().micros / 1_000_000
    }
}

/// Works until the server stops; then deliveries that are under way have a little time to end.
pub(crate) async fn run<D: Deliver>(
    desk: Arc<Desk>,
    deliver: Arc<D>,
    mut stop: watch::Receiver<bool>,
) {
    let bell = desk.store.hub().outbox();
    let mut queue = Queue::default();
    let mut tasks = JoinSet::new();
    let mut look = true;
    loop {
        if look {
            look = queue.look(&desk);
        }
        while tasks.len() < OUTBOX_AT_ONCE
            && let Some(piece) = queue.next()
        {
            tasks.spawn(carry(desk.clone(), deliver.clone(), piece));
        }
        let wait = if look { Duration::ZERO } else { desk.wait() };
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok((piece, again)) = done {
                    look |= queue.done(&piece) || again;
                }
            }
            () = bell.notified() => look = true,
            () = tokio::time::sleep(wait) => look = true,
        }
    }
    let finish = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, finish).await;
}

/// One message for the recipients of one domain.
#[derive(Debug, Clone)]
struct Piece {
    place: Place,
    domain: String,
    /// Their numbers in the row.
    recipients: Vec<usize>,
    size: u64,
}

/// What waits and what runs.
#[derive(Default)]
struct Queue {
    lines: HashMap<String, Line>,
    /// Domains that have a piece waiting and a place free, the next first.
    turn: VecDeque<String>,
    /// Messages that are here, with their pieces.
    open: HashMap<MailId, usize>,
    /// Was there more than may wait here?
    full: bool,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Piece>,
    running: usize,
}

impl Queue {
    /// Takes in what is due. Is there more?
    fn look(&mut self, desk: &Desk) -> bool {
        match self.take_due(desk) {
            Ok(more) => more,
            Err(error) => {
                trouble("reading the outbox", &error);
                false
            }
        }
    }

    fn take_due(&mut self, desk: &Desk) -> Result<bool> {
        let room = OUTBOX_READY.saturating_sub(self.open.len());
        self.full = room == 0;
        let most = room.min(OUTBOX_LOOK);
        if most == 0 {
            return Ok(false);
        }
        let now = desk.now();
        let read = desk.store.snapshot()?;
        let places = outbox::due(&read, now, most, |id| self.open.contains_key(&id))?;
        let more = places.len() == most;
        for place in places {
            match outbox::get(&read, place) {
                Ok(Some(row)) => self.take(place, &row, now),
                Ok(None) => {}
                Err(error) => {
                    // It stays where it is, and is not looked at again until the next start.
                    self.open.insert(place.id, usize::MAX);
                    trouble("reading a message of the outbox", &error);
                }
            }
        }
        Ok(more)
    }

    fn take(&mut self, place: Place, row: &Outgoing, now: u64) {
        let mut domains: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, recipient) in row.recipients.iter().enumerate() {
            let due = recipient.state() == State::Waiting
                && u64::try_from(recipient.next).unwrap_or(0) <= now;
            if due {
                domains.entry(domain_of(&recipient.address)).or_default().push(index);
            }
        }
        for (domain, recipients) in domains {
            for recipients in recipients.chunks(OUTBOX_RECIPIENTS) {
                let recipients = recipients.to_vec();
                let piece = Piece { place, domain: domain.clone(), recipients, size: row.size };
                *self.open.entry(place.id).or_default() += 1;
                let line = self.lines.entry(domain.clone()).or_default();
                line.waiting.push_back(piece);
                if line.waiting.len() == 1 && line.running < OUTBOX_PER_DOMAIN {
                    self.turn.push_back(domain.clone());
                }
            }
        }
    }

    /// The next piece to be carried.
    fn next(&mut self) -> Option<Piece> {
        let domain = self.turn.pop_front()?;
        let line = self.lines.get_mut(&domain)?;
        let piece = line.waiting.pop_front()?;
        line.running += 1;
        if !line.waiting.is_empty() && line.running < OUTBOX_PER_DOMAIN {
            self.turn.push_back(domain);
        }
        Some(piece)
    }

    /// Is there room again for what did not find any?
    fn done(&mut self, piece: &Piece) -> bool {
        if let Some(line) = self.lines.get_mut(&piece.domain) {
            line.running = line.running.saturating_sub(1);
            if line.waiting.is_empty() {
                if line.running == 0 {
                    self.lines.remove(&piece.domain);
                }
            } else if line.running + 1 == OUTBOX_PER_DOMAIN {
                self.turn.push_back(piece.domain.clone());
            }
        }
        if let Some(pieces) = self.open.get_mut(&piece.place.id) {
            *pieces = pieces.saturating_sub(1);
            if *pieces == 0 {
                self.open.remove(&piece.place.id);
            }
        }
        self.full && self.open.len() < OUTBOX_READY / 2
    }
}

impl Desk {
    /// Until the next row is due.
    fn wait(&self) -> Duration {
        let now = self.now();
        let next = self.store.snapshot().and_then(|read| outbox::next_due(&read, now));
        match next {
            Ok(Some(due)) => Duration::from_secs(due.saturating_sub(now)).min(OUTBOX_LOOK_AGAIN),
            _ => OUTBOX_LOOK_AGAIN,
        }
    }
}

/// Carries a piece to its end, whatever happens. Is its message due again at once?
async fn carry<D: Deliver>(desk: Arc<Desk>, deliver: Arc<D>, piece: Piece) -> (Piece, bool) {
    let task = tokio::spawn(work(desk, deliver, piece.clone()));
    let again = task.await.unwrap_or(false);
    (piece, again)
}

async fn work<D: Deliver>(desk: Arc<Desk>, deliver: Arc<D>, piece: Piece) -> bool {
    let kib = u32::try_from(piece.size / 1024 + 1).unwrap_or(u32::MAX);
    let most = u32::try_from(OUTBOX_SENDING_BYTES / 1024).unwrap_or(u32::MAX);
    let Ok(_held) = desk.memory.acquire_many(kib.min(most)).await else { return false };
    let came = match load(&desk, &piece).await {
        Ok(Some(load)) => delivered(deliver, load).await,
        Ok(None) => return false,
        Err(error @ StoreError::Corrupt(_)) => {
            trouble("reading a message of the outbox", &error);
            let why = "The message is damaged in the store.".to_string();
            let outcome = Outcome::Failed { reply: None, why };
            piece.recipients.iter().map(|&index| Came::here(index, outcome.clone())).collect()
        }
        Err(error) => {
            trouble("reading a message of the outbox", &error);
            return false;
        }
    };
    tell(&piece, &came);
    let due = written(&desk, piece.place, came).await;
    due.is_some_and(|due| due <= desk.now())
}

/// A piece with its message, as it goes to the other server.
struct Load {
    job: Job,
    /// The recipients' numbers in the row, in the order of the job.
    indexes: Vec<usize>,
    /// What cannot be tried at all.
    lost: Vec<Came>,
}

/// Reads the message, and who is to have it still. `None`: nobody.
async fn load(desk: &Arc<Desk>, piece: &Piece) -> Result<Option<Load>> {
    let (store, chance) = (desk.store.clone(), (desk.moment)().chance);
    let wanted = piece.clone();
    let read = move || {
        let read = store.snapshot()?;
        let Some((_, row)) = outbox::find(&read, wanted.place.id, Some(wanted.place))? else {
            return Ok(None);
        };
        let message = outbox::octets(&read, &row, 0, row.octets())?;
        Ok(loaded(&wanted, &row, message.into(), chance))
    };
    if piece.size < PREPARE_INLINE_BYTES as u64 {
        return read();
    }
    // A large message takes long to unpack: beside the threads that serve connections.
    let broken = |_| StoreError::Engine("reading a message broke off".to_string());
    tokio::task::spawn_blocking(read).await.map_err(broken)?
}

fn loaded(piece: &Piece, row: &Outgoing, message: Arc<[u8]>, chance: u64) -> Option<Load> {
    let (mut recipients, mut indexes, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for &index in &piece.recipients {
        let Some(recipient) = row.recipients.get(index) else { continue };
        if recipient.state() != State::Waiting {
            continue;
        }
        let Ok(to) = Address::parse(&recipient.address) else {
            let why = "The address is damaged in the store.".to_string();
            lost.push(Came::here(index, Outcome::Failed { reply: None, why }));
            continue;
        };
        recipients.push(Target { to, notify: recipient.notify(), orcpt: recipient.orcpt() });
        indexes.push(index);
    }
    if recipients.is_empty() && lost.is_empty() {
        return None;
    }
    let job = Job {
        from: Address::parse(&row.sender).ok(),
        domain: piece.domain.clone(),
        recipients,
        message,
        smtputf8: row.smtputf8,
        body: if row.eight_bit { Body::EightBitMime } else { Body::SevenBit },
        ret: row.ret(),
        envid: row.envid.clone(),
        random: chance,
    };
    Some(Load { job, indexes, lost })
}

/// Has it delivered; every recipient gets an answer, also when that breaks off.
async fn delivered<D: Deliver>(deliver: Arc<D>, load: Load) -> Vec<Came> {
    let Load { job, indexes, lost: mut came } = load;
    if job.recipients.is_empty() {
        return came;
    }
    let targets: Vec<Address> = job.recipients.iter().map(|target| target.to.clone()).collect();
    let task = tokio::spawn(async move { deliver.deliver(job).await });
    let mut attempts = task.await.unwrap_or_default();
    for (index, to) in indexes.into_iter().zip(targets) {
        came.push(match attempts.iter().position(|attempt| attempt.to == to) {
            Some(at) => {
                let Attempt { outcome, server, secured, dsn, .. } = attempts.swap_remove(at);
                Came { index, outcome, server, secured, dsn }
            }
            None => {
                let why = "The delivery broke off on our side.".to_string();
                Came::here(index, Outcome::Retry { reply: None, why })
            }
        });
    }
    came
}

/// Writes down what came of it. A disk that does not take it is asked until it does: what is not
/// written would be sent twice.
async fn written(desk: &Arc<Desk>, place: Place, came: Vec<Came>) -> Option<u64> {
    let came = Arc::new(came);
    loop {
        let (desk_in, came) = (desk.clone(), came.clone());
        let moment = (desk.moment)();
        let job = move |batch: &mut Batch| record(batch, &desk_in.host, moment, place, &came);
        match desk.store.write(job).await {
            Ok(due) => return due,
            Err(StoreError::Stopped) => return None,
            Err(error) => trouble("writing down what was sent", &error),
        }
        tokio::time::sleep(OUTBOX_WRITE_AGAIN).await;
    }
}

impl Came {
    /// No server was asked.
    fn here(index: usize, outcome: Outcome) -> Self {
        Self { index, outcome, server: String::new(), secured: String::new(), dsn: false }
    }
}

/// Of an address as it stands in a row.
fn domain_of(address: &str) -> String {
    Address::parse(address).map(|address| address.domain().to_string()).unwrap_or_default()
}

fn tell(piece: &Piece, came: &[Came]) {
    let of = |wanted: fn(&Outcome) -> bool| came.iter().filter(|it| wanted(&it.outcome)).count();
    let why = came.iter().find_map(|came| match &came.outcome {
        Outcome::Delivered { .. } => None,
        Outcome::Retry { why, .. } | Outcome::Failed { why, .. } => Some(why.clone()),
    });
    emit(Event::Sent {
        id: piece.place.id.0,
        domain: piece.domain.clone(),
        sent: of(|outcome| matches!(outcome, Outcome::Delivered { .. })),
        waiting: of(|outcome| matches!(outcome, Outcome::Retry { .. })),
        failed: of(|outcome| matches!(outcome, Outcome::Failed { .. })),
        why: why.unwrap_or_default(),
    });
}

fn trouble(doing: &'static str, error: &StoreError) {
    emit(Event::StoreTrouble { doing, why: error.to_string() });
}
