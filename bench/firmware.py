#!/usr/bin/env python3
"""Measures a box in emulation and writes bench/firmware.md: bench/firmware.py [--minutes 20]

How long from power-on to the banner of SMTP; how much memory user space holds, idle and with 500
IDLE sessions; how much is written to the disk in idle minutes and for each delivered message. It
takes the image of `make image`, wants root for a network of its own, and QEMU. Memory is told by a
process that is added to a copy of the image (firmware/measure.c); all else is seen from outside.
"""

import argparse
import os
import platform
import smtplib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests/boot"))

from box import TOOL, Box  # noqa: E402
from first import ALICE, PASSWORD, PRESET  # noqa: E402
from lan import LENT, ROUTER, Lan  # noqa: E402
from names import Names  # noqa: E402
from slot_files import archive, change, take  # noqa: E402

INSIDE = "MAILROOM_BENCH_INSIDE"
IMAGE = ROOT / "target/image/mailroom-qemu-virt.img"
STARTS, SESSIONS, LETTERS = 3, 500, 200
# The server lets one address hold only so many connections, and one account.
NEIGHBOURS, PEOPLE = 20, 5


def enter():
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    apart = ["unshare", "-m", "-n", "-p", "--fork", "--mount-proc"]
    again = [*apart, sys.executable, *sys.argv]
    if os.geteuid() != 0:
        again = ["sudo", f"--preserve-env={INSIDE}", *again]
    os.execvp(again[0], again)


def measured_image(folder):
    """A copy of the image whose slot a starts firmware/measure.c first."""
    zig = next((ROOT / ".tools/cross").glob("lib/python3*/site-packages/ziglang/zig"))
    program, image = folder / "measure", folder / "measured.img"
    words = ["cc", "-target", "aarch64-linux-musl", "-static", "-O2", "-o", program]
    subprocess.run([zig, *words, ROOT / "bench/firmware/measure.c"], check=True)
    subprocess.run(["cp", "--sparse=always", IMAGE, image], check=True)
    note = IMAGE.with_suffix(".emulate.json")
    image.with_suffix(".emulate.json").write_text(note.read_text())
    files = {"init": program.read_bytes(), "init.real": (ROOT / "target/box/mailroom").read_bytes()}
    change(image, {"initramfs": take(image, "initramfs") + archive(files)}, folder)
    return image


class Measured:
    """One run of the box."""

    def __init__(self, folder, disk, image, lan, put=None):
        self.box = Box(folder / "box", disk, lan=lan, put=put, image_file=image)

    def banner(self):
        """Seconds from the start of the emulator to SMTP's 220."""
        while True:
            try:
                with socket.create_connection((LENT, 25), 2) as stream:
                    if stream.recv(512).startswith(b"220 "):
                        return self.box.seconds()
            except OSError:
                time.sleep(0.1)

    def memory(self):
        """The next measure of memory: KiB, and that of each process."""
        with self.box.news:
            self.box.at = len(self.box.text)
        return self.box.wait(r"measured: (\d+) KiB([^\r]*)\r", 120).groups()

    def written(self):
        """Octets and requests that the disk was given to write, and flushes."""
        (disk,) = [each for each in self.box.ask("query-blockstats") if each["device"] == "disk"]
        stats = disk["stats"]
        names = ("wr_bytes", "wr_operations", "flush_operations")
        return [stats[name] for name in names]


def since(before, after):
    return [b - a for a, b in zip(before, after)]


