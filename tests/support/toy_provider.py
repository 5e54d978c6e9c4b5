"""A provider of chat completions that translates as ``toy_translator`` does, in a thread, and counts."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from toy_translator import Translator, asked

from tokenworks.batches.recipes.recipe import Ask, Said


class ToyProvider:
    """What came, and what was answered: an answer counts once its last byte was handed to the kernel."""

    def __init__(self, delay_s: float = 0.0, other: str | Callable[[Ask], str] = "") -> None:
        """``other``: what it says where nothing is to be translated."""
        self.delay_s, self.other = delay_s, other
        self.wanted: list[str] = []  # what was to be translated, a digest each, in order
        self.received = 0
        self.delivered = 0
        self.lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with provider.lock:
                    provider.received += 1
                answer = provider.answer(body)
                if provider.delay_s:
                    time.sleep(provider.delay_s)
                try:
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                    self.wfile.flush()
                except OSError:  # whoever asked is dead
                    self.close_connection = True
                    return
                with provider.lock:
                    provider.delivered += 1

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a connection that was broken off

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        """For a worker of batches, to which it is the gateway."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        """For the configuration of a gateway."""
        return f"{self.origin}/v1"

    def _other(self, ask: Ask) -> str:
        return self.other if isinstance(self.other, str) else self.other(ask)

    def answer(self, body: dict[str, Any]) -> bytes:
        """A chat completion."""
        ask = Ask(tuple(body["messages"]))
        wanted = asked(ask)
        if wanted:
            self.wanted.append(digest(wanted))
        said = Translator()(ask) if wanted else Said(self._other(ask))
        heard = sum(len(message["content"]) for message in body["messages"]) // 4
        told = len(said.text) // 4
        usage = {"prompt_tokens": heard, "completion_tokens": told, "total_tokens": heard + told}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": said.text},
            "finish_reason": said.finish,
        }
        made = {
            "id": "toy",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(made).encode()

    def close(self) -> None:
        """It listens no more."""
        self._server.shutdown()
        self._server.server_close()


def digest(paragraphs: Mapping[int, str]) -> str:
    """What tells these paragraphs from others."""
    return hashlib.sha256(json.dumps(sorted(paragraphs.items())).encode()).hexdigest()


@contextmanager
def translating(delay_s: float = 0.0, other: str | Callable[[Ask], str] = "") -> Iterator[ToyProvider]:
    """One that serves within the block."""
    made = ToyProvider(delay_s, other)
    try:
        yield made
    finally:
        made.close()
