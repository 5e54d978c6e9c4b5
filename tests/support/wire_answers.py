"""What tests of answers on several wires share: the wires, random answers, the official clients' types."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, get_args

import msgspec
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires import anthropic_messages, openai_chat, openai_responses
from tokenworks.schema import Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import (
    Answer,
    BlockEnd,
    Ended,
    Event,
    ImagePiece,
    RefusalPiece,
    Started,
    Stopped,
    Telling,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.anthropic_messages import answer as messages_answer
from tokenworks.wire.anthropic_messages import stream as messages_stream
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.openai_chat import answer as chat_answer
from tokenworks.wire.openai_chat import stream as chat_stream
from tokenworks.wire.openai_responses import answer as responses_answer
from tokenworks.wire.openai_responses import stream as responses_stream
from tokenworks.wire.pairing import Reader, Writer
from tokenworks.wire.signature import MESSAGES, RESPONSES

ANSWERS: dict[str, ModuleType] = {
    "openai_chat": chat_answer,
    "anthropic_messages": messages_answer,
    "openai_responses": responses_answer,
}
STREAMS: dict[str, ModuleType] = {
    "openai_chat": chat_stream,
    "anthropic_messages": messages_stream,
    "openai_responses": responses_stream,
}
SCRIPTED: dict[str, ModuleType] = {
    "openai_chat": openai_chat,
    "anthropic_messages": anthropic_messages,
    "openai_responses": openai_responses,
}
PAIRS = list(itertools.permutations(STREAMS, 2))
PRICE = Price("test", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.5, cache_write_mtok=1.25)
USAGE = Usage(100, 20, 30, 40, 10)


def telling(**fields: Any) -> Telling:
    """What a caller is told, with everything that tests need to be the same each time."""
    given = {"generation": "gen-1", "model": "acme/fast", "provider": "acme", "price": PRICE, "created": 1700}
    return Telling(**{**given, **fields})


# --- official clients ---------------------------------------------------------------------------


def _by_type(union: Any) -> dict[str, type[BaseModel]]:
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in members}


_NAMED = {
    "anthropic_messages": _by_type(RawMessageStreamEvent),
    "openai_responses": _by_type(ResponseStreamEvent),
}
_WHOLE: dict[str, type[BaseModel]] = {
    "openai_chat": ChatCompletion,
    "anthropic_messages": Message,
    "openai_responses": Response,
}


def whole(wire: str, body: bytes) -> dict[str, Any]:
    """A whole answer, which the official client can read."""
    value: dict[str, Any] = json.loads(body)
    _WHOLE[wire].model_validate(value)
    return value


def events_of(wire: str, data: bytes) -> list[dict[str, Any]]:
    """The events of a caller's stream, each of which the official client can read."""
    assert data.endswith(b"\n\n")
    found: list[dict[str, Any]] = []
    for event in sse.events(data):
        payload = sse.payload(event)
        assert payload is not None
        if payload == sse.DONE:
            assert wire == "openai_chat"
            continue
        value: dict[str, Any] = json.loads(payload)
        if wire == "openai_chat":
            assert sse.name(event) is None
            if "error" not in value:  # of which clients make an exception
                ChatCompletionChunk.model_validate(value)
        else:
            assert sse.name(event) == value["type"].encode()
            _NAMED[wire][value["type"]].model_validate(value)
        found.append(value)
    assert (data.count(b"data: [DONE]\n\n") == 1 and data.endswith(b"data: [DONE]\n\n")) == (
        wire == "openai_chat"
    )
    return found


