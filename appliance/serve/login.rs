//! Log-ins: answers [`LoginAsk`].

use crate::wire::sasl::{LoginAnswer, LoginAsk};
use std::net::IpAddr;
use std::sync::Arc;

/// What all log-ins of the server share.
pub(crate) struct Logins {}

/// The log-ins of one connection; each protocol's handler holds one.
pub(crate) struct Desk {}

impl Logins {
    pub(crate) fn desk(self: &Arc<Self>, _unit: &'static str, _remote: IpAddr) -> Desk {
        todo!()
    }
}

impl Desk {
    pub(crate) async fn answer(&self, _ask: LoginAsk) -> LoginAnswer {
        todo!()
    }
}
pub(crate) fn make_credential(
    _label: &str,
    _password: &str,
    _salt: &[u8],
    _iterations: u32,
    _now: i64,
) -> Result<crate::store::format::Credential, &'static str> {
    todo!()
}
pub(crate) fn new_salt() -> Result<Vec<u8>, &'static str> {
    todo!()
}
