import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from serving import free_port

import bare_relay


class Echo(BaseHTTPRequestHandler):
    """Answers with the body that it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is to be told."""


@contextmanager
def relay() -> Iterator[int]:
    """The port of a relay before an upstream that echoes."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=upstream.serve_forever, daemon=True).start()
    port = free_port()
    script = Path(bare_relay.__file__)
    argv = [sys.executable, str(script), "--port", str(port), "--upstream", str(upstream.server_port)]
    process = subprocess.Popen(argv)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise TimeoutError("the relay does not listen")
        yield port
    finally:
        process.kill()
        process.wait()
        upstream.shutdown()
        upstream.server_close()


@pytest.mark.parametrize("size", [1_000, 300_000])
def test_bodies_come_back_as_they_went(size: int) -> None:
    body = bytes(range(256)) * (size // 256)
    with ExitStack() as stack:
        port = stack.enter_context(relay())
        client = HTTPConnection("127.0.0.1", port, timeout=20)
        stack.callback(client.close)
        for number in range(3):  # on one connection
            sent = body + str(number).encode()
            client.request("POST", "/v1/chat/completions", sent)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, sent)
