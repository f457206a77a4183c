//! The unit that collects mail from outside accounts: one task for each.

use super::background::stops_within;
use crate::collect::imap::watch::{Of, Watch};
use crate::collect::{Desk, Fault, Looked, plan, pop3, providers};
use crate::delivery::keyring::Key;
use crate::delivery::letter;
use crate::event::{Event, emit};
use crate::imap::client;
use crate::limits::{COLLECT_NOTED_SECONDS, COLLECT_SETTLES, COLLECT_STOOD, COLLECT_VISIT};
use crate::net::stopped;
use crate::pop3::client::Login;
use crate::store::format::{Outside, OutsideState};
use crate::store::outside::{self, OutsideId};
use crate::store::{Result, account};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Keeps a task for each outside account that is to be collected from. One that is changed begins
/// anew: a task may end at any moment.
pub(super) async fn run(desk: Arc<Desk>, mut stop: watch::Receiver<bool>) {
    let mut tasks: HashMap<OutsideId, (u32, JoinHandle<()>)> = HashMap::new();
    loop {
        let wanted = match wanted(&desk) {
            Ok(wanted) => wanted,
            Err(error) => {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "looking for outside accounts", why });
                HashMap::new()
            }
        };
        tasks.retain(|id, (changes, task)| {
            let same = wanted.get(id).is_some_and(|row| row.changes == *changes);
            let stays = same && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for (id, row) in wanted {
            let changes = row.changes;
            let begin = || (changes, tokio::spawn(keep(desk.clone(), id, row, stop.clone())));
            tasks.entry(id).or_insert_with(begin);
        }
        if stops_within(&mut stop, COLLECT_SETTLES).await {
            // What is being written is written; nothing else has to be ended well.
            tasks.into_values().for_each(|(_, task)| task.abort());
            return;
        }
    }
}

fn wanted(desk: &Desk) -> Result<HashMap<OutsideId, Outside>> {
    let mut wanted = HashMap::new();
    if desk.store().is_still() {
        return Ok(wanted);
    }
    let read = desk.store().snapshot()?;
    for (id, row) in outside::all(&read)? {
        let collects = row.source.is_some() && !row.paused;
        if collects && !account::is_closed(&read, id.account)? {
            wanted.insert(id, row);
        }
    }
    Ok(wanted)
}

/// Looks at one again and again. By IMAP the line stays open where the server tells by itself of
/// what is new.
async fn keep(desk: Arc<Desk>, id: OutsideId, row: Outside, mut stop: watch::Receiver<bool>) {
    let by_pop3 = row.kind == outside::POP3;
    let provider = providers::by_id(&row.provider).filter(|_| by_pop3);
    let of = Of { desk: &desk, id, row: &row };
    let (mut line, mut quiet) = (None, 0);
    loop {
        let looked = {
            let Ok(_line) = desk.lines.acquire().await else { return };
            tokio::select! {
                looked = look(&of, &mut line) => looked,
                () = stopped(&mut stop) => return,
            }
        };
        let more = looked.as_ref().is_ok_and(|looked| looked.more);
        quiet = match &looked {
            Ok(looked) if looked.taken > 0 => 0,
            Ok(_) => quiet + 1,
            Err(_) => quiet,
        };
        let Some(state) = note(&desk, id, &row, looked).await else { return };
        let wait = match more {
            true => Duration::ZERO,
            false => under_test(plan::wait(&state, quiet, provider)),
        };
        let began = Instant::now();
        let told = tokio::select! {
            told = between(&mut line, more, wait) => told,
            () = stopped(&mut stop) => return,
        };
        // A line that breaks after a while is opened again; one that breaks at once has to wait.
        let stood = line.is_some() || began.elapsed() > COLLECT_STOOD;
        let rest = if told || (stood && !wait.is_zero()) { Duration::ZERO } else { wait };
        if stops_within(&mut stop, rest).await {
            return;
        }
    }
}

/// What becomes of a line between two looks. Did it tell of something new, or wait to the end?
async fn between(line: &mut Option<Watch>, more: bool, wait: Duration) -> bool {
    match line.take() {
        Some(mut open) if open.idles() && !more => {
            *line = open.wait(wait).await.is_ok().then_some(open);
            line.is_some()
        }
        Some(open) if more => {
            *line = Some(open);
            false
        }
        Some(open) => {
            open.close().await;
            false
        }
        None => false,
    }
}

