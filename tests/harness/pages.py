"""The pages of a server, as a program sees them that keeps its cookie: no browser, no script."""

import http.client
import re
import ssl
import urllib.parse

OWNER = "correct horse battery"


class Pages:
    """A browser at `https://host:port`, which trusts the server's own authority alone."""

    def __init__(self, host, port, ca, name=None, source=None):
        self.at, self.name = (host, port), name or host
        self.source = (source, 0) if source else None
        self.tls = ssl.create_default_context(cafile=ca)
        self.cookie, self.csrf = "", ""

    def ask(self, method, target, body=None, headers=None):
        """Status, headers and text."""
        how = dict(timeout=60, context=self.tls, source_address=self.source)
        connection = http.client.HTTPSConnection(*self.at, **how)
        sent = {"Host": f"{self.name}:{self.at[1]}", "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            sent["Cookie"] = self.cookie
        connection.request(method, target, body, {**sent, **(headers or {})})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        if cookie := reply.headers.get("Set-Cookie"):
            self.cookie = "" if "Max-Age=0" in cookie else cookie.split(";")[0]
        if found := re.search('name="csrf" value="([^"]+)"', text):
            self.csrf = found[1]
        return reply.status, reply.headers, text

    def get(self, target):
        return self.ask("GET", target)

    def post(self, target, **fields):
        body = urllib.parse.urlencode({"csrf": self.csrf, **fields})
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", target, body, form)

    def claim(self, code, password=OWNER):
        """Becomes the owner of a box that has none."""
        self.get("/code")
        assert self.post("/code", code=code)[0] == 303, "the setup code opens"
        self.get("/setup/owner")
        status, _, text = self.post("/setup/owner", password=password, password2=password)
        assert status == 303, text

    def login(self, password=OWNER):
        self.get("/login")
        status, _, text = self.post("/login", password=password)
        assert status == 303, text
