//! Sessions: who a browser stands for. They are in memory alone; a restart of the machine ends all.

use super::http::Request;
use crate::limits;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// RFC 6265bis 4.1.3.2: of this host alone, over TLS alone, for every path.
pub(crate) const COOKIE: &str = "__Host-mailroom";

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Nobody yet: a browser that was shown a form.
    Visitor,
    /// Knows the setup code of a box without an owner.
    Code,
    /// As of so many changes of the owner's row.
    Owner {
        changes: u32,
    },
    Person {
        account: u32,
        login: String,
        credential: u64,
    },
}

/// A session as a handler sees it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub who: Who,
    /// Stands in every form of the session.
    pub csrf: String,
    /// What the next page says on top.
    pub notice: Option<String>,
    /// Milliseconds.
    pub begun: u64,
    pub used: u64,
    /// Where it was begun, and with which program.
    pub from: String,
    pub agent: String,
    /// A second factor that is not confirmed yet.
    pub secret: Option<Vec<u8>>,
}

/// What a session is kept by: the hash of what the browser has.
pub(crate) type Key = [u8; 32];

#[derive(Default)]
pub(crate) struct Sessions {
    kept: HashMap<Key, Session>,
}

impl Sessions {
    /// Begins a session; returns its cookie's value.
    pub(crate) fn begin(&mut self, who: Who, request: &Request, now: u64) -> (String, Session) {
        self.forget_old(now);
        let (id, csrf) = (random(), random());
        let agent = request.header("user-agent").unwrap_or_default().chars().take(200).collect();
        let from = request.peer.remote.ip().to_string();
        let (begun, used, notice, secret) = (now, now, None, None);
        let session = Session { who, csrf, notice, begun, used, from, agent, secret };
        self.kept.insert(key(&id), session.clone());
        (id, session)
    }

    /// The session of a request, which is used by it: but not where script alone looks again and
    /// again, also when nobody is there.
    pub(crate) fn find(&mut self, request: &Request, now: u64) -> Option<(Key, Session)> {
        let (key, mut session) = self.look(request.header("cookie")?, now)?;
        if request.header("x-part") != Some("idle") {
            self.edit(&key, |session| session.used = now);
            session.used = now;
        }
        Some((key, session))
    }

    /// The session of whoever sends this Cookie header.
    pub(super) fn of_cookie(&mut self, header: &str, now: u64) -> Option<(Key, Session)> {
        let (key, session) = self.look(header, now)?;
        self.edit(&key, |session| session.used = now);
        Some((key, session))
    }

    fn look(&mut self, header: &str, now: u64) -> Option<(Key, Session)> {
        let key = key(super::http::cookie(header, COOKIE)?);
        let session = self.kept.get(&key)?.clone();
        if is_over(&session, now) {
            self.kept.remove(&key);
            return None;
        }
        Some((key, session))
    }

    pub(crate) fn end(&mut self, key: &Key) {
        self.kept.remove(key);
    }

    /// Ends those that `which` says, but not `but`.
    pub(crate) fn end_all(&mut self, but: Option<&Key>, which: impl Fn(&Session) -> bool) {
        self.kept.retain(|key, session| Some(key) == but || !which(session));
    }

    pub(crate) fn edit(&mut self, key: &Key, edit: impl FnOnce(&mut Session)) {
        if let Some(session) = self.kept.get_mut(key) {
            edit(session);
        }
    }

    pub(crate) fn list(&self, now: u64) -> Vec<(Key, Session)> {
        let live = self.kept.iter().filter(|(_, session)| !is_over(session, now));
        live.map(|(key, session)| (*key, session.clone())).collect()
    }

    fn forget_old(&mut self, now: u64) {
        if self.kept.len() < limits::WEB_SESSIONS {
            return;
        }
        self.kept.retain(|_, session| !is_over(session, now));
        while self.kept.len() >= limits::WEB_SESSIONS {
            // Those who are nobody go before those who logged in.
            let rank = |session: &Session| (session.who != Who::Visitor, session.used);
            let oldest = self.kept.iter().min_by_key(|(_, session)| rank(session));
            let Some(oldest) = oldest.map(|(key, _)| *key) else { return };
            self.kept.remove(&oldest);
        }
    }
}

fn is_over(session: &Session, now: u64) -> bool {
    let over = |since: u64, most: Duration| now.saturating_sub(since) >= millis(most);
    over(session.used, limits::WEB_SESSION_IDLE) || over(session.begun, limits::WEB_SESSION_TOTAL)
}

impl Session {
    /// Is this the token of the session's forms?
    pub(crate) fn is_csrf(&self, token: &str) -> bool {
        !token.is_empty() && bool::from(self.csrf.as_bytes().ct_eq(token.as_bytes()))
    }
}

/// The header that gives a browser its session.
pub(crate) fn cookie(id: &str) -> String {
    format!("{COOKIE}={id}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// The header that takes it away.
pub(crate) fn no_cookie() -> String {
    format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

pub(super) fn key(id: &str) -> Key {
    let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    let mut key = [0; 32];
    key.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    key
}

/// 256 bits.
pub(super) fn random() -> String {
    use base64::Engine;
    let mut octets = [0; 32];
    // The system gives random numbers, or the process has no keys for TLS either.
    let filled = SystemRandom::new().fill(&mut octets);
    assert!(filled.is_ok(), "no random numbers");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
