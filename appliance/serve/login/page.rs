//! Log-ins of people on the pages: the passwords, and the throttle, are those of mail, so that
//! whoever guesses gains nothing by trying both.

use super::{Logins, Pair, Secret, folded, name_hash, prepared, which_password};
use crate::event::{Event, emit};
use crate::limits;
use crate::net::network;
use crate::store::Result;
use crate::wire::scram;
use std::net::IpAddr;
use std::sync::PoisonError;

/// What came of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageLogin {
    Granted {
        account: u32,
        login: String,
        /// Which password it was.
        credential: u64,
    },
    Denied,
    /// Too many wrong ones of late: not looked at. Seconds to wait.
    Later(u64),
}

impl Logins {
    /// Is this somebody's password with this label? One of a program opens its mail and no page.
    /// Blocks for tens of milliseconds. A wrong one costs the next a wait, which is told and not
    /// sat out: a thread of the pool is for pages.
    pub(crate) fn check_page(
        &self,
        name: &str,
        password: &str,
        label: &str,
        remote: IpAddr,
    ) -> Result<PageLogin> {
        let name = folded(name);
        let pair = Pair { network: network(remote), name: name_hash(&name) };
        // One at a time: argon2 takes memory, and so each guess sees the failures before it.
        let _turn = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.state().throttle.look(pair, self.now());
        if !wait.is_zero() {
            return Ok(PageLogin::Later(wait.as_secs() + 1));
        }
        let found = self.find(&name)?;
        let password = prepared(&Secret(password.as_bytes().to_vec()));
        let which = password.and_then(|it| which_password(&found.account, &it, &self.dummy));
        let own = found.account.credentials.iter().find(|it| it.label == label);
        let own = own.map(|it| scram::mark(&it.stored_key)).filter(|own| which == Some(*own));
        if let (Some(id), Some(credential)) = (found.id, own) {
            let login = found.account.login;
            self.state().throttle.granted(pair);
            emit(Event::LoginGranted { unit: "page", remote, login: login.clone() });
            return Ok(PageLogin::Granted { account: id.0, login, credential });
        }
        self.state().throttle.failed(pair, self.now());
        let login = name.chars().take(limits::LOGIN_NAME_SHOWN).collect();
        emit(Event::LoginDenied { unit: "page", remote, login });
        Ok(PageLogin::Denied)
    }
}
