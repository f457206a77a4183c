"""A child that was taken over: it tries what such a one would, in each cage and without any."""

import os
import stat
import subprocess
from pathlib import Path

from machine import NETD, SERVER, Child

# What the cage's own work needs.
ITS_WORK = {"planted-server": set(), "planted-netd": {"send raw packets"}}
ACTS = {
    "open the disk",
    "read another's file",
    "write another's file",
    "make a disk's node",
    "mount",
    "change the root",
    "trace another",
    "read another's memory",
    "signal another",
    "become root",
    "start a process",
    "send raw packets",
    "become another program",
}


def suite(binary, check):
    disk, secret = disk_of_all(), "/run/secret"
    Path(secret).write_text("of somebody else\n")
    os.chmod(secret, 0o666)
    for role, user, own in [
        ("planted-free", 0, "/run/net"),
        ("planted-server", SERVER, "/data/mail"),
        ("planted-netd", NETD, "/run/net"),
    ]:
        other = subprocess.Popen(["setpriv", f"--reuid={user}", "--clear-groups", "sleep", "600"])
        while b"sleep" not in Path(f"/proc/{other.pid}/cmdline").read_bytes().split(b"\0")[0]:
            assert other.poll() is None
        environment = {
            "PLANTED_DISK": disk,
            "PLANTED_SECRET": secret,
            "PLANTED_OWN": own,
            "PLANTED_OTHER": str(other.pid),
        }
        calls = f"/run/{role}.calls"
        child = Child(binary, role, f"/run/{role}.log", environment, calls)
        child.process.wait(60)
        said = dict(line.split(": ", 1) for line in child.said().splitlines() if ": " in line)
        check(f"{role}: every act was tried", set(said) == ACTS, child.said())
        if role == "planted-free":
            # Without a cage each is done: they are what they are called.
            for act, how in said.items():
                check(f"without a cage: {act}", how == "done", how)
        else:
            for act, how in said.items():
                good = how == "done" if act in ITS_WORK[role] else how in REFUSED
                check(f"{role}: {act}", good, how)
            # What the other suites count as nothing refused would be seen.
            seen = len(child.refused())
            check(f"{role}: strace saw the refusals", seen >= len(ACTS) - 3, child.refused())
        other.kill()
        other.wait()


REFUSED = {"refused 1", "refused 13"}


def disk_of_all():
    """A node of a disk of this machine that the file's mode lets everyone open."""
    for name in sorted(os.listdir("/sys/block")):
        major, minor = Path(f"/sys/block/{name}/dev").read_text().split(":")
        node = f"/run/disk-{name}"
        os.mknod(node, stat.S_IFBLK | 0o666, os.makedev(int(major), int(minor)))
        os.chmod(node, 0o666)
        try:
            os.close(os.open(node, os.O_RDONLY))
            return node
        except OSError:
            continue
    raise SystemExit("this machine lets root open no disk: nothing can be shown")
