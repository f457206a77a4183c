"""Updates from a stick: one that is kept, and those that are not: the old system runs again, says
why on its console and on the stick, and has lost nothing.

The bundles are made of the image's own slot with another version, and damaged where a system can
be: its server, its first program, its kernel.
"""

import gzip
import imaplib
import shutil
import smtplib
import subprocess
import time

import exfat
from box import KEY, KEYS, ROOT, Box, image, inspected, tool
from first import ALICE, PASSWORD, PRESET
from lan import LENT, Lan
from slot_files import archive, change, take

LETTER = "mailroom-update.txt"
# Octets of a stick: an update of 50 MiB, and room.
STICK = 128 << 20
# Of a stick that takes half a minute for an update, octets a second.
PACE = 2 << 20


def run(folder, check):
    here = folder / "update"
    here.mkdir()
    disk, preset = here / "disk", here / "mailroom.toml"
    preset.write_text(PRESET)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        lan.names()
        with Box(here / "box", disk, lan=lan, put=preset) as box:
            box.said_ever("box: mail      good")
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            sent(check)
            refused(box, here, check)
            pulled(box, disk, here, check)
            for make, why in FAILING:
                failing(box, disk, here, check, make, why)
            kept(box, disk, here, check)
        with Box(here / "box", disk, lan=lan) as box:
            box.wait("mailroom: booting slot b")
            box.said_ever("box: mail      good")
            check("after a power cut the new system runs", letters() == ["before"], letters())
    shutil.rmtree(here)


def sent(check):
    with smtplib.SMTP(LENT, 25, timeout=120) as smtp:
        smtp.ehlo("far.test")
        gone = smtp.sendmail("f@far.test", [ALICE], "Subject: before\r\n\r\nkeep me\r\n")
    check("a letter before all updates", gone == {}, gone)


