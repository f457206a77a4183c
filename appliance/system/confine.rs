//! What a child may still do, set before its first thread: another user, no capabilities but those
//! it needs, no new privileges, files by Landlock where the kernel has it, system calls by a list.
//!
//! A call that is not on the list fails with EPERM, so that a library that tries something new
//! goes on without it, and stands in the kernel's log. The suite `box` runs the children under the
//! lists and lets nothing be refused; what a planted child tries is (`planted`).

mod calls;
#[cfg(debug_assertions)]
pub(crate) mod planted;

use super::syscall::filter;
use crate::limits;
use crate::system::init::folder;
use crate::system::lending;
use caps::{CapSet, Capability};
use landlock::{
    ABI, Access, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// What a child is allowed.
pub(crate) struct Cage {
    pub user: u32,
    pub capabilities: &'static [Capability],
    /// Folders it may read and write, and those it may only read.
    pub write: &'static [&'static str],
    pub read: &'static [&'static str],
    /// Beside the calls that every child may make.
    pub calls: &'static [i64],
    /// The families of sockets it may open.
    pub sockets: &'static [i32],
}

/// The server: its data folder, and the network through sockets.
pub(crate) const SERVER: Cage = Cage {
    user: limits::SERVER_USER,
    capabilities: &[],
    write: &[folder::MAIL, lending::FOLDER],
    // How many processors there are for it stands in the last two.
    read: &[
        folder::RESOLV,
        folder::UPDATE,
        "/etc",
        "/proc",
        "/dev/urandom",
        "/sys/devices/system/cpu",
        "/sys/fs/cgroup",
    ],
    calls: calls::SERVER,
    sockets: &[nix::libc::AF_INET, nix::libc::AF_INET6, nix::libc::AF_UNIX],
};

/// What says that the box is under repair: no folder, and the network through sockets.
pub(crate) const REPAIR: Cage = Cage {
    user: limits::SERVER_USER,
    capabilities: &[],
    write: &[],
    read: &["/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup"],
    calls: &[],
    sockets: &[nix::libc::AF_INET, nix::libc::AF_INET6, nix::libc::AF_UNIX],
};

/// netd: addresses, raw packets, the clock.
pub(crate) const NETD: Cage = Cage {
    user: limits::NETD_USER,
    capabilities: &[Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW, Capability::CAP_SYS_TIME],
    write: &[folder::RESOLV, "/proc/sys/net"],
    read: &["/etc", "/proc", "/sys/class/net", "/sys/devices"],
    calls: calls::NETD,
    sockets: &[
        nix::libc::AF_INET,
        nix::libc::AF_INET6,
        nix::libc::AF_UNIX,
        nix::libc::AF_NETLINK,
        nix::libc::AF_PACKET,
    ],
};

/// The installer: what it was given, and no file and no network beside it.
pub(crate) const INSTALLER: Cage = Cage {
    user: limits::INSTALLER_USER,
    capabilities: &[],
    write: &[],
    read: &[],
    calls: calls::INSTALLER,
    sockets: &[],
};

impl Cage {
    /// From root to what is allowed, for good. The error says which step failed: the child ends
    /// then rather than run unconfined.
    pub(crate) fn enter(&self) -> Result<(), String> {
        let most = limits::CHILD_DESCRIPTORS;
        step("limits", setrlimit(Resource::RLIMIT_NOFILE, most, most))?;
        // PID 1 blocks the signals that it takes as happenings.
        step("signals", nix::sys::signal::SigSet::empty().thread_set_mask())?;
        self.files()?;
        self.identity()?;
        step("privileges", nix::sys::prctl::set_no_new_privs())?;
        self.system_calls()
    }

