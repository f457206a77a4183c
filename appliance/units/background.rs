//! Units that nobody connects to.

use crate::act::leaving::count_day;
use crate::act::moving;
use crate::admin::{House, Place};
use crate::delivery::remote::Network;
use crate::delivery::report::Moment;
use crate::delivery::worker::{self, Deliver, Desk};
use crate::event::{Event, emit};
use crate::net::dkim::{Keys, Signer};
use crate::net::stopped;
use crate::net::tls::Tls;
use crate::store::verify::night::{self, Night};
use crate::store::{MailId, Store, address, trace};
use crate::system::syscall::program;
use crate::{clock, limits};
use ring::rand::SecureRandom;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const DAY_SECONDS: i64 = 24 * 3600;

/// Takes over a replaced certificate, renews our own, and tells once a day when one ends, unless
/// another unit renews it and tells.
pub(super) async fn certificate(tls: Arc<Tls>, mut stop: watch::Receiver<bool>) {
    let mut told = 0;
    loop {
        let (watched, now) = (tls.clone(), clock::at_least_built());
        // Reads and perhaps writes files, so not on a worker.
        let _ = tokio::task::spawn_blocking(move || watched.refresh(now)).await;
        let days = (tls.ends() - now) / DAY_SECONDS;
        if !tls.kept() && days < limits::CERTIFICATE_WARN_DAYS && now - told >= DAY_SECONDS {
            told = now;
            let why = if days < 0 {
                "the certificate has ended: mail programs will warn or refuse".to_string()
            } else {
                format!("the certificate ends in {days} days")
            };
            emit(Event::CertificateTrouble { why });
        }
        if stops_within(&mut stop, limits::CERTIFICATE_LOOK).await {
            return;
        }
    }
}

/// Makes the first keys of each domain, so that no message waits for them.
pub(super) async fn keys(store: Store, keys: Keys, mut stop: watch::Receiver<bool>) {
    loop {
        let domains = store.snapshot().and_then(|read| address::domains(&read));
        for domain in domains.unwrap_or_default() {
            let (keys, name, now) = (keys.clone(), domain.name.clone(), clock::now());
            // Takes seconds on a small board, so not on a worker.
            let made = tokio::task::spawn_blocking(move || keys.ready(&name, now));
            if let Ok(Err(fault)) = made.await {
                let (domain, why) = (domain.name, fault.to_string());
                emit(Event::SigningTrouble { domain, why });
            }
        }
        if stops_within(&mut stop, limits::DKIM_LOOK).await {
            return;
        }
    }
}

/// Lets go of the parts of the program that are not in use.
pub(super) async fn memory(mut stop: watch::Receiver<bool>) {
    let mut wait = limits::START_SETTLES;
    while !stops_within(&mut stop, wait).await {
        program::let_go();
        wait = limits::PROGRAM_LOOK;
    }
}

/// Checks the whole store once a day at a quiet hour (UTC), slowly.
pub(super) async fn check(store: Store, hour: u8, mut stop: watch::Receiver<bool>) {
    let started = clock::now();
    loop {
        let last = store.snapshot().and_then(|read| night::last(&read)).unwrap_or(None);
        let now = clock::now();
        let due = next_check(last.map(|checked| checked.at), started, now, hour);
        if due <= now {
            check_now(&store, &mut stop).await;
        }
        // The clock may be set meanwhile; and what failed is not begun again at once.
        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0);
        let wait = Duration::from_secs(wait).min(limits::CHECK_LOOK);
        let wait = if wait.is_zero() { limits::CHECK_LOOK } else { wait };
        if stops_within(&mut stop, wait).await {
            return;
        }
    }
}

