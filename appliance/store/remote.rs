//! What is remembered of other servers: their MTA-STS policies, and how TLS with them went.

use super::format::{StsPolicy, TlsCount, TlsDay, tag};
use super::key::{self, load, save};
use super::{Batch, Read, Result};
use crate::limits::{STS_POLICIES, TLS_COUNT_DAYS, TLS_COUNT_DOMAINS};

/// Domains above [`TLS_COUNT_DOMAINS`] are counted under this name.
pub(crate) const OTHERS: &str = "(others)";

// ---- MTA-STS ----

pub(crate) fn policy(read: &impl Read, domain: &str) -> Result<Option<StsPolicy>> {
    load(read, &key::sts_policy(domain))
}

/// Keeps a policy in place of an older one. Where there are too many, the one that was fetched
/// longest ago goes.
pub(crate) fn put_policy(batch: &mut Batch, policy: &StsPolicy) -> Result<()> {
    batch.check_room()?;
    let key = key::sts_policy(&policy.domain);
    let known = keys(batch, &[tag::STS_POLICY], &[tag::STS_POLICY + 1])?;
    if known >= STS_POLICIES && batch.get(&key)?.is_none() {
        let all = policies(batch, "", usize::MAX)?;
        if let Some(oldest) = all.iter().min_by_key(|policy| policy.fetched) {
            batch.delete(&key::sts_policy(&oldest.domain))?;
        }
    }
    save(batch, &key, policy)
}

pub(crate) fn forget_policy(batch: &mut Batch, domain: &str) -> Result<bool> {
    batch.delete(&key::sts_policy(domain))
}

/// In the order of domains, those after `after`, at most `limit`.
pub(crate) fn policies(read: &impl Read, after: &str, limit: usize) -> Result<Vec<StsPolicy>> {
    let mut found = Vec::new();
    let mut from = key::sts_policy(after);
    from.push(0);
    read.scan(&from, &[tag::STS_POLICY + 1], &mut |key, payload| {
        found.push(key::decode(key, payload)?);
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

// ---- counts ----

/// Connections of one day to the hosts of one domain that went alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Since 1970, UTC.
    pub day: u32,
    pub domain: String,
    pub policy: &'static str,
    pub result: &'static str,
    pub sessions: u64,
    pub host: String,
    pub why: String,
}

/// Adds to the counts, and forgets days that are too old.
pub(crate) fn count(batch: &mut Batch, counted: &[Counted]) -> Result<()> {
    let Some(today) = counted.iter().map(|one| one.day).max() else { return Ok(()) };
    batch.check_room()?;
    for one in counted {
        add(batch, one)?;
    }
    let kept = today.saturating_sub(TLS_COUNT_DAYS);
    let (first, end) = (key::tls_day(0, ""), key::tls_day(kept, ""));
    batch.delete_range(&first, &end)?;
    Ok(())
}

fn add(batch: &mut Batch, one: &Counted) -> Result<()> {
    let mut domain = one.domain.as_str();
    let mut row: Option<TlsDay> = load(batch, &key::tls_day(one.day, domain))?;
    if row.is_none() && domains(batch, one.day)? >= TLS_COUNT_DOMAINS {
        domain = OTHERS;
        row = load(batch, &key::tls_day(one.day, domain))?;
    }
    let mut row = row.unwrap_or_default();
    row.domain = domain.to_string();
    let alike =
        |count: &&mut TlsCount| (&*count.policy, &*count.result) == (one.policy, one.result);
    match row.counts.iter_mut().find(alike) {
        Some(count) => {
            count.sessions = count.sessions.saturating_add(one.sessions);
            (count.host, count.why) = (one.host.clone(), one.why.clone());
        }
        None => row.counts.push(TlsCount {
            policy: one.policy.to_string(),
            result: one.result.to_string(),
            sessions: one.sessions,
            host: one.host.clone(),
            why: one.why.clone(),
        }),
    }
    save(batch, &key::tls_day(one.day, domain), &row)
}

pub(crate) fn mark_reported(batch: &mut Batch, day: u32, domain: &str) -> Result<()> {
    let key = key::tls_day(day, domain);
    let Some(row) = load::<TlsDay>(batch, &key)? else { return Ok(()) };
    save(batch, &key, &TlsDay { reported: true, ..row })
}

fn domains(read: &impl Read, day: u32) -> Result<usize> {
    keys(read, &key::tls_day(day, ""), &key::tls_day(day.saturating_add(1), ""))
}

fn keys(read: &impl Read, from: &[u8], to: &[u8]) -> Result<usize> {
    let mut count = 0;
    read.keys(from, to, &mut |_| {
        count += 1;
        Ok(true)
    })?;
    Ok(count)
}

/// The counts of the days from `since` on, by day and domain.
pub(crate) fn counts(read: &impl Read, since: u32) -> Result<Vec<(u32, TlsDay)>> {
    let mut found = Vec::new();
    read.scan(&key::tls_day(since, ""), &[tag::TLS_DAY + 1], &mut |key, payload| {
        found.push((key::u32_at(key, 1)?, key::decode(key, payload)?));
        Ok(true)
    })?;
    Ok(found)
}
