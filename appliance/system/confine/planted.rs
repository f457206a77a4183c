//! A planted child: it tries what a child that was taken over would try. In debug builds only, for
//! the suite `box`, which holds what it says against the same acts without a cage.

use super::Cage;
use nix::sys::ptrace;
use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::{Pid, Uid};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What stands in the environment, read before the cage is entered.
struct Around {
    /// A disk's node that every user may open.
    disk: String,
    /// A file that every user may write, outside of the folders of any child.
    secret: String,
    /// A folder that the child may write.
    own: String,
    /// A process of the same user.
    other: Pid,
}

type Act = fn(&Around) -> io::Result<()>;

/// By the words that the suite knows them by.
const ACTS: &[(&str, Act)] = &[
    ("open the disk", |around| File::open(&around.disk).map(drop)),
    ("read another's file", |around| File::open(&around.secret).map(drop)),
    ("write another's file", |around| File::options().append(true).open(&around.secret).map(drop)),
    ("make a disk's node", |around| {
        let node = format!("{}/node", around.own);
        nix::sys::stat::mknod(node.as_str(), SFlag::S_IFBLK, Mode::S_IRUSR, 0x700)?;
        std::fs::remove_file(node)
    }),
    ("mount", |around| {
        let (kind, flags) = (Some("tmpfs"), nix::mount::MsFlags::empty());
        nix::mount::mount(kind, around.own.as_str(), kind, flags, None::<&str>)?;
        Ok(nix::mount::umount(around.own.as_str())?)
    }),
    ("change the root", |_| Ok(nix::unistd::chroot("/")?)),
    ("trace another", |around| {
        ptrace::attach(around.other)?;
        nix::sys::wait::waitpid(around.other, None)?;
        Ok(ptrace::detach(around.other, None)?)
    }),
    ("read another's memory", |around| File::open(format!("/proc/{}/mem", around.other)).map(drop)),
    ("signal another", |around| Ok(nix::sys::signal::kill(around.other, None)?)),
    ("become root", |_| Ok(nix::unistd::setuid(Uid::from_raw(0))?)),
    ("start a process", |_| Command::new("/bin/true").status().map(drop)),
    ("send raw packets", |_| {
        let (family, flags) = (AddressFamily::Packet, SockFlag::empty());
        Ok(nix::sys::socket::socket(family, SockType::Raw, flags, None).map(drop)?)
    }),
];

/// Tries each act and says how it went, a line each; the last is to become another program. Without
/// a cage all of it is done, which shows that the acts are what they seem.
pub(crate) fn run(cage: Option<&Cage>) -> Result<(), String> {
    let told = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let around = Around {
        disk: told("PLANTED_DISK")?,
        secret: told("PLANTED_SECRET")?,
        own: told("PLANTED_OWN")?,
        other: Pid::from_raw(told("PLANTED_OTHER")?.parse().map_err(|_| "no process")?),
    };
    cage.map_or(Ok(()), Cage::enter)?;
    for (name, act) in ACTS {
        say(name, act(&around))?;
    }
    let last = "become another program";
    say(last, Err(Command::new("/bin/echo").arg(format!("{last}: done")).exec()))
}

fn say(name: &str, came: io::Result<()>) -> Result<(), String> {
    let how = match came {
        Ok(()) => "done".to_string(),
        Err(error) => format!("refused {}", error.raw_os_error().unwrap_or(0)),
    };
    writeln!(io::stdout(), "{name}: {how}").map_err(|error| error.to_string())
}
