//! `image build`: from the binary and Debian's parts to a disk image, step by step.

use crate::board::{self, Board, Common, Origin};
use crate::disk;
use crate::initramfs::{self, Entry, Release, Tree};
use crate::inputs::{self, Archive, Package};
use crate::loaders::{self, Loader};
use crate::lock::{self, Lock, Row};
use crate::slot::{self, Slot, State};
use crate::window::Window;
use crate::{bundle, emulate, ext4, fat, kernel, layout, sbom, scratch, seed, tool};
use semver::Version;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Octets of the compressed image.
const PACKED_BYTES: u64 = 64 << 20;

/// File systems are known by their numbers; these are those of every new image.
pub(crate) const SLOT_UUID: &str = "6d61696c-0000-4000-8000-736c6f740000";
pub(crate) const DATA_UUID: &str = "6d61696c-0000-4000-8000-646174610000";

pub(crate) struct Order<'a> {
    pub project: &'a Path,
    pub board: &'a str,
    pub binary: &'a Path,
    /// Lines of name, version and SHA-256 of what compiled the binary.
    pub compilers: &'a Path,
    /// Where to leave the image.
    pub into: &'a Path,
    pub time: u64,
    /// Of the system in the image; that of these sources where none is named.
    pub version: Option<Version>,
    /// The file of public keys that the box is to take updates by.
    pub keys: &'a Path,
    pub locked: bool,
    pub accept: bool,
}

/// What was made, in words.
pub(crate) fn build(order: &Order) -> Result<String, String> {
    let common = board::common(order.project)?;
    let board = board::board(order.project, order.board)?;
    board.check()?;
    let keys = update_keys(order.keys)?;
    let parts = Parts::gather(order, &common, &board)?;
    let difference = parts.hold_against_lock(order)?;
    std::fs::create_dir_all(order.into).map_err(|error| error.to_string())?;
    let work = scratch::Scratch::at(&order.into.join("work"))?;
    let release = parts.release(order, &common, &board);
    let data = work.path().join("data.ext4");
    let plan = ext4::Plan {
        label: "data",
        uuid: DATA_UUID,
        size: layout::DATA.size,
        time: order.time,
        files: &[],
        use_of: ext4::Use::Data,
    };
    ext4::make(&plan, work.path(), &data)?;
    let mut system = parts.system(order, &common, &board, &release, keys, work.path())?;
    system.insert(seed::PATH.into(), Entry::File(seed::of(&data)?));
    let slot = make_slot(order, &parts, &board, &system, &release, work.path())?;
    let loaders = parts.loaders(order, &board)?;
    let mut boot = boot_files(order, &parts, &board, work.path())?;
    if let Some(note) = loaders::note(loaders::rows(&loaders)?)? {
        boot.push((loaders::NOTE.to_string(), note));
    }
    let image = order.into.join(format!("mailroom-{}.img", board.name));
    write_disk(&image, &boot, &loaders, &slot, &data)?;
    emulate::note(&image, &board, parts.places(), &parts.kernel.device_trees())?;
    let bill = sbom::make(order.project, &parts.lock(order)?, &release)?;
    let bill_file = image.with_extension("cdx.json");
    std::fs::write(&bill_file, bill).map_err(|error| error.to_string())?;
    report(&image, &bill_file, &board, &release, &difference)
}

/// Packages of Debian and where they are unpacked.
struct Parts {
    packages: BTreeMap<String, Package>,
    unpacked: BTreeMap<String, PathBuf>,
    kernel: kernel::Package,
}

