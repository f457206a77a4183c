//! The IMAP session, without I/O: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051).
//!
//! ```text
//! bytes -> wire::imap::parse -> table (states, handler) -> Turn -+-> Task, in pieces -> Turn
//!                                                                +-> Reply
//! Reply -> untagged updates of the selected mailbox -> tagged line -> next command
//! ```
//!
//! A handler does a small command at once and makes a [`Task`] of a long one: a cursor that gives
//! its output piece by piece, each from a read snapshot of its own. Writes and log-ins are asked of
//! the machine ([`Ask`]); everything else is read from the store.
//!
//! | file | commands |
//! |---|---|
//! | `login` | CAPABILITY ID ENABLE STARTTLS AUTHENTICATE LOGIN LOGOUT |
//! | `mailbox` | CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE STATUS NAMESPACE |
//! | `list` | LIST LSUB |
//! | `select` | SELECT EXAMINE UNSELECT CLOSE CHECK NOOP EXPUNGE |
//! | `fetch` (`section`, `content`) | FETCH |
//! | `search` (`criteria`) | SEARCH |
//! | `flags` | STORE |
//! | `copy` `append` `idle` `quota` | COPY MOVE, APPEND, IDLE, GETQUOTA GETQUOTAROOT |
//!
//! # A mailbox deleted under a session
//!
//! RFC 2180 3.3 and RFC 9051 6.3.5 leave it to the server: the sessions of others that have it
//! selected get BYE at their next command (at once while idle) and are closed.

mod append;
pub(crate) mod client;
mod content;
mod copy;
mod criteria;
mod fetch;
mod flags;
mod idle;
mod list;
mod login;
mod mailbox;
mod pattern;
pub(crate) mod planted;
mod quota;
mod reply;
mod search;
mod section;
mod select;
mod selected;
pub(crate) mod structure;
mod table;
mod view;

use crate::limits;
use crate::session::{Input, Peer, Session, Step};
use crate::store::format::{MailRow, MailboxName};
use crate::store::mail::{Copied, FlagChange, FlagSet, Flagged};
use crate::store::{self, AccountId, MailboxId, Store, StoreError, account};
use crate::wire::budget::{Budget, Hold};
use crate::wire::imap::parse::{ErrorKind, Event as Received, Line, Mode, Receiver, take_line};
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::{Command, Tagged};
use crate::wire::sasl::{Login, LoginAnswer, LoginAsk};
use planted::{Planted, planted};
use reply::{Code, Reply, Status};
use selected::Selected;
use std::sync::Arc;
use std::time::Duration;
use table::Row;

/// What the session asks of the machine.
#[derive(Debug)]
pub(crate) enum Ask {
    Login(LoginAsk),
    Write { account: AccountId, write: Write },
}

/// A write, answered once it is on disk.
#[derive(Debug)]
pub(crate) enum Write {
    Create {
        name: String,
        special_use: String,
    },
    Delete {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Subscribe {
        name: String,
    },
    Unsubscribe {
        name: String,
    },
    /// RFC 3502: all of them or none.
    Append {
        name: String,
        mails: Vec<NewMessage>,
    },
    Flags {
        mailbox: MailboxId,
        uids: Vec<u32>,
        change: FlagChange,
        unchanged_since: Option<u64>,
    },
    /// Those of `uids`, or all, that have \Deleted.
    Expunge {
        mailbox: MailboxId,
        uids: Option<Vec<u32>>,
    },
    Copy {
        mailbox: MailboxId,
        uids: Vec<u32>,
        to: String,
        remove: bool,
    },
}

/// A message to append.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub octets: Vec<u8>,
    pub flags: FlagSet,
    /// Seconds since 1970 and the zone in minutes; now if absent.
    pub date: Option<(i64, i32)>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Login(LoginAnswer),
    Wrote(Result<Wrote, StoreError>),
}

