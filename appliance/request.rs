//! The messages between PID 1 and its children: of one fixed size, every field checked.
//!
//! ```text
//! octet   0..2  "MR"      the mark
//!         2     1         the version
//!         3     kind      which message; the rest is its fields in the order they stand below,
//!                         numbers little-endian, words as their length and UTF-8, then zeros
//! ```
//!
//! Whoever receives one asks [`Message::fits`] whether this sender may say it at all: a child that
//! was taken over can say no more than its role.

mod decode;
mod names;
mod octets;

pub(crate) use names::{Code, DeviceId};
use octets::{Fields, Printer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Octets of every message.
pub(crate) const SIZE: usize = 256;
/// Octets of the longest words in a message.
pub(crate) const WORDS_BYTES: usize = 160;
/// Resolvers and time servers in one message.
pub(crate) const SERVERS: usize = 3;

const MARK: [u8; 3] = *b"MR\x01";

const UPDATE_ACTS: [UpdateAct; 4] =
    [UpdateAct::Take, UpdateAct::Consent, UpdateAct::Now, UpdateAct::Back];

/// Who may say a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Init,
    Server,
    Netd,
    Installer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    // ---- init to server ----
    /// The first message: what the server must know to start. With `preset` the descriptor of the
    /// owner's mailroom.toml comes along. On `trial` it must prove that mail works.
    Start {
        preset: bool,
        trial: bool,
        code: Code,
    },
    /// Before [`Message::Start`]: the owner's log-in is to be taken away, once for each number.
    ResetOwner(u64),
    /// What a reset of everything has to name.
    Device(DeviceId),
    // ---- init to repair ----
    /// Why the box serves no mail.
    Repair(Words),
    // ---- server to init ----
    Health(Health),
    /// The presets are in the store: their file may go.
    PresetTaken,
    /// Line (0: the whole file) and reason.
    PresetWrong {
        line: u32,
        why: Words,
    },
    /// The presets choose the setup code.
    SetupCode(Code),
    /// The words of the key of the box's certificate, to compare with those of a browser's page.
    Key(Words),
    /// Restart the box, or switch it off.
    End {
        off: bool,
    },
    /// Mail works: a system on trial may be kept.
    Proved,
    /// Not yet: which step failed, and what was heard.
    Unproved(Words),
    /// The owner's log-in of this number is taken away, in the store.
    ResetDone(u64),
    /// Reset everything: the device as the owner typed it.
    Reset(DeviceId),
    // ---- server to init, init to netd; and back to the server: what holds now ----
    Network(Plan),
    /// The new static address works: keep it.
    NetworkKept,
    /// The box's name in the network.
    Name(Words),
    // ---- netd to init, init to server ----
    Link {
        up: bool,
        hardware: [u8; 6],
    },
    /// The box has this address now.
    Address {
        address: IpAddr,
        prefix: u8,
        from: From,
    },
    AddressGone(IpAddr),
    Clock {
        state: ClockState,
        seconds: i64,
    },
    // ---- netd to init ----
    /// What the network does, for the console.
    Told(Words),
    // ---- server to init ----
    /// What the owner wants of updates.
    Update(UpdateAct),
    // ---- init to installer ----
    /// The first message: two descriptors come along, the file's and the idle slot's. Board and
    /// version of what runs, with a space between; the lowest epoch that may follow; whether the
    /// owner consents to an older version.
    Install {
        consent: bool,
        epoch: u32,
        running: Words,
    },
    /// The one that was found may be written.
    Go,
    // ---- installer to init ----
    /// The file is signed and fits: which one it is, by the sum of its manifest.
    Found {
        id: [u8; 16],
        epoch: u32,
        version: Words,
    },
    Progress {
        step: InstallStep,
        done: u32,
        of: u32,
    },
    /// The slot holds the new system, and can be booted.
    Written,
    /// The file is not taken.
    Refused {
        kind: RefusedFor,
        why: Words,
    },
    // ---- server to init ----
    /// The stick is wanted, to write on it or only to read.
    Lend {
        write: bool,
    },
    /// It is wanted no more.
    Returned,
    /// The stick that is called so shall be emptied, and made one that can be used.
    Format(Words),
    // ---- init to server ----
    /// The stick is where the server finds it: what it is called.
    Lent(Words),
    /// Why it is not, or why it was not formatted.
    NotLent(Words),
    /// What was returned is unmounted: it may be pulled out.
    TakenBack,
    /// What is in, said whenever that changes.
    Stick {
        state: StickState,
        octets: u64,
        name: Words,
    },
    // ---- server to init: where the mail lies ----
    /// The disk that is called so shall be emptied, and made ready for all of the mail.
    Prepare(Words),
    /// The copy on it is whole: the mail is there from the next start on, which is now.
    Switch,
    /// The mail on the disk that is lent belongs to who asks: it is used from the next start on,
    /// which is now.
    Adopt,
    /// The old copy of the mail is wanted no more.
    Forget,
    // ---- init to server ----
    /// The disk is ready, where the server finds it: what it is called.
    Prepared(Words),
    /// Why it is not, or why it was not changed to, or the old copy is still there.
    NotPrepared(Words),
    /// A disk of the box, said at the start and whenever that changes.
    Holder {
        holds: Holds,
        /// Its size.
        octets: u64,
        /// Of its life, in tenths, as far as it says so: 1 to 11; 0: it says nothing.
        worn: u8,
        /// What its file system counted.
        errors: u32,
        name: Words,
    },
}

