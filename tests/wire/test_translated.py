"""Streams of providers on their way to callers of other wires, whatever the chunks they come in.

``goldens/WIRE/CASE.sse`` is what a provider sends, ``CASE.TARGET.json`` the events that a caller gets.
"""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import PAIRS, STREAMS, USAGE, cut, events_of, read, reader_of, telling, writer_of

from tokenworks.schema import Usage
from tokenworks.wire.answer import Answer, Telling
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.peek import raw
from tokenworks.wire.translated import Translated, TranslatedWhole, calls_of

GOLDENS = Path(__file__).parent / "goldens"
SOURCES = sorted(GOLDENS.glob("*/*.sse"))
QUIRKS = {"openai_chat/length": ("inline_think_tags",)}
NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def at_a_fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


def key(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def translated(source: Path, target: str, **fields: Any) -> Translated:
    reader = reader_of(source.parent.name, *QUIRKS.get(key(source), ()))
    return Translated(reader, writer_of(target, **fields))


def relay(stream: Translated, data: bytes, cuts: Any = ()) -> bytes:
    """What a caller gets of ``data`` that arrives in pieces."""
    out = b"".join([stream.feed(piece) for piece in cut(data, cuts)])
    if not stream.done:
        out += stream.flush()
    if not stream.done and stream.finish:
        out += stream.close()
    return out


SENT = [(source, target) for source in SOURCES for target in STREAMS if target != source.parent.name]


@pytest.mark.parametrize(("source", "target"), SENT, ids=lambda it: key(it) if isinstance(it, Path) else it)
def test_golden_streams(source: Path, target: str) -> None:
    stream = translated(source, target)
    out = relay(stream, source.read_bytes())
    expected = json.loads(source.with_suffix(f".{target}.json").read_bytes())
    assert events_of(target, out) == expected
    assert not stream.error
    assert stream.events > 0


@pytest.mark.parametrize("source", SOURCES, ids=key)
def test_cut_at_every_byte(source: Path) -> None:
    """The same events each time; the writers are given them in other batches and write the same bytes."""
    data = source.read_bytes()
    targets = [target for target in STREAMS if target != source.parent.name]
    whole = {target: relay(translated(source, target), data) for target in targets}
    for target in targets:
        assert relay(translated(source, target), data, range(len(data))) == whole[target]
    make = functools.partial(reader_of, source.parent.name, *QUIRKS.get(key(source), ()))
    expected, batches = read(make(), data), set[int]()
    for at in range(1, len(data)):
        reader = make()
        first = list(reader.feed(data[:at]))
        rest = [*reader.feed(data[at:]), *reader.flush()]
        assert first + rest == expected, at
        if len(first) in batches:
            continue
        batches.add(len(first))
        for target in targets:
            writer = writer_of(target)
            assert writer.write(first) + writer.write(rest) + writer.close() == whole[target], at


@pytest.mark.parametrize("source", SOURCES, ids=key)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_ends_of_lines_and_comments_do_not_matter(source: Path, end: bytes) -> None:
    data = source.read_bytes()
    lines = data.replace(b"\r\n", b"\n").replace(b"\n\n", b"\n\n: still here\n\n")
    make = functools.partial(reader_of, source.parent.name, *QUIRKS.get(key(source), ()))
    assert read(make(), lines.replace(b"\n", end), range(0, 9000, 97)) == read(make(), data)


# --- how a stream goes on ---------------------------------------------------------------------

CHUNK = b'data: {"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n'


def chunk(text: str = "", finish: str | None = None) -> bytes:
    return CHUNK % (json.dumps({"content": text} if text else {}).encode(), json.dumps(finish).encode())


COUNTED = b'data: {"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"
PIECES = [
    b"null",
    b'"',
    b"{}",
    b"\\ud83d",
    b"\n\n",
    b"[]",
    b"0",
    b'"type":"tool_use",',
    b'"index":7,',
    b"\xff",
]


@pytest.mark.parametrize("target", STREAMS)
def test_what_is_known_of_a_stream(target: str) -> None:
    stream = Translated(reader_of("openai_chat"), writer_of(target))
    assert (stream.done, stream.error, stream.finish, stream.events, stream.usage) == (False, "", "", 0, None)
    out = stream.feed(chunk("a") + chunk("b"))
    assert (stream.events, stream.output_tokens, stream.finish) == (2, 2, "")
    out += stream.feed(chunk("", "length"))
    assert (stream.finish, stream.done) == ("length", False)
    out += stream.feed(COUNTED)
    assert stream.usage == Usage(100, 0, 0, 7, 0)
    assert stream.output_tokens == 7
    assert not stream.done
    out += stream.feed(DONE)
    assert stream.done
    assert events_of(target, out)
    assert stream.close() == stream.flush() == b""


@pytest.mark.parametrize("target", STREAMS)
def test_a_provider_that_leaves_out_its_end(target: str) -> None:
    proper = Translated(reader_of("openai_chat"), writer_of(target))
    expected = proper.feed(chunk("a") + chunk("", "stop") + COUNTED + DONE)
    stream = Translated(reader_of("openai_chat"), writer_of(target))
    out = stream.feed(chunk("a") + chunk("", "stop") + COUNTED[:-1])
    out += stream.flush()
    assert (stream.done, stream.finish) == (False, "stop")
    assert out + stream.close() == expected
    assert stream.close() == b""


@pytest.mark.parametrize("target", STREAMS)
def test_a_provider_that_complains(target: str) -> None:
    stream = Translated(reader_of("openai_chat"), writer_of(target))
    out = stream.feed(
        chunk("a") + b'data: {"error":{"message":"over\\nloaded","code":503}}\n\n' + chunk("evil")
    )
    assert stream.error == "over loaded"
    assert not stream.done
    assert b"evil" not in out
    assert b"over" not in out
    out += stream.failure("acme: over loaded", 503, "upstream_error")
    last = events_of(target, out)[-1] if target != "anthropic_messages" else {}
    if target == "openai_chat":
        assert last["error"] == {"code": 503, "message": "acme: over loaded", "type": "upstream_error"}
    elif target == "openai_responses":
        assert last["type"] == "response.failed"
        assert last["response"]["error"] == {"code": "server_error", "message": "acme: over loaded"}
    else:
        event = b'{"type":"error","error":{"type":"overloaded_error","message":"acme: over loaded"}}'
        assert out.endswith(b"event: error\ndata: " + event + b"\n\n")
    assert stream.close() == b""


def test_usage_told_at_the_start_is_no_total() -> None:
    source = GOLDENS / "anthropic_messages" / "thinking_tool.sse"
    data = source.read_bytes()
    stream = translated(source, "openai_chat")
    stream.feed(data[: data.index(b"event: message_delta")])
    assert stream.usage == Usage(25, 0, 50, 7, 0), "as many as pieces were delivered, not the 3 of the start"
    stream.feed(data[data.index(b"event: message_delta") :])
    assert stream.usage == Usage(25, 0, 50, 41, 20)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_can_be_no_stream(source: str, target: str) -> None:
    for garbage in (b"data: {\n\n", b"data: [1]\n\n", b"data: nonsense\n\n"):
        stream = Translated(reader_of(source), writer_of(target))
        with pytest.raises(ValueError, match="can't be read"):
            stream.feed(garbage)
    stream = Translated(reader_of(source), writer_of(target))
    assert stream.feed(b": hello\n\nevent: x\n\ndata: \n\ndata: {}\n\n" + b'data: {"type":"ping"}\n\n') == b""


BROKEN = st.tuples(st.integers(0, 10**6), st.integers(0, 8), st.binary(max_size=4) | st.sampled_from(PIECES))


@pytest.mark.parametrize("source", SOURCES, ids=key)
@given(breaks=st.lists(BROKEN, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_broken_stream_is_read_or_refused(source: Path, breaks: list[tuple[int, int, bytes]]) -> None:
    data = source.read_bytes()
    for at, length, instead in breaks:
        at %= len(data)
        data = data[:at] + instead + data[at + length :]
    for target in STREAMS:
        stream = translated(source, target)
        with contextlib.suppress(ValueError):
            out = relay(stream, data)
            if stream.done:
                events_of(target, out)


# --- what the caller wants to be told -----------------------------------------------------------


def last_told(target: str, out: bytes) -> dict[str, Any]:
    """Where the usage is told, and what stands beside it."""
    events = events_of(target, out)
    if target == "openai_chat":
        return events[-1]
    if target == "anthropic_messages":
        return events[-2]
    found: dict[str, Any] = events[-1]["response"]
    return found


@pytest.mark.parametrize("target", STREAMS)
def test_further_fields_stand_beside_the_usage(target: str) -> None:
    stream = Translated(reader_of("openai_chat"), writer_of(target, extra={"meta": raw({"a": [1]})}))
    out = stream.feed(chunk("a") + chunk("", "stop") + COUNTED + DONE)
    told = last_told(target, out)
    # on the messages wire the last event has room for them, by the contract
    beside = events_of(target, out)[-1] if target == "anthropic_messages" else told
    assert beside["meta"] == {"a": [1]}
    assert told["usage"]["cost"] == 0.000114
    assert out.count(b'"meta"') == 1


@pytest.mark.parametrize("target", STREAMS)
@pytest.mark.parametrize("source", STREAMS)
def test_reasoning_is_left_out(source: str, target: str) -> None:
    path = GOLDENS / source / "thinking_tool.sse"
    out = relay(translated(path, target, exclude_reasoning=True), path.read_bytes())
    events_of(target, out)
    assert b"get_time" in out
    for word in (
        b"the time.",
        b"EqMDCkYIBxgC",
        b"EmwKAhgBEgy3",
        b"gAAAAA",
        b'"type":"thinking"',
        b'"type":"reasoning',
    ):
        assert word not in out, word


# --- whole answers ------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    content = (Thinking("é"), Text("abc"), ToolUse("id", "f", '{"a":1}'), Image(url="https://a/b.png"))
    answer = Answer(content, "tool_calls", USAGE, refusal="no")
    seen: list[Any] = []

    def write(answer: Answer, telling: Telling, usage: Usage, cost_nano_usd: int) -> bytes:
        seen.append((answer, telling, usage, cost_nano_usd))
        return b"written"

    whole = TranslatedWhole(answer, write)
    assert (whole.usage, whole.finish, whole.size) == (USAGE, "tool_calls", 2 + 3 + 1 + 7 + 2)
    asked = telling()
    assert whole.render(asked, Usage(1), 5) == b"written"
    assert seen == [(answer, asked, Usage(1), 5)]


@pytest.mark.parametrize(("source", "target"), SENT, ids=lambda it: key(it) if isinstance(it, Path) else it)
def test_tool_calls_are_counted(source: Path, target: str) -> None:
    expected = {"parallel_tools": 3, "tool": 1, "thinking_tool": 1}.get(source.stem, 0)
    for size in (0, 11):
        data = source.read_bytes()
        stream = translated(source, target)
        relay(stream, data, range(size, len(data), size) if size else ())
        assert stream.tool_calls == expected


def test_tool_calls_of_whole_answers() -> None:
    calls = (ToolUse("a", "f", "{}"), Text("tool_use"), ToolUse("b", "g", "{}"))
    assert calls_of(TranslatedWhole(Answer(calls, "tool_calls"), lambda *_: b"")) == 2
    assert calls_of(TranslatedWhole(Answer((Text("f"),), "stop"), lambda *_: b"")) == 0
