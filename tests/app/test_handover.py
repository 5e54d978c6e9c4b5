"""Settings and messages arrive as they were sent, however the bytes are cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tokenworks.app.handover import Birth, Channel, Message, pack, unpack
from tokenworks.config.settings import (
    EngineSettings,
    LedgerSettings,
    ProviderModelSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from tokenworks.engines.manager import EngineState

SETTINGS = Settings(
    home=Path("/srv/tw"),
    source=Path("/srv/tw/tokenworks.toml"),
    server=ServerSettings(port=1, keyless_local=False),
    upstream=UpstreamSettings(connect_timeout_s=0.5),
    ledger=LedgerSettings(fsync="always"),
    providers={
        "acme": ProviderSettings(
            wire="openai_chat",
            headers={"x-team": "search"},
            models=(ProviderModelSettings(id="acme/fast", input_mtok=0.1, aliases=("a", "b")),),
        )
    },
    engines={"tiny": EngineSettings(model="local/tiny", path="/m/tiny.gguf", kv_cache_type="q8_0")},
    secrets={"acme": "sk-ü"},
    pepper=bytes(range(32)),
)


def test_a_worker_is_born_with_the_settings_as_they_were_read() -> None:
    state = EngineState("tiny", "ready", port=1234, api_key="k", pid=7)
    birth = Birth(SETTINGS, "w0-1-2", listen_fd=5, control_fd=6, engines=[state])
    assert unpack(pack(birth)) == birth
    unread = Birth(msgspec.structs.replace(SETTINGS, source=None), "w0", 5, 6)
    found = unpack(pack(unread))
    assert found == unread
    assert found.settings.source is None
    assert isinstance(found.settings.home, Path)


def test_half_a_birth_is_refused() -> None:
    """What a worker reads when its supervisor was killed while telling it."""
    data = pack(Birth(SETTINGS, "w0", 5, 6))
    for part in (b"", data[:1], data[: len(data) // 2], data[:-1]):
        with pytest.raises(msgspec.DecodeError):
            unpack(part)


def test_what_is_no_setting_is_refused_at_once() -> None:
    with pytest.raises(NotImplementedError):
        pack(Birth(object(), "w0", 5, 6))  # type: ignore[arg-type]


# --- messages ---------------------------------------------------------------------------------


class Heard(Channel):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.closed = 0

    def on_message(self, message: Message) -> None:
        self.messages.append(message)

    def on_close(self) -> None:
        self.closed += 1


class Pair:
    """Two channels joined by a real socket pair."""

    async def open(self) -> Pair:
        loop = asyncio.get_running_loop()
        ends = socket.socketpair()
        self.one, self.two = Heard(), Heard()
        for channel, end in zip((self.one, self.two), ends, strict=True):
            await loop.create_connection(lambda channel=channel: channel, sock=end)
        return self

    async def until(self, count: int) -> list[Message]:
        for _ in range(1000):
            if len(self.two.messages) >= count:
                return self.two.messages
            await asyncio.sleep(0.002)
        raise TimeoutError


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    found = await Pair().open()
    yield found
    for channel in (found.one, found.two):
        if channel._transport is not None:
            channel._transport.close()
    await asyncio.sleep(0)


MESSAGES = [
    Message(ready=True),
    Message(inflight=0),  # zero is news, nothing is not
    Message(inflight=64),
    Message(start="tiny"),
    Message(engine=EngineState("tiny", "failed", reason='no "model"\nfile ✓')),
    Message(drain=True),
    Message(),
]


async def test_messages_arrive_in_order(pair: Pair) -> None:
    for message in MESSAGES:
        pair.one.send(message)
    assert await pair.until(len(MESSAGES)) == MESSAGES
    pair.two.send(MESSAGES[3])
    pair.one, pair.two = pair.two, pair.one
    assert await pair.until(1) == [MESSAGES[3]]


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_however_the_bytes_are_cut(step: int) -> None:
    data = b"".join(msgspec.json.encode(message) + b"\n" for message in MESSAGES)
    heard = Heard()
    for at in range(0, len(data), step):
        heard.data_received(data[at : at + step])
    assert heard.messages == MESSAGES


def test_a_newer_end_may_say_more() -> None:
    heard = Heard()
    heard.data_received(b'{"ready":true,"mood":"good"}\n')
    assert heard.messages == [Message(ready=True)]


async def test_the_end_is_told_once_and_nothing_is_sent_after_it(pair: Pair) -> None:
    assert pair.one._transport is not None
    pair.one._transport.abort()
    pair.one.send(Message(ready=True))  # closing: dropped
    for _ in range(1000):
        if pair.two.closed:
            break
        await asyncio.sleep(0.002)
    assert (pair.one.closed, pair.two.closed) == (1, 1)
    pair.two.send(Message(ready=True))
    assert pair.one.messages == []
    unopened = Heard()
    unopened.send(Message(ready=True))
