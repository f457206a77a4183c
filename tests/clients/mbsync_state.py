#!/usr/bin/env python3
"""The two sides of mbsync.sh and the model of what they must be.

change: both sides are edited at once; model: both must then hold the same. Messages are told by
the Message-ID that `look.py fill` gave them."""

import email
import json
import os
import re
import sys
from pathlib import Path

from look import connect, names, quote

act, maildir = sys.argv[1], Path(sys.argv[2])
work = Path(os.environ["W"])
FLAGS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "D": "\\Draft"}
FOLDER_WIRE, FOLDER_DISK = "Work/2024 &APw-", "Work/2024 &APw-"


def far(folder="INBOX"):
    """{Message-ID: flags} on the server."""
    session = connect()
    found = {}
    if session.select(quote(folder), readonly=True)[0] == "OK":
        fetch = "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
        lines = session.fetch("1:*", fetch)[1]
        for position, item in enumerate(lines):
            if not isinstance(item, tuple):
                continue
            flags = b"".join([item[0], lines[position + 1]])
            flags = re.search(rb"FLAGS \(([^)]*)\)", flags)[1].decode().split()
            found[identity(item[1])] = {f for f in flags if f in FLAGS.values()}
    session.logout()
    return found


def near(folder="INBOX"):
    """{Message-ID: flags} in the Maildir."""
    found = {}
    for part in ("cur", "new"):
        for path in (maildir / folder / part).glob("*"):
            info = path.name.partition(":2,")[2]
            found[identity(path.read_bytes())] = {FLAGS[c] for c in info if c in FLAGS}
    return found


def identity(raw):
    return email.message_from_bytes(raw)["Message-ID"].strip()


def near_paths():
    paths = {}
    for part in ("cur", "new"):
        for path in (maildir / "INBOX" / part).glob("*"):
            paths[identity(path.read_bytes())] = path
    return paths


def refile(path, add):
    stem, _, info = path.name.partition(":2,")
    info = "".join(sorted(set(info) | set(add)))
    path.rename(path.parent.parent / "cur" / f"{stem}:2,{info}")


def number(i):
    return f"<fill-{i}@example.org>"


def letter(identity):
    text = f"From: a@example.org\r\nSubject: made\r\nMessage-ID: {identity}\r\n\r\nmade\r\n"
    return text.encode()


def change():
    """Far: 0..99 flagged, 100..149 gone, 20 new, a folder. Near: 200..299 answered, 300..329
    gone, 10 new, a folder."""
    session = connect()
    session.select("INBOX")
    session.store("1:100", "+FLAGS", "(\\Flagged)")
    session.store("101:150", "+FLAGS.SILENT", "(\\Deleted)")
    session.expunge()
    for i in range(20):
        session.append("INBOX", "(\\Seen)", None, letter(f"<far-{i}@example.org>"))
    session.create(quote(FOLDER_WIRE))
    session.append(quote(FOLDER_WIRE), None, None, letter("<far-folder@example.org>"))
    session.logout()

    paths = near_paths()
    for i in range(200, 300):
        refile(paths[number(i)], "R")
    for i in range(300, 330):
        refile(paths[number(i)], "T")
    for i in range(10):
        name = f"1700000000.{i}.near"
        (maildir / "INBOX/new" / name).write_bytes(letter(f"<near-{i}@example.org>"))
    for part in ("cur", "new", "tmp"):
        (maildir / "Made near" / part).mkdir(parents=True)
    (maildir / "Made near/new/1.near").write_bytes(letter("<near-folder@example.org>"))


def model():
    wanted = {}
    for i in range(1000):
        if 100 <= i < 150 or 300 <= i < 330:
            continue
        flags = {"\\Seen"} if i % 3 == 0 else set()
        flags |= {"\\Flagged"} if i < 100 else set()
        flags |= {"\\Answered"} if 200 <= i < 300 else set()
        wanted[number(i)] = flags
    wanted |= {f"<far-{i}@example.org>": {"\\Seen"} for i in range(20)}
    wanted |= {f"<near-{i}@example.org>": set() for i in range(10)}
    same(far(), wanted, "far INBOX")
    same(near(), wanted, "near INBOX")
    same(near(FOLDER_DISK), {"<far-folder@example.org>": set()}, "near copy of the far folder")
    same(far("Made near"), {"<near-folder@example.org>": set()}, "far copy of the near folder")


def same(got, wanted, what):
    if got != wanted:
        lost, extra = wanted.keys() - got.keys(), got.keys() - wanted.keys()
        flags = [(k, got[k], wanted[k]) for k in got.keys() & wanted.keys() if got[k] != wanted[k]]
        sys.exit(f"{what}: lost {sorted(lost)[:5]} extra {sorted(extra)[:5]} flags {flags[:5]}")


def marks():
    """What a sync that does nothing leaves as it is."""
    session = connect()
    rows = []
    for name in sorted(names(session)):
        items = "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
        rows.append(session.status(quote(name), items)[1][0].decode())
    session.logout()
    files = sorted(str(path) for path in maildir.rglob("*") if path.parent.name in ("cur", "new"))
    return {"far": rows, "near": files}


if act == "compare":
    same(near(), far(), "INBOX")
    if len(near()) != 1000:
        sys.exit(f"{len(near())} messages near")
elif act == "change":
    change()
elif act == "model":
    model()
elif act == "mark":
    (work / "marks").write_text(json.dumps(marks()))
elif act == "unchanged":
    before = json.loads((work / "marks").read_text())
    for side, rows in marks().items():
        if rows != before[side]:
            sys.exit(f"{side}: {[r for r in rows if r not in before[side]][:5]}")
