"""Domains of Postfix that say how mail to them is to be secured: by DANE, or by MTA-STS.

Each has a host of its own, which would take mail in clear as well: what keeps it from leaving so
is us. The names are signed from a root of the test's own; the policies are on a web server.

    domain          certificate of its host     what the domain says
    dane            of nobody we know, for      TLSA 3 1 1 of its key
                    another name
    rolled          the same                    TLSA 3 1 1 of another key
    stripped        no TLS at all               TLSA 3 1 1 of a key
    sts             right                       MTA-STS enforce, its host
    othermx         right                       enforce, another host
    othername       for another name            enforce, its host
    selfmade        of nobody we know           enforce, its host
    lapsed          expired                     enforce, its host
    trial           expired                     testing, its host
"""

import base64
import hashlib
import http.server
import json
import ssl
import threading
from pathlib import Path

import peer
from sink import until

WEB = "203.0.113.44"
DANE = ("dane", "rolled", "stripped")
STS = ("sts", "othermx", "othername", "selfmade", "lapsed", "trial")
ADDRESSES = {name: f"198.51.100.{n}" for n, name in enumerate((*DANE, *STS), 4)}
DOMAINS = [f"{name}.test" for name in ADDRESSES]

LISTENER = """\
{at}:25 inet n - n - - smtpd
  -o syslog_name=postfix-{name}
  -o smtpd_tls_security_level={level}
  -o smtpd_tls_chain_files={key},{certificate}
"""


class Proven:
    """Certificates, names and policies."""

    def __init__(self, folder):
        self.by = peer.authority(folder / "known")
        self.authority = self.by[0]
        unknown = peer.authority(folder / "unknown")
        make = {
            "dane": ("mail.elsewhere.test", None, unknown),
            "rolled": ("mail.elsewhere.test", None, unknown),
            "othername": ("mail.elsewhere.test", None, self.by),
            "selfmade": ("mail.selfmade.test", None, unknown),
            "lapsed": ("mail.lapsed.test", "60 days ago", self.by),
            "trial": ("mail.trial.test", "60 days ago", self.by),
        }
        self.certificates = {}
        for name in ADDRESSES:
            host, when, by = make.get(name, (f"mail.{name}.test", None, self.by))
            self.certificates[name] = peer.certificate(folder / name, host, when, by)[1:]
        hosts = [f"mta-sts.{name}.test" for name in STS]
        _, certificate, key = peer.certificate(folder / "web", hosts, by=self.by)
        mode = {"trial": "testing"}
        mx = {"othermx": "mx.othermx.test"}
        self.policies = {
            f"mta-sts.{name}.test": policy(mode.get(name, "enforce"),
                                           mx.get(name, f"mail.{name}.test"))
            for name in STS
        }
        self.web = serve(self, certificate, key)

    def zones(self):
        signed = {f"{name}.test": "signed" for name in DANE}
        return signed | {f"{name}.test": "unsigned" for name in STS}

    def records(self, of_key=None, version="1"):
        """`of_key`: other domains' certificates for the TLSA records of some."""
        of_key = {"rolled": "sts"} if of_key is None else of_key
        found = {}
        for name, at in ADDRESSES.items():
            found[f"{name}.test"] = [("MX", f"10 mail.{name}.test.")]
            found[f"mail.{name}.test"] = [("A", at)]
        for name in DANE:
            certificate, _ = self.certificates[of_key.get(name, name)]
            text = f"3 1 1 {key_hash(certificate)}"
            found[f"_25._tcp.mail.{name}.test"] = [("TLSA", text)]
        for name in STS:
            found[f"mta-sts.{name}.test"] = [("A", WEB)]
            found[f"_mta-sts.{name}.test"] = [("TXT", f'"v=STSv1; id={version}"')]
        return found

    def listeners(self):
        text = ""
        for name, at in ADDRESSES.items():
            certificate, key = self.certificates[name]
            level = "none" if name == "stripped" else "may"
            text += LISTENER.format(at=at, name=name, level=level, key=key,
                                    certificate=certificate)
        return text


def policy(mode, mx):
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n"


def key_hash(certificate):
    """RFC 6698 2.1: selector 1, matching type 1."""
    pem = peer.openssl(None, "x509", "-in", certificate, "-pubkey", "-noout").decode()
    lines = [line for line in pem.splitlines() if not line.startswith("-----")]
    return hashlib.sha256(base64.b64decode("".join(lines))).hexdigest()


