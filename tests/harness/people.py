"""People with a mail program: they send by submission and read by IMAP."""

import email
import email.policy
import imaplib
import smtplib
import ssl
import time


class Counts:
    """The checks of a suite."""

    def __init__(self, suite):
        self.suite, self.passed, self.failed = suite, 0, 0
        self.start = time.monotonic()

    def __call__(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}: {detail}", flush=True)
        return bool(good)

    def end(self):
        """The suite's last line, and its exit status."""
        seconds = time.monotonic() - self.start
        print(f"{self.suite}: {self.passed} passed, {self.failed} failed, {seconds:.0f} s")
        return 1 if self.failed or not self.passed else 0


class Person:
    """`host` and `ports` of the server, the authority of its certificate, name and password."""

    def __init__(self, host, ports, ca, address, word):
        self.host, self.ports, self.address, self.word = host, ports, address, word
        self.tls = ssl.create_default_context(cafile=ca)
        self.tls.check_hostname = False

    @classmethod
    def of(cls, home, address, word):
        """Of a server.Server."""
        person = cls(home.host, home.ports, home.data / "tls/ca.pem", address, word)
        person.home = home
        return person

    def send(self, to, subject, text="Grüße\r\n", sender=None, mail=(), rcpt=()):
        """By port 465 where it is served, else by 587; to one address or several."""
        to = [to] if isinstance(to, str) else to
        head = f"From: {sender or self.address}\r\nTo: {', '.join(to)}\r\nSubject: {subject}\r\n"
        head += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head += "Content-Transfer-Encoding: 8bit\r\n"
        with self.submission() as session:
            session.login(self.address, self.word)
            octets = f"{head}\r\n{text}".encode()
            session.sendmail(sender or self.address, to, octets, list(mail), list(rcpt))

    def submission(self):
        if port := self.ports.get("submissions"):
            return smtplib.SMTP_SSL(self.host, port, "desk.test", context=self.tls, timeout=60)
        session = smtplib.SMTP(self.host, self.ports["submission"], "desk.test", timeout=60)
        session.starttls(context=self.tls)
        return session

    def read(self, mailbox="INBOX"):
        port = self.ports["imaps"]
        with imaplib.IMAP4_SSL(self.host, port, ssl_context=self.tls, timeout=60) as session:
            session.login(self.address, self.word)
            if session.select(mailbox, readonly=True)[0] != "OK":
                return []
            found = session.search(None, "ALL")[1][0].split()
            octets = [session.fetch(number, "(RFC822)")[1][0][1] for number in found]
        return [email.message_from_bytes(raw, policy=email.policy.default) for raw in octets]

    def waits_for(self, subject, count=1, seconds=90, mailbox="INBOX", wanted=lambda m: True):
        """The messages with this subject, when there are so many; all there are at the end."""
        end = time.monotonic() + seconds
        while True:
            found = [m for m in self.read(mailbox) if subject in str(m["Subject"]) and wanted(m)]
            if len(found) >= count or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def waits_for_report(self, about, seconds=90):
        """The report (RFC 3464) on mail to this address, and its machine-readable text; None and
        all there is when there is none."""
        about = about.lower()
        found = self.waits_for("", 1, seconds, wanted=lambda m: about in status(m).lower())
        return (found[0], status(found[0])) if found else (None, "")


def status(message):
    """The fields of a report; "" when it is none."""
    parts = [p for p in message.walk() if p.get_content_type() == "message/delivery-status"]
    return "\n".join(str(block) for part in parts for block in part.get_payload())
