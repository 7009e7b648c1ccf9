"""A tracker (BEP 3, with the compact peers of BEP 23) that tells everybody of all others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

from workflow.archive.bencode import encode

INTERVAL: Final = 1800
"""Seconds until a client asks again. In these tests nobody has to."""


@dataclass(frozen=True)
class Tracker:
    """``heard`` are announces: port and event."""

    url: str
    heard: set[tuple[int, str]] = field(default_factory=set)


@contextmanager
def tracking(port: int) -> Iterator[Tracker]:
    """A tracker at this port of 127.0.0.1."""
    tracker = Tracker(f"http://127.0.0.1:{port}/announce")
    peers: set[tuple[str, int]] = set()

    class Announces(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path != "/announce":
                self.send_error(404)
                return
            asked = parse_qs(url.query, encoding="latin-1")
            own = self.client_address[0], int(asked["port"][0])
            event = asked.get("event", [""])[0]
            tracker.heard.add((own[1], event))
            others = [socket.inet_aton(host) + port.to_bytes(2) for host, port in peers - {own}]
            if event == "stopped":
                peers.discard(own)
            else:
                peers.add(own)
            answer = encode({b"interval": INTERVAL, b"peers": b"".join(others)})
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Announces) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield tracker
        finally:
            server.shutdown()
            thread.join()
