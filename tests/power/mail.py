"""The load, and what must be found of it after a cut at a place of the log."""

import mailbox
from collections import Counter

import load
from ledger import Ledger, copies


class Post(load.Worker):
    """Submission of letters to one person or to two at once."""

    def __init__(self, run, name, rng, sender, accounts):
        super().__init__(run, name, rng)
        self.sender, self.accounts = sender, accounts

    def work(self):
        session = self.server.submission(60)
        session.login(self.sender, self.people[self.sender])
        while True:
            identity = self.new_id()
            to = self.rng.sample(self.accounts, self.rng.randint(1, len(self.accounts)))
            keys = [(account, identity) for account in to]
            act = self.ledger.intend(keys, lambda _: copies(("INBOX", ())))
            refused = session.sendmail(self.sender, to, load.letter(identity, self.sender))
            if refused:
                raise AssertionError(f"refused: {refused}")
            self.ledger.acknowledge(act)
            self.acts += 1


class Recorder(Ledger):
    """Notes for each new message where the log was before it was sent, and when it was
    acknowledged. `place()`: where the log is now."""

    def __init__(self, place):
        super().__init__()
        self.place, self.letters = place, []

    def intend(self, keys, outcome_of):
        self.letters.append({"keys": keys, "sent": self.place(), "told": None})
        act = super().intend(keys, outcome_of)
        self.letters[-1]["act"] = act
        return act

    def acknowledge(self, act):
        place = self.place()
        for one in self.letters:
            if one.get("act") is act:
                one["told"] = place
        super().acknowledge(act)


def faults(letters, cut, found):
    """`found`: Counter of (account, id). `sent` and `told` are places of the log as `cut` is."""
    wrong, known = [], set()
    for letter in letters:
        counts = [found[key] for key in letter["keys"]]
        known.update(letter["keys"])
        if letter["told"] is not None and letter["told"] <= cut:
            if counts != [1] * len(counts):
                wrong.append(f"acknowledged at {letter['told']}: {letter['keys']}: {counts}")
        elif letter["sent"] > cut:
            if any(counts):
                wrong.append(f"not sent before {letter['sent']}: {letter['keys']}: {counts}")
        elif sorted(set(counts)) not in ([0], [1]):
            wrong.append(f"half of a letter, or twice: {letter['keys']}: {counts}")
    strangers = [key for key in found if key not in known]
    if strangers:
        wrong.append(f"not sent by anyone: {strangers[:3]}")
    return wrong


def owed(letters, cut):
    return sum(1 for one in letters if one["told"] is not None and one["told"] <= cut)


def in_files(cold, accounts):
    """Counter of (account, id) of a cold store, and texts that are not what was sent."""
    found, wrong = Counter(), []
    for number, account in enumerate(accounts):
        to = cold.data.parent / f"mail-of-{number}"
        done = cold.run("export", account, to)
        if done.returncode:
            return found, [f"export: {done.stdout}{done.stderr}"]
        for path in sorted(to.rglob("*")) if to.is_dir() else [to]:
            if not path.is_file():
                continue
            for message in mailbox.mbox(path, create=False):
                identity = message["X-Id"]
                found[account, identity] += 1
                text = message.get_payload().replace("\r\n", "\n").rstrip("\n")
                if text != load.body(identity).replace("\r\n", "\n").rstrip("\n"):
                    wrong.append(f"{account} {identity}: its text is not what was sent")
    return found, wrong


# ---- the check of the check ----


def blind():
    """Faults planted in what is found; those that are not noticed."""
    a, b = "ann", "ben"
    letters = [
        {"keys": [(a, "one"), (b, "one")], "sent": 1, "told": 5},
        {"keys": [(a, "two"), (b, "two")], "sent": 6, "told": 9},
        {"keys": [(a, "three")], "sent": 10, "told": None},
    ]
    one, two = Counter(letters[0]["keys"]), Counter(letters[1]["keys"])
    good = [(7, one), (7, one + two), (9, one + two), (0, Counter())]
    bad = [
        (7, Counter()),
        (5, Counter([(a, "one")])),
        (7, one + one),
        (7, one + Counter([(a, "two")])),
        (9, one),
        (9, one + two + Counter([(a, "three")])),
        (7, one + Counter([(a, "four")])),
    ]
    missed = [f"false alarm: {case}" for case in good if faults(letters, *case)]
    return missed + [f"not noticed: {case}" for case in bad if not faults(letters, *case)]