#[derive(Debug)]
pub(crate) enum Wrote {
    Done,
    Created(MailboxId),
    /// UIDVALIDITY and uids in the order of the messages.
    Appended {
        uidvalidity: u32,
        uids: Vec<u32>,
    },
    /// The mailbox to append or copy to is not there.
    NoMailbox,
    Flagged(Flagged),
    Expunged(Vec<u32>),
    Copied(Copied),
    /// Of a long MOVE some were moved, then it failed.
    MovedSome(Copied, StoreError),
}

/// One connection.
pub(crate) struct Imap {
    core: Core,
    receiver: Receiver,
    running: Running,
    /// The share of the server's memory that the literals of the running command have.
    held: Option<Hold>,
}

/// What every command may use.
pub(crate) struct Core {
    store: Store,
    /// Seconds since 1970.
    now: fn() -> i64,
    peer: Peer,
    login: Option<Box<Login>>,
    modes: Modes,
    selected: Option<Box<Selected>>,
    errors: usize,
    login_failures: usize,
}

/// What the client switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// RFC 6855 or IMAP4rev2: texts may be UTF-8.
    pub utf8: bool,
    pub rev2: bool,
    pub condstore: bool,
    pub qresync: bool,
}

/// A command that takes more than one step.
trait Task: Send {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn;
}

/// Why a task goes on.
enum Event {
    /// First call, or output was written, or a pause is over.
    Go,
    Answer(Answer),
    /// The line asked for, without CRLF.
    Line(Vec<u8>),
    /// The selected mailbox changed.
    Woken,
    TimedOut,
}

/// What a handler or task wants next.
enum Turn {
    /// It is done: updates, then this.
    Reply(Reply),
    /// Go on with this task.
    Task(Box<dyn Task>),
    /// Write the output, then go on.
    Again,
    Ask(Ask),
    /// A line of the client that is not a command.
    Line {
        within: Duration,
        wake: bool,
    },
    /// The reply, then TLS.
    Secure(Reply),
    Pause(Duration),
    /// Close at once.
    Close,
}

/// For how long, and does a change end it.
type Wait = (Duration, bool);

enum Running {
    /// Between commands.
    Waiting,
    Task {
        tag: String,
        row: &'static Row,
        task: Box<dyn Task>,
        line: Option<Wait>,
    },
    /// The updates before the reply are being told.
    Finish {
        tag: String,
        row: &'static Row,
        reply: Reply,
    },
    /// The reply is told, TLS comes.
    Securing,
    Closed,
}

impl Imap {
    /// `now`: seconds since 1970, given so that a test can fix it. `budget`: memory for messages
    /// that clients append.
    pub(crate) fn new(store: Store, peer: Peer, now: fn() -> i64, budget: &Arc<Budget>) -> Imap {
        let receiver = Receiver::within(Hold::new(budget, peer.network()));
        let core = Core {
            store,
            now,
            peer,
            login: None,
            modes: Modes::default(),
            selected: None,
            errors: 0,
            login_failures: 0,
        };
        Imap { core, receiver, running: Running::Waiting, held: None }
    }
}

impl Session for Imap {
    type Ask = Ask;
    type Answer = Answer;

    fn step(&mut self, input: Input<'_, Answer>, out: &mut Vec<u8>) -> Step<Ask> {
        // Whoever was suspended reads no further: not a command, and no news while idle.
        if matches!(input, Input::Bytes(_) | Input::Woken) && self.core.is_shut() {
            out.extend_from_slice(
                b"* BYE [CONTACTADMIN] This account may not be used any more\r\n",
            );
            return self.close();
        }
        match input {
            Input::Opened => self.greet(out),
            Input::Bytes(bytes) => self.bytes(bytes, out),
            Input::Continue => self.resume(Event::Go, out),
            Input::Answer(answer) => self.resume(Event::Answer(answer), out),
            Input::Woken => self.resume(Event::Woken, out),
            Input::TimedOut => self.timed_out(out),
            Input::Secured(facts) => {
                // RFC 9051 6.2.1: nothing learnt before TLS counts
                self.core.peer.tls = Some(facts);
                self.core.modes = Modes::default();
                self.receiver.restart();
                self.running = Running::Waiting;
                self.wait()
            }
            Input::Ended => self.close(),
            Input::Stopping => {
                out.extend_from_slice(b"* BYE [UNAVAILABLE] The server is stopping\r\n");
                self.close()
            }
        }
    }

