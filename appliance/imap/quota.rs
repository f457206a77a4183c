//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root "" for the whole account.

use super::reply::Reply;
use super::selected::line;
use super::{Core, Turn, misrouted};
use crate::store::account;
use crate::wire::imap::Command;
use crate::wire::imap::print::Printer;

pub(super) fn get(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::GetQuota(root) = command else { return misrouted(command) };
    if !root.is_empty() {
        return Turn::Reply(Reply::no("There is one quota root, \"\"").code("NONEXISTENT"));
    }
    Turn::Reply(tell(core, out).err().unwrap_or_else(|| Reply::ok("GETQUOTA completed")))
}

pub(super) fn root(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::GetQuotaRoot(name) = command else { return misrouted(command) };
    if let Err(reply) = core.mailbox(&name) {
        return Turn::Reply(reply);
    }
    out.extend_from_slice(b"* QUOTAROOT ");
    Printer::new(out, core.modes.utf8).mailbox(&name);
    out.extend_from_slice(b" \"\"\r\n");
    Turn::Reply(tell(core, out).err().unwrap_or_else(|| Reply::ok("GETQUOTAROOT completed")))
}

/// RFC 9208 4.1.1: only the owner of the box sets quotas, and not here.
pub(super) fn set(_: &mut Core, _: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    Turn::Reply(Reply::no("Quotas are set by the owner of the server").code("NOPERM"))
}

fn tell(core: &Core, out: &mut Vec<u8>) -> Result<(), Reply> {
    let snapshot = core.store.snapshot()?;
    let account = account::get(&snapshot, core.account())?
        .ok_or_else(|| Reply::no("The account is gone").code("UNAVAILABLE"))?;
    if account.quota == 0 {
        // RFC 9208 3.2.1: no resource is limited
        line(out, format_args!("* QUOTA \"\" ()"));
        return Ok(());
    }
    let (used, _) = account::usage(&snapshot, core.account())?;
    // RFC 9208 5.1: in units of 1024 octets
    let (used, limit) = (used.div_ceil(1024), account.quota / 1024);
    line(out, format_args!("* QUOTA \"\" (STORAGE {used} {limit})"));
    Ok(())
}
