//! Log-ins: answers [`LoginAsk`].
//!
//! ```text
//! Password: cached? -> Granted
//!           else turn of the throttle -> turn for argon2 -> turn of the throttle again
//!           -> PBKDF2 finds the credential -> argon2 confirms it
//! Scram:    salt and keys -> (session) -> Proved -> turn of the throttle -> Granted | Denied
//! ```
//!
//! The throttle is asked where nothing is left to wait for but the answer, so that of guesses sent
//! side by side each sees the failures of those before it.
//!
//! PBKDF2 with the account's one salt tells which of many app passwords is meant, so a check costs
//! one PBKDF2 and one argon2 however many there are, and as much for a name that does not exist.

mod live;
mod page;

pub(crate) use live::Live;
pub(crate) use page::PageLogin;

use super::throttle::{Pair, Throttle, Turn};
use crate::clock::{self, Ticks};
use crate::event::{Event, emit};
use crate::limits;
use crate::net::network;
use crate::store::format::{Account, Credential};
use crate::store::{AccountId, Store, account};
use crate::wire::sasl::{Login, LoginAnswer, LoginAsk, ScramSecrets, Secret, prepare};
use crate::wire::scram;
use argon2::password_hash::{Output, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, Semaphore};

/// What all log-ins of the server share.
pub(crate) struct Logins {
    store: Store,
    /// Makes the salts of names that do not exist; the same after a restart.
    secret: hmac::Key,
    /// Keys the cache; made anew at each start.
    cache_key: hmac::Key,
    /// A hash that no password has.
    dummy: String,
    turns: Semaphore,
    ticks: Ticks,
    state: Mutex<State>,
    /// Held while a log-in of the pages is checked.
    pages: Mutex<()>,
}

#[derive(Default)]
struct State {
    throttle: Throttle,
    /// Keyed hash of network, credentials and password; when it was last checked, which it is.
    cache: HashMap<[u8; 32], (Instant, u64)>,
    connections: HashMap<u32, usize>,
    live: live::Table,
    queues: HashMap<IpAddr, Arc<Queue>>,
}

/// The log-ins of one network that wait for argon2. Only the first few of each stand in the queue
/// of all, so a flood from one network keeps nobody else waiting.
struct Queue {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { turns: Semaphore::new(limits::ARGON2_AT_ONCE), waiting: AtomicUsize::new(0) }
    }
}

/// The log-ins of one connection; each protocol's handler holds one.
pub(crate) struct Desk {
    logins: Arc<Logins>,
    unit: &'static str,
    remote: IpAddr,
    /// The account this connection is counted for, and its number among those that are live.
    counted: Mutex<Option<(u32, u64)>>,
    /// Somebody ends the connection from elsewhere.
    shut: Arc<Notify>,
}