    fn wake(&self) -> Option<Arc<tokio::sync::Notify>> {
        self.core.selected.as_ref().map(|s| s.notify())
    }
}

impl Imap {
    fn greet(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        let offered = self.core.capabilities();
        let line = format!("* OK [CAPABILITY {offered}] Mailroom ready\r\n");
        out.extend_from_slice(line.as_bytes());
        self.wait()
    }

    /// Waits for the next command.
    fn wait(&mut self) -> Step<Ask> {
        let within = match self.core.login {
            Some(_) => limits::IMAP_AUTOLOGOUT,
            None => limits::IMAP_BEFORE_LOGIN,
        };
        Step::Read { within, wake: false }
    }

    fn close(&mut self) -> Step<Ask> {
        self.running = Running::Closed;
        self.core.selected = None;
        Step::Close
    }

    fn timed_out(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        if matches!(self.running, Running::Task { line: Some(_), .. }) {
            return self.resume(Event::TimedOut, out);
        }
        // RFC 9051 5.4: autologout
        out.extend_from_slice(b"* BYE Nothing was said for too long\r\n");
        self.close()
    }

    fn bytes(&mut self, bytes: &mut Vec<u8>, out: &mut Vec<u8>) -> Step<Ask> {
        match self.running {
            Running::Waiting => self.read_command(bytes, out),
            Running::Task { line: Some(_), .. } => self.read_line(bytes, out),
            Running::Closed => self.close(),
            // The driver gives bytes only after Read; they wait.
            _ => self.resume(Event::Go, out),
        }
    }

    fn read_command(&mut self, bytes: &mut Vec<u8>, out: &mut Vec<u8>) -> Step<Ask> {
        let mode = Mode { logged_in: self.core.login.is_some(), utf8: self.core.modes.utf8 };
        match self.receiver.next(bytes, mode) {
            Received::Need => self.wait(),
            Received::Continue => {
                out.extend_from_slice(b"+ Ready for the literal\r\n");
                self.wait()
            }
            Received::Command(Ok(command)) => {
                self.held = self.receiver.take_hold();
                self.dispatch(command, out)
            }
            Received::Command(Err(error)) => {
                if let (ErrorKind::BadCharset { save: true }, Some(selected)) =
                    (error.kind, self.core.selected.as_mut())
                {
                    // RFC 9051 6.4.4.1: a search that was to be saved and failed leaves nothing
                    selected.saved = Ranges::default();
                }
                error.print(out);
                self.count_error(out)
            }
            Received::Lost(error) => {
                error.print(out);
                out.extend_from_slice(b"* BYE Too much to read\r\n");
                self.close()
            }
        }
    }

    /// A line that is no command: DONE, or a response of AUTHENTICATE.
    fn read_line(&mut self, bytes: &mut Vec<u8>, out: &mut Vec<u8>) -> Step<Ask> {
        match (take_line(bytes, limits::SASL_LINE_BYTES), &self.running) {
            (Line::Is(line), _) => self.resume(Event::Line(line), out),
            (Line::Need, Running::Task { line: Some((within, wake)), .. }) => {
                Step::Read { within: *within, wake: *wake }
            }
            (Line::Need, _) => self.wait(),
            (Line::TooLong, _) => {
                out.extend_from_slice(b"* BYE The line is too long\r\n");
                self.close()
            }
        }
    }

    /// After a command that was none.
    fn count_error(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        self.core.errors += 1;
        if self.core.errors < limits::IMAP_ERRORS {
            return self.wait();
        }
        out.extend_from_slice(b"* BYE Too many wrong commands\r\n");
        self.close()
    }

    fn dispatch(&mut self, tagged: Tagged, out: &mut Vec<u8>) -> Step<Ask> {
        let Tagged { tag, command } = tagged;
        let row = table::find(&command);
        if let Some(reply) = self.core.not_now(row) {
            self.running = Running::Finish { tag, row, reply };
            return self.resume(Event::Go, out);
        }
        let turn = (row.run)(&mut self.core, command, &tag, out);
        self.turn(turn, tag, row, None, out)
    }

