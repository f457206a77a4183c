//! Everything that an account on another server holds, brought in once: resumed when it is cut,
//! and run again for what is new.
//!
//! A line that breaks is opened again after a while, and a server that asks to slow down is left
//! alone for a while. After some tries in a row without one message more the run gives up and says
//! so; what was brought stays, and the next run goes on there.

use super::bring::Written;
use super::folder;
use super::folders::{self, Folder};
use super::labels::Labels;
use super::line::Line;
use crate::clock;
use crate::collect::providers::{self, Provider};
use crate::collect::reach::Place;
use crate::imap::client::{self, Heard, Ill, Trouble};
pub(crate) use crate::imap::client::{Login, Secret};
use crate::limits;
use crate::net::resolver::Resolver;
use crate::store::{
    AccountId, Batch, MailboxId, Result as StoreResult, Store, StoreError, mailbox,
};
use crate::wire::imap::StatusItem;
use crate::wire::imap::heard::{Listed, Name, Response};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What to bring, from where and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub account: AccountId,
    pub place: Place,
    pub login: Login,
    /// The mailbox that all are to stand below.
    pub above: Option<String>,
    /// Empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    pub pace: Pace,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// After a line that broke, doubled with each in a row.
    pub first: Duration,
    pub at_most: Duration,
    /// After a server said that it is too much.
    pub throttled: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            first: limits::FETCH_WAIT,
            at_most: limits::FETCH_WAIT_AT_MOST,
            throttled: limits::FETCH_THROTTLED,
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// Messages that are here now, or cannot be brought.
    pub messages: u64,
    pub of: u64,
    pub octets: u64,
    /// The folder that is read.
    pub folder: String,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    pub messages: u64,
    pub octets: u64,
    /// Brought before.
    pub already: u64,
    pub folders: u64,
    /// What was not brought, and why.
    pub skipped: Vec<String>,
    pub skipped_count: u64,
    /// Lines that broke and were opened again.
    pub broken: u64,
}

/// Skipped messages that are named one by one.
const TOLD: usize = 1_000;

/// Why a run goes no further for now.
pub(super) enum Stop {
    Trouble(Trouble),
    /// Of our own store.
    Store(StoreError),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Trouble(trouble)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

/// Brings it all in. An error says what, why and what to do; what was brought before it stays.
pub(crate) async fn run(
    store: &Store,
    ask: Ask,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, String> {
    let resolver = Resolver::new(&ask.name_servers, limits::DNS_QUESTION)?;
    let source = format!("{}@{}", ask.login.user, ask.place.host);
    let mut run = Run {
        store,
        ask,
        resolver,
        source,
        report: Report::default(),
        total: 0,
        plan: None,
        labels: Labels::default(),
        next: 0,
        again: 0,
        doubts: Doubts::default(),
        progress,
    };
    let (mut failures, mut brought) = (0, 0);
    loop {
        let stop = match run.go().await {
            Ok(()) => return Ok(run.report),
            Err(stop) => stop,
        };
        if run.report.messages > brought {
            (failures, brought) = (0, run.report.messages);
        }
        failures += 1;
        run.report.broken += 1;
        let wait = run.wait(&stop, failures).map_err(|why| {
            format!("{why} {} messages were brought in; the same again goes on there.", brought)
        })?;
        tokio::time::sleep(wait).await;
    }
}

/// Messages that a server said it could not give now, of the folder that is read. Yahoo's and
/// others say so of a damaged one for good.
#[derive(Default)]
pub(super) struct Doubts {
    refusals: HashMap<u32, u32>,
    /// How many were passed over on this line since a message came.
    passed_over: u32,
}

impl Doubts {
    /// It is asked for alone.
    pub(super) fn has(&self, uid: u32) -> bool {
        self.refusals.contains_key(&uid)
    }

    /// How often by now?
    pub(super) fn refused(&mut self, uid: u32) -> u32 {
        let refusals = self.refusals.entry(uid).or_default();
        *refusals += 1;
        *refusals
    }

    /// Refused alone once more: is it the message, and not that the server is busy? Then others
    /// come between those that do not.
    pub(super) fn passes_over(&mut self, uid: u32) -> bool {
        let often = self.refused(uid) >= limits::FETCH_REFUSALS;
        let passes = often && self.passed_over < limits::FETCH_PASSED_OVER;
        self.passed_over += u32::from(passes);
        passes
    }

    /// A message; or a new line begins.
    fn came(&mut self) {
        self.passed_over = 0;
    }
}

/// One run over all folders.
pub(super) struct Run<'r> {
    store: &'r Store,
    ask: Ask,
    resolver: Resolver,
    source: String,
    report: Report,
    total: u64,
    plan: Option<Vec<(Folder, MailboxId)>>,
    labels: Labels,
    /// The folder that is next.
    next: usize,
    /// Messages that earlier tries of this run brought from the folder that is read.
    again: u64,
    doubts: Doubts,
    progress: &'r mut dyn FnMut(Progress),
}

impl Run<'_> {
    pub(super) fn store(&self) -> &Store {
        self.store
    }

