"""The mail on another disk: it moves there by itself, is missed when the disk is not in, opens on a
new card, and comes back. The office is the same before and after.

    POINTS, BOOTS in the environment: how many cuts of the power, and how many of them also start
    (4 and 1)

One move is played in QEMU, which writes down every write and flush of both disks. For each moment
what a power cut there leaves of them is made on this machine (tests/power/replay.py): all of the
mail that was acknowledged by then has to be in the one place that the box would start with. Some
of them start.
"""

import imaplib
import json
import os
import random
import re
import shutil
import smtplib
import struct
import subprocess
import sys
import threading
import time

from backup import NAME, Refused, claimed, letter, lived_in, mail, picture, settled
from box import ROOT, Box
from first import ALICE, PASSWORD, PRESET
from lan import LENT, Lan
from reset import DESK, office as pages, page

sys.path.append(str(ROOT / "tests/power"))

import replay  # noqa: E402
from guest import Cold, copied, tool  # noqa: E402

MIB = 1 << 20
SIZE = 2 << 30
GOOD, OWNER = "box: mail      good", pages.OWNER
ADDRESS = rf"box: network   {re.escape(LENT)} \(DHCP\)"
MISSING = rf"box: REPAIR    the disk {NAME} \([0-9a-f]{{8}}\), which holds the mail, is not in"


def run(folder, check):
    here = folder / "storage"
    here.mkdir()
    disk, preset, data = here / "disk", here / "mailroom.toml", here / "data.disk"
    preset.write_text(PRESET)
    blank(data)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        lan.names()
        lan.neighbour(DESK, there=True)
        with Box(here / "box", disk, lan=lan, put=preset) as box:
            up(box)
            office = claimed()
            lived_in(office)
            box.insert("data", data)
            refused(office, check)
            here_before = copied(disk, here / "before.disk")
            before = picture(office)
            moved(box, office, NAME, check)
            equal(before, office, check, "on the other disk")
            letter("after")
            check("new mail comes", count() == letters_in(before) + 1, count())
            holders(office, {"vda": "system-and-old", NAME: "mail"}, check)
            office.call("POST", "storage/forget")
            holders(office, {"vda": "system", NAME: "mail"}, check)
            here_after = picture(office)
        gone(here, disk, data, lan, office, here_after, check)
        reflashed(here, data, lan, office, here_after, check)
        with Box(here / "box", disk, lan=lan, more=second(data)) as box:
            up(box)
            moved(box, office, "vda", check)
            equal(here_after, office, check, "back on the card")
            holders(office, {"vda": "all", NAME: "old"}, check)
            letter("home")
            box.pull("data")
            check("and mail comes there", count() == letters_in(here_after) + 1, count())
        here_before.unlink()
        cuts(here, lan, office, check)
    shutil.rmtree(here)


def blank(path):
    path.unlink(missing_ok=True)
    with path.open("wb") as made:
        made.truncate(SIZE)


def second(data):
    """The disk is in before the box starts; `pull("data")` takes it out."""
    back = f"driver=raw,node-name=data,file.driver=file,file.filename={data}"
    device = "usb-storage,bus=usb.0,drive=data,id=data-stick,removable=on"
    return ["-blockdev", back, "-device", device]


def up(box, start=0):
    box.wait(GOOD, start=start)
    box.wait(ADDRESS, start=start)


# ---- the move ----


def place(office, state):
    return office.until("storage", lambda found: found["place"]["state"] == state)["place"]


def refused(office, check):
    """What is not called by its name is not emptied."""
    found = place(office, "unusable")
    check("the disk is called by its name", found["name"] == NAME, found)
    check("it is as large as it is", found["octets"] == SIZE, found)
    try:
        office.call("POST", "storage/move", {"disk": "another"})
        check("to another name nothing moves", False)
    except Refused as error:
        check("to another name nothing moves", error.args[0] in (404, 422), error)


