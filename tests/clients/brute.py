#!/usr/bin/env python3
"""Guessing passwords: slowed or cut, the same answer for known and unknown names, nobody else is
locked out, and the right password works again in bounded time."""

import imaplib
import poplib
import smtplib
import socket
import statistics
import threading
import time

from common import *

tls = context()
GUESSES = int(environment.get("GUESSES", "12"))
UNLOCK_SECONDS = int(environment.get("UNLOCK_SECONDS", "60"))


def imap(user, password, source=None):
    session = imaplib.IMAP4_SSL.__new__(imaplib.IMAP4_SSL)
    if source:
        session._create_socket = lambda timeout: tls.wrap_socket(
            socket.create_connection((HOST, IMAPS), 40, (source, 0)),
            server_hostname=NAME,
        )
    session.__init__(NAME, IMAPS, ssl_context=tls, timeout=40)
    session.login(user, password)
    session.logout()


def pop3(user, password):
    session = poplib.POP3_SSL(NAME, POP3S, context=tls, timeout=40)
    session.user(user)
    session.pass_(password)
    session.quit()


def submission(user, password):
    session = smtplib.SMTP_SSL(NAME, SUBS, context=tls, timeout=40)
    session.login(user, password)
    session.quit()


def tried(login, *arguments):
    """What the server said ("OK" if it let us in), and how long it took."""
    start = time.monotonic()
    try:
        login(*arguments)
        said = "OK"
    except Exception as error:
        said = str(error)[:100]
    return said, time.monotonic() - start


def same_answer():
    for name, login in (("imap", imap), ("pop3", pop3), ("submission", submission)):
        if login is submission and not SUBS:
            continue
        known = tried(login, USER2, "bad-1")
        unknown = tried(login, f"ghost@{DOMAIN}", "bad-1")
        good = known[0] == unknown[0] != "OK"
        check(f"{name}: same answer for known and unknown", good, (known, unknown))


def same_time():
    """A fresh address each, so that no penalty of an address blurs it."""
    known = [tried(imap, USER2, "bad-2", f"127.0.1.{i}")[1] for i in range(1, 6)]
    unknown = [tried(imap, f"ghost{i}@{DOMAIN}", "bad-2", f"127.0.2.{i}")[1] for i in range(1, 6)]
    apart = abs(statistics.median(known) - statistics.median(unknown))
    check("similar time for known and unknown", apart < 0.7, (known, unknown))
    print("known", [round(t, 2) for t in known], "unknown", [round(t, 2) for t in unknown])


def guessing_is_slow():
    outcomes = []
    threads = [
        threading.Thread(target=lambda i=i: outcomes.append(tried(imap, USER2, f"guess {i}")))
        for i in range(GUESSES)
    ]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    total = time.monotonic() - start
    median = statistics.median(took for _, took in outcomes)
    check("no guess let in", all(said != "OK" for said, _ in outcomes))
    check("guessing is slowed", median >= 1 or total >= 2, (total, median))
    print(f"{GUESSES} guesses at once: {total:.1f} s, median {median:.2f} s")


def connection_is_cut():
    session = imaplib.IMAP4_SSL(NAME, IMAPS, ssl_context=tls, timeout=40)
    start, tries = time.monotonic(), 0
    while tries < 30 and time.monotonic() - start < 60:
        tries += 1
        try:
            session.login(f"ghost-cut@{DOMAIN}", "bad")
        except imaplib.IMAP4.abort:
            break
        except imaplib.IMAP4.error as error:
            if "BYE" in str(error):
                break
    cut = tries < 30
    check("connection cut after repeated failures, or slow", cut, tries)
    print(f"cut after {tries} tries, {time.monotonic() - start:.1f} s")


def nobody_else_is_locked_out():
    said = tried(imap, USER, PASS)
    check("another person can still log in", said[0] == "OK", said)
    said = tried(imap, USER2, PASS2, "127.0.3.1")
    check("the person can log in from elsewhere", said[0] == "OK", said)
    end = time.monotonic() + UNLOCK_SECONDS
    while (said := tried(imap, USER2, PASS2))[0] != "OK" and time.monotonic() < end:
        time.sleep(2)
    check(f"the right password works again within {UNLOCK_SECONDS} s", said[0] == "OK", said)


same_answer()
same_time()
guessing_is_slow()
connection_is_cut()
nobody_else_is_locked_out()
finish()
