"""Whatever is sent, and whatever a provider does: a clear error, never a 500, and nothing lost.

``docs/errors.md`` is the table of expectations: every row is driven here, against a real server.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from serving import Server, acme, chat, free_port, serving
from three_wires import MESSAGES_PROVIDER, RESPONSES_PROVIDER

from tokenworks.providers.scripted import Fault, Reply, Script, When, running

TABLE = Path(__file__).parents[2] / "docs" / "errors.md"
PATH = "/v1/chat/completions"
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
LIMITS = """
[server]
max_body_mib = 1
max_header_kib = 8
header_timeout_s = 2.0
body_timeout_s = 2.0
[upstream]
first_byte_timeout_s = 2.0
idle_timeout_s = 2.0
"""
FAULTS = {
    "closes": Fault(kind="close"),
    "garbage": Fault(kind="garbage", at_byte=0),
    "html": Fault(kind="html"),
    "half": Fault(kind="early_close"),
    "body": Fault(kind="error_body", message="out of luck"),
    "hangs": Fault(kind="hang"),
    "key": Fault(kind="status", status=401),
    "limit": Fault(kind="status", status=429, retry_after_s=7),
    "busy": Fault(kind="status", status=503, retry_after_s=3),
    "picky": Fault(kind="status", status=400, message="max_tokens is too large"),
    "dies": Fault(kind="early_close", after_chunk=4),
    "stalls": Fault(kind="hang_mid", after_chunk=4),
    "swamped": Fault(kind="status", status=503, retry_after_s=3),
    "resting": Fault(kind="status", status=429, retry_after_s=60),
}
SCRIPT = Script(
    reply=(
        *(Reply(when=When(model=name), tokens=20, fault=fault) for name, fault in FAULTS.items()),
        Reply(when=When(model="slow"), tokens=40, chunk_delay_s=0.05),
    )
)


class Row(NamedTuple):
    """What the table promises."""

    status: int | None  # None: nothing comes back
    kind: str  # of the error
    outcome: str  # of the record; empty: there is none


class Seen(NamedTuple):
    """What came back."""

    status: int | None
    kind: str
    said: str  # the message, or what there was instead of one
    headers: httpx.Headers = httpx.Headers()


def promised() -> dict[str, Row]:
    """The table in the documentation: name of the row → what stands there."""
    found = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[0] not in ("what", "---"):
            status = re.match(r"\d{3}", cells[1])
            kind = re.search(r"`(\w+)`", cells[1])
            outcome = re.match(r"`(\w+)`", cells[2])
            assert outcome or cells[2].startswith("nothing"), line
            assert status or cells[1].startswith("nothing"), line
            found[cells[0]] = Row(
                int(status[0]) if status else None,
                kind[1] if status and kind else "",
                outcome[1] if outcome else "",
            )
    return found


PROMISED = promised()


class Caller:
    """Sends one row's request, marked with the row's name so that its record can be found."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name

    def head(self, *more: str) -> dict[str, str]:
        return {**self.server.headers, "x-title": self.name, **dict(each.split(": ", 1) for each in more)}

    def send(self, method: str = "POST", path: str = PATH, **more: Any) -> Seen:
        more.setdefault("headers", self.head())
        return seen(httpx.request(method, self.server.url + path, timeout=20, **more))

    def ask(self, model: str, **more: Any) -> Seen:
        return self.send(json={**chat(), "model": f"acme/{model}", **more})

    def anonymous(self, model: str, *more: str, path: str = PATH) -> Seen:
        headers = self.head(*more)
        del headers["authorization"]
        return self.send(path=path, json={**chat(), "model": model}, headers=headers)

    def message(self, model: str, **more: Any) -> Seen:
        body = {**chat(), "model": f"acme/{model}", "max_tokens": 100, **more}
        return self.send(path=MESSAGES, json=body)

    def respond(self, model: str, **more: Any) -> Seen:
        return self.send(path=RESPONSES, json={"model": f"acme/{model}", "input": "hello", **more})

    def again(self) -> Seen:
        """The second of two requests, the first of which the provider refused for a while."""
        body = {**chat(), "model": "acme/resting"}
        first = self.send(json=body, headers=self.head("x-title: before"))
        assert first.headers["retry-after"] == "60"
        met = self.send(json=body)
        assert 50 <= int(met.headers.pop("retry-after")) <= 60
        return met

    def limited(self, *terms: str, times: int = 1, path: str = PATH, **more: Any) -> Seen:
        """The last of ``times`` requests with a key that is made on these ``terms``."""
        _, key = self.server.new_key(self.name, *terms)
        body = {**chat(), "max_tokens": 50, **more}
        headers = self.head(f"authorization: Bearer {key}", "x-session-id: s")
        for _ in range(times - 1):
            before = headers | {"x-title": "before"}
            assert httpx.post(self.server.url + path, json=body, headers=before, timeout=20).is_success
        met = self.send(path=path, json=body, headers=headers)
        if met.status == 429:
            assert met.headers["x-ratelimit-remaining-requests"] == "0"
            assert 50 <= int(met.headers.pop("retry-after")) <= 62
        return met

    def connect(self, *lines: str) -> socket.socket:
        """A raw connection that has sent the head of a request, as far as ``lines`` make one."""
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
        names = [f"{name}: {value}" for name, value in self.head("host: x").items()]
        sock.sendall("\r\n".join([f"POST {PATH} HTTP/1.1", *names, *lines]).encode())
        return sock

    def raw(self, *lines: str, body: bytes = b"") -> Seen:
        """Read to the end of the connection: it must be closed by the server, without a reset."""
        with self.connect(*lines, "", "") as sock:
            sock.sendall(body)
            return parse(sock)

    def endless_body(self) -> Seen:
        """Twice the limit is sent before the first look at the answer."""
        with self.connect("content-length: 99999999", "", "") as sock:
            for _ in range(32):
                sock.sendall(b" " * 65536)
            return parse(sock)

    def half(self) -> Seen:
        with self.connect("content-length: 1000", "", "") as sock:
            sock.sendall(b'{"model":')
            return parse(sock)

    def leave(self) -> Seen:
        body = {**chat(), "model": "acme/slow", "stream": True}
        with httpx.stream(
            "POST", self.server.url + PATH, json=body, headers=self.head(), timeout=20
        ) as answer:
            for line in answer.iter_lines():
                if '"content":"' in line:
                    break
        return Seen(None, "", "left")


