//! Tokens: with one a program acts for the owner, over the API.

use super::Reply;
use super::failure::Failure;
use super::words::{date_time, plain, table};
use crate::limits::LABEL_BYTES;
use crate::store::format::Token;
use crate::store::{Read, Store, StoreError, owner};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenAct {
    Add { name: String },
    List,
    Remove { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenView {
    pub name: String,
    /// Seconds since 1970.
    pub created: i64,
}

/// A token that was made: it is told this once and kept nowhere.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenMade {
    pub name: String,
    pub token: String,
}

impl fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenMade({})", self.name)
    }
}

/// Before every token, so that whoever finds one in a file knows what it opens.
const BEGINS: &str = "mailroom_";

pub(crate) fn act(store: &Store, act: TokenAct, now: i64) -> Result<Reply, Failure> {
    match act {
        TokenAct::Add { name } => add(store, &name, now),
        TokenAct::List => {
            let listed = store.snapshot().and_then(|read| owner::tokens(&read));
            let listed = listed.map_err(|error| Failure::store("cannot list tokens", &error))?;
            let view = |token: Token| TokenView { name: token.name, created: token.created };
            Ok(Reply::Tokens(listed.into_iter().map(view).collect()))
        }
        TokenAct::Remove { name } => {
            let what = format!("cannot remove the token {name}");
            let done = format!("the token {name} opens nothing any more");
            store
                .write_blocking(move |batch| owner::remove_token(batch, &name))
                .map_err(|error| Failure::store(&what, &error))?;
            Ok(Reply::Done(done))
        }
    }
}

fn add(store: &Store, name: &str, now: i64) -> Result<Reply, Failure> {
    let what = format!("cannot make the token {name}");
    let name = name.trim().to_string();
    if name.is_empty() || name.len() > LABEL_BYTES || name.chars().any(char::is_control) {
        let why = "its name is empty or too long, or has a character that cannot be seen";
        return Err(Failure::new(&what, why, "name the program, as \"monitoring\""));
    }
    let mut random = [0; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Failure::new(&what, "the system gives no random numbers", ""))?;
    let token = format!("{BEGINS}{}", URL_SAFE_NO_PAD.encode(random));
    let row = Token { name: name.clone(), hash: hash(&token), created: now };
    store
        .write_blocking(move |batch| owner::add_token(batch, &row))
        .map_err(|error| Failure::store(&what, &error))?;
    Ok(Reply::Token(TokenMade { name, token }))
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// The name of the program that has this token.
pub(crate) fn whose(read: &impl Read, token: &str) -> Result<Option<String>, StoreError> {
    let hash = hash(token);
    // Every one of them is compared, so that time tells nothing.
    let mut found = None;
    for kept in owner::tokens(read)? {
        if bool::from(kept.hash.ct_eq(&hash)) {
            found = Some(kept.name);
        }
    }
    Ok(found)
}

/// Is a token in this text, or what could be one?
pub(crate) fn is_in(text: &str) -> bool {
    // 32 octets in base64.
    const LETTERS: usize = 43;
    let of_token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.split(BEGINS).skip(1).any(|rest| rest.chars().take_while(of_token).count() >= LETTERS)
}

// ---- for people ----

pub(crate) fn printed(tokens: &[TokenView]) -> String {
    if tokens.is_empty() {
        return "no program has a token\n".into();
    }
    let row = |view: &TokenView| vec![plain(&view.name), date_time(view.created)];
    let rows: Vec<_> = tokens.iter().map(row).collect();
    table(&["name", "made (UTC)"], &rows)
}

pub(crate) fn printed_new(made: &TokenMade) -> String {
    format!("{}: {}\nIt is shown only this once.\n", plain(&made.name), made.token)
}
