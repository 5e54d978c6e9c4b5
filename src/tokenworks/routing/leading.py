"""How a prompt begins, as the request tells it: what caches of prompts find it by.

Bytes are taken as they came, nothing is decoded. Engines cache by tokens and from the first one on, so equal
bytes in front mean equal tokens in front, for the same model.
"""

from __future__ import annotations

import re

import msgspec

from tokenworks.wire.peek import Fields

LEADING = 6144  # bytes of each part that are looked at: about 1,500 tokens, three blocks of most caches

_FIRST = ("system", "instructions")  # stand in front of the turns, whatever their place in the request
_TURNS = ("messages", "input", "prompt")
# Words with which turns begin. Inside of a text their quotes would be escaped.
_USER = b'"user"'
_ANSWER = b'"assistant"'
_OTHER_ANSWERS = (b'"function_call"', b'"reasoning"')  # items of an ``input`` that have no role
_MARK = rb'"cache_control"\s*:\s*\{[^{}]*\}'
_MARKED = re.compile(rb",\s*%b|%b\s*,?" % (_MARK, _MARK))
_AROUND = b"[], \t\r\n"


class Lead(msgspec.Struct, frozen=True):
    """The beginning of a prompt. It stays the same from turn to turn of a conversation."""

    instructions: bytes  # many conversations may share them
    turns: bytes  # the user's first, up to the model's first answer


NO_LEAD = Lead(b"", b"")


def leading(fields: Fields) -> Lead:
    """At most ``LEADING`` bytes of a request's instructions and as many of its first turns.

    Marks for caches, which move on from turn to turn, are left out.
    """
    instructions = turns = b""
    for key in _FIRST:
        if key in fields:
            instructions += _part(fields[key])
    for key in _TURNS:
        if key in fields:
            turns = _part(fields[key])
            user = turns.find(_USER)
            answer = turns.find(_ANSWER, max(user, 0))
            if key == "input":
                for word in _OTHER_ANSWERS:
                    if (other := turns.find(word)) >= 0 and not 0 <= answer < other:
                        answer = other
            if answer >= 0:
                turns = turns[: max(turns.rfind(b"{", 0, answer), 0)]
            if turns.startswith(b"["):
                begin = len(turns) if user < 0 else max(turns.rfind(b"{", 0, user), 0)
                instructions, turns = instructions + turns[:begin].strip(_AROUND), turns[begin:]
            turns = turns.rstrip(_AROUND)
            break
    return Lead(_unmarked(instructions[:LEADING]), _unmarked(turns))


def _part(value: msgspec.Raw) -> bytes:
    return bytes(memoryview(value)[:LEADING])


def _unmarked(part: bytes) -> bytes:
    return _MARKED.sub(b"", part) if b'"cache_control"' in part else part
