"""A network of a test's own, on which it has the well-known ports and any address it likes.

`enter()` starts the test again in new namespaces for network and mounts; nothing that it does there
is seen outside, and it ends with the test.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = "MAILROOM_TEST_ISLAND"


def enter():
    if os.environ.get(INSIDE):
        ip("link", "set", "lo", "up")
        return
    os.environ[INSIDE] = "1"
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    apart = ["unshare", *own, "--net", "--mount", "--propagation", "private"]
    os.execvp(apart[0], [*apart, sys.executable, *sys.argv])


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def live_at(*addresses):
    for address in addresses:
        wide = "128" if ":" in address else "32"
        more = ["nodad"] if ":" in address else []
        ip("address", "add", f"{address}/{wide}", "dev", "lo", *more)


def reached_from(address, source):
    """Whoever connects to `address` and does not choose comes from `source`."""
    ip("route", "replace", "local", address, "dev", "lo", "table", "local", "src", source)


def names_by(address):
    """Programs that read /etc/resolv.conf ask this name server."""
    with tempfile.NamedTemporaryFile("w", prefix="mailroom-resolv.", delete=False) as file:
        file.write(f"nameserver {address}\n")
    os.chmod(file.name, 0o644)
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()
