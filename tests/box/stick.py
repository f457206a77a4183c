"""A stick that PID 1 lends: the confined server writes a backup on it, tries it and reads it again,
and is refused no system call and no file; what it gives back can be taken out at once."""

import http.client
import json
import os
import select
import ssl
import subprocess
import threading
import time

from machine import HEALTH, SERVER, SIZE, START, Child, words
from pages import Pages

LEND, LENT, NOT_LENT, RETURNED, FORMAT, STICK, TAKEN_BACK = 30, 31, 32, 33, 34, 35, 57
NAME, READY = "SanDisk Ultra", 1
PERSON, PASSPHRASE = "ann@stick.test", "oak pine elm ash"
PRESET = f'domain = "stick.test"\n[[people]]\naddress = "{PERSON}"\nname = "A"\n' \
    'password = "wonder-land"\n'
PLACE, KEPT = "/run/lent/stick", "/run/kept"
OPEN = 1


def suite(binary, check):
    subprocess.check_call(["find", "/data/mail", "-mindepth", "1", "-delete"])
    os.makedirs(PLACE)
    os.makedirs(KEPT, mode=0o700)
    os.chown(KEPT, SERVER, SERVER)
    child = Child(binary, "server", "/run/stick.log", calls="/run/stick.calls")
    child.tell(START, b"\1\0AAAA-AAAA", PRESET.encode())
    health = child.hear(lambda kind, fields: kind == HEALTH and fields[0] == OPEN)
    check("stick: mail is open", health is not None, child.said())
    owner = Pages("127.0.0.1", 443, "/data/mail/tls/ca.pem")
    owner.tls.check_hostname = False
    owner.claim("AAAA-AAAA")
    command = [binary, "--data", "/data/mail", "token", "add", "suite", "--json"]
    made = json.loads(subprocess.check_output(command, text=True))
    init, calls = Init(child), Calls(made["token"]["token"])
    told = calls.over("POST", "backup/look")
    check("stick: without one there is none", "no stick" in told["failed"]["why"], told)
    init.puts_in()
    told = calls.over("POST", "backup", {"passphrase": PASSPHRASE})
    last = told["last"]
    check("stick: a backup is made", told["failed"] is None and last["failed"] == "", told)
    check("stick: and tried", last["tried"]["restored"] and not last["tried"]["faults"], last)
    check("stick: it lies there", os.listdir(KEPT) == [last["name"]], os.listdir(KEPT))
    told = calls.over("PUT", "backup/nightly", {"hour": 3, "passphrase": PASSPHRASE})
    check("stick: each night", told["nightly"]["stick"] == NAME, told)
    told = calls.over("POST", "backup/look")
    check("stick: it is seen", [it["name"] for it in told["listed"]] == [last["name"]], told)
    of = {"name": last["name"], "passphrase": PASSPHRASE, "login": PERSON}
    told = calls.over("POST", "backup/find", {**of, "text": "x"})
    check("stick: it is searched", told["found"]["messages"] == [], told)
    told = calls.over("POST", "backup/bring", {**of, "mailbox": "INBOX"})
    check("stick: a mailbox comes back", told["failed"] is None and told["brought"], told)
    told = calls.over("POST", "backup/format", {"stick": NAME})
    check("stick: it is formatted", told["failed"] is None and init.formatted == [NAME], told)
    check("stick: written when it must be", init.lent == [True, True, False, False, False],
          init.lent)
    check("stick: it could be taken out each time", init.busy == [], init.busy)
    check("stick: it was given back each time", "not given back" not in child.said(), child.said())
    check("stick: an orderly end", child.end() == 0, child.said())
    check("stick: nothing was refused", child.refused() == {}, child.refused())


class Init:
    """As lending.rs: lends what is in, and takes it back."""

    def __init__(self, child):
        self.child, self.is_in = child, False
        self.lent, self.busy, self.formatted = [], [], []
        threading.Thread(target=self.run, daemon=True).start()

    def puts_in(self):
        self.is_in = True
        self.tells_what_is_in()

    def tells_what_is_in(self):
        size = (8 << 30).to_bytes(8, "little")
        self.child.tell(STICK, bytes([READY]) + size + said(NAME))

    def run(self):
        while select.select([self.child.pair], [], [])[0]:
            octets = self.child.pair.recv(SIZE + 1)
            if not octets:
                return
            self.hear(octets[3], octets[4:])

    def hear(self, kind, fields):
        if kind == LEND and not self.is_in:
            self.child.tell(NOT_LENT, said("there is no stick in the box"))
        elif kind == LEND:
            self.lent.append(fields[0] == 1)
            run("mount", "--bind", KEPT, PLACE)
            run("mount", "-o", f"remount,bind,{'rw' if fields[0] else 'ro'}", PLACE)
            self.child.tell(LENT, said(NAME))
        elif kind == RETURNED:
            done = subprocess.run(["umount", PLACE], capture_output=True, text=True, check=False)
            if done.returncode:
                self.busy.append(done.stderr)
            else:
                self.child.tell(TAKEN_BACK)
        elif kind == FORMAT:
            self.formatted.append(words(fields))
            self.tells_what_is_in()


class Calls:
    """The calls of a program."""

    def __init__(self, token):
        self.sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.tls = ssl.create_default_context(cafile="/data/mail/tls/ca.pem")
        self.tls.check_hostname = False

    def call(self, method, path, body=None):
        made = http.client.HTTPSConnection("127.0.0.1", 443, timeout=60, context=self.tls)
        data = None if body is None else json.dumps(body)
        made.request(method, f"/api/v1/{path}", data, self.sent)
        reply = made.getresponse()
        text = reply.read().decode()
        made.close()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {text}")
        return json.loads(text)["backup"]

    def over(self, method, path, body=None, seconds=120):
        """What came of it once nothing is done any more."""
        self.call(method, path, body)
        end = time.monotonic() + seconds
        while (told := self.call("GET", "backup"))["doing"] and time.monotonic() < end:
            time.sleep(0.1)
        return told


def said(text):
    return bytes([len(text)]) + text.encode()


def run(*command):
    subprocess.check_call(command)
