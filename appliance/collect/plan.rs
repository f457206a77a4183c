//! When an outside account is looked at next, and what a person is told of trouble: pure.

use super::Fault;
use super::providers::Provider;
use crate::limits::{
    COLLECT_EVERY, COLLECT_EVERY_AT_MOST, COLLECT_FAILED, COLLECT_FAILED_AT_MOST, COLLECT_REFUSED,
    COLLECT_REFUSED_AT_MOST, COLLECT_SILENT_SECONDS,
};
use crate::store::format::{Outside, OutsideState};
use std::time::Duration;

/// [`OutsideState::trouble`]
pub(crate) const REFUSED: u32 = 1;
pub(crate) const CERTIFICATE: u32 = 2;
pub(crate) const UNREACHED: u32 = 3;
pub(crate) const BUSY: u32 = 4;
pub(crate) const NO_ROOM: u32 = 5;
pub(crate) const NO_SECRET: u32 = 6;
pub(crate) const OTHER: u32 = 9;

/// How long until the next look. `quiet`: looks in a row that brought nothing.
pub(crate) fn wait(state: &OutsideState, quiet: u32, provider: Option<&Provider>) -> Duration {
    let doubled = |first: Duration, times: u32, most: Duration| {
        first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
    };
    let failed = state.failures.saturating_sub(1).min(16);
    let least = Duration::from_secs(provider.map_or(0, |provider| provider.pop3_every));
    let wait = match state.trouble {
        0 => doubled(COLLECT_EVERY, quiet.min(16) / 3, COLLECT_EVERY_AT_MOST),
        REFUSED | NO_SECRET => doubled(COLLECT_REFUSED, failed, COLLECT_REFUSED_AT_MOST),
        _ => doubled(COLLECT_FAILED, failed, COLLECT_FAILED_AT_MOST),
    };
    wait.max(least)
}

/// Writes a trouble down. Is the person to be told now, for the first time?
pub(crate) fn failed(state: &mut OutsideState, fault: &Fault, now: i64) -> bool {
    let login = |trouble| matches!(trouble, REFUSED | NO_SECRET);
    let lasts = |trouble| login(trouble) || matches!(trouble, CERTIFICATE | NO_ROOM);
    // What was told stands while a line breaks in between, and a log-in that fails is told once
    // whichever way it fails.
    let stands = state.told && lasts(state.trouble) && !lasts(fault.trouble);
    let same = state.trouble == fault.trouble || (login(state.trouble) && login(fault.trouble));
    if !stands {
        if !same {
            (state.since, state.told) = (now, false);
        }
        state.trouble = fault.trouble;
    }
    state.error = fault.to_string();
    state.failures = state.failures.saturating_add(1);
    state.looked = now;
    let silent = now.saturating_sub(state.since) >= COLLECT_SILENT_SECONDS;
    let tell = !state.told && (lasts(fault.trouble) || silent);
    state.told |= tell;
    tell
}

/// Writes down that all is well.
pub(crate) fn went_well(state: &mut OutsideState, now: i64) {
    (state.trouble, state.failures, state.told, state.since) = (0, 0, false, 0);
    state.error.clear();
    state.looked = now;
}

/// What the person is told: subject and text.
pub(crate) fn letter(
    row: &Outside,
    fault: &Fault,
    provider: Option<&Provider>,
) -> (String, String) {
    let address = &row.address;
    let subject = match fault.trouble {
        REFUSED | NO_SECRET => format!("Mail of {address} is not collected: the log-in"),
        NO_ROOM => format!("Mail of {address} is not collected: your mailbox is full"),
        _ => format!("Mail of {address} is not collected"),
    };
    let mut text = format!(
        "Mailroom collects your mail of {address}, and cannot do so now.\n\nWhat is wrong: {}\n\n",
        fault.why
    );
    if !fault.reply.is_empty() {
        text.push_str(&format!("The server said: {}\n\n", fault.reply));
    }
    text.push_str(&format!("What to do: {}\n", fault.remedy));
    let login = matches!(fault.trouble, REFUSED | NO_SECRET);
    if let Some(provider) = provider.filter(|_| login) {
        text.push_str(&format!("\nAt {}: {}\n", provider.name, provider.switch_on));
    }
    text.push_str(
        "\nNo letter is lost: what comes for you there waits there. It is tried again, less and \
         less often; you are told of this once.\n",
    );
    (subject, text)
}
