"""What the bench reads from the kernel: processor time, memory, writes and flushes."""

import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


class State(NamedTuple):
    cpu: float  # seconds
    written: int  # bytes
    flushes: int

    def __sub__(self, before):
        return State(*(now - then for now, then in zip(self, before)))


class Disk:
    """An ext4 file, loop-mounted; its block device counts what is written and flushed."""

    def __init__(self, folder, gib):
        self.file, self.mount, self.gib = folder / "disk.img", folder / "disk", gib
        self.loop = None

    def __enter__(self):
        with open(self.file, "wb") as file:
            file.truncate(self.gib << 30)
        # The journal and the inode tables are written now, not while we measure.
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", options, self.file], check=True)
        self.mount.mkdir()
        shown = subprocess.run(
            ["losetup", "--find", "--show", self.file], check=True, capture_output=True, text=True
        )
        self.loop = shown.stdout.strip()
        try:
            subprocess.run(["mount", "-o", "noatime", self.loop, self.mount], check=True)
        except subprocess.CalledProcessError:
            subprocess.run(["losetup", "--detach", self.loop])
            raise
        return self

    def __exit__(self, *_):
        for _ in range(20):
            if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                break
            time.sleep(0.5)
        subprocess.run(["losetup", "--detach", self.loop], check=True)

    def sync(self):
        """This file system alone; the machine may have other work."""
        subprocess.run(["sync", "--file-system", self.mount], check=True)

    def counters(self):
        """Bytes written and flushes done since the device was made."""
        # Documentation/block/stat.rst: field 7 is sectors written, 16 flushes.
        fields = Path(f"/sys/block/{Path(self.loop).name}/stat").read_text().split()
        return int(fields[6]) * 512, int(fields[15])


def tree(roots):
    """The roots and all that descends from them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = read_stat(entry.name)
            if stat:
                parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += parents.get(pid, [])
    return found


def read_stat(pid):
    """The fields after the name, state first; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def cpu(roots):
    """Seconds, user and system, of the tree and of its children that have ended."""
    total = 0
    for pid in tree(roots):
        stat = read_stat(pid)
        if stat:
            # proc(5): utime stime cutime cstime are 14 to 17; ours starts at 3.
            total += sum(int(value) for value in stat[11:15])
    return total / TICKS


def memory(roots):
    """MiB of proportional set size, and processes."""
    total, processes = 0, 0
    for pid in tree(roots):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        processes += 1
    return total / 1024, processes
