//! Mail of many people at once, named in a CSV file.
//!
//! ```text
//! account,server,login,password              and, where they are needed: port,tls,mailbox
//! bob@office.test,gmail,bob@gmail.com,abcd efgh ijkl mnop
//! eve@office.test,imap.old.example,eve,-     what is kept of her outside account opens it
//!
//! file -> each line checked -> each log-in tried -> is one wrong? nothing begins
//!      -> so many at once, each as `import --imap` does it -> what each came to
//! ```
//!
//! It may be run again: what was brought is not brought twice.

use super::imap::{self, FromImap};
use super::{Imported, find_account};
use crate::act;
use crate::collect::imap::import::{Ask, Secret};
use crate::collect::probe::{self, Try};
use crate::collect::providers::{self, Login};
use crate::collect::reach::Security;
use crate::delivery::keyring::{Key, Keyring};
use crate::limits::{
    DISCOVER_TRY, DNS_QUESTION, IMPORT_AT_ONCE, IMPORT_CSV_BYTES, IMPORT_CSV_LINES,
};
use crate::net::resolver::{CLOCK, Resolver};
use crate::store::format::{Outside, OutsideHost};
use crate::store::outside::{self, OutsideId};
use crate::store::{AccountId, Store};
use crate::wire::address::check_domain;
use crate::wire::autoconfig::Kind;
use crate::wire::sasl;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};

/// What is asked.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Many {
    /// What stands in the file.
    pub csv: String,
    /// A PEM file with authorities beside the public ones.
    pub authority: Option<PathBuf>,
    /// Empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Only look whether all is right.
    #[serde(default)]
    pub only_check: bool,
}

/// There are passwords in it.
impl fmt::Debug for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Many({} octets)", self.csv.len())
    }
}

/// What one line came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OneOfMany {
    /// In the file, from 1.
    pub line: u64,
    pub account: String,
    /// "user@host".
    pub source: String,
    /// Why it came to no end; empty: it did.
    pub error: String,
    pub imported: Imported,
}

/// A mailbox elsewhere, and what opens it.
struct Job {
    line: u64,
    account: String,
    ask: Ask,
}

/// Brings it all in. The error names each line that is wrong; then nothing was begun.
pub(crate) fn import(
    store: &Store,
    many: &Many,
    told: &mut dyn FnMut(act::Progress),
) -> Result<Vec<OneOfMany>, String> {
    let lines = read(&many.csv)?;
    let mut wrong = Vec::new();
    let mut jobs = Vec::new();
    let mut seen: HashMap<(String, String, String), u64> = HashMap::new();
    for line in lines {
        let number = line.number;
        let again = (line.account.clone(), line.server.clone(), line.login.clone());
        match (seen.insert(again, number), job(store, line, many)) {
            (Some(first), _) => wrong.push((number, format!("line {first} says the same"))),
            (None, Ok(job)) => jobs.push(job),
            (None, Err(why)) => wrong.push((number, why)),
        }
    }
    if wrong.is_empty() {
        let refused = each(&jobs, |job| tried(job, many));
        let lines = jobs.iter().map(|job| job.line);
        wrong.extend(lines.zip(refused).filter_map(|(line, why)| Some((line, why.err()?))));
    }
    if !wrong.is_empty() {
        let told: Vec<String> =
            wrong.iter().map(|(line, why)| format!("line {line}: {why}")).collect();
        return Err(format!("nothing was begun; {}", told.join("; ")));
    }
    Ok(if many.only_check { jobs.iter().map(untouched).collect() } else { run(store, jobs, told) })
}

/// So many at once; `told` hears how far all of them are.
fn run(store: &Store, jobs: Vec<Job>, told: &mut dyn FnMut(act::Progress)) -> Vec<OneOfMany> {
    let (say, hear) = mpsc::sync_channel(IMPORT_AT_ONCE);
    std::thread::scope(|scope| {
        let all = &jobs;
        let work = scope.spawn(move || {
            let one = |(at, job): &(usize, &Job)| {
                let mut progress = |done| {
                    // Nobody may listen any more.
                    let _ = say.send((*at, done));
                };
                let came = imap::run(store, job.ask.clone(), &mut progress);
                let (error, imported) = match came {
                    Ok(imported) => (String::new(), imported),
                    Err(why) => (why, Imported::default()),
                };
                OneOfMany { error, imported, ..untouched(job) }
            };
            let numbered: Vec<(usize, &Job)> = all.iter().enumerate().collect();
            each(&numbered, one)
        });
        let mut parts: HashMap<usize, (u64, u64, u64)> = HashMap::new();
        for (at, done) in hear {
            if let act::Progress::Mail { messages, of, octets } = done {
                parts.insert(at, (messages, of, octets));
            }
            let sum = parts.values().fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
            let (messages, of, octets) = sum;
            told(act::Progress::Mail { messages, of, octets });
        }
        work.join().unwrap_or_default()
    })
}