    /// Best effort: a kernel without Landlock is told by the library's status and goes on.
    fn files(&self) -> Result<(), String> {
        let all = AccessFs::from_all(ABI::V3);
        let ruleset = step("files", Ruleset::default().handle_access(all))?;
        let mut ruleset = step("files", ruleset.create())?;
        let write = self.write.iter().map(|path| (*path, all));
        let read = self.read.iter().map(|path| (*path, AccessFs::from_read(ABI::V3)));
        for (path, access) in write.chain(read) {
            // What is not there needs no rule.
            let Ok(folder) = PathFd::new(path) else { continue };
            let is_file = std::fs::metadata(path).is_ok_and(|data| !data.is_dir());
            let access = if is_file { access & AccessFs::from_file(ABI::V3) } else { access };
            ruleset = step("files", ruleset.add_rule(PathBeneath::new(folder, access)))?;
        }
        step("files", ruleset.restrict_self()).map(drop)
    }

    fn identity(&self) -> Result<(), String> {
        for capability in caps::all() {
            if !self.capabilities.contains(&capability)
                && caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false)
            {
                step("capabilities", caps::drop(None, CapSet::Bounding, capability))?;
            }
        }
        step("capabilities", caps::securebits::set_keepcaps(true))?;
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.user));
        step("groups", nix::unistd::setgroups(&[]))?;
        step("group", nix::unistd::setresgid(group, group, group))?;
        step("user", nix::unistd::setresuid(user, user, user))?;
        let kept = self.capabilities.iter().copied().collect();
        step("capabilities", caps::clear(None, CapSet::Inheritable))?;
        for set in [CapSet::Effective, CapSet::Permitted] {
            step("capabilities", caps::set(None, set, &kept))?;
        }
        Ok(())
    }

    fn system_calls(&self) -> Result<(), String> {
        let arch = step("system calls", TargetArch::try_from(std::env::consts::ARCH))?;
        // glibc falls back to clone, whose flags can be looked at, only at this error.
        let modern = BTreeMap::from([(nix::libc::SYS_clone3, Vec::new())]);
        let no_such_call = SeccompAction::Errno(nix::libc::ENOSYS as u32);
        let modern = program(modern, SeccompAction::Allow, no_such_call, arch)?;
        step("system calls", seccompiler::apply_filter(&modern))?;
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for call in calls::EVERY.iter().chain(calls::OF_MACHINE).chain(self.calls) {
            rules.insert(*call, Vec::new());
        }
        rules.insert(nix::libc::SYS_clone3, Vec::new());
        // Threads, never processes.
        let thread = u64::from(nix::libc::CLONE_THREAD.cast_unsigned());
        rules.insert(nix::libc::SYS_clone, vec![masked(0, thread, thread)?]);
        let families = self.sockets.iter().map(|family| is(0, u64::from(family.cast_unsigned())));
        let families = families.collect::<Result<Vec<_>, _>>()?;
        // A call without a rule would be allowed whatever its arguments.
        if !families.is_empty() {
            rules.insert(nix::libc::SYS_socket, families);
        }
        let name = u64::from(nix::libc::PR_SET_NAME.cast_unsigned());
        let vma = u64::from(nix::libc::PR_SET_VMA.cast_unsigned());
        rules.insert(nix::libc::SYS_prctl, vec![is(0, name)?, is(0, vma)?]);
        let denied = SeccompAction::Errno(nix::libc::EPERM as u32);
        let listed = program(rules, denied, SeccompAction::Allow, arch)?;
        step("system calls", filter::apply_logged(&listed))
    }
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, String> {
    let filter = step("system calls", SeccompFilter::new(rules, others, these, arch))?;
    step("system calls", filter.try_into())
}

fn is(argument: u8, value: u64) -> Result<SeccompRule, String> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule, String> {
    condition(argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    let length = SeccompCmpArgLen::Dword;
    let condition = step("system calls", SeccompCondition::new(argument, length, op, value))?;
    step("system calls", SeccompRule::new(vec![condition]))
}

fn step<T, E: std::fmt::Display>(what: &str, done: Result<T, E>) -> Result<T, String> {
    done.map_err(|error| format!("cannot be confined ({what}): {error}"))
}
