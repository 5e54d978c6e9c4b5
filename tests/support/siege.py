"""A gateway attacked from both sides, and what must hold whatever comes: an answer, one record, no mishap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from unittest.mock import patch

from doorway import Door, provider
from raw_caller import Heard, RawCaller
from raw_provider import EVENTS, Answer, Asked, RawProvider, Sent
from wire_answers import scripted_stream, scripted_whole

from tokenworks.config.settings import ProviderModelSettings, ProviderSettings
from tokenworks.gateway import states
from tokenworks.ledger.frames import HEADER_BYTES, identity, scan
from tokenworks.ledger.record import Record
from tokenworks.providers.scripted.reply import Reply
from tokenworks.wire import sse

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
# Each serves one model, ``acme/NAME``. The last ones have a departure from their wire at every turn.
PROVIDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "chat": (CHAT, ()),
    "messages": (MESSAGES, ()),
    "responses": (RESPONSES, ()),
    "echoing": (
        CHAT,
        (
            "cache_marks",
            "echo_reasoning_content",
            "echo_thought_signatures",
            "max_completion_tokens",
            "official_fields",
            "reasoning_object",
            "replay_full_assistant",
            "takes_top_k",
            "tool_stream_flag",
        ),
    ),
    "tagging": (
        CHAT,
        ("enable_thinking_flag", "inline_think_tags", "preserve_thinking_flag", "thinking_by_default"),
    ),
    "adaptive": (MESSAGES, ("adaptive_thinking_only", "official_fields", "thinking_always_on")),
    "replaying": (RESPONSES, ("echo_reasoning_content", "official_fields", "takes_top_k")),
}
# Which wire a caller speaks at each path; the others have no provider's wire that is the same.
SAME = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGES, "/v1/responses": RESPONSES}
LAST = {
    "/v1/messages": ("message_stop", "error"),
    "/v1/responses": ("response.completed", "response.incomplete", "response.failed"),
}
END = b"data: [DONE]\n\n"
MAX_MESSAGE = 2000  # characters

_REPLY = Reply(text="It is fine.")
_WHOLE = {wire: scripted_whole(wire, _REPLY) for wire in (CHAT, MESSAGES, RESPONSES)}
_STREAM = {wire: scripted_stream(wire, _REPLY) for wire in _WHOLE}
_VECTORS = json.dumps(
    {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
).encode()


class Met(NamedTuple):
    """One request's fate. ``asked`` is what providers were sent for it."""

    heard: Heard
    records: list[Record]
    asked: list[Asked]
    mishaps: list[str]

    @property
    def error(self) -> str:
        """The message of an error."""
        message: str = json.loads(self.heard.body)["error"]["message"]
        return message


