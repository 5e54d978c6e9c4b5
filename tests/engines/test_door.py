"""The door over a scripted runtime: what callers get, and when the runtime is told to stop."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tokenworks.engines.door import MAX_GRAMMAR, MAX_NESTING, Door

KEY = "k"
PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]


def chunk(
    text: str | None = None, *, index: int = 0, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def usage(output: int) -> dict[str, Any]:
    counted = {"completion_tokens": output, "prompt_tokens": 5, "total_tokens": 5 + output}
    return {"id": "c", "choices": [], "usage": counted}


HELLO = [
    chunk(prompt_progress={"total": 5, "processed": 5}),
    chunk('He "prompt_progress": "usage":{'),
    chunk("llo"),
    chunk(finish="stop"),
    usage(2),
]
TEXT = 'He "prompt_progress": "usage":{llo'


class Scripted:
    """Plays ``script`` for every request; ``endless`` instead repeats a token until told to stop."""

    def __init__(
        self, script: list[dict[str, Any]], *, error: Exception | None = None, endless: bool = False
    ) -> None:
        self.script, self.error, self.endless = script, error, endless
        self.bodies: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self.running = threading.Event()

    def handle_chat_completions(self, body: bytes, on_chunk: Callable[[bytes], bool], /) -> None:
        self.bodies.append(json.loads(body))
        self.running.set()
        for each in self.script:
            if on_chunk(json.dumps(each, separators=(",", ":")).encode()):
                self.stopped.set()
                return
        if self.error is not None:
            raise self.error
        while self.endless:
            time.sleep(0.01)
            if on_chunk(json.dumps(chunk("x"), separators=(",", ":")).encode()):
                self.stopped.set()
                return

    def handle_metrics(self) -> str:
        return "llamacpp:n_decode_total 1\n"


@asynccontextmanager
async def opened(runtime: Scripted, slots: int = 2, batch_slots: int = 1) -> AsyncIterator[httpx.AsyncClient]:
    async with Door(runtime, KEY, slots, batch_slots).opened() as port:
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10
        ) as client:
            yield client


def events(text: str) -> list[Any]:
    assert text.endswith("\n\n")
    datas = [event.removeprefix("data: ") for event in text.split("\n\n")[:-1]]
    return [data if data == "[DONE]" else json.loads(data) for data in datas]


async def test_whole_answer_is_made_of_a_stream() -> None:
    runtime = Scripted(HELLO)
    async with opened(runtime) as client:
        got = await client.post(PATH, json={"model": "m", "messages": MESSAGES, "id_slot": 3})
    assert got.status_code == 200
    assert got.json()["choices"][0]["message"]["content"] == TEXT
    assert got.json()["usage"]["completion_tokens"] == 2
    assert runtime.bodies == [
        {
            "model": "m",
            "messages": MESSAGES,
            "stream": True,
            "return_progress": True,
            "stream_options": {"include_usage": True},
        }
    ]


@pytest.mark.parametrize("asked", [None, {"include_usage": False}, {"include_usage": True}])
async def test_stream_carries_usage_only_when_asked_for(asked: dict[str, bool] | None) -> None:
    body = {"messages": MESSAGES, "stream": True, "stream_options": asked}
    async with opened(Scripted(HELLO)) as client:
        got = await client.post(PATH, json=body)
    assert got.headers["content-type"] == "text/event-stream"
    *chunks, done = events(got.text)
    assert done == "[DONE]"
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == TEXT
    assert not any("prompt_progress" in c for c in chunks)
    counted = [c["usage"]["completion_tokens"] for c in chunks if "usage" in c]
    assert counted == ([2] if asked and asked["include_usage"] else [])


async def test_streamed_choices_end_with_one_usage_of_them_all() -> None:
    script = [chunk("a"), chunk("b", index=1), usage(1), chunk("c"), chunk(finish="stop"), usage(7)]
    body = {"messages": MESSAGES, "stream": True, "n": 2, "stream_options": {"include_usage": True}}
    async with opened(Scripted(script)) as client:
        got = events((await client.post(PATH, json=body)).text)
    assert [c["usage"] for c in got[:-1] if "usage" in c] == [
        {"completion_tokens": 8, "prompt_tokens": 5, "total_tokens": 13}
    ]
    assert "usage" in got[-2]


@pytest.mark.parametrize("stream", [False, True])
async def test_connection_serves_one_answer_after_another(stream: bool) -> None:
    async with opened(Scripted(HELLO)) as client:
        for _ in range(150):  # the library's own server would have closed by now
            got = await client.post(PATH, json={"messages": MESSAGES, "stream": stream})
            assert got.status_code == 200 and "connection" not in got.headers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        ({"code": 400, "message": "top_k is\n odd"}, 400, "top_k is odd"),
        ({"code": 503, "message": "busy"}, 503, "busy"),
        (
            {"code": 400, "message": "x", "n_prompt_tokens": 40, "n_ctx": 20},
            400,
            "has 40 tokens, this engine takes 20",
        ),
    ],
)
async def test_complaints_before_the_first_token_have_a_status(
    stream: bool, error: dict[str, Any], status: int, says: str
) -> None:
    async with opened(Scripted([{"error": error}])) as client:
        got = await client.post(PATH, json={"messages": MESSAGES, "stream": stream})
        assert got.status_code == status
        assert says in got.json()["error"]["message"]
        assert got.json()["error"]["code"] == status
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ValueError("'messages' is required"), 400, "'messages' is required"),
        (RuntimeError("no images - hint: use another program"), 400, "no images"),
        (MemoryError(), 503, "MemoryError"),
    ],
)
async def test_exceptions_of_the_library_are_answers(error: Exception, status: int, says: str) -> None:
    async with opened(Scripted([], error=error)) as client:
        got = await client.post(PATH, json={"messages": MESSAGES})
    assert got.status_code == status
    assert got.json()["error"]["message"].endswith(says)


async def test_complaint_in_mid_stream_is_an_event() -> None:
    script = [chunk("a"), {"error": {"code": 500, "message": "lost"}}, chunk("b")]
    async with opened(Scripted(script)) as client:
        got = events((await client.post(PATH, json={"messages": MESSAGES, "stream": True})).text)
        assert got[-1]["error"]["message"] == "lost"
        assert len(got) == 2
        assert (await client.get("/health")).status_code == 200  # the connection is still in order


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_stops_the_generation(stream: bool) -> None:
    runtime = Scripted([chunk("a")], endless=True)
    async with opened(runtime) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.post(PATH, json={"messages": MESSAGES, "stream": stream})
        assert await asyncio.to_thread(runtime.stopped.wait, 2)


async def test_who_leaves_the_queue_never_gets_a_turn() -> None:
    runtime = Scripted([], endless=True)
    async with opened(runtime, slots=1) as client:
        first = asyncio.create_task(client.post(PATH, json={"messages": MESSAGES, "user": "first"}))
        assert await asyncio.to_thread(runtime.running.wait, 2)
        with pytest.raises(httpx.ReadTimeout):
            await client.post(PATH, json={"messages": MESSAGES, "user": "second"}, timeout=0.2)
        runtime.endless = False
        assert (await first).status_code == 200
        assert (await client.post(PATH, json={"messages": MESSAGES, "user": "third"})).status_code == 200
    assert [body["user"] for body in runtime.bodies] == ["first", "third"]


async def test_only_health_is_open() -> None:
    async with opened(Scripted(HELLO)) as client:
        for key in ("Bearer wrong", "", "Bearer k2", f"bearer {KEY}"):
            headers = {"authorization": key}
            assert (await client.post(PATH, json={"messages": MESSAGES}, headers=headers)).status_code == 401
            assert (await client.get("/metrics", headers=headers)).status_code == 401
            assert (await client.get("/health", headers=headers)).json() == {"status": "ok"}
        assert (await client.get("/metrics")).text.startswith("llamacpp:n_decode_total 1\n")
        assert (await client.get("/slots")).status_code == 404
        assert (await client.put("/metrics")).status_code == 404


async def test_counters_that_can_not_be_told_are_an_answer_too() -> None:
    runtime = Scripted(HELLO)

    def broken() -> str:
        raise RuntimeError("no counters")

    runtime.handle_metrics = broken  # type: ignore[method-assign]
    async with opened(runtime) as client:
        got = await client.get("/metrics")
        assert got.status_code == 503 and "no counters" in got.json()["error"]["message"]


def nested(levels: int) -> str:
    return '{"type":"object","properties":{"a":' * levels + "{}" + "}}" * levels


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"stream": "yes"}', "stream"),
        (b'{"stream": true, "stream_options": 1}', "stream_options"),
        (b'{"messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested"),
        (
            b'{"response_format": ' + nested(MAX_NESTING // 2 + 1).encode() + b"}",
            "'response_format' is nested",
        ),
        (b'{"tools": [' + nested(MAX_NESTING // 2).encode() + b"]}", "'tools' is nested"),
        (b'{"grammar": "' + b"(" * MAX_GRAMMAR + b'"}', "grammar"),
    ],
)
async def test_bodies_that_never_reach_the_library(body: bytes, says: str) -> None:
    runtime = Scripted(HELLO)
    async with opened(runtime) as client:
        got = await client.post(PATH, content=body)
        assert got.status_code == 400, got.text
        assert says in got.json()["error"]["message"]
    assert not runtime.bodies


async def test_wide_is_not_deep() -> None:
    wide = {"type": "object", "properties": {f'p[{{{i}\\"': {"enum": [["[{"]]} for i in range(1000)}}
    async with opened(Scripted(HELLO)) as client:
        got = await client.post(PATH, json={"messages": MESSAGES, "response_format": wide})
    assert got.status_code == 200


# --- whose turn it is -------------------------------------------------------------------------


class Gated(Scripted):
    """Holds every request until the test lets it go."""

    def __init__(self) -> None:
        super().__init__([])
        self.begun: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.lock = threading.Lock()

    def handle_chat_completions(self, body: bytes, on_chunk: Callable[[bytes], bool], /) -> None:
        user = json.loads(body)["user"]
        with self.lock:
            gate = self.gates.setdefault(user, threading.Event())
            self.begun.append(user)
        assert gate.wait(5)
        for each in HELLO:
            on_chunk(json.dumps(each, separators=(",", ":")).encode())

    def let_go(self, user: str) -> None:
        with self.lock:
            self.gates.setdefault(user, threading.Event()).set()

    async def has_begun(self, *users: str) -> bool:
        """Those, in this order and no others, also after a moment."""
        for _ in range(200):
            if len(self.begun) >= len(users):
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return self.begun == list(users)


def asking(client: httpx.AsyncClient, user: str, **more: Any) -> "asyncio.Task[httpx.Response]":
    headers = {"x-tokenworks-batch": "1"} if user.isupper() else {}
    body = {"messages": MESSAGES, "user": user, **more}
    return asyncio.create_task(client.post(PATH, json=body, headers=headers))


async def asked_in_order(client: httpx.AsyncClient, *users: str) -> "list[asyncio.Task[httpx.Response]]":
    tasks = []
    for user in users:
        tasks.append(asking(client, user))
        await asyncio.sleep(0.03)
    return tasks


async def test_who_waits_comes_before_queued_batches() -> None:
    runtime = Gated()
    async with opened(runtime, slots=2, batch_slots=1) as client:
        tasks = await asked_in_order(client, "A", "B", "C", "a", "b")
        assert await runtime.has_begun("A", "a"), runtime.begun  # B waits although a slot was free
        runtime.let_go("A")
        assert await runtime.has_begun("A", "a", "b"), runtime.begun
        for user in "abBC":
            runtime.let_go(user)
        answers = await asyncio.gather(*tasks)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert runtime.begun == ["A", "a", "b", "B", "C"]


async def test_a_request_of_many_choices_takes_as_many_slots() -> None:
    runtime = Gated()
    async with opened(runtime, slots=2) as client:
        wide = asking(client, "wide", n=2)
        assert await runtime.has_begun("wide")
        narrow = asking(client, "narrow")
        assert await runtime.has_begun("wide")
        got = (await client.get("/metrics")).text
        assert 'tokenworks_engine_waiting{batch="no"} 1' in got
        runtime.let_go("wide")
        assert await runtime.has_begun("wide", "narrow")
        runtime.let_go("narrow")
        assert (await wide).status_code == (await narrow).status_code == 200


async def test_who_leaves_the_line_makes_room_for_those_behind() -> None:
    """One that needs all slots keeps a free one from others; when its caller leaves, they begin."""
    runtime = Gated()
    async with opened(runtime, slots=2) as client:
        first = asking(client, "first")
        assert await runtime.has_begun("first")
        wide = asking(client, "wide", n=2)
        await asyncio.sleep(0.03)
        last = asking(client, "last")
        assert await runtime.has_begun("first")
        wide.cancel()
        assert await runtime.has_begun("first", "last")
        for user in ("first", "last"):
            runtime.let_go(user)
        assert (await first).status_code == (await last).status_code == 200


async def test_a_failed_generation_frees_its_slot() -> None:
    async with opened(Scripted([], error=MemoryError()), slots=1) as client:
        for _ in range(3):
            assert (await client.post(PATH, json={"messages": MESSAGES})).status_code == 503


@pytest.mark.parametrize("n", [None, "2", True, -1, 0, 2.5, 10**30])
async def test_choices_that_are_no_number_are_for_the_library_to_refuse(n: object) -> None:
    runtime = Scripted(HELLO)
    async with opened(runtime, slots=1) as client:
        got = await client.post(PATH, json={"messages": MESSAGES, "n": n})
    assert got.status_code == 200 and len(runtime.bodies) == 1
