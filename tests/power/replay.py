"""A log of every write and flush of a disk (QEMU's blklogwrites, the format of dm-log-writes), and
what a power cut at any point of it may leave:

    write write FLUSH | write write write  ^  write ..
    on the disk       | any of them, torn  cut

What was flushed is there. Of what was written since, each write is there or not, or sectors of it
are: a disk keeps its own order, and 512 octets are what it writes at once.
"""

import bisect
import os
import struct

SECTOR = 512
FLUSH, DISCARD = 1, 4
MAGIC = 0x6A736677736872


class Log:
    def __init__(self, path):
        self.file = open(path, "rb")
        size = os.stat(path).st_size
        magic, version, _, sector = struct.unpack("<QQQI", self.file.read(28))
        assert (magic, version, sector) == (MAGIC, 1, SECTOR), "not a log of writes"
        self.entries = []  # (sector of the disk, sectors, flags, place of the octets)
        self.ends = []  # where each ends in the log
        at = SECTOR
        while at + SECTOR <= size:
            self.file.seek(at)
            sector, sectors, flags, _ = struct.unpack("<QQQQ", self.file.read(32))
            if not sectors and not flags:
                break
            end = at + SECTOR + (0 if flags & DISCARD else sectors * SECTOR)
            if end > size:
                break
            self.entries.append((sector, sectors, flags, at + SECTOR))
            self.ends.append(end)
            at = end
        self.flushes = [n for n, entry in enumerate(self.entries) if entry[2] & FLUSH]

    def index(self, size):
        """How many entries there were when the log had this size, at most."""
        return bisect.bisect_right(self.ends, size)

    def durable(self, cut):
        """How many of the first `cut` entries the last flush among them has made durable."""
        before = bisect.bisect_left(self.flushes, cut)
        return self.flushes[before - 1] + 1 if before else 0

    def write(self, disk, number, sectors=None):
        """Applies an entry to the open file `disk`, or some of its sectors."""
        sector, count, flags, at = self.entries[number]
        if flags & DISCARD:
            raise AssertionError("the guest was not to discard anything")
        self.file.seek(at)
        octets = self.file.read(count * SECTOR)
        if sectors is None:
            os.pwrite(disk, octets, sector * SECTOR)
            return
        for each in sectors:
            os.pwrite(disk, octets[each * SECTOR : (each + 1) * SECTOR], (sector + each) * SECTOR)


class Point:
    """One power cut: after `cut` entries, of which `durable` are on the disk, and `kept` of the
    writes behind these: each with None, or with the sectors of it."""

    def __init__(self, cut, durable, kept):
        self.cut, self.durable, self.kept = cut, durable, kept

    def torn(self):
        return sum(1 for sectors in self.kept.values() if sectors is not None)


def drawn(log, cut, rng):
    """A cut with any of the writes that no flush covers."""
    durable, kept = log.durable(cut), {}
    share = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    for number in range(durable, cut):
        count = log.entries[number][1]
        if not count or rng.random() >= share:
            continue
        kept[number] = torn(count, rng) if rng.random() < 0.2 else None
    return Point(cut, durable, kept)


def before(log, sector):
    """A cut in each write that goes over the start of this sector: what is before it is there."""
    found = []
    for number, (start, count, _, _) in enumerate(log.entries):
        if start < sector < start + count:
            durable = log.durable(number)
            kept = {n: None for n in range(durable, number) if log.entries[n][1]}
            kept[number] = list(range(sector - start))
            found.append(Point(number + 1, durable, kept))
    return found


def torn(count, rng):
    """The first sectors, or any."""
    if rng.random() < 0.5:
        return list(range(rng.randrange(count + 1)))
    return [sector for sector in range(count) if rng.random() < 0.5]


def points(log, told, count, rng):
    """`count` cuts in the order of the log: half of them anywhere, the start of the box too, half
    at the moment of an acknowledgement (`told`), when what is not on the disk is missed at once."""
    cuts = []
    for number in range(count):
        anywhere = rng.randrange(len(log.entries) + 1)
        cuts.append(rng.choice(told) if told and number % 2 else anywhere)
    return [drawn(log, cut, rng) for cut in sorted(cuts)]


class Rolling:
    """The disk as it is after more and more of the log, and copies of it for each point."""

    def __init__(self, log, disk):
        self.log, self.disk, self.done = log, disk, 0

    def to(self, point, copy, copied):
        self.apply(self.disk, range(self.done, point.durable))
        self.done = max(self.done, point.durable)
        copied(self.disk, copy)
        self.apply(copy, point.kept, point.kept)

    def apply(self, path, numbers, sectors=None):
        disk = os.open(path, os.O_WRONLY)
        for number in numbers:
            if self.log.entries[number][1]:
                self.log.write(disk, number, sectors[number] if sectors else None)
        os.close(disk)
