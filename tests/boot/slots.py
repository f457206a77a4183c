"""The boot script in U-Boot itself: which slot it boots, and what it writes.

The disk is given a state, and the emulator is stopped when U-Boot starts the kernel. The states
are written here by the drawing in appliance/update/slot.rs, not by its code: where U-Boot and
the drawing disagree, this fails.
"""

import shutil
import subprocess
import zlib

from box import Box, image, inspected

COPIES = (4 << 20, 12 << 20)
SLOT_A, SLOT_B = 64 << 20, 192 << 20

FIRST = "gen=1 good=a"
PENDING = "gen=1f good=a left=1 try=b"
TRIED = "gen=20 good=a left=0 try=b"
OTHER = "gen=9 good=b"
CARRIED = ("gen=9ff good=a left=2 try=b", "gen=a00 good=a left=1 try=b")
LONGER = ("gen=ffff good=a left=10 try=b", "gen=10000 good=a left=f try=b")
BROKEN = None

# What it is about; both copies before; the slot that boots; both copies after; what is destroyed.
CASES = [
    ("nothing is on trial", (FIRST, FIRST), "a", (FIRST, FIRST), None),
    ("a trial is counted before it is booted", (PENDING, PENDING), "b", (TRIED, TRIED), None),
    ("a generation that is carried", (CARRIED[0],) * 2, "b", (CARRIED[1],) * 2, None),
    ("a generation that grows longer", (LONGER[0],) * 2, "b", (LONGER[1],) * 2, None),
    ("a trial that was not confirmed", (TRIED, TRIED), "a", (TRIED, TRIED), None),
    ("the first copy is newer", (PENDING, OTHER), "b", (TRIED, TRIED), None),
    ("the second copy is newer", (FIRST, OTHER), "b", (FIRST, OTHER), None),
    ("the first copy is broken", (BROKEN, PENDING), "b", (TRIED, TRIED), None),
    ("both copies are broken", (BROKEN, BROKEN), "a", (BROKEN, BROKEN), None),
    ("a trial of what cannot be loaded", (PENDING, PENDING), "a", (TRIED, TRIED), SLOT_B),
    ("the good slot cannot be loaded", (FIRST, FIRST), "b", (FIRST, FIRST), SLOT_A),
]


def sector(text):
    if text is None:
        return b"X" * 512
    content = b"".join(entry.encode() + b"\0" for entry in text.split()).ljust(508, b"\0")
    return zlib.crc32(content).to_bytes(4, "little") + content


def run(folder, check):
    for about, before, slot, after, destroyed in CASES:
        disk = folder / "slots.disk"
        subprocess.run(["cp", "--sparse=always", image(), disk], check=True)
        with disk.open("r+b") as file:
            for at, state in zip(COPIES, before):
                file.seek(at)
                file.write(sector(state))
            if destroyed is not None:
                file.seek(destroyed)
                file.write(bytes(1 << 20))
        with Box(folder / "box", disk) as box:
            booted = box.wait("mailroom: booting slot ([ab])").group(1).decode()
        with disk.open("rb") as file:
            found = []
            for at in COPIES:
                file.seek(at)
                found.append(file.read(512))
        check(f"{about}: slot {slot}", booted == slot, f"slot {booted}")
        check(f"{about}: state", found == [sector(s) for s in after], repr(found))
        told = inspected(disk)["mailroom"]["state"]
        whole = [not line.startswith("damaged") for line in told]
        check(f"{about}: inspect", whole == [s is not None for s in after], repr(told))
        shutil.rmtree(folder / "box")
