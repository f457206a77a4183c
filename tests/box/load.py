"""Many sessions at once, a map that grows, a backup and the owner's other acts: the confined server
is refused no system call and no file."""

import base64
import os
import resource
import smtplib
import socket
import ssl
import subprocess
import time

from machine import HEALTH, PROVED, SERVER, START, TAKEN, Child

PEOPLE = [f"p{number}@load.test" for number in range(16)]
PASSWORD = "wonder-land"
PRESET = 'domain = "load.test"\n' + "".join(
    f'[[people]]\naddress = "{address}"\nname = "P"\npassword = "{PASSWORD}"\n'
    for address in PEOPLE
)
MAP = 16 << 20
LARGE, LARGE_MAILS = 4 << 20, 6
OPEN = 1
# One address may have 400 sessions, 100 of them with the mail port.
PER_ADDRESS = 90


def suite(binary, check, sessions):
    began = time.monotonic()
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    subprocess.check_call(["find", "/data/mail", "-mindepth", "1", "-delete"])
    environment = {"MAILROOM_TEST_MAP_BYTES": str(MAP)}
    child = Child(binary, "server", "/run/load.log", environment, calls="/run/load.calls")
    child.tell(START, b"\1\1AAAA-AAAA", PRESET.encode())
    check("load: the presets are taken", child.hear(lambda kind, _: kind == TAKEN) is not None)
    health = child.hear(lambda kind, fields: kind == HEALTH and fields[0] == OPEN)
    check("load: mail is open", health is not None, child.said())
    proved = child.hear(lambda kind, _: kind == PROVED)
    check("load: a system on trial proves mail", proved is not None, child.said())
    tls = ssl.create_default_context(cafile="/data/mail/tls/ca.pem")
    tls.check_hostname = False

    idle = [Idle(tls, number) for number in range(sessions - sessions // 20)]
    senders = [submission(tls, number) for number in range(sessions - len(idle))]
    check(f"load: {sessions} sessions", child.process.poll() is None, child.said())
    for number, sender in enumerate(senders):
        address = PEOPLE[number % 16]
        sender.sendmail(address, PEOPLE, letter(f"{number}", sender=address))
    deaf = [session for session in idle if not session.hears(b"EXISTS")]
    check("load: every idle session heard of a mail", deaf == [], len(deaf))
    grows(senders[0], check)
    owner(binary, child, check)
    # To somebody elsewhere: there is no way out of here, and it waits.
    senders[0].sendmail(PEOPLE[0], ["who@elsewhere.test"], letter("away"))
    for session in idle:
        session.leave()
    for sender in senders:
        sender.quit()
    check("load: an orderly end", child.end() == 0, child.said())
    check("load: nothing was refused", child.refused() == {}, child.refused())
    print(f"box: {sessions} sessions in {time.monotonic() - began:.0f} s", flush=True)


def grows(sender, check):
    for _ in range(LARGE_MAILS):
        text = base64.encodebytes(os.urandom(LARGE * 3 // 4)).replace(b"\n", b"\r\n").decode()
        sender.sendmail(PEOPLE[0], [PEOPLE[0]], letter("large", text))
    size = os.stat("/data/mail/store/data.mdb").st_size
    check("load: the map had to grow", size > MAP, size)


def owner(binary, child, check):
    """By the control socket, while the sessions stand."""
    os.makedirs("/data/mail/out", exist_ok=True)
    os.chown("/data/mail/out", SERVER, SERVER)
    for act in [
        ["backup", "/data/mail/out/backup"],
        ["verify"],
        ["export", PEOPLE[1], "/data/mail/out/mbox"],
        ["import", PEOPLE[2], "/data/mail/out/mbox"],
        ["restore", "/data/mail/out/backup", "--account", PEOPLE[3]],
        ["account", "list"],
        ["domain", "add", "more.test"],
        ["trace", "load.test"],
        ["outbox", "list"],
        ["dns"],
        ["tls", "counts"],
        ["log"],
        ["compact"],
    ]:
        command = [binary, "--data", "/data/mail", *act]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        words = done.stdout + done.stderr
        check(f"load: {act[0]}", done.returncode == 0, f"{words} {child.said()[-2000:]}")


def letter(subject, text="body\r\n", sender=PEOPLE[0]):
    return f"From: {sender}\r\nTo: {PEOPLE[1]}\r\nSubject: {subject}\r\n\r\n{text}"


def source(number):
    return f"127.0.1.{1 + number // PER_ADDRESS}"


def submission(tls, number):
    address = (source(number), 0)
    made = smtplib.SMTP_SSL("127.0.0.1", 465, timeout=120, context=tls, source_address=address)
    made.login(PEOPLE[number % 16], PASSWORD)
    return made


class Idle:
    """A session of IMAP that waits for mail, over TLS."""

    def __init__(self, tls, number):
        plain = socket.create_connection(("127.0.0.1", 993), 120, (source(number), 0))
        self.stream, self.octets = tls.wrap_socket(plain), b""
        self.hears(b"* OK")
        for command, answer in [
            (f"a LOGIN {PEOPLE[number % 16]} {PASSWORD}", b"a OK"),
            ("b SELECT INBOX", b"b OK"),
            ("c IDLE", b"+ "),
        ]:
            self.stream.sendall(command.encode() + b"\r\n")
            if not self.hears(answer):
                raise SystemExit(f"{command}: {self.octets!r}")
        self.octets = b""

    def hears(self, wanted):
        """Until a line has it; what came before is kept."""
        try:
            while wanted not in self.octets:
                piece = self.stream.recv(4096)
                if not piece:
                    return False
                self.octets += piece
        except TimeoutError:
            return False
        return True

    def leave(self):
        self.octets = b""
        self.stream.sendall(b"DONE\r\nd LOGOUT\r\n")
        self.hears(b"d OK")
        self.stream.close()