def moved(box, office, name, check):
    """From the call to mail that is good again, after the restart that ends it."""
    began, start = time.monotonic(), len(box.text)
    office.call("POST", "storage/move", {"disk": name})
    start = box.wait("mailroom: booting slot a", 1200, start=start).end()
    copied_in = time.monotonic() - began
    up(box, start)
    check(f"to {name}: nothing is amiss", b"box: !" not in box.text[start:], box.text[-3000:])
    took = time.monotonic() - began
    print(f"storage: to {name} in {copied_in:.0f} s, good again after {took:.0f} s", flush=True)
    told = office.until("storage", lambda found: found["doing"] is None)
    check(f"to {name}: nothing failed", told["failed"] is None, told)


def count():
    """In all of her mailboxes."""
    return sum(len(found) for found in mail().values())


def letters_in(seen):
    return sum(len(found) for what, found in seen.items() if what.startswith("mail in "))


def equal(before, office, check, about):
    after = picture(office)
    for what, was in before.items():
        check(f"{about}: {what} is equal", after[what] == was, f"{was}\n{after[what]}")


def holders(office, wanted, check):
    def of(found):
        return {it["name"]: it["holds"] for it in found["holders"]}

    try:
        found = office.until("storage", lambda found: of(found) == wanted, 120)
    except RuntimeError as error:
        found = {"holders": [], "why": str(error)}
    check(f"the disks of the box are {wanted}", of(found) == wanted, found)


# ---- a disk that is not in, a card that is another ----


def serves():
    """Does Alice get in?"""
    try:
        with imaplib.IMAP4_SSL(LENT, 993, timeout=20) as imap:
            imap.login(ALICE, PASSWORD)
    except (OSError, EOFError, imaplib.IMAP4.error):
        return False
    return True


def gone(here, disk, data, lan, office, before, check):
    """Without its disk the box says so, and serves no old mail; with it all is well by itself."""
    with Box(here / "box", disk, lan=lan) as box:
        box.said_ever(MISSING)
        box.said_ever(r"box: network   \S*10\.9\.0\.")
        check("no mail is served", not serves())
        start = len(box.text)
        box.insert("data", data)
        start = box.wait("mailroom: booting slot a", start=start).end()
        up(box, start)
        equal(before, office, check, "the disk is back")
        # Pulled out of a box that runs.
        start = len(box.text)
        box.pull("data")
        start = box.wait("mailroom: booting slot a", start=start).end()
        box.wait(MISSING, start=start)
        start = len(box.text)
        box.insert("data", data)
        up(box, box.wait("mailroom: booting slot a", start=start).end())
        equal(before, office, check, "the disk was pulled out, and is back")


def reflashed(here, data, lan, office, before, check):
    """The card is lost. A new one opens the mail for its owner, and for nobody else."""
    card, copy = here / "card", copied(data, here / "copy.disk")
    with Box(here / "card.box", card, lan=lan, more=second(copy)) as box:
        code = box.said_ever("box: setup code ([A-Z2-9]{4}-[A-Z2-9]{4})").group(1).decode()
        box.said_ever(ADDRESS)
        owner = page(LENT)
        owner.get("/code")
        check("the code opens", owner.post("/code", code=code)[0] == 303)
        opened(owner, "not the owner's", check)
        text = settled(owner)
        check("a wrong password is said", "not the password of the owner" in text, text)
        check("and opens nothing", not serves())
        start = len(box.text)
        opened(owner, OWNER, check)
        start = box.wait("mailroom: booting slot a", start=start).end()
        up(box, start)
        equal(before, office, check, "on a new card")
        holders(office, {"vda": "system", NAME: "mail"}, check)
    card.unlink()
    copy.unlink()


def opened(owner, password, check):
    """The page that a new box begins with, when the disk with the mail is in it; what it says."""
    end = time.monotonic() + 300
    text = settled(owner)
    while "/setup/begin/disk" not in text and time.monotonic() < end:
        time.sleep(1)
        text = settled(owner)
    check("the disk is offered", "/setup/begin/disk" in text, text)
    # Guesses are slowed: the next may have to wait.
    while time.monotonic() < end:
        form = {"disk-password": password, "disk-code": ""}
        status, _, text = owner.post("/setup/begin/disk", **form)
        if status == 303:
            return
        time.sleep(1)
    check("somebody may try a password", False, text)


