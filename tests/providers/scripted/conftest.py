"""A raw client that sees every byte, and the official clients as they are."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tokenworks.providers.scripted import ThreadedProvider

Ask = Callable[..., tuple[bytes, bytes]]
HELLO = [{"role": "user", "content": "hello there"}]


def asked(path: str, body: dict[str, Any], headers: str = "") -> bytes:
    """The bytes of a POST that asks for the connection to be closed behind the answer."""
    raw = json.dumps({"model": "m", **body}).encode()
    lines = f"POST /v1{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}"
    return f"{lines}content-length: {len(raw)}\r\n\r\n".encode() + raw


def read_all(client: socket.socket) -> bytes:
    """Everything until the provider closes; a reset ends it too."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"<reset>")
    return b"".join(parts)


@pytest.fixture
def ask() -> Ask:
    """``ask(provider, path, **body)``: headers and body of the answer as bytes, framing included."""

    def send(provider: ThreadedProvider, path: str = "/chat/completions", **body: Any) -> tuple[bytes, bytes]:
        body.setdefault("messages", HELLO)
        with socket.create_connection(("127.0.0.1", provider.port), timeout=5) as client:
            client.sendall(asked(path, body))
            head, _, rest = read_all(client).partition(b"\r\n\r\n")
        return head, rest

    return send


@pytest.fixture
def open_client() -> Iterator[Callable[[ThreadedProvider], socket.socket]]:
    """Raw connections that are closed when the test ends."""
    opened: list[socket.socket] = []

    def connect(provider: ThreadedProvider) -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", provider.port), timeout=5))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def openai_client() -> Iterator[Callable[[ThreadedProvider], openai.OpenAI]]:
    """The official client, without retries, so that each fault is seen once."""
    made: list[openai.OpenAI] = []

    def make(provider: ThreadedProvider) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=provider.base_url, api_key="sk-x", max_retries=0, timeout=5))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def anthropic_client() -> Iterator[Callable[[ThreadedProvider], Any]]:
    """The official client of the messages wire; skips where it is not installed."""
    anthropic = pytest.importorskip("anthropic", reason="pip install anthropic")
    made: list[Any] = []

    def make(provider: ThreadedProvider) -> Any:
        made.append(anthropic.Anthropic(base_url=provider.origin, api_key="sk-x", max_retries=0, timeout=5))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def events() -> Callable[[bytes], list[tuple[str, Any]]]:
    """Splits an SSE payload into (event name, decoded data), "[DONE]" as it is."""

    def split(payload: bytes) -> list[tuple[str, Any]]:
        found = []
        for block in payload.decode().strip().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = fields["data"]
            found.append((fields.get("event", ""), data if data == "[DONE]" else json.loads(data)))
        return found

    return split


@pytest.fixture
def dechunk() -> Callable[[bytes], bytes]:
    """Undoes chunked coding; raises ValueError where it is broken or unfinished."""

    def undo(raw: bytes) -> bytes:
        out = b""
        while True:
            size, found, raw = raw.partition(b"\r\n")
            if not found:
                raise ValueError("no last chunk")
            length = int(size, 16)
            if length == 0:
                return out
            out, raw = out + raw[:length], raw[length + 2 :]

    return undo