    fn resume(&mut self, event: Event, out: &mut Vec<u8>) -> Step<Ask> {
        match std::mem::replace(&mut self.running, Running::Waiting) {
            Running::Waiting => self.wait(),
            Running::Task { tag, row, mut task, .. } => {
                let turn = task.go(&mut self.core, event, out);
                self.turn(turn, tag, row, Some(task), out)
            }
            Running::Finish { tag, row, reply } => self.finish(tag, row, reply, out),
            Running::Securing => {
                self.running = Running::Securing;
                Step::Secure
            }
            Running::Closed => self.close(),
        }
    }

    fn turn(
        &mut self,
        turn: Turn,
        tag: String,
        row: &'static Row,
        task: Option<Box<dyn Task>>,
        out: &mut Vec<u8>,
    ) -> Step<Ask> {
        let (step, line) = match turn {
            Turn::Reply(reply) => return self.finish(tag, row, reply, out),
            Turn::Task(mut task) => {
                let turn = task.go(&mut self.core, Event::Go, out);
                return self.turn(turn, tag, row, Some(task), out);
            }
            Turn::Close => return self.close(),
            Turn::Secure(reply) => {
                self.core.tell(&tag, &reply, out);
                self.running = Running::Securing;
                return Step::Secure;
            }
            Turn::Again => (Step::Again, None),
            Turn::Ask(ask) => (Step::Ask(ask), None),
            Turn::Line { within, wake } => (Step::Read { within, wake }, Some((within, wake))),
            Turn::Pause(time) => (Step::Pause(time), None),
        };
        if let Some(task) = task {
            self.running = Running::Task { tag, row, task, line };
        }
        step
    }

    /// Tells the updates that the command allows, then the reply.
    fn finish(
        &mut self,
        tag: String,
        row: &'static Row,
        reply: Reply,
        out: &mut Vec<u8>,
    ) -> Step<Ask> {
        let expunges = row.expunges || planted(Planted::ExpungeInAnyCommand);
        match self.core.update(expunges, out) {
            Ok(Told::All) => {}
            Ok(Told::More) => {
                self.running = Running::Finish { tag, row, reply };
                return Step::Again;
            }
            Ok(Told::Deleted) => {
                out.extend_from_slice(b"* BYE The selected mailbox was deleted\r\n");
                return self.close();
            }
            Err(error) => {
                // The updates stay for the next command; this one is answered.
                self.core.report("telling changes", &error);
            }
        }
        let caught_up = self.core.selected.as_mut().is_some_and(|selected| selected.caught_up());
        let reply = match caught_up && reply.code.is_none() {
            // RFC 7162 6: what was held back counts again
            true => reply.with(Code::HighestModSeq),
            false => reply,
        };
        self.core.tell(&tag, &reply, out);
        self.running = Running::Waiting;
        self.held = None;
        if reply.close {
            return self.close();
        }
        match reply.status {
            Status::Bad => self.count_error(out),
            _ => self.wait(),
        }
    }
}

/// How far the updates came.
enum Told {
    All,
    /// There is more: write this first.
    More,
    /// The selected mailbox is gone.
    Deleted,
}

impl Core {
    /// Why the command cannot come now.
    fn not_now(&self, row: &Row) -> Option<Reply> {
        let text = match (row.states, &self.login, &self.selected) {
            (table::States::Any, ..)
            | (table::States::NotAuthenticated, None, _)
            | (table::States::Authenticated, Some(_), _)
            | (table::States::Selected, Some(_), Some(_)) => return None,
            (table::States::NotAuthenticated, Some(_), _) => "You are logged in already",
            (_, None, _) => "Log in first",
            (table::States::Selected, _, None) => "Select a mailbox first",
        };
        Some(Reply::bad(text).code("CLIENTBUG"))
    }

