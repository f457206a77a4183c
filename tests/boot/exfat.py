"""Files on a fresh exFAT stick, without mounting it.

After the exFAT file system specification of Microsoft: the boot sector (3.1), the directory (6),
file (7.4), stream extension (7.6) and name (7.7) entries. A stick made here has one folder, and
each file lies in one piece.
"""

import struct
import subprocess

ENTRY = 32
FILE, STREAM, NAME, BITMAP = 0x85, 0xC0, 0xC1, 0x81
# In one piece, so that no chain of clusters is kept in the FAT.
ONE_PIECE = 0b11
ARCHIVE = 0x20
# 2026-01-01, 00:00
THEN = (2026 - 1980) << 25 | 1 << 21 | 1 << 16


class Stick:
    def __init__(self, path, octets, *files):
        """A new one, with the files in it."""
        self.path = path
        with path.open("wb") as made:
            made.truncate(octets)
        subprocess.run(["/usr/sbin/mkfs.exfat", path], check=True, capture_output=True)
        with path.open("r+b") as disk:
            self._geometry(disk)
            for file in files:
                self._put(disk, file.name, file.read_bytes())

    def read(self, name):
        """What a file of at most one cluster holds; nothing where it is not there."""
        with self.path.open("rb") as disk:
            entries = self._entries(disk)
            for at, entry in enumerate(entries):
                if entry[0] != FILE:
                    continue
                stream, *names = entries[at + 1 : at + 1 + entry[1]]
                found = b"".join(it[2:] for it in names).decode("utf-16-le")[: stream[3]]
                if found == name:
                    first, length = struct.unpack_from("<IQ", stream, 20)
                    disk.seek(self._place(first))
                    return disk.read(min(length, self.cluster))
        return b""

    def checked(self):
        """What the checker of others says."""
        return subprocess.run(
            ["/usr/sbin/fsck.exfat", "-n", self.path], capture_output=True, text=True
        )

    def _geometry(self, disk):
        disk.seek(0)
        boot = disk.read(512)
        heap, self.clusters, self.root = struct.unpack_from("<III", boot, 88)
        sector = 1 << boot[108]
        self.cluster = sector << boot[109]
        self.heap = heap * sector

    def _place(self, cluster):
        return self.heap + (cluster - 2) * self.cluster

    def _entries(self, disk):
        disk.seek(self._place(self.root))
        folder = disk.read(self.cluster)
        return [folder[at : at + ENTRY] for at in range(0, len(folder), ENTRY)]

    def _put(self, disk, name, data):
        entries = self._entries(disk)
        end = next(at for at, entry in enumerate(entries) if entry[0] == 0)
        bitmap = next(entry for entry in entries if entry[0] == BITMAP)
        first = self._take(disk, self._place(struct.unpack_from("<I", bitmap, 20)[0]), len(data))
        disk.seek(self._place(first))
        disk.write(data)
        disk.seek(self._place(self.root) + end * ENTRY)
        disk.write(entry_set(name, first, len(data)))

    def _take(self, disk, bitmap, octets):
        """The first cluster of a piece that nobody has: what is taken lies at the front."""
        disk.seek(bitmap)
        taken = bytearray(disk.read((self.clusters + 7) // 8))
        bits = int.from_bytes(taken, "little")
        first, count = bits.bit_length(), -(-octets // self.cluster)
        assert first + count <= self.clusters, "the stick is too small"
        bits |= ((1 << count) - 1) << first
        disk.seek(bitmap)
        disk.write(bits.to_bytes(len(taken), "little"))
        return first + 2


def entry_set(name, first, length):
    """The entries of a file, with their sum (6.3.3) and the hash of the name (7.6.4)."""
    spelled = name.encode("utf-16-le")
    pieces = [spelled[at : at + 30] for at in range(0, len(spelled), 30)]
    file = struct.pack("<BBHHH3I", FILE, 1 + len(pieces), 0, ARCHIVE, 0, THEN, THEN, THEN)
    stream = struct.pack(
        "<BBBBHHQIIQ",
        *(STREAM, ONE_PIECE, 0, len(name), rotated(name.upper().encode("utf-16-le")), 0),
        *(length, 0, first, length),
    )
    names = [bytes([NAME, 0]) + piece.ljust(30, b"\0") for piece in pieces]
    whole = b"".join(it.ljust(ENTRY, b"\0") for it in [file, stream, *names])
    total = rotated(whole[:2] + whole[4:])
    return whole[:2] + total.to_bytes(2, "little") + whole[4:]


def rotated(octets):
    total = 0
    for octet in octets:
        total = ((total >> 1 | total << 15) + octet) & 0xFFFF
    return total
