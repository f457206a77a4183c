"""Resets of a box with an owner and mail: RESET.txt on the boot partition and on a stick, the menu
of the console. What is left is what was promised, and no more."""

import imaplib
import importlib.util
import re
import shutil
import smtplib
import ssl
import subprocess
import time

import bad
from box import ROOT, Box, on_boot_partition, tool
from first import ALICE, PASSWORD, PRESET
from lan import LENT, Lan

# The part `pages` of this suite has the same name.
HARNESS = importlib.util.spec_from_file_location("office", ROOT / "tests/harness/pages.py")
office = importlib.util.module_from_spec(HARNESS)
HARNESS.loader.exec_module(office)

FIXED, DESK = "10.9.0.60", "10.9.0.7"
NETWORK = f'\n[network]\naddress = "{FIXED}/24"\n'
RESULT = "RESET-RESULT.txt"
CODE = r"box: setup code ([A-Z2-9]{4}-[A-Z2-9]{4})"
DEVICE = "box: device    ([0-9A-F]{4}-[0-9A-F]{4})"
STICK = 64 << 20


def run(folder, check):
    here = folder / "reset"
    here.mkdir()
    disk, preset = here / "disk", here / "mailroom.toml"
    preset.write_text(PRESET + NETWORK)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        lan.names()
        # The router itself is not of the office.
        lan.neighbour(DESK, there=True)
        with Box(here / "box", disk, lan=lan, put=preset) as box:
            box.said_ever(rf"box: network   {re.escape(FIXED)} \(static\)")
            box.said_ever("box: mail      good")
            device = box.said_ever(DEVICE).group(1).decode()
            page(FIXED).claim("ABCD-2345")
            send(FIXED)
        put(disk, here, "reset passwords\r\n")
        with Box(here / "box", disk, lan=lan) as box:
            code = passwords(box, check)
            sticks(box, here, check, device)
        text = on_boot_partition(disk, RESULT) or ""
        check("RESET-RESULT.txt has the code", f"is now {code}" in text, text)
        gone = [on_boot_partition(disk, name) for name in ["RESET.txt", "SETUP-CODE.txt"]]
        check("RESET.txt is gone, and the code of a box that is owned", gone == [None, None], gone)
        before = identity(disk)
        with Box(here / "box", disk, lan=lan) as box:
            menu(box, check, device)
            everything(box, check, device)
            off(box, check)
        left(disk, check, before, identity(disk))
    shutil.rmtree(here)


# ---- the office ----


def page(host):
    """A browser on a desk, whose person goes on past the warning."""
    pages = office.Pages(host, 443, None, source=DESK)
    pages.tls = ssl._create_unverified_context()
    return pages


def send(host):
    with smtplib.SMTP(host, 25, timeout=120) as smtp:
        smtp.ehlo("far.test")
        smtp.sendmail("f@far.test", [ALICE], "Subject: before\r\n\r\nkeep me\r\n")


def mails():
    """How many letters Alice has, by the password that she always had."""
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        imap.login(ALICE, PASSWORD)
        # A stranger's letter without a sender counts as junk.
        return sum(int(imap.select(mailbox)[1][0]) for mailbox in ["INBOX", "Junk"])


def owned(host=LENT):
    """Does the box ask for an owner's password, or for its code?"""
    status, headers, _ = page(host).get("/login")
    return (status, headers["Location"]) != (303, "/code")


# ---- RESET.txt ----


def put(disk, here, text):
    """Onto the boot partition, as somebody does who has the card in hand."""
    file = here / "RESET.txt"
    file.write_text(text, newline="")
    tool("put", disk, file)


def passwords(box, check):
    """By DHCP, without an owner, with a new code; people and mail as before."""
    box.said_ever("box: !         passwords and network are reset")
    code = box.said_ever(CODE).group(1).decode()
    box.said_ever(rf"box: network   {re.escape(LENT)} \(DHCP\)")
    box.said_ever("box: mail      good")
    box.said_ever("box:           2 accounts, ")
    check("the code is another", code != "ABCD-2345", code)
    check("mail and its password stay", mails() == 1, mails())
    check("nobody is the owner", not owned())
    pages = page(LENT)
    pages.get("/code")
    check("the old code is none", pages.post("/code", code="ABCD-2345")[0] == 422)
    pages.claim(code)
    check("whoever has the new one is", owned())
    text = pages.get("/acts")[2]
    check("what happened is written down", "A reset took away" in text, text[-2000:])
    return code


