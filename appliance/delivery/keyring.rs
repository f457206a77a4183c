//! What opens outside accounts: passwords as they are kept, and access tokens, which are kept in
//! memory only and renewed before they end.

use crate::limits::OAUTH_SPARE_SECONDS;
use crate::net::dial::Trust;
use crate::net::oauth::{Client, NoToken};
use crate::net::resolver::{Clock, Resolver};
use crate::store::format::{Oauth, Outside, Secrets};
use crate::store::outside::{self, OutsideId};
use crate::store::{Store, StoreError};
use crate::wire::sasl::Secret;
use std::collections::HashMap;
use std::path::Path;
use tokio::sync::Mutex;

/// Shared by all who log in: a provider may take a token back when an old one is shown again.
pub(crate) struct Keyring {
    store: Store,
    resolver: Resolver,
    trust: Trust,
    clock: Clock,
    /// Which change of the account it is of, the token, and until when it is good.
    tokens: Mutex<HashMap<OutsideId, (u32, Secret, i64)>>,
}

/// What to say.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub secret: Secret,
    /// It is an access token.
    pub token: bool,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// It was sealed on another box.
    Unreadable,
    /// Nobody has logged in yet, or the provider took it back.
    LogIn(String),
    Passing(String),
}

impl NoKey {
    /// For the trace: why, and what to do.
    pub(crate) fn words(&self, address: &str) -> String {
        match self {
            Self::Unreadable => format!(
                "The password of {address} cannot be read on this box: it was kept with another \
                 key, as after a restore. Give it anew."
            ),
            Self::LogIn(why) => format!(
                "The provider of {address} wants you to sign in anew ({why}): `mailroom collect \
                 sign-in`."
            ),
            Self::Passing(why) => format!("No token for {address} now: {why}."),
        }
    }
}

impl Keyring {
    /// `authority`: a PEM file with authorities beside the public ones.
    pub(crate) fn new(
        store: Store,
        resolver: Resolver,
        authority: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, String> {
        let trust = Trust::proven(authority).map_err(|fault| fault.to_string())?;
        Ok(Self { store, resolver, trust, clock, tokens: Mutex::default() })
    }

    pub(crate) fn client<'a>(&'a self, oauth: &'a Oauth, secrets: &'a Secrets) -> Client<'a> {
        Client {
            resolver: &self.resolver,
            trust: &self.trust,
            id: &oauth.client_id,
            secret: &secrets.client_secret,
            device_url: &oauth.device_url,
            token_url: &oauth.token_url,
            scope: &oauth.scope,
        }
    }

    pub(crate) async fn key(&self, id: OutsideId, row: &Outside) -> Result<Key, NoKey> {
        let Some(oauth) = row.oauth.as_ref().filter(|_| row.way == outside::XOAUTH2) else {
            let secrets = self.secrets(id, row)?;
            return Ok(Key { secret: Secret(secrets.password.into_bytes()), token: false });
        };
        let now = (self.clock)();
        // One after the other, so that no token is renewed twice.
        let mut tokens = self.tokens.lock().await;
        if let Some((changes, token, until)) = tokens.get(&id)
            && (*changes, *until - OAUTH_SPARE_SECONDS > now) == (row.changes, true)
        {
            return Ok(Key { secret: token.clone(), token: true });
        }
        // The row may have been renewed since it was read.
        let read = self.store.snapshot().and_then(|read| outside::get(&read, id));
        let row = read.map_err(|error| passing(&error))?.ok_or(NoKey::Unreadable)?;
        let mut secrets = self.secrets(id, &row)?;
        if secrets.refresh_token.is_empty() {
            return Err(NoKey::LogIn("nobody has signed in yet".to_string()));
        }
        // The provider forgets the old token, and the new one must be written down.
        let moving = || NoKey::Passing(StoreError::Moving.to_string());
        let _at_work = self.store.at_work().ok_or_else(moving)?;
        let renewed = self.client(oauth, &secrets).renew(&secrets.refresh_token).await;
        let renewed = renewed.map_err(|no| match no {
            NoToken::Refused(why) => NoKey::LogIn(why),
            NoToken::Passing(why) => NoKey::Passing(why),
        })?;
        let token = Secret(renewed.access.into_bytes());
        tokens.insert(id, (row.changes, token.clone(), now.saturating_add(renewed.expires_in)));
        if !renewed.refresh.is_empty() && renewed.refresh != secrets.refresh_token {
            secrets.refresh_token = renewed.refresh;
            self.keep(id, secrets).await.map_err(|error| passing(&error))?;
        }
        Ok(Key { secret: token, token: true })
    }

    /// The provider said that the token is not good, whatever was said before.
    pub(crate) async fn forget(&self, id: OutsideId) {
        self.tokens.lock().await.remove(&id);
    }

    async fn keep(&self, id: OutsideId, secrets: Secrets) -> Result<(), StoreError> {
        let sealer = self.store.sealer()?;
        self.store.write(move |batch| outside::renew(batch, id, (&sealer, &secrets))).await
    }

    fn secrets(&self, id: OutsideId, row: &Outside) -> Result<Secrets, NoKey> {
        let sealer = self.store.sealer().map_err(|error| passing(&error))?;
        outside::secrets(id, row, &sealer).ok_or(NoKey::Unreadable)
    }
}

fn passing(error: &StoreError) -> NoKey {
    NoKey::Passing(error.to_string())
}
