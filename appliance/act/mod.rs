//! Every act of the owner, as values: what is asked and what is answered. The command line and the
//! setup page do the same acts. The same function runs in the server (over the control socket, or
//! for the page) and, without a server, in the command line itself.

pub(crate) mod backup;
pub(crate) mod call;
pub(crate) mod certificate;
pub(crate) mod check;
pub(crate) mod collect;
pub(crate) mod dns;
pub(crate) mod failure;
pub(crate) mod leaving;
pub(crate) mod moving;
pub(crate) mod office;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod records;
pub(crate) mod storage;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod transfer;
pub(crate) mod update;
pub(crate) mod words;

use crate::clock;
use crate::limits::TRACE_SHOWN_AT_MOST;
use crate::serve::control;
use crate::store::backup::compact;
use crate::store::format::Trace;
use crate::store::salvage::Salvaged;
use crate::store::{MailId, Store, trace, verify};
use backup::{Backup, Copied};
use collect::sign_in::SignInView;
use collect::{CollectAct, KnownView, OutsideView, ProviderView};
use failure::Failure;
use moving::{MoveAct, MoveView};
use outbox::{OutboxAct, OutgoingView};
use people::{AccountAct, AccountView, AddressAct, AddressView, DomainAct, DomainView};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tls::{StsPolicyView, TlsAct, TlsDayView};
use token::{TokenAct, TokenMade, TokenView};
use transfer::{Export, Exported, FromImap, Import, Imported, Many, OneOfMany, Revive};
use update::{Hindrance, UpdateOrder, UpdateView, Updates};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Account(AccountAct),
    Domain(DomainAct),
    Address(AddressAct),
    Outbox(OutboxAct),
    Tls(TlsAct),
    Token(TokenAct),
    Collect(CollectAct),
    Trace(StorySearch),
    /// What the server said lately.
    Log,
    /// How much room the store takes and has.
    Space,
    Verify,
    /// What the last check of the whole store came to.
    LastCheck,
    Backup(Backup),
    Compact,
    Import(Import),
    ImportImap(FromImap),
    ImportMany(Many),
    Move(MoveAct),
    Export(Export),
    Revive(Revive),
    /// Of a box.
    Update(UpdateOrder),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StorySearch {
    pub text: String,
    pub limit: usize,
    /// Seconds since 1970.
    pub since: Option<i64>,
}

/// What came of it; as it stands here it is what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// Done, in a sentence.
    Done(String),
    Accounts(Vec<AccountView>),
    Account(AccountView),
    /// A password that was set; shown once if it was made up.
    Password(people::PasswordSet),
    Passwords(Vec<people::PasswordSet>),
    Domains(Vec<DomainView>),
    Addresses(Vec<AddressView>),
    Found(people::FoundView),
    Outbox(Vec<OutgoingView>),
    Outgoing(OutgoingView),
    TlsDays(Vec<TlsDayView>),
    StsPolicies(Vec<StsPolicyView>),
    Stories(Vec<Story>),
    Log(Vec<String>),
    Space {
        /// Octets of the file, of them in use, of them free for new mail.
        file: u64,
        used: u64,
        free: u64,
    },
    Verified(Verified),
    LastCheck(Option<LastCheck>),
    Copied(Copied),
    Compacted {
        before: u64,
        after: u64,
    },
    Imported(Imported),
    ImportedMany(Vec<OneOfMany>),
    Moves(Vec<MoveView>),
    Exported(Exported),
    Salvaged(Salvaged),
    Checked(Vec<check::Finding>),
    Records(Vec<records::Record>),
    Pairs(Vec<dns::PairView>),
    Certificate(certificate::CertificateView),
    Tokens(Vec<TokenView>),
    Token(TokenMade),
    Outsides(Vec<OutsideView>),
    Outside(Box<OutsideView>),
    Providers(Vec<ProviderView>),
    Known(Box<KnownView>),
    SignIn(SignInView),
    /// Nobody has typed in the code yet; ask again after so many seconds.
    SignInWaits(u64),
    Update(Box<UpdateView>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Story {
    /// The number of the message, as replies and logs say it.
    pub id: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: String,
    pub size: u64,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Seconds since 1970.
    pub at: i64,
    pub what: String,
    pub text: String,
    pub recipient: String,
    pub reply: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub accounts: u64,
    pub messages: u64,
    pub bodies: u64,
    /// Octets of all bodies before compression.
    pub octets: u64,
    /// Rows that a later version wrote, and this one does not know.
    #[serde(default)]
    pub later: u64,
    pub faults: Vec<String>,
}

/// The last check of the whole store, by the server at night or by `verify`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastCheck {
    /// Seconds since 1970.
    pub at: i64,
    pub faults: u64,
    /// The first of them.
    pub told: Vec<String>,
    /// What changed too often to be judged.
    pub unjudged: u32,
}

