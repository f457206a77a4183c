"""The load: workers that act over SMTP, submission, IMAP and POP3 and write down what was
acknowledged.

Each ends when its connection breaks (the server was killed). A refusal is a fault."""

import email
import hashlib
import imaplib
import poplib
import re
import smtplib
import socket
import ssl
import threading

from ledger import GONE, copies
from outside import REFUSED

imaplib._MAXLINE = 50_000_000
BROKEN = (OSError, EOFError, imaplib.IMAP4.abort, smtplib.SMTPServerDisconnected)
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$One", "$Two"]


def body(identity):
    """The text of a message, told by its id: 200 bytes to 20 KiB."""
    seed = hashlib.sha256(identity.encode()).hexdigest()
    lines = 3 + int(seed[:4], 16) % (300 if seed[4] < "4" else 20)
    return "".join(f"{seed} {number}\r\n" for number in range(lines))


def letter(identity, sender="a@example.org"):
    head = [f"From: {sender}", f"Message-ID: <{identity}@example.org>", f"X-Id: {identity}"]
    return ("\r\n".join(head) + "\r\n\r\n" + body(identity)).encode()


class Worker(threading.Thread):
    def __init__(self, run, name, rng):
        super().__init__(daemon=True)
        self.label, self.rng, self.count = name, rng, 0
        self.ledger, self.server, self.people = run.ledger, run.server, run.people
        self.generation = run.generation
        self.acts = 0

    def run(self):
        try:
            self.work()
        except BROKEN as error:
            if isinstance(error, TimeoutError):
                self.ledger.refusals.append(f"{self.label}: no answer in time: {error!r}")
        except Exception as error:
            if not is_broken(error):
                self.ledger.refusals.append(f"{self.label}: {error!r}")

    def new_id(self):
        self.count += 1
        return f"{self.label}-{self.generation}-{self.count}"

    def imap(self, account):
        session = self.server.imap(60)
        session.login(account, self.people[account])
        return session

    def append(self, session, account, mailbox, flags=()):
        identity = self.new_id()
        key = (account, identity)
        act = self.ledger.intend([key], lambda _: copies((mailbox, flags)))
        said = good(session.append(mailbox, f"({' '.join(flags)})", None, letter(identity)))
        self.ledger.acknowledge(act)
        self.acts += 1
        uid = int(re.search(rb"APPENDUID \d+ (\d+)", said[-1])[1])
        self.ledger.told_uid(account, mailbox, uid, identity)
        return uid, identity


def good(answer):
    status, data = answer
    if status != "OK":
        raise AssertionError(f"{status} {data}")
    return data


def is_broken(error):
    """poplib and imaplib wrap a lost connection in their own error."""
    return "EOF" in str(error) or "socket error" in str(error)


class Deliver(Worker):
    """SMTP: one letter after another on a connection, to one person or to two at once."""

    def __init__(self, run, name, rng, accounts):
        super().__init__(run, name, rng)
        self.accounts = accounts

    def work(self):
        session = smtplib.SMTP(self.server.host, self.server.ports["smtp"], timeout=60)
        session.ehlo("load.example")
        while True:
            identity = self.new_id()
            to = self.rng.sample(self.accounts, self.rng.randint(1, len(self.accounts)))
            keys = [(account, identity) for account in to]
            act = self.ledger.intend(keys, lambda _: copies(("INBOX", ())))
            refused = session.sendmail("a@example.org", to, letter(identity))
            if refused:
                raise AssertionError(f"refused: {refused}")
            self.ledger.acknowledge(act)
            self.acts += 1


class Submit(Worker):
    """Port 587: letters of one person to people elsewhere, some of whom are refused there, and
    now and then to one of ours in the same letter."""

    def __init__(self, run, name, rng, sender, readers):
        super().__init__(run, name, rng)
        self.outside, self.sender, self.readers = run.outside, sender, readers

    def work(self):
        tls = ssl.create_default_context(cafile=self.server.ca)
        tls.check_hostname = False
        port = self.server.ports["submission"]
        session = smtplib.SMTP(self.server.host, port, "load.example", timeout=60)
        session.starttls(context=tls)
        session.login(self.sender, self.people[self.sender])
        while True:
            identity = self.new_id()
            elsewhere = [self.address(identity, number) for number in range(self.rng.randint(1, 3))]
            inside = self.rng.sample(self.readers, 1) if self.inside_too() else []
            keys = [(account, identity) for account in inside]
            placed = self.ledger.intend(keys, lambda _: copies(("INBOX", ())))
            owed = self.outside.intend(identity, elsewhere, keys)
            octets = letter(identity, self.sender)
            refused = session.sendmail(self.sender, [*elsewhere, *inside], octets)
            if refused:
                raise AssertionError(f"refused: {refused}")
            self.outside.acknowledge(owed)
            self.ledger.acknowledge(placed)
            self.acts += 1

    def inside_too(self):
        return self.readers and self.rng.random() < 0.3

    def address(self, identity, number):
        kind = REFUSED if self.rng.random() < 0.1 else "to"
        return f"{kind}-{identity}-{number}@out{self.rng.randrange(4)}.test"


