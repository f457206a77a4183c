#!/usr/bin/env python3
"""look.py wipe|count|waitcount|fill|flagged ...: a look at a mailbox beside the client under
test, by imaplib over implicit TLS."""

import imaplib
import re
import sys
import time

from common import IMAPS, NAME, PASS, USER, context

imaplib._MAXLINE = 10_000_000
STANDARD = {"inbox", "drafts", "sent", "trash", "junk", "archive"}


def connect(user=None, password=None):
    session = imaplib.IMAP4_SSL(NAME, IMAPS, ssl_context=context())
    session.login(user or USER, password or PASS)
    return session


def quote(name):
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def names(session):
    """The selectable mailboxes, as the wire spells them."""
    found = []
    for line in session.list()[1]:
        if isinstance(line, tuple):
            found.append(line[1].decode())
            continue
        flags, name = re.match(rb'\((.*?)\) (?:"[^"]+"|NIL) (.*)$', line or b"() NIL ").groups()
        if not name or re.search(rb"\\(noselect|nonexistent)", flags.lower()):
            continue
        name = name.decode()
        if name.startswith('"'):
            name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        found.append(name)
    return found


def wipe(user=None, password=None):
    session = connect(user, password)
    for name in sorted(names(session), key=len, reverse=True):
        if name.lower() not in STANDARD:
            session.delete(quote(name))
            continue
        session.select(quote(name))
        if session.search(None, "ALL")[1][0]:
            session.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
        session.close()
    session.logout()


def count(name, user=None, password=None):
    session = connect(user, password)
    answer = session.status(quote(name), "(MESSAGES)")[1]
    session.logout()
    return int(re.search(rb"MESSAGES (\d+)", answer[0])[1])


def flagged(name, user=None, password=None):
    session = connect(user, password)
    session.select(quote(name), readonly=True)
    found = len(session.search(None, "FLAGGED")[1][0].split())
    session.logout()
    return found


def waitcount(name, wanted, user=None, password=None, seconds=20):
    end = time.monotonic() + seconds
    while True:
        found = count(name, user, password)
        if found == int(wanted):
            return True
        if time.monotonic() > end:
            print(f"{name} holds {found}, not {wanted}")
            return False
        time.sleep(0.2)


def message(number, user):
    """The message number `number` of `fill`; its Message-ID is <fill-NUMBER@example.org>."""
    lines = [
        f"From: Sender {number} <s{number}@example.org>",
        f"To: {user}",
        f"Subject: fill {number}",
        f"Message-ID: <fill-{number}@example.org>",
        f"Date: Mon, 01 Jan 2024 00:{number // 60 % 60:02d}:{number % 60:02d} +0000",
        "",
        f"Body {number}",
        "",
    ]
    return "\r\n".join(lines).encode()


def fill(name, wanted, user=None, password=None):
    """Appends messages 0, 1, ... in pipelined commands, thirty at a time."""
    session = connect(user, password)
    session.create(quote(name))
    numbers = range(int(wanted))
    for start in range(0, len(numbers), 30):
        batch = numbers[start : start + 30]
        command = bytearray()
        for number in batch:
            raw = message(number, user or USER)
            flags = "(\\Seen) " if number % 3 == 0 else ""
            command += f"F{number} APPEND {quote(name)} {flags}{{{len(raw)}+}}\r\n".encode()
            command += raw + b"\r\n"
        session.send(bytes(command))
        for number in batch:
            await_tagged(session, f"F{number}".encode())
    session.logout()


def await_tagged(session, tag):
    while True:
        line = session.readline()
        if not line:
            raise SystemExit("the server closed the connection")
        if line.startswith(tag + b" "):
            if not line.startswith(tag + b" OK"):
                raise SystemExit(f"APPEND failed: {line!r}")
            return


if __name__ == "__main__":
    acts = {act.__name__: act for act in (wipe, count, waitcount, fill, flagged)}
    outcome = acts[sys.argv[1]](*sys.argv[2:])
    if outcome is False:
        sys.exit(1)
    if outcome is not None and outcome is not True:
        print(outcome)
