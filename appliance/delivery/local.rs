//! Where an address leads: to mailboxes of this box, and on to the outside.

use super::srs::{self, Back, NoWayBack, Srs};
use crate::smtp::{Destination, Recipient};
use crate::store::address::{self, Found};
use crate::store::{AccountId, Read, Result, account, trace};
use crate::wire::address::Address;
use crate::wire::smtp::{ForwardPath, Notify, OriginalRecipient};

/// One copy of a message, for the INBOX of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    pub account: AccountId,
    /// The recipient that led here, for Delivered-To.
    pub address: String,
}

/// Everything a message's recipients lead to, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leads {
    pub copies: Vec<Copy>,
    pub passed: Vec<Passed>,
    /// A report to a return address of ours goes back to these.
    pub returned: Vec<Address>,
}

/// A recipient whose mail is passed on to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    pub recipient: Address,
    /// The address of ours that says so.
    pub via: Address,
    /// At least one.
    pub to: Vec<Address>,
    /// Does it lead to a mailbox as well?
    pub kept: bool,
    pub notify: Option<Notify>,
    pub orcpt: Option<OriginalRecipient>,
}

/// What RCPT is told of an address; `from` is the sender (`None`: `<>`), `size` as far as it is
/// known.
pub(crate) fn destination(
    read: &impl Read,
    srs: &Srs,
    (from, to): (Option<&Address>, &ForwardPath),
    size: u64,
    now: i64,
) -> Result<Destination> {
    let (accounts, outside) = match look_up(read, srs, to, now)? {
        Place::Found(Found::Accounts { accounts, outside, .. }) => (accounts, outside),
        Place::Found(Found::UnknownLocal) => return Ok(Destination::Unknown),
        Place::Found(Found::NotOurs) => return Ok(Destination::NotOurs),
        // Anything but a report would make a relay of it for whoever knows the address.
        Place::Back(_) if from.is_some() => return Ok(Destination::OnlyReports),
        Place::Back(Err(_)) => return Ok(Destination::NoWayBack),
        Place::Back(Ok(_)) => return Ok(Destination::Returned),
    };
    if !outside.is_empty() || is_always_open(read, to)? {
        return Ok(Destination::Ours);
    }
    for id in accounts {
        if has_room(read, id, size)? {
            return Ok(Destination::Ours);
        }
    }
    Ok(Destination::OverQuota)
}

/// RFC 5321 4.5.1: neither a full mailbox nor a policy closes the way to postmaster and abuse.
pub(crate) fn is_always_open(read: &impl Read, to: &ForwardPath) -> Result<bool> {
    Ok(match to {
        ForwardPath::Postmaster => true,
        ForwardPath::To(to) => {
            address::always_exists(to) && address::find(read, to)? != Found::NotOurs
        }
    })
}

/// What the recipients lead to: one copy for each account, and once to each address outside,
/// however many of them lead to it. `None` when one no longer leads anywhere.
pub(crate) fn leads(
    read: &impl Read,
    srs: &Srs,
    recipients: &[Recipient],
    now: i64,
) -> Result<Option<Leads>> {
    let mut leads = Leads::default();
    for recipient in recipients {
        match look_up(read, srs, &recipient.to, now)? {
            Place::Found(Found::Accounts { accounts, outside, via }) => {
                leads.add(recipient, accounts, outside, &via);
            }
            Place::Found(_) | Place::Back(Err(_)) => return Ok(None),
            Place::Back(Ok(sender)) if !leads.returned.contains(&sender) => {
                leads.returned.push(sender);
            }
            Place::Back(Ok(_)) => {}
        }
    }
    Ok(Some(leads))
}

impl Leads {
    fn add(
        &mut self,
        recipient: &Recipient,
        accounts: Vec<AccountId>,
        mut outside: Vec<Address>,
        via: &str,
    ) {
        let kept = !accounts.is_empty();
        for account in accounts {
            if !self.copies.iter().any(|copy| copy.account == account) {
                self.copies.push(Copy { account, address: recipient.to.to_string() });
            }
        }
        outside.retain(|to| !self.passed.iter().any(|passed| passed.to.contains(to)));
        let ForwardPath::To(to) = &recipient.to else { return };
        let Ok(via) = Address::parse(via) else { return };
        if !outside.is_empty() {
            let Recipient { notify, orcpt, .. } = recipient.clone();
            let recipient = to.clone();
            self.passed.push(Passed { recipient, via, to: outside, kept, notify, orcpt });
        }
    }
}

/// Would a message of `size` octets fit the quota?
pub(crate) fn has_room(read: &impl Read, id: AccountId, size: u64) -> Result<bool> {
    let Some(account) = account::get(read, id)? else { return Ok(false) };
    if account.quota == 0 {
        return Ok(true);
    }
    let (used, _) = account::usage(read, id)?;
    Ok(used.saturating_add(size.max(1)) <= account.quota)
}

enum Place {
    Found(Found),
    /// A return address of ours, and the sender it leads back to.
    Back(std::result::Result<Address, NoWayBack>),
}

fn look_up(read: &impl Read, srs: &Srs, to: &ForwardPath, now: i64) -> Result<Place> {
    let to = match to {
        ForwardPath::To(to) => to.clone(),
        // RFC 5321 4.5.1: postmaster without a domain is that of this box
        ForwardPath::Postmaster => {
            let domains = address::domains(read)?;
            let first = domains.first().and_then(|d| Address::new("postmaster", &d.name).ok());
            let Some(first) = first else { return Ok(Place::Found(Found::UnknownLocal)) };
            first
        }
    };
    let found = address::find(read, &to)?;
    // What the owner made an address is what the owner says.
    let made = matches!(&found, Found::Accounts { via, .. } if !via.starts_with('@'));
    if made || found == Found::NotOurs || !srs::is_return(&to) {
        return Ok(Place::Found(found));
    }
    match way_back(read, srs, to, now)? {
        Err(why) => Ok(Place::Back(Err(why))),
        Ok(sender) => Ok(match address::find(read, &sender)? {
            Found::NotOurs => Place::Back(Ok(sender)),
            ours => Place::Found(ours),
        }),
    }
}

fn way_back(
    read: &impl Read,
    srs: &Srs,
    mut to: Address,
    now: i64,
) -> Result<std::result::Result<Address, NoWayBack>> {
    // Mail that passed through here twice has two of our addresses one in the other.
    for _ in 0..3 {
        to = match srs.unwrap(&to, now) {
            Ok(Back::To(sender)) => sender,
            Ok(Back::SenderOf(id)) => {
                let story = trace::get(read, id)?;
                match story.and_then(|story| Address::parse(&story.from).ok()) {
                    Some(sender) => sender,
                    None => return Ok(Err(NoWayBack::Expired)),
                }
            }
            Err(why) => return Ok(Err(why)),
        };
        if !srs::is_return(&to) || address::find(read, &to)? == Found::NotOurs {
            return Ok(Ok(to));
        }
    }
    Ok(Err(NoWayBack::Forged))
}
