"""A box in QEMU that starts within seconds: Debian's kernel for this machine's processor, the
binary under test as the first process, and a disk laid out as an image's is. There is no U-Boot
in it, and nothing of the machine is changed.

    disk      the table, the state of the slots, 1 boot (FAT), 2 and 3 slots (empty), 4 data
    memory    /init, its libraries, e2fsck, drivers; /etc/ld.so.preload for the control
"""

import imaplib
import os
import shutil
import signal
import smtplib
import ssl
import struct
import subprocess
import time
import zlib
from pathlib import Path

from server import ROOT, binary, free_port_base

MIB = 1 << 20
DISK_ID = 0x6D61696C
# Start and size of each partition, and its kind.
BOOT, SLOT_A, SLOT_B, DATA = (
    (16 * MIB, 48 * MIB, 0x0C),
    (64 * MIB, MIB, 0x83),
    (65 * MIB, MIB, 0x83),
    (66 * MIB, 126 * MIB, 0x83),
)
SIZE = 192 * MIB
STATE_COPIES = (4 * MIB, 12 * MIB)
# As image/src/ext4.rs makes the data partition.
FEATURES = (
    "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum,resize_inode"
)
DRIVERS = """virtio block/virtio_blk.ko net/virtio_net.ko net/net_failover.ko
char/hw_random/virtio-rng.ko char/hw_random/rng-core.ko""".split()
OTHERS = """fs/ext4 fs/jbd2 fs/mbcache.ko fs/fat fs/nls net/core net/packet net/ipv6 lib crypto
arch/x86/crypto""".split()
PORTS = {"submissions": 465, "imaps": 993}
STARTS_SECONDS = 300

KERNEL = ROOT / ".tools/power/kernel"


def tool(*command, good=(0,), **more):
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, **more)
    if done.returncode not in good:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def copied(disk, to):
    tool("cp", "--sparse=always", disk, to)
    return to


# ---- the disk ----


