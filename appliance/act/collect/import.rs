//! All that an outside account holds is brought over: begun, paused, gone on with. The running
//! server does it; see `units::import`.

use super::{ImportView, Outcome, find};
use crate::act::Reply;
use crate::act::failure::Failure;
use crate::store::format::OutsideImport;
use crate::store::outside::{self, BROUGHT, GIVEN_UP, PAUSED, UNDER_WAY};
use crate::store::{Store, StoreError};

/// Begins, or goes on where it was paused; again it brings only what is new.
pub(super) fn begin(store: &Store, login: &str, address: &str, now: i64) -> Outcome {
    let what = format!("cannot bring over what {address} of {login} holds");
    let (id, row) = find(store, login, address, &what)?;
    if row.source.is_none() || row.kind != outside::IMAP {
        let why = "folders are brought over by IMAP alone";
        return Err(Failure::new(&what, why, "by POP3 the inbox comes by itself"));
    }
    note(store, &what, move |batch| outside::begin_import(batch, id, now))?;
    Ok(Reply::Done(format!(
        "what {address} holds is brought over by the server, while it runs; look with `mailroom \
         collect show`"
    )))
}

pub(super) fn pause(store: &Store, login: &str, address: &str) -> Outcome {
    let what = format!("cannot pause the import of {address} of {login}");
    let (id, _) = find(store, login, address, &what)?;
    let import = store.snapshot().and_then(|read| outside::import(&read, id));
    let import = import.map_err(|error| Failure::store(&what, &error))?;
    if import.is_none_or(|import| import.stage != UNDER_WAY) {
        return Err(Failure::new(&what, "it is not under way", ""));
    }
    note(store, &what, move |batch| {
        outside::note_import(batch, id, &mut |row| row.stage = PAUSED)
    })?;
    Ok(Reply::Done(format!("the import of {address} is paused; what was brought stays")))
}

fn note(
    store: &Store,
    what: &str,
    job: impl Fn(&mut crate::store::Batch) -> Result<bool, StoreError> + Send + 'static,
) -> Result<bool, Failure> {
    store.write_blocking(job).map_err(|error| Failure::store(what, &error))
}

pub(super) fn view(row: OutsideImport) -> ImportView {
    ImportView {
        stage: match row.stage {
            UNDER_WAY => "under-way",
            PAUSED => "paused",
            BROUGHT => "done",
            GIVEN_UP => "given-up",
            _ => "",
        }
        .to_string(),
        began: row.began,
        ended: row.ended,
        messages: row.messages,
        octets: row.octets,
        already: row.already,
        folders: row.folders,
        skipped_count: row.skipped_count,
        skipped: row.skipped,
        error: row.error,
        next: row.next,
        done: row.done,
        of: row.of,
    }
}
