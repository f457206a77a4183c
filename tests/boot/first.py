"""A box's first day: no cable, no DHCP server, an address that is taken, a clock at 1970; then all
is well and mail comes in and goes out."""

import re
import smtplib
import subprocess
import time

import screen
from box import Box, on_boot_partition
from lan import LENT, Lan

ALICE, PASSWORD = "alice@office.test", "wonder-land-7"
PRESET = f"""\
domain = "office.test"
setup_code = "ABCD-2345"

[[people]]
address = "{ALICE}"
name = "Alice"
password = "{PASSWORD}"

[[people]]
address = "bob@office.test"
name = "Bob"
password = "{PASSWORD}"
"""


def run(folder, check):
    disk, preset = folder / "disk", folder / "office.toml"
    preset.write_text(PRESET)
    with Lan() as lan:
        clock = ["-rtc", "base=1970-01-01T00:00:12"]
        with Box(folder / "box", disk, lan=lan, put=preset, more=clock) as box:
            box.cable(False)
            found(box, lan, check)
            mail(lan, check)
            shown(box, folder, check)
            check("no trouble", b"box: !" not in box.text, box.text[-4000:])
    for name in ["mailroom.toml", "SETUP-CODE.txt"]:
        check(f"{name} is gone", on_boot_partition(disk, name) is None)
    there = subprocess.run(["grep", "-c", "-a", PASSWORD, disk], capture_output=True, text=True)
    check("the password is nowhere on the disk", there.stdout.strip() == "0", there.stdout)
    return disk


def raspberry(folder, check):
    """The image of the Raspberry Pi, in QEMU's Pi 3B: to its console, with mail open. The kernel's
    driver finds no adapter on the emulated USB, so nobody from outside can ask."""
    preset = folder / "mailroom.toml"
    preset.write_text(PRESET)
    disk = folder / "pi.disk"
    with Box(folder / "pi", disk, "rpi-arm64", put=preset) as box:
        box.said_ever("box: mail      good", 900)
        box.said_ever("box:           2 accounts, 0 messages wait to leave")
        box.said_ever("box: key       [a-z]+ [a-z]+ [a-z]+ [a-z]+ [a-z]+ [a-z]+")
    check("the Pi's presets were taken", on_boot_partition(disk, "mailroom.toml") is None)


def found(box, lan, check):
    """The box can be found whatever the network does."""
    box.said_ever("box: setup code ABCD-2345|box: mail      good")
    box.said_ever("box: network   no cable")
    box.said_ever("box: clock     not set yet")
    box.cable(True)
    local = box.wait(r"box: network   (169\.254\.\d+\.\d+) \(link-local\)").group(1).decode()
    asked = lan.ask("mailroom.local")
    check("without DHCP: mailroom.local is the address of the link", asked == local, asked)
    lan.neighbour(LENT, there=True)
    lan.serve("time")
    lan.serve("dhcp", LENT)
    box.wait(f"another device has the address {LENT}")
    lan.neighbour(LENT, there=False)
    box.wait(rf"box: network   {re.escape(LENT)} \(DHCP\)")
    asked = lan.ask("mailroom.local")
    check("mailroom.local is the address that was lent", asked == LENT, asked)
    box.said_ever("box: clock     plausible")
    box.said_ever("box: mail      good")


def mail(lan, check):
    """In by swaks, out by curl; who sent it is judged by the name server that DHCP named."""
    lan.names()
    come(check, "in over port 25", "25", "f@far.test", "one")
    login = ["--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD]
    come(check, "in over submission", "587", ALICE, "two", *login)
    come(check, "in over submissions", "465", ALICE, "three", *login, "--tlsc")
    user = ["-s", "-S", "-k", "--max-time", "120", "--user", f"{ALICE}:{PASSWORD}"]
    listed = output("curl", *user, f"imaps://{LENT}/INBOX?SUBJECT%20one")
    check("out over IMAP: found", "* SEARCH 1" in listed, listed)
    letter = output("curl", *user, f"imaps://{LENT}/INBOX;UID=1")
    check("out over IMAP: read", "body of one" in letter, letter)
    check("the sender was judged", "spf=pass" in letter, letter)
    counted = output("curl", *user, f"pop3s://{LENT}/")
    check("out over POP3: listed", len(counted.split("\n")) >= 3, counted)
    letter = output("curl", *user, f"pop3s://{LENT}/2")
    check("out over POP3: read", "body of two" in letter, letter)
    try:
        with smtplib.SMTP(LENT, 587, timeout=60) as smtp:
            smtp.login(ALICE, PASSWORD)
        clear = "it was taken"
    except smtplib.SMTPException as error:
        clear = str(error)
    check("no password in clear", "not supported" in clear, clear)


def come(check, what, port, sender, subject, *more):
    words = ["--server", LENT, "--port", port, "--from", sender, "--to", ALICE]
    words += ["--header", f"Subject: {subject}", "--body", f"body of {subject}", "--timeout", "120"]
    words += ["--ehlo", "far.test", *([] if "--tlsc" in more else ["--tls"]), *more]
    done = subprocess.run(["swaks", *words], capture_output=True, text=True, check=False)
    check(what, done.returncode == 0, done.stdout[-1500:] + done.stderr)


def output(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def shown(box, folder, check):
    """The screen has words, and the code of the box's address."""
    end = time.monotonic() + 60
    while True:
        picture = folder / "screen.ppm"
        box.ask("screendump", filename=str(picture))
        corners = screen.finders(screen.read(picture))
        # The screen is drawn anew when a line changes.
        if corners >= 3 or time.monotonic() > end:
            break
        time.sleep(0.5)
    check("a QR code on the screen", corners >= 3, f"{corners} of its three corners")