def sticks(box, here, check, device):
    """While the box runs: two that are wrong, then one of passwords."""
    other = "0000-0001" if device != "0000-0001" else "0000-0002"
    for text, why in [
        (f"reset everything {other}", "line 1: it is the id of another device"),
        ("reset passwords\nreset passwords\n", "line 2: it is a second line"),
    ]:
        path = stick(here, text)
        box.insert("stick", path)
        box.wait(f"box: !         RESET.txt on the stick was not taken: {why}")
        told = answer(path, "nothing was reset")
        check("the stick says why", why in told and "1A2B-3C4D" in told, told)
        check("and not which box it is", device not in told, told)
        box.pull("stick")
    path = stick(here, "reset passwords")
    box.insert("stick", path)
    start = booted(box)
    box.wait("box: !         passwords and network are reset", start=start)
    code = box.wait(CODE, start=start).group(1).decode()
    told = answer(path, "was taken")
    check("the stick has the new code", f"is now {code}" in told, told)
    names = subprocess.run(["mdir", "-b", "-i", path, "::"], capture_output=True, text=True).stdout
    check("its RESET.txt is gone", "RESET.txt" not in names and RESULT in names, names)
    box.wait("box: mail      good", start=start)
    check("mail is still there", mails() == 1, mails())
    check("nobody is the owner after the stick", not owned())
    page(LENT).claim(code)
    # It stays in, and asks for nothing more.
    box.typed("\n1\n")
    start = booted(box)
    box.wait("box: mail      good", start=start)
    check("once", b"passwords and network are reset" not in box.text[start:])
    check("the owner stays", owned())
    box.pull("stick")


def booted(box):
    """Where the console of the next start begins."""
    return box.wait("mailroom: booting slot a").end()


def stick(here, text):
    """FAT32, as sticks are sold, with this RESET.txt."""
    path, file = here / "stick.img", here / "RESET.txt"
    path.unlink(missing_ok=True)
    with path.open("wb") as made:
        made.truncate(STICK)
    file.write_text(text, newline="")
    subprocess.run(["mkfs.vfat", "-F", "32", path], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", path, file, "::"], check=True)
    return path


def answer(path, words, seconds=120):
    """What the box wrote onto the stick, once it did."""
    end = time.monotonic() + seconds
    while True:
        done = subprocess.run(["mtype", "-i", path, f"::{RESULT}"], capture_output=True, text=True)
        if words in done.stdout or time.monotonic() > end:
            return done.stdout
        time.sleep(0.5)


# ---- the console ----


def menu(box, check, device):
    """Over the serial port: what is not meant does nothing."""
    box.said_ever("box: mail      good")
    box.typed("some device that talks\n\n")
    box.wait("box: menu      1  restart the box")
    box.wait("box: menu      5  show the addresses again")
    box.typed("9\n")
    box.wait("box: menu      There is no such choice")
    box.typed("\n3\n")
    box.wait("box: menu      Type yes and Enter")
    box.typed("no\n")
    box.wait("box: menu      That was not yes. Nothing is reset.")
    box.typed("\n4\n")
    box.wait("box: menu      Type the id of the device")
    box.typed("everything\n")
    box.wait("box: menu      That was not the id of this device. Nothing is reset.")
    box.typed("\n5\n")
    box.wait(f"box: device    {device}")
    check("mail is there before", mails() == 1, mails())


def everything(box, check, device):
    box.typed(f"\n4\n{device.lower()}\n")
    box.wait("box: menu      Everything is reset: the box restarts")
    start = booted(box)
    box.wait("box: !         everything is reset: this is the first start", start=start)
    box.wait(rf"box: network   {re.escape(LENT)} \(DHCP\)", start=start)
    same = box.wait(DEVICE, start=start).group(1).decode()
    check("it is the same device", same == device, same)
    box.wait("box: mail      closed until there is a domain", start=start)
    box.wait("box:           0 accounts, 0 messages wait to leave", start=start)
    check("port 25 is closed", bad.refused(25))
    check("nobody owns it", not owned())


def off(box, check):
    box.typed("\n2\n")
    try:
        box.process.wait(120)
    except subprocess.TimeoutExpired:
        pass
    check("it is off", box.process.poll() is not None, box.text[-2000:])


# ---- what is left ----


def identity(disk):
    """What no two boxes have in common, and the names of PID 1's files."""
    found = {}
    part, copy = bad.data_of(disk), disk.with_suffix(".copy")
    for path in ["/system/disk-id", "/mail/secret.key", "/mail/tls/ca.pem"]:
        copy.unlink(missing_ok=True)
        bad.debugfs(part, f"dump {path} {copy}")
        found[path] = copy.read_bytes()
    # inode, mode, user, group, name, size, each behind a slash
    listed = bad.debugfs(part, "ls -p /system").splitlines()
    copy.unlink()
    names = {line.split("/")[5] for line in listed if line.count("/") > 6}
    return found, names - {".", ".."}


def left(disk, check, before, after):
    (old, was), (new, names) = before, after
    check("the device has its id", old["/system/disk-id"] == new["/system/disk-id"], (old, new))
    for path in ["/mail/secret.key", "/mail/tls/ca.pem"]:
        check(f"{path} is another", old[path] != new[path] and new[path], new[path][:80])
    first = {"clock", "disk-id", "seed", "setup-code", "updates"}
    check("PID 1 keeps what a first start has", {"disk-id", "setup-code"} <= names <= first, names)
    check("before there was more", "presets-done" in was, was)
    text = on_boot_partition(disk, "SETUP-CODE.txt") or ""
    check("there is a code to set it up", "The setup code of this box is" in text, text)
