"""Answers that no provider should send, on every wire and to callers of every wire: an answer or an error.

Nothing crashes, nobody waits for ever, and there is one record of everything.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from mutations import REPLACEMENTS, at, encoded, paths, replaced, without
from raw_provider import EVENTS, Asked, Sent
from siege import CHAT, MESSAGES, PROVIDERS, RESPONSES, SAME, Met, Siege, besieged, complaint, obliging
from wire_answers import scripted_stream, scripted_whole

from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall
from tokenworks.wire import sse
from tokenworks.wire.translated import Translated, TranslatedWhole

RICH = Reply(
    reasoning="Paris is.",
    signature="c2lnbmF0dXJl",
    text="It is Paris.",
    tool_calls=(
        ToolCall(name="get_weather", arguments='{"city":"Paris"}', split_at=(1, 9)),
        ToolCall(name="get_time", arguments={"zone": "CET"}),
    ),
    usage=Tokens(
        input_tokens=100, cache_read_tokens=60, cache_write_tokens=10, output_tokens=9, reasoning_tokens=4
    ),
)
# What scripted answers leave out.
MORE: dict[str, dict[str, Any]] = {
    CHAT: {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}]},
                "message": {
                    "role": "assistant",
                    "content": "<think>h</think>x",
                    "refusal": "no",
                    "reasoning": "r",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "t",
                            "signature": "s",
                            "format": "anthropic-claude-v1",
                        },
                        {
                            "type": "reasoning.encrypted",
                            "data": "d",
                            "id": "rs_1",
                            "format": "openai-responses-v1",
                        },
                    ],
                    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}],
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                        }
                    ],
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "s"}},
                        }
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0.1},
    },
    MESSAGES: {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "x", "citations": None},
            {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "a", "content": []},
        ],
        "stop_reason": "refusal",
        "stop_details": {"explanation": "no"},
        "usage": {"input_tokens": 10, "output_tokens": 5, "server_tool_use": None},
    },
    RESPONSES: {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "error": None,
        "model": "m",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
            {"type": "message", "id": "m1", "content": [{"type": "refusal", "refusal": "no"}]},
            {"type": "custom_tool_call", "id": "ct", "call_id": "c2", "name": "p", "input": "x"},
            {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "iVBO"},
        ],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    },
}
CALLERS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50},
    "/v1/responses": {"input": "hi"},
}
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "m",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
ERRORS = [
    {"error": {"message": "m", "type": "t", "code": "c", "param": None, "metadata": {"raw": "x"}}},
    {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}, "request_id": "r"},
    {"detail": [{"loc": ["a"], "msg": "m"}]},
]
STATUSES = {400: 400, 401: 502, 404: 502, 413: 413, 418: 502, 422: 400, 429: 429, 500: 502, 503: 503}
# Whole payloads of events, and the names under which they come.
STRAY = [
    (name, data)
    for name in (None, b"error", b"ping")
    for data in (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"zzz",
        b"\xff\xfe",
        b'{"type":null}',
        b'{"error":null}',
        b'{"error":"x"}',
        b'{"error":{"message":null,"code":"zz"}}',
        b'{"type":"error"}',
        b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
        b'{"type":"message_start"}',
        b'{"type":"content_block_delta","index":99999999999999999999,"delta":{"text":"x"}}',
        b'{"type":"content_block_delta","index":3,"delta":{"type":"thinking_delta","thinking":"x"}}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use"}}',
        b'{"type":"response.completed"}',
        b'{"type":"response.failed","response":{"error":{"code":"x","message":"y"}}}',
        b'{"type":"response.output_text.delta","output_index":-5,"delta":"x"}',
    )
]
KINDS = tuple(REPLACEMENTS)
KINDS_A_NODE = 5
AT_RANDOM = 1500

EventOfStream = tuple[bytes | None, Any]  # name and payload; None is the end marker
WHOLES = {wire: (json.loads(scripted_whole(wire, RICH)), MORE[wire]) for wire in MORE}


def _events(data: bytes) -> list[EventOfStream]:
    found: list[EventOfStream] = []
    for event in sse.events(data):
        payload = sse.payload(event)
        if payload is not None:
            found.append((sse.name(event), None if payload == sse.DONE else json.loads(payload)))
    return found


STREAMS = {wire: _events(scripted_stream(wire, RICH)) for wire in MORE}


def written(name: bytes | None, payload: Any) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    line = b"event: %b\n" % name if name else b""
    return b"%bdata: %b\n\n" % (line, sse.DONE if payload is None else data)


class Liar:
    """Answers with what it was told last."""

    def __init__(self) -> None:
        self.sent = Sent((b"",))

    def __call__(self, _: Asked) -> Sent:
        return self.sent


class Trial:
    """Collects what went wrong, one example of each."""

    def __init__(self, siege: Siege, liar: Liar) -> None:
        self.siege = siege
        self.liar = liar
        self.bad: dict[str, str] = {}
        self.statuses: set[int] = set()

    async def send(self, path: str, name: str, sent: Sent, what: str, stream: bool = False) -> Met:
        self.liar.sent = sent
        asked = {"model": f"acme/{name}", **CALLERS.get(path, {"input": "hi"})}
        if stream:
            asked["stream"] = True
        met = await self.siege.post(path, json.dumps(asked).encode())
        self.statuses.add(met.heard.status)
        problem = complaint(path, met, passed=SAME.get(path) == PROVIDERS[name][0] or path not in CALLERS)
        if met.heard.status >= 500 and met.heard.status != 502:
            problem += f" status {met.heard.status}"
        if problem:
            self.bad.setdefault(problem[:200], f"{name}: {what}: {b''.join(sent.pieces)[-1500:]!r}")
        return met


def turns() -> itertools.cycle[tuple[str, str]]:
    """Every caller with every provider, over and over."""
    return itertools.cycle(itertools.product(CALLERS, PROVIDERS))


def pairs_of(wire: str) -> list[tuple[str, str]]:
    """Callers with the providers of one wire."""
    return [(path, name) for path in CALLERS for name, (spoken, _) in PROVIDERS.items() if spoken == wire]


@pytest.mark.parametrize("wire", MORE)
async def test_one_node_of_a_whole_answer(wire: str, tmp_path: Path) -> None:
    liar = Liar()
    async with besieged(tmp_path / "home", liar) as siege:
        trial, kinds = Trial(siege, liar), itertools.cycle(KINDS)
        callers = itertools.cycle(pairs_of(wire))
        for valid in WHOLES[wire]:
            for path, name in pairs_of(wire):
                met = await trial.send(path, name, Sent((json.dumps(valid).encode(),)), "valid")
                assert met.heard.status == 200
            for where in paths(valid):
                for kind in itertools.islice(kinds, KINDS_A_NODE):
                    sent = Sent((replaced(valid, where, REPLACEMENTS[kind]),))
                    await trial.send(*next(callers), sent, f"{kind} at {where}")
                if where:
                    await trial.send(*next(callers), Sent((without(valid, where),)), f"no {where}")
    assert trial.bad == {}
    assert trial.statuses == {200, 502}


@pytest.mark.parametrize("wire", MORE)
async def test_one_node_of_a_stream(wire: str, tmp_path: Path) -> None:
    liar, events = Liar(), STREAMS[wire]
    async with besieged(tmp_path / "home", liar) as siege:
        trial, kinds = Trial(siege, liar), itertools.cycle(KINDS)
        callers = itertools.cycle(pairs_of(wire))
        for number, (event_name, payload) in enumerate(events):
            before = b"".join(written(*each) for each in events[:number])
            behind = b"".join(written(*each) for each in events[number + 1 :])
            for where in paths(payload) if payload is not None else ():
                for kind in itertools.islice(kinds, KINDS_A_NODE):
                    hostile = written(event_name, replaced(payload, where, REPLACEMENTS[kind]))
                    sent = Sent((before, hostile, behind), EVENTS)
                    await trial.send(*next(callers), sent, f"{kind} at {where} of {number}", stream=True)
    assert trial.bad == {}
    assert trial.statuses == {200, 502}


@pytest.mark.parametrize("wire", MORE)
async def test_stray_and_missing_events(wire: str, tmp_path: Path) -> None:
    liar, events = Liar(), STREAMS[wire]
    async with besieged(tmp_path / "home", liar) as siege:
        trial, callers = Trial(siege, liar), itertools.cycle(pairs_of(wire))
        pieces = [written(*each) for each in events]
        stray = itertools.cycle(STRAY)
        for number in range(len(pieces)):
            hostile = {
                "left out": [*pieces[:number], *pieces[number + 1 :]],
                "twice": [*pieces[: number + 1], *pieces[number:]],
                "nothing behind": pieces[: number + 1],
                "half": [*pieces[:number], pieces[number][: len(pieces[number]) // 2]],
                "first": [pieces[number], *pieces],
            }
            for name, payload in itertools.islice(stray, 12):
                hostile[f"{name!r} {payload!r} before"] = [
                    *pieces[:number],
                    written(name, payload),
                    *pieces[number:],
                ]
            for what, all_pieces in hostile.items():
                sent = Sent((b"".join(all_pieces),), EVENTS)
                await trial.send(*next(callers), sent, f"{number} {what}", stream=True)
    assert trial.bad == {}
    assert trial.statuses == {200, 502}


@pytest.mark.parametrize("seed", [1, 2])
async def test_several_faults_at_random(seed: int, tmp_path: Path) -> None:
    """In streams cut anywhere, with line ends of either kind."""
    dice, liar = random.Random(seed), Liar()
    async with besieged(tmp_path / "home", liar) as siege:
        trial = Trial(siege, liar)
        for _ in range(AT_RANDOM):
            name = dice.choice(list(PROVIDERS))
            wire = PROVIDERS[name][0]
            path = dice.choice(list(CALLERS))
            if dice.random() < 0.3:
                sent = Sent((shaken(dice.choice(WHOLES[wire]), dice),))
                await trial.send(path, name, sent, "whole")
                continue
            events = [*STREAMS[wire]]
            for _ in range(dice.choice((1, 1, 2, 4))):
                number = dice.randrange(len(events))
                if dice.random() < 0.7 and isinstance(events[number][1], dict):
                    events[number] = events[number][0], shaken(events[number][1], dice)
                elif dice.random() < 0.5:
                    events.insert(number, dice.choice(events))
                elif dice.random() < 0.5:
                    dice.shuffle(events)
                else:
                    events[number:] = events[number : number + 1]
            data = b"".join(written(*each) for each in events)
            if dice.random() < 0.1:
                data = data.replace(b"\n", b"\r\n")
            cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 0, 2, 9))))
            pieces = tuple(data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)]))
            await trial.send(path, name, Sent(pieces, EVENTS), "stream", stream=True)
    assert trial.bad == {}


def shaken(valid: dict[str, Any], dice: random.Random) -> bytes:
    """``valid`` as JSON with up to three nodes changed, some of them by nodes of other wires."""
    body, marks = copy.deepcopy(valid), {}
    for number in range(dice.choice((1, 1, 2, 3))):
        places = [where for where in paths(body) if where]
        if not places:
            break
        where = dice.choice(places)
        parent, what = at(body, where[:-1]), dice.random()
        if what < 0.12:
            del parent[where[-1]]
        elif what < 0.35:
            other = dice.choice(WHOLES[dice.choice(list(WHOLES))])
            parent[where[-1]] = copy.deepcopy(at(other, dice.choice(list(paths(other)))))
        elif what < 0.45 and isinstance(parent[where[-1]], int):
            parent[where[-1]] = dice.choice((0, 1, 2, 3, -1))
        else:
            mark = f"\ue000{number}\ue000"
            parent[where[-1]] = mark
            marks[json.dumps(mark)] = REPLACEMENTS[dice.choice(KINDS)]
    text = json.dumps(body)
    for mark, replacement in marks.items():
        text = text.replace(mark, replacement)
    return encoded(text)


async def test_vectors_and_counts(tmp_path: Path) -> None:
    liar = Liar()
    async with besieged(tmp_path / "home", liar) as siege:
        trial = Trial(siege, liar)
        for where, kind in itertools.product(paths(VECTORS), KINDS):
            sent = Sent((replaced(VECTORS, where, REPLACEMENTS[kind]),))
            for name in ("chat", "echoing", "replaying"):
                await trial.send("/v1/embeddings", name, sent, f"{kind} at {where}")
        for where, kind in itertools.product(((), ("input_tokens",)), KINDS):
            sent = Sent((replaced({"input_tokens": 5}, where, REPLACEMENTS[kind]),))
            met = await trial.send("/v1/messages", "messages", sent, f"{kind} at {where}")
            met = await trial.send("/v1/messages/count_tokens", "messages", sent, f"{kind} at {where}")
            assert met.heard.status in (200, 400, 502)
    assert trial.bad == {}


async def test_error_bodies(tmp_path: Path) -> None:
    """The status is kept as documented, whatever stands in the body."""
    liar, wrong = Liar(), []
    async with besieged(tmp_path / "home", liar) as siege:
        trial, callers = Trial(siege, liar), turns()
        for valid, (status, told) in itertools.product(ERRORS, STATUSES.items()):
            for number, where in enumerate(paths(valid)):
                for kind in KINDS[number % 3 :: 3]:
                    liar.sent = Sent((replaced(valid, where, REPLACEMENTS[kind]),), status=status)
                    path, name = next(callers)
                    body = {"model": f"acme/{name}", **CALLERS[path]}
                    met = await siege.post(path, json.dumps(body).encode())
                    problem = complaint(path, met)
                    if problem or met.heard.status != told:
                        wrong.append((status, met.heard.status, kind, where, problem))
        assert trial.bad == {} and wrong == []


async def test_an_error_page_without_an_end(tmp_path: Path) -> None:
    """What is read of it is enough to know its status."""
    liar = Liar()
    async with besieged(tmp_path / "home", liar) as siege:
        for status, told in STATUSES.items():
            liar.sent = Sent((b"<html>" + b"x" * 500_000,), "text/html", status)
            body = {"model": "acme/chat", **CALLERS["/v1/chat/completions"]}
            met = await siege.post("/v1/chat/completions", json.dumps(body).encode())
            assert (met.heard.status, complaint("/v1/chat/completions", met)) == (told, "")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_mistake_of_ours_ends_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """The caller is cut off instead of waiting for ever, and there is a record."""

    def wrong(*_: object) -> None:
        raise AttributeError("a mistake")

    monkeypatch.setattr(Translated, "feed", wrong)
    monkeypatch.setattr(TranslatedWhole, "render", wrong)
    async with besieged(tmp_path / "home", obliging) as siege:
        body = {
            "model": "acme/messages",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": stream,
        }
        started = asyncio.get_running_loop().time()
        met = await siege.post("/v1/chat/completions", json.dumps(body).encode())
        assert met.heard.status == 0 and asyncio.get_running_loop().time() - started < 1
        await asyncio.sleep(0.2)
        assert len(siege.door.records()) == 1
        assert "a mistake" in str(siege.mishaps)
        siege.mishaps.clear()
