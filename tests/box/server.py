"""The server as a child: presets, confinement, mail."""

import imaplib
import smtplib
import socket
import ssl
import subprocess
import time

from machine import (
    CLOCK,
    CODE,
    HEALTH,
    PROVED,
    RESET_DONE,
    RESET_OWNER,
    START,
    TAKEN,
    UNPROVED,
    WRONG,
    Child,
    name_server,
    words,
)
from names import Names

ALICE, PASSWORD = "alice@office.test", "wonder-land"
PRESET = f"""
domain = "office.test"
setup_code = "ABCD-2345"

[[people]]
address = "{ALICE}"
name = "Alice"
password = "{PASSWORD}"
"""
OPEN, PLAUSIBLE = 1, 1
# Not of the networks that are trusted.
FAR = "198.51.100.9"
NOT_SET = "clock of this server is not set"


def start(binary, log, preset=None, trial=False, reset=None):
    child = Child(binary, "server", log)
    if reset is not None:
        child.tell(RESET_OWNER, reset)
    child.tell(START, bytes([preset is not None, trial]) + b"AAAA-AAAA", preset)
    return child


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def suite(binary, check):
    broken(binary, check)
    child = start(binary, "/run/server.log", PRESET.encode())
    code = child.hear(lambda kind, _: kind == CODE)
    check("the preset setup code is told", code and code[:9] == b"ABCD-2345", code)
    check("the presets are taken", child.hear(lambda kind, _: kind == TAKEN) is not None)
    health = child.hear(lambda kind, fields: kind == HEALTH and fields[0] == OPEN)
    check("mail is open", health is not None, child.said())
    check("one account, and no owner yet", health and health[2:4] == b"\0\1", health)
    confined(child, check)
    mail(check)
    late(binary, child, check)
    check("an orderly end", child.end() == 0, child.said())
    trial(binary, check)
    with open("/data/mail/mailroom.toml") as file:
        settings = file.read()
    check("the settings name the host", 'host = "mail.office.test"' in settings, settings)
    stored = subprocess.run(["grep", "-rl", PASSWORD, "/data"], capture_output=True, text=True)
    check("the password is nowhere in clear", stored.stdout == "", stored.stdout)
    reset(binary, check)


def broken(binary, check):
    """A broken file is told by line, and the box comes up without it: its ports stay closed."""
    child = start(binary, "/run/broken.log", b'domain = "office.test"\npeple = 1\n', True)
    wrong = child.hear(lambda kind, _: kind == WRONG)
    check("what is wrong has its line", wrong and wrong[0] == 2, wrong)
    check("and a reason", wrong and "peple" in words(wrong, 4), wrong)
    health = child.hear(lambda kind, _: kind == HEALTH)
    check("the server is up and mail closed", health and health[0] == 0, child.said())
    proved = child.hear(lambda kind, _: kind in (PROVED, UNPROVED))
    check("on trial the setup page is its proof", is_success(proved), proved)
    check("port 25 is closed", refused(25))
    check("port 993 is closed", refused(993))
    check("it ends when it is asked", child.end() == 0, child.said())


def reset(binary, check):
    """What a reset asks is done before anybody is served."""
    number = bytes(range(8))
    child = start(binary, "/run/reset.log", reset=number)
    first = child.hear(lambda kind, _: kind in (RESET_DONE, HEALTH))
    check("the owner's log-in is gone", first and first[:8] == number, first)
    health = child.hear(lambda kind, fields: kind == HEALTH and fields[0] == OPEN)
    check("nobody owns it, one account is there", health and health[2:4] == b"\0\1", health)
    check("it ends after a reset", child.end() == 0, child.said())


def confined(child, check):
    for name in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"]:
        check(f"no capabilities ({name})", int(child.status(name)[0], 16) == 0, child.status(name))
    check("its own user", set(child.status("Uid")) == {"61025"}, child.status("Uid"))
    check("its own group", set(child.status("Gid")) == {"61025"}, child.status("Gid"))
    check("no new privileges", child.status("NoNewPrivs") == ["1"])
    check("a list of system calls", child.status("Seccomp") == ["2"])