/// When the next check begins; not after `now` means at once.
pub(crate) fn next_check(last: Option<i64>, started: i64, now: i64, hour: u8) -> i64 {
    // One of the future was made by a clock that was wrong.
    let last = last.filter(|&at| at <= now);
    let hour = i64::from(hour) * 3600;
    let quiet = (now - hour).div_euclid(DAY_SECONDS) * DAY_SECONDS + hour;
    let in_time = now < quiet + limits::CHECK_WINDOW_SECONDS;
    if in_time && last.is_none_or(|at| at < quiet) {
        return now;
    }
    let overdue = last.is_none_or(|at| now - at > limits::CHECK_OVERDUE_SECONDS);
    let by_day = started.saturating_add(limits::CHECK_AFTER_START_SECONDS);
    let tonight = quiet + DAY_SECONDS;
    if overdue { by_day.min(tonight) } else { tonight }
}

/// Checks the whole store and tells what was found.
pub(crate) async fn check_now(store: &Store, stop: &mut watch::Receiver<bool>) {
    let trouble = |why: String| emit(Event::StoreTrouble { doing: "checking all of it", why });
    let mut night = Box::new(Night::new());
    loop {
        let of_slice = store.clone();
        let slice = tokio::task::spawn_blocking(move || {
            let slice = night.slice(&of_slice);
            (night, slice)
        });
        let slice = match slice.await {
            Ok((back, Ok(slice))) => {
                night = back;
                slice
            }
            Ok((_, Err(error))) => return trouble(error.to_string()),
            Err(error) => return trouble(error.to_string()),
        };
        if slice.done {
            break;
        }
        let rest = slice.octets.saturating_mul(1_000) / limits::CHECK_OCTETS_PER_SECOND;
        if stops_within(stop, Duration::from_millis(rest).max(limits::CHECK_REST)).await {
            return;
        }
    }
    let checked = night.result(clock::now());
    emit(match checked.told.first() {
        Some(first) => Event::StoreDamaged { faults: checked.faults, first: first.clone() },
        None => Event::StoreChecked {
            rows: checked.rows,
            octets: checked.octets,
            unjudged: checked.unjudged,
        },
    });
    let store = store.clone();
    let kept = tokio::task::spawn_blocking(move || night::remember(&store, checked));
    if let Ok(Err(error)) = kept.await {
        trouble(error.to_string());
    }
}

/// Counts the days of closed accounts, and removes those whose days are over.
pub(super) async fn leaving(store: Store, mut stop: watch::Receiver<bool>) {
    while !stops_within(&mut stop, limits::LEAVING_LOOK).await {
        let (of_count, now) = (store.clone(), clock::now());
        if clock::state_at(now) == clock::State::Floor {
            continue;
        }
        // Many messages take a while, so not on a worker.
        let counted = tokio::task::spawn_blocking(move || count_day(&of_count, now)).await;
        match counted {
            Ok(Ok(gone)) => {
                gone.into_iter().for_each(|login| emit(Event::AccountRemoved { login }));
            }
            Ok(Err(error)) => {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "removing closed accounts", why });
            }
            Err(error) => emit(Event::UnitFailed { unit: "leaving", why: error.to_string() }),
        }
    }
}

/// Looks once a day how the world sees the box.
pub(super) async fn looks(house: Arc<House>, mut stop: watch::Receiver<bool>) {
    while !stops_within(&mut stop, limits::WORLD_LOOK).await {
        let house = house.clone();
        let _ = tokio::task::spawn_blocking(move || house.look_daily()).await;
    }
}

/// Makes the nightly backup when it is due; what came of it the house remembers.
pub(super) async fn backups(house: Arc<House>, mut stop: watch::Receiver<bool>) {
    while !stops_within(&mut stop, limits::BACKUP_LOOK).await {
        let house = house.clone();
        // Reads a file, so not on a worker; the backup has a thread of its own.
        let _ = tokio::task::spawn_blocking(move || house.back_up_nightly()).await;
    }
}

