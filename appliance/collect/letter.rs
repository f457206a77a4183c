//! What becomes of one letter, by whatever protocol it came: for whom it is, into the store, or
//! left where it is and told of.

use super::plan::NO_ROOM;
use super::{Desk, Fault, Looked, multidrop};
use crate::delivery::collected::{Collected, Remember, To, Took};
use crate::delivery::letter;
use crate::delivery::report::Moment;
use crate::limits::{COLLECT_TOLD_CHARS, MESSAGE_BYTES};
use crate::message::headers;
use crate::store::format::{Outside, Skipped};
use crate::store::outside::OutsideId;
use crate::store::{Batch, MailboxId, Result};

/// `mailbox`: where the person wants letters of this folder, unless in the INBOX.
pub(super) fn to(id: OutsideId, row: &Outside, message: &[u8], mailbox: Option<MailboxId>) -> To {
    let Some(rule) = &row.multidrop else {
        return To::Person { account: id.account, mailbox };
    };
    let shared = multidrop::shared(message, &row.address, rule);
    let (why, domain) = (shared.words(), rule.domain.clone());
    To::People { to: shared.to, domain, why }
}

/// Takes it in, and counts it.
pub(super) async fn take(
    desk: &Desk,
    letter: Collected,
    remember: Remember,
    moment: Moment,
    looked: &mut Looked,
) -> std::result::Result<(), Fault> {
    match desk.post.collect(letter, remember, (moment.now(), moment.micros)).await {
        Ok(Took::Here { .. }) => looked.taken += 1,
        Ok(Took::Known) => {}
        Ok(Took::NoRoom) => {
            let why = "There is no room in the mailbox here.";
            let remedy = "Delete mail here that is not needed, or ask for more room.";
            return Err(Fault::new(NO_ROOM, why, remedy));
        }
        Err(error) => return Err(Fault::store(&error)),
    }
    Ok(())
}

/// One that is too large, as it is remembered. `top`: as much of it as was read.
pub(super) fn too_large(top: &[u8], size: u64, at: i64) -> Skipped {
    let text = |name| {
        let found = headers::find(top, name).map(|field| headers::decode(field.value));
        found.unwrap_or_default().chars().take(COLLECT_TOLD_CHARS).collect()
    };
    let why = format!("it is larger than the {} MB that are taken here", MESSAGE_BYTES >> 20);
    Skipped { at, size, from: text("From"), subject: text("Subject"), why }
}

/// Tells the person of it.
pub(super) fn tell(
    batch: &mut Batch,
    (host, moment): (&str, Moment),
    (id, address): (OutsideId, &str),
    skipped: &Skipped,
) -> Result<()> {
    let Skipped { from, subject, size, why, .. } = skipped;
    let text = format!(
        "A letter for {address} was not taken over: {why}. It has {} MB.\n\nFrom: {from}\n\
         Subject: {subject}\n\nIt stays where it is: read it with the provider.\n",
        size >> 20
    );
    let about = format!("A letter for {address} is too large");
    letter::to_person(batch, host, moment, id.account, (&about, &text))
}
