#!/usr/bin/env python3
"""smtplib, poplib, imaplib, IMAPClient, imap-tools and aioimaplib: ordinary use, and IDLE, MOVE,
UIDPLUS, CONDSTORE, SPECIAL-USE; at last 15 sessions on one mailbox."""

import asyncio
import email
import email.policy
import imaplib
import os
import poplib
import smtplib
import threading
import time
from email.message import EmailMessage

from aioimaplib import aioimaplib
from imap_tools import AND, MailBox, MailMessageFlags
from imapclient import IMAPClient

import look
from common import *

CAPABILITIES = """IMAP4REV1 IMAP4REV2 ENABLE ID IDLE NAMESPACE CHILDREN LITERAL+ SASL-IR UNSELECT
    UIDPLUS MOVE SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH
    SEARCHRES WITHIN BINARY MULTIAPPEND UTF8=ACCEPT QUOTA QUOTA=RES-STORAGE CONDSTORE
    QRESYNC""".split()
# What Dovecot 2.3 lacks, for proving these scripts against it (tests/clients/run --peer).
if environment.get("PEER"):
    for word in "IMAP4REV2 UTF8=ACCEPT QUOTA=RES-STORAGE CREATE-SPECIAL-USE".split():
        CAPABILITIES.remove(word)


def letter(subject, attachment=None):
    message = EmailMessage()
    message["From"] = "x@example.org"
    message["To"] = USER
    message["Subject"] = subject
    message["Message-ID"] = f"<{time.time_ns()}@example.org>"
    message.set_content("Grüße\n.\n..x\n")
    if attachment:
        message.add_attachment(
            attachment, maintype="application", subtype="octet-stream", filename="ä b.bin"
        )
    return message


def raw(subject):
    return letter(subject).as_bytes(policy=email.policy.SMTP)


def with_smtplib():
    session = smtplib.SMTP(NAME, SMTP, timeout=20)
    session.ehlo("c.example")
    check("STARTTLS offered", session.has_extn("starttls"))
    session.starttls(context=context())
    session.ehlo("c.example")
    for number in range(5):
        attachment = os.urandom(20_000) if number == 2 else None
        attempt(f"send {number}", session.send_message, letter(f"py {number}", attachment))
        look.waitcount("INBOX", number + 1)
    check("SIZE", int(session.esmtp_features.get("size") or 0) > 1_000_000)
    people = [f"no-such@{DOMAIN}", USER]
    refused = attempt("partial", session.sendmail, "x@example.org", people, raw("partial"))
    check("only the unknown was refused", refused and list(refused) == people[:1], refused)
    check("NOOP", session.noop()[0] == 250)
    check("RSET", session.rset()[0] == 250)
    check("VRFY tells nothing", session.verify(USER)[0] in (252, 502, 550))
    session.quit()
    check("6 arrived", look.waitcount("INBOX", 6))


def with_submission():
    session = smtplib.SMTP_SSL(NAME, SUBS, context=context(), timeout=20)
    try:
        session.login(USER, "bad")
        check("bad log-in refused", False)
    except smtplib.SMTPAuthenticationError as error:
        check("bad log-in refused", error.smtp_code == 535, error)
    session.close()
    session = smtplib.SMTP(NAME, SUB, timeout=20)
    session.starttls(context=context())
    attempt("log-in", session.login, USER, PASS)
    message = letter("submitted")
    message.replace_header("From", USER)
    attempt("submit", session.send_message, message, to_addrs=[USER2])
    session.quit()