# ---- the power goes ----


class Logged:
    """What both disks were told to write, and how far that was at moments of the move."""

    def __init__(self, here):
        self.logs = [here / "system.log", here / "data.log"]
        for log in self.logs:
            log.touch()
        self.moments, self.letters = [self.now()], []
        self.over = threading.Event()

    def now(self):
        """The system's disk first: it is never ahead of what it was told after the other."""
        return tuple(os.stat(log).st_size for log in self.logs)

    def watch(self):
        while not self.over.is_set():
            if (now := self.now()) != self.moments[-1]:
                self.moments.append(now)
            time.sleep(0.005)

    def write(self):
        """A stranger writes on and on; a letter counts once the box has said that it has it."""
        number = 0
        while not self.over.is_set():
            number += 1
            try:
                with smtplib.SMTP(LENT, 25, timeout=20) as smtp:
                    smtp.ehlo("far.test")
                    text = f"Subject: told {number}\r\n\r\nkeep {number}\r\n"
                    smtp.sendmail("f@far.test", [ALICE], text)
                self.letters.append((f"told {number}", self.now()))
            except (OSError, smtplib.SMTPException):
                time.sleep(0.2)
            time.sleep(0.1)


def cuts(here, lan, office, check):
    count, boots = int(os.environ.get("POINTS", 4)), int(os.environ.get("BOOTS", 1))
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    rng = random.Random(seed)
    print(f"storage: POINTS={count} BOOTS={boots} SEED={seed}", flush=True)
    disk, data = here / "disk", here / "data.disk"
    blank(data)
    bases = [copied(disk, here / "base.disk"), copied(data, here / "base.data")]
    known = sorted(subject for subject, *_ in subjects(disk, here)[1])
    logged, window = recorded(here, disk, data, lan, office, check)
    logs = [replay.Log(path) for path in logged.logs]
    points = chosen(logs, logged.moments, window, count, rng)
    starting = set(rng.sample(range(count), min(boots, count)))
    rolling = [replay.Rolling(log, base) for log, base in zip(logs, bases)]
    seen = {"card": 0, "disk": 0}
    for number, point in enumerate(points):
        files = [here / "point.disk", here / "point.data"]
        for each, part, file in zip(rolling, point, files):
            each.to(part, file, copied)
        about = f"cut after {point[0].cut} and {point[1].cut} writes"
        told = [subject for subject, sizes in logged.letters
                if all(log.index(size) <= part.cut
                       for log, size, part in zip(logs, sizes, point))]
        seen[whole(here, files, about, known, told, check)] += 1
        if number in starting:
            starts(here, files, lan, about, known, told, check)
    print(f"storage: the mail is on the card at {seen['card']} cuts, on the disk at "
          f"{seen['disk']}", flush=True)
    check("there were cuts on both sides of the move", count < 3 or all(seen.values()), seen)


def recorded(here, disk, data, lan, office, check):
    """One move, with a log of each disk; and which moments of it are those of its end."""
    logged = Logged(here)
    back = {"driver": "raw", "file": behind(disk, logged.logs[0])}
    more = ["-set", f"drive.disk.file=json:{json.dumps(back)}"]
    with Box(here / "box", disk, lan=lan, more=more) as box:
        up(box)
        back = {"driver": "raw", "node-name": "data", "file": behind(data, logged.logs[1])}
        box.ask("blockdev-add", **back)
        device = {"driver": "usb-storage", "bus": "usb.0", "drive": "data", "id": "data-stick"}
        box.ask("device_add", **device, removable=True)
        place(office, "unusable")
        helpers = [threading.Thread(target=it) for it in (logged.watch, logged.write)]
        for helper in helpers:
            helper.start()
        try:
            start = len(box.text)
            office.call("POST", "storage/move", {"disk": NAME})
            start = box.wait("mailroom: booting slot a", 1200, start=start).end()
            end = len(logged.moments)
            up(box, start)
            before = len(logged.letters)
            limit = time.monotonic() + 120
            while len(logged.letters) < before + 5 and time.monotonic() < limit:
                time.sleep(0.5)
            check("letters come after the move", len(logged.letters) >= before + 5)
        finally:
            logged.over.set()
            for helper in helpers:
                helper.join()
    return logged, (max(0, end - 400), end)


