"""Cuts the power in the middle of an update: while it is installed, at the first start of the new
system, and when that is confirmed.

    POINTS, BOOTS in the environment: how many moments, and how many of them also start (5 and 2)

One update is played in QEMU, which writes down every write and flush of the disk. For each moment
what a power cut there leaves is made on this machine (tests/power/replay.py): the slot that boots
next must be whole, old or new; the file system mends itself, the store is clean and the letter is
there. Those that start come to rest: one slot confirmed, no trial left, mail good. One moment more
for each write of the file system's superblock: between its two sectors.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

from bad import DATA_AT
from box import ROOT, Box, inspected
from first import PRESET
from lan import LENT, Lan
from slot_files import SLOT_AT
from update import bundle, letter, letters, sent, slot_release, stick

sys.path.append(str(ROOT / "tests/power"))

import replay  # noqa: E402
from guest import Cold, copied  # noqa: E402

SLOTS, SLOT_BYTES = {"a": SLOT_AT, "b": SLOT_AT + (128 << 20)}, 128 << 20
# Of the data file system: the first of the two sectors of its superblock.
SUPERBLOCK = DATA_AT // 512 + 2
# Sectors whose writes are turning points: both copies of the state.
STATE = (8192, 24576)


def run(folder, check):
    points, boots = int(os.environ.get("POINTS", 5)), int(os.environ.get("BOOTS", 2))
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    rng = random.Random(seed)
    print(f"cuts: POINTS={points} BOOTS={boots} SEED={seed}", flush=True)
    here = folder / "cuts"
    here.mkdir()
    disk, preset, log = here / "disk", here / "mailroom.toml", here / "log"
    preset.write_text(PRESET)
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.serve("time")
        lan.names()
        with Box(here / "box", disk, lan=lan, put=preset) as box:
            box.said_ever("box: mail      good")
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            sent(check)
        base = copied(disk, here / "base.disk")
        recorded(here, disk, log, lan, check)
        systems = {slot_sum(base, "a"): "old", slot_sum(disk, "b"): "new"}
        looked_at(here, base, log, rng, (points, boots), systems, lan, check)
    shutil.rmtree(here)


def recorded(here, disk, log, lan, check):
    """An update from the stick to its letter, with a log of the disk."""
    log.touch()
    plain = {name: {"driver": "file", "filename": str(path)}
             for name, path in [("file", disk), ("log", log)]}
    logged = {"driver": "raw", "file": {"driver": "blklogwrites", **plain}}
    more = ["-set", f"drive.disk.file=json:{json.dumps(logged)}"]
    path = stick(here, bundle(here, "9.1.0"))
    with Box(here / "box", disk, lan=lan, more=more) as box:
        box.said_ever("box: mail      good")
        box.insert("stick", path)
        box.wait("mailroom: booting slot b", 900)
        told = letter(path, 600)
        check("the update that is recorded is kept", "Version 9.1.0 was installed" in told, told)


def slot_sum(disk, slot):
    with disk.open("rb") as file:
        file.seek(SLOTS[slot])
        return hashlib.sha256(file.read(SLOT_BYTES)).hexdigest()


def looked_at(here, base, path, rng, counts, systems, lan, check):
    log = replay.Log(path)
    turns = [number + 1 for number, entry in enumerate(log.entries) if entry[0] in STATE]
    # The first of them before anything is decided, the last behind all of it.
    points = replay.points(log, turns, max(0, counts[0] - 2), rng)
    points = [replay.drawn(log, turns[0] - 1, rng), *points]
    points.append(replay.drawn(log, len(log.entries), rng))
    starting = set(rng.sample(points, min(counts[1], len(points))))
    superblock = replay.before(log, SUPERBLOCK + 1)
    points = sorted([*points, *superblock], key=lambda point: (point.cut, point.durable))
    torn = sum(point.torn() for point in points)
    told = f"{len(log.entries)} entries, {len(log.flushes)} flushes, {torn} torn writes"
    print(f"cuts: {told}", flush=True)
    rolling = replay.Rolling(log, base)
    seen, mended = {"old": 0, "new": 0}, 0
    for point in points:
        disk = here / "point.disk"
        rolling.to(point, disk, copied)
        about = f"cut after {point.cut} of {len(log.entries)}"
        system, was_torn = whole(here, disk, about, systems, check)
        seen[system] += 1
        mended += was_torn
        if point in starting:
            starts(here, disk, about, systems, lan, check)
    print(f"cuts: the old system boots next at {seen['old']}, the new at {seen['new']}; "
          f"{mended} superblocks were torn", flush=True)
    check("a superblock was torn among them", mended > 0, len(superblock))
    check("there were cuts on both sides of the update", all(seen.values()), seen)


def whole(here, disk, about, systems, check):
    """What is left is a box: the slot that boots next is one of the two systems, and mail is as it
    was. Which of the two it is, and whether the superblock of its mail was torn."""
    told = inspected(disk)
    # "a", or "b, on trial".
    slot = told["mailroom"]["boots"][0]
    system = systems.get(slot_sum(disk, slot))
    check(f"{about}: slot {slot} is whole", system is not None, told["mailroom"])
    data = told["partitions"][3]
    cold = Cold(disk, here / "cold", (data["start"], data["size"]))
    check(f"{about}: the store is clean", cold.faults() == [], cold.faults())
    done = cold.run("export", "alice@office.test", here / "cold/alice")
    mail = subprocess.run(["grep", "-r", "-c", "keep me", here / "cold/alice"],
                          capture_output=True, text=True)
    check(f"{about}: the letter is there", mail.returncode == 0, done.stdout + done.stderr)
    return system or "old", cold.torn


def starts(here, disk, about, systems, lan, check):
    """It starts, and comes to rest without help."""
    with Box(here / "box", disk, lan=lan) as box:
        box.wait("box: mail      good")
        end = time.monotonic() + 300
        while True:
            _, state = slot_release(disk)
            rests = [it for it in state if "confirmed" in it and "tried" not in it]
            if len(rests) == 2 or time.monotonic() > end:
                break
            time.sleep(1)
        check(f"{about}: one slot is confirmed, and no trial is left", len(rests) == 2, state)
        check(f"{about}: mail after the start", letters() == ["before"], letters())
    good = state[0].split("slot ")[1][0]
    check(f"{about}: the good slot is whole", slot_sum(disk, good) in systems, state)
