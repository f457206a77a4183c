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
    let read = desk.store().snapshot()?;
    let mut wanted = HashMap::new();
    for (id, row) in outside::all(&read)? {
        let collects = row.source.is_some() && !row.paused;
        if collects && !account::is_closed(&read, id.account)? {
            wanted.insert(id, row);
        }
    }
    Ok(wanted)
}

/// Looks at one again and again.
async fn keep(desk: Arc<Desk>, id: OutsideId, row: Outside, mut stop: watch::Receiver<bool>) {
    if row.kind == outside::IMAP {
        return keep_line(desk, id, row, stop).await;
    }
    let provider = providers::by_id(&row.provider);
    let mut quiet = 0;
    loop {
        let looked = {
            let Ok(_line) = desk.lines.acquire().await else { return };
            tokio::select! {
                looked = look(&desk, id, &row) => looked,
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
        if stops_within(&mut stop, wait).await {
            return;
        }
    }
}

/// The same by IMAP: the line stays open where the server tells by itself of what is new.
async fn keep_line(desk: Arc<Desk>, id: OutsideId, row: Outside, mut stop: watch::Receiver<bool>) {
    let (mut line, mut quiet) = (None, 0);
    loop {
        let looked = {
            let Ok(_line) = desk.lines.acquire().await else { return };
            tokio::select! {
                looked = look_by_line(&desk, id, &row, &mut line) => looked,
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
            false => under_test(plan::wait(&state, quiet, None)),
        };
        let began = Instant::now();
        let told = match line.take() {
            Some(mut open) if open.idles() && !more => tokio::select! {
                told = open.wait(wait) => {
                    line = told.is_ok().then_some(open);
                    line.is_some()
                }
                () = stopped(&mut stop) => return,
            },
            Some(open) if more => {
                line = Some(open);
                false
            }
            Some(open) => {
                open.close().await;
                false
            }
            None => false,
        };
        // A line that breaks after a while is opened again; one that breaks at once has to wait.
        let stood = line.is_some() || began.elapsed() > COLLECT_STOOD;
        let rest = if told || (stood && !wait.is_zero()) { Duration::ZERO } else { wait };
        if stops_within(&mut stop, rest).await {
            return;
        }
    }
}

async fn look_by_line(
    desk: &Desk,
    id: OutsideId,
    row: &Outside,
    line: &mut Option<Watch>,
) -> std::result::Result<Looked, Fault> {
    let of = Of { desk, id, row };
    let visit = async {
        if let Some(mut open) = line.take() {
            match open.look(&of).await {
                // It broke while nothing was said.
                Err(fault) if fault.trouble == plan::UNREACHED => {}
                looked => {
                    *line = looked.is_ok().then_some(open);
                    return looked;
                }
            }
        }
        let mut open = enter(desk, id, row).await?;
        let looked = open.look(&of).await;
        *line = looked.is_ok().then_some(open);
        looked
    };
    tokio::time::timeout(COLLECT_VISIT, visit).await.unwrap_or_else(|_| {
        let why = "The server takes too long.";
        Err(Fault::new(plan::UNREACHED, why, "Nothing: it is gone on with at the next look."))
    })
}

async fn enter(desk: &Desk, id: OutsideId, row: &Outside) -> std::result::Result<Watch, Fault> {
    let place = pop3::place(row, desk)?;
    let login = |key: Key| {
        let secret = String::from_utf8_lossy(&key.secret.0).into_owned();
        let secret = match key.token {
            true => client::Secret::Token(secret),
            false => client::Secret::Password(secret),
        };
        client::Login { user: row.login.clone(), secret }
    };
    let key = desk.keyring.key(id, row).await?;
    match Watch::open(&place, &desk.resolver, login(key.clone())).await {
        // The provider took the token back before its time: a new one may do.
        Err(fault) if fault.trouble == plan::REFUSED && key.token => {
            desk.keyring.forget(id).await;
            let key = desk.keyring.key(id, row).await?;
            Watch::open(&place, &desk.resolver, login(key)).await
        }
        open => open,
    }
}

async fn look(desk: &Desk, id: OutsideId, row: &Outside) -> std::result::Result<Looked, Fault> {
    let key = desk.keyring.key(id, row).await?;
    match look_with(desk, id, row, key.clone()).await {
        // The provider took the token back before its time: a new one may do.
        Err(fault) if fault.trouble == plan::REFUSED && key.token => {
            desk.keyring.forget(id).await;
            let key = desk.keyring.key(id, row).await?;
            look_with(desk, id, row, key).await
        }
        looked => looked,
    }
}

async fn look_with(
    desk: &Desk,
    id: OutsideId,
    row: &Outside,
    key: Key,
) -> std::result::Result<Looked, Fault> {
    let login = Login { user: row.login.clone(), secret: key.secret, token: key.token };
    let look = pop3::look(desk, id, row, login);
    tokio::time::timeout(COLLECT_VISIT, look).await.unwrap_or_else(|_| {
        let why = "The server takes too long.";
        Err(Fault::new(plan::UNREACHED, why, "Nothing: it is gone on with at the next look."))
    })
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
    let before = desk.store().snapshot().and_then(|read| outside::state(&read, id)).ok()?;
    let well = looked.is_ok() && before.trouble == 0;
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

/// Suites do not wait for minutes.
#[cfg(debug_assertions)]
fn under_test(wait: std::time::Duration) -> std::time::Duration {
    let most = std::env::var("MAILROOM_TEST_COLLECT_MILLIS").ok().and_then(|it| it.parse().ok());
    most.map_or(wait, |most| wait.min(std::time::Duration::from_millis(most)))
}

#[cfg(not(debug_assertions))]
fn under_test(wait: std::time::Duration) -> std::time::Duration {
    wait
}
