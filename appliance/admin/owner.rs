//! The owner's password and second factor.

use super::house::House;
use crate::act::failure::Failure;
use crate::limits;
use crate::serve::login::{hash_of, is_password};
use crate::serve::throttle::{Pair, Throttle};
use crate::session::network;
use crate::store::format::Owner;
use crate::store::{StoreError, owner};
use std::net::IpAddr;
use std::sync::PoisonError;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};

/// Guesses at the owner's password, as those at a person's.
#[derive(Default)]
pub(crate) struct OwnerDesk {
    pub(super) throttle: Throttle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As of so many changes of the owner's row.
    Granted(u32),
    Denied,
    /// Too many wrong ones of late: not looked at. Seconds to wait.
    Later(u64),
    NoOwner,
}

impl House {
    /// Is this the owner? Takes tens of milliseconds. A wrong one costs the next a wait, told and
    /// not sat out: a thread of the pool is for pages.
    pub(crate) fn check_owner(
        &self,
        password: &str,
        code: &str,
        peer: IpAddr,
        now: i64,
    ) -> Result<Answer, StoreError> {
        self.check(password, peer, |row| self.second(row, code, now))
    }

    /// The same of one who is logged in and asked for the password once more.
    pub(crate) fn check_password(
        &self,
        password: &str,
        peer: IpAddr,
    ) -> Result<Answer, StoreError> {
        self.check(password, peer, |_| Ok(true))
    }

    fn check(
        &self,
        password: &str,
        peer: IpAddr,
        second: impl FnOnce(&Owner) -> Result<bool, StoreError>,
    ) -> Result<Answer, StoreError> {
        let Some(row) = self.store.snapshot().and_then(|read| owner::get(&read))? else {
            return Ok(Answer::NoOwner);
        };
        let pair = pair(peer);
        // One at a time: argon2 takes memory, and so each guess sees the failures before it.
        let mut desk = self.place.owner.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = self.place.millis();
        let wait = desk.throttle.look(pair, millis);
        if !wait.is_zero() {
            return Ok(Answer::Later(wait.as_secs() + 1));
        }
        let right = is_password(password, &row.argon2) & second(&row)?;
        if !right {
            desk.throttle.failed(pair, millis);
            return Ok(Answer::Denied);
        }
        desk.throttle.granted(pair);
        Ok(Answer::Granted(row.changes))
    }

    fn second(&self, row: &Owner, code: &str, now: i64) -> Result<bool, StoreError> {
        if row.totp.is_empty() {
            return Ok(true);
        }
        match totp_step(&row.totp, code, now) {
            Some(step) => self.store.write_blocking(move |batch| owner::use_totp(batch, step)),
            None => Ok(false),
        }
    }

    /// Makes the owner, unless there is one.
    pub(crate) fn claim(&self, password: &str, now: i64) -> Result<(), StoreError> {
        let argon2 = hash_of(password).map_err(StoreError::Invalid)?;
        let row = Owner { argon2, created: now, ..Owner::default() };
        self.store.write_blocking(move |batch| owner::claim(batch, &row))
    }

    /// Changes password or second factor; returns how many changes there were by now. Every session
    /// of before has ended.
    pub(crate) fn change_owner(
        &self,
        edit: impl Fn(&mut Owner) + Send + 'static,
    ) -> Result<u32, StoreError> {
        self.store.write_blocking(move |batch| {
            owner::change(batch, &mut |row| {
                edit(row);
                Ok(())
            })?;
            Ok(owner::get(batch)?.map_or(0, |row| row.changes))
        })
    }

    /// Is there an owner?
    pub(crate) fn is_owned(&self) -> Result<bool, Failure> {
        let row = self.store.snapshot().and_then(|read| owner::get(&read));
        let row = row.map_err(|error| Failure::store("cannot read who the owner is", &error))?;
        Ok(row.is_some())
    }
}

/// All owners of the world have one name.
fn pair(peer: IpAddr) -> Pair {
    Pair { network: network(peer), name: *b"owner of the box" }
}

// ---- the second factor ----

/// RFC 6238 4: steps of 30 seconds since 1970
const STEP_SECONDS: u64 = 30;

/// The code of a secret, as every app makes it: six digits, SHA-1.
pub(crate) fn totp(secret: &[u8]) -> TOTP {
    TOTP::new_unchecked(Algorithm::SHA1, 6, 1, STEP_SECONDS, secret.to_vec())
}

/// RFC 4226 4 R6: 160 bits
pub(super) fn new_secret() -> Result<Vec<u8>, StoreError> {
    let mut secret = vec![0; 20];
    let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut secret);
    filled.map_err(|_| StoreError::Invalid("the system gives no random numbers"))?;
    Ok(secret)
}

/// The time step whose code this is, among those that are near now.
pub(crate) fn totp_step(secret: &[u8], code: &str, now: i64) -> Option<u64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let step = u64::try_from(now).ok()? / STEP_SECONDS;
    let near = step.saturating_sub(limits::TOTP_SKEW_STEPS)..=step + limits::TOTP_SKEW_STEPS;
    let totp = totp(secret);
    // Every one of them is compared, so that time tells nothing.
    let mut found = None;
    for step in near {
        let right = totp.generate(step.saturating_mul(STEP_SECONDS));
        if bool::from(right.as_bytes().ct_eq(code.as_bytes())) {
            found = Some(step);
        }
    }
    found
}
