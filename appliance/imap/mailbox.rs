//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, STATUS.

use super::list::tell_old_name;
use super::reply::Reply;
use super::selected::line;
use super::{Answer, Ask, Core, Event, Modes, Task, Turn, Write, Wrote, misrouted};
use crate::limits;
use crate::store::mailbox::Mailbox;
use crate::store::{AccountId, MailboxId, Result, Snapshot, mail, mailbox};
use crate::wire::imap::print::Printer;
use crate::wire::imap::{Command, StatusItem};

/// A write whose answer is only OK or NO.
struct Simple {
    ask: Option<Ask>,
    done: &'static str,
    renamed: Option<Renamed>,
}

/// A name that is written otherwise than the client gave it.
struct Renamed {
    attribute: &'static str,
    name: String,
    given: String,
}

impl Renamed {
    /// RFC 9051 6.3.9.7: OLDNAME, for those who know it. `name`: what `given` became.
    fn new(core: &Core, attribute: &'static str, name: &str, given: &str) -> Option<Renamed> {
        let told = core.modes.rev2 && name != given.strip_suffix('/').unwrap_or(given);
        told.then(|| Renamed { attribute, name: name.to_owned(), given: given.to_owned() })
    }
}

impl Task for Simple {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        if let Some(ask) = self.ask.take() {
            return Turn::Ask(ask);
        }
        if let (Some(renamed), Event::Answer(Answer::Wrote(Ok(_)))) = (&self.renamed, &event) {
            let Renamed { attribute, name, given } = renamed;
            tell_old_name(attribute, name, given, core.modes.utf8, out);
        }
        Turn::Reply(match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Created(id)))) => {
                // RFC 8474 4.2
                let id = mailbox_id(core.account(), id);
                Reply::ok(self.done).code(format!("MAILBOXID ({id})"))
            }
            Event::Answer(Answer::Wrote(Ok(_))) => Reply::ok(self.done),
            Event::Answer(Answer::Wrote(Err(error))) => error.into(),
            _ => Reply::no("Nothing was written").code("SERVERBUG"),
        })
    }
}

fn simple(core: &Core, write: Write, done: &'static str) -> Turn {
    renaming(core, write, done, None)
}

fn renaming(core: &Core, write: Write, done: &'static str, renamed: Option<Renamed>) -> Turn {
    let ask = Ask::Write { account: core.account(), write };
    Turn::Task(Box::new(Simple { ask: Some(ask), done, renamed }))
}

/// RFC 8474 4: of letters and digits, for ever the same mailbox.
pub(super) fn mailbox_id(account: AccountId, id: MailboxId) -> String {
    format!("F{:x}-{:x}", account.0, id.0)
}

pub(super) fn create(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Create { mailbox, special_use } = command else { return misrouted(command) };
    let special_use = match special_use.as_slice() {
        [] => String::new(),
        [one] => match special_uses().find(|known| known.eq_ignore_ascii_case(one)) {
            Some(known) => known.to_owned(),
            // RFC 6154 3: USEATTR
            None => return Turn::Reply(Reply::no("No such special use here").code("USEATTR")),
        },
        _ => return Turn::Reply(Reply::no("A mailbox has one special use").code("USEATTR")),
    };
    // RFC 9051 6.3.4: a separator at the end only says that names below will come
    let name = mailbox.strip_suffix('/').unwrap_or(&mailbox).to_owned();
    match taken(core, &special_use) {
        Ok(false) => {
            let renamed = Renamed::new(core, "", &mailbox::canonical(&name), &name);
            let write = Write::Create { name, special_use };
            renaming(core, write, "CREATE completed", renamed)
        }
        Ok(true) => Turn::Reply(Reply::no("Another mailbox has this special use").code("USEATTR")),
        Err(error) => Turn::Reply(error.into()),
    }
}

fn taken(core: &Core, special_use: &str) -> Result<bool> {
    if special_use.is_empty() {
        return Ok(false);
    }
    let names = mailbox::names(&core.store.snapshot()?, core.account())?;
    Ok(names.iter().any(|(_, name)| name.special_use == special_use))
}

/// RFC 6154 2, those that a mailbox can be given; \All and \Flagged would be views.
fn special_uses() -> impl Iterator<Item = &'static str> {
    ["\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"].into_iter()
}