def idle_sessions(count):
    """Sessions that wait in IDLE, from many neighbours."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    sessions = []
    for number in range(count):
        source = (f"10.9.0.{100 + number % NEIGHBOURS}", 0)
        raw = socket.create_connection((LENT, 993), 120, source)
        stream = trust.wrap_socket(raw)
        lines = stream.makefile("rb")
        lines.readline()
        login = f"a LOGIN {person(number % PEOPLE)} {PASSWORD}"
        for command in [login, "b SELECT INBOX", "c IDLE"]:
            line = said(stream, lines, command)
            if not line.startswith((command[:1].encode() + b" OK", b"+ ")):
                raise SystemExit(f"{command}: {line}")
        sessions.append((stream, lines))
    return sessions


def person(number):
    return f"p{number}@office.test"


def said(stream, lines, command):
    """How it ends."""
    stream.sendall(command.encode() + b"\r\n")
    tag = command[:1].encode() + b" "
    while not (line := lines.readline()).startswith((tag, b"+ ")):
        if not line:
            raise SystemExit(f"{command}: the connection ended")
    return line


def deliver(count):
    body = "A letter of an office.\r\n" * 160
    with smtplib.SMTP(LENT, 25, timeout=120) as smtp:
        for number in range(count):
            text = f"From: f@far.test\r\nTo: {ALICE}\r\nSubject: {number}\r\n\r\n{body}"
            smtp.sendmail("f@far.test", [ALICE], text)
    return len(body)


def settle(box):
    """Waits until a whole minute passes without a write."""
    before = box.written()
    for _ in range(10):
        time.sleep(60)
        after = box.written()
        if after == before:
            return
        before = after


def measure(minutes, folder):
    image, disk, preset = measured_image(folder), folder / "disk", folder / "mailroom.toml"
    people = [f'[[people]]\naddress = "{person(n)}"\nname = "P"\npassword = "{PASSWORD}"\n'
              for n in range(PEOPLE)]
    preset.write_text(PRESET + "\n" + "\n".join(people))
    found = {}
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        # Who asks in vain for the sender's domain waits for it at each letter.
        Names({"far.test": [("TXT", f'"v=spf1 ip4:{ROUTER} -all"')]}, host=ROUTER, port=53)
        for number in range(NEIGHBOURS):
            lan.run("ip", "address", "add", f"10.9.0.{100 + number}/24", "dev", "lan0")
        run = Measured(folder, disk, image, lan, preset)
        with run.box:
            found["first start"] = run.banner()
            time.sleep(60)
        starts = []
        for _ in range(STARTS):
            run = Measured(folder, disk, image, lan)
            with run.box:
                starts.append(run.banner())
        found["start"] = statistics.median(starts)
        run = Measured(folder, disk, image, lan)
        with run.box:
            run.banner()
            settle(run)
            found["idle"] = run.memory()
            before = run.written()
            found["size"] = deliver(LETTERS)
            time.sleep(5)
            found["letters"] = since(before, run.written())
            sessions = idle_sessions(SESSIONS)
            found["sessions"] = run.memory()
            del sessions
            settle(run)
            before = run.written()
            time.sleep(60 * minutes)
            found["minutes"] = since(before, run.written())
    return found


def report(found, minutes):
    version = subprocess.check_output(["qemu-system-aarch64", "--version"], text=True)
    version = version.split("\n")[0]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True)
    kib = lambda octets: f"{octets / 1024:,.0f} KiB"  # noqa: E731
    each = [number / LETTERS for number in found["letters"]]
    idle, busy = found["idle"], found["sessions"]
    words = lambda memory: memory[1].decode().strip("; ").replace(";", ",")  # noqa: E731
    many = (int(busy[0]) - int(idle[0])) / SESSIONS
    return f"""# The box, measured

Written by `make bench-firmware` ({time.strftime("%Y-%m-%d")}, commit
{commit.stdout.decode().strip()}): {version.split("(")[0].strip()} emulates a board with two
Cortex-A53 and 1 GiB on {os.cpu_count()} cores of {platform.machine()}, which others use too.
Seconds are the emulator's, several times those of a board; memory and writes are the same on
hardware.

| what                                                       | measured |
|------------------------------------------------------------|----------|
| power-on to the banner of SMTP (median of {STARTS})               | {found["start"]:.1f} s |
| the same at the first start (disk grown, keys, people)     | {found["first start"]:.1f} s |
| PSS of all user space, idle                                | {int(idle[0]) / 1024:.1f} MiB |
| PSS of all user space with {SESSIONS} IDLE sessions             | {int(busy[0]) / 1024:.1f} MiB |
| written in {minutes} idle minutes                                | {kib(found["minutes"][0])}, \
{found["minutes"][1]} writes, {found["minutes"][2]} flushes |
| written for each message of {found["size"] // 1024} KiB, one after the other  | {kib(each[0])}, \
{each[1]:.1f} writes, {each[2]:.1f} flushes |

A session costs {many:.1f} KiB. PSS of each process in KiB, idle: {words(idle)}; with the sessions:
{words(busy)}. Writes are what reached the disk: {LETTERS} messages over one connection, each
acknowledged before the next; blocks are of 4 KiB.
"""


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--minutes", type=int, default=20)
    minutes = options.parse_args().minutes
    if not IMAGE.is_file() or not TOOL.is_file():
        raise SystemExit(f"there is no image at {IMAGE}: `make image`")
    enter()
    with tempfile.TemporaryDirectory(prefix="mailroom-bench.") as folder:
        found = measure(minutes, Path(folder))
    text = report(found, minutes)
    (ROOT / "bench/firmware.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
