"""A server of one model as others run it: health, metrics and a list of models in the words of three kinds.

Its metrics are the pages beside this file; answers are one short chat, streamed or whole. It can be taken
down and brought up again on the same port.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "server_pages"
NAME = "Qwen/Qwen3-32B"
USAGE = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14}


def page(kind: str) -> str:
    """What a server of this kind tells on /metrics."""
    return (PAGES / f"{kind}.prom").read_text()


def models(kind: str) -> dict[str, Any]:
    """What it lists."""
    entry: dict[str, Any] = {"id": NAME, "object": "model", "created": 1764000000, "owned_by": kind}
    if kind == "vllm":
        entry |= {"root": NAME, "parent": None, "max_model_len": 40960, "permission": []}
    elif kind == "sglang":
        entry |= {"root": NAME, "max_model_len": 40960}
    elif kind == "llama_cpp":
        entry |= {"owned_by": "llamacpp", "meta": {"n_vocab": 151936, "n_ctx_train": 40960, "n_params": 1}}
        return {"object": "list", "models": [{"name": NAME}], "data": [entry]}
    return {"object": "list", "data": [entry]}


class ModelServer:
    """``routes``: path → status and body. ``asked``: what came, in order; ``bodies`` of chats."""

    def __init__(self, kind: str = "vllm", key: str = "") -> None:
        self.key = key
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.routes: dict[str, tuple[int, str]] = {
            "/health": (200, '{"status":"ok"}' if kind == "llama_cpp" else ""),
            "/v1/models": (200, json.dumps(models(kind))),
            "/metrics": (200, page(kind)) if (PAGES / f"{kind}.prom").exists() else (404, "no"),
        }
        if kind == "vllm":
            self.routes["/version"] = 200, '{"version":"0.11.2"}'
        elif kind == "sglang":
            self.routes["/get_server_info"] = 200, '{"version":"0.5.5","max_total_num_tokens":471258}'
        elif kind == "llama_cpp":
            props = {
                "default_generation_settings": {"n_ctx": 8192},
                "total_slots": 4,
                "build_info": "b7100-1",
            }
            self.routes["/props"] = 200, json.dumps(props)
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Die: open connections break, new ones are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def metric(self, name: str, value: float) -> None:
        """Change every sample of ``name`` on the page."""
        status, text = self.routes["/metrics"]
        lines = [
            f"{line.rpartition(' ')[0]} {value}" if line.startswith((f"{name}{{", f"{name} ")) else line
            for line in text.splitlines()
        ]
        self.routes["/metrics"] = status, "\n".join(lines) + "\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, *given: Any) -> None:
        self.open: set[Any] = set()
        super().__init__(*given)

    def get_request(self) -> Any:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self.open):
            super().shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a connection that was broken off


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            server.asked.append(self.path)
            guarded = self.path.startswith("/v1") and server.key
            if guarded and self.headers.get("authorization") != f"Bearer {server.key}":
                self.answer(401, "application/json", b'{"error":"Unauthorized"}')
                return
            status, text = server.routes.get(self.path, (404, '{"detail":"Not Found"}'))
            self.answer(status, "text/plain", text.encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.asked.append(self.path)
            server.bodies.append({**body, "authorization": self.headers.get("authorization")})
            if not body.get("stream"):
                message = {"role": "assistant", "content": "hello"}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                whole = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
                self.answer(
                    200,
                    "application/json",
                    json.dumps({**whole, "choices": [choice], "usage": USAGE}).encode(),
                )
                return
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
            parts = [
                {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hello"}}]},
                {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {**chunk, "choices": [], "usage": USAGE},
            ]
            text = "".join(f"data: {json.dumps(part)}\n\n" for part in parts) + "data: [DONE]\n\n"
            self.answer(200, "text/event-stream", text.encode())

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def model_server(kind: str = "vllm", key: str = "") -> Iterator[ModelServer]:
    """Up until the end of the block."""
    server = ModelServer(kind, key)
    try:
        yield server
    finally:
        server.down()
