"""The remote control that Mozilla's programs have (--marionette): a message is its length in
decimal, a colon, and JSON."""

import json
import socket
import time


class Refused(Exception):
    pass


class Marionette:
    def __init__(self, port=2828, host="127.0.0.1", seconds=120):
        end = time.monotonic() + seconds
        while True:
            try:
                self.socket = socket.create_connection((host, port), 10)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self.socket.settimeout(180)
        self.unread, self.number = b"", 0
        self.receive()
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self.ask("Marionette:SetContext", {"value": "chrome"})
        self.ask("WebDriver:SetTimeouts", {"script": 120_000})

    def receive(self):
        while b":" not in self.unread:
            self.more()
        length, self.unread = self.unread.split(b":", 1)
        while len(self.unread) < int(length):
            self.more()
        text, self.unread = self.unread[: int(length)], self.unread[int(length):]
        return json.loads(text)

    def more(self):
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionError("the program ended")
        self.unread += octets

    def ask(self, command, parameters=None):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters or {}]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, number, error, result = self.receive()
        assert number == self.number
        if error:
            raise Refused(f"{command}: {error['error']}: {error['message']}\n{error['stacktrace']}")
        return result

    def run(self, script, *arguments):
        """A function body in the program; what it returns."""
        given = {"script": script, "args": list(arguments), "sandbox": "system"}
        return self.ask("WebDriver:ExecuteScript", given)["value"]

    def run_async(self, script, *arguments):
        """The same with `await` in it."""
        whole = (
            "const done = arguments[arguments.length - 1]; const given = arguments;"
            f"(async () => {{ {script} }})().then(value => done({{ value }}),"
            " error => done({ error: String(error) + '\\n' + error.stack }));"
        )
        given = {"script": whole, "args": list(arguments), "sandbox": "system"}
        came = self.ask("WebDriver:ExecuteAsyncScript", given)["value"]
        if "error" in came:
            raise Refused(came["error"])
        return came.get("value")

    def picture(self):
        """A PNG of the window, in base64."""
        return self.ask("WebDriver:TakeScreenshot", {"full": True})["value"]
