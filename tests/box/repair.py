"""The child of a box under repair: one answer for everybody, and nothing that it could harm."""

import socket
import time
import urllib.error
import urllib.request

from machine import REPAIR, Child

WHY = "the data file system is damaged (e2fsck exit code 4)"
SAID = {
    25: b"421 4.3.2 ",
    587: b"421 4.3.2 ",
    143: b"* BYE [UNAVAILABLE] ",
    110: b"-ERR [SYS/TEMP] ",
}


def suite(binary, check):
    child = Child(binary, "repair", "/run/repair.log", calls="/run/repair.calls")
    child.tell(REPAIR, bytes([len(WHY)]) + WHY.encode())
    for port, words in SAID.items():
        said = greeting(port)
        check(f"port {port} says why", said.startswith(words) and said.endswith(b"\r\n"), said)
    check("port 25 never refuses for good", not greeting(25).startswith(b"5"))
    status, page = browsed()
    check("the page says that it is a while", status == 503, status)
    check("the page says the reason", WHY in page and "no mail" in page, page)
    for name in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"]:
        check(f"repair: no capabilities ({name})", int(child.status(name)[0], 16) == 0)
    check("repair: its own user", set(child.status("Uid")) == {"61025"}, child.status("Uid"))
    slow = [socket.create_connection(("127.0.0.1", 80), 60) for _ in range(20)]
    check("who asks nothing keeps nobody waiting", greeting(25).startswith(b"421"))
    for each in slow:
        each.close()
    child.end()
    check("repair: nothing was refused", child.refused() == {}, child.refused())


def greeting(port):
    """All that a port says; it may just be opening."""
    end = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 60) as stream:
                return stream.makefile("rb").read()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def browsed():
    try:
        with urllib.request.urlopen("http://127.0.0.1/people", timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