# --- streams ------------------------------------------------------------------------------------


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``data`` in pieces that end at ``cuts``."""
    marks = [0, *sorted({min(max(at, 0), len(data)) for at in cuts}), len(data)]
    return [data[first:last] for first, last in itertools.pairwise(marks) if first < last]


def read(reader: Reader, data: bytes, cuts: Iterable[int] = ()) -> list[Event]:
    """The events that ``reader`` makes of ``data`` in pieces."""
    events: list[Event] = []
    for piece in cut(data, cuts):
        events += reader.feed(piece)
    return [*events, *reader.flush()]


def reader_of(wire: str, *quirks: str) -> Reader:
    """A new reader."""
    made: Reader = STREAMS[wire].Reader(frozenset(quirks))
    return made


def writer_of(wire: str, **fields: Any) -> Writer:
    """A new writer."""
    made: Writer = STREAMS[wire].Writer(telling(**fields))
    return made


# --- what a provider that knows nothing of this room sends ---------------------------------------


def _turn(wire: Any, reply: Reply) -> Turn:
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "messages": []}
    return take(Ask(1, wire, "/", {}, body), reply)


def scripted_whole(wire: str, reply: Reply) -> bytes:
    """A whole answer of the scripted provider."""
    data: bytes = SCRIPTED[wire].whole(_turn(wire, reply)).data
    return data


def scripted_stream(wire: str, reply: Reply) -> bytes:
    """A stream of the scripted provider."""
    return b"".join([frame.data for frame in SCRIPTED[wire].frames(_turn(wire, reply))])


# --- answers at random --------------------------------------------------------------------------

WORDS = st.text(min_size=1, max_size=20)
NAMES = st.text("abcXYZ019_-", min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(st.text(max_size=5), st.integers() | WORDS | st.none(), max_size=3).map(
    json.dumps
)
COUNTS = st.integers(0, 10**9)
USAGES = st.builds(
    lambda fresh, read, write, output, share: Usage(fresh, read, write, output, output * share // 100),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.integers(0, 100),
)
OPAQUE = st.text("abcDEF123+/=", min_size=1, max_size=12)
IDS = st.builds("rs_{}".format, NAMES)
TEXTS = st.builds(Text, WORDS)
IMAGES = st.builds(
    lambda kind, data: Image(media_type=f"image/{kind}", data=data),
    st.sampled_from(["png", "jpeg", "webp", "gif"]),
    OPAQUE,
)


def thoughts(format: str, ids: st.SearchStrategy[str]) -> st.SearchStrategy[Thinking]:
    """Reasoning of one maker's format; on ``RESPONSES`` what signs nothing is data instead of text."""
    shown = st.builds(
        lambda text, opaque, id: Thinking(text, opaque, "", id, format), WORDS, st.just("") | OPAQUE, ids
    )
    hidden = st.builds(lambda data, id: Thinking("", "", data, id, format), OPAQUE, ids)
    if format == RESPONSES:
        return shown | hidden
    return shown | hidden | st.builds(lambda opaque, id: Thinking("", opaque, "", id, format), OPAQUE, ids)


def _numbered(blocks: Sequence[Any]) -> tuple[Any, ...]:
    """``blocks`` with ids that differ, as those of one answer do."""
    made = []
    for number, block in enumerate(blocks):
        if isinstance(block, ToolUse) or (isinstance(block, Thinking) and block.id):
            block = msgspec.structs.replace(block, id=f"{block.id}{number}")
        made.append(block)
    return tuple(made)


def _stop(content: Sequence[Any], stop: str) -> str:
    called = any(isinstance(block, ToolUse) for block in content)
    return "tool_calls" if called and stop == "stop" else stop


def _answer(content: Sequence[Any], stop: str, **fields: Any) -> Answer:
    return Answer(_numbered(content), _stop(content, stop), **fields)


def calls(
    arguments: st.SearchStrategy[str], signatures: st.SearchStrategy[str]
) -> st.SearchStrategy[ToolUse]:
    """Tool calls."""
    return st.builds(ToolUse, NAMES, NAMES, arguments, signatures)