impl Parts {
    fn gather(order: &Order, common: &Common, board: &Board) -> Result<Parts, String> {
        let archive = Archive::open(&order.project.join("target/image/apt"), &common.suite)?;
        let lock = if order.locked { Some(read_lock(order.project)?) } else { None };
        let names: Vec<String> = common.packages.iter().chain(&board.packages).cloned().collect();
        let packages = inputs::resolve(&archive, &names, &common.kernel, lock.as_ref())?;
        let mut unpacked = BTreeMap::new();
        let mut kernel = None;
        for (name, package) in &packages {
            let folder = archive.unpacked(package)?;
            if inputs::is_kernel(name) {
                kernel = Some(kernel::Package::open(&folder)?);
            }
            unpacked.insert(name.clone(), folder);
        }
        let kernel = kernel.ok_or("no kernel among the packages")?;
        Ok(Parts { packages, unpacked, kernel })
    }

    /// Rows for everything that went in.
    fn lock(&self, order: &Order) -> Result<Lock, String> {
        let mut input: BTreeMap<String, Row> = self
            .packages
            .iter()
            .map(|(name, package)| (name.clone(), package.row.clone()))
            .collect();
        let text = std::fs::read_to_string(order.compilers)
            .map_err(|error| format!("{}: {error}: `tools/cross`", order.compilers.display()))?;
        for line in text.lines() {
            let [name, version, sha256] = *line.split('\t').collect::<Vec<_>>() else {
                return Err(format!("{}: {line:?}", order.compilers.display()));
            };
            let row = Row { version: version.into(), sha256: sha256.into(), source: "host".into() };
            input.insert(name.to_string(), row);
        }
        for (name, asked) in
            [("mke2fs", "-V"), ("debugfs", "-V"), ("depmod", "-V"), ("mkimage", "-V")]
        {
            input.insert(name.to_string(), host_program(name, asked)?);
        }
        Ok(Lock { input })
    }

    /// Compares with the lock, or writes it; what differs, in words.
    fn hold_against_lock(&self, order: &Order) -> Result<String, String> {
        let used = self.lock(order)?;
        let mut locked = read_lock(order.project).unwrap_or_default();
        let lines = locked.differences(&used, false);
        if lines.is_empty() {
            return Ok(String::new());
        }
        let list = lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
        if order.locked {
            return Err(format!("inputs differ from image/inputs.lock:\n{list}"));
        }
        if !order.accept {
            let how = "to accept them: make image ACCEPT=1";
            return Ok(format!("inputs differ from image/inputs.lock:\n{list}{how}\n"));
        }
        locked.input.retain(|name, _| !inputs::is_kernel(name));
        locked.input.extend(used.input);
        let file = order.project.join("image/inputs.lock");
        std::fs::write(&file, lock::print(&locked)?).map_err(|error| error.to_string())?;
        Ok(format!("accepted into image/inputs.lock:\n{list}"))
    }

    fn release(&self, order: &Order, common: &Common, board: &Board) -> Release {
        let ours = || env!("CARGO_PKG_VERSION").to_string();
        Release {
            version: order.version.as_ref().map_or_else(ours, Version::to_string),
            board: board.name.clone(),
            kernel: self.kernel.version.clone(),
            epoch: common.epoch,
            built: order.time,
        }
    }

    /// What PID 1 wakes up in.
    fn system(
        &self,
        order: &Order,
        common: &Common,
        board: &Board,
        release: &Release,
        keys: Vec<u8>,
        work: &Path,
    ) -> Result<Tree, String> {
        let shipped = self.kernel.wanted(common, board)?;
        self.kernel.check(board, &shipped)?;
        let mut tree = initramfs::base();
        tree.extend(self.kernel.tree(board, &shipped, &work.join("modules"))?);
        tree.insert("init".into(), Entry::Program(kernel::read(order.binary)?));
        let e2fsck = self.file("e2fsck-static", "sbin/e2fsck.static")?;
        tree.insert("sbin/e2fsck".into(), Entry::Program(e2fsck));
        tree.insert("etc/release.toml".into(), Entry::File(printed(release)?));
        tree.insert("etc/update-keys".into(), Entry::File(keys));
        Ok(tree)
    }

