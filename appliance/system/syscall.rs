//! Every call that PID 1 makes of the operating system, behind one trait: the boot runs as an
//! ordinary process against a fake in the tests. Below it the real one, over nix; the few calls
//! that nix lacks are the only `unsafe` beside the store's.

#![allow(unsafe_code)]

mod calls;
pub(crate) mod events;
pub(super) mod filter;
pub(crate) mod link;
pub(crate) mod opened;
pub(crate) mod program;
mod terminal;
mod tree;
pub(crate) mod watchdog;

use crate::limits;
use crate::request::{Message, SIZE};
use events::{device_socket, happening_of};
use nix::mount::{MntFlags, MsFlags};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::reboot::RebootMode;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType};
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use terminal::Terminal;
use watchdog::Watchdog;

pub(crate) use opened::Opened;

/// What PID 1 asks of the operating system.
pub(crate) trait System {
    /// A whole file, up to [`limits::BOOT_FILE_BYTES`].
    fn read(&mut self, path: &str) -> io::Result<Vec<u8>>;
    fn read_at(&mut self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// On the disk when it returns.
    fn write_at(&mut self, path: &str, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// The whole file or none of it, on the disk when it returns, readable by PID 1 alone.
    fn replace(&mut self, path: &str, octets: &[u8]) -> io::Result<()>;
    /// As `replace`, in memory, and readable by every child that may read there.
    fn show(&mut self, path: &str, octets: &[u8]) -> io::Result<()>;
    /// Writes to what is there: /proc, /sys, a terminal.
    fn put(&mut self, path: &str, octets: &[u8]) -> io::Result<()>;
    fn remove(&mut self, path: &str) -> io::Result<()>;
    /// Names in a folder, sorted.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;
    /// What a path is, no link followed.
    fn kind(&mut self, path: &str) -> io::Result<Kind>;
    /// A file loses what is behind so many octets.
    fn shorten(&mut self, path: &str, length: u64) -> io::Result<()>;
    /// Removes a folder with all that is left in it.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;
    /// Makes a folder where there is none, and sets its owner and mode.
    fn folder(&mut self, path: &str, mode: u32, owner: u32) -> io::Result<()>;
    /// Makes a symbolic link where nothing is.
    fn link(&mut self, target: &str, path: &str) -> io::Result<()>;
    fn mount(&mut self, mount: &Mount) -> io::Result<()>;
    fn unmount(&mut self, target: &str) -> io::Result<()>;
    /// The kernel's console becomes standard input, output and error output; what is typed there
    /// and at the screen is a happening from now on.
    fn adopt_console(&mut self) -> io::Result<()>;
    /// The names by which devices ask for their drivers, each once.
    fn modaliases(&mut self) -> Vec<String>;
    fn load_module(&mut self, path: &str) -> io::Result<()>;
    /// Tells the kernel the new length of a partition, in octets.
    fn resize_partition(&mut self, disk: &str, number: i32, range: (u64, u64)) -> io::Result<()>;
    /// No part of this disk is in use: an error where one is mounted.
    fn claim(&mut self, disk: &str) -> io::Result<()>;
    /// The kernel reads the table of a disk anew.
    fn read_table(&mut self, disk: &str) -> io::Result<()>;
    /// Grows a mounted ext4 to this many blocks.
    fn resize_file_system(&mut self, target: &str, blocks: u64) -> io::Result<()>;
    /// The way back to this machine: 127.0.0.1 and ::1.
    fn loopback_up(&mut self) -> io::Result<()>;
    fn start(&mut self, program: &Program) -> io::Result<()>;
    fn kill(&mut self, program: &Program, how: Kill);
    /// Says a message to a child, with a file's octets along where there are some.
    fn tell(&mut self, to: &Program, message: &Message, file: Option<&[u8]>) -> io::Result<()>;
    /// Says a message, with descriptors of these along, in their order.
    fn hand(&mut self, to: &Program, message: &Message, opened: &[Opened]) -> io::Result<()>;
    /// What happened, or nothing within this time.
    fn wait(&mut self, most: Duration) -> Vec<Happening>;
    /// Opens the watchdog; returns its time-out as it granted it.
    fn open_watchdog(&mut self, seconds: i32) -> io::Result<i32>;
    fn feed_watchdog(&mut self);
    fn close_watchdog(&mut self);
    /// Seconds since 1970 by the clock.
    fn now(&mut self) -> i64;
    fn set_clock(&mut self, seconds: i64) -> io::Result<()>;
    fn uptime(&mut self) -> Duration;
    fn random(&mut self, octets: &mut [u8]) -> io::Result<()>;
    fn sync(&mut self);
    /// Returns only when it fails.
    fn reboot(&mut self, off: bool) -> io::Result<()>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub source: String,
    pub target: String,
    pub kind: &'static str,
    pub access: Access,
    pub options: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    ReadOnly,
    /// A mount that is there becomes read-only.
    BecomeReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of so many octets.
    File(u64),
    Folder,
    /// A link, a socket and the like.
    Other,
}

/// Where somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Screen,
    Serial,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    Server,
    /// In place of the server while the box is under repair.
    Repair,
    Netd,
    /// Checks an update file and writes it into the slot that does not run.
    Installer,
    /// e2fsck of this device.
    Check(String),
}

impl Program {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Repair => "repair",
            Self::Netd => "netd",
            Self::Installer => "installer",
            Self::Check(_) => "e2fsck",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    Ask,
    AtOnce,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    Ended(Program, Ended),
    Told(Program, Message),
    /// A child said what is no message.
    Babbled(Program, &'static str),
    /// A line of its error output.
    Said(Program, String),
    /// A device came that asks for its driver by this name.
    Device(String),
    /// A disk, a stick or a card of this name came, went, or is another one.
    Disk(String),
    /// An octet that was typed.
    Key(Source, u8),
    /// A signal asks for the end.
    End {
        off: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match Signal::try_from(*signal) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The real one.
pub(crate) struct Linux {
    signals: SignalFd,
    devices: Option<OwnedFd>,
    children: Vec<Child>,
    terminals: Vec<Terminal>,
    watchdog: Option<Watchdog>,
}

struct Child {
    program: Program,
    pid: Pid,
    /// Gone once the other end is closed.
    socket: Option<OwnedFd>,
    said: Option<File>,
    line: Vec<u8>,
}

impl Linux {
    /// Signals are taken as happenings from now on.
    pub(crate) fn new() -> io::Result<Linux> {
        let mut taken = SigSet::empty();
        let ends = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR, Signal::SIGUSR2];
        ends.into_iter().chain([Signal::SIGCHLD]).for_each(|signal| taken.add(signal));
        taken.thread_block()?;
        let signals = SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let (devices, children, terminals) = (device_socket().ok(), Vec::new(), Vec::new());
        Ok(Linux { signals, devices, children, terminals, watchdog: None })
    }

    fn signals(&mut self, happened: &mut Vec<Happening>) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGTERM | Signal::SIGINT)) => {
                    happened.push(Happening::End { off: false });
                }
                Ok(Ok(Signal::SIGPWR | Signal::SIGUSR2)) => {
                    happened.push(Happening::End { off: true });
                }
                _ => (),
            }
        }
    }

    /// Takes every ended process, orphans too; what a child said last is heard first.
    fn reap(&mut self, happened: &mut Vec<Happening>) {
        loop {
            let (pid, ended) = match nix::sys::wait::waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Ended::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Ended::Signal(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(at) = self.children.iter().position(|child| child.pid == pid) {
                let mut child = self.children.remove(at);
                child.hear(happened);
                child.listen(happened);
                if !child.line.is_empty() {
                    happened.push(child.said_line());
                }
                happened.push(Happening::Ended(child.program, ended));
            }
        }
    }

    fn ready(&self, most: Duration) -> nix::Result<i32> {
        let mut watched = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let others = self.children.iter().flat_map(|child| {
            let said = child.said.as_ref().map(File::as_fd);
            child.socket.as_ref().map(OwnedFd::as_fd).into_iter().chain(said)
        });
        let terminals = self.terminals.iter().map(Terminal::as_fd);
        let all = others.chain(self.devices.as_ref().map(OwnedFd::as_fd)).chain(terminals);
        watched.extend(all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let most = u16::try_from(most.as_millis()).unwrap_or(u16::MAX);
        nix::poll::poll(&mut watched, PollTimeout::from(most))
    }

    fn send(&self, to: &Program, message: &Message, files: &[OwnedFd]) -> io::Result<()> {
        let child = self.children.iter().find(|child| child.program == *to);
        let socket = child.and_then(|child| child.socket.as_ref());
        let socket = socket.ok_or(io::Error::from(io::ErrorKind::NotConnected))?;
        let descriptors: Vec<i32> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let rights: &[ControlMessage<'_>] = if files.is_empty() { &[] } else { &rights };
        let octets = message.encode();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let parts = [IoSlice::new(&octets)];
        nix::sys::socket::sendmsg::<()>(socket.as_raw_fd(), &parts, rights, flags, None)?;
        Ok(())
    }

    fn new_devices(&mut self, happened: &mut Vec<Happening>) {
        let Some(socket) = &self.devices else { return };
        let mut octets = [0; limits::UEVENT_BYTES];
        let flags = MsgFlags::MSG_DONTWAIT;
        while let Ok(length) = nix::sys::socket::recv(socket.as_raw_fd(), &mut octets, flags) {
            let told = octets.get(..length).unwrap_or_default();
            happened.extend(happening_of(told));
        }
    }
}

impl Child {
    /// Messages that came.
    fn hear(&mut self, happened: &mut Vec<Happening>) {
        let mut octets = [0; SIZE + 1];
        while let Some(socket) = &self.socket {
            match nix::sys::socket::recv(socket.as_raw_fd(), &mut octets, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => self.socket = None,
                Ok(length) => {
                    let told = Message::decode(octets.get(..length).unwrap_or_default());
                    happened.push(match told {
                        Ok(message) => Happening::Told(self.program.clone(), message),
                        Err(wrong) => Happening::Babbled(self.program.clone(), wrong.0),
                    });
                }
                Err(_) => return,
            }
        }
    }

    /// Lines of its error output.
    fn listen(&mut self, happened: &mut Vec<Happening>) {
        let mut octets = [0; 4096];
        while let Some(said) = &mut self.said {
            match said.read(&mut octets) {
                Ok(0) => self.said = None,
                Ok(length) => {
                    for octet in octets.get(..length).unwrap_or_default() {
                        match octet {
                            b'\n' => happened.push(self.said_line()),
                            _ if self.line.len() < limits::CHILD_LINE_BYTES => {
                                self.line.push(*octet);
                            }
                            _ => (),
                        }
                    }
                }
                Err(_) => return,
            }
        }
    }

    fn said_line(&mut self) -> Happening {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        Happening::Said(self.program.clone(), line)
    }
}

impl System for Linux {
    fn read(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let (mut octets, most) = (Vec::new(), limits::BOOT_FILE_BYTES);
        File::open(path)?.take(most + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(octets)
    }

    fn read_at(&mut self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; length];
        File::open(path)?.read_exact_at(&mut octets, offset)?;
        Ok(octets)
    }

    fn write_at(&mut self, path: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(octets, offset)?;
        file.sync_all()
    }

    fn replace(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        crate::settings::replace_file(Path::new(path), octets)
    }

    fn show(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        let new = format!("{path}.new");
        fs::write(&new, octets)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::rename(&new, path)
    }

    fn put(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(nix::libc::O_NOCTTY);
        options.open(path)?.write_all(octets)
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(path)?;
        match Path::new(path).parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let names = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let mut names = names.take(limits::FOLDER_NAMES + 1).collect::<io::Result<Vec<_>>>()?;
        if names.len() > limits::FOLDER_NAMES {
            let most = limits::FOLDER_NAMES;
            return Err(io::Error::other(format!("more than {most} files in one folder")));
        }
        names.sort();
        Ok(names)
    }

    fn kind(&mut self, path: &str) -> io::Result<Kind> {
        tree::kind(path)
    }

    fn shorten(&mut self, path: &str, length: u64) -> io::Result<()> {
        tree::shorten(path, length)
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        tree::remove_folder(path)
    }

    fn folder(&mut self, path: &str, mode: u32, owner: u32) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
        std::os::unix::fs::chown(path, Some(owner), Some(owner))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    fn link(&mut self, target: &str, path: &str) -> io::Result<()> {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        match std::os::unix::fs::symlink(target, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn mount(&mut self, mount: &Mount) -> io::Result<()> {
        if mount.access != Access::BecomeReadOnly {
            fs::create_dir_all(&mount.target)?;
        }
        let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        if mount.kind != "devtmpfs" {
            flags |= MsFlags::MS_NODEV;
        }
        flags |= match mount.access {
            Access::Write => MsFlags::empty(),
            Access::ReadOnly => MsFlags::MS_RDONLY,
            Access::BecomeReadOnly => MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
        };
        let Mount { source, target, kind, options, .. } = mount;
        let (source, kind) = (Some(source.as_str()), Some(*kind));
        self.watchdog.iter().for_each(Watchdog::be_patient);
        Ok(nix::mount::mount(source, target.as_str(), kind, flags, Some(*options))?)
    }

    fn unmount(&mut self, target: &str) -> io::Result<()> {
        self.watchdog.iter().for_each(Watchdog::be_patient);
        Ok(nix::mount::umount2(target, MntFlags::empty())?)
    }

    fn adopt_console(&mut self) -> io::Result<()> {
        self.terminals = terminal::all();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(nix::libc::O_NOCTTY);
        let console = options.open("/dev/console")?;
        nix::unistd::dup2_stdin(&console)?;
        nix::unistd::dup2_stdout(&console)?;
        Ok(nix::unistd::dup2_stderr(&console)?)
    }

    fn modaliases(&mut self) -> Vec<String> {
        let (mut found, mut folders) = (std::collections::BTreeSet::new(), Vec::new());
        folders.push(std::path::PathBuf::from("/sys/devices"));
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    Ok(kind) if kind.is_file() && entry.file_name() == "modalias" => {
                        let alias = fs::read_to_string(entry.path()).unwrap_or_default();
                        found.insert(alias.trim_end().to_string());
                    }
                    _ => (),
                }
            }
        }
        found.into_iter().filter(|alias| !alias.is_empty()).collect()
    }

    fn load_module(&mut self, path: &str) -> io::Result<()> {
        let flags = nix::kmod::ModuleInitFlags::empty();
        match nix::kmod::finit_module(File::open(path)?, c"", flags) {
            Err(nix::errno::Errno::EEXIST) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn resize_partition(&mut self, disk: &str, number: i32, range: (u64, u64)) -> io::Result<()> {
        calls::resize_partition(&File::open(disk)?, number, range)
    }

    fn claim(&mut self, disk: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(nix::libc::O_EXCL).open(disk).map(drop)
    }

    fn read_table(&mut self, disk: &str) -> io::Result<()> {
        let disk = File::open(disk)?;
        // SAFETY: the call has no argument.
        unsafe { calls::blkrrpart(disk.as_raw_fd()) }?;
        Ok(())
    }

    fn resize_file_system(&mut self, target: &str, blocks: u64) -> io::Result<()> {
        let folder = File::open(target)?;
        // SAFETY: the kernel reads one u64 (ext4.h), which outlives the call.
        unsafe { calls::ext4_resize(folder.as_raw_fd(), &raw const blocks) }?;
        Ok(())
    }

    fn loopback_up(&mut self) -> io::Result<()> {
        link::loopback_up()
    }

    fn start(&mut self, program: &Program) -> io::Result<()> {
        let (said, to_say) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(&said, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        let mut command = match program {
            Program::Check(device) => {
                let mut command = Command::new("/sbin/e2fsck");
                command.args(["-p", device.as_str()]);
                command
            }
            program => {
                let mut command = Command::new("/proc/self/exe");
                command.arg0("mailroom").args([super::CHILD, program.name()]);
                command
            }
        };
        command.env_clear().current_dir("/");
        command.env("E2FSCK_CONFIG", super::init::FSCK_CONFIG);
        command.stdout(Stdio::from(to_say.try_clone()?)).stderr(Stdio::from(to_say));
        let mut socket = None;
        if matches!(program, Program::Check(_)) {
            command.stdin(Stdio::null());
        } else {
            let (ours, theirs) = nix::sys::socket::socketpair(
                AddressFamily::Unix,
                SockType::SeqPacket,
                None,
                SockFlag::SOCK_CLOEXEC,
            )?;
            command.stdin(Stdio::from(theirs));
            socket = Some(ours);
        }
        // Reaped by `reap`, like every other.
        let pid = i32::try_from(command.spawn()?.id()).map(Pid::from_raw);
        let pid = pid.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let said = Some(File::from(said));
        self.children.push(Child { program: program.clone(), pid, socket, said, line: Vec::new() });
        Ok(())
    }

    fn kill(&mut self, program: &Program, how: Kill) {
        let signal = match how {
            Kill::Ask => Signal::SIGTERM,
            Kill::AtOnce => Signal::SIGKILL,
        };
        for child in self.children.iter().filter(|child| child.program == *program) {
            // One that has ended meanwhile is not reaped yet: its pid is nobody else's.
            let _ = nix::sys::signal::kill(child.pid, signal);
        }
    }

    fn tell(&mut self, to: &Program, message: &Message, file: Option<&[u8]>) -> io::Result<()> {
        let memory = file.map(in_memory).transpose()?;
        self.send(to, message, memory.as_slice())
    }

    fn hand(&mut self, to: &Program, message: &Message, opened: &[Opened]) -> io::Result<()> {
        let files = opened.iter().map(Opened::open).collect::<io::Result<Vec<_>>>()?;
        self.send(to, message, &files)
    }

    fn wait(&mut self, most: Duration) -> Vec<Happening> {
        let mut happened = Vec::new();
        if self.ready(most).is_err() {
            // Only a lack of memory fails here: no haste then.
            std::thread::sleep(limits::INIT_BREATH);
        }
        for child in &mut self.children {
            child.listen(&mut happened);
            child.hear(&mut happened);
        }
        self.signals(&mut happened);
        self.reap(&mut happened);
        self.new_devices(&mut happened);
        self.terminals.retain_mut(|terminal| terminal.read(&mut happened));
        happened
    }

    fn open_watchdog(&mut self, seconds: i32) -> io::Result<i32> {
        let watchdog = OpenOptions::new().write(true).open("/dev/watchdog")?;
        let mut granted = seconds;
        // SAFETY: the kernel reads and writes one int (linux/watchdog.h). One that cannot change
        // its time-out keeps its own, which is fine.
        let set = unsafe { calls::watchdog_timeout(watchdog.as_raw_fd(), &raw mut granted) };
        self.watchdog = Some(Watchdog::new(watchdog, limits::WATCHDOG_FEED));
        Ok(if set.is_ok() { granted } else { 0 })
    }

    fn feed_watchdog(&mut self) {
        self.watchdog.iter_mut().for_each(Watchdog::feed);
    }

    fn close_watchdog(&mut self) {
        self.watchdog.take().map(Watchdog::close);
    }

    fn now(&mut self) -> i64 {
        crate::clock::now()
    }

    fn set_clock(&mut self, seconds: i64) -> io::Result<()> {
        set_clock(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    fn uptime(&mut self) -> Duration {
        let clock = nix::time::ClockId::CLOCK_BOOTTIME;
        nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
    }

    fn random(&mut self, octets: &mut [u8]) -> io::Result<()> {
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), octets)
            .map_err(|_| io::Error::other("the kernel gives no random numbers"))
    }

    fn sync(&mut self) {
        nix::unistd::sync();
    }

    fn reboot(&mut self, off: bool) -> io::Result<()> {
        let mode = if off { RebootMode::RB_POWER_OFF } else { RebootMode::RB_AUTOBOOT };
        match nix::sys::reboot::reboot(mode) {
            Ok(never) => match never {},
            Err(error) => Err(error.into()),
        }
    }
}

/// A file without a name that holds these octets.
fn in_memory(octets: &[u8]) -> io::Result<OwnedFd> {
    let made = nix::sys::memfd::memfd_create(c"preset", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    let file = File::from(made);
    file.write_all_at(octets, 0)?;
    Ok(file.into())
}

/// The file behind a descriptor that a message brought.
pub(crate) fn adopt(descriptor: i32) -> File {
    use std::os::fd::FromRawFd;
    // SAFETY: the kernel made this descriptor for us alone when the message was taken.
    unsafe { File::from_raw_fd(descriptor) }
}

/// Sets the clock of the machine.
pub(crate) fn set_clock(since_1970: Duration) -> io::Result<()> {
    let time = nix::sys::time::TimeSpec::from(since_1970);
    Ok(nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time)?)
}

/// Makes the clock run faster or slower until it has moved by so many nanoseconds.
pub(crate) fn slew_clock(by: i128) -> io::Result<()> {
    // SAFETY: a struct of plain numbers, for which zeros are fine.
    let mut change: nix::libc::timex = unsafe { std::mem::zeroed() };
    change.modes = nix::libc::ADJ_OFFSET_SINGLESHOT;
    change.offset = (by / 1_000).try_into().unwrap_or(0);
    // SAFETY: the kernel reads and writes this struct, which outlives the call.
    match unsafe { nix::libc::adjtimex(&raw mut change) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