def behind(disk, log):
    plain = {name: {"driver": "file", "filename": str(path)}
             for name, path in [("file", disk), ("log", log)]}
    return {"driver": "blklogwrites", **plain}


def chosen(logs, moments, window, count, rng):
    """Half of them at the end of the move, where it is decided, a quarter behind it, and a quarter
    anywhere."""
    last_of_all, pairs = len(moments) - 1, []
    where = [(0, last_of_all), window, (window[1], last_of_all), window]
    for number in range(count):
        first, last = where[number % len(where)]
        at = rng.randrange(first, max(first + 1, last))
        (system, _), (system_next, data) = moments[at], moments[min(at + 1, len(moments) - 1)]
        low, high = logs[0].index(system), logs[0].index(system_next)
        # What the other disk was told later is no lie about this one.
        pairs.append((rng.randint(low, high), logs[1].index(data)))
    return [[replay.drawn(log, cut, rng) for log, cut in zip(logs, pair)]
            for pair in sorted(pairs)]


def whole(here, files, about, known, told, check):
    """All of the mail is in one place: the one that the box would start with."""
    where, found, faults = subjects(files[0], here, files[1])[0:3]
    check(f"{about}: the store on the {where} is clean", faults == [], faults)
    names = [subject for subject, *_ in found]
    missing = sorted(set(known + told) - set(names))
    check(f"{about}: all letters are on the {where}", not missing, missing)
    check(f"{about}: none is there twice", len(names) == len(set(names)), sorted(names))
    return where


def subjects(disk, here, data=None):
    """Where the mail is, the letters there, and what is wrong with it."""
    cold = Cold(disk, here / "cold", part_of(disk))
    shown = tool("debugfs", "-R", "cat /system/elsewhere", here / "cold/data.ext4").stdout
    where = "card"
    if re.match("[0-9a-f]{8} ", shown):
        where, cold = "disk", Cold(data, here / "cold", part_of(data))
    faults = cold.faults()
    cold.run("export", ALICE, here / "cold/alice")
    words = ["grep", "-r", "-h", "-E", "^Subject: (letter|told|after|home|own)"]
    done = subprocess.run([*words, here / "cold/alice"], capture_output=True, text=True)
    found = [(line.split(": ", 1)[1].strip(),) for line in done.stdout.splitlines()]
    return where, found, faults


def part_of(disk):
    """The fourth partition: where it begins, and its octets."""
    with open(disk, "rb") as file:
        table = file.read(512)
    start, count = struct.unpack_from("<II", table, 446 + 3 * 16 + 8)
    return start * 512, count * 512


def starts(here, files, lan, about, known, told, check):
    """It comes up by itself, whatever became of the move, and takes mail."""
    with Box(here / "point.box", files[0], lan=lan, more=second(files[1])) as box:
        up(box)
        names = {subject(octets) for octets in everything()}
        missing = sorted(set(known + told) - names)
        check(f"{about}: all letters after the start", not missing, missing)
        letter("next")
        check(f"{about}: new mail comes", "next" in {subject(it) for it in everything()})


def everything():
    import imaplib

    found = []
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        imap.login(ALICE, PASSWORD)
        for mailbox in ["INBOX", "Junk", '"Projects/2026"']:
            imap.select(mailbox, readonly=True)
            for number in imap.search(None, "ALL")[1][0].split():
                found.append(imap.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1])
    return found


def subject(octets):
    return octets.decode().split(":", 1)[1].strip()