impl Logins {
    /// `secret` is the store's own, kept for ever in DATA/secret.key.
    pub(crate) fn new(store: Store, secret: &[u8]) -> Result<Arc<Self>, &'static str> {
        Self::at(store, secret, Ticks::start())
    }

    pub(crate) fn at(store: Store, secret: &[u8], ticks: Ticks) -> Result<Arc<Self>, &'static str> {
        let mut random = [0; 32];
        fill(&mut random)?;
        Ok(Arc::new(Self {
            store,
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            cache_key: hmac::Key::new(hmac::HMAC_SHA256, &random),
            dummy: dummy()?,
            turns: Semaphore::new(limits::ARGON2_AT_ONCE),
            ticks,
            state: Mutex::default(),
            pages: Mutex::default(),
        }))
    }

    pub(crate) fn desk(self: &Arc<Self>, unit: &'static str, remote: IpAddr) -> Desk {
        let shut = Arc::default();
        Desk { logins: self.clone(), unit, remote, counted: Mutex::new(None), shut }
    }

    /// The connections on which this account is logged in.
    pub(crate) fn live(&self, account: AccountId) -> Vec<Live> {
        self.state().live.of(account.0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account with this log-in name that may log in, or one made up whose password nobody has.
    fn find(&self, name: &str) -> crate::store::Result<Found> {
        let found = account::by_login(&self.store.snapshot()?, name)?;
        Ok(match found {
            Some((id, account)) if !account.suspended => Found { id: Some(id), account },
            Some((_, mut account)) => {
                account.credentials = vec![self.made_up(name)];
                Found { id: None, account }
            }
            None => Found { id: None, account: self.nobody(name) },
        })
    }

    fn nobody(&self, name: &str) -> Account {
        Account {
            login: name.to_string(),
            credentials: vec![self.made_up(name)],
            scram_salt: self.derived("salt", name)[..SALT_OCTETS].to_vec(),
            scram_iterations: limits::SCRAM_ITERATIONS,
            ..Account::default()
        }
    }

    fn made_up(&self, name: &str) -> Credential {
        Credential {
            stored_key: self.derived("stored", name).to_vec(),
            server_key: self.derived("server", name).to_vec(),
            ..Credential::default()
        }
    }

    fn derived(&self, what: &str, name: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(what.as_bytes());
        context.update(&[0]);
        context.update(name.as_bytes());
        fixed(context.sign().as_ref())
    }

    /// Does `work` when its turn for argon2 has come: few at once. `None` when too many of this
    /// network wait.
    async fn queued<T>(&self, network: IpAddr, work: impl Future<Output = T>) -> Option<T> {
        let queue = self.state().queues.entry(network).or_default().clone();
        let done = self.stand_in(&queue, work).await;
        let mut state = self.state();
        // The table's and ours: nobody else of this network waits.
        if Arc::strong_count(&queue) <= 2 {
            state.queues.remove(&network);
        }
        done
    }

    async fn stand_in<T>(&self, queue: &Queue, work: impl Future<Output = T>) -> Option<T> {
        let waiting = queue.waiting.fetch_add(1, Ordering::Relaxed);
        let turns = match waiting < limits::ARGON2_WAITING {
            true => (queue.turns.acquire().await.ok(), self.turns.acquire().await.ok()),
            false => (None, None),
        };
        queue.waiting.fetch_sub(1, Ordering::Relaxed);
        let (Some(_of_network), Some(_of_all)) = turns else { return None };
        Some(work.await)
    }

    /// Runs the costly check on a thread that may block. Which password of the account it is.
    async fn check(&self, found: &Found, password: Secret) -> Option<Option<u64>> {
        let (account, dummy) = (found.account.clone(), self.dummy.clone());
        let real = found.id.is_some();
        let right =
            tokio::task::spawn_blocking(move || which_password(&account, &password, &dummy)).await;
        right.ok().map(|which| which.filter(|_| real))
    }

    /// Changes with the credentials, so that an old password is forgotten when it is changed.
    fn cache_tag(&self, network: IpAddr, found: &Found, password: &Secret) -> Option<[u8; 32]> {
        let id = found.id?;
        let mut context = hmac::Context::with_key(&self.cache_key);
        context.update(network.to_string().as_bytes());
        context.update(&id.0.to_be_bytes());
        for credential in &found.account.credentials {
            context.update(credential.argon2.as_bytes());
            context.update(&[0]);
        }
        context.update(&password.0);
        Some(fixed(context.sign().as_ref()))
    }

    fn cached(&self, tag: Option<[u8; 32]>) -> Option<u64> {
        let (at, which) = *self.state().cache.get(&tag?)?;
        (at.elapsed() < limits::LOGIN_CACHE).then_some(which)
    }

    fn remember(&self, tag: Option<[u8; 32]>, which: u64) {
        let Some(tag) = tag else { return };
        let mut state = self.state();
        if state.cache.len() >= limits::LOGIN_CACHED {
            state.cache.retain(|_, (at, _)| at.elapsed() < limits::LOGIN_CACHE);
        }
        if state.cache.len() >= limits::LOGIN_CACHED {
            let oldest = state.cache.iter().min_by_key(|(_, (at, _))| *at).map(|(tag, _)| *tag);
            oldest.and_then(|tag| state.cache.remove(&tag));
        }
        state.cache.insert(tag, (Instant::now(), which));
    }

    /// Milliseconds since the start: a clock that only grows.
    fn now(&self) -> u64 {
        self.ticks.millis()
    }
}

/// An account, or a made-up one (`id` is `None`).
struct Found {
    id: Option<AccountId>,
    account: Account,
}

impl Desk {
    /// Told when the connection is to end.
    pub(crate) fn shut(&self) -> &Notify {
        &self.shut
    }

    pub(crate) async fn answer(&self, ask: LoginAsk) -> LoginAnswer {
        match ask {
            LoginAsk::Password { name, password } => self.password(&name, password).await,
            LoginAsk::Scram { name } => self.scram(&name),
            LoginAsk::Proved { name, right } => self.proved(&name, right).await,
        }
    }

    async fn password(&self, name: &str, password: Secret) -> LoginAnswer {
        let name = folded(name);
        let Some(password) = prepared(&password) else { return self.denied(&name) };
        let Ok(found) = self.find(&name) else { return LoginAnswer::Unavailable };
        let tag = self.logins.cache_tag(network(self.remote), &found, &password);
        if let Some(which) = self.logins.cached(tag) {
            return self.granted(found, which);
        }
        match self.check(&name, &found, &password).await {
            Some(Some(which)) => {
                self.logins.remember(tag, which);
                self.granted(found, which)
            }
            Some(None) => self.denied(&name),
            None => LoginAnswer::Unavailable,
        }
    }

    /// `None` when it cannot be checked now; else which password it is, or none.
    async fn check(&self, name: &str, found: &Found, password: &Secret) -> Option<Option<u64>> {
        let network = network(self.remote);
        let check = || self.logins.check(found, password.clone());
        let later = match self.turn(name) {
            Turn::After(Duration::ZERO) => {
                let again = async {
                    match self.turn(name) {
                        Turn::After(Duration::ZERO) => Ok(check().await),
                        later => Err(later),
                    }
                };
                match self.logins.queued(network, again).await? {
                    Ok(right) => return right,
                    Err(later) => later,
                }
            }
            later => later,
        };
        let Turn::After(wait) = later else { return None };
        tokio::time::sleep(wait).await;
        self.logins.queued(network, check()).await?
    }

    fn scram(&self, name: &str) -> LoginAnswer {
        let name = folded(name);
        let Ok(found) = self.find(&name) else { return LoginAnswer::Unavailable };
        let account = found.account;
        let keys = |credential: &Credential| {
            let stored = credential.stored_key.as_slice().try_into().ok()?;
            Some((stored, credential.server_key.as_slice().try_into().ok()?))
        };
        LoginAnswer::Scram(ScramSecrets {
            keys: account.credentials.iter().filter_map(keys).collect(),
            salt: account.scram_salt,
            iterations: account.scram_iterations,
        })
    }

    async fn proved(&self, name: &str, right: bool) -> LoginAnswer {
        let name = folded(name);
        match self.turn(&name) {
            // Nothing is waited for between the turn and the count of a failure.
            Turn::After(Duration::ZERO) => (),
            Turn::After(wait) => tokio::time::sleep(wait).await,
            Turn::Crowded => return LoginAnswer::Unavailable,
        }
        match self.find(&name) {
            // The exchange knows which password it was.
            Ok(found) if right && found.id.is_some() => self.granted(found, 0),
            Ok(_) => self.denied(&name),
            Err(_) => LoginAnswer::Unavailable,
        }
    }

    fn find(&self, name: &str) -> crate::store::Result<Found> {
        self.logins.find(name).inspect_err(|error| {
            emit(Event::StoreTrouble { doing: "log-in", why: error.to_string() });
        })
    }

    fn turn(&self, name: &str) -> Turn {
        self.logins.state().throttle.turn(self.pair(name), self.logins.now())
    }

    fn granted(&self, found: Found, credential: u64) -> LoginAnswer {
        let Found { id: Some(AccountId(id)), account } = found else {
            return LoginAnswer::Unavailable;
        };
        self.logins.state().throttle.granted(self.pair(&account.login));
        if !self.count(id) {
            let login = account.login;
            emit(Event::LoginCrowded { unit: self.unit, remote: self.remote, login });
            return LoginAnswer::Crowded;
        }
        emit(Event::LoginGranted {
            unit: self.unit,
            remote: self.remote,
            login: account.login.clone(),
        });
        LoginAnswer::Granted(Login {
            account: id,
            name: account.login,
            capabilities_off: account.capabilities_off,
            credential,
        })
    }

    fn denied(&self, name: &str) -> LoginAnswer {
        self.logins.state().throttle.failed(self.pair(name), self.logins.now());
        let login = name.chars().take(limits::LOGIN_NAME_SHOWN).collect();
        emit(Event::LoginDenied { unit: self.unit, remote: self.remote, login });
        // The wait was taken before the check, where it slows a guesser who hangs up as well.
        LoginAnswer::Denied { wait: Duration::ZERO }
    }

    /// Counts this connection for the account; false above CONNECTIONS_PER_ACCOUNT.
    fn count(&self, account: u32) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.is_some_and(|(before, _)| before == account) {
            return true;
        }
        let mut state = self.logins.state();
        if state.connections.get(&account).is_some_and(|n| *n >= limits::CONNECTIONS_PER_ACCOUNT) {
            return false;
        }
        *state.connections.entry(account).or_default() += 1;
        let from = (self.unit, self.remote);
        let number = state.live.add(account, from, &self.shut, clock::now());
        if let Some((before, number)) = counted.replace((account, number)) {
            uncount(&mut state, before, number);
        }
        true
    }

    fn pair(&self, name: &str) -> Pair {
        Pair { network: network(self.remote), name: name_hash(&folded(name)) }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let counted = self.counted.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((account, number)) = counted {
            uncount(&mut self.logins.state(), account, number);
        }
    }
}

