#!/usr/bin/env python3
"""Servers and neighbours of the test network: lan.py dhcp ADDRESS | time | ask NAME | claim
ADDRESS | announce RESOLVER SECONDS"""

import socket
import struct
import sys
import time

ROUTER = "10.9.0.1"


def options(packet):
    found, rest = {}, packet[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        found[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return found


def dhcp(lent):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
    server.bind(("", 67))
    print("ready", flush=True)
    while True:
        question, _ = server.recvfrom(2048)
        kind = {1: 2, 3: 5}.get(options(question)[53][0])
        if kind is None:
            continue
        answer = bytearray(240)
        answer[0] = 2
        for begin, end in [(1, 4), (4, 8), (10, 12), (28, 44), (236, 240)]:
            answer[begin:end] = question[begin:end]
        answer[16:20] = socket.inet_aton(lent)
        router = socket.inet_aton(ROUTER)
        answer += bytes([53, 1, kind, 54, 4]) + router
        answer += bytes([51, 4]) + struct.pack(">I", 3600)
        answer += bytes([1, 4, 255, 255, 255, 0])
        for option in [3, 6, 42]:
            answer += bytes([option, 4]) + router
        server.sendto(bytes(answer) + b"\xff", ("255.255.255.255", 68))


def clock():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", 123))
    print("ready", flush=True)
    while True:
        question, peer = server.recvfrom(1024)
        now = time.time() + 2208988800
        stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * 2**32))
        head = bytes([0x24, 2, 6, 0xEC]) + bytes(20)
        server.sendto(head + question[40:48] + stamp + stamp, peer)


def ask(name):
    """A multicast DNS question; prints the first address of an answer."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ROUTER))
    asker.bind(("", 5353))
    group = socket.inet_aton("224.0.0.251") + socket.inet_aton(ROUTER)
    asker.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    asker.settimeout(1)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        asker.sendto(question, ("224.0.0.251", 5353))
        try:
            while True:
                answer, (peer, _) = asker.recvfrom(4096)
                record = b"\x00\x01\x80\x01"
                at = answer.find(record)
                if peer != ROUTER and answer[2] & 0x80 and at > 0:
                    print(socket.inet_ntoa(answer[at + 10 : at + 14]))
                    return
        except TimeoutError:
            continue
    sys.exit("nobody answers")


def claim(address):
    """An ARP announcement of a device that has this address."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("lan0", 0x0806))
    hardware = b"\x02\0\0\0\0\x99"
    four = socket.inet_aton(address)
    packet = bytes([0, 1, 8, 0, 6, 4, 0, 1]) + hardware + four + bytes(6) + four
    sender.send(b"\xff" * 6 + hardware + b"\x08\x06" + packet)


def announce(resolver, seconds):
    """What a router of IPv6 says: who answers questions for names (RFC 8106)."""
    sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    # RFC 4861 6.1.2: what came over a router is not believed.
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    packet = bytes([134, 0, 0, 0, 64, 0, 0, 0]) + bytes(8)
    packet += bytes([25, 3, 0, 0]) + struct.pack(">I", int(seconds))
    packet += socket.inet_pton(socket.AF_INET6, resolver)
    sender.sendto(packet, ("ff02::1", 0, 0, socket.if_nametoindex("lan0")))


if __name__ == "__main__":
    acts = {"dhcp": dhcp, "time": clock, "ask": ask, "claim": claim}
    acts["announce"] = announce
    acts[sys.argv[1]](*sys.argv[2:])
