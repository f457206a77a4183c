#!/usr/bin/env python3
"""SASL by hand over IMAP and POP3: PLAIN, LOGIN's exact prompts, SCRAM-SHA-256 and -PLUS with
tls-exporter and tls-server-end-point, and all that must be refused. Part of sasl.sh."""

import base64
import hashlib
import hmac
import os
import socket
import subprocess

from OpenSSL import SSL

from common import *

PEER = bool(environment.get("PEER"))


class Refused(Exception):
    pass


class Line:
    """A connection in TLS whose lines are read one by one."""

    def __init__(self, protocol, port, starttls, version=None):
        self.protocol = protocol
        self.rest = b""
        self.stream = socket.create_connection((HOST, port), 20)
        if starttls:
            self.greeting()
            self.send("s STARTTLS" if protocol == "imap" else "STLS")
            self.line()
            self.rest = b""
        tls = SSL.Context(SSL.TLS_METHOD)
        tls.load_verify_locations(environment["CA"])
        tls.set_verify(SSL.VERIFY_PEER)
        if version:
            tls.set_min_proto_version(version)
            tls.set_max_proto_version(version)
        plain = self.stream
        plain.settimeout(None)
        self.stream = SSL.Connection(tls, plain)
        self.stream.set_tlsext_host_name(NAME.encode())
        self.stream.set_connect_state()
        self.stream.do_handshake()
        if not starttls:
            self.greeting()

    def greeting(self):
        return self.line()

    def send(self, text):
        self.stream.sendall(text.encode() + b"\r\n")

    def line(self):
        while b"\r\n" not in self.rest:
            more = self.stream.recv(4096)
            if not more:
                raise Refused("closed")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line.decode()

    def authenticate(self, mechanism, initial=None):
        start = "a AUTHENTICATE " if self.protocol == "imap" else "AUTH "
        self.send(start + mechanism + ("" if initial is None else " " + (b64(initial) or "=")))

    def challenge(self):
        """The next challenge; raises Refused, or returns None on success."""
        while True:
            line = self.line()
            if line.startswith("+ ") or line == "+":
                return base64.b64decode(line[2:])
            if line.startswith(("a OK", "+OK")):
                return None
            if line.startswith(("a ", "-ERR", "* BYE")):
                raise Refused(line)

    def answer(self, data):
        self.send(b64(data))

    def close(self):
        self.stream.close()

    def binding(self, kind):
        if kind == "tls-exporter":
            # RFC 9266 2
            return self.stream.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        if kind == "tls-server-end-point":
            certificate = self.stream.get_peer_certificate(as_cryptography=True)
            # RFC 5929 4.1
            name = certificate.signature_hash_algorithm.name
            name = "sha256" if name in ("md5", "sha1") else name
            from cryptography.hazmat.primitives.serialization import Encoding

            return hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()
        return os.urandom(12)


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.digest(key, text, "sha256")


def scram(line, header, binding, user=USER, password=PASS, plus=None):
    """RFC 5802 over `line`; `header` is the GS2 header, `binding` the channel's bytes."""
    plus = header.startswith("p=") if plus is None else plus
    nonce = b64(os.urandom(18))
    bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    line.authenticate("SCRAM-SHA-256" + ("-PLUS" if plus else ""), (header + bare).encode())
    first = line.challenge().decode()
    fields = dict(field.split("=", 1) for field in first.split(","))
    if not fields["r"].startswith(nonce) or fields["r"] == nonce:
        raise AssertionError("the server's nonce")
    salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
    if rounds < 4096:
        raise AssertionError(f"{rounds} rounds")
    final = f"c={b64(header.encode() + binding)},r={fields['r']}"
    text = f"{bare},{first},{final}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client = mac(salted, b"Client Key")
    proof = bytes(a ^ b for a, b in zip(client, mac(hashlib.sha256(client).digest(), text)))
    line.answer(f"{final},p={b64(proof)}".encode())
    last = line.challenge()
    if last is None:
        raise AssertionError("no server signature")
    if last != b"v=" + b64(mac(mac(salted, b"Server Key"), text)).encode():
        raise Refused(f"server signature: {last!r}")
    line.answer(b"")
    if line.challenge() is not None:
        raise AssertionError("one more challenge")


