"""A browser at the other end of the cable: browser.py CA SOURCE

Reads lines of JSON, {"at": host, "get": path} or {"at": host, "post": path, "fields": {..}}, and
answers each with {"status", "location", "text"}, or with {"error"} where nobody answers. Each host
has a session of its own, as browsers have it."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "harness"))

from pages import Pages  # noqa: E402


def main(authority, source):
    hosts = {}
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["at"] not in hosts:
            hosts[ask["at"]] = Pages(ask["at"], 443, authority, source=source)
            # It is called by number, and its certificate is for its name: who signed it counts.
            hosts[ask["at"]].tls.check_hostname = False
        pages = hosts[ask["at"]]
        try:
            if "get" in ask:
                status, headers, text = pages.get(ask["get"])
            else:
                status, headers, text = pages.post(ask["post"], **ask["fields"])
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)
            continue
        location = headers.get("Location", "")
        print(json.dumps({"status": status, "location": location, "text": text}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