def letters():
    """The subjects of all that Alice has."""
    found = []
    with imaplib.IMAP4_SSL(LENT, 993, timeout=120) as imap:
        imap.login(ALICE, PASSWORD)
        for mailbox in ["INBOX", "Junk"]:
            imap.select(mailbox, readonly=True)
            for number in imap.search(None, "ALL")[1][0].split():
                head = imap.fetch(number, "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1]
                found.append(head.decode().split(":", 1)[1].strip())
    return found


def slot_release(disk):
    """Version of what stands in each slot, and the words of the state."""
    told = inspected(disk)["mailroom"]
    return [slot["release"].get("Ok", {}).get("version") for slot in told["slots"]], told["state"]


# ---- bundles ----


def bundle(folder, version, files=lambda source: {}, more=None):
    """The update file of a copy of the image, with other files in its slot."""
    source = image()
    release = take(source, "release.toml").rstrip(b"\0").decode()
    old = next(line for line in release.splitlines() if line.startswith("version"))
    release = release.replace(old, f'version = "{version}"').encode()
    made = folder / f"{version}.img"
    subprocess.run(["cp", "--sparse=always", source, made], check=True)
    added = {"etc/release.toml": release, **(more(source) if more else {})}
    new = {"initramfs": take(source, "initramfs") + archive(added), "release.toml": release}
    change(made, {**new, **files(source)}, folder)
    tool("bundle", made, "--key", KEY, "--keys", KEYS, "--into", folder)
    made.unlink()
    return folder / f"mailroom-{version}-qemu-virt.mru"


def never_well(_source):
    """PID 1 cannot start its children: the server is started, and started again."""
    program = (ROOT / "target/box/quick/mailroom").read_bytes()
    assert b"/proc/self/exe" in program
    return {"init": program.replace(b"/proc/self/exe", b"/proc/self/exf")}


def ends_at_once(_source):
    """Its first program is one that ends: exit(1)."""
    code = bytes.fromhex("200080d2a80b80d2010000d4")
    head = b"\x7fELF\2\1\1" + bytes(9)
    head += (2).to_bytes(2, "little") + (183).to_bytes(2, "little") + (1).to_bytes(4, "little")
    start, at = 0x400000, 64 + 56
    head += (start + at).to_bytes(8, "little") + (64).to_bytes(8, "little") + bytes(8 + 4)
    head += b"".join(n.to_bytes(2, "little") for n in (64, 56, 1, 0, 0, 0))
    size = (at + len(code)).to_bytes(8, "little")
    load = (1).to_bytes(4, "little") + (5).to_bytes(4, "little") + bytes(8)
    load += start.to_bytes(8, "little") * 2 + size * 2 + (0x1000).to_bytes(8, "little")
    return {"init": head + load + code}


def refused_kernel(_source):
    """What U-Boot loads and does not start."""
    return {"Image.gz": gzip.compress(b"no kernel at all" * 4096)}


def panics(_source):
    """A kernel that finds no program to begin with."""
    return {"initramfs": bytes(4096)}


def hangs(source):
    """A kernel whose first instruction leads to itself."""
    kernel = gzip.decompress(take(source, "Image.gz"))
    return {"Image.gz": gzip.compress(bytes.fromhex("00000014") + kernel[4:], 1)}


# ---- a stick ----


def stick(folder, *files):
    """FAT32, as sticks are sold."""
    path = folder / "stick.img"
    path.unlink(missing_ok=True)
    with path.open("wb") as made:
        made.truncate(STICK)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-F", "32", path], check=True, capture_output=True)
    for file in files:
        subprocess.run(["mcopy", "-i", path, file, "::"], check=True)
    return path


def on_fat(path):
    read = ["mtype", "-i", path, f"::{LETTER}"]
    return subprocess.run(read, capture_output=True, text=True).stdout


def on_exfat(stick):
    return stick.read(LETTER).decode(errors="replace")


def letter(stick, seconds=120, read=on_fat):
    """What the box wrote onto it, once it did."""
    end = time.monotonic() + seconds
    while True:
        told = read(stick)
        if told.endswith("\n"):
            return told
        if time.monotonic() > end:
            return ""
        time.sleep(0.5)


# ---- what becomes of it ----

FAILING = [
    ({"more": never_well}, "the server ended three times"),
    ({"more": ends_at_once}, "the new system did not start"),
    ({"files": refused_kernel}, "the new system did not start"),
    ({"files": panics}, "the new system did not start"),
    ({"files": hangs}, "the new system did not start"),
]


def refused(box, here, check):
    """A file that is no update, and one that was cut off in the copy."""
    whole = bundle(here, "8.0.0")
    cut = here / "mailroom-8.0.0-cut.mru"
    cut.write_bytes(whole.read_bytes()[: 10 << 20])
    strange = here / "strange.mru"
    strange.write_bytes(b"not an update" * 100)
    for file, why in [(strange, "not an update file"), (cut, "not whole: it ends in block")]:
        path = stick(here, file)
        box.insert("stick", path)
        box.wait(f"box: !         {file.name} is not installed: [^\r]*{why}")
        told = letter(path)
        check(f"{file.name}: the stick says why", why in told, told)
        box.pull("stick")
    check("the mail is there", letters() == ["before"], letters())
    whole.unlink()
    cut.unlink()


def pulled(box, disk, here, check):
    """The stick is pulled out in the copy: nothing has changed, and the next time it is read."""
    path = stick(here, bundle(here, "8.1.0"))
    box.insert("stick", path, octets_a_second=PACE)
    box.wait("box: update    checking mailroom-8.1.0")
    # So slow a stick has given a sixth of it at most by then, on any machine.
    time.sleep(3)
    box.pull("stick")
    box.wait("mailroom-8.1.0[^\r]* is not installed: [^\r]*cannot be read")
    versions, state = slot_release(disk)
    check("pulled out: slot b is as it was", versions[1] != "8.1.0", versions)
    check("pulled out: slot a is confirmed", all("slot a confirmed" in it for it in state), state)
    check("pulled out: the mail is there", letters() == ["before"], letters())
    # It has not failed on trial: it is read again, not refused for what happened.
    box.insert("stick", path, octets_a_second=PACE)
    box.wait("box: update    checking mailroom-8.1.0")
    box.pull("stick")
    box.wait("mailroom-8.1.0[^\r]* is not installed: [^\r]*cannot be read")
    (here / "mailroom-8.1.0-qemu-virt.mru").unlink()


def failing(box, disk, here, check, make, why):
    """It is installed and tried, and the old system runs again with the reason."""
    name = next(iter(make.values())).__name__
    version = f"9.0.{FAILING.index((make, why))}"
    path = stick(here, bundle(here, version, **make))
    (here / f"mailroom-{version}-qemu-virt.mru").unlink()
    box.insert("stick", path)
    box.wait(f"box: update    checking mailroom-{version}")
    box.wait("mailroom: booting slot b", 600)
    if make.get("files") is hangs:
        box.wait("Starting kernel")
        time.sleep(10)
        check("it hangs", b"booting slot a" not in box.text[box.at :])
        box.ask("system_reset")
    box.wait("mailroom: booting slot a")
    box.wait(f"box: !         why it went back: [^\r]*{why}")
    box.wait("box: mail      good")
    told = letter(path)
    check(f"{name}: the stick says why", why in told and "runs again" in told, told)
    check(f"{name}: the mail is there", letters() == ["before"], letters())
    _, state = slot_release(disk)
    check(f"{name}: slot a is confirmed", all("slot a confirmed" in it for it in state), state)
    check(f"{name}: no trial is left", not any("tried" in it for it in state), state)
    # Still in: it is not tried again.
    time.sleep(5)
    check(f"{name}: not again", b"update    checking" not in box.text[box.at :])
    box.pull("stick")
    if (make, why) == FAILING[0]:
        # Nor when it comes anew, and why it failed can still be read. The box says nothing of a
        # stick that is gone: it looks some moments after.
        time.sleep(5)
        box.insert("stick", path)
        box.wait(f"mailroom-{version}[^\r]* is not installed: [^\r]*it is not tried again")
        box.pull("stick")
        told = letter(path)
        check(f"{name}: the reason stays", why in told, told)


def kept(box, disk, here, check):
    """A good one proves itself and stays; on exFAT, as large sticks are sold."""
    large = exfat.Stick(here / "large.img", STICK, bundle(here, "9.1.0"))
    began = time.monotonic()
    box.insert("large", large.path)
    box.wait("mailroom: booting slot b", 600)
    box.wait("box: mail      good")
    told = letter(large, 300, on_exfat)
    print(f"update: kept after {time.monotonic() - began:.0f} s", flush=True)
    check("the stick says that it works", "Version 9.1.0 was installed" in told, told)
    versions, state = slot_release(disk)
    check("slot b is confirmed", all("slot b confirmed" in it for it in state), state)
    check("slot b has it", versions[1] == "9.1.0", versions)
    check("the earlier mail is there", letters() == ["before"], letters())
    # The box lets go of the stick right after the letter.
    end = time.monotonic() + 30
    while (found := large.checked()).returncode and time.monotonic() < end:
        time.sleep(0.5)
    box.pull("large")
    check("exFAT is good to others", found.returncode == 0, found.stdout + found.stderr)
