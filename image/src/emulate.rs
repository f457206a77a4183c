//! `image emulate`: boots an image in QEMU. The disk is a copy that is kept, so that a box
//! remembers its mail; the image stays as it was made. How a board is emulated is noted beside its
//! image when that is built.

use crate::board::{Board, Emulate};
use crate::tool;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Order<'a> {
    pub image: &'a Path,
    /// The disk; written to.
    pub disk: &'a Path,
    /// Port of this machine and port of the box.
    pub forward: &'a [(u16, u16)],
    /// What the cable leads to, as QEMU's -netdev has it; else a network of the emulator's own.
    pub lan: Option<&'a str>,
    /// Unix sockets to serve; the terminal where there is none.
    pub serial: Option<&'a Path>,
    pub monitor: Option<&'a Path>,
    /// Further arguments of QEMU.
    pub more: &'a [String],
}

/// Becomes QEMU; returns only when that fails.
pub(crate) fn emulate(order: &Order) -> Result<(), String> {
    let note = note_of(order.image);
    let text = std::fs::read_to_string(&note)
        .map_err(|error| format!("{}: {error}: `make image`", note.display()))?;
    let emulate: Emulate = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut command = Command::new("qemu-system-aarch64");
    command.args(arguments(order, &emulate));
    let error = command.exec();
    Err(format!("qemu-system-aarch64: {error}: `tools/needs emulate`"))
}

fn note_of(image: &Path) -> PathBuf {
    image.with_extension("emulate.json")
}

/// What stands for a path in a board's arguments.
pub(crate) type Places = Vec<(String, PathBuf)>;

/// Notes beside an image how it is emulated; nothing for a board that cannot be.
pub(crate) fn note(
    image: &Path,
    board: &Board,
    mut places: Places,
    trees: &Path,
) -> Result<(), String> {
    let note = note_of(image);
    let Some(emulate) = &board.emulate else {
        let _ = std::fs::remove_file(note);
        return Ok(());
    };
    if let Some(tree) = &emulate.device_tree {
        let path = trees.join(tree);
        let fault = |error: std::io::Error| format!("{}: {error}", path.display());
        let octets = without(std::fs::read(&path).map_err(fault)?, &emulate.lacks)?;
        let own = image.with_extension("emulate.dtb");
        std::fs::write(&own, octets).map_err(|error| format!("{}: {error}", own.display()))?;
        places.push(("device-tree".to_string(), own));
    }
    let text = serde_json::to_string_pretty(&placed(emulate, &places)?);
    let text = text.map_err(|error| error.to_string())?;
    std::fs::write(&note, text + "\n").map_err(|error| format!("{}: {error}", note.display()))
}

/// A device tree in which nothing is compatible with these names any more: no driver asks for it.
fn without(mut tree: Vec<u8>, lacks: &[String]) -> Result<Vec<u8>, String> {
    for name in lacks {
        let mut ended = name.clone().into_bytes();
        ended.push(0);
        let found: Vec<usize> =
            (0..tree.len()).filter(|at| tree[*at..].starts_with(&ended)).collect();
        if found.is_empty() {
            return Err(format!("the board says that its emulator lacks {name:?}: nothing is so"));
        }
        for at in found {
            tree[at..at + name.len()].fill(b'x');
        }
    }
    Ok(tree)
}

/// The arguments with all filled in but {disk}.
fn placed(emulate: &Emulate, places: &Places) -> Result<Emulate, String> {
    let mut arguments = Vec::new();
    for argument in &emulate.arguments {
        let mut argument = argument.clone();
        for (name, place) in places {
            argument = argument.replace(&format!("{{{name}}}"), &place.to_string_lossy());
        }
        if let Some((_, unknown)) = argument.replace("{disk}", "").split_once('{') {
            return Err(format!("nothing is called {{{unknown} in the board's arguments"));
        }
        arguments.push(argument);
    }
    Ok(Emulate { arguments, device_tree: None, lacks: Vec::new() })
}