/// Domains on their way here: looked at when they are due, and their runs gone on with.
pub(super) async fn moves(store: Store, place: Arc<Place>, mut stop: watch::Receiver<bool>) {
    loop {
        let stops = tokio::select! {
            stops = stops_within(&mut stop, limits::MOVE_TICK) => stops,
            () = place.moves.notified() => false,
        };
        if stops {
            return;
        }
        let store = store.clone();
        let due = tokio::task::spawn_blocking(move || moving::due(&store, clock::now()));
        let due = tokio::select! {
            due = due => due,
            // Name servers that are silent keep nobody.
            () = stopped(&mut stop) => return,
        };
        if let Ok(Err(error)) = due {
            let why = error.to_string();
            emit(Event::StoreTrouble { doing: "looking at domains that move here", why });
        }
    }
}

/// Forgets old stories, a few at a time so that mail waits for nothing.
pub(super) async fn traces(store: Store, mut stop: watch::Receiver<bool>) {
    let kept = Duration::from_secs(limits::TRACE_DAYS * 24 * 3600);
    let kept = u64::try_from(kept.as_micros()).unwrap_or(u64::MAX);
    loop {
        let now = clock::now_micros();
        let before = MailId(now.saturating_sub(kept));
        let forget = store.write(move |batch| match trace::clock_is_likely(batch, now)? {
            true => trace::forget(batch, before, limits::TRACES_AT_ONCE),
            false => Ok(0),
        });
        let wait = match forget.await {
            Ok(count) if count >= limits::TRACES_AT_ONCE => limits::TRACES_REST,
            Ok(_) => limits::TRACE_LOOK,
            Err(error) => {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "forgetting old traces", why });
                limits::TRACE_LOOK
            }
        };
        if stops_within(&mut stop, wait).await {
            return;
        }
    }
}

/// Writes down how TLS with other servers went, tells their domains, and keeps their MTA-STS
/// policies fresh.
pub(super) async fn other_servers(
    network: Arc<Network>,
    signer: Arc<Signer>,
    mut stop: watch::Receiver<bool>,
) {
    let mut looked = None::<Instant>;
    loop {
        let stops = stops_within(&mut stop, limits::TLS_COUNTS_WRITE).await;
        if let Err(error) = network.write_counts().await {
            let why = error.to_string();
            emit(Event::StoreTrouble { doing: "counting TLS with other servers", why });
        }
        if stops {
            return;
        }
        if looked.is_none_or(|looked| looked.elapsed() >= limits::STS_LOOK) {
            looked = Some(Instant::now());
            tokio::select! {
                refreshed = network.refresh_policies() => if let Err(error) = refreshed {
                    let why = error.to_string();
                    emit(Event::StoreTrouble { doing: "refreshing MTA-STS policies", why });
                },
                () = stopped(&mut stop) => {}
            }
            if let Err(error) = network.send_tls_reports(&signer, moment()).await {
                let why = error.to_string();
                emit(Event::StoreTrouble { doing: "reporting on TLS", why });
            }
        }
    }
}

/// Sends what is in the outbox; begins again should it ever break off.
pub(super) async fn outbox<D: Deliver>(
    desk: Arc<Desk>,
    deliver: Arc<D>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let work = worker::run(desk.clone(), deliver.clone(), stop.clone());
        match tokio::spawn(work).await {
            Ok(()) => return,
            Err(error) => emit(Event::UnitFailed { unit: "outbox", why: error.to_string() }),
        }
        if stops_within(&mut stop, limits::RESTART_WAIT).await {
            return;
        }
    }
}

/// The clock and chance, for what may not ask for them itself.
pub(super) fn moment() -> Moment {
    let mut random = [0; 8];
    let filled = ring::rand::SystemRandom::new().fill(&mut random);
    let micros = clock::now_micros();
    let chance = if filled.is_ok() { u64::from_le_bytes(random) } else { micros };
    Moment { micros, chance }
}

pub(super) async fn stops_within(stop: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    tokio::select! {
        () = stopped(stop) => true,
        () = tokio::time::sleep(wait) => false,
    }
}
