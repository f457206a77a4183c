//! A machine that is not there: disks of sectors, files, and a script of what happens. It writes
//! down every call that changes something.

use crate::request::Message;
use crate::system::syscall::{
    Access, Ended, Happening, Kill, Kind, Mount, Opened, Program, System,
};
use crate::update::slot::{self, Slot, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

pub(crate) const BUILD: i64 = 1_800_000_000;
pub(crate) const FACTORY: u32 = 0xB007_A0B1;
/// Sectors of the disk as the image is, and of the card it was written to.
pub(crate) const CARD: u64 = 8 << 21;
const DATA_START: u64 = 1 << 20;
const DATA_LENGTH: u64 = 1 << 18;

/// What survives a power cut.
#[derive(Clone, Default)]
pub(crate) struct Disks {
    sectors: BTreeMap<(String, u64), [u8; 512]>,
    /// Files of the data and boot partitions, and of a stick.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What happens, and how much time passes before it.
pub(crate) type Script = VecDeque<(Duration, Happening)>;

pub(crate) struct Fake {
    pub disks: Disks,
    /// Files of the kernel and the initramfs.
    pub files: BTreeMap<String, Vec<u8>>,
    pub trace: Vec<String>,
    /// Calls that fail, by how their lines in the trace begin (with a last $: by all of it), and
    /// how.
    pub fails: Vec<(&'static str, i32)>,
    /// After so many calls that change the disk the power is gone.
    pub cut: Option<usize>,
    changes: usize,
    pub script: Script,
    pub check: Ended,
    /// The same of one device.
    pub check_of: Option<(&'static str, Ended)>,
    /// How the first ends, where that is otherwise.
    pub check_first: Option<Ended>,
    pub clock: i64,
    pub uptime: Duration,
    pub aliases: BTreeSet<String>,
    pub mounted: BTreeSet<String>,
    /// What is mounted there: kind and source.
    sources: BTreeMap<String, (&'static str, String)>,
    only_to_read: BTreeSet<String>,
    /// Files that are as long as this, though the fake holds less.
    pub lengths: BTreeMap<String, u64>,
    pub screen: String,
    pub serial: String,
    /// The server copies the mail to the disk that is prepared for it.
    pub copies: bool,
    /// Where randomness begins.
    pub random: u8,
}

impl Fake {
    /// A box that started from a fresh image on a larger card.
    pub(crate) fn fresh() -> Fake {
        let mut fake = Fake::of(Disks::default());
        fake.format("vda");
        fake
    }

    /// The same machine, started again.
    pub(crate) fn again(disks: Disks) -> Fake {
        let mut fake = Fake::of(disks);
        let table = fake.disks.sector("/dev/vda", 0);
        let length = u32::from_le_bytes(table[506..510].try_into().expect("four"));
        let id = u32::from_le_bytes(table[440..444].try_into().expect("four"));
        // U-Boot passes the id that it read; the kernel reads the table anew.
        fake.command_line("a", id);
        fake.put_file("/sys/block/vda/vda4/size", &format!("{length}\n"));
        fake
    }

    fn of(disks: Disks) -> Fake {
        let mut fake = Fake {
            disks,
            files: BTreeMap::new(),
            trace: Vec::new(),
            fails: Vec::new(),
            cut: None,
            changes: 0,
            script: Script::new(),
            check: Ended::Code(0),
            check_first: None,
            check_of: None,
            clock: BUILD + 1_000,
            uptime: Duration::from_secs(2),
            aliases: BTreeSet::new(),
            mounted: BTreeSet::new(),
            sources: BTreeMap::new(),
            only_to_read: BTreeSet::new(),
            lengths: BTreeMap::new(),
            screen: String::new(),
            serial: String::new(),
            copies: false,
            random: 0,
        };
        fake.command_line("a", FACTORY);
        fake.put_file("/proc/sys/kernel/osrelease", "6.1.0-test\n");
        let dep = "kernel/ext4.ko: kernel/jbd2.ko kernel/crc16.ko\nkernel/jbd2.ko:\n\
                   kernel/crc16.ko:\nkernel/crc32c_generic.ko:\nkernel/virtio_blk.ko:\n";
        let alias = "alias virtio:d00000002v* virtio_blk\nalias crypto-crc32c crc32c_generic\n";
        fake.put_file("/lib/modules/6.1.0-test/modules.dep", dep);
        fake.put_file("/lib/modules/6.1.0-test/modules.alias", alias);
        let softdep = "softdep ext4 pre: crypto-crc32c\n";
        fake.put_file("/lib/modules/6.1.0-test/modules.softdep", softdep);
        fake.aliases.insert("virtio:d00000002v00001AF4".to_string());
        fake.files.insert("/lib/mailroom/data.seed".to_string(), seed());
        fake.put_file("/sys/block/vda/size", &format!("{CARD}\n"));
        fake.put_file("/sys/block/vda/device/vendor", "0x1af4\n");
        fake.put_file("/sys/block/vda/vda4/size", &format!("{DATA_LENGTH}\n"));
        fake
    }

    pub(crate) fn command_line(&mut self, slot: &str, disk: u32) {
        let line =
            format!("console=ttyAMA0 mailroom.slot={slot} mailroom.disk={disk:08x} panic=5\n");
        self.put_file("/proc/cmdline", &line);
    }

    pub(crate) fn put_file(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_string(), text.as_bytes().to_vec());
    }

    /// A disk as the image tool makes it.
    pub(crate) fn format(&mut self, name: &str) {
        let device = format!("/dev/{name}");
        let mut table = [0; 512];
        table[440..444].copy_from_slice(&FACTORY.to_le_bytes());
        let places = [(32_768, 98_304), (131_072, 262_144), (393_216, 262_144)];
        for (at, (start, length)) in
            places.into_iter().chain([(DATA_START, DATA_LENGTH)]).enumerate()
        {
            let at = 446 + 16 * at;
            table[at + 8..at + 12].copy_from_slice(&u32::to_le_bytes(start as u32));
            table[at + 12..at + 16].copy_from_slice(&u32::to_le_bytes(length as u32));
        }
        table[510..].copy_from_slice(&[0x55, 0xAA]);
        self.disks.put(&device, 0, table);
        let state = slot::print(&State::first(Slot::A));
        slot::COPIES.into_iter().for_each(|at| self.disks.put(&device, at / 512, state));
        self.disks.set_blocks(&format!("{device}4"), DATA_LENGTH / 8);
        self.put_file(&format!("/sys/block/{name}/size"), &format!("{CARD}\n"));
    }

    fn note(&mut self, line: String) -> io::Result<()> {
        let fits = |call: &str| match call.strip_suffix('$') {
            Some(whole) => line == whole,
            None => line.starts_with(call),
        };
        let fails = self.fails.iter().find(|(call, _)| fits(call)).map(|(_, how)| *how);
        let failed = fails.map(|how| format!(" -> {}", io::Error::from_raw_os_error(how)));
        self.trace.push(format!("{line}{}", failed.unwrap_or_default()));
        fails.map_or(Ok(()), |how| Err(io::Error::from_raw_os_error(how)))
    }

    /// A call that changes what survives.
    fn change(&mut self, line: String) -> io::Result<()> {
        self.changes += 1;
        if self.cut.is_some_and(|cut| self.changes > cut) {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        self.note(line)
    }

    /// The power went: a change came after the last that was to reach the disk.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.changes > cut)
    }

    fn lasting(path: &str) -> bool {
        Self::target(path).is_some()
    }

    /// Where the file system of a path that lasts is mounted.
    fn target(path: &str) -> Option<&'static str> {
        let targets = ["/data", "/boot", "/run/stick", "/run/lent/stick", "/run/home"];
        targets
            .into_iter()
            .find(|target| path.strip_prefix(target).is_some_and(|below| below.starts_with('/')))
    }

    /// Nobody writes to what is mounted only to be read.
    fn writable(&self, path: &str) -> io::Result<()> {
        match Self::target(path).is_some_and(|target| self.only_to_read.contains(target)) {
            true => Err(io::Error::from_raw_os_error(nix::libc::EROFS)),
            false => Ok(()),
        }
    }

    /// A stick with one partition.
    pub(crate) fn plug_in(&mut self) {
        self.put_file("/sys/block/sda/size", "2048\n");
        self.put_file("/sys/block/sda/sda1/size", "2040\n");
    }

    fn on_disk(&mut self, path: &str) -> &mut BTreeMap<String, Vec<u8>> {
        if Self::lasting(path) { &mut self.disks.files } else { &mut self.files }
    }

    /// How a file is called that lasts. Those of the system disk's partition 4 are called as they
    /// are at /data, those of another ext4 by its device, wherever they are mounted.
    fn key(&self, path: &str) -> String {
        let Some(target) = Self::target(path) else { return path.to_string() };
        match self.sources.get(target) {
            Some(("ext4", source)) if source == "/dev/vda4" => path.replacen(target, "/data", 1),
            Some(("ext4", source)) => path.replacen(target, source, 1),
            _ => path.to_string(),
        }
    }

    /// A disk beside the system's, of so many sectors, with what is on it already.
    pub(crate) fn plug_in_disk(&mut self, name: &str, sectors: u64) {
        self.put_file(&format!("/sys/block/{name}/size"), &format!("{sectors}\n"));
        self.put_file(&format!("/sys/block/{name}/device/model"), "Good Disk\n");
        if self.disks.sector(&format!("/dev/{name}"), 0) == [0; 512] {
            self.disks.put(&format!("/dev/{name}"), 0, [0; 512]);
        }
        self.partitions(name);
    }

    /// As the kernel reads the table.
    fn partitions(&mut self, name: &str) {
        let table = self.disks.sector(&format!("/dev/{name}"), 0);
        let length = u32::from_le_bytes(table[506..510].try_into().expect("four"));
        let path = format!("/sys/block/{name}/{name}4/size");
        match length {
            0 => drop(self.files.remove(&path)),
            _ => self.put_file(&path, &format!("{length}\n")),
        }
    }

    /// Where a sector is: those of a data disk's partition are those of the disk.
    fn place(&self, device: &str, sector: u64) -> (String, u64) {
        match device.strip_suffix('4') {
            Some(disk) if disk != "/dev/vda" => {
                let table = self.disks.sector(disk, 0);
                let begin = u32::from_le_bytes(table[502..506].try_into().expect("four"));
                (disk.to_string(), u64::from(begin) + sector)
            }
            _ => (device.to_string(), sector),
        }
    }

    fn is_there(&self, path: &str) -> bool {
        Self::target(path).is_none_or(|target| self.mounted.contains(target))
    }
}

impl Disks {
    pub(crate) fn sector(&self, device: &str, sector: u64) -> [u8; 512] {
        self.sectors.get(&(device.to_string(), sector)).copied().unwrap_or([0; 512])
    }

    pub(crate) fn put(&mut self, device: &str, sector: u64, octets: [u8; 512]) {
        self.sectors.insert((device.to_string(), sector), octets);
    }

    /// Sectors of the data partition by the table.
    pub(crate) fn data_sectors(&self) -> u64 {
        let table = self.sector("/dev/vda", 0);
        u32::from_le_bytes(table[506..510].try_into().expect("four")).into()
    }

    pub(crate) fn id(&self) -> u32 {
        u32::from_le_bytes(self.sector("/dev/vda", 0)[440..444].try_into().expect("four"))
    }

    /// Blocks of 4 KiB of the data file system.
    pub(crate) fn blocks(&self) -> u64 {
        let head = self.sector("/dev/vda4", 2);
        u32::from_le_bytes(head[4..8].try_into().expect("four")).into()
    }

    fn set_blocks(&mut self, device: &str, blocks: u64) {
        self.set_blocks_at(device, 0, blocks);
    }

    fn set_blocks_at(&mut self, device: &str, begin: u64, blocks: u64) {
        let mut head = [0; 512];
        head[4..8].copy_from_slice(&(blocks as u32).to_le_bytes());
        head[24] = 2;
        head[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        self.put(device, begin + 2, head);
    }
}

impl System for Fake {
    fn read(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let fails = self.fails.iter().find(|(call, _)| format!("read {path}").starts_with(call));
        if let Some((_, how)) = fails {
            return Err(io::Error::from_raw_os_error(*how));
        }
        let (there, key) = (self.is_there(path), self.key(path));
        let octets = self.on_disk(path).get(&key).cloned().filter(|_| there);
        octets.ok_or(io::ErrorKind::NotFound.into())
    }

    fn read_at(&mut self, path: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let (path, begin) = self.place(path, 0);
        let known = self.disks.sectors.keys().any(|(device, _)| *device == path);
        if !known {
            return Err(io::ErrorKind::NotFound.into());
        }
        let sectors = offset / 512..(offset + length as u64).div_ceil(512);
        let octets = sectors.flat_map(|sector| self.disks.sector(&path, begin + sector));
        Ok(octets.take(length).collect())
    }

    fn write_at(&mut self, path: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.writable(path)?;
        if Self::lasting(path) {
            self.change(format!("overwrite {path} with {} octets", octets.len()))?;
            let key = self.key(path);
            self.disks.files.insert(key, octets.to_vec());
            return Ok(());
        }
        self.change(format!("write {path} at {offset}"))?;
        for (at, sector) in octets.chunks(512).enumerate() {
            let sector = sector.try_into().expect("whole sectors");
            self.disks.put(path, offset / 512 + at as u64, sector);
        }
        Ok(())
    }

    fn replace(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        self.writable(path)?;
        let line = format!("replace {path} ({} octets)", octets.len());
        if Self::lasting(path) {
            self.change(line)?
        } else {
            self.note(line)?
        }
        let key = self.key(path);
        self.on_disk(path).insert(key, octets.to_vec());
        Ok(())
    }

    fn show(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        self.files.insert(path.to_string(), octets.to_vec());
        Ok(())
    }

    fn put(&mut self, path: &str, octets: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(octets);
        match path {
            "/dev/tty1" => self.screen = text.into_owned(),
            "/dev/console" => self.serial.push_str(&text),
            "/dev/urandom" => self.note("put /dev/urandom".to_string())?,
            _ => self.note(format!("put {path} {text}"))?,
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let key = self.key(path);
        if !self.on_disk(path).contains_key(&key) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.writable(path)?;
        self.change(format!("remove {path}"))?;
        self.on_disk(path).remove(&key);
        Ok(())
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        if let Some((_, how)) = self.fails.iter().find(|(call, _)| *call == format!("list {path}"))
        {
            return Err(io::Error::from_raw_os_error(*how));
        }
        let below = self.key(&format!("{path}/"));
        let files = self.on_disk(&format!("{path}/")).keys();
        let names = files.filter_map(|file| file.strip_prefix(&below)?.split('/').next());
        Ok(names.map(str::to_string).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn kind(&mut self, path: &str) -> io::Result<Kind> {
        let key = self.key(path);
        let below = format!("{key}/");
        if let Some(file) = self.disks.files.get(&key) {
            let length = self.lengths.get(path).copied();
            return Ok(Kind::File(length.unwrap_or(file.len() as u64)));
        }
        let is_folder = self.disks.files.keys().any(|file| file.starts_with(&below));
        if is_folder { Ok(Kind::Folder) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn shorten(&mut self, path: &str, length: u64) -> io::Result<()> {
        self.change(format!("shorten {path} to {length}"))
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        self.change(format!("remove {path}/"))?;
        let below = self.key(&format!("{path}/"));
        self.disks.files.retain(|file, _| !file.starts_with(&below));
        Ok(())
    }

    fn folder(&mut self, path: &str, mode: u32, owner: u32) -> io::Result<()> {
        self.note(format!("folder {path} {mode:o} of {owner}"))
    }

    fn link(&mut self, target: &str, path: &str) -> io::Result<()> {
        self.note(format!("link {path} to {target}"))
    }

    fn mount(&mut self, mount: &Mount) -> io::Result<()> {
        let Mount { source, target, kind, access, .. } = mount;
        let how = match access {
            Access::Write => "",
            Access::ReadOnly => " read-only",
            Access::BecomeReadOnly => " again, read-only",
        };
        self.note(format!("mount {target} {kind} {source}{how}"))?;
        self.mounted.insert(target.clone());
        if *access != Access::BecomeReadOnly {
            self.sources.insert(target.clone(), (kind, source.clone()));
        }
        match access {
            Access::Write => self.only_to_read.remove(target),
            _ => self.only_to_read.insert(target.clone()),
        };
        Ok(())
    }

    fn unmount(&mut self, target: &str) -> io::Result<()> {
        self.note(format!("unmount {target}"))?;
        self.mounted.remove(target);
        self.sources.remove(target);
        self.only_to_read.remove(target);
        Ok(())
    }

    fn adopt_console(&mut self) -> io::Result<()> {
        self.note("adopt the console".to_string())
    }

    fn modaliases(&mut self) -> Vec<String> {
        self.aliases.iter().cloned().collect()
    }

    fn load_module(&mut self, path: &str) -> io::Result<()> {
        self.note(format!("load {path}"))
    }

    fn resize_partition(&mut self, disk: &str, number: i32, range: (u64, u64)) -> io::Result<()> {
        self.note(format!("resize {disk} partition {number} to {range:?}"))?;
        let size = format!("{}\n", range.1 / 512);
        let name = disk.trim_start_matches("/dev/");
        self.put_file(&format!("/sys/block/{name}/{name}{number}/size"), &size);
        Ok(())
    }

    fn claim(&mut self, disk: &str) -> io::Result<()> {
        self.note(format!("claim {disk}"))
    }

    fn read_table(&mut self, disk: &str) -> io::Result<()> {
        self.note(format!("read the table of {disk}"))?;
        self.partitions(disk.trim_start_matches("/dev/"));
        Ok(())
    }

    fn resize_file_system(&mut self, target: &str, blocks: u64) -> io::Result<()> {
        self.change(format!("resize {target} to {blocks} blocks"))?;
        let (_, source) = self.sources.get(target).cloned().expect("it is mounted");
        let (device, begin) = self.place(&source, 0);
        self.disks.set_blocks_at(&device, begin, blocks);
        Ok(())
    }

    fn start(&mut self, program: &Program) -> io::Result<()> {
        self.note(format!("start {}", program.name()))?;
        if let Program::Check(device) = program {
            let of = self.check_of.filter(|(of, _)| of == device).map(|(_, ended)| ended);
            let ended = self.check_first.take().or(of).unwrap_or(self.check);
            let ended = Happening::Ended(program.clone(), ended);
            self.script.push_front((Duration::ZERO, ended));
        }
        Ok(())
    }

    fn kill(&mut self, program: &Program, how: Kill) {
        self.trace.push(format!("kill {} {how:?}", program.name()));
    }

    fn tell(&mut self, to: &Program, message: &Message, file: Option<&[u8]>) -> io::Result<()> {
        if self.copies && matches!(message, Message::Prepared(_)) {
            let [from, to] = ["/data/mail/", "/run/lent/stick/mail/"].map(|path| self.key(path));
            let files = self.disks.files.clone();
            for (path, octets) in files.iter().filter(|(path, _)| path.starts_with(&from)) {
                self.disks.files.insert(path.replacen(&from, &to, 1), octets.clone());
            }
        }
        let along = file.map_or_else(String::new, |file| format!(" with {} octets", file.len()));
        self.note(format!("tell {} {message:?}{along}", to.name()))
    }

    fn hand(&mut self, to: &Program, message: &Message, opened: &[Opened]) -> io::Result<()> {
        self.note(format!("hand {} {message:?} with {opened:?}", to.name()))
    }

    fn wait(&mut self, most: Duration) -> Vec<Happening> {
        // Time passes in steps of what PID 1 is ready to wait.
        match self.script.front_mut() {
            Some((after, _)) if *after > most => {
                *after -= most;
                self.uptime += most;
                self.clock += most.as_secs() as i64;
                Vec::new()
            }
            Some((after, _)) => {
                self.uptime += *after;
                self.clock += after.as_secs() as i64;
                let (_, happening) = self.script.pop_front().expect("there is one");
                vec![happening]
            }
            None => {
                self.uptime += most;
                vec![Happening::End { off: true }]
            }
        }
    }

    fn open_watchdog(&mut self, seconds: i32) -> io::Result<i32> {
        self.note(format!("open the watchdog, {seconds} s"))?;
        Ok(seconds)
    }

    fn feed_watchdog(&mut self) {
        // Told once for each run of feedings: how many there are depends on the waiting.
        let fed = "feed the watchdog".to_string();
        if self.trace.last() != Some(&fed) {
            self.trace.push(fed);
        }
    }

    fn close_watchdog(&mut self) {
        self.trace.push("close the watchdog".to_string());
    }

    fn now(&mut self) -> i64 {
        self.clock
    }

    fn loopback_up(&mut self) -> io::Result<()> {
        self.note("switch on the loopback network".to_string())
    }

    fn set_clock(&mut self, seconds: i64) -> io::Result<()> {
        self.note(format!("set the clock to {seconds}"))?;
        self.clock = seconds;
        Ok(())
    }

    fn uptime(&mut self) -> Duration {
        self.uptime
    }

    fn random(&mut self, octets: &mut [u8]) -> io::Result<()> {
        for octet in octets {
            self.random = self.random.wrapping_add(7);
            *octet = self.random;
        }
        Ok(())
    }

    fn sync(&mut self) {
        self.trace.push("sync".to_string());
    }

    fn reboot(&mut self, off: bool) -> io::Result<()> {
        self.note(if off { "power off".to_string() } else { "restart".to_string() })
    }
}

/// Of a file system of 64 blocks: the first, with the sector that says so, and another.
pub(crate) fn seed() -> Vec<u8> {
    let mut disks = Disks::default();
    disks.set_blocks("", 64);
    let mut first = vec![0; 4096];
    first[1024..1536].copy_from_slice(&disks.sector("", 2));
    let mut seed = b"MRSEED1\0".to_vec();
    for (number, block) in [(64_u32, None), (2, None), (0, Some(first)), (9, Some(vec![9; 4096]))] {
        seed.extend(number.to_le_bytes());
        seed.extend(block.unwrap_or_default());
    }
    seed.extend(crc32fast::hash(&seed).to_le_bytes());
    seed
}