class Append(Worker):
    """APPEND to INBOX, now and then two in one command (MULTIAPPEND: all or none)."""

    def __init__(self, run, name, rng, account):
        super().__init__(run, name, rng)
        self.account = account

    def work(self):
        session = self.imap(self.account)
        while True:
            if self.rng.random() < 0.3:
                self.append_two(session)
            else:
                flags = self.rng.sample(FLAGS, self.rng.randint(0, 3))
                self.append(session, self.account, "INBOX", flags)

    def append_two(self, session):
        identities = [self.new_id(), self.new_id()]
        keys = [(self.account, identity) for identity in identities]
        act = self.ledger.intend(keys, lambda _: copies(("INBOX", ())))
        command = b"T APPEND INBOX"
        for identity in identities:
            raw = letter(identity)
            command += b" {%d+}\r\n" % len(raw) + raw
        session.send(command + b"\r\n")
        while not (line := session.readline()).startswith(b"T "):
            if not line:
                raise EOFError
        if not line.startswith(b"T OK"):
            raise AssertionError(line)
        self.ledger.acknowledge(act)
        self.acts += 1


class Flag(Worker):
    """Flags of its own mailbox are set and replaced; now and then a message is expunged."""

    def __init__(self, run, name, rng, account):
        super().__init__(run, name, rng)
        self.account, self.mailbox = account, name

    def work(self):
        session = self.imap(self.account)
        session.create(self.mailbox)
        good(session.select(self.mailbox))
        mine = {}
        for _ in range(4):
            uid, identity = self.append(session, self.account, self.mailbox)
            mine[uid] = identity
        while True:
            uids = self.rng.sample(sorted(mine), self.rng.randint(1, 3))
            if self.rng.random() < 0.15:
                self.expunge(session, uids[0], mine.pop(uids[0]))
                uid, identity = self.append(session, self.account, self.mailbox)
                mine[uid] = identity
                continue
            flags = self.rng.sample(FLAGS, self.rng.randint(0, 4))
            keys = [(self.account, mine[uid]) for uid in uids]
            act = self.ledger.intend(keys, lambda _: copies((self.mailbox, flags)))
            which = ",".join(map(str, uids))
            good(session.uid("STORE", which, "FLAGS", f"({' '.join(flags)})"))
            self.ledger.acknowledge(act)
            self.acts += 1

    def expunge(self, session, uid, identity):
        key = (self.account, identity)
        act = self.ledger.intend([key], lambda _: copies((self.mailbox, ["\\Deleted"])))
        good(session.uid("STORE", str(uid), "FLAGS.SILENT", "(\\Deleted)"))
        self.ledger.acknowledge(act)
        act = self.ledger.intend([key], lambda _: GONE)
        good(session.uid("EXPUNGE", str(uid)))
        self.ledger.acknowledge(act)
        self.acts += 2


class Move(Worker):
    """Messages go from one of its two mailboxes to the other and back; some are copied."""

    def __init__(self, run, name, rng, account):
        super().__init__(run, name, rng)
        self.account = account
        self.boxes = [f"{name}-left", f"{name}-right"]

    def work(self):
        session = self.imap(self.account)
        for box in self.boxes:
            session.create(box)
        here, there = self.boxes
        mine = {}
        for _ in range(6):
            uid, identity = self.append(session, self.account, here, ["\\Flagged"])
            mine[uid] = identity
        while True:
            good(session.select(here))
            chosen = self.rng.sample(sorted(mine), self.rng.randint(1, len(mine)))
            rest = {uid: mine[uid] for uid in mine if uid not in chosen}
            moved = self.transfer(session, "MOVE", chosen, mine, there)
            if rest and self.rng.random() < 0.2:
                self.copy(session, next(iter(rest)), rest, there)
            # The rest follows, so that all are in one place again.
            if rest:
                moved |= self.transfer(session, "MOVE", sorted(rest), rest, there)
            mine, here, there = moved, there, here

    def copy(self, session, uid, rest, there):
        """A copy breaks the rule of one place each: the message and its copy are left behind."""
        identity = rest.pop(uid)
        key = (self.account, identity)
        mailbox = self.ledger.placed(key)[0][0]
        both = copies((mailbox, ["\\Flagged"]), (there, ["\\Flagged"]))
        act = self.ledger.intend([key], lambda _: both)
        good(session.uid("COPY", str(uid), there))
        self.ledger.acknowledge(act)
        self.acts += 1
        new, new_identity = self.append(session, self.account, mailbox, ["\\Flagged"])
        rest[new] = new_identity
        session.noop()

    def transfer(self, session, command, uids, mine, there):
        keys = [(self.account, mine[uid]) for uid in uids]
        act = self.ledger.intend(keys, lambda _: copies((there, ["\\Flagged"])))
        session.untagged_responses.clear()
        good(session.uid(command, ",".join(map(str, uids)), there))
        self.ledger.acknowledge(act)
        self.acts += 1
        told = session.response("COPYUID")[1][-1].split()
        old, new = numbers(told[1]), numbers(told[2])
        moved = {}
        for before, after in zip(old, new, strict=True):
            moved[after] = mine[before]
            self.ledger.told_uid(self.account, there, after, mine[before])
        return moved