fn uncount(state: &mut State, account: u32, number: u64) {
    state.live.remove(number);
    if let Some(count) = state.connections.get_mut(&account) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            state.connections.remove(&account);
        }
    }
}

/// What the throttle knows a name by.
fn name_hash(folded: &str) -> [u8; 16] {
    let hash = digest::digest(&digest::SHA256, folded.as_bytes());
    let mut name = [0; 16];
    name.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    name
}

const SALT_OCTETS: usize = 16;

/// The salt of a new account.
pub(crate) fn new_salt() -> Result<Vec<u8>, &'static str> {
    let mut salt = vec![0; SALT_OCTETS];
    fill(&mut salt)?;
    Ok(salt)
}

/// What is kept of a password: argon2id and the keys of SCRAM. Takes tens of milliseconds.
pub(crate) fn make_credential(
    label: &str,
    password: &str,
    salt: &[u8],
    iterations: u32,
    now: i64,
) -> Result<Credential, &'static str> {
    let prepared = prepare_new(password)?;
    let (stored_key, server_key) = scram::keys(&prepared, salt, iterations);
    Ok(Credential {
        label: label.to_string(),
        argon2: hash_password(prepared.as_bytes(), &new_salt()?)?,
        stored_key: stored_key.to_vec(),
        server_key: server_key.to_vec(),
        created: now,
    })
}

