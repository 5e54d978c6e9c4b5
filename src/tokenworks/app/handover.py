"""What passes between the supervisor and its workers: the settings at birth, then JSON lines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec

from tokenworks.config.settings import Settings
from tokenworks.engines.state import EngineState


class Birth(msgspec.Struct):
    """What a worker is told on its standard input, once."""

    settings: Settings
    name: str  # of its journal; unique among all workers that ever lived
    listen_fd: int
    control_fd: int
    engines: list[EngineState] = []
    behind: bool = False  # serves batches only, after everybody else


class Message(msgspec.Struct, omit_defaults=True):
    """One line on the control socket, in either direction."""

    ready: bool = False  # worker → supervisor: listening
    inflight: int | None = None  # worker → supervisor: requests being served
    refused: dict[int, int] | None = None  # worker → supervisor: answers without a record, by status
    start: str = ""  # worker → supervisor: start this engine
    engine: EngineState | None = None  # supervisor → worker: news of an engine
    drain: bool = False  # supervisor → worker: finish open answers, then exit


def to_wire(value: Any) -> Any:
    """What msgpack doesn't know."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def from_wire(kind: type, value: Any) -> Any:
    """The same, read."""
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)


def pack(birth: Birth) -> bytes:
    return msgspec.msgpack.encode(birth, enc_hook=to_wire)


def unpack(data: bytes) -> Birth:
    return msgspec.msgpack.decode(data, type=Birth, dec_hook=from_wire)


class Channel(asyncio.Protocol):
    """JSON lines over a socket; ``on_message`` for each, ``on_close`` once."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._decode = msgspec.json.Decoder(Message).decode

    def on_message(self, message: Message) -> None:
        raise NotImplementedError

    def on_close(self) -> None:
        raise NotImplementedError

    def send(self, message: Message) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(msgspec.json.encode(message) + b"\n")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.on_message(self._decode(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.on_close()
