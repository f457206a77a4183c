"""Faults planted in what the server shows: the ledger must notice each (run before every suite)."""

from ledger import Ledger, copies
from outside import Outside

ACCOUNT = "ann@office.test"
INBOX = copies(("INBOX", ()))
EMPTY = frozenset()


def honest():
    """A ledger that was acknowledged two messages with uids 1 and 2, and has looked once."""
    ledger = Ledger()
    for uid, identity in ((1, "one"), (2, "two")):
        ledger.acknowledge(ledger.intend([(ACCOUNT, identity)], lambda _: INBOX))
        ledger.told_uid(ACCOUNT, "INBOX", uid, identity)
    look(ledger, {1: ("one", EMPTY), 2: ("two", EMPTY)})
    return ledger


def look(ledger, messages, validity=7, uidnext=9):
    before = ledger.reconcile(ACCOUNT, {"INBOX": (validity, uidnext, messages)})
    ledger.check_acts(before)


GOOD = {1: ("one", EMPTY), 2: ("two", EMPTY)}
PLANTED = {
    "a message is lost": dict(messages={1: ("one", EMPTY)}),
    "a message is there twice": dict(messages=GOOD | {3: ("two", EMPTY)}),
    "a flag came by itself": dict(messages=GOOD | {2: ("two", frozenset(["\\Seen"]))}),
    "a stranger is there": dict(messages=GOOD | {3: ("three", EMPTY)}),
    "a uid names another message": dict(messages={1: ("two", EMPTY), 2: ("one", EMPTY)}),
    "uidvalidity changed": dict(messages=GOOD, validity=8),
    "uidnext went back": dict(messages=GOOD, uidnext=2),
}


# What a kill leaves of one acknowledged submission to "to@b.test" and one to "refused@b.test":
# (arrivals, waiting, reported) of one life after the other.
TO, REFUSED = "to@b.test", "refused@b.test"
HONEST = [([], [TO, REFUSED], []), ([TO], [TO, REFUSED], []), ([TO], [], [REFUSED]), ([], [], [])]
OUTSIDE = {
    "a submission is lost": [([], [REFUSED], [])],
    "a report is lost": [([TO], [], [])],
    "a report came twice": [([TO], [], [REFUSED, REFUSED])],
    "sent was reported": [([TO], [], [TO, REFUSED])],
    "sent again outside of the window": [([TO], [], [REFUSED]), ([TO], [], [])],
    "sent twice in one life": [([TO, TO], [], [REFUSED])],
    "a stranger was sent": [([TO, "who@b.test"], [], [REFUSED])],
    "half of a letter": [([TO], [REFUSED, "half@b.test"], [])],
}


def outside(lives):
    faults = []
    owed = Outside(faults.append)
    owed.acknowledge(owed.intend("one", [TO, REFUSED], []))
    owed.intend("two", ["half@b.test", "other-half@b.test"], [])
    for arrivals, waiting, reported in lives:
        owed.after_kill(arrivals, waiting)
        owed.after_start(reported, lambda key: False)
    return faults, owed.again


def check_outside():
    missed = [f"not noticed: {name}" for name, lives in OUTSIDE.items() if not outside(lives)[0]]
    faults, again = outside(HONEST)
    if faults or again != 1:
        missed.append(f"false alarm: {faults}, {again} sent again")
    return missed


def check():
    """The planted faults that were not noticed, and false alarms."""
    missed = check_outside()
    quiet = honest()
    look(quiet, GOOD)
    if quiet.faults:
        missed.append(f"false alarm: {quiet.faults}")
    for name, shown in PLANTED.items():
        ledger = honest()
        look(ledger, **shown)
        if not ledger.faults:
            missed.append(f"not noticed: {name}")

    keys = [(ACCOUNT, "half"), (ACCOUNT, "other half")]
    for together, shown in ((True, GOOD), (False, GOOD | {3: ("half", EMPTY)})):
        ledger = honest()
        ledger.intend(keys, lambda _: INBOX)
        look(ledger, shown)
        if bool(ledger.faults) == together:
            missed.append(f"half of an act: {ledger.faults}")

    # A new message may take a uid below one that was told, but not below one that was seen.
    ledger = honest()
    ledger.intend([(ACCOUNT, "late")], lambda _: INBOX)
    look(ledger, GOOD)
    ledger.intend([(ACCOUNT, "later")], lambda _: INBOX)
    ledger.highest[ACCOUNT, "INBOX"] = 5
    look(ledger, GOOD | {4: ("later", EMPTY)})
    if not ledger.faults:
        missed.append("not noticed: a new uid below an old one")
    return missed
