//! Signing in at a provider that wants tokens (RFC 8628): the person types a code in there, in a
//! browser of their own, and we ask until it was done.

use super::{Outcome, find};
use crate::act::Reply;
use crate::act::failure::Failure;
use crate::act::words::plain;
use crate::limits::DNS_QUESTION;
use crate::net::dial::Trust;
use crate::net::oauth::{Begun, Client, NoToken, Polled};
use crate::net::resolver::Resolver;
use crate::settings::{self, Outgoing};
use crate::store::format::{Oauth, Outside, Secrets};
use crate::store::outside::{self, OutsideId};
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the person must do.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SignInView {
    pub login: String,
    pub address: String,
    /// Where the code is typed in.
    pub url: String,
    pub code: String,
    /// By which it is asked whether that was done.
    pub device: String,
    /// Seconds between two questions, and until the code ends.
    pub interval: u64,
    pub expires_in: u64,
}

impl fmt::Debug for SignInView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignInView({}, {})", self.address, self.url)
    }
}

pub(super) fn begin(store: &Store, login: &str, address: &str) -> Outcome {
    let what = format!("cannot sign in as {address}");
    let desk = Desk::open(store, login, address, &what)?;
    let begun = desk.ask(async |client| client.begin().await);
    let begun: Begun = begun.map_err(|no| failure(&what, &no))?;
    Ok(Reply::SignIn(SignInView {
        login: login.to_string(),
        address: address.to_string(),
        url: begun.url,
        code: begun.user_code,
        device: begun.device_code,
        interval: begun.interval,
        expires_in: begun.expires_in,
    }))
}

pub(super) fn wait(store: &Store, login: &str, address: &str, begun: &SignInView) -> Outcome {
    let what = format!("cannot sign in as {address}");
    let desk = Desk::open(store, login, address, &what)?;
    let polled = desk.ask(async |client| client.poll(&begun.device).await);
    let tokens = match polled.map_err(|no| failure(&what, &no))? {
        Polled::Pending => return Ok(Reply::SignInWaits(begun.interval)),
        // RFC 8628 3.5: five seconds more each time
        Polled::SlowDown => return Ok(Reply::SignInWaits(begun.interval + 5)),
        Polled::Tokens(tokens) => tokens,
    };
    if tokens.refresh.is_empty() {
        let why = "the provider gave no token that lasts";
        return Err(Failure::new(&what, why, "ask for offline access in --scope"));
    }
    let fault = |error: StoreError| Failure::store(&what, &error);
    let sealer = store.sealer().map_err(fault)?;
    let secrets = Secrets { refresh_token: tokens.refresh, ..desk.secrets };
    let id = desk.id;
    let kept = store.write_blocking(move |batch| {
        outside::change(batch, id, Some((&sealer, &secrets)), &mut |_| Ok(()))?;
        if outside::import(batch, id)?.is_some() {
            // It may have waited for this.
            outside::note_import(batch, id, &mut |import| (import.tries, import.next) = (0, 0))?;
        }
        outside::note(batch, id, &mut |state| {
            (state.failures, state.told, state.trouble) = (0, false, 0);
            state.error.clear();
        })
    });
    kept.map_err(fault)?;
    Ok(Reply::Done(format!("signed in as {address}")))
}

fn failure(what: &str, no: &NoToken) -> Failure {
    let remedy = match no {
        NoToken::Refused(_) => "look whether the client's id is right, and begin anew",
        NoToken::Passing(_) => "try again in a while",
    };
    Failure::new(what, no, remedy)
}

/// Who asks, for which account.
struct Desk {
    id: OutsideId,
    oauth: Oauth,
    secrets: Secrets,
    outgoing: Outgoing,
}

impl Desk {
    fn open(store: &Store, login: &str, address: &str, what: &str) -> Result<Desk, Failure> {
        let (id, row): (_, Outside) = find(store, login, address, what)?;
        let sealer = store.sealer().map_err(|error| Failure::store(what, &error))?;
        let secrets = outside::secrets(id, &row, &sealer).unwrap_or_default();
        let Some(oauth) = row.oauth else {
            let remedy = "name the client: `mailroom collect change --client-id ID`";
            return Err(Failure::new(what, "it logs in with a password", remedy));
        };
        if oauth.device_url.is_empty() {
            let why = "the provider gives no codes to type in";
            return Err(Failure::new(what, why, "use a password that is made for programs"));
        }
        Ok(Desk { id, oauth, secrets, outgoing: outgoing(store) })
    }

    fn ask<T>(
        &self,
        with: impl AsyncFnOnce(&Client<'_>) -> Result<T, NoToken>,
    ) -> Result<T, NoToken> {
        let trouble = |why: String| NoToken::Passing(why);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| trouble(format!("no threads: {error}")))?;
        let resolver = Resolver::new(&self.outgoing.name_servers, DNS_QUESTION).map_err(trouble)?;
        let trust = Trust::proven(self.outgoing.authority.as_deref());
        let trust = trust.map_err(|fault| trouble(fault.to_string()))?;
        let client = Client {
            resolver: &resolver,
            trust: &trust,
            id: &self.oauth.client_id,
            secret: &self.secrets.client_secret,
            device_url: &self.oauth.device_url,
            token_url: &self.oauth.token_url,
            scope: &self.oauth.scope,
        };
        runtime.block_on(with(&client))
    }
}

/// How this box reaches others: the settings stand beside the folder of the store.
pub(in crate::act) fn outgoing(store: &Store) -> Outgoing {
    let file = store.folder().parent().map(|data| data.join("mailroom.toml"));
    let read = file.and_then(|file| settings::load(&file).ok());
    read.map(|settings| settings.outgoing).unwrap_or_default()
}

pub(crate) fn printed(view: &SignInView) -> String {
    format!(
        "Open {} and type in the code {}\nIt is waited for, {} minutes at most.\n",
        plain(&view.url),
        plain(&view.code),
        view.expires_in / 60
    )
}
