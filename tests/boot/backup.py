"""A backup on a stick, the card destroyed, a new image, and all of the office is back.

The stick comes without a file system: the box formats it after its name was typed. It is pulled out
while the box writes, and what is left there harms nothing. Another, with exFAT, takes a backup too.
The old box and the new one have nothing in common but the stick and the passphrase.
"""

import contextlib
import hashlib
import http.client
import imaplib
import json
import re
import shutil
import smtplib
import subprocess
import time

import exfat
from box import Box
from first import ALICE, PASSWORD, PRESET
from lan import LENT, Lan
from reset import DESK, page

STICK = 512 << 20
NAME = "QEMU QEMU HARDDISK"
PASSPHRASE = "oak pine elm ash"
LETTERS = 20
ALIAS = "sales@office.test"


def run(folder, check):
    here = folder / "backup"
    here.mkdir()
    disk, preset, stick = here / "disk", here / "mailroom.toml", here / "stick.img"
    preset.write_text(PRESET)
    with stick.open("wb") as made:
        made.truncate(STICK)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        lan.names()
        lan.neighbour(DESK, there=True)
        with Box(here / "old", disk, lan=lan, put=preset) as box:
            box.said_ever("box: mail      good")
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            office = claimed()
            lived_in(office)
            on_exfat(box, here / "exfat.img", office, check)
            box.insert("stick", stick)
            formatted(office, check)
            last = made_backup(office, check)
            before = picture(office)
            box.pull("stick")
            good = fsck(stick)
            check("the stick is good to others", good.returncode == 0, good.stdout + good.stderr)
            pulled_out(box, stick, office, last["name"], check)
        disk.unlink()
        with Box(here / "new", disk, lan=lan) as box:
            code = box.said_ever("box: setup code ([A-Z2-9]{4}-[A-Z2-9]{4})").group(1).decode()
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            box.insert("stick", stick)
            began = time.monotonic()
            brought(code, last["name"], check)
            office.until("accounts", lambda found: found and len(found) == 2)
            took = time.monotonic() - began
            box.wait("box: mail      good")
            after = picture(office)
            for what, was in before.items():
                check(f"{what}: equal", after[what] == was, f"{was}\n{after[what]}")
            size = last["octets"] / 1e6
            print(
                f"backup: {size:.1f} MB written in {last['seconds']} s and tried in "
                f"{last['tried']['seconds']} s; brought back in {took:.0f} s",
                flush=True,
            )
            letter("after")
            come = sum(len(letters) for letters in mail().values())
            check("and new mail comes", come == LETTERS + 2, come)
            box.pull("stick")
    shutil.rmtree(here)


class Refused(Exception):
    """A call that was not done: status, path and why."""


class Office:
    """The calls of the box, by a token of its owner: it is in the backup too."""

    def __init__(self, token):
        self.token = token

    def call(self, method, path, body=None):
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        # The router is not near: the whole world may stand behind it.
        made = http.client.HTTPSConnection(
            LENT, timeout=120, context=page(LENT).tls, source_address=(DESK, 0)
        )
        with contextlib.closing(made):
            made.request(method, f"/api/v1/{path}", data, sent)
            reply = made.getresponse()
            text = reply.read().decode()
        if reply.status >= 400:
            raise Refused(reply.status, path, text)
        return next(iter(json.loads(text).values()))

    def until(self, path, condition, seconds=600):
        end, found = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                found = self.call("GET", path)
            except (OSError, ValueError, http.client.HTTPException, Refused):
                # The box starts anew with what came.
                found = None
            if found is not None and condition(found):
                return found
            time.sleep(1)
        raise RuntimeError(f"{path} stays so: {found}")

    def over(self, seconds=600):
        return self.until("backup", lambda found: found["doing"] is None, seconds)


def claimed():
    """The owner, and a token."""
    owner = page(LENT)
    owner.claim("ABCD-2345")
    owner.get("/tokens")
    _, _, text = owner.post("/tokens", name="suite")
    found = re.search(r"<code>([\w-]{20,})</code>", text)
    assert found, text
    return Office(found[1])


def letter(subject):
    with smtplib.SMTP(LENT, 25, timeout=120) as smtp:
        smtp.ehlo("far.test")
        smtp.sendmail("f@far.test", [ALICE], written(subject, "f@far.test"))


def written(subject, sender):
    return f"From: {sender}\r\nSubject: {subject}\r\n\r\n" + f"the body of {subject}\r\n" * 500


def lived_in(office):
    letter("letter 0")
    with smtplib.SMTP_SSL(LENT, 465, timeout=120, context=page(LENT).tls) as smtp:
        smtp.login(ALICE, PASSWORD)
        for number in range(1, LETTERS):
            smtp.sendmail(ALICE, [ALICE], written(f"letter {number}", ALICE))
    office.call("PUT", f"addresses/{ALIAS}", {"targets": [ALICE, "bob@office.test"]})
    office.call("PUT", "zone", {"zone": "Europe/Berlin"})
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        imap.login(ALICE, PASSWORD)
        imap.create("Projects/2026")
        date, text = '"03-Mar-2026 11:21:31 +0200"', b"Subject: own\r\n\r\nx\r\n"
        imap.append("Projects/2026", r"(\Seen \Answered $Work)", date, text)
        imap.select("INBOX")
        imap.store("1:5", "+FLAGS", r"(\Seen)")
        imap.store("2,4", "+FLAGS", r"(\Flagged $Later)")
        imap.store("19", "+FLAGS", r"(\Deleted)")


