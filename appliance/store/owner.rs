//! The owner of the box, how far the setting up has come, the programs that act for the owner, and
//! the list of who did what.

use super::format::{Audit, Looked, Move, Moves, Owner, Setup, Token, Tokens, tag};
use super::key::{
    self, OWNER_LOOKED, OWNER_MOVES, OWNER_SELF, OWNER_SETUP, OWNER_TOKENS, load, save,
};
use super::{Batch, Read, Result, StoreError};
use crate::limits;

/// The owner, once the box has one.
pub(crate) fn get(read: &impl Read) -> Result<Option<Owner>> {
    load(read, &key::owner(OWNER_SELF))
}

/// Makes the first who asks the owner, and nobody after.
pub(crate) fn claim(batch: &mut Batch, owner: &Owner) -> Result<()> {
    if get(batch)?.is_some() {
        return Err(StoreError::Exists("an owner of this box"));
    }
    save(batch, &key::owner(OWNER_SELF), owner)
}

/// A reset at the box: the owner's password, the second factor and the tokens of programs go.
/// Whoever has the new setup code is the owner then. False: the one of this number was done before.
pub(crate) fn forget(batch: &mut Batch, number: u64, act: &Audit) -> Result<bool> {
    let mut setup = setup(batch)?;
    if setup.reset == number {
        return Ok(false);
    }
    setup.reset = number;
    save(batch, &key::owner(OWNER_SETUP), &setup)?;
    batch.delete(&key::owner(OWNER_SELF))?;
    batch.delete(&key::owner(OWNER_TOKENS))?;
    note(batch, act)?;
    Ok(true)
}

/// Changes password or second factor.
pub(crate) fn change(
    batch: &mut Batch,
    edit: &mut dyn FnMut(&mut Owner) -> Result<()>,
) -> Result<()> {
    let mut owner = get(batch)?.ok_or(StoreError::NotFound("owner of this box"))?;
    let changes = owner.changes;
    edit(&mut owner)?;
    owner.changes = changes.wrapping_add(1);
    save(batch, &key::owner(OWNER_SELF), &owner)
}

/// RFC 6238 5.2: a code that was accepted is not accepted a second time. False: it was before.
pub(crate) fn use_totp(batch: &mut Batch, step: u64) -> Result<bool> {
    let mut owner = get(batch)?.ok_or(StoreError::NotFound("owner of this box"))?;
    if step <= owner.totp_step {
        return Ok(false);
    }
    owner.totp_step = step;
    save(batch, &key::owner(OWNER_SELF), &owner)?;
    Ok(true)
}

/// How far the setting up has come.
pub(crate) fn setup(read: &impl Read) -> Result<Setup> {
    Ok(load(read, &key::owner(OWNER_SETUP))?.unwrap_or_default())
}

pub(crate) fn change_setup(batch: &mut Batch, edit: &mut dyn FnMut(&mut Setup)) -> Result<()> {
    let mut setup = setup(batch)?;
    edit(&mut setup);
    save(batch, &key::owner(OWNER_SETUP), &setup)
}

/// The programs that may act for the owner, in the order in which they were named.
pub(crate) fn tokens(read: &impl Read) -> Result<Vec<Token>> {
    let row: Option<Tokens> = load(read, &key::owner(OWNER_TOKENS))?;
    Ok(row.unwrap_or_default().tokens)
}

pub(crate) fn add_token(batch: &mut Batch, token: &Token) -> Result<()> {
    let mut tokens = tokens(batch)?;
    if tokens.iter().any(|it| it.name == token.name) {
        return Err(StoreError::Exists("a token of this name"));
    }
    if tokens.len() >= limits::API_TOKENS {
        return Err(StoreError::Limit("tokens of programs"));
    }
    tokens.push(token.clone());
    save(batch, &key::owner(OWNER_TOKENS), &Tokens { tokens })
}

pub(crate) fn remove_token(batch: &mut Batch, name: &str) -> Result<()> {
    let mut tokens = tokens(batch)?;
    let before = tokens.len();
    tokens.retain(|it| it.name != name);
    if tokens.len() == before {
        return Err(StoreError::NotFound("token"));
    }
    save(batch, &key::owner(OWNER_TOKENS), &Tokens { tokens })
}

/// What the last look at the world came to.
pub(crate) fn looked(read: &impl Read) -> Result<Option<Looked>> {
    load(read, &key::owner(OWNER_LOOKED))
}

pub(crate) fn keep_looked(batch: &mut Batch, looked: &Looked) -> Result<()> {
    save(batch, &key::owner(OWNER_LOOKED), looked)
}

/// The domains that come here from another provider.
pub(crate) fn moves(read: &impl Read) -> Result<Vec<Move>> {
    let row: Option<Moves> = load(read, &key::owner(OWNER_MOVES))?;
    Ok(row.unwrap_or_default().moves)
}

pub(crate) fn keep_moves(batch: &mut Batch, moves: Vec<Move>) -> Result<()> {
    save(batch, &key::owner(OWNER_MOVES), &Moves { moves })
}

/// Writes an act down; the oldest of too many goes.
pub(crate) fn note(batch: &mut Batch, act: &Audit) -> Result<()> {
    let mut act = act.clone();
    for text in [&mut act.who, &mut act.from, &mut act.what, &mut act.about, &mut act.failed] {
        cut(text);
    }
    let number = last(batch)?.map_or(1, |last| last.saturating_add(1));
    save(batch, &key::audit(number), &act)?;
    match number.checked_sub(limits::AUDIT_ACTS) {
        Some(old) => batch.delete(&key::audit(old)).map(drop),
        None => Ok(()),
    }
}

/// Acts before the one of this number, the newest first, each with its number.
pub(crate) fn acts(
    read: &impl Read,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<(u64, Audit)>> {
    let mut acts = Vec::new();
    let Some(last) = last(read)? else { return Ok(acts) };
    let mut number = before.map_or(last, |before| before.saturating_sub(1).min(last));
    let oldest = last.saturating_sub(limits::AUDIT_ACTS);
    while number > oldest && acts.len() < most {
        if let Some(act) = load(read, &key::audit(number))? {
            acts.push((number, act));
        }
        number -= 1;
    }
    Ok(acts)
}

fn last(read: &impl Read) -> Result<Option<u64>> {
    let prefix = [tag::AUDIT];
    let last = read.last_key(&prefix, &key::after(&prefix))?;
    last.map(|last| key::u64_at(&last, 1)).transpose()
}

/// What came in by a form may be long.
fn cut(text: &mut String) {
    if text.len() > limits::AUDIT_TEXT_BYTES {
        let end = (0..=limits::AUDIT_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
}