def parse(sock: socket.socket) -> Seen:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["connection"] == "close"
    return seen(httpx.Response(int(lines[0].split()[1]), headers=headers, content=body))


def seen(answer: httpx.Response) -> Seen:
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return seen_last(answer)
    error = answer.json()["error"]
    if "type" in answer.json():  # the shape of messages
        assert set(error) == {"type", "message"} and answer.json()["type"] == "error"
    else:
        assert error["code"] == answer.status_code and isinstance(error["code"], int)
    return Seen(answer.status_code, error["type"], error["message"], answer.headers)


def seen_last(answer: httpx.Response) -> Seen:
    """How a stream ended."""
    *_, last, end, nothing = answer.text.split("\n\n")
    assert nothing == ""
    if end == "data: [DONE]":
        error = json.loads(last.removeprefix("data: "))["error"]
        assert isinstance(error["code"], int)
        return Seen(answer.status_code, error["type"], error["message"], answer.headers)
    name, _, data = end.partition("\ndata: ")
    told = json.loads(data)
    if name == "event: error":
        return Seen(answer.status_code, told["error"]["type"], told["error"]["message"], answer.headers)
    assert name == "event: response.failed"
    error = told["response"]["error"]
    return Seen(answer.status_code, error["code"], error["message"], answer.headers)