def with_poplib():
    session = poplib.POP3_SSL(NAME, POP3S, context=context(), timeout=20)
    if not environment.get("PEER"):
        attempt("UTF8", session.utf8)
    session.user(USER)
    session.pass_(PASS)
    number, octets = session.stat()
    check("STAT", number == 6, number)
    check("UIDL", len({line.split()[1] for line in session.uidl()[1]}) == 6)
    first = b"\r\n".join(session.retr(1)[1])
    check("RETR", email.message_from_bytes(first)["Subject"] == "py 0")
    top = session.top(1, 0)[1]
    check("TOP", any(line.lower().startswith(b"subject:") for line in top))
    sizes = sum(int(line.split()[1]) for line in session.list()[1])
    check("sizes add up", sizes == octets, (sizes, octets))
    session.dele(6)
    session.rset()
    session.quit()
    check("RSET keeps", look.count("INBOX") == 6)

    session = poplib.POP3(NAME, POP3, timeout=20)
    check("CAPA has STLS", "STLS" in session.capa())
    session.stls(context())
    session.user(USER)
    session.pass_(PASS)
    session.dele(6)
    session.quit()
    check("DELE at QUIT", look.waitcount("INBOX", 5))


def with_imaplib():
    session = imaplib.IMAP4(NAME, IMAP)
    check("STARTTLS", "STARTTLS" in session.capabilities)
    session.starttls(context())
    attempt("LOGIN", session.login, USER, PASS)
    session.select("INBOX")
    check("SEARCH SUBJECT", session.search(None, "SUBJECT", '"py 2"')[1][0].split() != [])
    session.literal = "Grüße".encode()
    check("SEARCH in UTF-8", session.uid("SEARCH", "CHARSET", "UTF-8", "BODY")[0] == "OK")
    items = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
    rows = session.uid("FETCH", "1:*", items)[1]
    check("FETCH of much", len([row for row in rows if row]) >= 5, rows)
    part = session.fetch("1", "(BODY.PEEK[]<0.10>)")[1][0][1]
    check("partial FETCH", len(part) == 10, part)
    check("COPY", session.copy("1:2", "Archive")[0] == "OK")
    check("no such mailbox", session.select("No/Such")[0] == "NO")
    session.logout()


def imapclient():
    session = IMAPClient(NAME, port=IMAPS, ssl=True, ssl_context=context(), timeout=30)
    session.login(USER, PASS)
    return session


def with_imapclient():
    session = imapclient()
    offered = {word.decode().upper() for word in session.capabilities()}
    for word in CAPABILITIES:
        check(f"capability {word}", word in offered, offered)
    check("capability APPENDLIMIT", any(w.startswith("APPENDLIMIT") for w in offered)
          or environment.get("PEER"))
    flags = {flag.decode() for row in session.list_folders() for flag in row[0]}
    wanted = {"\\Sent", "\\Drafts", "\\Trash", "\\Junk", "\\Archive"}
    check("special use in LIST", wanted <= flags, flags)
    selected = session.select_folder("INBOX")
    check("HIGHESTMODSEQ", b"HIGHESTMODSEQ" in selected or environment.get("PEER"), selected)
    check("NAMESPACE", session.namespace().personal is not None)
    check("ID", attempt("id", session.id_, {"name": "test"}) is not None)
    check("SEARCH", isinstance(session.search(["SUBJECT", "py"], "UTF-8"), list))
    imapclient_flags(session)
    imapclient_folders(session)
    imapclient_idle(session)
    session.logout()


def imapclient_flags(session):
    uids = session.search(["ALL"])
    before = session.fetch(uids, ["MODSEQ"])
    session.add_flags(uids[:2], [b"\\Flagged", b"$Label1"])
    after = session.fetch(uids, ["FLAGS", "MODSEQ"])
    check("keyword", b"$Label1" in after[uids[0]][b"FLAGS"], after)
    check("MODSEQ grows", after[uids[0]][b"MODSEQ"] > before[uids[0]][b"MODSEQ"])
    highest = max(row[b"MODSEQ"][0] for row in before.values())
    changed = session.fetch(uids, ["FLAGS"], [f"CHANGEDSINCE {highest}"])
    check("CHANGEDSINCE", set(changed) == set(uids[:2]), changed)