fn untouched(job: &Job) -> OneOfMany {
    OneOfMany {
        line: job.line,
        account: job.account.clone(),
        source: format!("{}@{}", job.ask.login.user, job.ask.place.host),
        error: String::new(),
        imported: Imported::default(),
    }
}

/// A few at once, in their order.
fn each<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(0..all.len());
    let done = Mutex::new(Vec::with_capacity(all.len()));
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..IMPORT_AT_ONCE {
            scope.spawn(|| {
                while let Some((at, one)) = take().and_then(|at| Some((at, all.get(at)?))) {
                    let came = work(one);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, came));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, came)| came).collect()
}

// ---- what stands in the file ----

struct Line {
    number: u64,
    account: String,
    server: String,
    login: String,
    password: String,
    port: Option<u16>,
    tls: String,
    mailbox: Option<String>,
}

fn read(text: &str) -> Result<Vec<Line>, String> {
    if text.len() > IMPORT_CSV_BYTES {
        return Err(format!("the file is larger than {IMPORT_CSV_BYTES} octets"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Programs that make tables write ";" where "," stands in numbers.
    let head = text.lines().next().unwrap_or_default();
    let between = if head.contains(';') && !head.contains(',') { ';' } else { ',' };
    let mut records = records(text, between)?.into_iter();
    let head = records.next().map(|(_, head)| head).unwrap_or_default();
    for wanted in ["account", "server", "login", "password"] {
        if !head.iter().any(|name| name == wanted) {
            return Err(format!(
                "the first line names the columns, and there is none called {wanted}: \
                 account,server,login,password"
            ));
        }
    }
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (number, fields) in records {
        match line(number, &head, &fields) {
            Ok(line) => lines.push(line),
            // The line's own words may hold a password.
            Err(why) => wrong.push(format!("line {number}: {why}")),
        }
        if lines.len() + wrong.len() > IMPORT_CSV_LINES {
            return Err(format!("there are more than {IMPORT_CSV_LINES} lines"));
        }
    }
    match (wrong.is_empty(), lines.is_empty()) {
        (false, _) => Err(format!("nothing was begun; {}", wrong.join("; "))),
        (true, true) => Err("there is no line below the first".to_string()),
        (true, false) => Ok(lines),
    }
}

fn line(number: u64, head: &[String], fields: &[String]) -> Result<Line, String> {
    if fields.len() != head.len() {
        let (has, wanted) = (fields.len(), head.len());
        return Err(format!("it has {has} fields, and the first line {wanted}"));
    }
    let field = |name: &str| {
        let found = head.iter().zip(fields).find(|(known, _)| *known == name);
        found.map(|(_, field)| field.clone()).unwrap_or_default()
    };
    let port = match field("port").as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| "its port is no number of a port".to_string())?),
    };
    Ok(Line {
        number,
        account: field("account").to_lowercase(),
        server: field("server").trim_end_matches('.').to_lowercase(),
        login: field("login"),
        password: field("password"),
        port,
        tls: field("tls"),
        mailbox: Some(field("mailbox")).filter(|name| !name.is_empty()),
    })
}

/// RFC 4180 2: fields, some between quotes, in which a quote stands twice; each record with the
/// number of its line. Empty lines are none.
fn records(text: &str, between: char) -> Result<Vec<(u64, Vec<String>)>, String> {
    let mut records = Vec::new();
    let (mut fields, mut field) = (Vec::new(), Field::default());
    let (mut number, mut began) = (1, 1);
    let mut left = text.chars().peekable();
    while let Some(c) = left.next() {
        number += u64::from(c == '\n');
        match c {
            '"' if field.open && left.next_if_eq(&'"').is_some() => field.text.push('"'),
            '"' if field.open => field.open = false,
            _ if field.open => field.text.push(c),
            '"' if field.text.trim().is_empty() => {
                field = Field { text: String::new(), open: true, quoted: true };
            }
            '\n' => {
                fields.push(std::mem::take(&mut field).end());
                let record = std::mem::take(&mut fields);
                if record.iter().any(|field| !field.is_empty()) {
                    records.push((began, record));
                }
                began = number;
            }
            c if c == between => fields.push(std::mem::take(&mut field).end()),
            c if field.quoted && c.is_whitespace() => {}
            c => field.text.push(c),
        }
    }
    if field.open {
        return Err(format!("line {began}: a quote is opened and not closed"));
    }
    fields.push(field.end());
    if fields.iter().any(|field| !field.is_empty()) {
        records.push((began, fields));
    }
    Ok(records)
}

#[derive(Default)]
struct Field {
    text: String,
    open: bool,
    quoted: bool,
}

impl Field {
    /// Blanks around what is not quoted mean nothing.
    fn end(self) -> String {
        if self.quoted { self.text } else { self.text.trim().to_string() }
    }
}