Case = Callable[[Caller], Seen]
CASES: dict[str, tuple[Case, str]] = {  # row → what to do, and what the message must say
    "malformed JSON": (lambda c: c.send(content=b'{"model": "acme/fast",}'), r"not valid JSON.*byte"),
    "missing model": (lambda c: c.send(json={"messages": []}), "'model' is missing"),
    "missing messages": (lambda c: c.send(json={"model": "acme/fast"}), "'messages' is missing"),
    "unknown model": (lambda c: c.ask("fsat"), r"unknown model 'acme/fsat'; nearest: .*acme/fast"),
    "unknown model, on the messages wire": (
        lambda c: c.message("fsat"),
        r"unknown model 'acme/fsat'; nearest: .*acme/fast",
    ),
    "`quality` out of range, for auto": (
        lambda c: c.send(json={**chat(), "model": "auto", "quality": 2}),
        "'quality' must be a number from 0 to 1",
    ),
    "no model left for auto": (
        lambda c: c.send(
            json={
                **chat(),
                "model": "auto",
                "plugins": [{"id": "auto-router", "allowed_models": ["none/*"]}],
            }
        ),
        "no model is left for 'auto': check allowed_models",
    ),
    "embeddings of auto": (
        lambda c: c.send(path="/v1/embeddings", json={"model": "auto", "input": "hello"}),
        "name a model of embeddings",
    ),
    "unknown preset": (lambda c: c.ask("fast@preset/none"), "unknown preset 'none'"),
    "a part of a message has the wrong type": (
        lambda c: c.message("fast", messages=[{"role": "user", "content": [{"type": "text", "text": 1}]}]),
        r"'messages\[0\].content\[0\].text' is malformed",
    ),
    "malformed wish about providers": (
        lambda c: c.ask("fast", provider={"max_price": {"prompt": "cheap"}}),
        "max_price.prompt must be a number",
    ),
    "no endpoint honours all parameters, as is wished": (
        lambda c: c.ask("picky", top_k=5, provider={"require_parameters": True}),
        "no endpoint of acme/picky may serve this request: acme: ",
    ),
    "a parameter that the provider's wire can't say": (
        lambda c: c.ask("responder", stop=["END"]),
        "'stop' can't be said to the provider of this model",
    ),
    "a prompt of token ids": (
        lambda c: c.send(path="/v1/completions", json={"model": "acme/fast", "prompt": [1, 2]}),
        "'prompt' must be a text",
    ),
    "embeddings of a model that has none": (
        lambda c: c.send(path="/v1/embeddings", json={"model": "acme/native", "input": "hi"}),
        "no provider of 'acme/native' here offers embeddings",
    ),
    "a response in the background": (
        lambda c: c.respond("fast", background=True),
        "'background' is not offered here; leave it out",
    ),
    "previous response that is not kept": (
        lambda c: c.respond("fast", previous_response_id="resp_1"),
        "no response 'resp_1' is kept here for this key; send the whole input instead",
    ),
    "malformed cache TTL header": (
        lambda c: c.send(
            json=chat(), headers=c.head("x-openrouter-cache: true", "x-openrouter-cache-ttl: soon")
        ),
        "'x-openrouter-cache-ttl' must be from 1 to 86400",
    ),
    "no provider left by the request's own choice": (
        lambda c: c.ask("fast", provider={"only": ["nobody"]}),
        "no endpoint of acme/fast may serve this request: acme: not named in 'only'",
    ),
    "wrong key": (lambda c: c.send(json=chat(), headers=c.head("authorization: Bearer nope")), "key list"),
    "no key, for a model of a provider": (lambda c: c.anonymous("acme/fast"), "only models run here"),
    "no key, to count tokens for a model of a provider": (
        lambda c: c.anonymous("acme/fast", path="/v1/messages/count_tokens"),
        "only models run here",
    ),
    "wrong key, on the messages wire": (
        lambda c: c.send(path=MESSAGES, json=chat(), headers=c.head("authorization: Bearer nope")),
        "key list",
    ),
    "no key, from a web page": (lambda c: c.anonymous("tiny", "origin: https://a.example"), "key create"),
    "a budget is used up": (
        lambda c: c.limited("--budget", "0.00000001", "--strict"),
        r"the budget of key .* \(\$0.00000001 per lifetime\) has \$0.00000001 left",
    ),
    "a budget is used up, on the messages wire": (
        lambda c: c.limited("--budget", "0.00000001", "--strict", path=MESSAGES),
        "the budget of key .* too little for this request",
    ),
    "a limit of requests is reached": (
        lambda c: c.limited("--limit", "2rpm", times=3),
        "has used its 2 requests per 1min; more in",
    ),
    "a rule forbids the model": (
        lambda c: c.limited("--models", "other/*"),
        r"may not use 'acme/fast'; it may use models other/\*",
    ),
    "a rule forbids the client": (
        lambda c: c.limited("--clients", "claude-cli/*"),
        r"may be used only by claude-cli/\*, not by 'python-httpx",
    ),
    "a request is larger than a rule allows": (
        lambda c: c.limited("--max-input-tokens", "1"),
        "has about [0-9]+ input tokens; key .* may send 1 at a time",
    ),
    "a session has made as many requests as it may": (
        lambda c: c.limited("--max-iterations", "2", times=3),
        "session s has used its 2 requests, as much as one session may; begin another",
    ),
    "no such path": (lambda c: c.send(path="/v1/chat/completion", json=chat()), "/docs"),
    "wrong method": (lambda c: c.send("GET"), "GET is not supported at /v1/chat/completions"),
    "malformed HTTP": (
        lambda c: c.raw("content-length: 2", "transfer-encoding: chunked", body=b"{}"),
        "malformed HTTP",
    ),
    "request not sent to its end": (Caller.half, "did not arrive in time"),
    "body too large": (Caller.endless_body, "exceeds 1 MiB.*max_body_mib"),
    "headers too large": (lambda c: c.raw("x-big: " + "x" * 9000), "headers exceed 8192 bytes"),
    "provider refuses connections": (
        lambda c: c.send(json={**chat(), "model": "gone/fast"}),
        "gone could not be reached: .*refused",
    ),
    "provider closes without an answer": (lambda c: c.ask("closes"), "closed before answering"),
    "provider sends garbage": (lambda c: c.ask("garbage"), "unusable answer"),
    "provider sends an error page": (lambda c: c.ask("html"), r"failed \(HTTP 502\)$"),
    "provider sends half an answer": (lambda c: c.ask("half"), "acme"),
    "provider sends an error with status 200": (lambda c: c.ask("body"), "out of luck"),
    "provider hangs": (lambda c: c.ask("hangs"), "no answer within"),
    "provider refuses our key": (lambda c: c.ask("key"), "refused our key"),
    "provider limits the rate": (lambda c: c.ask("limit"), "acme limits the rate"),
    "provider is overloaded": (lambda c: c.ask("busy"), "acme is overloaded"),
    "provider is overloaded, on the messages wire": (
        lambda c: c.message("swamped"),
        "acme is overloaded",
    ),
    "provider limited the rate a moment ago": (Caller.again, "asked to be left alone for"),
    "provider finds fault with the request": (lambda c: c.ask("picky"), "max_tokens is too large"),
    "provider dies in mid-stream": (lambda c: c.ask("dies", stream=True), "acme"),
    "provider dies in mid-stream, on the messages wire": (
        lambda c: c.message("dies", stream=True),
        "acme",
    ),
    "provider dies in the middle of a response": (lambda c: c.respond("dies", stream=True), "acme"),
    "provider hangs in mid-stream": (lambda c: c.ask("stalls", stream=True), "acme"),
    "caller leaves": (Caller.leave, "left"),
}
RETRY_AFTER = {
    "provider limits the rate": "7",
    "provider is overloaded": "3",
    "provider is overloaded, on the messages wire": "3",
}
ESTIMATED = {name for name in CASES if name.startswith(("provider dies in", "provider hangs in"))}
LATER = {"disk full", "server draining"}  # what a server does not go on from, see below