/// How far an act is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// So much of so much.
    Part(u64, u64),
    /// Messages done, of how many, and their octets.
    Mail { messages: u64, of: u64, octets: u64 },
}

/// One line of an answer over the control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AnswerLine {
    Progress(Progress),
    Reply(Reply),
    Failure(Failure),
}

/// What answers at the control socket.
pub(crate) fn answering(updates: &Arc<Updates>) -> control::Act {
    let updates = updates.clone();
    Arc::new(move |store: &Store, request: &[u8], say: &mut dyn FnMut(&[u8])| {
        answer(store, &updates, request, say);
    })
}

/// Reads a request, does it and says the answer: the server's side of the control socket.
fn answer(store: &Store, updates: &Updates, request: &[u8], say: &mut dyn FnMut(&[u8])) {
    let mut line = |answer: &AnswerLine| {
        if let Ok(text) = serde_json::to_vec(answer) {
            say(&text);
        }
    };
    let result = match serde_json::from_slice(request) {
        Ok(request) => act_of_server(store, updates, request, clock::now(), &mut |done| {
            line(&AnswerLine::Progress(done));
        }),
        Err(error) => Err(Failure::new(
            "cannot read the request",
            error,
            "use the command line of the same version as the server",
        )),
    };
    line(&match result {
        Ok(reply) => AnswerLine::Reply(reply),
        Err(failure) => AnswerLine::Failure(failure),
    });
}

/// Does what is asked of a server that runs.
pub(crate) fn act_of_server(
    store: &Store,
    updates: &Updates,
    request: Request,
    now: i64,
    told: &mut dyn FnMut(Progress),
) -> Result<Reply, Failure> {
    match request {
        Request::Update(order) => updates.act(order, now),
        request => act(store, request, now, told),
    }
}