class Siege:
    """See ``besieged``."""

    def __init__(self, door: Door, upstream: RawProvider) -> None:
        self.door = door
        self.upstream = upstream
        self.caller = RawCaller(door.port, door.key)
        self.mishaps: list[str] = []
        self.recorded = 0
        self._journal = open_journal(door.settings.journal_dir)

    def note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception that nobody caught."""
        self.mishaps.append(f"{context['message']}: {context.get('exception')!r}")

    async def post(self, path: str, body: bytes, *lines: str) -> Met:
        """Send one request and wait for its end."""
        self.upstream.requests.clear()
        self.mishaps.clear()
        heard = await self.caller.post(path, body, *lines)
        return Met(heard, self.new_records(), [*self.upstream.requests], [*self.mishaps])

    def new_records(self) -> list[Record]:
        """What was written since the last time. A store takes all of it at the end: that costs far less."""
        found, end, corrupt = scan(data := self._journal.read())
        assert end == len(data) and not corrupt
        self.recorded += len(found)
        return found

    async def close(self) -> None:
        self._journal.close()
        await self.caller.close()


def open_journal(folder: Path) -> BinaryIO:
    """The only journal in ``folder``, where its records begin."""
    (path,) = folder.glob("*.journal")
    journal = path.open("rb")
    assert identity(journal.read(HEADER_BYTES)) is not None
    return journal


@asynccontextmanager
async def besieged(home: Path, answer: Answer) -> AsyncIterator[Siege]:
    """A gateway before ``PROVIDERS``, all played by ``answer``; at the end no request may be left, and the
    store has to take every record.

    What no worker knows is not waited for: most hostile requests speak of calls that nobody made.
    """
    async with RawProvider(answer) as upstream:
        door = Door(home, {name: _settings(name, upstream) for name in PROVIDERS})
        await door.open()
        siege = Siege(door, upstream)
        asyncio.get_running_loop().set_exception_handler(siege.note)
        try:
            with patch.object(states, "AGAIN_AFTER_S", 0.0):
                yield siege
            assert door.inflight.count() == 0, "a request was never settled"
            siege.new_records()
            assert len(door.records()) == siege.recorded, "the store does not take what was recorded"
        finally:
            await siege.close()
            await door.close()


def obliging(asked: Asked) -> Sent:
    """A provider that answers everything, as long as it is JSON and for its own model."""
    body = loaded(asked.body)
    assert isinstance(body, dict), f"this is what a provider was sent: {asked.body[:300]!r}"
    assert body["model"] in PROVIDERS
    if asked.path == "/v1/embeddings":
        return Sent((_VECTORS,))
    if asked.path == "/v1/messages/count_tokens":
        return Sent((b'{"input_tokens":5}',))
    wire = SAME[asked.path]
    assert wire == PROVIDERS[body["model"]][0]
    if body.get("stream") is True:
        return Sent((_STREAM[wire],), EVENTS)
    return Sent((_WHOLE[wire],))


def _settings(name: str, upstream: RawProvider) -> ProviderSettings:
    wire, quirks = PROVIDERS[name]
    model = ProviderModelSettings(
        id=f"acme/{name}", upstream_id=name, context_length=1_000_000, input_mtok=1.0, output_mtok=2.0
    )
    base = upstream.origin if wire == MESSAGES else upstream.base_url
    return provider(base, wire=wire, quirks=quirks, models=(model,))


# --- what must hold -----------------------------------------------------------------------------


def complaint(path: str, met: Met, *, passed: bool = False) -> str:
    """What is wrong with an answer; empty when nothing is.

    ``passed``: provider and caller speak the same wire, so that a provider's broken JSON passes.
    """
    heard, problems = met.heard, list(met.mishaps)
    if len(met.records) != 1:
        problems.append(f"{len(met.records)} records")
    if not heard.status:
        problems.append(f"no answer: {heard.body!r}")
    elif heard.status != 200:
        problems.append(_of_error(path, heard))
    elif heard.streamed:
        problems.append(_of_stream(path, heard.body, passed))
    elif not passed and not isinstance(loaded(heard.body), dict):
        problems.append(f"no object: {heard.body[:200]!r}")
    for record in met.records:
        good = ("ok", "upstream_error") if heard.streamed else ("ok",)
        if record.status != heard.status or (record.outcome in good) != (heard.status == 200):
            problems.append(f"{record.outcome} and {record.status} recorded for {heard.status}")
        if min(record.cost_nano_usd, record.uncached_input_tokens, record.output_tokens) < 0:
            problems.append(f"less than nothing was used: {record}")
    return "; ".join(filter(None, problems))


def _of_error(path: str, heard: Heard) -> str:
    body = loaded(heard.body)
    if not isinstance(body, dict) or not isinstance(body.get("error"), dict):
        return f"no error: {heard.body[:200]!r}"
    error = body["error"]
    if path.startswith("/v1/messages"):
        if body.get("type") != "error" or not isinstance(error["type"], str):
            return f"not the shape of this wire: {heard.body[:200]!r}"
    elif error["code"] != str(heard.status) or not isinstance(error["type"], str):
        return f"not the shape of this wire: {heard.body[:200]!r}"
    message = error["message"]
    if not message or "\n" in message or "\r" in message or len(message) > MAX_MESSAGE:
        return f"not one line: {message[:300]!r}"
    return ""


def _of_stream(path: str, body: bytes, passed: bool) -> str:
    body = body.replace(b"\r\n", b"\n")
    if not body.endswith(b"\n\n"):
        return f"the stream ends in mid-event: {body[-100:]!r}"
    last: Any = None
    for event in sse.events(body):
        data = sse.payload(event)
        if data is not None and data != sse.DONE:
            last = loaded(data)
            if last is None and not passed:
                return f"no JSON: {data[:200]!r}"
    if "completions" in path:
        return "" if body.endswith(END) else f"no proper end: {body[-100:]!r}"
    if last is None:  # broken already when the provider sent it
        return ""
    return "" if last.get("type") in LAST[path] else f"no proper end: {last}"


def loaded(data: bytes) -> Any:
    """JSON, its numbers as text so that none is too long; None for what is none."""
    try:
        return json.loads(data.decode("utf-8", "surrogateescape"), parse_int=str, parse_float=str) or {}
    except (ValueError, RecursionError):
        return None