def serve(proven, certificate, key):
    class Policies(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = proven.policies.get(self.headers["Host"], "").encode()
            found = text and self.path == "/.well-known/mta-sts.txt"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer((WEB, 443), Policies)
    web.daemon_threads = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    web.socket = tls.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
    return web


# ---- the stories ----

WAITS = {
    "rolled": ("DANE asks for TLS that is proven, and it is not: "
               "the certificate fits no TLSA record"),
    "stripped": "The server offers no TLS",
    "othermx": "mail.othermx.test is not used: the MTA-STS policy does not name it",
    "othername": ("MTA-STS asks for TLS that is proven, and it is not: "
                  "the certificate is for another name"),
    "selfmade": ("MTA-STS asks for TLS that is proven, and it is not: "
                 "the issuer of the certificate is not known"),
    "lapsed": ("MTA-STS asks for TLS that is proven, and it is not: "
               "the certificate has expired"),
}
GOES = {
    "dane": "encrypted with TLSv1.3, DANE",
    "sts": "encrypted with TLSv1.3, MTA-STS",
    "trial": ("certificate not proven: the certificate has expired; "
              "the MTA-STS policy is in testing and asks for nothing"),
}


def proven_goes_and_the_rest_waits(stage, check):
    """All are written to at once; what went wrong with one shows in its own trace."""
    for name in ADDRESSES:
        stage.alice.send(f"bob@{name}.test", f"to {name}")
    for name, words in GOES.items():
        found = stage.reader(f"bob@{name}.test").waits_for(f"to {name}")
        check(f"{name}: delivered once", len(found) == 1, stage.story(f"to {name}"))
        story = stage.told(f"to {name}", "took it")
        check(f"{name}: trace", words in flat(story), story)
        # Above it stands Postfix' own way to Dovecot.
        hops = [message.get_all("Received")[1] for message in found]
        check(f"{name}: under TLS", all("using TLSv1.3" in hop for hop in hops), hops)
    for name, words in WAITS.items():
        story = stage.told(f"to {name}", "Not yet")
        check(f"{name}: trace says why", words in flat(story), story)
        kept = stage.kept(f"bob@{name}.test")
        check(f"{name}: it is kept", kept, story)
        # The host would have taken it in clear.
        ended = said(stage, name, wait=name != "othermx")
        check(f"{name}: nothing was sent", " mail=" not in ended, ended)
        check(f"{name}: called once", len(ended.splitlines()) == (name != "othermx"), ended)
        check(f"{name}: nobody has it", not stage.reader(f"bob@{name}.test").read(), story)


def counts_tell_of_it(stage, check):
    """RFC 8460: as `mailroom tls counts` has them once they are written."""
    stage.ours.stop()
    counted = {}
    for row in json.loads(stage.ours.cli("tls", "counts", "--json").stdout)["tls-days"]:
        failures = [(failure["result"], failure["sessions"]) for failure in row["failures"]]
        counted[row["domain"], row["policy"]] = (row["succeeded"], failures)
    for name, policy_kind, wanted in (
        ("dane", "tlsa", (1, [])),
        ("rolled", "tlsa", (0, [("validation-failure", 1)])),
        ("stripped", "tlsa", (0, [("starttls-not-supported", 1)])),
        ("sts", "sts", (1, [])),
        ("othermx", "sts", (0, [("validation-failure", 1)])),
        ("othername", "sts", (0, [("certificate-host-mismatch", 1)])),
        ("selfmade", "sts", (0, [("certificate-not-trusted", 1)])),
        ("lapsed", "sts", (0, [("certificate-expired", 1)])),
        ("trial", "sts", (0, [("certificate-expired", 1)])),
    ):
        found = counted.get((f"{name}.test", policy_kind))
        check(f"{name}: counted", found == wanted, f"{found}, not {wanted}: {counted}")


def put_right_it_goes(stage, check):
    """The key is published, the policy names the host: after a restart the owner tries again."""
    stage.proven.policies["mta-sts.othermx.test"] = policy("enforce", "mail.othermx.test")
    stage.names.publish(stage.records() | stage.proven.records(of_key={}, version="2"))
    stage.ours.start()
    for name in ("rolled", "othermx"):
        stage.ours.cli("outbox", "now", stage.kept(f"bob@{name}.test"))
        found = stage.reader(f"bob@{name}.test").waits_for(f"to {name}")
        check(f"{name}: put right it goes, once", len(found) == 1, stage.story(f"to {name}"))
        story = stage.told(f"to {name}", "took it")
        words = "DANE" if name in DANE else "MTA-STS"
        check(f"{name}: trace", f"encrypted with TLSv1.3, {words}" in flat(story), story)
    for name in ("stripped", "othername", "selfmade", "lapsed"):
        check(f"{name}: it is kept still", stage.kept(f"bob@{name}.test"))


def flat(story):
    return " ".join(story.split())


def said(stage, name, wait):
    """What Postfix logs of the ends of connections to this host; `wait`: for the first of them."""
    def ends():
        log = Path(stage.theirs.paths["log"] / "postfix.log").read_text()
        mine = [line for line in log.splitlines() if f"postfix-{name}/smtpd" in line]
        return "\n".join(line for line in mine if " disconnect from " in line)

    return until(ends, 30) if wait else ends()
