//! An office with an outbox, a clock that is set by hand, and servers that do as a test says.

use crate::delivery::remote::{Attempt, Job, Outcome};
use crate::delivery::report::Moment;
use crate::delivery::worker::{self, Deliver, Desk};
use crate::store::format::{Outgoing, Trace, TraceStep};
use crate::store::mail::{self, Prepared};
use crate::store::outbox::{self, NewOutgoing, NewRecipient, Place};
use crate::store::{AccountId, Batch, INBOX, MailId, Result, Store, trace, verify};
use crate::tests::store::{NOW, Office};
use crate::wire::address::Address;
use crate::wire::smtp::reply::Enhanced;
use crate::wire::smtp::{Notify, Reply};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};

pub(super) const MESSAGE: &str = "From: alice@office.test\r\nTo: x@b.test\r\n\
     Subject: Offer\r\nMessage-ID: <1@office.test>\r\n\r\nDear all,\r\n";

/// What a server does with one recipient of a job.
pub(super) type Script = dyn Fn(&Job, &Address) -> Outcome + Send + Sync;

pub(super) struct Stage {
    pub office: Office,
    pub clock: Arc<AtomicI64>,
    pub jobs: Arc<Mutex<Vec<Job>>>,
}

/// Servers that follow a script and tell when a job is through.
pub(super) struct Scripted {
    pub script: Box<Script>,
    pub jobs: Arc<Mutex<Vec<Job>>>,
    pub through: mpsc::UnboundedSender<()>,
    /// Do they report by themselves?
    pub dsn: bool,
}

impl Deliver for Scripted {
    async fn deliver(&self, job: Job) -> Vec<Attempt> {
        self.jobs.lock().unwrap().push(job.clone());
        // Sent when this call ends, also by a panic.
        let _through = Through(self.through.clone());
        let attempt = |to: &Address| {
            let outcome = (self.script)(&job, to);
            Attempt {
                to: to.clone(),
                // Who retries without a reply has not come to a server.
                reached: !matches!(outcome, Outcome::Retry { reply: None, .. }),
                outcome,
                server: "mx.b.test [127.0.0.9]".to_string(),
                secured: "not encrypted".to_string(),
                dsn: self.dsn,
            }
        };
        job.recipients.iter().map(|target| attempt(&target.to)).collect()
    }

    fn way(&self, _sender: &str, domain: &str) -> String {
        domain.to_string()
    }
}

struct Through(mpsc::UnboundedSender<()>);

impl Drop for Through {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Stage {
    pub(super) fn new() -> Stage {
        let office = Office::new();
        let clock = Arc::new(AtomicI64::new(NOW));
        Stage { office, clock, jobs: Arc::default() }
    }

    pub(super) fn store(&self) -> &Store {
        &self.office.store
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn write<R: Send + 'static>(
        &self,
        job: impl FnMut(&mut Batch) -> Result<R> + Send + 'static,
    ) -> R {
        self.store().write_blocking(job).expect("written")
    }

    /// Puts a message from alice into the outbox.
    pub(super) fn put(&self, to: &[&str]) -> MailId {
        self.put_new(new(to, self.now()))
    }

    pub(super) fn put_new(&self, new: NewOutgoing) -> MailId {
        let micros = self.now().unsigned_abs() * 1_000_000;
        self.write(move |batch| {
            let id = mail::next_id(batch, micros)?;
            let story = Trace {
                from: "alice@office.test".to_string(),
                steps: vec![TraceStep { what: "accepted".to_string(), ..TraceStep::default() }],
                ..Trace::default()
            };
            trace::put(batch, id, &story)?;
            outbox::put(batch, id, &new)?;
            Ok(id)
        })
    }

    pub(super) fn desk(&self) -> Arc<Desk> {
        let clock = self.clock.clone();
        Desk::new(self.store().clone(), "mail.office.test".to_string(), move || Moment {
            micros: clock.load(Ordering::SeqCst).unsigned_abs() * 1_000_000,
            chance: 0,
        })
    }

    /// Runs the queue until so many jobs are through and written down.
    pub(super) fn work(&self, jobs: usize, script: Box<Script>) {
        self.work_as(jobs, false, script);
    }

    pub(super) fn work_as(&self, jobs: usize, dsn: bool, script: Box<Script>) {
        let (through, mut ended) = mpsc::unbounded_channel();
        let servers = Arc::new(Scripted { script, jobs: self.jobs.clone(), through, dsn });
        let (stopper, stop) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(8)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let queue = tokio::spawn(worker::run(self.desk(), servers, stop));
            for _ in 0..jobs {
                ended.recv().await.expect("a job");
            }
            stopper.send(true).unwrap();
            queue.await.expect("the queue ends by itself");
        });
        self.sound();
    }

    /// The store is whole.
    pub(super) fn sound(&self) {
        let report = verify::verify(self.store(), &mut |_, _| ()).expect("verified");
        assert_eq!(report.faults, Vec::<String>::new());
    }

    pub(super) fn rows(&self) -> Vec<(Place, Outgoing)> {
        let read = self.store().snapshot().unwrap();
        outbox::list(&read, Place { due: 0, id: MailId(0) }, 1_000).unwrap()
    }

    pub(super) fn row(&self, id: MailId) -> Option<Outgoing> {
        let read = self.store().snapshot().unwrap();
        outbox::find(&read, id, None).unwrap().map(|(_, row)| row)
    }

    pub(super) fn story(&self, id: MailId) -> Vec<TraceStep> {
        trace::get(&self.store().snapshot().unwrap(), id).unwrap().expect("a story").steps
    }

    pub(super) fn inbox(&self, who: AccountId) -> Vec<String> {
        let read = self.store().snapshot().unwrap();
        let text = |uid: u32| {
            let row = mail::row(&read, who, INBOX, uid).unwrap().unwrap();
            String::from_utf8(mail::octets(&read, &row, 0, row.size).unwrap()).unwrap()
        };
        mail::uids(&read, who, INBOX).unwrap().into_iter().map(text).collect()
    }
}

pub(super) fn new(to: &[&str], now: i64) -> NewOutgoing {
    let recipient = |to: &&str| NewRecipient {
        to: Address::parse(to).expect("an address"),
        notify: None,
        orcpt: None,
    };
    NewOutgoing {
        body: Arc::new(Prepared::new(MESSAGE.as_bytes())),
        sender: Some(Address::parse("alice@office.test").unwrap()),
        smtputf8: false,
        eight_bit: false,
        ret: None,
        envid: None,
        recipients: to.iter().map(recipient).collect(),
        prefix: Vec::new(),
        report_to: None,
        now,
    }
}

pub(super) fn notify(words: &str) -> Option<Notify> {
    let has = |word: &str| words.contains(word);
    Some(Notify { success: has("success"), failure: has("failure"), delay: has("delay") })
}

pub(super) fn took() -> Outcome {
    Outcome::Delivered { reply: Reply::new(250, 0, 0, "queued as 77") }
}

pub(super) fn refused(code: u16, detail: (u16, u16), text: &str) -> Outcome {
    let class = u8::try_from(code / 100).unwrap();
    let reply = Reply {
        code,
        enhanced: Some(Enhanced(class, detail.0, detail.1)),
        lines: vec![text.to_string()],
    };
    let why = "The server refused the recipient.".to_string();
    match class {
        4 => Outcome::Retry { reply: Some(reply), why },
        _ => Outcome::Failed { reply: Some(reply), why },
    }
}
