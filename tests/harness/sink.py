"""A mail server of a test's own for what leaves ours: takes every message and remembers it, or
says what the test wants it to say."""

import socket
import threading
import time
from typing import NamedTuple


class Letter(NamedTuple):
    sender: str
    recipients: tuple
    octets: bytes
    connection: int  # from 1


class Sink:
    """`decide(verb, argument)`: another reply to a command or to the end of the data (verb ".");
    None for the usual one. What is refused is not remembered. `linger()` is called between the
    end of the data and its reply."""

    def __init__(self, host, port=0, decide=None, linger=None, name="sink.test"):
        self.decide = decide or (lambda verb, argument: None)
        self.linger = linger or (lambda: None)
        self.name = name
        self.letters, self.connections, self.open = [], 0, 0
        self.heard = threading.Condition()
        self.listener = socket.create_server((host, port), backlog=256)
        self.host, self.port = self.listener.getsockname()[:2]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with self.heard:
                self.connections += 1
                self.open += 1
                number = self.connections
            threading.Thread(target=self.serve, args=(stream, number), daemon=True).start()

    def serve(self, stream, number):
        try:
            with stream, stream.makefile("rb") as lines:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.converse(stream, lines, number)
        except OSError:
            pass
        finally:
            with self.heard:
                self.open -= 1
                self.heard.notify_all()

    def converse(self, stream, lines, number):
        stream.sendall(f"220 {self.name} ESMTP\r\n".encode())
        sender, recipients = "", []
        while line := lines.readline():
            verb, _, argument = line.decode("latin-1").strip().partition(" ")
            verb = verb.upper()
            said = self.decide(verb, argument)
            if verb == "DATA" and recipients and said is None:
                stream.sendall(b"354 go on\r\n")
                octets = content(lines)
                if octets is None:
                    return
                said = self.decide(".", octets)
                if said is None:
                    self.take(Letter(sender, tuple(recipients), octets, number))
                    self.linger()
                sender, recipients = "", []
            elif said is None:
                if verb == "MAIL":
                    sender, recipients = path(argument), []
                elif verb == "RCPT":
                    recipients.append(path(argument))
                elif verb == "DATA":
                    said = "503 5.5.1 to whom?"
            if verb == "EHLO" and said is None:
                said = f"250-{self.name}\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000"
            stream.sendall(f"{said or '250 2.0.0 good'}\r\n".encode())
            if verb == "QUIT" or (said or "").startswith("421"):
                return

    def take(self, letter):
        with self.heard:
            self.letters.append(letter)
            self.heard.notify_all()

    def waits(self, true, seconds=60):
        """Until `true(self)`; what it said last."""
        with self.heard:
            self.heard.wait_for(lambda: true(self), seconds)
            return true(self)

    def quiet(self, seconds=30):
        """Until every connection has ended."""
        return self.waits(lambda sink: sink.open == 0, seconds)

    def stop(self):
        self.listener.close()


def content(lines):
    """The octets up to the line with the dot; None when the connection ends before it."""
    octets = []
    while line := lines.readline():
        if line == b".\r\n":
            return b"".join(octets)
        octets.append(line[1:] if line.startswith(b".") else line)
    return None


def path(argument):
    return argument.partition("<")[2].partition(">")[0]


def until(true, seconds, pause=0.2):
    """Asks until it is true or the time is over; what it said last."""
    end = time.monotonic() + seconds
    while not (said := true()) and time.monotonic() < end:
        time.sleep(pause)
    return said
