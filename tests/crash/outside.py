"""What the server owes to people elsewhere. Each submission goes to addresses of its own, so that
an address tells which message it is about; an address beginning with "refused" is refused by the
sink and its sender gets a report.

    submission sent       nowhere, or in the outbox, at the sink, or reported
    submission 250        in the outbox, at the sink, or reported: never nowhere
    at the sink, and in the outbox after a kill:
                          the one window. The sink had all of the message and answered, and the
                          server was killed before it had written that down: it is sent again.
"""

import json
import threading
from collections import Counter

REFUSED = "refused"


class Outside:
    def __init__(self, fault, told=lambda: None):
        self.fault = fault  # what to call with each fault
        self.told = told  # called when a submission was acknowledged
        self.lock = threading.Lock()
        self.letters = {}  # address: its id
        self.owed = set()  # acknowledged
        self.open = []  # (address.., keys inside) of submissions that had no answer yet
        self.arrived = Counter()
        self.window = set()
        self.reported = Counter()
        self.again = 0  # messages that came twice, each by the window
        self.windows = 0
        self.lost = []  # the faults that are the loss of something acknowledged

    def intend(self, identity, addresses, inside):
        act = (tuple(addresses), tuple(inside))
        with self.lock:
            self.open.append(act)
            self.letters.update(dict.fromkeys(addresses, identity))
        return act

    def acknowledge(self, act):
        with self.lock:
            self.owed.update(act[0])
            self.open.remove(act)
            self.told()

    def after_kill(self, arrivals, waiting):
        """`arrivals`: addresses that came to the sink since the last kill; `waiting`: those that
        the store at rest still wants to send to."""
        for address, times in Counter(arrivals).items():
            if address not in self.letters:
                self.fault(f"{address}: not sent by anyone, yet at the sink")
            if times > 1:
                self.fault(f"{address}: sent {times} times in one life of the server")
            if self.arrived[address]:
                if address not in self.window:
                    self.fault(f"{address}: sent again outside of the window")
                self.again += 1
            self.arrived[address] += times
        self.window = {address for address in waiting if self.arrived[address]}
        self.windows += len(self.window)
        self.waiting = set(waiting)

    def after_start(self, reported, is_there):
        """`reported`: addresses of the reports that came since the last look; `is_there(key)`: is
        this message in a mailbox here?"""
        for address in reported:
            self.reported[address] += 1
            if self.reported[address] > 1:
                self.fault(f"{address}: reported {self.reported[address]} times")
            if not address.startswith(REFUSED):
                self.fault(f"{address}: reported, but nobody refused it")
        for address in self.owed:
            if not self.placed(address):
                self.lost.append(f"{address}: acknowledged, and neither sent, waiting nor reported")
                self.fault(self.lost[-1])
        self.owed = {address for address in self.owed if not self.settled(address)}
        for addresses, inside in self.open:
            found = {self.placed(address) for address in addresses}
            found |= {is_there(key) for key in inside}
            if len(found) > 1:
                self.fault(f"half of one submission: {addresses} {inside}")
        self.open.clear()

    def settled(self, address):
        return bool(self.arrived[address] or self.reported[address])

    def placed(self, address):
        return self.settled(address) or address in self.waiting


def waiting(server):
    """The addresses that the outbox still wants to send to."""
    told = server.cli("outbox", "list", "--limit", "1000000", "--json").stdout
    return {
        recipient["address"]
        for row in json.loads(told)["outbox"]
        for recipient in row["recipients"]
        if recipient["state"] == "waiting"
    }
