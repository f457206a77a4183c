"""Boots an image in QEMU: the console and QEMU's monitor as sockets, ports of the box forwarded or
its cable in a network of the test's own (lan.py).

Only the standard library. A box is ended by the id of the process that was started for it.
"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "target/debug/image"
IMAGES = ROOT / "target/boot"
KEY, KEYS = IMAGES / "update.key", IMAGES / "update-keys"
sys.path.append(str(ROOT / "tests/harness"))

from server import free_port_base  # noqa: E402


def build(boards):
    """Images of these sources, with a binary that is built in half the time of a release's."""
    def run(*words):
        subprocess.run([str(word) for word in words], cwd=ROOT, check=True)

    run("tools/needs", "image")
    run("tools/needs", "emulate")
    run("tools/cross", "quick")
    run("cargo", "build", "--quiet", "--locked", "-p", "image")
    parts = ROOT / "target/box/quick"
    words = ["--binary", parts / "mailroom", "--compilers", parts / "compilers"]
    epoch = subprocess.check_output([ROOT / "tools/epoch"], text=True).strip()
    trust()
    words += ["--keys", KEYS]
    for board in boards:
        run(TOOL, "build", "--board", board, "--into", IMAGES, "--time", epoch, *words)


def trust():
    """A key of the tests' own, which these images take updates of; no release ever sees it."""
    if KEY.exists() and KEYS.exists():
        return
    IMAGES.mkdir(parents=True, exist_ok=True)
    KEY.unlink(missing_ok=True)
    said = subprocess.check_output([TOOL, "key", KEY], text=True)
    KEYS.write_text(re.search(r"^public key +(\S+)", said, re.M).group(1) + "\n")


def image(board="qemu-virt"):
    """What `build` left."""
    path = IMAGES / f"mailroom-{board}.img"
    if not path.is_file():
        raise SystemExit(f"no image at {path}")
    return path


def tool(*words, binary=False):
    """Runs the image tool to its end; returns what it printed."""
    done = subprocess.run([TOOL, *map(str, words)], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"image {words}: {done.stderr.decode(errors='replace')}")
    return done.stdout if binary else done.stdout.decode()


def inspected(disk):
    return json.loads(tool("inspect", "--json", disk))


def on_boot_partition(disk, name):
    """A file of the boot partition; None where there is none."""
    try:
        return tool("get", disk, name)
    except RuntimeError:
        return None


class Box:
    """One run of an emulator on a disk that may outlive it."""

    def __init__(
        self, folder, disk, board="qemu-virt", forward=(), lan=None, put=None, more=(),
        image_file=None,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.base = free_port_base() if forward else 0
        words = [TOOL, "emulate", image_file or image(board), "--disk", disk]
        words += ["--serial", folder / "serial", "--monitor", folder / "monitor"]
        for port in forward:
            words += ["--forward", f"{self.base + port}:{port}"]
        if lan is not None:
            words += ["--lan", lan.netdev]
        if put is not None:
            words += ["--preset", put]
        for name in ("serial", "monitor"):
            (folder / name).unlink(missing_ok=True)
        self.said = folder / "qemu"
        self.began = time.monotonic()
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [*map(str, words), "--", *map(str, more)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.folder, self.text, self.at = folder, b"", 0
        self.news = threading.Condition()
        self.serial = self.connect("serial")
        threading.Thread(target=self.listen, daemon=True).start()

    def port(self, number):
        return self.base + number

    def connect(self, name):
        end = time.monotonic() + 60
        while True:
            made = socket.socket(socket.AF_UNIX)
            try:
                made.connect(str(self.folder / name))
                return made
            except OSError:
                made.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"no emulator: {self.said.read_text()}") from None
                time.sleep(0.05)

    def listen(self):
        while True:
            try:
                octets = self.serial.recv(65536)
            except OSError:
                octets = b""
            with self.news:
                self.text += octets
                if not octets:
                    self.at_end = True
                self.news.notify_all()
            if not octets:
                return

    at_end = False

    def wait(self, pattern, seconds=300, start=None):
        """Waits until the console says it, from where the last wait ended; returns the match."""
        wanted = re.compile(pattern.encode())
        end = time.monotonic() + seconds
        with self.news:
            while True:
                match = wanted.search(self.text, self.at if start is None else start)
                if match:
                    self.at = max(self.at, match.end())
                    return match
                left = end - time.monotonic()
                if left <= 0 or self.at_end:
                    tail = self.text[-3000:].decode(errors="replace")
                    raise RuntimeError(f"the console never said {pattern!r}:\n{tail}")
                self.news.wait(left)

    def said_ever(self, pattern, seconds=300):
        """As `wait`, from the beginning: for what may have been said before other things."""
        return self.wait(pattern, seconds, start=0)

    def seconds(self):
        return time.monotonic() - self.began

    def ask(self, command, **arguments):
        """One command of QEMU's monitor."""
        with self.connect("monitor") as made, made.makefile("rw") as stream:
            stream.readline()
            for each in ({"execute": "qmp_capabilities"}, None):
                each = each or {"execute": command, "arguments": arguments}
                stream.write(json.dumps(each) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer["return"]

    def insert(self, name, file, octets_a_second=None):
        """Puts in a USB stick, perhaps a slow one."""
        back = {"driver": "raw", "file": {"driver": "file", "filename": str(file)}}
        if octets_a_second:
            limits = {"bps-total": octets_a_second}
            group = {"qom-type": "throttle-group", "id": f"{name}-pace", "limits": limits}
            self.ask("object-add", **group)
            back = {"driver": "throttle", "throttle-group": f"{name}-pace", "file": back}
        self.ask("blockdev-add", **{"node-name": name, **back})
        device = {"driver": "usb-storage", "bus": "usb.0", "drive": name, "id": f"{name}-stick"}
        self.ask("device_add", **device, removable=True)

    def pull(self, name):
        """Pulls it out, whatever the box does with it."""
        self.ask("device_del", id=f"{name}-stick")
        end = time.monotonic() + 60
        while True:
            try:
                self.ask("blockdev-del", **{"node-name": name})
                break
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        with contextlib.suppress(RuntimeError):
            self.ask("object-del", id=f"{name}-pace")

    def typed(self, text):
        """Somebody types it at the serial port."""
        self.serial.sendall(text.encode())

    def cable(self, plugged):
        self.ask("set_link", name="lan", up=plugged)

    def cut(self):
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        self.serial.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