    /// The account; handlers that need one run only with one.
    /// Has the account been suspended or deleted since the log-in, or its password changed?
    fn is_shut(&self) -> bool {
        let is_open = |login: &Login| {
            let (read, account) = (self.store.snapshot(), AccountId(login.account));
            read.and_then(|read| account::is_open(&read, account, login.credential)).unwrap_or(true)
        };
        self.login.as_ref().is_some_and(|login| !is_open(login))
    }

    fn account(&self) -> AccountId {
        AccountId(self.login.as_ref().map_or(0, |l| l.account))
    }

    fn ask(&self, write: Write) -> Turn {
        Turn::Ask(Ask::Write { account: self.account(), write })
    }

    /// Tells what changed in the selected mailbox since the last time.
    fn update(&mut self, expunges: bool, out: &mut Vec<u8>) -> store::Result<Told> {
        match self.selected.as_mut() {
            Some(selected) => selected.tell(&self.store, self.modes, expunges, out),
            None => Ok(Told::All),
        }
    }

    fn tell(&self, tag: &str, reply: &Reply, out: &mut Vec<u8>) {
        let word = match reply.status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
        };
        let code = match &reply.code {
            None => String::new(),
            Some(Code::Text(code)) => format!("[{code}] "),
            Some(Code::Capability) => format!("[CAPABILITY {}] ", self.capabilities()),
            Some(Code::HighestModSeq) => match self.selected.as_ref().and_then(|s| s.knows_all()) {
                Some(modseq) => format!("[HIGHESTMODSEQ {modseq}] "),
                None => String::new(),
            },
        };
        let tag = if tag.is_empty() { "*" } else { tag };
        out.extend_from_slice(format!("{tag} {word} {code}{}\r\n", reply.text).as_bytes());
    }

    fn report(&self, doing: &'static str, error: &StoreError) {
        let why = error.to_string();
        crate::event::emit(crate::event::Event::StoreTrouble { doing, why });
    }

    /// A mailbox of the account by name.
    fn mailbox(&self, name: &str) -> Result<store::mailbox::Mailbox, Reply> {
        let snapshot = self.store.snapshot()?;
        store::mailbox::by_name(&snapshot, self.account(), name)?.ok_or_else(Reply::no_mailbox)
    }

    /// RFC 7162 3.1: a command that needs modseqs was used.
    fn enable_condstore(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.modes.condstore, true) {
            return;
        }
        if let Some(modseq) = self.selected.as_ref().map(|s| s.heard()) {
            let line = format!("* OK [HIGHESTMODSEQ {modseq}] Modseqs are told now\r\n");
            out.extend_from_slice(line.as_bytes());
        }
    }
}

/// The names of flags as a client reads them: "\Seen $Forwarded".
fn flag_names(bits: u32, keywords: &[u8], names: &MailboxName) -> String {
    let mut all: Vec<&str> = store::mail::Flags::NAMES
        .iter()
        .filter(|(flag, _)| bits & flag.0 != 0)
        .map(|(_, name)| *name)
        .collect();
    all.extend(
        keywords.iter().filter_map(|k| names.keywords.get(usize::from(*k))).map(String::as_str),
    );
    all.join(" ")
}

/// Flags as a client names them, sorted into system flags and keywords.
fn flag_set(names: &[String]) -> Result<FlagSet, Reply> {
    let mut set = FlagSet::default();
    for name in names {
        let known = store::mail::Flags::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name));
        match known {
            Some((flag, _)) => set.flags.0 |= flag.0,
            // RFC 9051 2.3.2: no client may set \Recent or a system flag that is not known
            None if name.starts_with('\\') => {
                return Err(Reply::bad(format!("No flag of this name can be set: {name}")));
            }
            None => set.keywords.push(name.clone()),
        }
    }
    Ok(set)
}

/// RFC 8474 5.1: for ever the same message, in whatever mailbox.
fn email_id(row: &MailRow) -> String {
    format!("M{:x}", row.email_id)
}

/// RFC 8474 5.2
fn thread_id(row: &MailRow) -> String {
    format!("T{:x}", row.thread_id)
}

/// Does nothing but name the command in a reply that should never be seen.
fn misrouted(_command: Command) -> Turn {
    Turn::Reply(Reply::no("The command went the wrong way").code("SERVERBUG"))
}
