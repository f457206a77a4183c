//! Salvage: a damaged store read without the engine, and what is whole in it written into a new
//! one.
//!
//! ```text
//! file    octets by place, never mapped; what the disk does not give is skipped and counted
//! scan    one look at every page: each row carries its key and checksum, so it is known to be
//!         whole wherever it stands
//! life    the tree, where it can still be walked, and the list of free pages: which rows are of
//!         now, which are old, and between which keys rows are lost
//! choose  of all rows with one key the one to believe
//! target  the new store: people, addresses, mailboxes
//! messages  what comes back, and in what state
//! ```
//!
//! A row counts when its checksum does, so that no length, offset or page number of the file is
//! believed for more than where to look next. Nothing recurses, every loop has an end that does
//! not depend on what was read, and what is held in memory is some octets for each hundred pages,
//! pieces that are sorted on disk, and one message.
//!
//! Mail may hold octets that look like a page with rows. In the pages of a row that is whole they
//! are not looked at; and what the tree leads to is always preferred.

mod bodies;
mod choose;
mod file;
mod life;
mod messages;
pub(crate) mod page;
pub(crate) mod report;
mod scan;
pub(crate) mod sort;
mod target;
mod tree;

pub(crate) use file::{Disk, Source, is_in_use, reaches_its_end};
pub(crate) use report::Salvaged;
pub(crate) use tree::Archive;

use super::MailId;
use super::error::{Result, StoreError};
use super::kv::io_error;
use super::writer::{Options, Store};
use file::Pages;
use life::Life;
use messages::Carrier;
use report::{AccountBack, MailboxBack, Share};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use target::Target;

/// Where rows are sorted, beside the new store.
const SORTING: &str = "salvaging";

/// Reads `source` and writes what is in it into a new store in the folder `dir`, which must not
/// exist or be empty. `progress` is told of how much of the work is done, in thousandths; what it
/// returns as an error ends the work, with what was written so far.
pub(crate) fn salvage(
    source: &dyn Source,
    dir: &Path,
    options: Options,
    now: i64,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Salvaged> {
    let side = dir.join(SORTING);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&side);
    made.map_err(|error| io_error("the folder of the new store", &error))?;
    let mut others = fs::read_dir(dir).map_err(|error| io_error("the folder", &error))?;
    if others.any(|entry| entry.is_ok_and(|entry| entry.file_name() != SORTING)) {
        return Err(StoreError::Exists("something in the folder for the new store"));
    }
    let result = into_store(source, dir, &side, options, now, progress);
    let cleared = fs::remove_dir_all(&side);
    let salvaged = result?;
    cleared.map_err(|error| io_error("the files for sorting cannot be removed", &error))?;
    Ok(salvaged)
}

fn into_store(
    source: &dyn Source,
    dir: &Path,
    side: &Path,
    options: Options,
    now: i64,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Salvaged> {
    let pages = Pages::new(source);
    let total = pages.count.max(1);
    // Reading the file is the half of it; of the rest the number is known only then.
    let found = scan::scan(&pages, side, &mut |done| progress(done * 500 / total));
    let mut found = found?;
    let (meta, readable_beginnings) = pages.meta();
    let life = Life::read(&pages, meta, &found.leaves);
    let office = choose::Office::read(&mut found.rows, &life)?;
    let bodies = bodies::Bodies::new(&mut found.parts, side, &pages)?;
    let mut newest = MailId(0);
    bodies.mails(&mut |mail| {
        newest = newest.max(mail);
        Ok(())
    })?;
    let expected: u64 = office.seen.values().map(|seen| seen.messages).sum();
    let store = Store::open(dir, options)?;
    let mut target = Target::new(&store, office, &life, newest, now)?;
    let mut carrier = Carrier::new(&mut target, &bodies, &life, progress);
    carrier.messages(&mut found.rows, expected)?;
    let outgoing = carrier.outgoing()?;
    carrier.orphans(&mut found.rows)?;
    let stories = carrier.stories()?;
    carrier.finish()?;
    let mut salvaged = Salvaged {
        octets: source.length(),
        page_octets: pages.size as u64,
        pages: pages.count,
        unreadable_pages: found.unreadable,
        readable_beginnings,
        lost_index_pages: life.lost_pages,
        tells_old_from_new: life.tells_old_from_new(),
        domains: target.domains,
        addresses: target.addresses,
        outgoing,
        stories,
        perhaps_old_rows: target.office.perhaps_old,
        remains: target.office.remains,
        unknown_rows: found.strange,
        ..Salvaged::default()
    };
    salvaged.accounts = accounts(&target);
    salvaged.accounts.iter().for_each(|account| salvaged.messages.add(&account.messages));
    store.close();
    progress(1_000)?;
    Ok(salvaged)
}

/// What came back, person by person and mailbox by mailbox.
fn accounts(target: &Target<'_>) -> Vec<AccountBack> {
    let mut accounts = Vec::new();
    for (id, account) in &target.office.accounts {
        let plans = target.plans.iter().filter(|(at, _)| at.0 == *id);
        let mut mailboxes: Vec<MailboxBack> = plans
            .map(|(_, plan)| {
                let mut back = plan.back.clone();
                close(&mut back);
                back
            })
            .collect();
        if let Some((_, share)) =
            target.salvaged.get(id).filter(|(_, share)| *share != Share::default())
        {
            let name = format!("{} (of no known mailbox)", target::SALVAGED);
            mailboxes.push(MailboxBack { name, counted: false, messages: share.clone() });
        }
        let mut messages = Share::default();
        mailboxes.iter().for_each(|mailbox| messages.add(&mailbox.messages));
        // Those of no known mailbox were counted as lost in theirs.
        let found = messages.whole + messages.incomplete;
        messages.lost = messages.expected.saturating_sub(found);
        messages.expected = messages.expected.max(found);
        let placeholder = target.placeholders.contains(id);
        let login = account.login.clone();
        accounts.push(AccountBack { login, placeholder, messages, mailboxes });
    }
    accounts
}

/// What is missing of the number that a mailbox should have is lost; where that number is lost
/// itself, it is what was found.
fn close(back: &mut MailboxBack) {
    let Share { expected, whole, incomplete, lost, .. } = &mut back.messages;
    let found = *whole + *incomplete;
    if back.counted {
        *lost = expected.saturating_sub(found);
    } else {
        *expected = found + *lost;
    }
}
