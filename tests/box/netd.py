"""netd in a network of the suite's own: the suite is its DHCP server, router and neighbour."""

import ipaddress
import os
import socket
import subprocess
import threading
import time

from machine import ADDRESS, CLOCK, GONE, KEPT, LINK, NETWORK, TOLD, Child, words

SIX = "2001:db8::53"
LENT, FIXED, ROUTER = "10.9.0.50", "10.9.0.20", "10.9.0.1"
DHCP, LINK_LOCAL, STATIC = 0, 1, 2
SYNCED_OR_PLAUSIBLE = (1, 2)


class Lan:
    """The other end of the cable, in a network namespace of its own."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
        names = ["name", "lan0", "type", "veth", "peer", "name", "box0"]
        while namespace(self.holder.pid) == namespace("self"):
            time.sleep(0.02)
        run("ip", "link", "add", *names)
        run("ip", "link", "set", "lan0", "netns", str(self.holder.pid))
        self.run("ip", "addr", "add", ROUTER + "/24", "dev", "lan0")
        self.run("ip", "link", "set", "lan0", "up")
        self.servers = []

    def run(self, *command):
        return run("nsenter", "-t", str(self.holder.pid), "-n", *command)

    def serve(self, *arguments):
        """Starts one of lan.py's servers there."""
        script = __file__.replace("netd.py", "lan.py")
        command = ["nsenter", "-t", str(self.holder.pid), "-n", "python3", script, *arguments]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        self.servers.append(server)
        return server

    def end(self):
        for process in [*self.servers, self.holder]:
            process.kill()
            process.wait()
        # The namespace ends when the kernel comes to it; another may have this name at once.
        subprocess.run(["ip", "link", "delete", "box0"], capture_output=True, check=False)


def namespace(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def address(fields):
    return str(ipaddress.ip_address(fields[1:5] if fields[0] == 4 else fields[1:17]))


def came(child, number, origin, seconds=120):
    def wanted(kind, fields):
        return kind == ADDRESS and address(fields) == number and fields[18] == origin

    return child.hear(wanted, seconds) is not None


def suite(binary, check):
    lan = Lan()
    child = Child(binary, "netd", "/run/netd.log", calls="/run/netd.calls")
    try:
        lent(lan, child, check)
        names(lan, check)
        announced(lan, child, check)
        trial(lan, child, check)
        cable(lan, child, check)
        neighbour(lan, child, check)
        child.end()
        check("netd was refused nothing", child.refused() == {}, child.refused())
    finally:
        child.end()
        lan.end()


def lent(lan, child, check):
    """No server, an address of the link; a server, its address."""
    child.tell(NETWORK, b"\0")
    link = child.hear(lambda kind, fields: kind == LINK and fields[0] == 1)
    check("the link is up", link is not None, child.said())

    def local(kind, fields):
        return kind == ADDRESS and fields[0] == 4 and fields[18] == LINK_LOCAL

    found = child.hear(local)
    check("without a server: link-local", found and address(found)[:8] == "169.254.", found)
    lan.serve("time")
    lan.serve("dhcp", LENT)
    check("an address is lent", came(child, LENT, DHCP), child.said())
    addresses = run("ip", "-4", "-o", "addr", "show", "box0")
    check("the adapter has it", f"{LENT}/24" in addresses, addresses)
    check("and no other", "169.254." not in addresses, addresses)
    routes = run("ip", "route")
    check("the router is known", f"default via {ROUTER}" in routes, routes)
    with open("/run/net/resolv.conf") as file:
        check("the resolver too", file.read() == f"nameserver {ROUTER}\n")
    clock = child.hear(lambda kind, fields: kind == CLOCK)
    check("the time server of DHCP is asked", clock and clock[0] in SYNCED_OR_PLAUSIBLE, clock)
    capabilities = int(child.status("CapEff")[0], 16)
    check("three capabilities", bin(capabilities).count("1") == 3, hex(capabilities))
    check("a list of system calls", child.status("Seccomp") == ["2"])


def names(lan, check):
    """mailroom.local, asked as a phone asks."""
    found = lan.run("python3", __file__.replace("netd.py", "lan.py"), "ask", "mailroom.local")
    check("mailroom.local is answered", found.strip() == LENT, found)


def announced(lan, child, check):
    """A router names a resolver of IPv6, and takes it back."""
    script = __file__.replace("netd.py", "lan.py")
    for seconds, want in [(600, f"nameserver {ROUTER}\nnameserver {SIX}\n"),
                          (0, f"nameserver {ROUTER}\n")]:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            # Until the adapter has its address of the link nothing is heard.
            lan.run("python3", script, "announce", SIX, str(seconds))
            time.sleep(0.2)
            with open("/run/net/resolv.conf") as file:
                written = file.read()
            if written == want:
                break
        check(f"announced for {seconds} s", written == want, written + child.said())


def trial(lan, child, check):
    """A fixed address that nobody confirms goes back after a minute; confirmed, it stays."""
    fixed = bytes([1, 1, 24]) + socket.inet_aton(FIXED) + socket.inet_aton(ROUTER)
    child.tell(NETWORK, fixed)
    check("a fixed address is taken", came(child, FIXED, STATIC), child.said())
    back = child.hear(lambda kind, fields: kind == TOLD and "not confirmed" in words(fields))
    check("it is not confirmed", back is not None, child.said())
    check("and goes back", came(child, LENT, DHCP), child.said())
    child.tell(NETWORK, fixed)
    check("once more", came(child, FIXED, STATIC), child.said())
    child.tell(KEPT)
    child.tell(NETWORK, bytes([1, 0, 24]) + fixed[3:])
    addresses = run("ip", "-4", "-o", "addr", "show", "box0")
    check("confirmed", f"{FIXED}/24" in addresses, addresses)
    child.tell(NETWORK, b"\0")
    check("back to DHCP", came(child, LENT, DHCP), child.said())


def cable(lan, child, check):
    lan.run("ip", "link", "set", "lan0", "down")
    gone = child.hear(lambda kind, fields: kind == GONE and address(fields) == LENT)
    check("no cable, no address", gone is not None, child.said())
    lan.run("ip", "link", "set", "lan0", "up")
    check("the cable is back", came(child, LENT, DHCP), child.said())


def neighbour(lan, child, check):
    """Another device takes our address and insists: it is given up and asked for anew."""
    stop = threading.Event()

    def claim():
        while not stop.wait(0.5):
            lan.run("python3", __file__.replace("netd.py", "lan.py"), "claim", LENT)

    thread = threading.Thread(target=claim)
    thread.start()
    told = child.hear(lambda kind, fields: kind == TOLD and LENT in words(fields))
    stop.set()
    thread.join()
    check("another device is told of", told is not None, child.said())
    check("and the address comes back once it is free", came(child, LENT, DHCP), child.said())
