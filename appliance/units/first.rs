//! The first start of a demonstration: a domain, two people, and lines to paste.
//!
//! `DATA/first-run.json` (0600) is written before the people are made, so that a start that was cut
//! off goes on with the same passwords. Keys of units that do not exist yet are left out:
//!
//! ```text
//! {"domain", "host", "ca",
//!  "ports": {"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http",
//!            "https"},
//!  "people": [{"address", "password"}],
//!  "setup": {"url", "code", "words"}}   while nobody owns it
//! ```

use crate::act::people;
use crate::serve::login::{make_credential, new_salt};
use crate::settings::{Ports, Settings, replace_file};
use crate::store::account::{self, NewAccount};
use crate::store::{Store, address};
use crate::wire::address::Address;
use crate::{clock, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

pub(crate) const HOST: &str = "mail.office.test";
const DOMAIN: &str = "office.test";
const PEOPLE: [(&str, &str); 2] = [("alice", "Alice"), ("bob", "Bob")];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FirstRun {
    domain: String,
    host: String,
    /// The file with the authority's certificate.
    ca: String,
    ports: BTreeMap<String, u16>,
    people: Vec<Person>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    setup: Option<Setup>,
}

/// Where to set it up, and what opens the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub url: String,
    pub code: String,
    /// Of the key of the certificate, to compare with those of the page before the warning.
    pub words: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Person {
    address: String,
    password: String,
}

/// Makes what a demonstration needs and is not there; returns the lines to print. Without `demo`
/// only a demonstration made before is told again, and where to set the server up.
pub(crate) async fn start(
    data: &Path,
    demo: bool,
    settings: &Settings,
    store: &Store,
    setup: Option<Setup>,
) -> Result<Vec<String>, String> {
    let path = data.join("first-run.json");
    let fault = |why: String| format!("{}: {why}", path.display());
    let mut first: FirstRun = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| fault(error.to_string()))?,
        Err(_) if !demo => return Ok(setup.iter().flat_map(setup_lines).collect()),
        Err(_) => invent()?,
    };
    let data = data.canonicalize().map_err(|error| fault(error.to_string()))?;
    first.ca = data.join("tls/ca.pem").display().to_string();
    first.host.clone_from(&settings.host);
    first.ports = ports(settings.ports);
    first.setup = setup;
    let text = serde_json::to_vec_pretty(&first).map_err(|error| fault(error.to_string()))?;
    replace_file(&path, &text).map_err(|error| fault(error.to_string()))?;
    if demo {
        make_missing(store, &first).await?;
    }
    Ok(lines(&first, settings.listen.first().copied()))
}

fn invent() -> Result<FirstRun, String> {
    let person = |(local, _): (&str, &str)| -> Result<Person, String> {
        Ok(Person { address: format!("{local}@{DOMAIN}"), password: people::made_up()? })
    };
    Ok(FirstRun {
        domain: DOMAIN.to_string(),
        host: String::new(),
        ca: String::new(),
        ports: BTreeMap::new(),
        people: PEOPLE.into_iter().map(person).collect::<Result<_, _>>()?,
        setup: None,
    })
}

fn ports(ports: Ports) -> BTreeMap<String, u16> {
    ports
        .named()
        .into_iter()
        .filter(|(_, port)| *port != 0)
        .map(|(name, port)| (name.to_string(), port))
        .collect()
}

/// The domain and the people, in one write.
async fn make_missing(store: &Store, first: &FirstRun) -> Result<(), String> {
    let read = store.snapshot().map_err(|error| error.to_string())?;
    let mut accounts = Vec::new();
    for person in &first.people {
        let known = account::by_login(&read, &person.address).map_err(|error| error.to_string())?;
        if known.is_none() {
            accounts.push(new_account(person)?);
        }
    }
    let domains = address::domains(&read).map_err(|error| error.to_string())?;
    drop(read);
    let add_domain = !domains.iter().any(|domain| domain.name == first.domain);
    let (domain, now) = (first.domain.clone(), clock::now());
    let write = store.write(move |batch| {
        if add_domain {
            address::add_domain(batch, &domain, now)?;
        }
        for account in &accounts {
            account::create(batch, account.clone(), now)?;
        }
        Ok(())
    });
    write.await.map_err(|error| format!("the demonstration's people cannot be made: {error}"))
}

fn new_account(person: &Person) -> Result<NewAccount, String> {
    let login = Address::parse(&person.address).map_err(|error| error.to_string())?;
    let known = PEOPLE.iter().find(|(local, _)| *local == login.local());
    let name = known.map_or(login.local(), |(_, name)| name).to_string();
    let salt = new_salt()?;
    let rounds = limits::SCRAM_ITERATIONS;
    let credential = make_credential("password", &person.password, &salt, rounds, clock::now())?;
    Ok(NewAccount {
        login,
        name,
        quota: limits::QUOTA_BYTES,
        credentials: vec![credential],
        scram_salt: salt,
        scram_iterations: rounds,
    })
}

/// Commands that work as they are pasted.
fn lines(first: &FirstRun, listen: Option<IpAddr>) -> Vec<String> {
    let at = match listen {
        Some(address) if !address.is_unspecified() => address.to_string(),
        _ => "127.0.0.1".to_string(),
    };
    let mut lines = vec![format!("Mailroom serves {} as {}.", first.domain, first.host)];
    for Person { address, password } in &first.people {
        lines.push(format!("  {address}  password {password}"));
    }
    let (ca, host) = (quoted(&first.ca), &first.host);
    let port = |name: &str| first.ports.get(name).copied();
    if let (Some(smtp), [alice, ..]) = (port("smtp"), first.people.as_slice()) {
        lines.push(String::from("Send a mail:"));
        lines.push(format!(
            "  swaks --server {at}:{smtp} --from friend@example.org --to {} --tls --tls-verify \
             --tls-sni {host} --tls-ca-path {ca} --header 'Subject: hello' --body hello",
            alice.address,
        ));
    }
    if let (Some(port), [alice, bob, ..]) = (port("submissions"), first.people.as_slice()) {
        lines.push(String::from("Send one as Alice, logged in:"));
        lines.push(format!(
            "  swaks --server {at}:{port} --tlsc --tls-verify --tls-sni {host} --tls-ca-path {ca} \
             --auth PLAIN --auth-user {} --auth-password '{}' --from {} --to {} \
             --header 'Subject: lunch' --body 'at noon?'",
            alice.address, alice.password, alice.address, bob.address,
        ));
    }
    let reading = [("imaps", "IMAP", "INBOX;MAILINDEX=1"), ("pop3s", "POP3", "1")];
    for (scheme, name, what) in reading {
        if let (Some(port), Some(alice)) = (port(scheme), first.people.first()) {
            lines.push(format!("Read it over {name}:"));
            lines.push(format!(
                "  curl --cacert {ca} --resolve {host}:{port}:{at} --user '{}:{}' \
                 '{scheme}://{host}:{port}/{what}'",
                alice.address, alice.password,
            ));
        }
    }
    lines.extend(first.setup.iter().flat_map(setup_lines));
    lines
}

fn setup_lines(setup: &Setup) -> [String; 3] {
    let Setup { url, code, words } = setup;
    [
        "Set it up in a browser:".to_string(),
        format!("  {url}  setup code {code}"),
        format!("  words of its certificate: {}", words.join(" ")),
    ]
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
