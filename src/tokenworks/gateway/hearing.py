"""What a model's answer says, on whichever wire its caller came."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.routing.checks import Answer
from tokenworks.wire import pairs
from tokenworks.wire.answer import RefusalPiece, Stopped, TextPiece, ToolPiece
from tokenworks.wire.conversation import Text, ToolUse
from tokenworks.wire.peek import MALFORMED

UNHEARD = Answer("", "error", 0, None)  # what nobody can read is doubted
HEARD = (pairs.CHAT, pairs.MESSAGES, pairs.RESPONSES)  # wires whose answers can be read


class _Token(msgspec.Struct, gc=False):
    logprob: float | None = None


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Token] | None = None


class _Choice(msgspec.Struct, gc=False):
    logprobs: _Logprobs | None = None


class _Choices(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None


_decode_choices: Any = msgspec.json.Decoder(_Choices).decode


def whole(wire: str, body: bytes) -> Answer:
    """A whole answer. Raises ValueError for none."""
    found = pairs.answer_of(wire, body)
    text = "".join(part.text for part in found.content if isinstance(part, Text))
    calls = sum(isinstance(part, ToolUse) for part in found.content)
    logprob = _mean_logprob(body) if wire == pairs.CHAT and b'"logprob"' in body else None
    finish = "refusal" if found.refusal else found.stop
    return Answer(text or found.refusal, finish, calls, logprob)


def streamed(wire: str, stream: bytes) -> Answer:
    """A complete stream. Raises ValueError for none."""
    text: list[str] = []
    finish, calls, refused = "", 0, False
    for event in pairs.events_of(wire, stream):
        if isinstance(event, TextPiece):
            text.append(event.text)
        elif isinstance(event, RefusalPiece):
            text.append(event.text)
            refused = True
        elif isinstance(event, ToolPiece):
            calls += bool(event.name)
        elif isinstance(event, Stopped):
            finish = event.stop
    return Answer("".join(text), "refusal" if refused else finish, calls, None)


def _mean_logprob(body: bytes) -> float | None:
    """Of the tokens of the first choice, where its provider told them."""
    try:
        choices = _decode_choices(body).choices or []
    except MALFORMED:
        return None
    logprobs = choices[0].logprobs if choices else None
    values = [
        each.logprob for each in (logprobs.content if logprobs else None) or () if each.logprob is not None
    ]
    return sum(values) / len(values) if values else None
