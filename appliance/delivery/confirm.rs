//! RFC 3461 4.1: who asked for it (NOTIFY=SUCCESS) hears of each recipient here what was done.
//!
//! ```text
//! delivered   it is in every mailbox that the address leads to
//! relayed     the address leads to one address outside: passed on there, and nothing more will
//!             be told of success
//! expanded    it leads to several, some of them outside                    RFC 3461 5.2.7.3
//! ```

use super::dsn::{Action, Told};
use super::local::Leads;
use super::report::{self, Moment};
use crate::smtp::Recipient;
use crate::store::format::{Outgoing, TraceStep};
use crate::store::{Batch, Result};
use crate::wire::smtp::ForwardPath;

/// Writes the reports on `recipients`, which lead to `leads`. `row` has what the reports need of
/// the message; the steps are for its story.
pub(crate) fn success(
    batch: &mut Batch,
    (host, moment): (&str, Moment),
    row: &Outgoing,
    recipients: &[Recipient],
    leads: &Leads,
) -> Result<Vec<TraceStep>> {
    let asked = recipients.iter().filter(|one| one.notify.is_some_and(|notify| notify.success));
    let told: Vec<(Action, Told)> = asked.map(|one| told(one, leads)).collect();
    let mut steps = Vec::new();
    for action in [Action::Delivered, Action::Relayed, Action::Expanded] {
        let of_it = told.iter().filter(|(it, _)| *it == action);
        let of_it: Vec<Told> = of_it.map(|(_, told)| told.clone()).collect();
        if !of_it.is_empty() {
            steps.extend(report::send(batch, host, moment, row, action, &of_it)?);
        }
    }
    Ok(steps)
}

fn told(recipient: &Recipient, leads: &Leads) -> (Action, Told) {
    let passed = leads.passed.iter().find(|passed| match &recipient.to {
        ForwardPath::To(to) => passed.recipient == *to,
        ForwardPath::Postmaster => false,
    });
    let (action, why) = match passed {
        None => (Action::Delivered, "It was put into the mailbox"),
        Some(passed) if passed.to.len() == 1 && !passed.kept => {
            (Action::Relayed, "It was passed on to where the address leads")
        }
        Some(_) => (Action::Expanded, "It was passed on to all whom the address leads to"),
    };
    let told = Told {
        address: recipient.to.to_string(),
        orcpt: recipient.orcpt.clone(),
        why: why.to_string(),
        reply: String::new(),
        server: String::new(),
        status: "2.0.0".to_string(),
    };
    (action, told)
}
