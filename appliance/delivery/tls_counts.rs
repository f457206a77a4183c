//! How TLS with other domains goes, counted as RFC 8460 has it: by day, domain, kind of policy and
//! result. Counts gather in memory and are written together; a crash loses the last minute of them.

use crate::limits;
use crate::store::remote::{self, Counted};
use crate::store::{Result, Store};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// RFC 8460 4.3: what can go wrong.
pub(super) mod result {
    pub(in crate::delivery) const SUCCESS: &str = "";
    pub(in crate::delivery) const STARTTLS_NOT_SUPPORTED: &str = "starttls-not-supported";
    pub(in crate::delivery) const CERTIFICATE_HOST_MISMATCH: &str = "certificate-host-mismatch";
    pub(in crate::delivery) const CERTIFICATE_EXPIRED: &str = "certificate-expired";
    pub(in crate::delivery) const CERTIFICATE_NOT_TRUSTED: &str = "certificate-not-trusted";
    pub(in crate::delivery) const VALIDATION_FAILURE: &str = "validation-failure";
    pub(in crate::delivery) const TLSA_INVALID: &str = "tlsa-invalid";
    pub(in crate::delivery) const DNSSEC_INVALID: &str = "dnssec-invalid";
    pub(in crate::delivery) const STS_POLICY_FETCH_ERROR: &str = "sts-policy-fetch-error";
    pub(in crate::delivery) const STS_POLICY_INVALID: &str = "sts-policy-invalid";
    pub(in crate::delivery) const STS_WEBPKI_INVALID: &str = "sts-webpki-invalid";
}

/// RFC 8460 4.4: kinds of policy.
pub(super) mod policy {
    pub(in crate::delivery) const TLSA: &str = "tlsa";
    pub(in crate::delivery) const STS: &str = "sts";
    pub(in crate::delivery) const NONE: &str = "no-policy-found";
}

type Key = (u32, String, &'static str, &'static str);

/// What is not written yet.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<Key, Counted>>);

impl Ledger {
    /// One connection more. `now`: seconds since 1970.
    pub(super) fn count(&self, now: i64, one: Counted) {
        let day = u32::try_from(now.div_euclid(24 * 3600)).unwrap_or(0);
        let one = Counted { day, sessions: 1, ..one };
        let Ok(mut waiting) = self.0.lock() else { return };
        if waiting.len() >= limits::STS_TRIED {
            return;
        }
        let key = (day, one.domain.clone(), one.policy, one.result);
        let sessions = waiting.get(&key).map_or(0, |known| known.sessions);
        waiting.insert(key, Counted { sessions: sessions.saturating_add(1), ..one });
    }

    /// Writes what has gathered.
    pub(crate) async fn write(&self, store: &Store) -> Result<()> {
        let waiting = match self.0.lock() {
            Ok(mut waiting) => std::mem::take(&mut *waiting),
            Err(_) => return Ok(()),
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let counted: Vec<Counted> = waiting.into_values().collect();
        let again = counted.clone();
        let written = store.write(move |batch| remote::count(batch, &counted)).await;
        if written.is_err()
            && let Ok(mut waiting) = self.0.lock()
        {
            for one in again {
                let key = (one.day, one.domain.clone(), one.policy, one.result);
                let more = waiting.get(&key).map_or(0, |known| known.sessions);
                waiting.insert(key, Counted { sessions: one.sessions + more, ..one });
            }
        }
        written
    }
}