    /// What the arguments of an emulator may name.
    fn places(&self) -> emulate::Places {
        let folders = self.unpacked.iter().map(|(name, folder)| (name.clone(), folder.clone()));
        let trees = ("device-trees".to_string(), self.kernel.device_trees());
        folders.chain([trees]).collect()
    }

    /// A file of a package.
    fn file(&self, package: &str, path: &str) -> Result<Vec<u8>, String> {
        let folder = self.unpacked.get(package).ok_or_else(|| format!("no package {package}"))?;
        kernel::read(&folder.join(path))
    }

    /// Where a board's file says that something comes from.
    fn from(&self, order: &Order, origin: &Origin) -> Result<Vec<u8>, String> {
        match origin {
            Origin::Package(package, path) => self.file(package, &path.to_string_lossy()),
            Origin::Project(path) => kernel::read(&order.project.join(path)),
        }
    }

    fn loaders(&self, order: &Order, board: &Board) -> Result<Vec<Loader>, String> {
        let each = board.loader.iter().map(|(origin, at)| {
            let content = self.from(order, origin)?;
            Ok(Loader { name: origin.file_name(), at: *at, content })
        });
        each.collect()
    }
}

pub(crate) fn read_lock(project: &Path) -> Result<Lock, String> {
    let file = project.join("image/inputs.lock");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    lock::parse(&text)
}

/// A program of this machine that has a say in the octets of an image.
fn host_program(name: &str, asked: &str) -> Result<Row, String> {
    let mut command = tool::system("sh");
    command.args(["-c", &format!("command -v {name} && {name} {asked} 2>&1 | head -n 1")]);
    let said = tool::run(&mut command)
        .map_err(|_| format!("{name} is missing on this machine: `tools/needs image`"))?;
    let mut lines = said.lines();
    let path = lines.next().unwrap_or_default();
    let version = lines.next().unwrap_or_default().trim().to_string();
    Ok(Row { version, sha256: tool::sha256(Path::new(path))?, source: "host".into() })
}

/// The keys that are to sign the next updates, each checked: with a wrong one in it a box would
/// take no update at all.
fn update_keys(file: &Path) -> Result<Vec<u8>, String> {
    bundle::trusted(file)?;
    kernel::read(file)
}

fn printed(release: &Release) -> Result<Vec<u8>, String> {
    toml::to_string(release).map(String::into_bytes).map_err(|error| error.to_string())
}

/// The file system that both slots hold.
fn make_slot(
    order: &Order,
    parts: &Parts,
    board: &Board,
    system: &Tree,
    release: &Release,
    work: &Path,
) -> Result<PathBuf, String> {
    let archive = initramfs::archive(system, order.time)?;
    let archive = zstd::encode_all(&archive[..], 19).map_err(|error| error.to_string())?;
    let mut files = vec![
        ("Image.gz".to_string(), gzip(&parts.kernel.image()?)?),
        ("initramfs".to_string(), archive),
        ("release.toml".to_string(), printed(release)?),
    ];
    if let Some(tree) = &board.slot_device_tree {
        files.push(("board.dtb".to_string(), parts.kernel.device_tree(tree)?));
    }
    let into = work.join("slot.ext4");
    let plan = ext4::Plan {
        label: "slot",
        uuid: SLOT_UUID,
        size: layout::SLOTS[0].size,
        time: order.time,
        files: &files,
        use_of: ext4::Use::Slot,
    };
    ext4::make(&plan, work, &into)?;
    Ok(into)
}

/// Without a name and a time in its head.
fn gzip(octets: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(octets).and_then(|()| encoder.finish()).map_err(|error| error.to_string())
}

fn boot_files(
    order: &Order,
    parts: &Parts,
    board: &Board,
    work: &Path,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = vec![("boot.scr".to_string(), boot_script(order, board, work)?)];
    for (name, origin) in &board.boot {
        files.push((name.clone(), parts.from(order, origin)?));
    }
    for tree in &board.device_trees {
        let name = tree.rsplit('/').next().unwrap_or(tree);
        files.push((name.to_string(), parts.kernel.device_tree(tree)?));
    }
    Ok(files)
}

