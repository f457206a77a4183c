//! The queue: takes from the outbox what is due, in turn for each domain, and has it delivered.
//!
//! ```text
//! outbox rows due --look--> pieces: one message, recipients of one domain
//!     domain a: piece piece piece      as many of each at once as its `pace` says,
//!     relay b:  piece                  OUTBOX_AT_ONCE in all, by turns (`queue`)
//! piece --> memory for it --> Deliver --> record: one commit --> next
//!                                \-- the place is shut: all that waits for it is put off
//! ```
//!
//! It wakes when the outbox changed, when the next row is due, and when a delivery is done. What is
//! being worked on is known here only, in memory: after a crash all of it is due again.

use super::pace::Felt;
use super::queue::{Piece, PutOff, Queue};
use super::record::{Came, record};
use super::remote::{Attempt, Job, Outcome, Target};
use super::report::Moment;
use crate::event::{Event, emit};
use crate::limits::{
    OUTBOX_AT_ONCE, OUTBOX_LOOK, OUTBOX_LOOK_AGAIN, OUTBOX_PUT_OFF_AT_ONCE, OUTBOX_SENDING_BYTES,
    OUTBOX_WRITE_AGAIN, PREPARE_INLINE_BYTES, SHUTDOWN_GRACE,
};
use crate::net::stopped;
use crate::store::format::Outgoing;
use crate::store::outbox::{self, Place, State};
use crate::store::{Batch, Result, Store, StoreError};
use crate::wire::address::Address;
use crate::wire::smtp::Body;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Who brings a message to the servers of a domain: `remote`, or a script in a test.
pub(crate) trait Deliver: Send + Sync + 'static {
    fn deliver(&self, job: Job) -> impl Future<Output = Vec<Attempt>> + Send;

    /// Where mail from this sender to that domain goes: whatever goes the same way shares
    /// a pace.
    fn way(&self, sender: &str, domain: &str) -> String;
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
            look = self::look(&mut queue, &desk, deliver.as_ref());
        }
        while tasks.len() < OUTBOX_AT_ONCE
            && !desk.store.is_still()
            && let Some(piece) = queue.next()
        {
            tasks.spawn(carry(desk.clone(), deliver.clone(), piece));
        }
        let wait = if look { Duration::ZERO } else { desk.wait() };
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok(done) = done {
                    let (again, put_off) = ended(&mut queue, done);
                    look |= again;
                    if let Some(put_off) = put_off {
                        tasks.spawn(write_off(desk.clone(), put_off));
                    }
                }
            }
            () = bell.notified() => look = true,
            () = tokio::time::sleep(wait) => look = true,
        }
    }
    let finish = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, finish).await;
}

/// What follows from it: is there more to look for, and what is put off?
fn ended(queue: &mut Queue, done: Done) -> (bool, Option<PutOff>) {
    let (again, put_off) = match done {
        Done::Carried { piece, felt, again } => (again, queue.done(&piece, &felt)),
        Done::PutOff(pieces) => {
            pieces.iter().for_each(|piece| queue.close(piece));
            (false, None)
        }
    };
    (again || queue.has_room_again(), put_off)
}

/// What a task has come to.
enum Done {
    /// Is its message due again at once?
    Carried {
        piece: Piece,
        felt: Felt,
        again: bool,
    },
    PutOff(Vec<Piece>),
}

/// Takes in what is due. Is there more?
fn look<D: Deliver>(queue: &mut Queue, desk: &Desk, deliver: &D) -> bool {
    match take_due(queue, desk, deliver) {
        Ok(more) => more,
        Err(error) => {
            trouble("reading the outbox", &error);
            false
        }
    }
}

