"""The network that a box's cable leads to: this test's own, with a router, a DHCP server, a time
server, a name server and neighbours. It lives in the suite's network namespace as lan0."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/harness"))

from names import Names  # noqa: E402

SERVERS = ROOT / "tests/box/lan.py"
ROUTER, LENT = "10.9.0.1", "10.9.0.50"
# Where the letters of strangers come from in all of these tests.
KNOWN = {"far.test": [("TXT", f'"v=spf1 ip4:{ROUTER} -all"')]}


class Lan:
    # What QEMU is told of it.
    netdev = "tap,ifname=lan0,script=no,downscript=no"

    def __init__(self):
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "tuntap", "add", "dev", "lan0", "mode", "tap")
        self.run("ip", "address", "add", f"{ROUTER}/24", "dev", "lan0")
        # A neighbour of boxes that have an address of the link only.
        self.run("ip", "address", "add", "169.254.0.9/16", "dev", "lan0")
        self.run("ip", "link", "set", "lan0", "up")
        self.servers, self.asked = [], None

    def run(self, *command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def serve(self, *arguments):
        """Starts one of the servers of tests/box/lan.py."""
        command = [sys.executable, SERVERS, *arguments]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.servers.append(server)
        if server.stdout.readline() != "ready\n":
            raise RuntimeError(f"{arguments} does not start")
        return server

    def names(self):
        """A name server; without one each letter of a stranger is looked into for half a minute."""
        self.asked = Names(KNOWN, host=ROUTER, port=53)

    def ask(self, name):
        """The address of a name, asked as a phone asks: by multicast."""
        done = subprocess.run(
            [sys.executable, SERVERS, "ask", name], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or done.stderr.strip()

    def neighbour(self, address, there):
        """A device with this address comes, or goes."""
        self.run("ip", "address", "add" if there else "del", f"{address}/24", "dev", "lan0")

    def end(self):
        if self.asked:
            self.asked.stop()
        for server in self.servers:
            server.kill()
            server.wait()
        self.run("ip", "link", "delete", "lan0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
