"""Starts, kills and stops the real server for tests that are not compiled into it.

Used by tests/clients, tests/crash and bench. Only the standard library.
"""

import imaplib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFFSETS = (25, 80, 110, 143, 443, 465, 587, 993, 995, 4190)
SERVED = {
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
}


def binary():
    """The server under test: MAILROOM_BIN, or what `cargo build` made."""
    path = Path(os.environ.get("MAILROOM_BIN") or ROOT / "target/debug/mailroom").resolve()
    if not path.is_file():
        raise SystemExit(f"no server at {path}: `cargo build` first, or set MAILROOM_BIN")
    return path


def free_port_base(host="127.0.0.1"):
    """A number n for which n+25, n+143, ... are all free."""
    for _ in range(200):
        base = random.randrange(10_000, 28_000)
        if all(is_free(host, base + offset) for offset in OFFSETS):
            return base
    raise SystemExit("no free range of ports")


def is_free(host, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class Server:
    """One data folder, and the process that serves it (or none)."""

    def __init__(
        self, data, port_base=None, log=None, env=None, host="127.0.0.1", demo=True, options=()
    ):
        self.data = Path(data)
        self.port_base = free_port_base() if port_base is None else port_base
        self.log = Path(log) if log else self.data.with_name(self.data.name + ".log")
        self.env = {**os.environ, **(env or {})}
        self.binary = binary()
        self.host, self.demo, self.options = host, demo, options
        self.process = None

    def start(self, timeout=60):
        """Returns when every port answers; the whole log is in the error if it does not."""
        command = [self.binary, "serve", "--data", self.data]
        command += ["--port-base", str(self.port_base), *(["--demo"] if self.demo else [])]
        command += self.options
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
            )
        end = time.monotonic() + timeout
        while not self.ready():
            if self.process.poll() is not None:
                raise SystemExit(f"server ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > end:
                self.kill()
                raise SystemExit(f"server not ready after {timeout} s:\n{self.tail()}")
            time.sleep(0.02)
        return self

    def ready(self):
        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(str(self.data / "control.sock"))
            return all(answers(self.host, port) for port in self.ports.values())
        except (OSError, ValueError, KeyError):
            return False

    def setup_code(self, timeout=30):
        """What a server that nobody owns prints once all its ports answer."""
        end = time.monotonic() + timeout
        while not (found := re.search(r"setup code (\S+)", self.log.read_text())):
            if time.monotonic() > end:
                raise SystemExit(f"no setup code after {timeout} s:\n{self.tail()}")
            time.sleep(0.05)
        return found[1]

    @property
    def first_run(self):
        return json.loads((self.data / "first-run.json").read_text())

    @property
    def ports(self):
        if not self.demo:
            return {name: self.port_base + above for name, above in SERVED.items()}
        return {name: port for name, port in self.first_run["ports"].items() if port}

    def port(self, name):
        return self.ports[name]

    def imap(self, timeout):
        return imaplib.IMAP4(self.host, self.ports["imap"], timeout=timeout)

    @property
    def ca(self):
        """Path of the PEM of the CA that signed the server's certificate."""
        ca = self.first_run["ca"]
        if not ca.startswith("-----BEGIN"):
            return (self.data / ca).resolve()
        path = self.data.with_name(self.data.name + ".ca.pem")
        path.write_text(ca)
        return path

    def cli(self, *arguments, check=True, **more):
        """Runs `mailroom ARGUMENTS --data DATA`."""
        command = [str(self.binary), *map(str, arguments), "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, **more)
        if check and done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def kill(self):
        """SIGKILL: what a power cut leaves of the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=20):
        """SIGTERM, and its exit status; SIGKILL (and status None) if it does not obey."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def tail(self, lines=60):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def answers(host, port):
    with socket.create_connection((host, port), timeout=2):
        return True
