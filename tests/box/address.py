"""The owner gives the box a fixed address on its page, with a browser in the network: server and
netd as the box has them, and between them the suite does what PID 1 does."""

import json
import re
import select
import subprocess
import threading
import time

from machine import ADDRESS, CLOCK, GONE, HEALTH, KEPT, LINK, NETWORK, SIZE, START, TAKEN, TOLD
from machine import Child, words
from netd import DHCP, FIXED, LENT, ROUTER, STATIC, Lan, address, run

# The router itself is not of the office: whatever comes from outside may come by it.
DESK = "10.9.0.7"
CODE = "AAAA-AAAA"
BY_DHCP = b"\0"


class Init:
    """As the supervisor of PID 1: who may say what to whom, and what holds now."""

    def __init__(self, server, netd):
        self.server, self.netd = server, netd
        self.heard, self.changed = [], threading.Condition()
        self.before = self.plan = BY_DHCP
        self.netd.tell(NETWORK, self.plan)
        self.server.tell(NETWORK, self.plan)
        threading.Thread(target=self.relay, daemon=True).start()

    def relay(self):
        children = {self.server.pair: self.of_server, self.netd.pair: self.of_netd}
        while children:
            for pair in select.select(list(children), [], [])[0]:
                octets = pair.recv(SIZE + 1)
                if not octets:
                    del children[pair]
                    continue
                kind, fields = octets[3], octets[4:]
                try:
                    children[pair](kind, fields)
                except OSError:
                    # One of the two has ended.
                    pass
                with self.changed:
                    self.heard.append((kind, fields))
                    self.changed.notify_all()

    def of_server(self, kind, fields):
        if kind == NETWORK:
            self.before, self.plan = self.plan, fields
            self.netd.tell(NETWORK, fields)
            self.server.tell(NETWORK, fields)
        elif kind == KEPT:
            self.plan = fixed_for_good(self.plan)
            self.netd.tell(KEPT)
            self.server.tell(NETWORK, self.plan)

    def of_netd(self, kind, fields):
        if kind in (LINK, ADDRESS, GONE, CLOCK):
            self.server.tell(kind, fields)
        elif kind == TOLD and "not confirmed" in words(fields):
            self.plan = self.before
            self.server.tell(NETWORK, self.plan)

    def hears(self, wanted, after=0, seconds=120):
        """How many messages there were up to the first such one behind `after`; None: it never
        came."""
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for number, (kind, fields) in enumerate(self.heard[after:], after + 1):
                    if wanted(kind, fields):
                        return number
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)

    def has(self, number, origin, after=0):
        """The adapter has the address."""
        def wanted(kind, fields):
            return kind == ADDRESS and address(fields) == number and fields[18] == origin

        return self.hears(wanted, after)


def fixed_for_good(plan):
    return plan[:1] + b"\0" + plan[2:]


class Browser:
    def __init__(self, lan):
        script = __file__.replace("address.py", "browser.py")
        command = ["nsenter", "-t", str(lan.holder.pid), "-n", "python3", script]
        pipe = subprocess.PIPE
        arguments = ["/data/mail/tls/ca.pem", DESK]
        self.process = subprocess.Popen([*command, *arguments], stdin=pipe, stdout=pipe, text=True)

    def ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def get(self, at, path):
        return self.ask(at=at, get=path)

    def post(self, at, path, **fields):
        return self.ask(at=at, post=path, fields=fields)

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


def suite(binary, check):
    subprocess.check_call(["find", "/data/mail", "-mindepth", "1", "-delete"])
    lan = Lan()
    lan.run("ip", "addr", "add", DESK + "/24", "dev", "lan0")
    server = Child(binary, "server", "/run/address.log", calls="/run/address.calls")
    server.tell(START, b"\1\0" + CODE.encode(), b'domain = "office.test"\n')
    check("address: the presets are taken", server.hear(lambda kind, _: kind == TAKEN) is not None)
    up = server.hear(lambda kind, fields: kind == HEALTH and fields[0] == 1)
    check("address: the server is up", up is not None, server.said())
    netd = Child(binary, "netd", "/run/address-netd.log")
    lan.serve("dhcp", LENT)
    init, browser = Init(server, netd), None
    try:
        check("address: the router gives one", init.has(LENT, DHCP), netd.said())
        browser = Browser(lan)
        claimed(browser, check)
        goes_back(init, browser, check)
        stays(init, browser, check)
        server.end()
        check("address: nothing was refused", server.refused() == {}, server.refused())
    finally:
        if browser:
            browser.end()
        server.end()
        netd.end()
        lan.end()


def claimed(browser, check):
    browser.get(LENT, "/code")
    browser.post(LENT, "/code", code=CODE)
    browser.get(LENT, "/setup/owner")
    both = {"password": "correct horse battery", "password2": "correct horse battery"}
    done = browser.post(LENT, "/setup/owner", **both)
    check("address: the box has an owner", done.get("status") == 303, done)
    shown = browser.get(LENT, "/setup/network")["text"]
    check("address: the page shows it", f"{LENT}/24" in shown and "from the router" in shown, shown)


def asked(browser):
    """Asks for the fixed address by the form; the page, and the secret of its link."""
    browser.get(LENT, "/setup/network")
    form = {"how": "fixed", "address": FIXED, "mask": "255.255.255.0", "gateway": ROUTER}
    page = browser.post(LENT, "/setup/network", **form)["text"]
    link = re.search(rf'href="https://{re.escape(FIXED)}(?::443)?/network/([\w-]+)"', page)
    return page, link and link[1]


def goes_back(init, browser, check):
    """Nobody comes to the new address: after a minute the box is where it was, and says so."""
    begun = len(init.heard)
    page, secret = asked(browser)
    check("address: the page says where to go", secret, page)
    there = init.has(FIXED, STATIC, begun)
    check("address: the box is there", there, init.netd.said())
    shown = browser.get(FIXED, f"/network/{secret}")
    check("address: it is found there", "at its new address" in shown.get("text", ""), shown)
    wrong = browser.get(FIXED, "/network/nonsense")
    check("address: only by the secret", wrong.get("status") == 404, wrong)
    back = init.has(LENT, DHCP, there)
    check("address: nobody confirmed it, and it goes back", back, init.netd.said())
    late = browser.get(LENT, f"/network/{secret}")
    check("address: then the secret opens nothing", late.get("status") == 404, late)
    shown = browser.get(LENT, "/setup/network")["text"]
    check("address: the page says so", "Nobody confirmed the new address" in shown, shown)


def stays(init, browser, check):
    """The browser comes to the new address and keeps it there."""
    begun = len(init.heard)
    _, secret = asked(browser)
    check("address: once more", init.has(FIXED, STATIC, begun), init.netd.said())
    browser.get(FIXED, f"/network/{secret}")
    kept = browser.post(FIXED, f"/network/{secret}")
    check("address: it is kept", kept.get("status") == 303, kept)
    check("address: PID 1 hears of it", init.hears(lambda kind, _: kind == KEPT, begun))
    browser.get(FIXED, "/login")
    entered = browser.post(FIXED, "/login", password="correct horse battery")
    check("address: the owner logs in there", entered.get("status") == 303, entered)
    shown = browser.get(FIXED, "/setup/network")["text"]
    fixed = f'value="{FIXED}"' in shown and "Nobody confirmed" not in shown
    check("address: it is the box's own now", fixed and "data-countdown" not in shown, shown)
    held = run("ip", "-4", "-o", "addr", "show", "box0")
    check("address: the adapter has it alone", f"{FIXED}/24" in held and LENT not in held, held)
