//! A box that nobody owns goes on with the mail of a disk that is in: only for who knows the
//! password of the owner of that mail. Guesses are slowed as those at a log-in.

use super::desk::{Task, Ticket};
use super::work::{Done, MAIL, Work};
use crate::act::failure::{Failure, Kind};
use crate::act::storage::Step;
use crate::admin::house::House;
use crate::admin::owner::totp_step;
use crate::event::{Event, emit};
use crate::serve::login::{hash_of, is_password};
use crate::serve::throttle::Pair;
use crate::session::network;
use crate::store::format::Owner;
use crate::store::salvage::Archive;
use crate::store::{StoreError, owner};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{OnceLock, PoisonError};

const WHAT: &str = "cannot go on with the mail of this disk";
/// Also of a disk whose mail has no owner, and of one whose second factor is missing.
const DENIED: &str = "this is not the password of the owner of this mail";

/// Who says to be the owner of what is on the disk.
pub(crate) struct Claim {
    pub password: String,
    /// Of the second factor, if there is one.
    pub code: String,
    pub remote: IpAddr,
}

impl House {
    /// Begins to look at the disk that is in. The error is seconds to wait, or why not.
    pub(crate) fn begin_adopting(&self, claim: Claim) -> Result<Result<(), u64>, Failure> {
        let pair = pair(claim.remote);
        let mut desk = self.place.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = desk.throttle.look(pair, self.place.millis());
        drop(desk);
        if !wait.is_zero() {
            return Ok(Err(wait.as_secs() + 1));
        }
        let job = move |work: &Work, ticket: &Ticket| work.adopt(ticket, &claim);
        self.storage_work().begin((Task::Adopt, ""), None, job).map(Ok)
    }
}

impl Work {
    /// Comes back only when the box does not go on with it.
    fn adopt(&self, ticket: &Ticket, claim: &Claim) -> Done {
        let trouble = |why: String| Failure::new(WHAT, why, "").of_kind(Kind::Trouble);
        let sticks = self.sticks(WHAT)?;
        let disk = sticks.borrow(false).map_err(trouble)?;
        let row = owner_of(&disk.place().join(MAIL).join("store"))?;
        let pair = pair(claim.remote);
        let mut desk = self.place.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = self.place.millis();
        if !desk.throttle.look(pair, millis).is_zero() || !claim.is_of(row, (self.clock)()) {
            desk.throttle.failed(pair, millis);
            let (unit, login) = ("page", "owner of the disk".to_string());
            emit(Event::LoginDenied { unit, remote: claim.remote, login });
            return Err(Failure::new(WHAT, DENIED, ""));
        }
        desk.throttle.granted(pair);
        drop(desk);
        emit(Event::DiskAdopted { name: disk.name.clone() });
        ticket.at(Some(Step::Switching), 0, 0);
        Err(trouble(disk.adopt()))
    }
}

impl Claim {
    /// Takes as long whether or not there is an owner.
    pub(crate) fn is_of(&self, row: Option<Owner>, now: i64) -> bool {
        let known = row.is_some();
        let row =
            row.unwrap_or_else(|| Owner { argon2: nobodys().to_string(), ..Owner::default() });
        let right = is_password(&self.password, &row.argon2);
        // RFC 6238 5.2: a code that was accepted there is not accepted here.
        let step = totp_step(&row.totp, &self.code, now);
        let second = row.totp.is_empty() || step.is_some_and(|step| step > row.totp_step);
        right & second & known
    }
}

/// What no password is kept as.
fn nobodys() -> &'static str {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    NOBODYS.get_or_init(|| hash_of("nobody has this password").unwrap_or_default())
}

/// The owner of the mail in this folder, which is only read; and not by the engine: whose disk it
/// is shows only by this, and it may be pulled out meanwhile.
pub(crate) fn owner_of(folder: &Path) -> Result<Option<Owner>, Failure> {
    let failed = |error: StoreError| {
        let why = match error {
            StoreError::Newer { .. } => "a newer Mailroom wrote the mail on this disk".to_string(),
            error => format!("the mail on this disk cannot be read: {error}"),
        };
        Failure::new(WHAT, why, "").of_kind(Kind::Trouble)
    };
    let file = folder.join("data.mdb");
    if !file.exists() {
        let none = Failure::new(WHAT, "there is no mail on this disk", "");
        return Err(none.of_kind(Kind::Trouble));
    }
    let archive = Archive::open(&file, None).map_err(failed)?;
    owner::get(&archive).map_err(failed)
}

/// Apart from guesses at the owner of this box.
fn pair(remote: IpAddr) -> Pair {
    Pair { network: network(remote), name: *b"owner of a disk!" }
}
