"""A name server of a test's own, over UDP and TCP: it says what the test wrote down.

    Names({"office.test": [("MX", "10 mail.office.test."), ("TXT", '"v=spf1 mx -all"')],
           "mail.office.test": [("A", "192.0.2.1")],
           "slow.test": ["TIMEOUT"], "ill.test": ["SERVFAIL"]})

Aliases are followed; a name without records but with names below it exists; every other name does
not. "TIMEOUT": questions for types that stand not before it are never answered; (type, "TIMEOUT")
is that for one type.
"""

import socket
import socketserver
import struct
import threading

import tools  # noqa: F401

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.exception

SILENT = "TIMEOUT"
ALIASES = 16


class Names:
    def __init__(self, records, host="127.0.0.3", port=0, ttl=60):
        self.ttl = ttl
        self.publish(records)
        handlers = (socketserver.ThreadingUDPServer, Udp), (socketserver.ThreadingTCPServer, Tcp)
        self.servers = []
        for kind, handler in handlers:
            kind.allow_reuse_address = kind.daemon_threads = True
            served = kind((host, port), handler)
            served.names = self
            port = served.server_address[1]
            self.servers.append(served)
            threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
        self.host, self.port = host, port
        self.at = f"{host}:{port}"

    def publish(self, records):
        """From now on these records and no others."""
        known = {}
        for name, entries in records.items():
            key = dns.name.from_text(name) if isinstance(name, str) else name
            known[key] = self.name(entries)
        self.known = known

    def name(self, entries):
        found = {}
        for entry in entries:
            if isinstance(entry, str):
                found[entry] = True
                continue
            kind, text = entry
            kind = dns.rdatatype.from_text(kind)
            if text == SILENT:
                found[kind] = SILENT
            elif isinstance(text, str):
                one = dns.rdataset.from_text("IN", kind, self.ttl, text)
                found.setdefault(kind, dns.rdataset.Rdataset(one.rdclass, kind)).update(one)
            else:
                one = dns.rdataset.from_rdata(self.ttl, text)
                found.setdefault(kind, dns.rdataset.Rdataset(one.rdclass, kind)).update(one)
        return found

    def answer(self, octets):
        """The message in reply; None is silence."""
        question = dns.message.from_wire(octets)
        reply = dns.message.make_response(question, recursion_available=True)
        reply.flags |= dns.flags.AA
        asked = question.question[0]
        name = asked.name
        for _ in range(ALIASES):
            found = self.known.get(name)
            if found is None:
                below = any(other.is_subdomain(name) for other in self.known)
                reply.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
                return reply
            records = found.get(asked.rdtype)
            if records is None and SILENT in found or records == SILENT:
                return None
            if "SERVFAIL" in found:
                reply.set_rcode(dns.rcode.SERVFAIL)
                return reply
            alias = found.get(dns.rdatatype.CNAME)
            records = records or alias
            if not records:
                return reply
            rrset = reply.find_rrset(
                reply.answer, name, records.rdclass, records.rdtype, create=True
            )
            rrset.update(records)
            if records is not alias or asked.rdtype == dns.rdatatype.CNAME:
                return reply
            name = alias[0].target
        return reply

    def stop(self):
        for served in self.servers:
            served.shutdown()
            served.server_close()


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        octets, at = self.request
        reply = self.server.names.answer(octets)
        if reply is None:
            return
        most = max(512, dns.message.from_wire(octets).payload or 512)
        try:
            wire = reply.to_wire(max_size=min(most, 1232))
        except dns.exception.TooBig:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        at.sendto(wire, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self):
        try:
            while head := self.rfile.read(2):
                octets = self.rfile.read(struct.unpack("!H", head)[0])
                reply = self.server.names.answer(octets)
                if reply is None:
                    continue
                wire = reply.to_wire(max_size=65535)
                self.wfile.write(struct.pack("!H", len(wire)) + wire)
        except (OSError, socket.timeout):
            return
