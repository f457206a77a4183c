"""A machine of a test's own: processes that end with it, its own mounts, and a network on which it
has the well-known ports and any address it likes.

`enter()` starts the test again in new namespaces. However it ends, also by a signal to the process
that was started first, nothing of it is left behind.

    enter --starts, holds a pipe--> first process --forks--> the test, and whatever that starts
      \\-- ends: the pipe closes -->  \\-- SIGTERM, then its end, which is everybody's end
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

INSIDE = "MAILROOM_TEST_ISLAND"
# For a test that was told to stop, to put things away.
PATIENCE = 30


def entered():
    return INSIDE in os.environ


def enter(network=True):
    if entered():
        tend(int(os.environ[INSIDE]))
        if network:
            ip("link", "set", "lo", "up")
        return
    inner, outer = os.pipe()
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    own += ["--net"] if network else []
    apart = ["unshare", *own, "--mount", "--propagation", "private", "--pid", "--mount-proc"]
    command = [*apart, "--kill-child", sys.executable, *sys.argv]
    suite = subprocess.Popen(command, pass_fds=[inner], env={**os.environ, INSIDE: str(inner)})
    os.close(inner)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: let_go(outer))
    # From a terminal the test hears it too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(suite.wait())


def let_go(pipe):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.close(pipe)


def tend(pipe):
    """Returns in a child. The first process of the namespace waits for that and for orphans."""
    test = os.fork()
    if not test:
        os.close(pipe)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by a signal"))
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(pipe, test), daemon=True).start()
    while True:
        process, status = os.wait()
        if process == test:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def end_with(pipe, test):
    """Whoever started all this has gone, or was told to stop."""
    os.read(pipe, 1)
    os.kill(test, signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


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