/// What a line asks for; the error is for its writer.
fn job(store: &Store, line: Line, many: &Many) -> Result<Job, String> {
    let Line { number, account, server, login, password, .. } = line;
    let id = find_account(store, &account)?;
    let security = match line.tls.as_str() {
        "" | "implicit" => Security::Implicit,
        "starttls" => Security::StartTls,
        other => return Err(format!("tls is implicit or starttls, not {other:?}")),
    };
    let provider = providers::by_id(&server);
    let known = provider.and_then(|provider| provider.imap.as_ref());
    let host = match (provider, known) {
        (_, Some(server)) => server.host.clone(),
        (Some(provider), None) => return Err(format!("{} has no IMAP", provider.name)),
        (None, _) if server.parse::<std::net::IpAddr>().is_ok() => server,
        (None, _) => check_domain(&server).map_err(|_| {
            // A password may stand there by mistake.
            "what stands as its server is neither a known provider nor a server's name".to_string()
        })?,
    };
    if login.is_empty() {
        return Err("it has no log-in name".to_string());
    }
    let usual = if security == Security::StartTls { 143 } else { 993 };
    let port = line.port.or(known.map(|server| server.port)).unwrap_or(usual);
    let from = |password| FromImap {
        account: account.clone(),
        host: host.clone(),
        port,
        tls: security,
        user: login.clone(),
        password,
        authority: many.authority.clone(),
        mailbox: line.mailbox.clone(),
        name_servers: many.name_servers.clone(),
    };
    let ask = match password.as_str() {
        "" => return Err("it has no password".to_string()),
        "-" => {
            let mut ask = imap::ask(id, from(String::new()));
            ask.login.secret = kept(store, id, (&host, &login), many)?;
            ask
        }
        _ if provider.is_some_and(|provider| provider.password == Login::No) => {
            let why = "this provider lets programs in with tokens only: sign in with `mailroom \
                       collect add` and `collect sign-in`, and write - in place of the password";
            return Err(why.to_string());
        }
        password => imap::ask(id, from(password.to_string())),
    };
    Ok(Job { line: number, account, ask })
}

/// What is kept of the person's outside account with this server and name.
fn kept(
    store: &Store,
    account: AccountId,
    (host, login): (&str, &str),
    many: &Many,
) -> Result<Secret, String> {
    let rows = store.snapshot().and_then(|read| outside::of(&read, account));
    let rows = rows.map_err(|error| error.to_string())?;
    let is_it = |(_, row): &(OutsideId, Outside)| {
        row.login == login && row.source.as_ref().is_some_and(|at| at.host == host)
    };
    let (id, row) = rows.into_iter().find(is_it).ok_or_else(|| {
        format!("no password is kept: the person has no outside account of {login} at {host}")
    })?;
    secret(store, (id, &row), many.authority.clone(), &many.name_servers)
}

/// What opens an outside account now.
fn secret(
    store: &Store,
    (id, row): (OutsideId, &Outside),
    authority: Option<PathBuf>,
    name_servers: &[SocketAddr],
) -> Result<Secret, String> {
    let resolver = Resolver::new(name_servers, DNS_QUESTION)?;
    let keyring = Keyring::new(store.clone(), resolver, authority.as_deref(), CLOCK)?;
    let key = imap::alone(keyring.key(id, row))?;
    let Key { secret, token } = key.map_err(|no| no.words(&row.address))?;
    let text = String::from_utf8_lossy(&secret.0).into_owned();
    Ok(if token { Secret::Token(text) } else { Secret::Password(text) })
}

/// Does it let us in?
fn tried(job: &Job, many: &Many) -> Result<(), String> {
    let Ask { place, login, .. } = &job.ask;
    let tls = match place.tls {
        Security::StartTls => outside::STARTTLS,
        Security::Implicit | Security::None => outside::IMPLICIT,
    };
    let at = OutsideHost { host: place.host.clone(), port: place.port.into(), tls };
    let (text, token) = match &login.secret {
        Secret::Password(text) => (text, false),
        Secret::Token(text) => (text, true),
    };
    let secret = sasl::Secret(text.clone().into_bytes());
    let wanted = Try { kind: Kind::Imap, at: &at, user: &login.user, secret: &secret, token };
    let tried = async {
        let resolver = Resolver::new(&many.name_servers, DNS_QUESTION)?;
        let probe = probe::probe(&resolver, many.authority.as_deref(), wanted);
        match tokio::time::timeout(DISCOVER_TRY, probe).await {
            Ok(came) => came.map_err(|fault| fault.to_string()),
            Err(_) => Err(format!("{} does not answer in time", at.host)),
        }
    };
    imap::alone(tried)?
}

// ---- for people ----

pub(crate) fn printed(all: &[OneOfMany]) -> String {
    let one = |it: &OneOfMany| {
        let came = match it.error.as_str() {
            "" => it.imported.to_string(),
            why => format!("not all: {why}"),
        };
        format!("line {}: {} from {}: {came}\n", it.line, it.account, it.source)
    };
    all.iter().map(one).collect()
}