def make_disk(disk, folder, preset):
    table = bytearray(512)
    struct.pack_into("<I", table, 440, DISK_ID)
    for entry, (start, size, kind) in enumerate((BOOT, SLOT_A, SLOT_B, DATA)):
        at = 446 + 16 * entry
        table[at + 4] = kind
        struct.pack_into("<II", table, at + 8, start // 512, size // 512)
    table[510:] = b"\x55\xaa"
    state = b"".join(field + b"\0" for field in (b"gen=1", b"good=a")).ljust(508, b"\0")
    state = zlib.crc32(state).to_bytes(4, "little") + state
    with open(disk, "wb") as file:
        file.truncate(SIZE)
        file.write(table)
        for copy in STATE_COPIES:
            file.seek(copy)
            file.write(state)
    boot, data = folder / "boot.fat", folder / "data.ext4"
    for path, size in ((boot, BOOT[1]), (data, DATA[1])):
        with open(path, "wb") as file:
            file.truncate(size)
    tool("mkfs.vfat", "-F", "32", "-n", "BOOT", boot)
    more = ["-O", FEATURES, "-b", "4096", "-I", "256", "-m", "0", "-E", "resize=512G"]
    tool("mke2fs", "-q", "-F", "-t", "ext4", *more, data)
    for path, (start, _, _) in ((boot, BOOT), (data, DATA)):
        place = [f"if={path}", f"of={disk}", "bs=1M", f"seek={start // MIB}"]
        tool("dd", *place, "conv=notrunc,sparse")
        path.unlink()
    (folder / "mailroom.toml").write_text(preset)
    tool(ROOT / "target/debug/image", "put", disk, folder / "mailroom.toml")


def disk_id(disk):
    """What U-Boot tells the kernel; the box gives the disk another at its first start."""
    with open(disk, "rb") as file:
        file.seek(440)
        return struct.unpack("<I", file.read(4))[0]


class Cold:
    """What a disk without power holds: its file system mended as the box does it at the start, and
    its mail in a folder of this machine."""

    def __init__(self, disk, folder, data=DATA[:2]):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.data, part = folder / "mail", folder / "data.ext4"
        place, size = data
        cut_out = [f"skip={place // MIB}", f"count={size // MIB}", "bs=1M", "conv=sparse"]
        tool("dd", f"if={disk}", f"of={part}", *cut_out)
        # 0: clean, 1: mended. The box goes on with these; with others it asks for help.
        self.said = tool("e2fsck", "-p", part, good=range(256))
        self.torn = self.said.returncode == 8 and untorn(part)
        if self.torn:
            self.said = tool("e2fsck", "-p", part, good=range(256))
        self.mended = self.said.returncode in (0, 1)
        tool("debugfs", "-R", f"rdump /mail {folder}", part)

    def run(self, *words):
        # Below 0: ended by a signal. The engine aborts on a page that cannot be one of its own.
        return tool(binary(), "--data", self.data, *words, good=range(-64, 256))

    def faults(self):
        """Of the file system and the store."""
        if not self.mended:
            return [f"e2fsck: {self.said.returncode} {self.said.stdout}{self.said.stderr}"]
        checked = self.run("verify")
        if checked.returncode:
            return [f"verify: {checked.returncode} {checked.stdout}{checked.stderr}"]
        return []


def untorn(part):
    """Of a superblock whose two sectors are of different times the sum is written anew, as the box
    does it (appliance/system/init/superblock.rs)."""
    with open(part, "r+b") as file:
        file.seek(1024)
        content, was = file.read(1020), file.read(4)
        if content[0x38:0x3A] != b"\x53\xef" or was == crc32c(content):
            return False
        file.seek(1024 + 1020)
        file.write(crc32c(content))
    return True


def crc32c(octets):
    """Not inverted at its end, as ext4 has it."""
    left = 0xFFFFFFFF
    for octet in octets:
        left ^= octet
        for _ in range(8):
            left = left >> 1 ^ (0x82F63B78 if left & 1 else 0)
    return left.to_bytes(4, "little")


# ---- the memory ----


def make_initramfs(path, folder, preload=None):
    program = folder / "init"
    tool("strip", "-o", program, binary())
    tree = {name: None for name in ("boot", "data", "dev", "proc", "run", "sys", "tmp", "etc")}
    tree["etc/passwd"] = b"root:x:0:0::/:/none\n"
    places = {"init": program, "sbin/e2fsck": Path(shutil.which("e2fsck", path="/usr/sbin:/sbin"))}
    if preload:
        places["lib/unsynced.so"] = preload
        tree["etc/ld.so.preload"] = b"/lib/unsynced.so\n"
    for place in list(places.values()):
        for library in libraries(place):
            places[library.lstrip("/")] = Path(library)
    for name, place in {**places, **drivers(folder)}.items():
        tree[name] = place.read_bytes()
    with open(path, "wb") as out:
        out.write(archive(tree))


def libraries(program):
    said = tool("ldd", program, good=(0, 1)).stdout
    words = [word for line in said.splitlines() for word in line.split()]
    return [word for word in words if word.startswith("/")]


def drivers(folder):
    """A part of the kernel's modules, with what depmod says of them."""
    (of_kernel,) = (KERNEL / "lib/modules").iterdir()
    stage = folder / "modules"
    shutil.rmtree(stage, ignore_errors=True)
    top = stage / "lib/modules" / of_kernel.name
    for part in [f"drivers/{name}" for name in DRIVERS] + OTHERS:
        source = of_kernel / "kernel" / part
        if source.is_dir():
            shutil.copytree(source, top / "kernel" / part)
        elif source.exists():
            (top / "kernel" / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, top / "kernel" / part)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(of_kernel / name, top / name)
    tool("depmod", "-b", stage, of_kernel.name)
    files = [path for path in top.rglob("*") if path.is_file() and path.suffix != ".bin"]
    return {str(path.relative_to(stage)): path for path in files}


def archive(tree):
    """cpio, as the kernel unpacks it; None: a folder."""
    whole = dict(tree)
    for name in tree:
        for parent in Path(name).parents:
            if str(parent) != ".":
                whole.setdefault(str(parent), None)
    out = bytearray()
    for number, name in enumerate(sorted(whole), 1):
        content = whole[name]
        mode = 0o40755 if content is None else 0o100755
        out += entry(number, name, mode, content or b"")
    out += entry(len(whole) + 1, "dev/console", 0o20600, b"", (5, 1))
    return bytes(out + entry(0, "TRAILER!!!", 0, b""))


def entry(number, name, mode, content, device=(0, 0)):
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


# ---- the machine ----


class Guest:
    """The box; its disk outlives it. Looks to the load as the server of tests/harness does."""

    host = "127.0.0.1"

    def __init__(self, folder, initramfs):
        self.folder, self.initramfs, self.process = folder, initramfs, None
        self.serial = folder / "serial"
        self.tls = ssl.create_default_context()
        # The name and the authority are new with every disk; who answers is known.
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def start(self, disk, log=None):
        """`log`: a file for every write and flush, in order (QEMU's blklogwrites)."""
        base = free_port_base()
        self.ports = {name: base + port for name, port in PORTS.items()}
        forward = "".join(
            f",hostfwd=tcp:{self.host}:{base + port}-:{port}" for port in PORTS.values()
        )
        (kernel,) = (KERNEL / "boot").glob("vmlinuz-*")
        # An emulator on a busy machine is late for the kernel's check of its timer.
        line = "console=ttyS0 no_timer_check loglevel=6 panic=5 mailroom.slot=a"
        line += f" mailroom.disk={disk_id(disk):x}"
        words = ["-accel", "tcg", "-M", "pc", "-cpu", "max", "-m", "512", "-nodefaults"]
        words += ["-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", self.initramfs]
        words += ["-append", line, "-serial", f"file:{self.serial}"]
        words += ["-netdev", f"user,id=lan,restrict=on{forward}"]
        words += ["-device", "virtio-net-pci,netdev=lan,romfile=", "-device", "virtio-rng-pci"]
        words += ["-blockdev", f"driver=file,node-name=disk-file,filename={disk}"]
        words += ["-blockdev", "driver=raw,node-name=disk,file=disk-file"]
        if log:
            log.touch()
            words += ["-blockdev", f"driver=file,node-name=log-file,filename={log}"]
            words += ["-blockdev", "driver=raw,node-name=log,file=log-file"]
            words += ["-blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log"]
        drive = "logged" if log else "disk"
        words += ["-device", f"virtio-blk-pci,drive={drive},write-cache=on"]
        with open(self.folder / "qemu", "wb") as said:
            self.process = subprocess.Popen(
                ["qemu-system-x86_64", *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        return self

    def ready(self, seconds=STARTS_SECONDS):
        """Until mail is open."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.imap(5).logout()
                return self
            except (OSError, EOFError, imaplib.IMAP4.error):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the box does not come up:\n{self.tail()}") from None
                time.sleep(0.3)

    def imap(self, timeout):
        port = self.ports["imaps"]
        return imaplib.IMAP4_SSL(self.host, port, ssl_context=self.tls, timeout=timeout)

    def submission(self, timeout):
        port = self.ports["submissions"]
        return smtplib.SMTP_SSL(self.host, port, "load.test", context=self.tls, timeout=timeout)

    def cut(self):
        """Pulls the plug."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def tail(self):
        said = (self.folder / "qemu").read_text(errors="replace")
        serial = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        return said + serial[-3000:]

    def refused(self):
        """System calls that a child was refused: the kernel's log has them."""
        text = self.serial.read_text(errors="replace") if self.serial.exists() else ""
        return [line for line in text.splitlines() if "type=1326" in line]