/// What is kept of a password that only the pages ask for: a PHC string. Takes as long.
pub(crate) fn hash_of(password: &str) -> Result<String, &'static str> {
    hash_password(prepare_new(password)?.as_bytes(), &new_salt()?)
}

/// Is this the password of such a PHC string?
pub(crate) fn is_password(password: &str, phc: &str) -> bool {
    let prepared = prepared(&Secret(password.as_bytes().to_vec()));
    prepared.is_some_and(|prepared| is_hashed(&prepared.0, phc))
}

fn prepare_new(password: &str) -> Result<String, &'static str> {
    if password.is_empty() {
        return Err("the password is empty");
    }
    if password.len() > limits::PASSWORD_BYTES {
        return Err("the password is longer than 512 octets");
    }
    prepare(password.as_bytes())
        .filter(|prepared| !prepared.is_empty())
        .ok_or("the password holds a character that cannot be typed everywhere")
}

/// Reads the store's secret from `path`, made at first.
pub(crate) fn secret(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(secret) if secret.len() >= 32 => return Ok(secret),
        Ok(_) => (),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
        Err(error) => return Err(error),
    }
    let mut secret = vec![0; 32];
    fill(&mut secret).map_err(std::io::Error::other)?;
    crate::settings::replace_file(path, &secret)?;
    Ok(secret)
}