pub(super) fn delete(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Delete(name) = command else { return misrouted(command) };
    let mailbox = match core.mailbox(&name) {
        Ok(mailbox) => mailbox,
        Err(reply) => return Turn::Reply(reply),
    };
    let here = core.selected.as_ref().is_some_and(|s| s.mailbox == mailbox.id);
    if here && !name.eq_ignore_ascii_case("INBOX") {
        core.selected = None;
        line(out, format_args!("* OK [CLOSED] The mailbox is going"));
    }
    let renamed = Renamed::new(core, "\\NonExistent", &mailbox.name.name, &name);
    renaming(core, Write::Delete { name }, "DELETE completed", renamed)
}

pub(super) fn rename(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Rename { from, to } = command else { return misrouted(command) };
    let (old, new) = (mailbox::canonical(&from), mailbox::canonical(&to));
    // RFC 9051 6.3.6: told when one of the two is written otherwise than it was given
    let renamed = match old != from || new != to {
        true => Renamed::new(core, "", &new, &from),
        false => None,
    };
    renaming(core, Write::Rename { from, to }, "RENAME completed", renamed)
}

pub(super) fn subscribe(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Subscribe(name) = command else { return misrouted(command) };
    simple(core, Write::Subscribe { name }, "SUBSCRIBE completed")
}

pub(super) fn unsubscribe(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Unsubscribe(name) = command else { return misrouted(command) };
    simple(core, Write::Unsubscribe { name }, "UNSUBSCRIBE completed")
}

/// RFC 9051 6.3.10: one personal namespace.
pub(super) fn namespace(_: &mut Core, _: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    line(out, format_args!("* NAMESPACE ((\"\" \"/\")) NIL NIL"));
    Turn::Reply(Reply::ok("NAMESPACE completed"))
}

pub(super) fn status(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Status { mailbox, items } = command else { return misrouted(command) };
    if items.contains(&StatusItem::HighestModSeq) {
        core.enable_condstore(out);
    }
    let account = core.account();
    let told = core.store.snapshot().map_err(Reply::from).and_then(|snapshot| {
        let found = mailbox::by_name(&snapshot, account, &mailbox)?;
        let found = found.ok_or_else(Reply::no_mailbox)?;
        tell_status(&snapshot, account, &found, &mailbox, &items, core.modes, out)?;
        Ok(())
    });
    Turn::Reply(told.err().unwrap_or_else(|| Reply::ok("STATUS completed")))
}

/// One STATUS response; `name` as the client called the mailbox.
pub(super) fn tell_status(
    snapshot: &Snapshot,
    account: AccountId,
    mailbox: &Mailbox,
    name: &str,
    items: &[StatusItem],
    modes: Modes,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let tail = &mailbox.tail;
        values.push(match item {
            StatusItem::Messages => format!("MESSAGES {}", tail.messages),
            // Gone in rev2 (RFC 9051, Appendix E); here no message is ever recent
            StatusItem::Recent => "RECENT 0".to_owned(),
            StatusItem::UidNext => format!("UIDNEXT {}", tail.uidnext),
            StatusItem::UidValidity => format!("UIDVALIDITY {}", mailbox.name.uidvalidity),
            StatusItem::Unseen => format!("UNSEEN {}", tail.unseen),
            StatusItem::Deleted => format!("DELETED {}", tail.deleted),
            StatusItem::Size => format!("SIZE {}", tail.octets),
            StatusItem::HighestModSeq => format!("HIGHESTMODSEQ {}", tail.highestmodseq),
            StatusItem::AppendLimit => format!("APPENDLIMIT {}", limits::MESSAGE_BYTES),
            StatusItem::DeletedStorage => {
                format!("DELETED-STORAGE {}", deleted_octets(snapshot, account, mailbox)?)
            }
            StatusItem::MailboxId => format!("MAILBOXID ({})", mailbox_id(account, mailbox.id)),
        });
    }
    out.extend_from_slice(b"* STATUS ");
    Printer::new(out, modes.utf8).mailbox(name);
    line(out, format_args!(" ({})", values.join(" ")));
    Ok(())
}

/// RFC 9208 4.1.4: octets that EXPUNGE would free.
fn deleted_octets(snapshot: &Snapshot, account: AccountId, mailbox: &Mailbox) -> Result<u64> {
    let mut octets = 0;
    if mailbox.tail.deleted == 0 {
        return Ok(0);
    }
    mail::rows(snapshot, account, mailbox.id, 1, u32::MAX, &mut |_, row| {
        if mail::Flags(row.flags).has(mail::Flags::DELETED) {
            octets += row.size;
        }
        Ok(true)
    })?;
    Ok(octets)
}
