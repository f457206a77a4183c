"""A line to a provider that breaks: a proxy that cuts connections after as many octets of the
server's as it is told."""

import socket
import threading
import time


class Proxy:
    """Forwards to a port of this machine. `cuts`: after how many octets each next connection ends;
    when they are used up, connections stay."""

    def __init__(self, port, cuts=()):
        self.to = port
        self.cuts = list(cuts)
        self.cut = 0
        self.octets = 0
        self.lines = []
        self.lock = threading.Lock()
        self.door = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.door.accept()
            except OSError:
                return
            with self.lock:
                left = self.cuts.pop(0) if self.cuts else None
            far = socket.create_connection(("127.0.0.1", self.to))
            self.lines = [line for line in self.lines if line.fileno() >= 0] + [near, far]
            threading.Thread(target=self.forward, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self.forward, args=(far, near, left), daemon=True).start()

    def forward(self, source, sink, left):
        try:
            while piece := source.recv(65_536):
                if left is not None and len(piece) >= left:
                    sink.sendall(piece[:left])
                    with self.lock:
                        self.cut += 1
                    break
                left = left if left is None else left - len(piece)
                sink.sendall(piece)
                with self.lock:
                    self.octets += len(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def passes(self, octets, until):
        """Waits until so many more octets came through, or `until` says so."""
        end = self.octets + octets
        while self.octets < end and not until():
            time.sleep(0.001)

    def break_all(self):
        """Every line that is open."""
        for line in self.lines:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.door.close()