fn fill(octets: &mut [u8]) -> Result<(), &'static str> {
    SystemRandom::new().fill(octets).map_err(|_| "the system gives no random numbers")
}

fn folded(name: &str) -> String {
    prepare(name.as_bytes()).unwrap_or_else(|| name.to_string()).to_lowercase()
}

/// The form in which passwords are hashed; `None` for one that nobody can have.
fn prepared(password: &Secret) -> Option<Secret> {
    if password.0.len() > limits::PASSWORD_BYTES {
        return None;
    }
    prepare(&password.0).map(|text| Secret(text.into_bytes()))
}

/// Which of the account's passwords is it? Takes as long if it is none.
fn which_password(account: &Account, password: &Secret, dummy: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(&password.0);
    let (stored, _) = scram::keys(&text, &account.scram_salt, account.scram_iterations);
    let mut hash = dummy;
    for credential in &account.credentials {
        if bool::from(credential.stored_key.ct_eq(&stored)) {
            hash = &credential.argon2;
        }
    }
    let right = is_hashed(&password.0, hash) && !std::ptr::eq(hash, dummy);
    right.then(|| scram::mark(&stored))
}

/// Is this the password of a PHC string?
fn is_hashed(password: &[u8], phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    let (Some(salt), Some(kept)) = (parsed.salt, parsed.hash) else { return false };
    let Ok(params) = Params::try_from(&parsed) else { return false };
    let mut octets = [0; 64];
    let Ok(salt) = salt.decode_b64(&mut octets) else { return false };
    argon2id(params, password, salt)
        .is_ok_and(|made| bool::from(made.as_slice().ct_eq(kept.as_bytes())))
}

/// A PHC string of argon2id.
fn hash_password(password: &[u8], salt: &[u8]) -> Result<String, &'static str> {
    let params = Params::new(MEMORY_KIB, 2, 1, None).map_err(|_| "argon2 has wrong costs")?;
    phc(salt, &argon2id(params, password, salt)?)
}

/// A PHC string that no password has, and that costs as much to check.
fn dummy() -> Result<String, &'static str> {
    let mut hash = [0; 32];
    fill(&mut hash)?;
    phc(&new_salt()?, &hash)
}

fn phc(salt: &[u8], hash: &[u8]) -> Result<String, &'static str> {
    let salt = SaltString::encode_b64(salt).map_err(|_| "the salt has a wrong length")?;
    let hash = Output::new(hash).map_err(|_| "the hash has a wrong length")?;
    Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t=2,p=1${salt}${hash}"))
}

/// RFC 9106 4 leaves the costs to the machine; these are for a small board: 19 MiB, two passes.
const MEMORY_KIB: u32 = 19_456;

/// The GNU allocator keeps freed pieces of up to 32 MiB for later; a larger one goes back to the
/// system at once. What is beyond the need is never touched, so it takes no memory.
const MEMORY_RESERVED_KIB: usize = 33 * 1024;

fn argon2id(params: Params, password: &[u8], salt: &[u8]) -> Result<[u8; 32], &'static str> {
    let count = params.block_count();
    if count > MEMORY_RESERVED_KIB {
        return Err("the hash asks for more memory than a log-in may take");
    }
    let mut memory: Vec<Block> = Vec::with_capacity(MEMORY_RESERVED_KIB);
    memory.resize(count, Block::default());
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut hash, &mut memory)
        .map_err(|_| "argon2 failed")?;
    Ok(hash)
}

fn fixed(octets: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    array
}