fn boot_script(order: &Order, board: &Board, work: &Path) -> Result<Vec<u8>, String> {
    let text = kernel::read(&order.project.join("board/boot.cmd"))?;
    let text = filled_in(&String::from_utf8_lossy(&text), board);
    let (source, script) = (work.join("boot.cmd"), work.join("boot.scr"));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    let mut mkimage = tool::system("mkimage");
    mkimage.env("SOURCE_DATE_EPOCH", order.time.to_string());
    mkimage.args(["-A", "arm64", "-T", "script", "-C", "none", "-n", "mailroom", "-d"]);
    tool::run(mkimage.arg(&source).arg(&script))?;
    kernel::read(&script)
}

/// The script with a board's values in place of @...@.
fn filled_in(script: &str, board: &Board) -> String {
    let console: Vec<String> = board.console.iter().map(|c| format!("console={c}")).collect();
    let script = script
        .replace("@CONSOLE@", &console.join(" "))
        .replace("@DEVICE_TREE@", &board.device_tree);
    // Places of memory: @0x0a000000@, counted from where it begins.
    let mut parts = script.split('@');
    let mut filled = parts.next().unwrap_or_default().to_string();
    let mut is_place = true;
    for part in parts {
        let offset = part.strip_prefix("0x").and_then(|text| u64::from_str_radix(text, 16).ok());
        match offset {
            Some(offset) if is_place => {
                filled += &format!("0x{:x}", board.memory + offset);
                is_place = false;
            }
            _ => {
                filled += if is_place { "@" } else { "" };
                filled += part;
                is_place = true;
            }
        }
    }
    filled
}

pub(crate) fn write_disk(
    image: &Path,
    boot: &[(String, Vec<u8>)],
    loaders: &[Loader],
    slot: &Path,
    data: &Path,
) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", image.display());
    let _ = std::fs::remove_file(image);
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(image);
    let mut file = file.map_err(fault)?;
    file.set_len(layout::DISK).map_err(fault)?;
    file.write_all(&layout::boot_record()?).map_err(fault)?;
    let state = slot::print(&State::first(Slot::A));
    for copy in slot::COPIES {
        file.seek(SeekFrom::Start(copy)).and_then(|_| file.write_all(&state)).map_err(fault)?;
    }
    for Loader { at, content, .. } in loaders {
        file.seek(SeekFrom::Start(*at)).and_then(|_| file.write_all(content)).map_err(fault)?;
    }
    let mut window = Window::new(&file, layout::BOOT.start, layout::BOOT.size);
    fat::make(&mut window, layout::DISK_ID, boot)?;
    for (from, place) in [(slot, layout::SLOTS[0]), (slot, layout::SLOTS[1]), (data, layout::DATA)]
    {
        copy_sparse(from, &mut file, place.start)?;
    }
    file.sync_all().map_err(fault)
}

/// Leaves holes where there is nothing but zeros.
fn copy_sparse(from: &Path, into: &mut File, start: u64) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", from.display());
    let mut from_file = File::open(from).map_err(fault)?;
    let (zeros, mut piece, mut at) = (vec![0; 1 << 16], vec![0; 1 << 16], start);
    loop {
        let length = from_file.read(&mut piece).map_err(fault)?;
        if length == 0 {
            return Ok(());
        }
        if piece[..length] != zeros[..length] {
            into.seek(SeekFrom::Start(at)).map_err(fault)?;
            into.write_all(&piece[..length]).map_err(fault)?;
        }
        at += length as u64;
    }
}