def numbers(text):
    found = []
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


class Take(Worker):
    """POP3: reads and deletes; only what QUIT acknowledged is gone, all of it or nothing."""

    def __init__(self, run, name, rng, account):
        super().__init__(run, name, rng)
        self.account = account

    def work(self):
        while True:
            session = self.pop3()
            total = session.stat()[0]
            keys = []
            for number in range(1, min(total, 6) + 1):
                lines = session.retr(number)[1]
                identity = next(line[6:].decode() for line in lines if line.startswith(b"X-Id: "))
                if self.rng.random() < 0.7:
                    session.dele(number)
                    keys.append((self.account, identity))
            # The deliverer may not have read its 250 yet: what we saw is there.
            self.ledger.acknowledge(dict.fromkeys(keys, copies(("INBOX", ()))))
            act = self.ledger.intend(keys, lambda _: GONE)
            session.quit()
            self.ledger.acknowledge(act)
            self.acts += 1

    def pop3(self):
        session = poplib.POP3(self.server.host, self.server.ports["pop3"], timeout=60)
        session.user(self.account)
        session.pass_(self.people[self.account])
        return session


def look(server, account, password, seen_bodies, ledger):
    """All that an account has: {mailbox: (uidvalidity, uidnext, {uid: (id, flags)})}."""
    session = server.imap(120)
    session.login(account, password)
    found = {}
    for line in good(session.list()):
        mailbox = re.search(rb'([^" ]+)"?$', line)[1].decode()
        good(session.select(mailbox, readonly=True))
        validity = int(session.response("UIDVALIDITY")[1][0])
        uidnext = int(session.response("UIDNEXT")[1][0])
        messages = {}
        rows = good(session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (X-ID)])"))
        for position, row in enumerate(rows):
            if not isinstance(row, tuple):
                continue
            about = row[0] + rows[position + 1]
            uid = int(re.search(rb"UID (\d+)", about)[1])
            flags = re.search(rb"FLAGS \(([^)]*)\)", about)[1].decode().split()
            identity = row[1].decode().partition(":")[2].strip()
            messages[uid] = (identity, frozenset(flags) - {"\\Recent"})
        found[mailbox] = (validity, uidnext, messages)
        check_bodies(session, account, mailbox, messages, seen_bodies, ledger)
    session.logout()
    return found


def reports(server, account, password, after):
    """The addresses that the reports with a uid above `after` are about, and the highest uid."""
    session = server.imap(120)
    session.login(account, password)
    good(session.select("INBOX", readonly=True))
    addresses = []
    for row in good(session.uid("FETCH", f"{after + 1}:*", "(UID BODY.PEEK[])")):
        if not isinstance(row, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", row[0])[1])
        if uid > after:
            after = uid
            told = email.message_from_bytes(row[1])
            fields = [part["Final-Recipient"] for part in told.walk()]
            addresses += [field.partition(";")[2].strip() for field in fields if field]
    session.logout()
    return addresses, after


def check_bodies(session, account, mailbox, messages, seen, ledger):
    """Every message once: its text is the one that was sent."""
    fresh = {uid: identity for uid, (identity, _) in messages.items()
             if (account, identity) not in seen}
    if not fresh:
        return
    for row in good(session.uid("FETCH", ",".join(map(str, fresh)), "(BODY.PEEK[TEXT])")):
        if not isinstance(row, tuple):
            continue
        uid = int(re.search(rb"UID (\d+)", row[0])[1])
        if row[1] != body(fresh[uid]).encode():
            ledger.fault(f"{account} {mailbox} {fresh[uid]}: its text is not what was sent")
        seen.add((account, fresh[uid]))


def empty(server, account, password, ledger, many):
    """Expunges an INBOX of many messages, so that looking at all stays quick."""
    session = server.imap(120)
    session.login(account, password)
    if int(good(session.select("INBOX"))[0]) <= many:
        session.logout()
        return
    good(session.store("1:*", "+FLAGS.SILENT", "(\\Deleted)"))
    good(session.expunge())
    session.logout()
    for key, outcomes in list(ledger.outcomes.items()):
        if key[0] == account and outcomes[0][0][0] == "INBOX":
            del ledger.outcomes[key]


socket.setdefaulttimeout(60)