/// What a disk of the box holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    /// The system and the mail.
    All,
    /// The system; the mail is on another.
    System,
    /// The system and an old copy of the mail, which is on another.
    SystemAndOld,
    /// The mail; the system is on another.
    Mail,
    /// An old copy of the mail, and nothing else.
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateAct {
    /// The server has put a file where PID 1 finds it.
    Take,
    /// The refused one shall be installed all the same.
    Consent,
    /// Restart into the one that is installed.
    Now,
    /// Restart into the system of the other slot.
    Back,
}

/// Why a file is not taken, as far as it matters who consents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedFor {
    /// Nobody can consent to it.
    Good,
    /// The version that runs.
    Same,
    /// An older one.
    Older,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallStep {
    Checking,
    Writing,
    ReadingBack,
}

/// What can be done with the stick that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StickState {
    /// There is none.
    #[default]
    None,
    Ready,
    /// It has no file system that the box uses.
    Unusable,
    /// It holds the mail of a Mailroom, which is not this one's.
    Mail,
}

/// How the server is, said every few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Health {
    pub mail: Mail,
    pub store: StoreState,
    /// The box has an owner: the setup code is no longer shown.
    pub owned: bool,
    pub accounts: u32,
    /// Messages on their way out.
    pub waiting: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mail {
    /// No domain yet: the ports are closed.
    Closed,
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreState {
    Good,
    /// Reads only: new mail is put off until there is room.
    Full,
    /// Cannot be read or written.
    Failing,
}

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Dhcp,
    LinkLocal,
    Static,
    /// IPv6, announced by the router.
    Router,
}

/// How far the clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockState {
    /// The newest time that is surely past.
    Floor,
    /// A clock of the board, or one time server alone.
    Plausible,
    /// Several time servers agree.
    Synced,
}

/// How the box gets its IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Dhcp,
    Static(Static),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Static {
    pub address: Ipv4Addr,
    /// 1 to 30.
    pub prefix: u8,
    pub gateway: Option<Ipv4Addr>,
    pub resolvers: [Option<Ipv4Addr>; SERVERS],
    /// Goes back to what was before unless it is confirmed.
    pub on_trial: bool,
}

/// At most [`WORDS_BYTES`] of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(String);

