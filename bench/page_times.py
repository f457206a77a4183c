"""How long a page takes: every page of the table in appliance/admin/routes.rs, asked for in turn
over connections that stay, as the owner, as a person and as a visitor."""

import http.client
import re
import smtplib
import ssl
import statistics
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests/harness"))

from pages import Pages  # noqa: E402

# An office as there are many.
OFFICE = {f"p{n:02}@office.test": f"secret-of-{n:02}-stays" for n in range(50)}
FIRST, WORD = next(iter(OFFICE.items()))
ROW = re.compile(r'^    get\("([^"]+)", May::(\w+),', re.M)
GROUP = "everybody@office.test"
# A mailbox elsewhere, of the first of them.
ELSEWHERE = "first@far.example"
# No rows of their own: what is looked for in the stories, and an address to be changed.
SEARCHES = [
    "/trace?text=offer", f"/trace?who={urllib.parse.quote(FIRST, safe='')}",
    f"/addresses/edit?address={urllib.parse.quote(GROUP, safe='')}",
]


def queue(server, letters):
    """Letters to where no name server answers: they wait."""
    tls = ssl.create_default_context(cafile=server.ca)
    tls.check_hostname = False
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], context=tls) as session:
        session.login(FIRST, WORD)
        for number in range(letters):
            head = f"From: {FIRST}\r\nSubject: offer {number}\r\n"
            to = f"buyer{number}@shop{number % 40}.example"
            session.sendmail(FIRST, [to], f"{head}\r\nan offer\r\n")


class Guest:
    """Somebody with a browser that keeps its connection."""

    def __init__(self, who, pages):
        self.who, self.pages = who, pages
        self.took, self.elsewhere = {}, {}
        self.connection = http.client.HTTPSConnection(*pages.at, timeout=60, context=pages.tls)
        self.connection.connect()
        self.socket = self.connection.sock

    def visit(self, path, counts=True):
        headers = {"Host": f"{self.pages.name}:{self.pages.at[1]}"}
        if self.pages.cookie:
            headers["Cookie"] = self.pages.cookie
        begun = time.perf_counter()
        self.connection.request("GET", path, headers=headers)
        reply = self.connection.getresponse()
        octets = reply.read()
        took = (time.perf_counter() - begun) * 1000
        if self.connection.sock is not self.socket:
            raise SystemExit(f"{path}: the connection did not stay")
        if reply.status == 200 and counts:
            self.took.setdefault(path, []).append(took)
        return reply.status, octets


def measured(server, times):
    """{"owner /people": (p50, p99) in ms}, and the rows that lead elsewhere here."""
    guests = guests_of(server)
    paths = [(guests[who], path) for who, path in rows(guests["owner"])]
    led = {}
    for guest, path in paths:
        status, _ = guest.visit(path, counts=False)
        if status != 200:
            led[f"{guest.who} {path}"] = status
    paths = [(guest, path) for guest, path in paths if f"{guest.who} {path}" not in led]
    for _ in range(times):
        for guest, path in paths:
            status, octets = guest.visit(path)
            if status != 200:
                raise SystemExit(f"{path}: {status} {octets[:200]}")
    took = {
        f"{guest.who} {path}": (statistics.median(guest.took[path]), p99(guest.took[path]))
        for guest, path in paths
    }
    return took, led


def guests_of(server):
    first = server.first_run
    at = ("127.0.0.1", first["ports"]["https"], server.ca)
    owner, person = Pages(*at), Pages(*at)
    if setup := first.get("setup"):
        owner.claim(setup["code"])
    else:
        owner.login()
    owner.get("/setup/domain")
    owner.post("/setup/domain/look")
    settled(owner)
    server.cli("address", "add", GROUP, *list(OFFICE)[:20])
    server.cli(
        "collect", "add", FIRST, ELSEWHERE, "--host", "imap.far.example", "--untested", "--pause",
        input="a-password\n",
    )
    owner.get("/move")
    status, _, text = owner.post("/move", domain=FIRST.partition("@")[2])
    assert status == 303, text
    owner.get("/setup/done")
    owner.post("/setup/done")
    person.get("/my/login")
    status, _, text = person.post("/my/login", name=FIRST, password=WORD)
    assert status == 303, text
    return {
        who: Guest(who, pages)
        for who, pages in (("owner", owner), ("person", person), ("visitor", Pages(*at)))
    }


def settled(owner):
    """The look at the world has ended."""
    end = time.monotonic() + 120
    while "data-live" in owner.get("/setup/domain")[2]:
        if time.monotonic() > end:
            raise SystemExit("the look at the world does not end")
        time.sleep(0.2)


def rows(owner):
    """Who asks for what: each GET row of the table, its `{}` filled in."""
    table = ROW.findall((ROOT / "appliance/admin/routes.rs").read_text())
    if len(table) < 30:
        raise SystemExit("the table of routes is not read")
    stories = owner.visit("/trace", counts=False)[1].decode()
    story = re.search(r'href="/trace/([0-9a-f]+)"', stories)[1]
    person, box = (urllib.parse.quote(it, safe="") for it in (FIRST, ELSEWHERE))
    values = {
        "/people/": person, "/trace/": story, "/network/": "none", "/my/outside/": box,
        f"/people/{person}/outside/": box,
    }
    asks = {"Owner": "owner", "Setup": "owner", "Person": "person", "Anybody": "visitor"}
    for path, may in table:
        while "{}" in path:
            start = path.partition("{}")[0]
            path = path.replace("{}", values[start], 1)
        yield asks[may], path
        if path == "/":
            yield "owner", path
    for path in SEARCHES:
        yield "owner", path


def p99(values):
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]
