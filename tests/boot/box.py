"""Boots an image in QEMU: the console and QEMU's monitor as sockets, ports of the box forwarded.

Only the standard library. A box is ended by the id of the process that was started for it.
"""

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
sys.path.append(str(ROOT / "tests/harness"))

from server import free_port_base  # noqa: E402


def image(board="qemu-virt"):
    """What `make image` left."""
    path = ROOT / f"target/image/mailroom-{board}.img"
    if not path.is_file():
        raise SystemExit(f"no image at {path}: `make image BOARD={board}`")
    return path


def tool(*words, binary=False):
    """Runs the image tool to its end; returns what it printed."""
    done = subprocess.run([TOOL, *map(str, words)], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"image {words}: {done.stderr.decode(errors='replace')}")
    return done.stdout if binary else done.stdout.decode()


def inspected(disk):
    return json.loads(tool("inspect", "--json", disk))


class Box:
    """One run of an emulator on a disk that may outlive it."""

    def __init__(self, folder, disk, board="qemu-virt", forward=(), put=None, more=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.base = free_port_base()
        words = [TOOL, "emulate", image(board), "--disk", disk]
        words += ["--serial", folder / "serial", "--monitor", folder / "monitor"]
        for port in forward:
            words += ["--forward", f"{self.base + port}:{port}"]
        if put is not None:
            words += ["--put", put]
        for name in ("serial", "monitor"):
            (folder / name).unlink(missing_ok=True)
        self.said = folder / "qemu"
        self.began = time.monotonic()
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(
                [*map(str, words), "--", *more],
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

    def wait(self, pattern, seconds=240):
        """Waits until the console says it, from where the last wait ended; returns the match."""
        wanted = re.compile(pattern.encode())
        end = time.monotonic() + seconds
        with self.news:
            while True:
                match = wanted.search(self.text, self.at)
                if match:
                    self.at = match.end()
                    return match
                left = end - time.monotonic()
                if left <= 0 or self.at_end:
                    tail = self.text[-3000:].decode(errors="replace")
                    raise RuntimeError(f"the console never said {pattern!r}:\n{tail}")
                self.news.wait(left)

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
        return answer

    def cut(self):
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        self.serial.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