fn take_due<D: Deliver>(queue: &mut Queue, desk: &Desk, deliver: &D) -> Result<bool> {
    let most = queue.room().min(OUTBOX_LOOK);
    if most == 0 {
        return Ok(false);
    }
    let now = desk.now();
    let read = desk.store.snapshot()?;
    let places = outbox::due(&read, now, most, |id| queue.has(id))?;
    let more = places.len() == most;
    for place in places {
        match outbox::get(&read, place) {
            Ok(Some(row)) => {
                queue.take(place, &row, now, |sender, domain| deliver.way(sender, domain));
            }
            Ok(None) => {}
            Err(error) => {
                queue.leave(place.id);
                trouble("reading a message of the outbox", &error);
            }
        }
    }
    Ok(more)
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

/// Carries a piece to its end, whatever happens.
async fn carry<D: Deliver>(desk: Arc<Desk>, deliver: Arc<D>, piece: Piece) -> Done {
    let task = tokio::spawn(work(desk, deliver, piece.clone()));
    let (felt, again) = task.await.unwrap_or((Felt::Nothing, false));
    Done::Carried { piece, felt, again }
}

async fn work<D: Deliver>(desk: Arc<Desk>, deliver: Arc<D>, piece: Piece) -> (Felt, bool) {
    let nothing = (Felt::Nothing, false);
    let kib = u32::try_from(piece.size / 1024 + 1).unwrap_or(u32::MAX);
    let most = u32::try_from(OUTBOX_SENDING_BYTES / 1024).unwrap_or(u32::MAX);
    let Ok(_held) = desk.memory.acquire_many(kib.min(most)).await else { return nothing };
    // What is sent and not written down would be sent twice.
    let Some(_at_work) = desk.store.at_work() else { return nothing };
    let (felt, came) = match load(&desk, &piece).await {
        Ok(Some(load)) => delivered(deliver, load).await,
        Ok(None) => return nothing,
        Err(error @ StoreError::Corrupt(_)) => {
            trouble("reading a message of the outbox", &error);
            let why = "The message is damaged in the store.".to_string();
            (Felt::Nothing, came_alike(&piece, &Outcome::Failed { reply: None, why }))
        }
        Err(error) => {
            trouble("reading a message of the outbox", &error);
            return nothing;
        }
    };
    tell(&piece, &came);
    let due = written(&desk, vec![(piece.place, came)]).await;
    (felt, due.is_some_and(|due| due <= desk.now()))
}

/// Writes down that pieces have to wait since others of their way were in vain.
async fn write_off(desk: Arc<Desk>, put_off: PutOff) -> Done {
    let PutOff { pieces, outcome } = put_off;
    let Some(_at_work) = desk.store.at_work() else { return Done::PutOff(pieces) };
    let outcome = match outcome {
        Outcome::Retry { reply, why } => {
            Outcome::Retry { reply, why: format!("As others a moment ago: {why}") }
        }
        other => other,
    };
    for some in pieces.chunks(OUTBOX_PUT_OFF_AT_ONCE) {
        let came: Vec<_> =
            some.iter().map(|piece| (piece.place, came_alike(piece, &outcome))).collect();
        for (piece, (_, came)) in some.iter().zip(&came) {
            tell(piece, came);
        }
        written(&desk, came).await;
    }
    Done::PutOff(pieces)
}

/// No server was asked.
fn came_alike(piece: &Piece, outcome: &Outcome) -> Vec<Came> {
    piece.recipients.iter().map(|&index| Came::here(index, outcome.clone())).collect()
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
async fn delivered<D: Deliver>(deliver: Arc<D>, load: Load) -> (Felt, Vec<Came>) {
    let Load { job, indexes, lost: mut came } = load;
    if job.recipients.is_empty() {
        return (Felt::Nothing, came);
    }
    let targets: Vec<Address> = job.recipients.iter().map(|target| target.to.clone()).collect();
    let task = tokio::spawn(async move { deliver.deliver(job).await });
    let mut attempts = task.await.unwrap_or_default();
    let felt = Felt::of(&attempts);
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
    (felt, came)
}

/// Writes down what came of messages. When is the last of them due again? A disk that does not take
/// it is asked until it does: what is not written would be sent twice.
async fn written(desk: &Arc<Desk>, came: Vec<(Place, Vec<Came>)>) -> Option<u64> {
    let came = Arc::new(came);
    loop {
        let (desk_in, came) = (desk.clone(), came.clone());
        let moment = (desk.moment)();
        let job = move |batch: &mut Batch| {
            let mut due = None;
            for (place, came) in came.iter() {
                due = record(batch, &desk_in.host, moment, *place, came)?;
            }
            Ok(due)
        };
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
