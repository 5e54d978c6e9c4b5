"""From a request and a rule to an answer: status, headers and frames, with the fault worked in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Protocol

import msgspec

from tokenworks.providers.scripted.fault import WHOLE_ERROR, Fault, cut
from tokenworks.providers.scripted.frame import Frame
from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires import (
    anthropic_messages,
    embeddings,
    models,
    openai_chat,
    openai_responses,
)

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
HTML = "text/html; charset=utf-8"
PAGE = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"
)
GARBAGE_BYTES = 512


class Wire(Protocol):
    """What a module of ``wires`` offers for a protocol that streams."""

    def whole(self, turn: Turn, /) -> Frame: ...

    def frames(self, turn: Turn, /) -> Iterator[Frame]: ...

    def error_frames(self, turn: Turn, fault: Fault, sent: int, /) -> Iterator[Frame]: ...


_STREAMING: dict[str, Wire] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
}
_WHOLE: dict[str, Callable[[Turn], Frame]] = {
    "embeddings": embeddings.whole,
    "count_tokens": models.token_count,
}


class Answer(msgspec.Struct):
    """What is to be sent. ``length`` is the body's, None where only its end tells."""

    status: int
    content_type: str
    frames: Iterator[Frame]
    dice: Random
    length: int | None = None
    streamed: bool = False
    cut: bool = False  # the fault's cut is already made
    headers: dict[str, str] = {}
    reply: Reply = Reply()
    fault: Fault | None = None  # what is left to do while playing
    error_frames: Callable[[Fault, int], Iterator[Frame]] | None = None  # int: events sent so far

    @property
    def instant(self) -> bool:
        """True when the answer can be written at once."""
        reply = self.reply
        return (
            self.length is not None
            and self.fault is None
            and reply.framing == "auto"
            and not (reply.first_byte_delay_s or reply.first_chunk_delay_s)
        )


def plain(status: int, body: bytes, dice: Random, content_type: str = JSON) -> Answer:
    """An answer that no rule says anything about."""
    return Answer(status, content_type, iter((Frame(body),)), dice, len(body))


def error_of(ask: Ask | None) -> Callable[[int, Fault], bytes]:
    """How the wire of ``ask`` writes an error; OpenAI's way where the wire is unknown."""
    messages = ask is not None and (
        ask.wire in ("anthropic_messages", "count_tokens") or "anthropic-version" in ask.headers
    )
    return anthropic_messages.error if messages else openai_chat.error


def failure(status: int, message: str, ask: Ask | None, dice: Random) -> Answer:
    """An error answer of the provider itself."""
    return plain(status, error_of(ask)(status, Fault(kind="status", message=message)), dice)


def make(ask: Ask, reply: Reply, fault: Fault | None, dice: Random, on_offer: tuple[str, ...]) -> Answer:
    """The answer of ``reply`` to ``ask``."""
    whole_error = fault is not None and (
        fault.kind in WHOLE_ERROR or (fault.kind == "error_event" and not ask.stream)
    )
    answer = _error(ask, fault, dice) if fault and whole_error else _said(ask, reply, dice, on_offer)
    answer.reply = reply
    answer.headers = {**reply.headers, **answer.headers}
    if fault and not whole_error:
        _work_in(answer, fault)
    return answer


def garbage(dice: Random) -> Frame:
    """Bytes that mean nothing."""
    return Frame(dice.randbytes(GARBAGE_BYTES), partial=True)


def _said(ask: Ask, reply: Reply, dice: Random, on_offer: tuple[str, ...]) -> Answer:
    if ask.wire == "models":
        listed = models.listing(ask, on_offer)
        if listed is None:
            return failure(404, "no such model", ask, dice)
        return plain(200, listed.data, dice)
    turn = take(ask, reply)
    wire = _STREAMING.get(ask.wire)
    headers = _ids(ask)
    if wire is None or not ask.stream:
        frame = _WHOLE[ask.wire](turn) if wire is None else wire.whole(turn)
        return Answer(200, JSON, iter((frame,)), dice, len(frame.data), headers=headers)
    answer = Answer(200, EVENTS, wire.frames(turn), dice, streamed=True)
    answer.headers = {"cache-control": "no-cache", **headers}
    answer.error_frames = lambda fault, sent: wire.error_frames(turn, fault, sent)
    return answer


def _ids(ask: Ask) -> dict[str, str]:
    name = "request-id" if ask.wire in ("anthropic_messages", "count_tokens") else "x-request-id"
    return {name: f"req_{ask.number:012d}"}


def _error(ask: Ask, fault: Fault, dice: Random) -> Answer:
    """A whole answer that is an error."""
    status = fault.status or {"html": 502, "error_body": 500}.get(fault.kind, 500)
    content_type = JSON
    if fault.body is not None:
        body = fault.body.encode()
    elif fault.kind == "html":
        content_type, body = HTML, PAGE.format(f"{status} {fault.message}").encode()
    else:
        body = error_of(ask)(status, fault)
    answer = plain(200 if fault.kind == "error_body" else status, body, dice)
    answer.content_type = fault.content_type or content_type
    if fault.retry_after_s is not None:
        answer.headers = {"retry-after": f"{fault.retry_after_s:g}"}
    return answer


def _work_in(answer: Answer, fault: Fault) -> None:
    """Changes what a fault changes before anything is sent, and leaves the rest to the player."""
    answer.fault = fault
    if fault.kind == "content_type":
        answer.content_type = fault.content_type or "text/plain"
        answer.fault = None
    if fault.kind == "bad_chunk":
        answer.length = None
    if answer.streamed or fault.kind not in ("garbage", "truncate"):
        return
    changed = cut(fault, answer.frames, streamed=False)
    frames = [garbage(answer.dice)] if fault.kind == "garbage" else list(changed)
    answer.frames, answer.length, answer.cut = iter(frames), sum(len(f.data) for f in frames), True