def configuration(base_url: str) -> str:
    models = "".join(
        f'[[providers.acme.models]]\nid = "acme/{name}"\nupstream_id = "{name}"\ncontext_length = 8192\n'
        for name in (*FAULTS, "slow")
    )
    closed = acme(f"http://127.0.0.1:{free_port()}/v1", name="gone").replace("acme/fast", "gone/fast")
    others = MESSAGES_PROVIDER.format(origin=base_url.removesuffix("/v1"))
    others += RESPONSES_PROVIDER.format(base_url=base_url)
    return LIMITS + acme(base_url) + models + closed + others


def records(server: Server) -> list[dict[str, Any]]:
    with sqlite3.connect(server.home / "tokenworks.db") as store:
        store.row_factory = sqlite3.Row
        return [dict(row) for row in store.execute("SELECT * FROM requests")]


def until_recorded(server: Server, app: str) -> list[dict[str, Any]]:
    """All records once the one of ``app`` is there: a journal is read in order."""
    deadline = time.monotonic() + 10
    while True:
        found = records(server)
        if any(row["app"] == app for row in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


class Driven(NamedTuple):
    """What every row met, and what was recorded."""

    seen: dict[str, Seen | Exception]
    records: list[dict[str, Any]]
    log: str


def tried(server: Server, name: str) -> Seen | Exception:
    try:
        return CASES[name][0](Caller(server, name))
    except Exception as error:  # one row's failure is that row's
        return error


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """All rows at once, as a rough day brings them."""
    home = tmp_path_factory.mktemp("bad") / "home"
    with running(SCRIPT) as provider, serving(home, configuration(provider.base_url)) as server:
        with ThreadPoolExecutor(len(CASES)) as pool:
            met = dict(zip(CASES, pool.map(lambda name: tried(server, name), CASES), strict=True))
        time.sleep(0.1)  # for the caller who has left to be noticed
        answer = httpx.post(
            server.url + PATH, json=chat(), headers={**server.headers, "x-title": "last"}, timeout=20
        )
        assert answer.status_code == 200, "the server does not go on"
        yield Driven(met, until_recorded(server, "last"), server.log())


def test_the_table_and_these_tests_name_the_same_rows() -> None:
    assert set(PROMISED) == set(CASES) | LATER


@pytest.mark.parametrize("name", CASES)
def test_row(driven: Driven, name: str) -> None:
    met, row = driven.seen[name], PROMISED[name]
    if isinstance(met, Exception):
        raise met
    assert (met.status, met.kind) == (row.status, row.kind), met.said
    assert re.search(CASES[name][1], met.said), met.said
    assert "\n" not in met.said
    assert met.status != 500 and met.kind != "internal_error"
    if met.status == 405:
        assert met.headers["allow"] == "POST"
    assert met.headers.get("retry-after") == RETRY_AFTER.get(name)
    found = [record for record in driven.records if record["app"] == name]
    assert [record["outcome"] for record in found] == ([row.outcome] if row.outcome else [])
    for record in found:
        assert record["status"] == (met.status or record["status"])
        if name in ESTIMATED:
            assert record["estimated"] and record["output_tokens"] > 0 and record["cost_nano_usd"] >= 0
        elif row.outcome != "client_gone":
            assert (record["output_tokens"], record["cost_nano_usd"]) == (0, 0)


def test_nothing_else_was_recorded(driven: Driven) -> None:
    assert {record["app"] for record in driven.records} <= {*CASES, "before", "last"}
    assert len(driven.records) == len({record["id"] for record in driven.records})
    (local,) = [r for r in driven.records if r["app"] == "no key, for a model of a provider"]
    assert local["key_id"] == "local"


def test_the_log_has_no_traceback(driven: Driven) -> None:
    assert "Traceback" not in driven.log


# --- what ends the day ------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    script = Script(reply=(Reply(tokens=12, chunk_delay_s=0.05),))
    with running(script) as provider, serving(tmp_path / "home", acme(provider.base_url)) as one:
        yield one


def matches(met: Seen, name: str, words: str) -> None:
    assert (met.status, met.kind) == (PROMISED[name].status, PROMISED[name].kind)
    assert words in met.said
    assert int(met.headers["retry-after"]) >= 1


def test_disk_full(server: Server) -> None:
    """A real refusal of the operating system: the worker's files may not grow (EFBIG for ENOSPC)."""
    caller = Caller(server, "disk full")
    (pid,) = server.worker_pids()
    journal = psutil.Process(pid)
    before = journal.rlimit(psutil.RLIMIT_FSIZE)
    journal.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        under_way = httpx.post(server.url + PATH, json=chat(), headers=caller.head(), timeout=20)
        assert under_way.status_code == 200
        for _ in range(3):
            matches(caller.send(json=chat()), "disk full", "is the disk full?")
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    finally:
        journal.rlimit(psutil.RLIMIT_FSIZE, before)
    deadline = time.monotonic() + 5
    while True:  # without a restart
        again = httpx.post(
            server.url + PATH, json=chat(), headers={**caller.head(), "x-title": "again"}, timeout=20
        )
        if again.status_code == 200 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    found = until_recorded(server, "again")
    assert sorted((record["app"], record["outcome"]) for record in found) == [
        ("again", "ok"),
        ("disk full", "ok"),
    ]
    ids = {under_way.json()["id"], again.json()["id"]}
    assert {record["id"] for record in found} == ids
    assert server.worker_pids() == [pid]


def test_server_draining(server: Server) -> None:
    caller = Caller(server, "server draining")
    body = chat(stream=True)
    with httpx.stream("POST", server.url + PATH, json=body, headers=caller.head(), timeout=20) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while True:
            try:
                late = httpx.post(
                    server.url + PATH, json=chat(), headers=caller.head("x-title: late"), timeout=20
                )
            except (httpx.ReadError, httpx.RemoteProtocolError):  # unheard when the signal came: as idle
                assert time.monotonic() < deadline
                continue
            if late.status_code != 200 or time.monotonic() > deadline:
                break
        matches(seen(late), "server draining", "shutting down")
        assert "data: [DONE]" in list(lines)
    assert server.process.wait(20) == 0
    server.process = None
    (record,) = [each for each in records(server) if each["app"] == "server draining"]
    assert record["outcome"] == "ok"