async fn look(of: &Of<'_>, line: &mut Option<Watch>) -> std::result::Result<Looked, Fault> {
    let visit = async {
        if of.row.kind == outside::POP3 {
            let look = |Key { secret, token }: Key| {
                let login = Login { user: of.row.login.clone(), secret, token };
                pop3::look(of.desk, of.id, of.row, login)
            };
            return entered(of, look).await;
        }
        if let Some(mut open) = line.take() {
            match open.look(of).await {
                // It broke while nothing was said.
                Err(fault) if fault.trouble == plan::UNREACHED => {}
                looked => {
                    *line = looked.is_ok().then_some(open);
                    return looked;
                }
            }
        }
        let place = pop3::place(of.row, of.desk)?;
        let open = |key: Key| Watch::open(&place, &of.desk.resolver, login(of.row, key));
        let mut open = entered(of, open).await?;
        let looked = open.look(of).await;
        *line = looked.is_ok().then_some(open);
        looked
    };
    tokio::time::timeout(COLLECT_VISIT, visit).await.unwrap_or_else(|_| {
        let why = "The server takes too long.";
        Err(Fault::new(plan::UNREACHED, why, "Nothing: it is gone on with at the next look."))
    })
}

/// What is done with the key of the account.
async fn entered<T, F: Future<Output = std::result::Result<T, Fault>>>(
    Of { desk, id, row }: &Of<'_>,
    with: impl Fn(Key) -> F,
) -> std::result::Result<T, Fault> {
    let key = desk.keyring.key(*id, row).await?;
    match with(key.clone()).await {
        // The provider took the token back before its time: a new one may do.
        Err(fault) if fault.trouble == plan::REFUSED && key.token => {
            desk.keyring.forget(*id).await;
            with(desk.keyring.key(*id, row).await?).await
        }
        done => done,
    }
}

pub(super) fn login(row: &Outside, key: Key) -> client::Login {
    let secret = String::from_utf8_lossy(&key.secret.0).into_owned();
    let secret = match key.token {
        true => client::Secret::Token(secret),
        false => client::Secret::Password(secret),
    };
    client::Login { user: row.login.clone(), secret }
}

/// Writes down how it went, where that is worth a write, and tells the person once. `None`: the
/// account is gone, or nothing can be written.
async fn note(
    desk: &Desk,
    id: OutsideId,
    row: &Outside,
    looked: std::result::Result<Looked, Fault>,
) -> Option<OutsideState> {
    let moment = (desk.moment)();
    let read = desk.store().snapshot();
    let read = read.and_then(|read| Ok((outside::state(&read, id)?, outside::get(&read, id)?)));
    let (before, proven) = read.ok().map(|(state, row)| (state, row.is_none_or(|it| it.proven)))?;
    let well = looked.is_ok() && before.trouble == 0 && proven;
    if well && moment.now().saturating_sub(before.looked) < COLLECT_NOTED_SECONDS {
        return Some(before);
    }
    let (host, row) = (desk.post.host().to_string(), row.clone());
    if let Err(fault) = &looked {
        emit(Event::CollectTrouble { source: row.address.clone(), why: fault.to_string() });
    }
    let written = desk.store().write(move |batch| {
        let mut tell = false;
        let there = outside::note(batch, id, &mut |state| match &looked {
            Ok(_) => plan::went_well(state, moment.now()),
            Err(fault) => tell = plan::failed(state, fault, moment.now()),
        })?;
        if looked.is_ok() && there {
            outside::prove(batch, id)?;
        }
        if let (true, Err(fault)) = (tell, &looked) {
            let (subject, text) = plan::letter(&row, fault, providers::by_id(&row.provider));
            letter::to_person(batch, &host, moment, id.account, (&subject, &text))?;
        }
        Ok(there.then_some(outside::state(batch, id)?))
    });
    match written.await {
        Ok(state) => state,
        Err(error) => {
            let why = error.to_string();
            emit(Event::StoreTrouble { doing: "noting how collecting goes", why });
            Some(before)
        }
    }
}

/// Suites do not wait for minutes: what takes two of them takes so many milliseconds, all else in
/// proportion.
#[cfg(debug_assertions)]
fn under_test(wait: Duration) -> Duration {
    let haste = std::env::var("MAILROOM_TEST_COLLECT_MILLIS").ok().and_then(|it| it.parse().ok());
    haste.map_or(wait, |millis: u32| wait * millis / 120_000)
}

#[cfg(not(debug_assertions))]
fn under_test(wait: Duration) -> Duration {
    wait
}