def imapclient_folders(session):
    name = 'Ünï/日本 & "x"'
    uids = session.search()
    session.create_folder(name)
    check("CREATE with any letters", name in [row[2] for row in session.list_folders()])
    answer = session.append(name, raw("app"), [b"\\Seen"])
    check("APPENDUID", b"APPENDUID" in answer, answer)
    session.move(uids[:1], name)
    check("MOVE", session.folder_status(name, ["MESSAGES"])[b"MESSAGES"] == 2)
    check("moved away", uids[0] not in session.search())
    session.rename_folder(name, "Renamed")
    check("RENAME", session.folder_exists("Renamed"))
    session.subscribe_folder("Renamed")
    check("LSUB", "Renamed" in [row[2] for row in session.list_sub_folders()])
    session.unsubscribe_folder("Renamed")
    session.delete_folder("Renamed")
    check("DELETE", not session.folder_exists("Renamed"))


def imapclient_idle(session):
    session.idle()
    other = threading.Thread(target=append_later)
    other.start()
    start, pushed = time.monotonic(), []
    while time.monotonic() - start < 8 and not any(b"EXISTS" in row for row in pushed):
        pushed += session.idle_check(timeout=1)
    took = time.monotonic() - start
    session.idle_done()
    other.join()
    check("IDLE tells", any(b"EXISTS" in row for row in pushed) and took < 5, (pushed, took))
    session.unselect_folder()


def append_later():
    time.sleep(1)
    session = imapclient()
    session.append("INBOX", raw("idle"))
    session.logout()


def with_imap_tools():
    with MailBox(NAME, port=IMAPS, ssl_context=context()).login(USER, PASS) as box:
        found = list(box.fetch(AND(subject="py"), mark_seen=False))
        check("imap-tools fetch", len(found) >= 3, len(found))
        files = [file for message in found for file in message.attachments]
        good = any(file.filename == "ä b.bin" and len(file.payload) == 20_000 for file in files)
        check("imap-tools attachment", good, files)
        check("imap-tools text", any("Grüße" in message.text for message in found))
        box.flag([found[0].uid], MailMessageFlags.ANSWERED, True)
        check("answered", list(box.fetch(AND(answered=True), mark_seen=False)))
        box.move([found[0].uid], "Trash")
        box.folder.set("Trash")
        check("in the trash", len(box.uids()) == 1)
        box.delete(box.uids())
        check("trash emptied", len(box.uids()) == 0)
        box.folder.set("INBOX")
        check("folder status", box.folder.status("INBOX")["MESSAGES"] >= 4)


async def with_aioimaplib():
    session = aioimaplib.IMAP4_SSL(NAME, port=IMAPS, ssl_context=context(), timeout=20)
    await session.wait_hello_from_server()
    check("aio LOGIN", (await session.login(USER, PASS)).result == "OK")
    check("aio SELECT", (await session.select("INBOX")).result == "OK")
    idle = await session.idle_start(timeout=20)
    await asyncio.to_thread(append_later)
    pushed = []
    while not any(b"EXISTS" in row for row in pushed):
        try:
            pushed += await session.wait_server_push(timeout=5)
        except asyncio.TimeoutError:
            break
    check("aio IDLE", any(b"EXISTS" in row for row in pushed), pushed)
    session.idle_done()
    await asyncio.wait_for(idle, 10)
    check("aio FETCH", (await session.fetch("1", "(RFC822.SIZE)")).result == "OK")
    await session.logout()


def fifteen_at_once():
    def one(number):
        session = imapclient()
        session.select_folder("INBOX")
        for turn in range(5):
            session.append("INBOX", raw(f"par {number}-{turn}"))
        session.logout()

    before = look.count("INBOX")
    threads = [threading.Thread(target=one, args=(number,)) for number in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    more = look.count("INBOX") - before
    check("75 appends of 15 sessions", more == 75, more)
    session = imapclient()
    session.select_folder("INBOX")
    uids = session.search()
    check("UIDs only grow", uids == sorted(set(uids)))
    session.logout()


look.wipe()
with_smtplib()
if SUB and SUBS:
    with_submission()
with_poplib()
with_imaplib()
with_imapclient()
with_imap_tools()
asyncio.run(with_aioimaplib())
fifteen_at_once()
finish()
