"""Debian's Dovecot as the provider from whom mail is brought: one person with many folders, filled
by writing a Maildir, which Dovecot then serves by IMAP and POP3 with TLS. Where there is a token
server (`tokens`), people log in with its tokens too."""

import base64
import hashlib
import imaplib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

CONFIG = """\
base_dir = {run}
state_dir = {run}/state
instance_name = gather
listen = 127.0.0.1
protocols = {protocols}
log_path = {folder}/dovecot.log
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
disable_plaintext_auth = yes
ssl = required
ssl_cert = <{folder}/leaf.pem
ssl_key = <{folder}/leaf.key
ssl_min_protocol = TLSv1.2
mail_max_userip_connections = 200
{oauth}passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN username_format=%u {folder}/passwords
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  prefix = INBOX.
  separator = .
  mailbox Gesendet {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
"""

OAUTH = """\
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""
# RFC 7662: the server asks whose a token is, and whether it is good.
OAUTH_MORE = """\
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = username
active_attribute = active
active_value = true
"""

USER, WORD = "carl@provider.test", "carl-has-an-app-password"
# Whose letters are collected as they come.
WATCHED = "dora@provider.test"
# Whose letters are collected by POP3, and how: they stay, go at once, go after three days.
DROPS = {"keep": "keep@provider.test", "go": "go@provider.test", "days": "days@provider.test"}
# Whose letters are moved there, by IMAP.
MOVED = "moved@provider.test"
# Who logs in with tokens, by IMAP and by POP3.
TOKENS = ("tim@provider.test", "pat@provider.test")
# What a folder is called there (after INBOX.) and here; the rest keep their names.
RENAMED = {"Gesendet": "Sent", "Gesendet.2019": "Sent/2019"}
ODD = ["Проекты.Приёмка", "Übersicht & Co", "Gesendet", "Gesendet.2019", "work", "Work", "日本語"]


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def utf7(name):
    """RFC 3501 5.1.3."""
    out, shifted = [], []

    def unshift():
        if shifted:
            octets = "".join(shifted).encode("utf-16-be")
            out.append("&" + base64.b64encode(octets).decode().rstrip("=").replace("/", ",") + "-")
            shifted.clear()

    for c in name:
        if " " <= c <= "~":
            unshift()
            out.append("&-" if c == "&" else c)
        else:
            shifted.append(c)
    unshift()
    return "".join(out)


class Provider:
    def __init__(self, folder, tokens=None):
        self.folder = Path(folder)
        self.run = self.folder / "run"
        self.imap, self.imaps, self.pop3s = free_port(), free_port(), free_port()
        self.tokens, self.process = tokens, None

    @property
    def authority(self):
        return self.folder / "ca.pem"

    def start(self):
        for path in (self.run / "state", self.folder / "mail"):
            path.mkdir(parents=True, exist_ok=True)
        for path in [self.folder, *self.folder.parents]:
            if path.owner() == "root" and str(path) not in ("/", "/tmp"):
                path.chmod(path.stat().st_mode | 0o055)
        if not self.authority.exists():
            self.certificate()
        users = (USER, WATCHED, MOVED, *DROPS.values())
        people = "".join(f"{user}:{{PLAIN}}{WORD}\n" for user in users)
        (self.folder / "passwords").write_text(people)
        values = {"folder": self.folder, "run": self.run, "imap": self.imap, "imaps": self.imaps}
        values |= {"pop3s": self.pop3s, "mechanisms": "plain login", "oauth": ""}
        if self.tokens:
            values["mechanisms"] += " xoauth2 oauthbearer"
            values["oauth"] = OAUTH.format(folder=self.folder)
            more = OAUTH_MORE.format(port=self.tokens.plain_port)
            (self.folder / "oauth2.conf").write_text(more)
        (self.folder / "dovecot.conf").write_text(CONFIG.format(protocols="imap pop3", **values))
        mail = pwd.getpwnam("mail")
        for path in [self.folder / "mail", *(self.folder / "mail").rglob("*")]:
            os.chown(path, mail.pw_uid, mail.pw_gid)
        command = ["dovecot", "-F", "-c", self.folder / "dovecot.conf"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.imaps), timeout=2):
                    return self
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    log = self.folder / "dovecot.log"
                    raise SystemExit(f"no Dovecot: {log.read_text() if log.exists() else ''}")
                time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def certificate(self):
        ca, key = self.authority, ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        openssl("req", "-x509", *key, "-nodes", "-keyout", self.folder / "ca.key", "-out", ca,
                "-subj", "/CN=the provider's authority", "-days", 9)
        openssl("req", *key, "-nodes", "-keyout", self.folder / "leaf.key",
                "-out", self.folder / "leaf.csr", "-subj", "/CN=provider")
        more = self.folder / "leaf.ext"
        more.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", self.folder / "leaf.csr", "-CA", ca, "-CAkey",
                self.folder / "ca.key", "-CAcreateserial", "-days", 9, "-extfile", more,
                "-out", self.folder / "leaf.pem")

    # ---- its mail ----

    def fill(self, messages, folders, seed=1):
        """Writes mail into INBOX and `folders` more; returns octets."""
        chance = random.Random(seed)
        names = [""] + ODD + [f"Kunden.Nr {n:03}" for n in range(folders - len(ODD) - 1)]
        octets = 0
        for number in range(messages):
            octets += self.write(names[number % len(names)], number, chance)
        # One that is everywhere, one that is large.
        same = self.letter("the same letter in many folders", 3_000, chance)
        for at, name in enumerate(names):
            octets += self.put(name, messages + at, same, "S")
        large = self.letter("a large letter", 24 << 20, chance)
        octets += self.put("Work", messages + len(names), large, "F")
        octets += self.put("日本語", messages + len(names) + 1, same, "RS")
        # And one beyond our limit, which stays where it is.
        beyond = self.letter("a letter beyond the limit", 72 << 20, chance)
        self.beyond = hashlib.sha256(beyond).hexdigest()[:24]
        self.put("Kunden.Nr 000", messages + len(names) + 2, beyond, "S")
        return octets

    def write(self, folder, number, chance):
        size = 600_000 if number % 97 == 96 else chance.randrange(300, 9_000)
        letter = self.letter(f"letter {number}", size, chance)
        flags = "".join(f for f in "DFRSTab" if chance.random() < 0.2)
        return self.put(folder, number, letter, flags)

    def letter(self, subject, size, chance):
        words = base64.encodebytes(chance.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
        head = f"From: someone@far.test\r\nTo: {USER}\r\nSubject: {subject}\r\n" \
               f"Message-ID: <{hashlib.sha1(words).hexdigest()}@far.test>\r\n\r\n"
        return head.encode() + words

    def put(self, folder, number, letter, flags):
        path = self.maildir(folder)
        date = 1_000_000_000 + number * 7_919
        name = f"{date}.M{number}P1.provider"
        file = path / "cur" / f"{name},S={len(letter)},W={len(letter)}:2,{flags}"
        file.write_bytes(letter)
        os.utime(file, (date, date))
        return len(letter)

    def deliver(self, number, to=WATCHED):
        """A letter comes for somebody."""
        root = self.folder / "mail" / to
        mail = pwd.getpwnam("mail")
        for part in ("cur", "new", "tmp"):
            if not (root / part).is_dir():
                (root / part).mkdir(parents=True)
                os.chown(root, mail.pw_uid, mail.pw_gid)
                os.chown(root / part, mail.pw_uid, mail.pw_gid)
        letter = f"From: someone@far.test\r\nTo: {to}\r\nSubject: number {number}\r\n" \
                 f"Message-ID: <n{number}@far.test>\r\n\r\nletter {number}\r\n"
        name = f"{int(time.time())}.M{number}P2.provider"
        (root / "tmp" / name).write_bytes(letter.encode())
        os.chown(root / "tmp" / name, mail.pw_uid, mail.pw_gid)
        (root / "tmp" / name).rename(root / "new" / name)

    def maildir(self, folder):
        root = self.folder / "mail" / USER
        path = root / ("." + utf7(folder) if folder else "")
        if not (path / "cur").is_dir():
            for part in ("cur", "new", "tmp"):
                (path / part).mkdir(parents=True)
            (path / "dovecot-keywords").write_text("0 $Forwarded\n1 project-x\n")
            if folder:
                (path / "maildirfolder").touch()
        return path

    def lying(self, of, folder=""):
        """Numbers of the letters that lie there for somebody."""
        found = []
        for file in (self.folder / "mail" / of / folder).glob("[cn][ue][rw]/*"):
            try:
                text = file.read_text()
            except FileNotFoundError:
                continue
            found.append(int(re.search(r"number (\d+)", text)[1]))
        return sorted(found)

    # ---- what it shows ----

    def connect(self):
        context = ssl.create_default_context(cafile=self.authority)
        imap = imaplib.IMAP4_SSL("127.0.0.1", self.imaps, ssl_context=context)
        imap.login(USER, WORD)
        return imap

    def holds(self):
        """Every message, by our name of its folder."""
        with self.connect() as imap:
            found = holds(imap, named_here)
        for name in found:
            found[name] = [one for one in found[name] if one[0] != self.beyond]
        return found

    def mbsync(self, folder):
        """Seconds that mbsync takes to pull all of it into a Maildir."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "mail").mkdir(parents=True)
        (folder / "mbsyncrc").write_text(
            f"IMAPAccount p\nHost 127.0.0.1\nPort {self.imaps}\nUser {USER}\nPass {WORD}\n"
            f"SSLType IMAPS\nCertificateFile {self.folder}/leaf.pem\nPipelineDepth 50\n\n"
            "IMAPStore far\nAccount p\nPathDelimiter .\n\n"
            f"MaildirStore near\nPath {folder}/mail/\nInbox {folder}/mail/INBOX\n"
            "SubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull New Flags\n"
            f"CopyArrivalDate yes\nSyncState {folder}/state-\n"
        )
        began = time.monotonic()
        done = subprocess.run(
            ["mbsync", "-q", "-c", folder / "mbsyncrc", "all"], capture_output=True, text=True
        )
        seconds = time.monotonic() - began
        if done.returncode:
            raise SystemExit(f"mbsync: {done.stderr}")
        return seconds