/// Does what is asked; `progress` hears how far it is.
pub(crate) fn act(
    store: &Store,
    request: Request,
    now: i64,
    told: &mut dyn FnMut(Progress),
) -> Result<Reply, Failure> {
    let progress = &mut |done, total| told(Progress::Part(done, total));
    match request {
        Request::Account(act) => people::account(store, act, now),
        Request::Domain(act) => people::domain(store, act, now),
        Request::Address(act) => people::address(store, act, now),
        Request::Outbox(act) => outbox::act(store, act),
        Request::Tls(act) => tls::act(store, &act, now),
        Request::Token(act) => token::act(store, act, now),
        Request::Collect(act) => collect::act(store, act, now),
        Request::Trace(search) => stories(store, &search),
        Request::Log => Ok(Reply::Log(crate::event::recent())),
        Request::Space => space(store),
        Request::Verify => verified(store, now, progress),
        Request::LastCheck => last_check(store),
        Request::Backup(to) => backup::back_up(store, to, progress),
        Request::Compact => compact(store, progress)
            .map(|(before, after)| Reply::Compacted { before, after })
            .map_err(|error| Failure::store("cannot compact the store", &error)),
        Request::Import(import) => transfer::import(store, &import, progress)
            .map(Reply::Imported)
            .map_err(|why| Failure::new("cannot import", why, "")),
        Request::ImportImap(from) => transfer::import_imap(store, from, told)
            .map(Reply::Imported)
            .map_err(|why| Failure::new("cannot import", why, "")),
        Request::Move(act) => moving::act(store, act, now),
        Request::ImportMany(many) => transfer::import_many(store, &many, told)
            .map(Reply::ImportedMany)
            .map_err(|why| Failure::new("cannot import", why, "mend the lines, and begin again")),
        Request::Revive(revive) => {
            transfer::revive(store, &revive, progress).map(Reply::Imported).map_err(|why| {
                let what = format!("cannot restore from {}", revive.file.display());
                Failure::new(&what, why, "")
            })
        }
        Request::Export(export) => transfer::export(store, &export, progress)
            .map(Reply::Exported)
            .map_err(|why| Failure::new("cannot export", why, "")),
        // Whoever can do it has done it before.
        Request::Update(_) => Err(Hindrance::NoBox.into()),
    }
}

/// The newest first, in pages so that no snapshot lives long.
fn stories(store: &Store, search: &StorySearch) -> Result<Reply, Failure> {
    const PAGE: usize = 100;
    let limit = search.limit.min(TRACE_SHOWN_AT_MOST);
    let mut told = Vec::new();
    let mut before: Option<MailId> = None;
    while told.len() < limit {
        let most = PAGE.min(limit - told.len());
        let page = store
            .snapshot()
            .and_then(|read| trace::find(&read, &search.text, before, most))
            .map_err(|error| Failure::store("cannot read the stories of messages", &error))?;
        let full = page.len() == most;
        for (id, story) in page {
            before = Some(id);
            let begun = story.steps.first().map_or(0, |step| step.at);
            if search.since.is_some_and(|since| begun < since) {
                return Ok(Reply::Stories(told));
            }
            told.push(tell(id, story));
        }
        if !full {
            break;
        }
    }
    Ok(Reply::Stories(told))
}

fn tell(id: MailId, trace: Trace) -> Story {
    let step = |step: crate::store::format::TraceStep| Step {
        at: step.at,
        what: step.what,
        text: step.text,
        recipient: step.recipient,
        reply: step.reply,
    };
    Story {
        id: id.to_string(),
        from: trace.from,
        to: trace.to,
        subject: trace.subject,
        message_id: trace.message_id,
        size: trace.size,
        steps: trace.steps.into_iter().map(step).collect(),
    }
}

fn space(store: &Store) -> Result<Reply, Failure> {
    let space =
        store.space().map_err(|error| Failure::store("cannot measure the store", &error))?;
    Ok(Reply::Space { file: space.file, used: space.used, free: space.free })
}

fn last_check(store: &Store) -> Result<Reply, Failure> {
    let last = store.snapshot().and_then(|read| verify::night::last(&read));
    let last = last.map_err(|error| Failure::store("cannot read when it was checked", &error))?;
    Ok(Reply::LastCheck(last.map(|checked| LastCheck {
        at: checked.at,
        faults: checked.faults,
        told: checked.told,
        unjudged: checked.unjudged,
    })))
}

fn verified(store: &Store, now: i64, progress: &mut dyn FnMut(u64, u64)) -> Result<Reply, Failure> {
    let report = verify::verify(store, progress)
        .map_err(|error| Failure::store("cannot read the whole store", &error))?;
    // What was found counts also where it cannot be kept, such as on a full disk.
    let _ = verify::night::remember(store, report.as_checked(now));
    Ok(Reply::Verified(Verified {
        accounts: report.accounts,
        messages: report.messages,
        bodies: report.bodies,
        octets: report.octets,
        later: report.later,
        faults: report.faults,
    }))
}
