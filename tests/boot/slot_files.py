"""Files of a slot of an image: taken out, changed, and added to its initramfs."""

import subprocess

SLOT_AT = 64 << 20


def debugfs(image, request, *write):
    words = ["debugfs", *write, "-R", request, f"{image}?offset={SLOT_AT}"]
    return subprocess.run(words, capture_output=True, check=True).stdout


def take(image, name):
    """A file of slot a. What may be appended to an initramfs begins on four octets."""
    octets = debugfs(image, f"cat {name}")
    return octets + bytes(-len(octets) % 4)


def change(image, files, folder):
    """Puts files into slot a in place of those that are there."""
    for name, octets in files.items():
        path = folder / f"new.{name}"
        path.write_bytes(octets)
        debugfs(image, f"rm {name}", "-w")
        debugfs(image, f"write {path} {name}", "-w")
        path.unlink()


def archive(files):
    """A cpio archive of programs, as the kernel's initramfs is; one that comes later counts."""
    made = b""
    entries = [(name, content, 0o100755) for name, content in files.items()]
    for at, (name, content, mode) in enumerate([*entries, ("TRAILER!!!", b"", 0)]):
        fields = [at + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields)
        head += name.encode() + b"\0"
        made += head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    return made
