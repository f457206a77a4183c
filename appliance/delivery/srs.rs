//! Return addresses for mail that is passed on (the Sender Rewriting Scheme, which has no RFC).
//!
//! SPF asks whether a server may send for the domain of the envelope's sender. Mail of a stranger
//! that we pass on would fail it, so its sender becomes an address of ours that leads back:
//!
//! ```text
//! stranger@far.test             SRS0=HHHHHH=TT=far.test=stranger@ours
//! SRS0=...@forwarder.test       SRS1=HHHHHH=forwarder.test==...@ours        the second forwarder
//! SRS1=...=forwarder.test==...  SRS1=HHHHHH=forwarder.test==...@ours        any further one
//! longer than 64 octets         SRSM=HHHHHH=TT=message@ours
//!
//! TT      the day it was made, in two letters of base32: days since 1970, modulo 1024
//! HHHHHH  30 bits of HMAC-SHA256 over what follows, in lower case; the key is derived from
//!         DATA/secret.key
//! message the number of the message; its story knows the sender (kept TRACE_DAYS, longer than
//!         SRS_DAYS)
//! ```
//!
//! An SRS1 address goes straight back to the first forwarder, who looks at the day; ours has none.
//! Servers on the way may change the case of letters: none of it counts. What is not quoted as it
//! stands (a space, an address literal) is put by number too.
//!
//! The same key makes the mark of an address (`X-Loop`), by which a message that was passed on by
//! it is known when it comes again.

use crate::limits::SRS_DAYS;
use crate::store::MailId;
use crate::wire::address::Address;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const HASH_LETTERS: usize = 6;
const MARK_LETTERS: usize = 16;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Makes return addresses and knows them again.
pub(crate) struct Srs {
    key: hmac::Key,
}

/// Where a return address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Back {
    To(Address),
    /// To the sender of this message.
    SenderOf(MailId),
}

/// Why it leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoWayBack {
    /// It was not made here, or was changed.
    Forged,
    Expired,
}

impl Srs {
    /// `secret` is the store's own.
    pub(crate) fn of(secret: &[u8]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let own = hmac::sign(&secret, b"return addresses of passed-on mail");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()) }
    }

    /// With a key that the next start does not know.
    pub(crate) fn fleeting() -> Result<Self, &'static str> {
        let mut secret = [0; 32];
        let filled = SystemRandom::new().fill(&mut secret);
        filled.map_err(|_| "the system gives no random numbers")?;
        Ok(Self::of(&secret))
    }

    /// The address at our `domain` that leads back to `sender`; `id` is of the message.
    pub(crate) fn wrap(
        &self,
        sender: &Address,
        domain: &str,
        id: MailId,
        now: i64,
    ) -> Option<Address> {
        let plain = !sender.to_string().starts_with('"') && !sender.domain().starts_with('[');
        let short = match (plain, kind(sender)) {
            (false, _) => None,
            (true, Some(Kind::Second)) => second(sender.local()).map(|(first, rest)| {
                format!("SRS1={}={first}={rest}", self.hash(&["1", first, rest]))
            }),
            (true, Some(Kind::First)) => {
                let (first, rest) = (sender.domain(), sender.local().get(4..).unwrap_or_default());
                Some(format!("SRS1={}={first}={rest}", self.hash(&["1", first, rest])))
            }
            (true, _) => {
                let (day, from, local) = (day(now), sender.domain(), sender.local());
                Some(format!("SRS0={}={day}={from}={local}", self.hash(&["0", &day, from, local])))
            }
        };
        // RFC 5321 4.5.3.1.1: at most 64 octets before the @
        if let Some(address) = short.and_then(|local| Address::new(&local, domain).ok()) {
            return Some(address);
        }
        let (day, id) = (day(now), id.to_string());
        let local = format!("SRSM={}={day}={id}", self.hash(&["m", &day, &id]));
        Address::new(&local, domain).ok()
    }

    /// Whom a return address of ours leads to; call it when [`is_return`] says that it is one.
    pub(crate) fn unwrap(&self, address: &Address, now: i64) -> Result<Back, NoWayBack> {
        let local = address.local();
        let rest = local.get(5..).ok_or(NoWayBack::Forged)?;
        let (hash, rest) = rest.split_once('=').ok_or(NoWayBack::Forged)?;
        match kind(address).ok_or(NoWayBack::Forged)? {
            Kind::First => {
                let mut parts = rest.splitn(3, '=');
                let (Some(day), Some(domain), Some(local)) =
                    (parts.next(), parts.next(), parts.next())
                else {
                    return Err(NoWayBack::Forged);
                };
                self.check(hash, &["0", day, domain, local])?;
                fresh(day, now)?;
                Address::new(local, domain).map(Back::To).map_err(|_| NoWayBack::Forged)
            }
            Kind::Second => {
                let (first, theirs) = rest.split_once('=').ok_or(NoWayBack::Forged)?;
                self.check(hash, &["1", first, theirs])?;
                let local = format!("SRS0{theirs}");
                Address::new(&local, first).map(Back::To).map_err(|_| NoWayBack::Forged)
            }
            Kind::Message => {
                let (day, id) = rest.split_once('=').ok_or(NoWayBack::Forged)?;
                self.check(hash, &["m", day, id])?;
                fresh(day, now)?;
                let id = u64::from_str_radix(id, 16).map_err(|_| NoWayBack::Forged)?;
                Ok(Back::SenderOf(MailId(id)))
            }
        }
    }

    /// By what a message is known that was passed on by this address of ours.
    pub(crate) fn mark(&self, address: &str) -> String {
        self.letters(&["mark", address], MARK_LETTERS)
    }

    /// A number that nobody else can guess, for names that we make.
    pub(crate) fn chance(&self, id: MailId) -> u64 {
        let letters = self.letters(&["chance", &id.to_string()], 8);
        letters.bytes().fold(0, |number, letter| number << 8 | u64::from(letter))
    }

    fn check(&self, hash: &str, parts: &[&str]) -> Result<(), NoWayBack> {
        let right = self.hash(parts);
        let same = hash.to_ascii_lowercase().as_bytes().ct_eq(right.as_bytes());
        if bool::from(same) { Ok(()) } else { Err(NoWayBack::Forged) }
    }

    fn hash(&self, parts: &[&str]) -> String {
        self.letters(parts, HASH_LETTERS)
    }

    fn letters(&self, parts: &[&str], count: usize) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part.to_lowercase().as_bytes());
            context.update(&[0]);
        }
        let tag = context.sign();
        let letter = |octet: &u8| char::from(LETTERS[usize::from(octet % 32)]);
        tag.as_ref().iter().take(count).map(letter).collect()
    }
}