impl Words {
    /// Cut where it is too long; what a terminal would obey becomes a space.
    pub(crate) fn new(text: &str) -> Words {
        let mut words = String::new();
        for c in text.chars() {
            if words.len() + c.len_utf8() > WORDS_BYTES {
                break;
            }
            words.push(if c.is_control() { ' ' } else { c });
        }
        Words(words)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Why octets are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub &'static str);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a message: {}", self.0)
    }
}

impl Message {
    /// May this role say it?
    pub(crate) fn fits(&self, sender: Role) -> bool {
        match self {
            Self::ResetOwner(_)
            | Self::Device(_)
            | Self::Lent(_)
            | Self::NotLent(_)
            | Self::TakenBack
            | Self::Stick { .. }
            | Self::Prepared(_)
            | Self::NotPrepared(_)
            | Self::Holder { .. } => sender == Role::Init,
            Self::ResetDone(_)
            | Self::Reset(_)
            | Self::Lend { .. }
            | Self::Returned
            | Self::Format(_)
            | Self::Prepare(_)
            | Self::Switch
            | Self::Adopt
            | Self::Forget => sender == Role::Server,
            Self::Start { .. } | Self::Repair(_) | Self::Install { .. } | Self::Go => {
                sender == Role::Init
            }
            Self::Network(_) | Self::NetworkKept | Self::Name(_) => {
                matches!(sender, Role::Init | Role::Server)
            }
            Self::Health(_)
            | Self::PresetTaken
            | Self::PresetWrong { .. }
            | Self::SetupCode(_)
            | Self::Key(_)
            | Self::Update(_)
            | Self::End { .. }
            | Self::Proved
            | Self::Unproved(_) => sender == Role::Server,
            Self::Link { .. }
            | Self::Address { .. }
            | Self::AddressGone(_)
            | Self::Clock { .. } => matches!(sender, Role::Init | Role::Netd),
            Self::Told(_) => sender == Role::Netd,
            Self::Found { .. } | Self::Progress { .. } | Self::Written | Self::Refused { .. } => {
                sender == Role::Installer
            }
        }
    }

    pub(crate) fn encode(&self) -> [u8; SIZE] {
        let mut out = Printer { octets: MARK.to_vec() };
        self.print(&mut out);
        let mut octets = [0; SIZE];
        // The longest message has words and five octets beside them.
        let length = out.octets.len().min(SIZE);
        octets[..length].copy_from_slice(&out.octets[..length]);
        octets
    }

    fn print(&self, out: &mut Printer) {
        match self {
            Self::Start { preset, trial, code } => {
                out.octets.extend([1, u8::from(*preset), u8::from(*trial)]);
                out.octets.extend(code.0);
            }
            Self::Health(health) => out.health(health),
            Self::PresetTaken => out.octets.push(3),
            Self::PresetWrong { line, why } => {
                out.octets.push(4);
                out.octets.extend(line.to_le_bytes());
                out.words(why);
            }
            Self::SetupCode(code) => {
                out.octets.push(5);
                out.octets.extend(code.0);
            }
            Self::End { off } => out.octets.extend([6, u8::from(*off)]),
            Self::Network(plan) => out.plan(plan),
            Self::NetworkKept => out.octets.push(8),
            Self::Name(name) => {
                out.octets.push(9);
                out.words(name);
            }
            Self::Link { up, hardware } => {
                out.octets.extend([10, u8::from(*up)]);
                out.octets.extend(hardware);
            }
            Self::Address { address, prefix, from } => {
                out.octets.push(11);
                out.address(*address);
                out.octets.extend([*prefix, *from as u8]);
            }
            Self::AddressGone(address) => {
                out.octets.push(12);
                out.address(*address);
            }
            Self::Clock { state, seconds } => {
                out.octets.extend([13, *state as u8]);
                out.octets.extend(seconds.to_le_bytes());
            }
            Self::Proved => out.octets.push(18),
            Self::Update(act) => out.octets.extend([17, *act as u8]),
            Self::ResetOwner(_) | Self::ResetDone(_) | Self::Reset(_) | Self::Device(_) => {
                self.print_reset(out);
            }
            Self::Install { .. }
            | Self::Go
            | Self::Found { .. }
            | Self::Progress { .. }
            | Self::Written
            | Self::Refused { .. } => self.print_install(out),
            _ => self.print_others(out),
        }
    }

