"""What PID 1 of a box tells the server of updates, for a server that is started with
--update-state: the fields of appliance/update/state.rs. Only the standard library.
"""

import json
import os
from pathlib import Path

QUIET = {
    "board": "qemu-virt", "version": "0.4.0", "epoch": 1, "kernel": "6.1.0-40-arm64",
    "built": 1_793_500_000, "slot": "a", "standing": "confirmed", "other": None, "work": None,
    "refused": None, "history": [],
}
WORK = {
    "way": "upload", "file": "update.mru", "version": "0.5.0", "step": "writing", "done": 12,
    "of": 128,
}
REFUSED = {
    "way": "stick", "file": "mailroom-0.3.0-qemu-virt.mru", "version": "0.3.0", "consent": True,
    "why": "the update file has version 0.3.0, older than 0.4.0, which is running",
}
PAST = {
    "at": 1_793_600_000, "version": "0.5.0", "from": "0.4.0", "way": "stick", "result": "back",
    "why": "mail did not work within ten minutes: no letter came back",
}
# What begins as an update file does.
BUNDLE = b"MROOMUP1" + bytes(100_000)


class Pid1:
    def __init__(self, state):
        self.state, self.said = Path(state), Path(f"{state}.asked")
        self.options = ["--update-state", self.state]
        self.tells()

    def tells(self, **changed):
        new = self.state.with_name("state.new")
        new.write_text(json.dumps({**QUIET, **changed}))
        os.replace(new, self.state)

    def asked(self):
        """What it was asked for since the last time."""
        words = self.said.read_text().split() if self.said.exists() else []
        self.said.unlink(missing_ok=True)
        return words