enum Kind {
    First,
    Second,
    Message,
}

fn kind(address: &Address) -> Option<Kind> {
    let (tag, rest) = address.local().split_at_checked(4)?;
    match (tag.to_ascii_uppercase().as_str(), rest.chars().next()?) {
        // Others may set + or - behind the tag.
        ("SRS0", '=' | '+' | '-') => Some(Kind::First),
        ("SRS1", '=' | '+' | '-') => Some(Kind::Second),
        ("SRSM", '=') => Some(Kind::Message),
        _ => None,
    }
}

/// Does it look like a return address?
pub(crate) fn is_return(address: &Address) -> bool {
    kind(address).is_some()
}

/// The first forwarder and what its address has behind the tag, of an SRS1 address.
fn second(local: &str) -> Option<(&str, &str)> {
    let (_hash, rest) = local.get(5..)?.split_once('=')?;
    rest.split_once('=').filter(|(first, rest)| !first.is_empty() && !rest.is_empty())
}

fn day(now: i64) -> String {
    let day = usize::try_from(today(now)).unwrap_or(0);
    let letter = |number: usize| char::from(LETTERS[number % 32]);
    [letter(day / 32), letter(day)].iter().collect()
}

/// Days since 1970, modulo 1024.
fn today(now: i64) -> u64 {
    now.div_euclid(DAY_SECONDS).rem_euclid(1024).unsigned_abs()
}

fn fresh(day: &str, now: i64) -> Result<(), NoWayBack> {
    let number = |letter: u8| LETTERS.iter().position(|it| *it == letter.to_ascii_lowercase());
    let made = match day.as_bytes() {
        [high, low] => number(*high).zip(number(*low)).map(|(high, low)| high * 32 + low),
        _ => None,
    };
    let made = made.and_then(|made| u64::try_from(made).ok()).ok_or(NoWayBack::Forged)?;
    let age = (today(now) + 1024 - made) % 1024;
    if age <= SRS_DAYS { Ok(()) } else { Err(NoWayBack::Expired) }
}