    fn print_storage(&self, out: &mut Printer) {
        let (kind, words) = match self {
            Self::Prepare(name) => (50, Some(name)),
            Self::Switch => (51, None),
            Self::Adopt => (52, None),
            Self::Forget => (53, None),
            Self::Prepared(name) => (54, Some(name)),
            Self::NotPrepared(why) => (55, Some(why)),
            Self::Holder { name, .. } => (56, Some(name)),
            Self::TakenBack => (57, None),
            _ => return,
        };
        out.octets.push(kind);
        if let Self::Holder { holds, octets, worn, errors, .. } = self {
            out.octets.push(*holds as u8);
            out.octets.extend(octets.to_le_bytes());
            out.octets.push(*worn);
            out.octets.extend(errors.to_le_bytes());
        }
        if let Some(words) = words {
            out.words(words);
        }
    }

    fn print_reset(&self, out: &mut Printer) {
        match self {
            Self::ResetOwner(number) => out.number(40, *number),
            Self::ResetDone(number) => out.number(41, *number),
            Self::Reset(device) => out.device(42, *device),
            Self::Device(device) => out.device(43, *device),
            _ => (),
        }
    }

    fn print_others(&self, out: &mut Printer) {
        match self {
            Self::Told(words) => {
                out.octets.push(14);
                out.words(words);
            }
            Self::Key(words) => {
                out.octets.push(15);
                out.words(words);
            }
            Self::Repair(words) => {
                out.octets.push(16);
                out.words(words);
            }
            Self::Unproved(why) => {
                out.octets.push(19);
                out.words(why);
            }
            Self::Lend { write } => out.octets.extend([30, u8::from(*write)]),
            Self::Lent(name) => {
                out.octets.push(31);
                out.words(name);
            }
            Self::NotLent(why) => {
                out.octets.push(32);
                out.words(why);
            }
            Self::Format(name) => {
                out.octets.push(34);
                out.words(name);
            }
            Self::Stick { state, octets, name } => {
                out.octets.extend([35, *state as u8]);
                out.octets.extend(octets.to_le_bytes());
                out.words(name);
            }
            Self::Returned => out.octets.push(33),
            _ => self.print_storage(out),
        }
    }

    fn print_install(&self, out: &mut Printer) {
        match self {
            Self::Install { consent, epoch, running } => {
                out.octets.extend([20, u8::from(*consent)]);
                out.octets.extend(epoch.to_le_bytes());
                out.words(running);
            }
            Self::Found { id, epoch, version } => {
                out.octets.push(22);
                out.octets.extend(id);
                out.octets.extend(epoch.to_le_bytes());
                out.words(version);
            }
            Self::Progress { step, done, of } => {
                out.octets.extend([23, *step as u8]);
                out.octets.extend(done.to_le_bytes());
                out.octets.extend(of.to_le_bytes());
            }
            Self::Written => out.octets.push(24),
            Self::Refused { kind, why } => {
                out.octets.extend([25, *kind as u8]);
                out.words(why);
            }
            _ => out.octets.push(21),
        }
    }

    pub(crate) fn decode(octets: &[u8]) -> Result<Message, Wrong> {
        if octets.len() != SIZE {
            return Err(Wrong("it has another size"));
        }
        let mut fields = Fields { rest: octets };
        if fields.take::<3>()? != MARK {
            return Err(Wrong("it has another mark"));
        }
        let message = fields.message()?;
        if fields.rest.iter().any(|octet| *octet != 0) {
            return Err(Wrong("something follows its fields"));
        }
        Ok(message)
    }
}
