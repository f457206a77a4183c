//! Deleting with time to think: an account is closed at once, and its mail removed when the days
//! are over, unless the owner says otherwise before.
//!
//! ```text
//! open ---- close ----> closed, N days left ---- a day ----> .. ---- 0 left ----> gone
//!   ^                         |
//!   '-------- reopen ---------'
//! ```
//!
//! A closed account lets nobody in, and mail to it is refused as if it were gone; its addresses are
//! still its own.

use super::Reply;
use super::failure::Failure;
use super::people::{find_account, write};
use crate::limits::LEAVING_DAYS;
use crate::store::format::Audit;
use crate::store::{Store, StoreError, account as accounts, owner};

/// Closes an account.
pub(crate) fn close(store: &Store, login: &str, now: i64) -> Result<Reply, Failure> {
    let what = format!("cannot close {login}");
    let (id, _) = find_account(store, login, &what)?;
    write(store, &what, move |batch| accounts::close(batch, id, LEAVING_DAYS, now))?;
    Ok(Reply::Done(format!(
        "{login} is closed; its mail is removed in {LEAVING_DAYS} days, unless you reopen it: \
         mailroom account reopen {login}"
    )))
}

/// Undoes it.
pub(crate) fn reopen(store: &Store, login: &str) -> Result<Reply, Failure> {
    let what = format!("cannot reopen {login}");
    let (id, _) = find_account(store, login, &what)?;
    write(store, &what, move |batch| accounts::reopen(batch, id))?;
    Ok(Reply::Done(format!("{login} is open again, with all its mail")))
}

/// Counts the days of closed accounts, and removes those whose days are over. Returns who is gone.
pub(crate) fn count_day(store: &Store, now: i64) -> Result<Vec<String>, StoreError> {
    let mut all = accounts::list(&store.snapshot()?)?;
    all.retain(|(_, account)| account.leaving.is_some());
    let mut gone = Vec::new();
    for (id, account) in all {
        if !store.write_blocking(move |batch| accounts::count_day(batch, id, now))? {
            continue;
        }
        // Who is reopened meanwhile keeps what is left: it is looked at again in each write.
        while store.write_blocking(move |batch| {
            Ok(accounts::is_over(batch, id)? && accounts::thin_out(batch, id)?)
        })? {}
        let act = Audit {
            at: now,
            who: "mailroom".to_string(),
            what: "people/remove".to_string(),
            about: account.login.clone(),
            ..Audit::default()
        };
        let removed = store.write_blocking(move |batch| {
            let over = accounts::is_over(batch, id)?;
            if over {
                accounts::delete(batch, id)?;
                owner::note(batch, &act)?;
            }
            Ok(over)
        })?;
        gone.extend(removed.then_some(account.login));
    }
    Ok(gone)
}
