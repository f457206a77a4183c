"""Letters collected by POP3 from Dovecot: they stay there, go at once, or go after three days; and
by IMAP, moved there. Lines break and the server is killed: each letter comes once, and none goes
there before it is here."""

import glob
import itertools
import time

from provider import DROPS, MOVED
from proxy import Proxy
from sink import until


def story(check, home, provider, ask, chance, reader):
    word, kills = ask
    pop3, imap = Proxy(provider.pop3s), Proxy(provider.imaps)
    ways = {DROPS["keep"]: ["--pop3", "--keep"], DROPS["go"]: ["--pop3", "--delete-after", 0],
            DROPS["days"]: ["--pop3", "--delete-after", 3], MOVED: ["--imap", "--move-to", "Done"]}
    numbers = {address: itertools.count(at * 1_000) for at, address in enumerate(ways, 1)}
    sent = {address: [] for address in ways}

    def deliver(most):
        for address in ways:
            for _ in range(chance.randrange(1, most)):
                number = next(numbers[address])
                provider.deliver(number, address)
                sent[address].append(number)

    deliver(4)
    for address, more in ways.items():
        port = pop3.port if "--pop3" in more else imap.port
        done = home.cli("collect", "add", "kim@office.test", address, "--host", "127.0.0.1",
                        "--port", port, "--password-file", word, *more, check=False)
        check(f"an outside account {address} is made", done.returncode == 0, done.stderr)
    everything = lambda: sorted(number for some in sent.values() for number in some)
    check("what lay there comes", comes(home, reader, everything()))
    for _ in range(kills):
        # Letters that wait while nobody collects, so that the kill meets what takes them over.
        deliver(5)
        # In the handshake, the log-in, the list, a letter.
        for proxy in (pop3, imap):
            proxy.cuts.extend(chance.randrange(300, 4_000) for _ in range(2))
        pop3.passes(chance.randrange(1, 20_000), lambda end=soon(): time.monotonic() > end)
        home.kill()
        deliver(3)
        home.start()
    pop3.cuts, imap.cuts = [], []
    check("after kills and cut lines all letters come", comes(home, reader, everything()))
    look = reader(home, "kim")
    check("each of them once", sorted(look.subjects()) == everything(), sorted(look.subjects()))
    look.close()
    check("lines were cut", pop3.cut > 0 and imap.cut > 0, (pop3.cut, imap.cut))
    lies = lambda address, wanted, folder="": until(
        lambda: provider.lying(address, folder) == sorted(wanted), 60
    )
    keep, go, days = (DROPS[way] for way in ("keep", "go", "days"))
    check("what is to stay there stays", lies(keep, sent[keep]), provider.lying(keep))
    check("what is to go at once goes", lies(go, []), provider.lying(go))
    check("what has three days stays", lies(days, sent[days]), provider.lying(days))
    check("what is to be moved is", lies(MOVED, sent[MOVED], ".Done"), provider.lying(MOVED))
    check("and nowhere else", lies(MOVED, []), provider.lying(MOVED))
    print(f"gather: {len(everything())} letters by POP3 and moved by IMAP, {kills} kills, "
          f"{pop3.cut + imap.cut} lines cut")
    # Four days later.
    home.stop()
    (library,) = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    ahead = {"LD_PRELOAD": library, "FAKETIME": "+4d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    home.env |= ahead
    home.start()
    check("after three days it goes", lies(days, []), provider.lying(days))
    check("what is to stay stays", lies(keep, sent[keep]), provider.lying(keep))
    look = reader(home, "kim")
    check("and still each is here once", sorted(look.subjects()) == everything())
    look.close()
    home.stop()
    for name in ahead:
        del home.env[name]
    home.start()


def soon():
    """A kill that meets nothing is none that is worth waiting for."""
    return time.monotonic() + 5


def comes(home, reader, wanted):
    look = reader(home, "kim")
    came = look.until(len(wanted))
    look.close()
    return came
