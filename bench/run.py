#!/usr/bin/env python3
"""`make bench`: Mailroom beside Debian's Postfix and Dovecot (Maildir and mdbox), the same load on
each in turn, in interleaved rounds, on one loop-mounted ext4 file. Needs root (mounts, and users
of the peers). Writes bench/results.md and its plots.

    bench/run.py [--quick] [--only ours] [--rows leaving|pages]

--quick: few messages, one round; for trying the bench. --only ours: without the peers. --rows
leaving: submitting and the outbox alone, with mailboxes that are nearly empty, printed. --rows
pages: the pages alone, which the peers have not, printed. What is written by the first two goes to
/tmp.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path += [str(HERE), str(ROOT / "tests/harness")]

import island  # noqa: E402
import measure  # noqa: E402
import page_times  # noqa: E402
import report  # noqa: E402
from peer import Peer, certificate  # noqa: E402
from server import Server, free_port_base  # noqa: E402

PEOPLE = {f"p{n:02}@office.test": f"secret-of-{n:02}-stays" for n in range(10)}
BIG = {"big@office.test": "secret-of-the-big-one"}
ALONE = {"p00@office.test": PEOPLE["p00@office.test"]}

FULL = dict(
    rounds=2, settle=2.0, alone=500, stored=1000, big=100_000, idle=500, mailbox_rounds=5,
    messages={(16, 4096): 1000, (64, 4096): 1000, (16, 51200): 400, (64, 51200): 400},
    leave={1: 1000, 200: 1000}, pages=200,
    office=dict(messages=10_000, stories=2000, queue=100),
)
QUICK = dict(
    rounds=1, settle=0.5, alone=40, stored=50, big=2_000, idle=50, mailbox_rounds=2,
    messages={(16, 4096): 200, (64, 4096): 200, (16, 51200): 100, (64, 51200): 100},
    leave={1: 200, 200: 400}, pages=100,
    office=dict(messages=1000, stories=200, queue=20),
)


# Where all mail goes that leaves: the load generator's sink (bench/leave.rs) on 127.0.0.2.
SINK_PORT = 2525
NAMES = "127.0.0.3"
OUTGOING = f"""\
host = "mail.office.test"
listen = ["127.0.0.1"]
[limits]
sent_per_day = 10000000
[outgoing]
port = {SINK_PORT}
name_servers = ["{NAMES}:53"]
"""


class Ours:
    """Our server on the measured disk."""

    label = "Mailroom"

    def __init__(self, disk, scratch, name="mailroom", people=PEOPLE | BIG):
        os.environ.setdefault("MAILROOM_BIN", str(ROOT / "target/release/mailroom"))
        data = disk / name
        data.mkdir(mode=0o700)
        (data / "mailroom.toml").write_text(OUTGOING)
        self.server = Server(data, log=scratch / f"{name}.log")
        self.people, self.made = people, False

    def start(self):
        self.server.start()
        self.ports, self.ca = self.server.ports, self.server.ca
        if not self.made:
            for address, word in self.people.items():
                add = ["account", "add", address, "--password-stdin"]
                self.server.cli(*add, input=word + "\n")
            self.made = True

    def roots(self):
        return [self.server.process.pid]

    def stop(self):
        self.server.stop()

    def configuration(self):
        text = (self.server.data / "mailroom.toml").read_text()
        return {"mailroom serve --demo, mailroom.toml": text}


class Theirs:
    """Postfix and Dovecot; `relaxed` while the mailboxes are filled, which is not measured."""

    def __init__(self, disk, scratch, flavour, tls):
        self.label = f"Postfix + Dovecot, {flavour}"
        base = free_port_base()
        offsets = dict(smtp=25, imap=143, imaps=993, pop3=110, pop3s=995, submission=587)
        self.ports = {name: base + offset for name, offset in offsets.items()}
        self.ca = tls[0]
        folders = (disk / flavour, scratch / flavour)
        people, more = {**PEOPLE, **BIG}, f"smtp_tcp_port = {SINK_PORT}"
        self.peer = Peer(*folders, flavour, people, self.ports, tls[1:], postfix=more)

    def start(self, relaxed=False):
        self.peer.values["fsync"] = "never" if relaxed else "always"
        self.peer.start()

    def roots(self):
        return self.peer.pids()

    def stop(self):
        self.peer.stop()

    def configuration(self):
        config = self.peer.paths["config"]
        names = ("main.cf", "master.cf", "dovecot.conf")
        return {f"{self.peer.flavour} {name}": (config / name).read_text() for name in names}


class Bench:
    def __init__(self, disk, plan, subjects, load, leaving_alone=False):
        self.disk, self.plan, self.subjects, self.load_binary = disk, plan, subjects, load
        self.leaving_alone = leaving_alone
        self.offset = 1_000_000
        self.rows = {subject.label: {} for subject in subjects}

    def command(self, subject, act, people, **options):
        pairs = [f"{address}:{word}" for address, word in people.items()]
        names = ("smtp", "submission", "imap", "imaps")
        options |= {name: subject.ports[name] for name in names}
        options |= {"people": ",".join(pairs), "ca": subject.ca, "name": "mail.office.test"}
        return [str(self.load_binary), act, *(f"{k}={v}" for k, v in options.items())]

    def load(self, subject, act, people=PEOPLE, **options):
        command = self.command(subject, act, people, **options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, input="\n")
        if done.returncode:
            raise SystemExit(f"{subject.label}: load {act} {options}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def measured(self, subject, act, people=PEOPLE, **options):
        """What the load tells, and the counters before it and after; before is when it is logged
        in, since a log-in costs what its server wants it to cost."""
        command = self.command(subject, act, people, **options)
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as load:
            first = load.stdout.readline()
            before = self.state(subject)
            out, error = load.communicate("\n" if "ready" in first else None, timeout=900)
        if load.returncode:
            raise SystemExit(f"{subject.label}: load {act} {options}: {error}")
        flushes = self.disk.counters()[1] - before.flushes
        used = self.state(subject) - before
        return json.loads(out.splitlines()[-1]), used, flushes

    def note(self, subject, **values):
        for name, value in values.items():
            self.rows[subject.label].setdefault(name, []).append(value)

    def next_offset(self, messages):
        self.offset += messages
        return self.offset - messages

    # ---- what is measured

    def prepare(self, subject):
        """10 people with `stored` messages each, one with `big`."""
        relaxed = {"relaxed": True} if isinstance(subject, Theirs) else {}
        subject.start(**relaxed)
        say(f"{subject.label}: filling")
        start = time.monotonic()
        self.load(subject, "fill", messages=self.plan["stored"], size=4096)
        big = self.load(subject, "fill", BIG, messages=self.plan["big"], size=1500)
        self.note(subject, fill_per_s=self.plan["big"] / big["seconds"])
        subject.stop()
        say(f"{subject.label}: filled in {time.monotonic() - start:.0f} s")

    def idle_memory(self, subject):
        """Just started and one letter in; then with sessions in IDLE."""
        self.load(subject, "lone", ALONE, messages=1, size=4096, offset=self.next_offset(1))
        time.sleep(self.plan["settle"])
        pss, processes = measure.memory(subject.roots())
        self.note(subject, idle_pss=pss, processes=processes)
        count = self.plan["idle"]
        command = self.command(subject, "idle", PEOPLE, connections=count)
        sessions = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        opened = sessions.stdout.readline()
        if f'"open":{count},' not in opened:
            raise SystemExit(f"{subject.label}: {count} IDLE sessions: {opened!r}")
        time.sleep(self.plan["settle"])
        pss, processes = measure.memory(subject.roots())
        self.note(subject, sessions_pss=pss, sessions_processes=processes)
        sessions.stdin.close()
        sessions.wait(60)

    def deliveries(self, subject, connections, size, messages, each=0):
        told, used, _ = self.measured(
            subject, "deliver", messages=messages, size=size, connections=connections,
            each=each, offset=self.next_offset(messages),
        )
        name = f"{connections}x{size}" + ("x1" if each else "")
        self.note(subject, **{
            f"{name} accepted": messages / told["accepted_s"],
            f"{name} delivered": messages / told["delivered_s"],
            f"{name} p99": told["p99_ms"],
            f"{name} cpu": used.cpu * 1000 / messages,
            f"{name} kib": used.written / 1024 / messages,
            f"{name} flushes": used.flushes / messages,
        })

    def state(self, subject):
        """Counters with nothing under way: what is dirty is written first."""
        self.disk.sync()
        return measure.State(measure.cpu(subject.roots()), *self.disk.counters())

    def lone(self, subject):
        """Flushes are counted before the closing sync, bytes after it."""
        messages = self.plan["alone"]
        told, used, flushes = self.measured(
            subject, "lone", ALONE, messages=messages, size=4096,
            offset=self.next_offset(messages),
        )
        self.note(
            subject,
            lone_kib=used.written / 1024 / messages,
            lone_flushes=flushes / messages,
            lone_cpu=used.cpu * 1000 / messages,
            **{f"lone_{name}": value for name, value in told.items()},
        )

    def leaving(self, subject, domains, messages):
        told, used, _ = self.measured(
            subject, "leave", messages=messages, size=4096, connections=16, domains=domains,
            sink=SINK_PORT, offset=self.next_offset(messages),
        )
        self.note(subject, **{
            f"submitted {domains}": messages / told["submitted_s"],
            f"drained {domains}": messages / told["drained_s"],
            f"leave {domains} cpu": used.cpu * 1000 / messages,
            f"leave {domains} kib": used.written / 1024 / messages,
            f"leave {domains} flushes": used.flushes / messages,
        })

    def pages(self, office):
        """An office of its own, with mail, stories and a queue."""
        office.start()
        say("pages: an office is made")
        people, plan = page_times.OFFICE, self.plan["office"]
        self.load(office, "fill", people, messages=plan["messages"] // len(people), size=4096)
        self.load(
            office, "deliver", people, messages=plan["stories"], size=4096, connections=16,
            each=0, offset=self.next_offset(plan["stories"]),
        )
        page_times.queue(office.server, plan["queue"])
        say("pages: asked for")
        told = page_times.measured(office.server, self.plan["pages"])
        office.stop()
        shutil.rmtree(office.server.data)
        return told

    def mailbox(self, subject):
        rounds = self.plan["mailbox_rounds"]
        told = self.load(subject, "mailbox", BIG, messages=self.plan["big"], rounds=rounds)
        self.note(subject, **{f"mailbox {name}": row["ms"] for name, row in told.items()})
        self.note(subject, **{f"found {name}": row["found"] for name, row in told.items()})

    def one_round(self, number):
        for subject in self.subjects:
            subject.start()
            say(f"round {number + 1}, {subject.label}")
            time.sleep(self.plan["settle"])
            if not self.leaving_alone:
                self.arriving(subject, number)
            for domains, messages in self.plan["leave"].items():
                self.leaving(subject, domains, messages)
            subject.stop()

    def arriving(self, subject, number):
        if number == 0:
            self.idle_memory(subject)
            self.mailbox(subject)
        self.lone(subject)
        for (connections, size), messages in self.plan["messages"].items():
            self.deliveries(subject, connections, size, messages)
        self.deliveries(subject, 16, 4096, self.plan["messages"][16, 4096], each=1)

    def run(self):
        for subject in self.subjects:
            self.prepare(subject)
        for number in range(self.plan["rounds"]):
            self.one_round(number)
            yield number + 1, {
                label: {name: statistics.median(values) for name, values in row.items()}
                for label, row in self.rows.items()
            }


def say(text):
    print(f"bench {time.monotonic() - START:6.1f} s: {text}", flush=True)


def build_load():
    command = "cargo build --profile quick --locked --quiet --example load"
    subprocess.run(command.split(), cwd=ROOT, check=True)
    return ROOT / "target/quick/examples/load"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--only", choices=["ours"], help="without the peers")
    arguments.add_argument("--rows", choices=["leaving", "pages"], help="these alone")
    chosen = arguments.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("bench needs root: it mounts a file, and Postfix and Dovecot want users")
    plan = QUICK if chosen.quick else FULL
    if chosen.rows == "leaving":
        plan = plan | dict(stored=10, big=10)
    if not island.entered():
        os.environ[LOAD] = str(build_load())
    # Postfix asks whom /etc/resolv.conf names: in mounts of our own it is our names.
    island.enter(network=False)
    load = Path(os.environ[LOAD])
    scratch = Path(tempfile.mkdtemp(prefix="mailroom-bench."))
    scratch.chmod(0o755)
    subjects = []
    (scratch / "resolv.conf").write_text(f"nameserver {NAMES}\n")
    mount = ["mount", "--bind", scratch / "resolv.conf", "/etc/resolv.conf"]
    subprocess.run(mount, check=True)
    try:
        with measure.Disk(scratch, gib=8) as disk:
            pages = None
            if chosen.rows != "leaving":
                pages = pages_of(disk, scratch, plan, load)
            if chosen.rows == "pages":
                print(report.pages(pages, plan))
                return
            tls = certificate(scratch / "tls")
            subjects.append(Ours(disk.mount, scratch))
            if not chosen.only:
                for flavour in ("mdbox", "maildir"):
                    subjects.append(Theirs(disk.mount, scratch, flavour, tls))
            try:
                for rounds, results in Bench(disk, plan, subjects, load, chosen.rows).run():
                    tell(chosen, subjects, (results, pages), plan | {"rounds": rounds})
            finally:
                for subject in subjects:
                    subject.stop()
    finally:
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)
        subprocess.run(["rm", "-rf", scratch], check=True)


def pages_of(disk, scratch, plan, load):
    office = Ours(disk.mount, scratch, "office", page_times.OFFICE)
    try:
        return Bench(disk, plan, [office], load).pages(office)
    finally:
        office.stop()


def tell(chosen, subjects, found, plan):
    """Written anew after each round."""
    results, pages = found
    if chosen.rows:
        print(report.leaving(results, list(results), plan), flush=True)
        return
    configurations = {}
    for subject in subjects:
        configurations |= subject.configuration()
    scratch = str(subjects[0].server.log.parent)
    configurations = {n: text.replace(scratch, "DIR") for n, text in configurations.items()}
    if plan["rounds"] == 1:
        for name, text in configurations.items():
            print(f"---- {name}\n{text}")
    folder = Path("/tmp/mailroom-bench-quick") if chosen.quick or chosen.only else HERE
    report.write(folder, (results, pages), configurations, plan, time.monotonic() - START)
    say(f"results of {plan['rounds']} rounds in {folder}/results.md")


LOAD = "MAILROOM_BENCH_LOAD"
START = time.monotonic()

if __name__ == "__main__":
    main()
