"""What the server owes: for every message, the outcomes that its answers so far permit.

A message is told by the id in its X-Id header. An outcome is the sorted tuple of its copies, each
(mailbox, flags). Before an act is sent its outcome is added; when it is acknowledged only that
outcome is left; a kill in between leaves both:

    append sent        [(), (("INBOX", {}),)]
    append OK          [(("INBOX", {}),)]
    move sent          [(("A", {}),), (("B", {}),)]
"""

import threading


def copies(*placed):
    return tuple(sorted((mailbox, frozenset(flags)) for mailbox, flags in placed))


GONE = copies()


class Ledger:
    def __init__(self):
        self.outcomes = {}  # (account, id): [outcome, ...]
        self.acts = []  # acts under way on several keys: {key: outcome}
        self.uids = {}  # (account, mailbox, uid): id, for ever
        self.highest = {}  # (account, mailbox): the highest uid at the last look
        self.told = {}  # (account, mailbox): the highest uid ever told
        self.validity = {}  # (account, mailbox): uidvalidity
        self.faults = []
        self.refusals = []  # what the load was refused
        self.lock = threading.Lock()

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def intend(self, keys, outcome_of):
        """The act that was sent may now happen to all `keys` together, or to none. Gives the act,
        to be acknowledged."""
        act = {key: outcome_of(key) for key in keys}
        for key, outcome in act.items():
            self.outcomes[key] = [*self.outcomes.get(key, [GONE]), outcome]
        if len(act) > 1:
            with self.lock:
                self.acts.append(act)
        return act

    def acknowledge(self, act):
        """It happened: what was before it can't be any more (what came after it still may)."""
        for key, outcome in act.items():
            outcomes = self.outcomes[key]
            if outcome in outcomes:
                self.outcomes[key] = outcomes[last(outcomes, outcome) :]
        if len(act) > 1:
            with self.lock:
                self.acts = [other for other in self.acts if other is not act]

    def placed(self, key):
        """The one outcome that stands, where no act is under way."""
        (outcome,) = self.outcomes[key]
        return outcome

    def told_uid(self, account, mailbox, uid, identity):
        """A uid that the server told (APPENDUID, COPYUID) or showed."""
        key = (account, mailbox, uid)
        with self.lock:
            self.told[key[:2]] = max(uid, self.told.get(key[:2], 0))
            known = self.uids.setdefault(key, identity)
            if known != identity:
                self.faults.append(f"{key}: was {known}, is now {identity}")

    def reconcile(self, account, found):
        """`found`: {mailbox: (uidvalidity, uidnext, {uid: (id, flags)})}, all the account has.
        Counts the faults, and takes what is found as what must hold from now on."""
        placed = {}
        for mailbox, (validity, uidnext, messages) in found.items():
            self.check_uids(account, mailbox, validity, uidnext, messages)
            for identity, flags in messages.values():
                placed.setdefault((account, identity), []).append((mailbox, flags))
        placed = {key: copies(*each) for key, each in placed.items()}

        for key, outcome in placed.items():
            if key not in self.outcomes:
                self.fault(f"{key}: not sent by anyone, yet there: {shown(outcome)}")
        before = {}
        for key in [key for key in self.outcomes if key[0] == account]:
            allowed = self.outcomes[key]
            before[key] = allowed
            outcome = placed.get(key, GONE)
            if outcome not in allowed:
                wanted = " or ".join(shown(each) for each in allowed)
                self.fault(f"{key}: {shown(outcome)}, acknowledged: {wanted}")
            self.outcomes[key] = [outcome]
            if outcome == GONE:
                del self.outcomes[key]
        return before

    def check_uids(self, account, mailbox, validity, uidnext, messages):
        place = (account, mailbox)
        if self.validity.setdefault(place, validity) != validity:
            self.fault(f"{place}: uidvalidity was {self.validity[place]}, is {validity}")
        highest = self.highest.get(place, 0)
        for uid, (identity, _) in messages.items():
            if (*place, uid) not in self.uids and uid <= highest:
                self.fault(f"{place}: new uid {uid} below {highest}")
            self.told_uid(account, mailbox, uid, identity)
        self.highest[place] = self.told.get(place, 0)
        if uidnext <= self.highest[place]:
            self.fault(f"{place}: uidnext {uidnext}, uid {self.highest[place]} was given out")

    def check_acts(self, before):
        """Each act under way came about wholly or not at all. `before`: what reconcile gave back,
        of all accounts."""
        for act in self.acts:
            halves = {}
            for key, outcome in act.items():
                allowed, found = before[key], self.outcomes.get(key, [GONE])[0]
                if allowed.count(outcome) == 1 and found in allowed:
                    happened = last(allowed, found) >= allowed.index(outcome)
                    halves.setdefault(happened, []).append(key)
            if len(halves) > 1:
                self.fault(f"half of one act: done {halves[True]}, not done {halves[False]}")
        self.acts.clear()


def last(outcomes, outcome):
    return max(at for at, other in enumerate(outcomes) if other == outcome)


def shown(outcome):
    if not outcome:
        return "not there"
    return ", ".join(f"{mailbox}({' '.join(sorted(flags))})" for mailbox, flags in outcome)
