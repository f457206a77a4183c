"""A processor hangs in the kernel, as in a driver that never comes to its end: PID 1 runs on the
other one and feeds the watchdog, yet the box starts anew within two minutes, and has its mail.

QEMU's gdb server (the remote protocol of GDB) sends the first processor into one of the endless
loops that the kernel has, with interrupts on. Where it was before is left to chance: two of nine
runs, both beside another emulator, had no word of the kernel in five minutes. So CI leaves it out.
"""

import contextlib
import smtplib
import socket
import threading
import time

from box import Box
from first import PRESET
from lan import LENT, Lan
from update import letters, sent

# "b ." and "wfi".
ENDLESS, IDLE = bytes.fromhex("00000014"), bytes.fromhex("7f2003d5")
# What is read of memory at once, and how far behind the place where the processor is. Octets.
READ, FAR = 1024, 2 << 20
# Numbers of GDB's registers.
SP, PC, CPSR = 0x1F, 0x20, 0x21
# Of CPSR: the bit that keeps interrupts off, and the mode, which is EL1h in the kernel.
NO_INTERRUPTS, MODE, KERNEL = 1 << 7, 0xF, 5
# The stack of a processor that waits is in the image of the kernel: no farther from its text.
FAR_STACK = 64 << 20


def run(folder, check):
    here = folder / "hung"
    here.mkdir()
    preset, door = here / "mailroom.toml", here / "gdb"
    preset.write_text(PRESET)
    more = ["-gdb", f"unix:{door},server=on,wait=off"]
    with Lan() as lan:
        lan.serve("dhcp", LENT)
        lan.names()
        with Box(here / "box", here / "disk", lan=lan, put=preset, more=more) as box:
            box.said_ever("box: mail      good")
            box.said_ever(rf"box: network   {LENT} \(DHCP\)")
            sent(check)
            with busy():
                hang(door)
            began = time.monotonic()
            box.wait("soft lockup - CPU#0")
            box.wait("mailroom: booting slot a")
            print(f"hung: it starts anew after {time.monotonic() - began:.0f} s", flush=True)
            box.wait("box: mail      good")
            check("the mail is there", letters() == ["before"], letters())


@contextlib.contextmanager
def busy():
    """Somebody asks the box again and again meanwhile."""
    over = threading.Event()

    def ask():
        while not over.is_set():
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtplib.SMTP(LENT, 25, timeout=5).close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def hang(door):
    """The first processor does nothing else from now on."""
    with Debugger(door) as debugger:
        # It does nothing most of the time, and waits for an interrupt (wfi).
        debugger.go_on_until(lambda: debugger.memory(debugger.register(PC) - 4, 4) == IDLE)
        idle = debugger.register(PC)
        endless = debugger.find(idle)
        # Where it works for a program, and would be interrupted. The kernel looks after a processor
        # that waits in another way, and at its interrupts only once it has answered the last.
        debugger.go_on_until(lambda: works(debugger, idle))
        debugger.write(PC, endless, 8)


def works(debugger, idle):
    """Whether it is in the kernel with interrupts on, and not on the stack of one that waits."""
    status, stack = debugger.register(CPSR), debugger.register(SP)
    return status & (MODE | NO_INTERRUPTS) == KERNEL and abs(stack - idle) > FAR_STACK


class Debugger:
    """The first processor, stopped; all go on when it is closed."""

    def __init__(self, door):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(60)
        self.stream.connect(str(door))
        self.left = b""
        # Who comes stops all processors, and is told so.
        self.answer()
        # QEMU reads and writes one register for those who know what it calls them.
        self.ask("qXfer:features:read:target.xml:0,ffb")
        # They are those of thread 1.
        self.ask("Hg1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ask("D")
        self.stream.close()

    def send(self, text):
        self.stream.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def answer(self):
        """The next packet; acknowledged."""
        while b"#" not in self.left or len(self.left.split(b"#", 1)[1]) < 2:
            octets = self.stream.recv(65536)
            if not octets:
                raise RuntimeError("QEMU's gdb server is gone")
            self.left += octets
        packet, rest = self.left.split(b"#", 1)
        self.left = rest[2:]
        self.stream.sendall(b"+")
        return packet.split(b"$", 1)[1].decode()

    def ask(self, text):
        self.send(text)
        return self.answer()

    def register(self, number):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def write(self, number, value, octets):
        told = self.ask(f"P{number:x}={value.to_bytes(octets, 'little').hex()}")
        assert told == "OK", told

    def memory(self, at, octets):
        """Empty where there is none."""
        told = self.ask(f"m{at:x},{octets:x}")
        return b"" if told.startswith("E") else bytes.fromhex(told)

    def find(self, place):
        """The first endless loop of the kernel behind it."""
        for at in range(place, place + FAR, READ):
            octets = self.memory(at, READ)
            for found in range(0, len(octets), 4):
                if octets[found : found + 4] == ENDLESS:
                    return at + found
        raise RuntimeError("the kernel has no endless loop")

    def go_on_until(self, there, seconds=300):
        """Looks again each hundredth of a second: stopped while it looks."""
        end = time.monotonic() + seconds
        while not there():
            if time.monotonic() > end:
                raise RuntimeError("the processor does not come there")
            self.send("c")
            time.sleep(0.01)
            self.stream.sendall(b"\3")
            self.answer()