fn arguments(order: &Order, emulate: &Emulate) -> Vec<String> {
    let disk = order.disk.to_string_lossy();
    let mut arguments: Vec<String> =
        emulate.arguments.iter().map(|argument| argument.replace("{disk}", &disk)).collect();
    let forward: String = order
        .forward
        .iter()
        .map(|(host, guest)| format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
        .collect();
    let lan = match order.lan {
        Some(lan) => format!("{lan},id=lan"),
        None => format!("user,id=lan,restrict=on{forward}"),
    };
    let console = match order.serial {
        Some(socket) => {
            format!("socket,id=console,path={},server=on,wait=off", socket.display())
        }
        None => "stdio,id=console,mux=on,signal=off".into(),
    };
    arguments.extend(["-display", "none", "-nodefaults", "-netdev"].map(String::from));
    arguments.extend([lan, "-chardev".into(), console]);
    match order.monitor {
        Some(socket) => {
            arguments
                .extend(["-qmp".into(), format!("unix:{},server=on,wait=off", socket.display())]);
        }
        None if order.serial.is_none() => {
            arguments.extend(["-mon", "chardev=console"].map(String::from));
        }
        None => {}
    }
    arguments.extend(order.more.iter().cloned());
    arguments
}

/// The disk that a box keeps: copied from the image when there is none yet or `fresh` is asked
/// for, and made so large that the box has something to grow into. Says whether it is new.
pub(crate) fn disk(image: &Path, disk: &Path, size: u64, fresh: bool) -> Result<bool, String> {
    if disk.is_file() && !fresh {
        return Ok(false);
    }
    if !image.is_file() {
        return Err(format!("there is no image {}: `make image`", image.display()));
    }
    let fault = |error: std::io::Error| format!("{}: {error}", disk.display());
    std::fs::create_dir_all(disk.parent().unwrap_or(Path::new("."))).map_err(fault)?;
    let mut copy = tool::system("cp");
    tool::run(copy.arg("--sparse=always").arg("--").arg(image).arg(disk))?;
    let file = std::fs::File::options().write(true).open(disk).map_err(fault)?;
    let now = file.metadata().map_err(fault)?.len();
    file.set_len(size.max(now)).map_err(fault)?;
    Ok(true)
}

/// `2025:25`: a port of this machine, a port of the box.
pub(crate) fn forward(text: &str) -> Result<(u16, u16), String> {
    let ports = text.split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    ports.ok_or_else(|| format!("{text:?} is not of the form 2025:25"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boards_arguments_are_filled_in_and_the_console_placed() {
        let emulate = Emulate {
            arguments: vec!["-bios".into(), "{u-boot}/u-boot.bin".into(), "file={disk}".into()],
            device_tree: None,
            lacks: Vec::new(),
        };
        let order = |serial| Order {
            image: Path::new("x.img"),
            disk: Path::new("disk"),
            forward: &[(2025, 25), (2143, 143)],
            lan: None,
            serial,
            monitor: None,
            more: &[],
        };
        let places = vec![("u-boot".to_string(), PathBuf::from("/parts"))];
        let noted = placed(&emulate, &places).expect("all is there");
        let line = arguments(&order(None), &noted).join(" ");
        assert!(line.starts_with("-bios /parts/u-boot.bin file=disk "), "{line}");
        let lan = "user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:2025-:25,\
                   hostfwd=tcp:127.0.0.1:2143-:143";
        assert!(line.contains(lan), "{line}");
        assert!(line.contains("stdio,id=console") && line.contains("-mon chardev=console"));
        let socket = Path::new("/s/serial");
        let line = arguments(&order(Some(socket)), &noted).join(" ");
        assert!(line.contains("socket,id=console,path=/s/serial,") && !line.contains("stdio"));
        let other = Order { lan: Some("tap,ifname=lan0"), ..order(None) };
        let line = arguments(&other, &noted).join(" ");
        assert!(line.contains("-netdev tap,ifname=lan0,id=lan ") && !line.contains("user,"));
        let why = placed(&emulate, &Vec::new()).expect_err("no such place");
        assert!(why.contains("{u-boot}"), "{why}");
    }

    #[test]
    fn what_the_emulator_lacks_no_driver_finds() {
        let tree = b"compatible\0brcm,pm\0brcm,pm-wdt\0brcm,usb\0".to_vec();
        let lacks = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        let lacks: [Vec<String>; 2] = [lacks(&["brcm,pm-wdt", "brcm,pm"]), lacks(&["brcm,sd"])];
        let made = without(tree.clone(), &lacks[0]).expect("both are there");
        assert_eq!(made, b"compatible\0xxxxxxx\0xxxxxxxxxxx\0brcm,usb\0");
        let why = without(tree, &lacks[1]).expect_err("it is a mistake in the board's file");
        assert!(why.contains("brcm,sd"), "{why}");
    }

    #[test]
    fn ports_are_pairs() {
        assert_eq!(forward("2025:25"), Ok((2025, 25)));
        for bad in ["", "25", "25:", "a:b", "70000:25", "1:2:3"] {
            assert!(forward(bad).is_err(), "{bad:?}");
        }
    }
}
