//! `mailroom move`: a domain comes here from another provider. What it is at rests in the store;
//! the server looks by itself.

mod told;

use super::Reply;
use super::check::said::{Said, english};
use super::collect::sign_in::outgoing;
use super::failure::{Failure, Kind};
use super::words::{date, plain};
use crate::collect::moving::{self, Collected, OVER, Seen};
use crate::limits::{DNS_QUESTION, MOVE_DAYS_SHOWN, MOVES};
use crate::net::resolver::Resolver;
use crate::settings;
use crate::store::format::{Move, MoveResult, Outside};
use crate::store::outside::{self, OutsideId};
use crate::store::{Batch, Read, Store, StoreError, account, address, owner};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MoveAct {
    List,
    Begin {
        domain: String,
        waits: bool,
    },
    /// Asks the name servers now: at once where somebody waits, else the server does it.
    Look {
        domain: String,
        waits: bool,
    },
    /// Brings the old mail of all; the server does it, and goes on after a restart.
    Run {
        domain: String,
    },
    /// On without the run.
    Skip {
        domain: String,
    },
    Back {
        domain: String,
    },
    /// Forgets it; mail here and there stays.
    End {
        domain: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MoveView {
    pub domain: String,
    /// "lower", "first", "change", "watch", "last" or "over".
    pub stage: String,
    /// From 1.
    pub step: u32,
    pub steps: u32,
    /// Seconds since 1970, as all times here.
    pub since: i64,
    /// What was seen; what the owner is to do, and why.
    pub checked: String,
    pub wanted: String,
    pub why: String,
    /// What these three are in English, for the pages.
    #[serde(skip)]
    pub said: Sentences,
    pub looked: i64,
    /// The name servers are being asked.
    pub looking: bool,
    /// Why the last look came to nothing; empty: it did not.
    pub fault: String,
    /// Nobody's mailbox with the old provider is known.
    pub nobody: bool,
    /// A run is under way.
    pub running: bool,
    pub ran: i64,
    pub results: Vec<MoveOne>,
    /// Days (since 1970, UTC), and the letters that came by collecting.
    pub days: Vec<(i64, u64)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sentences {
    pub checked: Vec<Said>,
    pub wanted: Vec<Said>,
    pub why: Vec<Said>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MoveOne {
    pub account: String,
    pub source: String,
    pub messages: u64,
    pub already: u64,
    pub error: String,
}

type Outcome = Result<Reply, Failure>;

pub(crate) fn act(store: &Store, act: MoveAct, now: i64) -> Outcome {
    match act {
        MoveAct::List => list(store),
        MoveAct::Begin { domain, waits } => begin(store, &domain, waits, now),
        MoveAct::Look { domain, waits } => {
            change(store, &domain, "look at", |row| {
                row.asked = true;
                Ok(())
            })?;
            if waits {
                look(store, &domain, now).map_err(|error| Failure::store("cannot look", &error))?;
            }
            one(store, &domain)
        }
        MoveAct::Run { domain } => {
            change(store, &domain, "run", |row| {
                row.run = true;
                Ok(())
            })?;
            one(store, &domain)
        }
        MoveAct::Skip { domain } => {
            change(store, &domain, "go on with", move |row| match moving::skip(row, now) {
                true => Ok(()),
                false => Err("only a run may be passed over: all else is seen, or it is not"),
            })?;
            one(store, &domain)
        }
        MoveAct::Back { domain } => {
            change(store, &domain, "go back with", move |row| match moving::back(row, now) {
                true => Ok(()),
                false => Err("it is at its beginning"),
            })?;
            one(store, &domain)
        }
        MoveAct::End { domain } => {
            change(store, &domain, "end", |_| Ok(()))?;
            let gone = domain.to_lowercase();
            let removed = store.write_blocking(move |batch| {
                let mut moves = owner::moves(batch)?;
                moves.retain(|row| row.domain != gone);
                owner::keep_moves(batch, moves)
            });
            removed.map_err(|error| Failure::store("cannot end it", &error))?;
            Ok(Reply::Done(format!("the move of {domain} is forgotten; all mail stays")))
        }
    }
}

fn begin(store: &Store, domain: &str, waits: bool, now: i64) -> Outcome {
    let what = format!("cannot begin the move of {domain}");
    let domain = domain.trim_end_matches('.').to_lowercase();
    let row = moving::begun(&domain, now);
    let kept = store.write_blocking(move |batch| {
        if !address::domains(batch)?.iter().any(|it| it.name == row.domain) {
            return Err(StoreError::NotFound("domain of this box"));
        }
        let mut moves = owner::moves(batch)?;
        if moves.iter().any(|it| it.domain == row.domain) {
            return Err(StoreError::Exists("a move of this domain"));
        }
        if moves.len() >= MOVES {
            return Err(StoreError::Limit("domains that move at once"));
        }
        moves.push(row.clone());
        owner::keep_moves(batch, moves)
    });
    kept.map_err(|error| Failure::store(&what, &error))?;
    if waits {
        look(store, &domain, now).map_err(|error| Failure::store(&what, &error))?;
    }
    one(store, &domain)
}

fn change(
    store: &Store,
    domain: &str,
    what: &str,
    edit: impl Fn(&mut Move) -> Result<(), &'static str> + Send + 'static,
) -> Result<(), Failure> {
    let what = format!("cannot {what} the move of {domain}");
    let missing = || {
        let remedy = format!("begin it: mailroom move begin {domain}");
        Failure::new(&what, "there is none", &remedy).of_kind(Kind::Missing)
    };
    let name = domain.to_lowercase();
    let done = store.write_blocking(move |batch| {
        let mut came = None;
        edit_row(batch, &name, &mut |row| came = Some(edit(row)))?;
        Ok(came)
    });
    let done = done.map_err(|error| Failure::store(&what, &error))?;
    done.ok_or_else(missing)?.map_err(|why| Failure::new(&what, why, ""))
}

fn edit_row(
    batch: &mut Batch,
    domain: &str,
    edit: &mut dyn FnMut(&mut Move),
) -> Result<(), StoreError> {
    let mut moves = owner::moves(batch)?;
    let Some(row) = moves.iter_mut().find(|row| row.domain == domain) else { return Ok(()) };
    let before = row.clone();
    edit(row);
    if *row == before {
        return Ok(());
    }
    owner::keep_moves(batch, moves)
}

// ---- what the server does by itself ----

/// Looks at those that are due, and goes on with the runs.
pub(crate) fn due(store: &Store, now: i64) -> Result<(), StoreError> {
    let moves = owner::moves(&store.snapshot()?)?;
    let is_due = |row: &&Move| row.asked || moving::next_look(row) <= now || row.looked > now;
    for row in moves.iter().filter(is_due) {
        look(store, &row.domain, now)?;
    }
    let moves = owner::moves(&store.snapshot()?)?;
    moves.iter().filter(|row| row.run).try_for_each(|row| run(store, row, now))
}

fn look(store: &Store, domain: &str, now: i64) -> Result<(), StoreError> {
    let seen = asked(store, domain);
    let ours = own_names(store);
    let told = collected(&store.snapshot()?, domain, now)?;
    let domain = domain.to_lowercase();
    store.write_blocking(move |batch| {
        edit_row(batch, &domain, &mut |row| {
            moving::looked(row, seen.clone(), &ours, now);
            moving::collected(row, told.clone(), now);
        })
    })
}

/// A resolver of its own remembers nothing.
fn asked(store: &Store, domain: &str) -> Result<Seen, String> {
    let resolver = Resolver::new(&outgoing(store).name_servers, DNS_QUESTION)?;
    let answer = super::transfer::alone(resolver.mx_for(domain))?;
    let (mut hosts, ttl) = answer.map_err(|why| why.to_string())?;
    hosts.sort_by_key(|mx| mx.preference);
    Ok(Seen { hosts: hosts.into_iter().map(|mx| mx.host).collect(), ttl })
}

fn own_names(store: &Store) -> Vec<String> {
    let file = store.folder().parent().map(|data| data.join("mailroom.toml"));
    let settings = file.and_then(|file| settings::load(&file).ok());
    settings.map_or_else(Vec::new, |it| [vec![it.host], it.names].concat())
}

/// The outside accounts that hold mail of the domain.
fn accounts(read: &impl Read, domain: &str) -> Result<Vec<(OutsideId, Outside)>, StoreError> {
    let of_it = |row: &Outside| {
        let address = row.address.rsplit_once('@').is_some_and(|(_, of)| is_like(of, domain));
        let shared = row.multidrop.as_ref().is_some_and(|it| is_like(&it.domain, domain));
        row.source.is_some() && (address || shared)
    };
    Ok(outside::all(read)?.into_iter().filter(|(_, row)| of_it(row)).collect())
}

fn is_like(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn collected(read: &impl Read, domain: &str, now: i64) -> Result<Collected, StoreError> {
    let mut told = Collected::default();
    for (id, row) in accounts(read, domain)? {
        let state = outside::state(read, id)?;
        told.letters += state.letters;
        told.last = told.last.max(state.letter);
        let lately = now.saturating_sub(state.looked) <= 24 * 3600;
        if row.paused || state.trouble != 0 || !lately {
            told.deaf.push(row.address);
        }
    }
    Ok(told)
}

/// A run: what each mailbox there holds is brought over as if its person had asked for it, and what
/// came of it is written down. By POP3, and of a mailbox that is shared out, there is nothing but
/// what is collected.
fn run(store: &Store, row: &Move, now: i64) -> Result<(), StoreError> {
    let read = store.snapshot()?;
    let mut known = accounts(&read, &row.domain)?;
    known.retain(|(_, it)| it.kind == outside::IMAP && it.multidrop.is_none());
    let begins = row.run_from == 0;
    let from = if begins { now } else { row.run_from };
    let (mut due, mut results, mut under_way) = (Vec::new(), Vec::new(), false);
    for (id, it) in &known {
        let import = outside::import(&read, *id)?;
        // Also of who came while it is under way.
        let is_due = import.as_ref().is_none_or(|import| match outside::goes_on(import) {
            true => begins,
            false => import.ended < from,
        });
        let import = import.unwrap_or_default();
        under_way |= is_due || outside::goes_on(&import);
        due.extend(is_due.then_some(*id));
        results.push(MoveResult {
            account: account::get(&read, id.account)?.map(|it| it.login).unwrap_or_default(),
            source: it.address.clone(),
            messages: import.messages,
            already: import.already,
            error: import.error,
        });
    }
    drop(read);
    let domain = row.domain.clone();
    store.write_blocking(move |batch| {
        for id in &due {
            outside::begin_import(batch, *id, now)?;
        }
        edit_row(batch, &domain, &mut |row| match (row.run, under_way) {
            // It was passed over meanwhile, or gone back from.
            (false, _) => {}
            (true, true) => {
                row.run_from = from;
                if !begins {
                    row.results.clone_from(&results);
                }
            }
            (true, false) => moving::ran(row, results.clone(), now),
        })
    })
}

// ---- how it is told ----

fn list(store: &Store) -> Outcome {
    let what = "cannot show what moves";
    let fault = |error: StoreError| Failure::store(what, &error);
    let read = store.snapshot().map_err(fault)?;
    let ours = own_names(store);
    let mut views = Vec::new();
    for row in owner::moves(&read).map_err(fault)? {
        let known = accounts(&read, &row.domain).map_err(fault)?;
        views.push(view(&row, &known, &ours));
    }
    Ok(Reply::Moves(views))
}

fn one(store: &Store, domain: &str) -> Outcome {
    match list(store)? {
        Reply::Moves(views) => {
            let is_it = |view: &MoveView| is_like(&view.domain, domain);
            Ok(Reply::Moves(views.into_iter().filter(is_it).collect()))
        }
        other => Ok(other),
    }
}

fn view(row: &Move, known: &[(OutsideId, Outside)], ours: &[String]) -> MoveView {
    let (stage, said) = told::of(row, known, ours);
    let one = |it: &MoveResult| MoveOne {
        account: it.account.clone(),
        source: it.source.clone(),
        messages: it.messages,
        already: it.already,
        error: it.error.clone(),
    };
    MoveView {
        domain: row.domain.clone(),
        stage: stage.to_string(),
        step: row.stage + 1,
        steps: OVER + 1,
        since: row.since,
        checked: english(&said.checked),
        wanted: english(&said.wanted),
        why: english(&said.why),
        said,
        looked: row.looked,
        looking: row.asked,
        fault: row.fault.clone(),
        nobody: known.is_empty(),
        running: row.run,
        ran: row.ran,
        results: row.results.iter().map(one).collect(),
        days: moving::by_day(row),
    }
}

pub(crate) fn printed(all: &[MoveView]) -> String {
    if all.is_empty() {
        return "no domain is on its way here: mailroom move begin DOMAIN\n".to_string();
    }
    all.iter().map(printed_one).collect::<Vec<_>>().join("\n")
}

fn printed_one(view: &MoveView) -> String {
    let mut text = format!("{}: step {} of {}\n", view.domain, view.step, view.steps);
    let mut say = |name: &str, what: &str| {
        text.push_str(&format!("{name:10} {}\n", plain(what)));
    };
    say("seen", &view.checked);
    if !view.fault.is_empty() {
        say("trouble", &format!("the last look came to nothing: {}", view.fault));
    }
    say("to do", &view.wanted);
    say("why", &view.why);
    match view.stage.as_str() {
        "first" if view.nobody => say("by", "mailroom collect add LOGIN ADDRESS"),
        "first" | "last" if !view.running => {
            say("by", &format!("mailroom move run {}", view.domain));
        }
        "over" => say("by", "mailroom collect remove LOGIN ADDRESS"),
        _ => {}
    }
    if view.running {
        say("run", "under way");
    }
    for one in &view.results {
        let came = match one.error.as_str() {
            "" => format!("{} messages, {} were there", one.messages, one.already),
            why => format!("not all: {why}"),
        };
        say("brought", &format!("{} from {}: {came}", one.account, one.source));
    }
    for (day, letters) in view.days.iter().take(MOVE_DAYS_SHOWN) {
        say("collected", &format!("{letters} letters on {}", date(day * 24 * 3600)));
    }
    text
}
