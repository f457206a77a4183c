//! One message looked for in a backup.

use super::super::failure::{Failure, Kind};
use crate::limits::{BACKUP_FOUND, BACKUP_SEARCHED, SNAPSHOT_MESSAGES};
use crate::message::facts::{EnvelopeAddress, Titled};
use crate::message::headers;
use crate::store::format::MailRow;
use crate::store::mailbox::{self, Mailbox};
use crate::store::salvage::Archive;
use crate::store::{AccountId, StoreError, account, mail};
use serde::Serialize;

/// Who is in a backup, and which mailboxes they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Person {
    pub login: String,
    pub mailboxes: Vec<String>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Search {
    pub login: String,
    /// All of them without one.
    pub mailbox: Option<String>,
    /// Part of the subject or of who wrote it.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FoundMail {
    pub mailbox: String,
    pub uid: u32,
    /// When it arrived, seconds since 1970.
    pub at: i64,
    pub from: String,
    pub subject: String,
    pub octets: u64,
}

/// Everybody in it, by their log-in addresses.
pub(crate) fn people(archive: &Archive) -> Result<Vec<Person>, StoreError> {
    let mut people = Vec::new();
    for (id, row) in account::list(archive)? {
        let mailboxes = mailbox::names(archive, id)?.into_iter().map(|(_, it)| it.name).collect();
        people.push(Person { login: row.login, mailboxes });
    }
    people.sort_by(|a, b| a.login.cmp(&b.login));
    Ok(people)
}

/// The newest that fit; and are there more, or was not all looked at?
pub(crate) fn find(archive: &Archive, search: &Search) -> Result<(Vec<FoundMail>, bool), Failure> {
    let what = "cannot search the backup";
    let failed = |error: StoreError| Failure::store(what, &error);
    let missing = |why: String| Failure::new(what, why, "").of_kind(Kind::Missing);
    let account = account::by_login(archive, &search.login).map_err(failed)?;
    let nobody = || missing(format!("the backup has no account {}", search.login));
    let (account, _) = account.ok_or_else(nobody)?;
    let mailboxes = match &search.mailbox {
        None => mailbox::list(archive, account).map_err(failed)?,
        Some(name) => {
            let found = mailbox::by_name(archive, account, name).map_err(failed)?;
            let none = || missing(format!("{} has no mailbox {name} in the backup", search.login));
            vec![found.ok_or_else(none)?]
        }
    };
    let mut look = Look { text: search.text.to_lowercase(), ..Look::default() };
    for mailbox in mailboxes {
        look.through(archive, account, &mailbox).map_err(failed)?;
    }
    look.newest();
    Ok((look.found, look.more))
}

#[derive(Default)]
struct Look {
    text: String,
    looked: usize,
    found: Vec<FoundMail>,
    more: bool,
}

impl Look {
    /// Some rows at a time: a mailbox may have a hundred thousand.
    fn through(
        &mut self,
        archive: &Archive,
        account: AccountId,
        mailbox: &Mailbox,
    ) -> Result<(), StoreError> {
        let mut from = Some(0);
        while let Some(first) = from {
            let mut rows = Vec::new();
            mail::rows(archive, account, mailbox.id, first, u32::MAX, &mut |uid, row| {
                rows.push((uid, row));
                Ok(rows.len() < SNAPSHOT_MESSAGES)
            })?;
            from = rows.last().and_then(|(uid, _)| uid.checked_add(1));
            for (uid, row) in rows {
                if self.looked >= BACKUP_SEARCHED {
                    self.more = true;
                    return Ok(());
                }
                self.looked += 1;
                self.at(archive, &mailbox.name.name, uid, &row)?;
            }
        }
        Ok(())
    }

    fn at(
        &mut self,
        archive: &Archive,
        mailbox: &str,
        uid: u32,
        row: &MailRow,
    ) -> Result<(), StoreError> {
        let title = mail::facts::<Titled>(archive, row)?.envelope.unwrap_or_default();
        let subject = headers::decode(title.subject.as_deref().unwrap_or_default());
        let from = title.from.first().map(person).unwrap_or_default();
        if [&subject, &from].iter().any(|it| it.to_lowercase().contains(&self.text)) {
            let (at, octets, mailbox) = (row.internal_date, row.size, mailbox.to_string());
            self.found.push(FoundMail { mailbox, uid, at, from, subject, octets });
        }
        if self.found.len() >= 10 * BACKUP_FOUND {
            self.newest();
        }
        Ok(())
    }

    fn newest(&mut self) {
        self.found.sort_by_key(|it| std::cmp::Reverse(it.at));
        self.more |= self.found.len() > BACKUP_FOUND;
        self.found.truncate(BACKUP_FOUND);
    }
}

fn person(address: &EnvelopeAddress) -> String {
    let text = |value: &Option<Vec<u8>>| headers::decode(value.as_deref().unwrap_or_default());
    let at = format!("{}@{}", text(&address.mailbox), text(&address.host));
    match text(&address.name) {
        name if name.is_empty() => at,
        name => format!("{name} <{at}>"),
    }
}
