"""What stands in for PID 1 and the machine: folders, the socket pair, the messages."""

import array
import os
import re
import select
import socket
import subprocess
import time

SIZE = 256
RESOLV = "/run/resolv.conf"
SERVER, NETD = 61025, 61026
START, HEALTH, TAKEN, WRONG, CODE, NETWORK, KEPT = 1, 2, 3, 4, 5, 7, 8
LINK, ADDRESS, GONE, CLOCK, TOLD, REPAIR = 10, 11, 12, 13, 14, 16
PROVED, UNPROVED = 18, 19
RESET_OWNER, RESET_DONE = 40, 41


class Checks:
    def __init__(self):
        self.good = self.bad = 0

    def __call__(self, name, fine, detail=""):
        if fine:
            self.good += 1
        else:
            self.bad += 1
            print(f"FAIL {name}: {detail}", flush=True)


def prepare():
    """Folders of a box, and its settings of the kernel; all in namespaces of the suite's own."""
    for folder in ["/data", "/run"]:
        os.makedirs(folder, exist_ok=True)
        subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", folder])
    for folder, owner in [("/data/mail", SERVER), ("/run/net", NETD)]:
        os.makedirs(folder, mode=0o755)
        os.chown(folder, owner, owner)
    name_server(None)
    subprocess.check_call(["mount", "--bind", RESOLV, "/etc/resolv.conf"])
    # The box's C library is static: it loads no parts that this machine's settings name.
    with open("/run/nsswitch.conf", "w") as file:
        file.write("passwd: files\ngroup: files\nhosts: files dns\n")
    if os.path.exists("/etc/nsswitch.conf"):
        subprocess.check_call(["mount", "--bind", "/run/nsswitch.conf", "/etc/nsswitch.conf"])
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:
        file.write("25")
    subprocess.check_call(["ip", "link", "set", "lo", "up"])


def name_server(address):
    """Who answers questions for names from now on."""
    with open(RESOLV, "w") as file:
        file.write(f"nameserver {address}\n" if address else "")


def message(kind, fields=b""):
    return (b"MR\x01" + bytes([kind]) + fields).ljust(SIZE, b"\0")


def words(fields, at=0):
    return fields[at + 1 : at + 1 + fields[at]].decode()


class Child:
    """A child and our end of its pair. `calls`: a file for the system calls that fail; strace
    looks on as another process of ours, and the child is ours as without it."""

    def __init__(self, binary, role, log, environment=None, calls=None):
        self.pair, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log, self.calls = open(log, "w+b"), calls
        look_on = ["strace", "-f", "-D", "-q", "-Z", "-o", calls] if calls else []
        self.process = subprocess.Popen(
            [*look_on, binary, "child", role],
            stdin=theirs,
            stdout=self.log,
            stderr=self.log,
            env=environment or {},
            cwd="/",
        )
        theirs.close()

    def tell(self, kind, fields=b"", file=None):
        rights = []
        if file is not None:
            memory = os.memfd_create("preset")
            os.write(memory, file)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))]
        self.pair.sendmsg([message(kind, fields)], rights)
        if file is not None:
            os.close(memory)

    def hear(self, wanted, seconds=120):
        """The fields of the next message for which `wanted(kind, fields)` holds; None: it never
        came."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.pair], [], [], left)[0]:
                break
            octets = self.pair.recv(SIZE + 1)
            if not octets:
                break
            if len(octets) == SIZE and wanted(octets[3], octets[4:]):
                return octets[4:]
        return None

    def status(self, name):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(line.split()[1:] for line in file if line.startswith(name + ":"))

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def refused(self):
        """The calls that were refused, each with how often, once the child has ended."""
        deadline = time.monotonic() + 60
        last = f"{self.process.pid} +++ "
        while not any(line.startswith(last) for line in lines(self.calls)):
            assert time.monotonic() < deadline, f"strace has not ended: {self.calls}"
            time.sleep(0.05)
        found = {}
        for line in lines(self.calls):
            if call := re.search(r"(\w+\(.*)= -1 (EPERM|EACCES) ", line):
                words = re.sub(r"0x[0-9a-f]+|\d+", "n", call[1])[:60] + call[2]
                found[words] = found.get(words, 0) + 1
        return found

    def end(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "killed"


def lines(path):
    """strace pads the numbers of processes."""
    try:
        with open(path, errors="replace") as file:
            return [re.sub(r"^(\d+) +", r"\1 ", line) for line in file]
    except FileNotFoundError:
        return []
