//! Out by the provider: mail with an outside address of a person leaves by the server that the
//! person's account there names, so that From, DKIM and SPF stay of one domain.

use super::connection::Network;
use crate::settings::{Relay, RelayTls};
use crate::store::format::Outside;
use crate::store::outside::{self, OutsideId};
use crate::wire::address::Address;
use crate::wire::smtp::Reply;

impl Network {
    /// The outside account by which mail of this sender leaves.
    fn outside_of(&self, sender: &str) -> Option<(OutsideId, Outside)> {
        let store = self.store.as_ref().filter(|_| !sender.is_empty())?;
        // A store that cannot be read says so elsewhere.
        store.snapshot().and_then(|read| outside::by_sender(&read, sender)).ok().flatten()
    }

    /// The provider does not take the token any more: the next try gets another.
    pub(super) async fn forget_token(&self, sender: Option<&Address>) {
        let found = sender.and_then(|sender| self.outside_of(&sender.to_string()));
        if let (Some((id, _)), Some(keyring)) = (found, &self.keyring) {
            keyring.forget(id).await;
        }
    }

    /// What a line of the outbox is called that leads there.
    pub(super) fn outside_way(&self, sender: &str) -> Option<String> {
        let (_, row) = self.outside_of(sender)?;
        let host = row.relay.as_ref()?;
        Some(format!("relay {}:{} for {}", host.host, host.port, row.address))
    }

    /// Where mail of this sender leaves; `None`: as other mail. The error is for the trace.
    pub(super) async fn outside_relay(
        &self,
        sender: Option<&Address>,
    ) -> Result<Option<Relay>, String> {
        let found = sender.and_then(|sender| self.outside_of(&sender.to_string()));
        let Some((id, row)) = found else { return Ok(None) };
        let (Some(host), Some(keyring)) = (&row.relay, &self.keyring) else { return Ok(None) };
        let key = keyring.key(id, &row).await.map_err(|no| no.words(&row.address))?;
        let user = if row.relay_login.is_empty() { &row.login } else { &row.relay_login };
        let secret = String::from_utf8_lossy(&key.secret.0).into_owned();
        Ok(Some(Relay {
            host: host.host.clone(),
            port: u16::try_from(host.port).unwrap_or_default(),
            tls: match host.tls {
                outside::IMPLICIT => RelayTls::Implicit,
                _ => RelayTls::StartTls,
            },
            login: Some((user.clone(), secret)),
            token: key.token,
            authority: self.outgoing.authority.clone(),
        }))
    }
}

/// What a provider's refusal means, and what to do; empty where the words speak for themselves.
pub(crate) fn meaning(reply: &Reply) -> &'static str {
    let said = reply.to_string().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
    match reply.code {
        530 | 534 | 535 | 538 => {
            "The provider refuses the log-in: the password may have changed, or it wants one made \
             for programs. Give it anew."
        }
        _ if says(&["send as", "sendas", "not owned by", "sender address rejected", "5.7.60"])
            || says(&["not allowed to send from", "from address is not", "sender not allowed"]) =>
        {
            "The provider does not let this account send with this address: add the address there, \
             or send with the account's own."
        }
        _ if says(&["daily", "limit exceeded", "quota", "too many", "5.4.5", "4.5.3"]) => {
            "The provider lets only so much mail out in a while, and it is used up: it is tried \
             again, or send less by it."
        }
        _ if says(&["spam", "policy", "suspicious", "content rejected"]) => {
            "The provider takes the letter for unwanted mail: write to its support, or change the \
             letter."
        }
        _ => "",
    }
}