_NONE = st.just("")
_CHAT_THOUGHTS = (
    thoughts("", _NONE | IDS)
    | thoughts(MESSAGES, _NONE)
    | thoughts(RESPONSES, _NONE | IDS)
    | thoughts("unknown", _NONE)
)
EXPRESSIBLE: dict[str, st.SearchStrategy[Answer]] = {
    "openai_chat": st.builds(
        lambda thinking, text, images, tools, stop, refusal, usage, created: _answer(
            (*thinking, *text, *images, *tools), stop, refusal=refusal, usage=usage, created=created
        ),
        st.lists(_CHAT_THOUGHTS, max_size=3),
        st.lists(TEXTS, max_size=1),
        st.lists(IMAGES, max_size=2),
        st.lists(calls(ARGUMENTS | WORDS, _NONE | OPAQUE), max_size=3),
        st.sampled_from(["stop", "length", "content_filter", "refusal"]),
        _NONE | WORDS,
        USAGES,
        st.integers(1, 2**33),
    ),
    "anthropic_messages": st.builds(
        lambda content, stop, usage: _answer(content, stop[0], usage=usage, stop_sequence=stop[1]),
        st.lists(TEXTS | thoughts(MESSAGES, _NONE) | calls(ARGUMENTS, _NONE), max_size=6),
        st.sampled_from([(stop, "") for stop in ("stop", "length", "refusal", "pause_turn")]),
        USAGES,
    ),
    "openai_responses": st.builds(
        lambda content, stop, refusal, usage, created: _answer(
            content, stop, refusal=refusal, usage=usage, created=created
        ),
        st.lists(TEXTS | thoughts(RESPONSES, IDS) | calls(ARGUMENTS | WORDS, _NONE) | IMAGES, max_size=6),
        st.sampled_from(["stop", "length", "content_filter"]),
        _NONE | WORDS,
        USAGES,
        st.integers(1, 2**33),
    ),
}
# What every wire can say, but for signatures, which only their maker understands.
SHARED: st.SearchStrategy[Answer] = st.builds(
    lambda content, stop, usage: _answer(content, stop, usage=usage),
    st.lists(TEXTS | st.builds(Thinking, WORDS) | calls(ARGUMENTS, _NONE), max_size=6),
    st.sampled_from(["stop", "length"]),
    USAGES,
)


@st.composite
def told(
    draw: Callable[[st.SearchStrategy[Any]], Any], answers: st.SearchStrategy[Answer]
) -> tuple[Answer, list[Event]]:
    """An answer, and events that tell it: in pieces, those of calls side by side taking turns."""
    answer: Answer = draw(answers)
    lanes: list[list[Event]] = []
    out: list[Event] = [Started()]

    def flush() -> None:
        begun = 0  # they begin in order
        while lanes:
            at = draw(st.integers(0, min(begun, len(lanes) - 1)))
            lane = lanes[at]
            begun += at == begun
            out.append(lane.pop(0))
            if not lane:
                del lanes[at]
                begun -= 1

    for index, block in enumerate(answer.content):
        if isinstance(block, ToolUse):
            first, *rest = _pieces(draw, block.arguments)
            lanes.append(
                [
                    ToolPiece(index, first, block.id, block.name, block.signature),
                    *(ToolPiece(index, piece) for piece in rest),
                ]
            )
            continue
        flush()
        if isinstance(block, Text):
            out += [TextPiece(index, piece) for piece in _pieces(draw, block.text)]
        elif isinstance(block, Image):
            out.append(ImagePiece(index, block))
        else:
            out += _thinking(draw, index, block)
        if draw(st.booleans()):
            out.append(BlockEnd(index))
    flush()
    if answer.refusal:
        out += [RefusalPiece(len(answer.content), piece) for piece in _pieces(draw, answer.refusal)]
    ending: list[Event] = [UsageTold(answer.usage)] if answer.usage is not None else []
    return answer, [*out, *ending, Stopped(answer.stop, answer.stop_sequence), Ended()]


def _thinking(draw: Callable[[st.SearchStrategy[Any]], Any], index: int, block: Thinking) -> list[Event]:
    pieces: list[Event] = []
    for number, text in enumerate(_pieces(draw, block.text) if block.text else ()):
        pieces.append(ThinkingPiece(index, text, id="" if number else block.id, format=block.format))
    opaque = ThinkingPiece(
        index, "", block.signature, block.redacted, "" if block.text else block.id, format=block.format
    )
    return [*pieces, opaque] if block.signature or block.redacted else pieces


def _pieces(draw: Callable[[st.SearchStrategy[Any]], Any], text: str) -> list[str]:
    marks = [0, *sorted(draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=4))), len(text)]
    return [text[first:last] for first, last in itertools.pairwise(marks) if first < last] or [text]


def plain(answer: Answer) -> Answer:
    """``answer`` without what is signed or numbered for one maker; texts in a row are one text."""
    content: list[Any] = []
    for block in answer.content:
        if isinstance(block, Thinking):
            block = Thinking(block.text)
        if isinstance(block, Text) and content and isinstance(content[-1], Text):
            block = Text(content.pop().text + block.text)
        content.append(block)
    return msgspec.structs.replace(answer, content=tuple(content), created=0)
