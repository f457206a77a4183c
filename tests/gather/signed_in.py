"""People who log in with tokens (XOAUTH2): by IMAP and POP3 at Dovecot, and by SMTP. A token is got
with a code that is typed in elsewhere, renewed when the server says that it ended, and when it is
taken back the person is told once and is asked for less and less often."""

import json
import subprocess

from people import Person
from provider import TOKENS
from proxy import Proxy
from sink import until
from tokens import CLIENT, Submission

PERSON = "-has-a-long-password-here"


def story(check, home, provider, tokens, reader):
    imap, pop3 = Proxy(provider.imaps), Proxy(provider.pop3s)
    submission = Submission(tokens)
    ways = {"tim": (TOKENS[0], ["--imap"], imap), "pat": (TOKENS[1], ["--pop3"], pop3)}
    for name, (address, way, proxy) in ways.items():
        done = home.cli(
            "collect", "add", f"{name}@office.test", address, *way, "--host", "127.0.0.1",
            "--port", proxy.port, "--smtp-host", "127.0.0.1", "--smtp-port", submission.port,
            "--client-id", CLIENT, "--device-url", tokens.url("device"),
            "--token-url", tokens.url("token"), "--scope", "mail", check=False,
        )
        check(f"{name}: an account without a password", done.returncode == 0, done.stderr)
        provider.deliver(1, address)
        check(f"{name}: signs in with a code", signs_in(home, tokens, name, address))
        look = reader(home, name)
        check(f"{name}: the first letter comes", look.until(1))
        before = len(tokens.renewed(address))
        tokens.expire(address)
        proxy.break_all()
        provider.deliver(2, address)
        check(f"{name}: a token that ended is renewed", look.until(2))
        check(f"{name}: by the server's word", len(tokens.renewed(address)) > before)
        look.close()
    leaves(check, home, tokens, submission)
    for name, (address, _, proxy) in ways.items():
        taken_back(check, home, tokens, (name, address, proxy), reader)
        home.cli("collect", "remove", f"{name}@office.test", address)
    submission.stop()


def signs_in(home, tokens, name, address):
    command = [home.binary, "collect", "sign-in", f"{name}@office.test", address, "--data",
               home.data]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    tokens.type_in(address)
    told, _ = process.communicate(timeout=90)
    return process.returncode == 0 and "CODE-" in told


def leaves(check, home, tokens, submission):
    """Mail with that address leaves by the provider, which looks at the token too."""
    address = TOKENS[0]
    tim = Person.of(home, "tim@office.test", "tim" + PERSON)
    tim.send("friend@far.test", "by token", sender=address)
    check("a letter leaves by token", submission.waits(lambda it: len(it.letters) == 1))
    tokens.expire(address)
    submission.break_all()
    tim.send("friend@far.test", "after it ended", sender=address)
    ended = "after why: b''"
    check("why it fails is heard to its end", submission.waits(lambda it: ended in it.logins),
          submission.logins)
    waits = until(lambda: [row for row in outbox(home) if "535" in str(row)], 60)
    check("the letter waits", waits, outbox(home))
    for row in waits:
        home.cli("outbox", "now", row["id"])
    check("and leaves with a new token", submission.waits(lambda it: len(it.letters) == 2),
          submission.logins)
    froms = {letter.sender for letter in submission.letters}
    check("in the name of the address", froms == {address}, froms)


def outbox(home):
    return json.loads(home.cli("outbox", "list", "--json").stdout)["outbox"]


def taken_back(check, home, tokens, who, reader):
    name, address, proxy = who
    look, words = reader(home, name), f"Mail of {address} is not collected"
    # Who has not signed in yet may have been told so, too.
    told_before = look.told(words)
    look.close()
    before = len(tokens.renewed(None))
    tokens.revoke(address)
    proxy.break_all()
    asked = lambda: len(tokens.renewed(None)) >= before + 3
    check(f"{name}: it is asked for again", tokens.waits(asked, 120))
    at = tokens.renewed(None)[before:]
    first, second = at[1] - at[0], at[2] - at[1]
    # An hour and two, where a look takes place every two minutes at most: here 3 s and 6 s, 0.1 s.
    check(f"{name}: polling slows", second > first > 1, (first, second))
    look = reader(home, name)
    told = look.told(words) - told_before
    check(f"{name}: the person is told once", told == 1, told)
    look.close()
    shown = json.loads(home.cli("collect", "show", f"{name}@office.test", address, "--json").stdout)
    check(f"{name}: what to do is shown", "igns in" in str(shown) or "ign in" in str(shown), shown)