    pub(super) fn account(&self) -> AccountId {
        self.ask.account
    }

    /// "user@host".
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn skipped(&self) -> u64 {
        self.report.skipped_count
    }

    /// So many of a folder are remembered.
    pub(super) fn already(&mut self, messages: u64) {
        self.report.already += messages.saturating_sub(self.again);
        self.tell();
    }

    pub(super) fn doubts(&mut self) -> &mut Doubts {
        &mut self.doubts
    }

    pub(super) fn wrote(&mut self, written: Written) {
        self.doubts.came();
        self.report.messages += written.messages;
        self.report.octets += written.octets;
        self.report.already += written.met;
        self.tell();
    }

    pub(super) fn skip(&mut self, folder: &Folder, uid: u32, why: &str) {
        self.leave(format!("message {uid} of {}: {why}", folder.text));
    }

    pub(super) fn skip_folder(&mut self, folder: &Folder, why: &str) {
        self.leave(format!("the folder {}: {why}", folder.text));
    }

    fn leave(&mut self, what: String) {
        self.report.skipped_count += 1;
        if self.report.skipped.len() < TOLD && !self.report.skipped.contains(&what) {
            self.report.skipped.push(what);
        }
        self.tell();
    }

    fn tell(&mut self) {
        let Report { messages, octets, already, skipped_count, .. } = self.report;
        let done = messages + already + skipped_count;
        let of = self.total.max(done);
        let folder = self.plan.as_ref().and_then(|plan| plan.get(self.next));
        let folder = folder.map(|(folder, _)| folder.text.clone()).unwrap_or_default();
        (self.progress)(Progress { messages: done, of, octets, folder });
    }

    /// How long to wait before the next try; else why there is none.
    fn wait(&self, stop: &Stop, failures: u32) -> Result<Duration, String> {
        let trouble = match stop {
            Stop::Trouble(trouble) => trouble,
            Stop::Store(error) => return Err(format!("The store: {error}.")),
        };
        let why = &trouble.why;
        if failures >= limits::FETCH_TRIES {
            return Err(format!("{why} It was tried {failures} times in a row."));
        }
        let Pace { first, at_most, throttled } = self.ask.pace;
        let doubled = |wait: Duration| (wait * 2u32.saturating_pow(failures - 1)).min(at_most);
        match trouble.ill {
            Ill::Passing => Ok(doubled(first)),
            Ill::Busy(None) => Ok(doubled(throttled).max(throttled)),
            Ill::Busy(Some(wait)) if wait > limits::FETCH_WAIT_AT_MOST * 10 => {
                Err(format!("{why} It wants to be left alone for {} minutes.", wait.as_secs() / 60))
            }
            Ill::Busy(Some(wait)) => Ok(wait),
            Ill::Login | Ill::Lasting => Err(why.clone()),
        }
    }

    /// From the folder that is next to the last.
    async fn go(&mut self) -> Result<(), Stop> {
        let login = self.ask.login.clone();
        self.doubts.came();
        let mut line = Line::open(&self.ask.place, &self.resolver, login).await?;
        let plan = match self.plan.take() {
            Some(plan) => plan,
            None => self.prepare(&mut line).await?,
        };
        let outcome = self.folders(&mut line, &plan).await;
        self.plan = Some(plan);
        outcome?;
        line.close().await;
        Ok(())
    }

    async fn folders(&mut self, line: &mut Line, plan: &[(Folder, MailboxId)]) -> Result<(), Stop> {
        while let Some((folder, mailbox)) = plan.get(self.next) {
            let Report { messages, already, skipped_count, .. } = self.report;
            if folder.has_mail {
                let mut labels = std::mem::take(&mut self.labels);
                let outcome = folder::bring(self, line, folder, *mailbox, &mut labels).await;
                self.labels = labels;
                if outcome.is_err() {
                    // It is looked at anew from its beginning: what was brought is known then.
                    self.again += self.report.messages - messages;
                    (self.report.already, self.report.skipped_count) = (already, skipped_count);
                }
                outcome?;
            }
            self.again = 0;
            self.doubts.refusals.clear();
            self.report.folders += 1;
            self.next += 1;
        }
        Ok(())
    }

