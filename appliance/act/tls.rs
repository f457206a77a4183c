//! How TLS with other servers goes, and the policies they ask for.

use super::Reply;
use super::failure::Failure;
use super::words::{date_time, plain, table};
use crate::store::format::{StsPolicy, TlsDay};
use crate::store::{Store, remote};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: i64 = 24 * 3600;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsAct {
    /// Today and the days before it, so many in all.
    Counts {
        days: u32,
    },
    Policies,
}

/// Connections of one day to the hosts of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TlsDayView {
    /// As "2026-11-25", UTC.
    pub day: String,
    pub domain: String,
    /// RFC 8460 4.4: "tlsa" (DANE), "sts" or "no-policy-found".
    pub policy: String,
    /// Connections under TLS that were as the policy asks.
    pub succeeded: u64,
    pub failed: u64,
    pub failures: Vec<TlsFailureView>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TlsFailureView {
    /// RFC 8460 4.3, such as "certificate-expired".
    pub result: String,
    pub sessions: u64,
    /// The last host it happened with, and in which words.
    pub host: String,
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StsPolicyView {
    pub domain: String,
    pub id: String,
    /// "enforce", "testing" or "none".
    pub mode: String,
    pub mx: Vec<String>,
    /// Seconds since 1970.
    pub fetched: i64,
    pub ends: i64,
}

pub(crate) fn act(store: &Store, act: &TlsAct, now: i64) -> Result<Reply, Failure> {
    match act {
        TlsAct::Counts { days } => {
            let today = u32::try_from(now.div_euclid(DAY_SECONDS)).unwrap_or(0);
            let since = today.saturating_sub(days.saturating_sub(1));
            let read = store.snapshot().and_then(|read| remote::counts(&read, since));
            let rows = read.map_err(|error| Failure::store("cannot read the counts", &error))?;
            Ok(Reply::TlsDays(rows.iter().flat_map(|(day, row)| views(*day, row)).collect()))
        }
        TlsAct::Policies => {
            let read = store.snapshot().and_then(|read| remote::policies(&read, "", usize::MAX));
            let rows = read.map_err(|error| Failure::store("cannot read the policies", &error))?;
            Ok(Reply::StsPolicies(rows.into_iter().map(policy).collect()))
        }
    }
}

/// One for each kind of policy.
fn views(day: u32, row: &TlsDay) -> Vec<TlsDayView> {
    let date = date_time(i64::from(day) * DAY_SECONDS);
    let mut views: Vec<TlsDayView> = Vec::new();
    for count in &row.counts {
        let at = views.iter().position(|view| view.policy == count.policy);
        let at = at.unwrap_or_else(|| {
            views.push(TlsDayView {
                day: date.split(' ').next().unwrap_or(&date).to_string(),
                domain: row.domain.clone(),
                policy: count.policy.clone(),
                succeeded: 0,
                failed: 0,
                failures: Vec::new(),
            });
            views.len() - 1
        });
        let Some(view) = views.get_mut(at) else { continue };
        if count.result.is_empty() {
            view.succeeded += count.sessions;
            continue;
        }
        view.failed += count.sessions;
        view.failures.push(TlsFailureView {
            result: count.result.clone(),
            sessions: count.sessions,
            host: count.host.clone(),
            why: count.why.clone(),
        });
    }
    views
}

fn policy(row: StsPolicy) -> StsPolicyView {
    StsPolicyView {
        mode: match row.mode {
            2 => "enforce",
            1 => "testing",
            _ => "none",
        }
        .to_string(),
        ends: row.fetched.saturating_add(i64::from(row.max_age)),
        domain: row.domain,
        id: row.id,
        mx: row.mx,
        fetched: row.fetched,
    }
}

// ---- for people ----

pub(crate) fn printed_days(days: &[TlsDayView]) -> String {
    if days.is_empty() {
        return "no connection to another server was counted in these days\n".into();
    }
    let failure = |failure: &TlsFailureView| {
        let at = if failure.host.is_empty() { "" } else { " at " };
        let (host, why) = (plain(&failure.host), plain(&failure.why));
        format!("{} {}{at}{host}: {why}", failure.sessions, failure.result)
    };
    let row = |view: &TlsDayView| {
        let words: Vec<String> = view.failures.iter().map(failure).collect();
        vec![
            view.day.clone(),
            plain(&view.domain),
            view.policy.clone(),
            view.succeeded.to_string(),
            view.failed.to_string(),
            words.join("; "),
        ]
    };
    let rows: Vec<_> = days.iter().map(row).collect();
    table(&["day", "domain", "policy", "good", "failed", "what failed"], &rows)
}

pub(crate) fn printed_policies(policies: &[StsPolicyView]) -> String {
    if policies.is_empty() {
        return "no MTA-STS policy of another domain is known\n".into();
    }
    let row = |view: &StsPolicyView| {
        let mx = plain(&view.mx.join(", "));
        vec![plain(&view.domain), view.mode.clone(), date_time(view.ends), mx]
    };
    let rows: Vec<_> = policies.iter().map(row).collect();
    table(&["domain", "mode", "good until (UTC)", "its servers"], &rows)
}