def named_here(name):
    name = plain(name.removeprefix("INBOX."))
    return RENAMED.get(name, name.replace(".", "/"))


def plain(name):
    """RFC 3501 5.1.3, undone."""

    def shifted(found):
        text = found[1].replace(",", "/")
        text = base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be")
        return text if found[1] else "&"

    return re.sub(r"&([^-]*)-", shifted, name)


def holds(imap, name_of):
    """{mailbox: sorted [(hash of the octets, flags, date)]} of all mailboxes with mail."""
    found = {}
    _, lines = imap.list()
    for line in lines:
        name = re.match(rb'\([^)]*\) (?:"[^"]*"|NIL) (.*)$', line)[1].decode()
        name = name[1:-1].replace('\\"', '"') if name.startswith('"') else name
        if b"\\Noselect" in line.split(b")")[0]:
            continue
        messages = mailbox(imap, name)
        if messages:
            found[name_of(name)] = messages
    return found


def mailbox(imap, name):
    kind, count = imap.select('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"', True)
    if kind != "OK":
        raise SystemExit(f"{name}: {count}")
    messages = []
    total = int(count[0])
    for first in range(1, total + 1, 200):
        last = min(total, first + 199)
        _, parts = imap.fetch(f"{first}:{last}", "(FLAGS INTERNALDATE BODY.PEEK[])")
        for at, part in enumerate(parts):
            if not isinstance(part, tuple):
                continue
            # Servers tell the flags before the body or behind it.
            behind = parts[at + 1] if at + 1 < len(parts) else b""
            told = part[0] + (behind if isinstance(behind, bytes) else b"")
            flags = re.search(rb"FLAGS \(([^)]*)\)", told)[1].split()
            date = re.search(rb'INTERNALDATE ("[^"]*")', told)[1]
            when = time.mktime(imaplib.Internaldate2tuple(b"INTERNALDATE " + date))
            digest = hashlib.sha256(part[1]).hexdigest()[:24]
            named = sorted(f.decode() for f in flags if f.lower() != b"\\recent")
            messages.append((digest, " ".join(named), when))
    return sorted(messages)