/// Compresses the image beside it and says what was made.
fn report(
    image: &Path,
    bill: &Path,
    board: &Board,
    release: &Release,
    difference: &str,
) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", image.display());
    let packed = image.with_extension("img.zst");
    let (from, to) = (File::open(image).map_err(fault)?, File::create(&packed).map_err(fault)?);
    zstd::stream::copy_encode(from, to, 6).map_err(fault)?;
    let size = std::fs::metadata(&packed).map_err(fault)?.len();
    let mut opened = File::open(image).map_err(fault)?;
    let table = disk::read(&mut opened)?;
    let Release { version, kernel, .. } = release;
    let about = &board.about;
    let text = format!(
        "{difference}Mailroom {version} for {about}; kernel {kernel}\n{table}\
         image       {}\nSHA-256     {}\ncompressed  {} ({} octets, {:.1} MiB)\nSBOM        {}\n",
        image.display(),
        tool::sha256(image)?,
        packed.display(),
        size,
        size as f64 / f64::from(1 << 20),
        bill.display(),
    );
    if size > PACKED_BYTES {
        return Err(format!("{text}the compressed image has more than {PACKED_BYTES} octets"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_with_a_wrong_line_makes_no_image() {
        let project: PathBuf = [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect();
        update_keys(&project.join(bundle::KEYS)).expect("the project's own");
        let scratch = scratch::Scratch::new("update-keys");
        let file = scratch.path().join("keys");
        let good = minisign::KeyPair::generate_unencrypted_keypair().expect("a pair").pk;
        let good = format!("# ours\n{}\n", good.to_base64());
        std::fs::write(&file, &good).expect("written");
        assert_eq!(update_keys(&file).expect("a key"), good.into_bytes());
        std::fs::write(&file, "RWQnot\n").expect("written");
        let why = update_keys(&file).expect_err("no key");
        assert!(why.contains("update-keys") && why.contains("\"RWQnot\" is no key"), "{why}");
    }

    #[test]
    fn the_boot_script_is_filled_in_for_every_board() {
        let project: PathBuf = [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect();
        let script = std::fs::read_to_string(project.join("board/boot.cmd")).expect("the script");
        for name in board::names(&project) {
            let board = board::board(&project, &name).expect("a board");
            let filled = filled_in(&script, &board);
            let code = filled.lines().filter(|line| !line.starts_with('#'));
            for line in code.clone() {
                assert!(!line.contains('@'), "{name}: {line}");
            }
            let arguments = code.clone().find(|line| line.contains("setenv bootargs"));
            let arguments = arguments.expect("the command line of the kernel");
            for wanted in ["panic=5", "oops=panic", "mailroom.slot=", "mailroom.disk="] {
                assert!(arguments.contains(wanted), "{name}: {arguments}");
            }
            let last = format!("console={} loglevel", board.console.last().expect("a console"));
            assert!(arguments.contains(&last), "{name}: {arguments}");
        }
        // What some board's U-Boot does not know.
        let code = script.lines().filter(|line| !line.starts_with('#'));
        assert!(code.into_iter().all(|line| !line.contains("setexpr")), "not on the ROCK64");
        let pine64 = filled_in(&script, &board::board(&project, "pine64").expect("a board"));
        assert!(pine64.contains("setenv kernel_addr_r 0x4a000000\n"), "{pine64}");
        assert!(pine64.contains("setenv ramdisk_addr_r 0x50000000\n"), "{pine64}");
        let words = pine64.split_whitespace().map(|word| word.trim_matches('"'));
        let places: Vec<&str> = words.filter(|word| word.starts_with("0x4f0000")).collect();
        let digits = (4..=19).map(|at| format!("0x4f0000{at:02x}"));
        assert!(digits.into_iter().all(|at| places.contains(&at.as_str())), "16 digits of u64");
        // Where the script looks for the state, in sectors: where the drawing has it.
        let copies = slot::COPIES.map(|at| format!("0x{:x}", at / disk::SECTOR));
        assert!(script.contains(&format!("for copy in {}; do", copies.join(" "))));
    }
}