def mail():
    """Of each mailbox, each letter with its flags, dates and content."""
    seen = {}
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        imap.login(ALICE, PASSWORD)
        for line in imap.list()[1]:
            name = line.decode().split(' "/" ')[1].strip('"')
            _, [count] = imap.select(f'"{name}"', readonly=True)
            seen[name] = []
            for number in range(1, int(count) + 1):
                items = "(UID FLAGS INTERNALDATE BODY.PEEK[])"
                head, octets = imap.fetch(str(number), items)[1][0]
                seen[name].append((head, hashlib.sha256(octets).hexdigest()))
    return seen


def picture(office):
    """All that people and the world see of it."""
    paths = ["accounts", "addresses", "domains", "domains/office.test/keys", "relay", "acts"]
    seen = {path: office.call("GET", path) for path in paths}
    # What was done since is one act more.
    seen["acts"] = [act for act in seen["acts"] if act["what"] == "settings/zone"]
    server = office.call("GET", "server")
    seen["server"] = {key: server[key] for key in ("host", "zone", "ports", "is_box")}
    seen["certificate"] = office.call("GET", "certificate")
    return seen | {f"mail in {name}": found for name, found in mail().items()}


def formatted(office, check):
    """It has no file system, and gets one after its name was typed."""
    seen = office.until("backup", lambda found: found["place"]["state"] == "unusable")
    check("the stick is called by its name", seen["place"]["name"] == NAME, seen["place"])
    try:
        office.call("POST", "backup/format", {"stick": "another"})
        check("another name formats nothing", False)
    except Refused as refused:
        check("another name formats nothing", refused.args[0] == 422, refused)
    office.call("POST", "backup/format", {"stick": NAME})
    seen = office.until("backup", lambda found: found["place"]["state"] == "ready")
    check("it is as large as it is", seen["place"]["octets"] == STICK, seen["place"])


def made_backup(office, check):
    office.over()
    office.call("POST", "backup", {"passphrase": PASSPHRASE})
    told = office.over(1200)
    check("the backup is made", told["failed"] is None, told)
    last = told["last"]
    check("it was restored beside the mail", last["tried"]["restored"], last)
    counted = (last["tried"]["messages"], last["tried"]["faults"])
    check("every letter is in it", counted == (LETTERS + 1, 0), last)
    office.call("POST", "backup/look")
    listed = office.over()["listed"]
    check("it lies on the stick", [it["name"] for it in listed] == [last["name"]], listed)
    return last


def pulled_out(box, stick, office, name, check):
    """In the middle of the next backup: that is told, and the one before is still good."""
    gone = office.until("backup", lambda found: found["place"]["state"] == "none", 60)
    check("the box sees that it is gone", gone["place"]["name"] == "", gone["place"])
    box.insert("stick", stick)
    office.until("backup", lambda found: found["place"]["state"] == "ready", 60)
    office.call("POST", "backup", {"passphrase": PASSPHRASE})
    box.pull("stick")
    told = office.over(300)
    check("a stick that is pulled out makes no backup", told["failed"] is not None, told)
    check("and that is remembered", told["last"]["failed"], told["last"])
    office.until("backup", lambda found: found["place"]["state"] == "none", 60)
    box.insert("stick", stick)
    office.until("backup", lambda found: found["place"]["state"] == "ready", 60)
    office.call("POST", "backup/look")
    listed = [it["name"] for it in office.over()["listed"]]
    check("half a backup is none", listed == [name], listed)
    box.pull("stick")


def on_exfat(box, path, office, check):
    """As large sticks are sold: it is used as it is."""
    stick = exfat.Stick(path, STICK)
    box.insert("exfat", stick.path)
    office.until("backup", lambda found: found["place"]["state"] == "ready", 60)
    made_backup(office, check)
    box.pull("exfat")
    office.until("backup", lambda found: found["place"]["state"] == "none", 60)
    done = stick.checked()
    check("exFAT is good to others", done.returncode == 0, done.stdout + done.stderr)


def brought(code, name, check):
    """A new box, whose first page finds the stick."""
    owner = page(LENT)
    owner.get("/code")
    check("the code opens", owner.post("/code", code=code)[0] == 303)
    text = settled(owner)
    end = time.monotonic() + 60
    # The stick is looked at two seconds after it came.
    while "/setup/begin/look" not in text and time.monotonic() < end:
        time.sleep(1)
        text = settled(owner)
    owner.post("/setup/begin/look")
    text = settled(owner)
    check("the backup is there", name in text, text)
    owner.post("/setup/begin/stick", name=name, word="oak pine elm yew")
    text = settled(owner)
    check("a wrong passphrase is said", "not the passphrase of the backup" in text, text)
    status, _, text = owner.post("/setup/begin/stick", name=name, word=PASSPHRASE)
    check("it is begun", status == 303, text)


def settled(owner, seconds=600):
    end = time.monotonic() + seconds
    while True:
        text = owner.get("/setup/begin")[2]
        if "data-live" not in text or time.monotonic() > end:
            return text
        time.sleep(1)


def fsck(stick):
    """Others find one partition with FAT32 in it."""
    partition = stick.with_suffix(".part")
    with stick.open("rb") as whole, partition.open("wb") as part:
        whole.seek(1 << 20)
        shutil.copyfileobj(whole, part)
    done = subprocess.run(
        ["/usr/sbin/fsck.vfat", "-n", partition], capture_output=True, text=True, check=False
    )
    partition.unlink()
    return done