def mail(check):
    trust = ssl.create_default_context(cafile="/data/mail/tls/ca.pem")
    with smtplib.SMTP("127.0.0.1", 25, timeout=60) as smtp:
        smtp._host = "mail.office.test"
        smtp.starttls(context=trust)
        text = f"From: f@example.org\r\nTo: {ALICE}\r\nSubject: hello\r\n\r\nbody of the mail\r\n"
        smtp.sendmail("f@example.org", [ALICE], text)
    with smtplib.SMTP_SSL("127.0.0.1", 465, timeout=60, context=unnamed(trust)) as smtp:
        smtp.login(ALICE, PASSWORD)
        text = f"From: {ALICE}\r\nTo: {ALICE}\r\nSubject: to myself\r\n\r\nsubmitted\r\n"
        smtp.sendmail(ALICE, [ALICE], text)
    with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=unnamed(trust), timeout=60) as imap:
        imap.login(ALICE, PASSWORD)
        _, (count,) = imap.select("INBOX")
        check("both messages arrived", count == b"2", count)
        _, data = imap.fetch("1", "(RFC822)")
        check("as they were sent", b"body of the mail" in data[0][1], data)


def late(binary, child, check):
    """A clock and a name server that come late: senders are judged by them from then on."""
    subprocess.check_call(["ip", "address", "add", f"{FAR}/32", "dev", "lo"])
    early = letter("early")
    check("no name server yet", "spf=temperror" in early, early)
    check("the clock is not set", NOT_SET in story(binary, "early"), story(binary, "early"))
    records = {"far.test": [("TXT", f'"v=spf1 ip4:{FAR} -all"')]}
    Names(records, host="127.0.0.53", port=53)
    name_server("127.0.0.53")
    child.tell(CLOCK, bytes([PLAUSIBLE]) + int(time.time()).to_bytes(8, "little"))
    number, end = 0, time.monotonic() + 60
    while True:
        number += 1
        found = letter(f"late-{number}")
        told = story(binary, f"late-{number}")
        # Nothing says when the server has heard it.
        if NOT_SET not in told or time.monotonic() > end:
            break
    check("the name server is asked without a restart", "spf=pass" in found, found)
    check("the clock is set without a restart", NOT_SET not in told, told)


def trial(binary, check):
    """On trial it writes to itself, in nobody's sight; and what is closed is told."""
    child = start(binary, "/run/trial.log", trial=True)
    told = child.hear(lambda kind, _: kind in (PROVED, UNPROVED))
    check("mail is proven", is_success(told), told)
    health = child.hear(lambda kind, _: kind == HEALTH)
    check("one account still", health and health[3] == 1, health)
    check("no story tells of it", "proof.invalid" not in story(binary, "proof.invalid"))
    with smtplib.SMTP("127.0.0.1", 25, timeout=60, source_address=(FAR, 0)) as smtp:
        smtp.ehlo()
        smtp.mail("f@far.test")
        code, why = smtp.rcpt("abcd@proof.invalid")
        check("nobody writes there from afar", code == 550, why)
    check("it ends when it was on trial", child.end() == 0, child.said())


def is_success(told):
    """Proved has no words, and Unproved has."""
    return told is not None and not any(told)


def letter(subject):
    """Sends a letter from afar; returns what was found about its sender."""
    with smtplib.SMTP("127.0.0.1", 25, timeout=60, source_address=(FAR, 0)) as smtp:
        text = f"From: f@far.test\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nfrom afar\r\n"
        smtp.sendmail("f@far.test", [ALICE], text)
    trust = ssl.create_default_context(cafile="/data/mail/tls/ca.pem")
    with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=unnamed(trust), timeout=60) as imap:
        imap.login(ALICE, PASSWORD)
        for mailbox in ["INBOX", "Junk"]:
            imap.select(mailbox)
            _, (found,) = imap.search(None, "SUBJECT", subject)
            if found:
                _, data = imap.fetch(found.split()[-1], "(RFC822.HEADER)")
                return data[0][1].decode()
    return "no such letter"


def story(binary, subject):
    """What the trace tells the owner."""
    command = [binary, "trace", "--data", "/data/mail", subject]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def unnamed(trust):
    """The certificate is for the host's name, and we call it by number; who signed it counts."""
    trust.check_hostname = False
    return trust