def with_gsasl(line, mechanism):
    """gsasl makes the tokens, we carry them."""
    command = ["gsasl", "--client", "--quiet", "--no-cb", f"--mechanism={mechanism}"]
    command += [f"--authentication-id={USER}", f"--password={PASS}"]
    command += ["--service=pop", f"--hostname={NAME}"]
    child = subprocess.Popen(
        ["stdbuf", "-oL", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def token():
        return base64.b64decode(child.stdout.readline().strip())

    try:
        child.stdout.readline()  # the mechanism's name
        line.authenticate(mechanism, token() if mechanism != "LOGIN" else None)
        while (challenge := line.challenge()) is not None:
            child.stdin.write(b64(challenge) + "\n")
            child.stdin.flush()
            line.answer(token())
    finally:
        child.kill()
        child.wait()


def plain(line, text, initial=True):
    line.authenticate("PLAIN", text if initial else None)
    if not initial:
        check(f"{line.protocol}: PLAIN's challenge is empty", line.challenge() == b"")
        line.answer(text)
    if line.challenge() is not None:
        raise AssertionError("one more challenge")


def login(line):
    line.authenticate("LOGIN")
    for prompt, answer in ((b"Username:", USER), (b"Password:", PASS)):
        said = line.challenge()
        check(f"{line.protocol}: LOGIN's prompt {prompt.decode()}", said == prompt, said)
        line.answer(answer.encode())
    if line.challenge() is not None:
        raise AssertionError("one more challenge")


def cancel(line):
    line.authenticate("SCRAM-SHA-256", f"n,,n={USER},r=abcdefgh".encode())
    line.challenge()
    line.send("*")
    line.challenge()


def lets_in(name, connect, act, *arguments):
    try:
        line = connect()
        act(line, *arguments)
        line.close()
        check(name, True)
    except Exception as error:
        check(name, False, repr(error))


def refuses(name, connect, act, *arguments):
    try:
        line = connect()
        act(line, *arguments)
        check(name, False, "let in")
    except Refused as said:
        check(name, str(said) != "closed", said)
    except Exception as error:
        check(name, False, repr(error))


def every_binding(name, connect):
    for version, word in ((SSL.TLS1_3_VERSION, "1.3"), (SSL.TLS1_2_VERSION, "1.2")):
        kinds = ["tls-server-end-point"] + (["tls-exporter"] if word == "1.3" else [])
        for kind in kinds:
            def bound(line, kind=kind, spoilt=False):
                data = line.binding(kind)
                data = bytes([data[0] ^ 1]) + data[1:] if spoilt else data
                scram(line, f"p={kind},,", data)

            lets_in(f"{name}, TLS {word}: {kind}", lambda: connect(version), bound)
            refuses(f"{name}, TLS {word}: {kind} of another channel", lambda: connect(version),
                    lambda line, bound=bound: bound(line, spoilt=True))
    refuses(f"{name}: tls-unique is not offered", connect, scram, "p=tls-unique,,", b"0" * 12)
    refuses(f"{name}: 'y' while -PLUS is offered", connect, scram, "y,,", b"")
    refuses(f"{name}: -PLUS with 'n'", connect, scram, "n,,", b"", USER, PASS, True)


for protocol, port, starttls in (
    ("imap", IMAPS, False), ("imap", IMAP, True), ("pop3", POP3S, False), ("pop3", POP3, True),
):
    def connect(version=None):
        return Line(protocol, port, starttls, version)

    name = f"{protocol} {'STARTTLS' if starttls else 'TLS'}"
    lets_in(f"{name}: SCRAM-SHA-256", connect, scram, "n,,", b"")
    if not PEER:
        every_binding(name, connect)
    if starttls:
        continue
    both = f"\0{USER}\0{PASS}".encode()
    lets_in(f"{name}: PLAIN", connect, plain, both)
    lets_in(f"{name}: PLAIN without initial response", connect, plain, both, False)
    lets_in(f"{name}: PLAIN as oneself", connect, plain, USER.encode() + both)
    refuses(f"{name}: PLAIN as another", connect, plain, USER2.encode() + both)
    lets_in(f"{name}: LOGIN", connect, login)
    refuses(f"{name}: cancelled", connect, cancel)
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        lets_in(f"{name}: gsasl's {mechanism}", connect, with_gsasl, mechanism)
    refuses(f"{name}: wrong password", connect, scram, "n,,", b"", USER, "wrong")
    refuses(f"{name}: unknown name", connect, scram, "n,,", b"", f"ghost@{DOMAIN}", "wrong")
finish()