    /// Lists the folders, makes the mailboxes, and counts what there is.
    async fn prepare(&mut self, line: &mut Line) -> Result<Vec<(Folder, MailboxId)>, Stop> {
        let gmail = line.has("X-GM-EXT-1");
        let mut listed = list(line).await?;
        as_the_provider_has_them(&mut listed, &self.ask.place.host);
        let ours = mailbox::names(&self.store.snapshot()?, self.ask.account)?;
        let ours: Vec<(String, String)> = ours
            .into_iter()
            .filter(|(_, row)| !row.special_use.is_empty())
            .map(|(_, row)| (row.special_use, row.name))
            .collect();
        let above = self.ask.above.as_deref();
        let (folders, left) = folders::plan(&listed, &ours, above, gmail);
        for (text, why) in left {
            self.leave(format!("the folder {text}: {why}"));
        }
        self.total = count(line, &folders).await?;
        let mut plan = Vec::with_capacity(folders.len());
        for folder in folders {
            let mailbox = self.open(&folder.mailbox, folder.special_use).await?;
            self.labels.add(&folder, mailbox);
            plan.push((folder, mailbox));
        }
        Ok(plan)
    }

    /// A label that was made since the folders were listed; `None`: no mailbox can be called so.
    pub(super) async fn mailbox_of_label(
        &mut self,
        label: &Name,
    ) -> Result<Option<MailboxId>, Stop> {
        let own = label.text();
        let name = match &self.ask.above {
            Some(above) => format!("{above}/{own}"),
            None => own,
        };
        match mailbox::check_name(&name) {
            Ok(name) => Ok(Some(self.open(&name, "").await?)),
            Err(_) => Ok(None),
        }
    }

    /// The mailbox of this name, made and subscribed if there is none.
    async fn open(&self, name: &str, special_use: &'static str) -> StoreResult<MailboxId> {
        let account = self.ask.account;
        if let Some(found) = mailbox::by_name(&self.store.snapshot()?, account, name)? {
            return Ok(found.id);
        }
        let (name, now) = (name.to_string(), clock::now());
        let job = move |batch: &mut Batch| {
            if let Some(found) = mailbox::by_name(batch, account, &name)? {
                return Ok(found.id);
            }
            let made = mailbox::create(batch, account, &name, special_use, now)?;
            mailbox::subscribe(batch, account, &name)?;
            Ok(made.id)
        };
        self.store.write(job).await
    }
}

/// All folders, with their special uses where the server tells them.
pub(super) async fn list(line: &mut Line) -> Result<Vec<Listed>, Trouble> {
    let extended = line.has("LIST-EXTENDED") || line.has("IMAP4REV2");
    let command: &[u8] = match line.has("SPECIAL-USE") {
        // RFC 6154 3: only who asks for them surely gets them
        true if extended => b"LIST \"\" \"*\" RETURN (SPECIAL-USE)",
        false if line.has("XLIST") => b"XLIST \"\" \"*\"",
        _ => b"LIST \"\" \"*\"",
    };
    let mut listed = Vec::new();
    let mut each = |told| match told {
        Response::List(one) if listed.len() < limits::FETCH_FOLDERS => listed.push(one),
        _ => {}
    };
    let status = line.ask(command, &mut each).await?;
    if !status.is_ok() {
        let why = format!("The server does not list its folders: {status}");
        return Err(Trouble::new(Ill::Passing, why));
    }
    // XLIST calls INBOX by its name in the person's language.
    for one in listed.iter_mut().filter(|one: &&mut Listed| one.has("\\Inbox")) {
        one.name = Name(b"INBOX".to_vec());
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    listed.dedup_by(|a, b| a.name == b.name);
    Ok(listed)
}

/// Folders that the provider is known to have, where none of that use says so by itself.
fn as_the_provider_has_them(listed: &mut [Listed], host: &str) {
    let is_it = |it: &&Provider| it.imap.as_ref().is_some_and(|imap| imap.host == host);
    let Some(provider) = providers::all().iter().find(is_it) else { return };
    for known in &provider.folders {
        let attribute = format!("\\{}", known.role);
        if !listed.iter().any(|it| it.has(&attribute))
            && let Some(it) = listed.iter_mut().find(|it| it.name.text() == known.name)
        {
            it.attributes.push(attribute);
        }
    }
}

/// How many messages there are, as far as the server says.
async fn count(line: &mut Line, folders: &[Folder]) -> Result<u64, Stop> {
    let mut total: u64 = 0;
    let asked: Vec<Vec<u8>> = folders
        .iter()
        .filter(|folder| folder.has_mail)
        .filter_map(|folder| client::mailbox(&folder.name))
        .collect();
    for some in asked.chunks(STATUS_AT_ONCE) {
        let mut open = 0;
        for name in some {
            line.say(&[b"STATUS ".as_slice(), name, b" (MESSAGES)"].concat());
            open += 1;
        }
        while open > 0 {
            match line.hear().await? {
                Heard::Told(Response::StatusOf { items, .. }) => {
                    let messages = items.iter().find(|(it, _)| *it == StatusItem::Messages);
                    total = messages.map_or(total, |(_, count)| count.saturating_add(total));
                }
                Heard::Told(_) => {}
                Heard::Done(..) => open -= 1,
            }
        }
    }
    Ok(total)
}

/// Commands that are said before the first is answered.
const STATUS_AT_ONCE: usize = 32;
