"""Boots on bad input. A box comes up whatever it finds: it says what is wrong and where, and loses
nothing."""

import errno
import imaplib
import smtplib
import socket
import subprocess
import time

from box import Box, image, inspected, on_boot_partition
from first import ALICE, PASSWORD, PRESET
from lan import LENT, Lan
from slots import BROKEN, COPIES, FIRST, sector

DATA_AT = 320 << 20
BLOCK = 4096
LEFT_FREE = 8 << 20


def preset(folder, check):
    """A mailroom.toml with a mistake: told by line, the box comes up and waits for its owner."""
    wrong, disk = folder / "mailroom.toml", folder / "wrong.disk"
    wrong.write_text(PRESET.replace("setup_code", "setup_cod"))
    with Lan() as lan, Box(folder / "box", disk, lan=lan, put=wrong) as box:
        lan.serve("dhcp", LENT)
        told = box.wait(r"box: mailroom.toml was not taken: line (\d+): ([^\r]*)\r")
        check("the line", told.group(1) == b"2", told.group(0))
        check("the reason", b"setup_cod" in told.group(2), told.group(0))
        box.said_ever("box: mail      closed until there is a domain")
        code = box.said_ever(r"box: setup code ([A-Z2-9]{4}-[A-Z2-9]{4})").group(1).decode()
        box.said_ever(rf"box: network   {LENT} \(DHCP\)")
        check("port 25 is closed", refused(25))
    text = on_boot_partition(disk, "SETUP-CODE.txt") or ""
    check("SETUP-CODE.txt has the code", code in text, text)
    check("and the line", "line 2: " in text and "setup_cod" in text, text)
    check("the owner's file is still there", on_boot_partition(disk, "mailroom.toml") is not None)


def refused(port):
    end = time.monotonic() + 60
    while True:
        try:
            smtplib.SMTP(LENT, port, timeout=60).close()
        except ConnectionRefusedError:
            return True
        except OSError as error:
            # A box that has much to do may be late with its answer to ARP.
            if error.errno != errno.EHOSTUNREACH or time.monotonic() > end:
                raise
        else:
            return False


def full(folder, check):
    """A box with mail, its disk full; both copies of the slot state lost; and a second disk in it
    with the same labels. It serves what it has, and puts new mail off."""
    disk, other = folder / "disk", folder / "other.disk"
    if not disk.is_file():
        settled(folder, disk)
    subprocess.run(["cp", "--sparse=always", image(), other], check=True)
    states(disk, BROKEN, BROKEN)
    check("room is taken", take_room(disk) > 64 << 20)
    second = ["-drive", f"file={other},format=raw,if=none,id=other"]
    second += ["-device", "virtio-blk-pci,drive=other"]
    with Lan() as lan, Box(folder / "box", disk, lan=lan, more=second) as box:
        lan.serve("dhcp", LENT)
        lan.names()
        box.said_ever("box: !         both copies of the slot state was lost, and is written anew")
        box.said_ever(rf"box: network   {LENT} \(DHCP\)")
        box.said_ever("box: mail      new mail is put off: the disk is full")
        answer = put_off()
        check("new mail is put off", answer[0] == 452, answer)
        count, login = read()
        check("what is there is served", login == "OK" and count > 0, (count, login))
    check("both copies are whole", whole(disk) == [True, True], inspected(disk)["mailroom"])
    check("the other disk is as it was", same(other, image()))


def put_off():
    with smtplib.SMTP(LENT, 25, timeout=120) as smtp:
        smtp.ehlo("far.test")
        try:
            smtp.sendmail("f@far.test", [ALICE], "Subject: no room\r\n\r\n" + "x" * 60 * 1000)
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, error.smtp_error
    return 250, "it was taken"


def read():
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        result, _ = imap.login(ALICE, PASSWORD)
        # A stranger's letter without a sender counts as junk.
        counts = [imap.select(mailbox)[1][0] for mailbox in ["INBOX", "Junk"]]
        return sum(map(int, counts)), result


def read_only(folder, check):
    """A card with its lock on: read-only data is for repair, and the box is up."""
    disk = folder / "disk"
    if not disk.is_file():
        settled(folder, disk)
    data_of(disk)
    locked = ["-set", "drive.disk.readonly=on"]
    with Box(folder / "box", disk, more=locked) as box:
        # e2fsck looks before the disk is mounted: its own words on it.
        cannot = r"box: REPAIR    the data file system cannot be checked \(e2fsck exit code 8: "
        box.said_ever(cannot + r"[^\r]*You must have r/w access to the filesystem")
        box.said_ever("box: mail      stopped for repair")
        box.said_ever("box: network   [0-9]")


