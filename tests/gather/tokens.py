"""A provider's token server (RFC 8628, RFC 6749, RFC 7662) and its submission server, which wants
tokens (XOAUTH2) and answers one that is not good with why, in base64, as Google's does."""

import base64
import itertools
import json
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

sys.path.append(str(Path(__file__).resolve().parents[1] / "harness"))

from sink import Sink  # noqa: E402

CLIENT = "the office's own client"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Tokens:
    """Gives out codes by https once `secure` has a certificate; says by http whose a token is."""

    def __init__(self):
        self.lock = threading.Condition(threading.RLock())
        self.numbers = itertools.count(1)
        # Codes by the device's; whose a code, a token and a refresh token are.
        self.codes, self.approved, self.access, self.refresh = {}, {}, {}, {}
        # Grants that were asked for: when, and whose it is (nobody's: it was refused).
        self.asked = []
        self.plain_port = self.serve(None)
        self.port = None

    def secure(self, provider):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(provider.folder / "leaf.pem", provider.folder / "leaf.key")
        self.context = context
        self.port = self.serve(context)

    def url(self, path):
        return f"https://127.0.0.1:{self.port}/{path}"

    def serve(self, context):
        tokens = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                form = {k: v[0] for k, v in parse_qs(self.rfile.read(size).decode()).items()}
                status, answer = tokens.answer(self.path, form)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def answer(self, path, form):
        with self.lock:
            try:
                if path == "/introspect":
                    user = self.access.get(form.get("token"))
                    return 200, {"active": user is not None, "username": user or ""}
                if form.get("client_id") != CLIENT:
                    return 400, {"error": "invalid_client"}
                if path == "/device":
                    number = next(self.numbers)
                    self.codes[f"device-{number}"] = f"CODE-{number}"
                    return 200, {"device_code": f"device-{number}", "user_code": f"CODE-{number}",
                                 "verification_uri": "https://provider.test/device",
                                 "interval": 1, "expires_in": 600}
                return self.grant(form)
            finally:
                self.lock.notify_all()

    def grant(self, form):
        if form.get("grant_type") == GRANT:
            user = self.approved.get(self.codes.get(form.get("device_code")))
            if user is None:
                return 400, {"error": "authorization_pending"}
        else:
            # RFC 6749 6: the new one takes the place of the old
            user = self.refresh.pop(form.get("refresh_token"), None)
            self.asked.append((time.monotonic(), user))
            if user is None:
                return 400, {"error": "invalid_grant", "error_description": "it was taken back"}
        access, refresh = f"access-{next(self.numbers)}", f"refresh-{next(self.numbers)}"
        self.access[access], self.refresh[refresh] = user, user
        return 200, {"access_token": access, "refresh_token": refresh, "expires_in": 3600,
                     "token_type": "Bearer"}

    # ---- what a test does ----

    def type_in(self, user, seconds=60):
        """The person opens the page and types in the code."""
        with self.lock:
            new = lambda: [code for code in self.codes.values() if code not in self.approved]
            assert self.lock.wait_for(new, seconds), "no code was asked for"
            self.approved[new()[-1]] = user

    def expire(self, user):
        """Tokens end before the time that was said."""
        with self.lock:
            self.access = {token: of for token, of in self.access.items() if of != user}

    def revoke(self, user):
        """The person takes it back at the provider."""
        self.expire(user)
        with self.lock:
            self.refresh = {token: of for token, of in self.refresh.items() if of != user}

    def renewed(self, user):
        """When tokens of this user were renewed; of nobody: when that was refused."""
        with self.lock:
            return [at for at, of in self.asked if of == user]

    def waits(self, true, seconds=90):
        with self.lock:
            return self.lock.wait_for(true, seconds)

    def whose(self, token):
        with self.lock:
            return self.access.get(token)


class Submission(Sink):
    """Takes letters from whom `tokens` knows; TLS from the first octet."""

    def __init__(self, tokens):
        self.tokens = tokens
        # What was said at log-in: was it good?
        self.logins, self.streams = [], []
        super().__init__("127.0.0.1", name="smtp.provider.test")

    def serve(self, stream, number):
        try:
            stream = self.tokens.context.wrap_socket(stream, server_side=True)
        except (OSError, ssl.SSLError):
            stream.close()
            with self.heard:
                self.open -= 1
            return
        self.streams.append(stream)
        super().serve(stream, number)

    def break_all(self):
        """Every line that is open."""
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def converse(self, stream, lines, number):
        stream.sendall(f"220 {self.name} ESMTP\r\n".encode())
        while line := lines.readline():
            verb, _, argument = line.decode("latin-1").strip().partition(" ")
            if verb.upper() == "EHLO":
                stream.sendall(b"250-smtp.provider.test\r\n250 AUTH XOAUTH2\r\n")
            elif verb.upper() == "AUTH":
                if self.lets_in(argument):
                    stream.sendall(b"235 2.7.0 Accepted\r\n")
                    return self.relay(stream, lines, number)
                why = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"mail"}')
                stream.sendall(b"334 " + why + b"\r\n")
                # developers.google.com/workspace/gmail/imap/xoauth2-protocol: an empty line
                empty = lines.readline().strip()
                self.logins.append(f"after why: {empty!r}")
                stream.sendall(b"535 5.7.8 Username and Password not accepted\r\n")
            elif verb.upper() == "QUIT":
                stream.sendall(b"221 2.0.0 bye\r\n")
                return None
            else:
                stream.sendall(b"530 5.7.0 Authentication Required\r\n")
        return None

    def lets_in(self, argument):
        said = base64.b64decode(argument.removeprefix("XOAUTH2 ")).decode()
        user, _, rest = said.removeprefix("user=").partition("\x01")
        token = rest.removeprefix("auth=Bearer ").rstrip("\x01")
        good = user == self.tokens.whose(token)
        self.logins.append("good" if good else "bad")
        return good

    def relay(self, stream, lines, number):
        """As the sink does, without another greeting."""
        stream = Hushed(stream)
        super().converse(stream, lines, number)


class Hushed:
    """A stream whose first words are kept back."""

    def __init__(self, stream):
        self.stream, self.first = stream, True

    def sendall(self, octets):
        if not self.first:
            self.stream.sendall(octets)
        self.first = False