def damaged(folder, check):
    """A data file system that e2fsck dares not mend alone is left for repair, as it is; one lost
    copy of the slot state is written anew."""
    disk = folder / "damaged.disk"
    if not (folder / "disk").is_file():
        settled(folder, folder / "disk")
    subprocess.run(["cp", "--sparse=always", folder / "disk", disk], check=True)
    torn(folder, check)
    states(disk, FIRST, BROKEN)
    with disk.open("r+b") as file:
        # The inodes of the first group: the root folder's with them.
        file.seek(DATA_AT + inode_table(data_of(disk)) * BLOCK)
        file.write(b"\xa5" * 64 * BLOCK)
    before = octets(disk, DATA_AT + (1 << 20), 4 << 20)
    with Lan() as lan, Box(folder / "box", disk, lan=lan) as box:
        lan.serve("dhcp", LENT)
        box.said_ever("box: !         one copy of the slot state was lost, and is written anew")
        box.said_ever(r"box: REPAIR    the data file system is damaged \(e2fsck exit code [4-7]")
        box.said_ever("box: mail      stopped for repair")
        box.said_ever(rf"box: network   {LENT} \(DHCP\)")
        with socket.create_connection((LENT, 25), 120) as stream:
            said = stream.makefile("rb").read()
        check("senders hear that they come again", said.startswith(b"421 4.3.2 "), said)
    check("both copies are whole", whole(disk) == [True, True], inspected(disk)["mailroom"])
    check("what is damaged is left", octets(disk, DATA_AT + (1 << 20), 4 << 20) == before)


def torn(folder, check):
    """A superblock of which a power cut left one sector new and one old, with a journal to replay:
    mended, and the mail is there."""
    disk, superblock = folder / "torn.disk", DATA_AT + 1024
    settled(folder, disk)
    wants_recovery = octets(disk, superblock + 0x60, 4)[0] & 4
    check("a journal waits to be replayed", wants_recovery)
    with disk.open("r+b") as file:
        # When it was last written (s_wtime); the sum of it all is in the second sector.
        file.seek(superblock + 0x30)
        file.write(b"\1\2\3\4")
    with Lan() as lan, Box(folder / "box", disk, lan=lan) as box:
        lan.serve("dhcp", LENT)
        lan.names()
        box.said_ever("box: !         the data file system was damaged and is mended")
        box.said_ever(rf"box: network   {LENT} \(DHCP\)")
        box.said_ever("box: mail      good")
        check("its letter is there", read() == (1, "OK"))


def twins(folder, check):
    """Two disks with the same id: neither is guessed to be the box's own, neither is written."""
    disk, other = folder / "one.disk", folder / "two.disk"
    for path in (disk, other):
        subprocess.run(["cp", "--sparse=always", image(), path], check=True)
    second = ["-drive", f"file={other},format=raw,if=none,id=other"]
    second += ["-device", "virtio-blk-pci,drive=other"]
    with Box(folder / "box", disk, more=second) as box:
        box.said_ever("box: REPAIR    vd[ab] and vd[ab] carry the same id 6d61696c")
        box.said_ever("box: network   [0-9]")
    check("neither was written", same(disk, image()) and same(other, image()))


# ---- disks ----


def settled(folder, disk):
    """A box that has an owner and mail."""
    good = folder / "mailroom.toml"
    good.write_text(PRESET)
    with Lan() as lan, Box(folder / "box", disk, lan=lan, put=good) as box:
        lan.serve("dhcp", LENT)
        lan.names()
        box.said_ever(rf"box: network   {LENT} \(DHCP\)")
        box.said_ever("box: mail      good")
        with smtplib.SMTP(LENT, 25, timeout=120) as smtp:
            smtp.sendmail("f@far.test", [ALICE], "Subject: one\r\n\r\nbody of one\r\n")


def states(disk, *copies):
    with disk.open("r+b") as file:
        for at, state in zip(COPIES, copies):
            file.seek(at)
            file.write(sector(state))


def whole(disk):
    return [not line.startswith("damaged") for line in inspected(disk)["mailroom"]["state"]]


def data_of(disk):
    """The data partition, clean, as debugfs takes it: what that changes is changed on the disk."""
    # e2fsck loses its place in a disk where it finds a journal to replay.
    part = disk.with_suffix(".data")
    cut_out = ["bs=1M", f"skip={DATA_AT >> 20}", "conv=sparse", "status=none"]
    subprocess.run(["dd", f"if={disk}", f"of={part}", *cut_out], check=True)
    done = subprocess.run(["e2fsck", "-fy", part], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"e2fsck: {done.returncode}\n{done.stdout}{done.stderr}")
    put_back(part, disk)
    part.unlink()
    return f"{disk}?offset={DATA_AT}"


def put_back(part, disk):
    """What became other: a disk is mostly holes, and shall stay so."""
    with part.open("rb") as new, disk.open("r+b") as old:
        old.seek(DATA_AT)
        while is_now := new.read(1 << 20):
            if old.read(len(is_now)) != is_now:
                old.seek(-len(is_now), 1)
                old.write(is_now)


def debugfs(part, request, *write):
    words = ["debugfs", *write, "-R", request, part]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def number(text, name):
    line = next(line for line in text.splitlines() if line.strip().startswith(name))
    return int(line.split(":")[1].split()[0])


def take_room(disk):
    """Fills the data partition but for a little; returns how many octets were taken."""
    part = data_of(disk)
    free = number(debugfs(part, "stats"), "Free blocks")
    debugfs(part, "write /dev/null much", "-w")
    debugfs(part, f"fallocate much 0 {free - LEFT_FREE // BLOCK - 1}", "-w")
    left = number(debugfs(part, "stats"), "Free blocks")
    return (free - left) * BLOCK


def inode_table(part):
    """Its first block."""
    line = next(line for line in debugfs(part, "stats").splitlines() if "inode table at" in line)
    return int(line.split("inode table at")[1].split()[0].strip(","))


def octets(disk, at, length):
    with disk.open("rb") as file:
        file.seek(at)
        return file.read(length)


def same(one, other):
    return subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0
