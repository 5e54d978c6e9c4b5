"""An ordinary application behind the data plane's server: nothing lost, mixed up or kept waiting."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from tokenworks.errors import NotFound, RateLimited
from tokenworks.http.asgi import AsgiBridge, Lifespan
from tokenworks.http.server import WRITE_HIGH_WATER

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"

uvloop_only = pytest.mark.asyncio(loop_factories=["uvloop"])


class Stage:
    """What the application below saw and is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.sent = 0
        self.go = asyncio.Event()


def build(stage: Stage) -> FastAPI:
    app = FastAPI()

    @app.api_route("/echo/{rest:path}", methods=["GET", "POST", "HEAD"], include_in_schema=False)
    async def echo(request: Request, rest: str) -> dict[str, Any]:
        body = await request.body()
        return {
            "method": request.method,
            "rest": rest,
            "query": dict(request.query_params),
            "body": body.decode("latin-1"),
            "header": request.headers.get("x-name"),
            "client": request.client.host if request.client else None,
            "version": request.scope["http_version"],
        }

    @app.get("/stream/{total}")
    async def stream(total: int) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while stage.sent < total:
                stage.sent += 10_000
                yield bytes(10_000)

        return StreamingResponse(pieces(), headers={"content-length": "123"})

    @app.api_route("/waits", methods=["GET", "HEAD"], include_in_schema=False)
    async def waits() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            try:
                await stage.go.wait()
            except asyncio.CancelledError:
                stage.seen.append("cancelled")
                raise
            yield b"last"

        return StreamingResponse(pieces())

    @app.get("/disconnect")
    async def disconnect(request: Request) -> None:
        stage.seen.append("entered")
        message = await request.receive()
        while message["type"] != "http.disconnect":
            message = await request.receive()
        stage.seen.append("left")

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("a bug with a secret in it")

    @app.get("/bug-in-stream")
    async def bug_in_stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("bug")

        return StreamingResponse(pieces())

    @app.get("/after")
    async def after(tasks: BackgroundTasks, fail: bool = False, known: bool = False) -> str:
        async def work() -> None:
            await stage.go.wait()
            stage.seen.append("worked")
            if fail:
                raise NotFound("too late") if known else RuntimeError("too late")

        tasks.add_task(work)
        return "answered"

    @app.get("/empty")
    async def empty() -> Response:
        return Response(status_code=204)

    @app.get("/odd")
    async def odd() -> Response:
        return PlainTextResponse("odd", status_code=529)

    @app.get("/split")
    async def split(value: str) -> Response:
        return PlainTextResponse("x", headers={"x-value": value})

    return app


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def bridge(stage: Stage) -> AsyncIterator[AsgiBridge]:
    made = AsgiBridge(build(stage), asyncio.get_running_loop())
    yield made
    stage.go.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*made.tasks, return_exceptions=True)


@pytest.fixture
async def client(house: Any, bridge: AsgiBridge) -> Any:
    return await (await house(bridge, host="127.0.0.1", port=8642)).client()


async def test_requests_reach_the_application(client: Any) -> None:
    client.send(
        b"POST /echo/a%20b/%C3%A9?q=1&q2=x%26y HTTP/1.1\r\nHost: here:99\r\nX-Name: M\xc3\xa9\r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    got = await client.answer()
    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    assert json.loads(got.body) == {
        "method": "POST",
        "rest": "a b/é",
        "query": {"q": "1", "q2": "x&y"},
        "body": "hello",
        "header": "MÃ©",  # header values are latin-1, as everywhere
        "client": "127.0.0.1",
        "version": "1.1",
    }
    client.send(GET % b"http://other/echo/x")
    assert json.loads((await client.answer()).body)["rest"] == "x"
    client.send(b"GET /echo/old HTTP/1.0\r\n\r\n")
    got = await client.answer()
    assert json.loads(got.body)["version"] == "1.0"
    assert await client.closed()


async def test_what_the_application_does_not_know(client: Any) -> None:
    client.send(GET % b"/nowhere")
    assert (await client.answer()).status == 404
    client.send(b"DELETE /bug HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.answer()).status == 405
    client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.answer()).status == 404
    client.send(GET % b"/openapi.json")
    got = await client.answer()
    assert (got.status, "/bug" in json.loads(got.body)["paths"]) == (200, True)


async def test_answers_of_every_kind(client: Any) -> None:
    client.send(GET % b"/empty")
    assert (await client.answer()).headers == {}
    client.send(GET % b"/odd")
    got = await client.answer()
    assert (got.status, got.body) == (529, b"odd")
    client.send(b"HEAD /echo/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.answer(head_only=True)).status == 200


async def test_head_of_a_stream_has_no_body(client: Any, stage: Stage) -> None:
    stage.go.set()
    client.send(b"HEAD /waits HTTP/1.1\r\nHost: a\r\n\r\n" + GET % b"/echo/next")
    assert (await client.answer(head_only=True)).status == 200
    assert json.loads((await client.answer()).body)["rest"] == "next"


async def test_pipelined_requests_are_answered_in_order(client: Any) -> None:
    client.send(b"".join(GET % b"/echo/%d" % n for n in range(100)))
    for number in range(100):
        assert json.loads((await client.answer()).body)["rest"] == str(number)


async def test_streams_are_sent_as_they_come(client: Any, stage: Stage) -> None:
    client.send(GET % b"/waits")
    status, headers = await client.head()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert await client.chunk() == b"first"
    assert await client.quiet()
    stage.go.set()
    assert [await client.chunk(), await client.chunk()] == [b"last", b""]


@uvloop_only
async def test_a_slow_client_slows_the_application(
    house: Any, bridge: AsgiBridge, stage: Stage, until: Any
) -> None:
    total = 40_000_000
    place = await house(bridge)
    client = await place.client()
    client.writer.transport.pause_reading()
    client.send(GET % b"/stream/%d" % total)
    connection = await place.connection()
    await until(lambda: connection.slow)
    await asyncio.sleep(0.1)
    assert stage.sent < total / 2
    assert connection.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 20_000
    client.writer.transport.resume_reading()
    got = await client.answer()
    assert len(got.body) == total
    assert "content-length" not in got.headers


async def test_a_client_that_leaves_ends_its_stream(
    house: Any, bridge: AsgiBridge, stage: Stage, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    place = await house(bridge)
    for target in (b"/waits", b"/stream/100000000000"):
        client = await place.client()
        client.writer.transport.pause_reading()
        client.send(GET % target)
        await until(lambda: bridge.tasks)
        await asyncio.sleep(0.05)
        client.reset()
        await until(lambda: not bridge.tasks)
    assert stage.seen == ["cancelled"]
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING], "leaving is nobody's fault"


async def test_the_application_sees_a_disconnect(
    client: Any, bridge: AsgiBridge, stage: Stage, until: Any
) -> None:
    client.send(GET % b"/disconnect")
    await until(lambda: stage.seen)
    client.reset()
    await until(lambda: not bridge.tasks)
    assert stage.seen == ["entered", "left"]


async def test_a_bug_is_answered_with_500_and_logged(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    client.send(GET % b"/bug" + GET % b"/echo/next")
    got = await client.answer()
    assert got.status == 500
    assert b"secret" not in got.body
    assert "a bug with a secret in it" in caplog.text
    assert "/bug" in caplog.text
    assert (await client.answer()).status == 200


async def test_a_bug_in_a_stream_cuts_it(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    client.send(GET % b"/bug-in-stream")
    left = await client.rest()
    assert not left.endswith(b"0\r\n\r\n")
    assert "bug" in caplog.text


async def test_errors_of_a_bare_application(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/ours":
            raise RateLimited("slow down", retry_after_s=7)
        raise RuntimeError("a secret")

    client = await (await house(AsgiBridge(app, asyncio.get_running_loop()))).client()
    client.send(GET % b"/ours")
    got = await client.answer()
    assert (got.status, got.headers["retry-after"]) == (429, "7")
    assert json.loads(got.body)["error"]["message"] == "slow down"
    assert not caplog.text
    client.send(GET % b"/bug")
    got = await client.answer()
    assert got.status == 500
    assert json.loads(got.body)["error"]["code"] == 500
    assert b"secret" not in got.body
    assert "a secret" in caplog.text


async def test_header_values_cannot_split_an_answer(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    client.send(GET % b"/split?value=fine")
    assert (await client.answer()).headers["x-value"] == "fine"
    client.send(GET % b"/split?value=a%0d%0aset-cookie:%20x%0d%0a%0d%0aevil")
    got = await client.answer()
    assert got.status == 500
    assert "set-cookie" not in got.headers
    assert b"evil" not in got.body


@pytest.mark.parametrize("query", [b"", b"?fail=1", b"?fail=1&known=1"])
async def test_what_happens_after_an_answer_does_not_touch_the_next(
    client: Any, stage: Stage, until: Any, query: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Background work goes on while the connection already serves another request."""
    client.send(GET % (b"/after" + query))
    assert (await client.answer()).body == b'"answered"'
    client.send(GET % b"/waits")
    assert (await client.head())[0] == 200
    assert await client.chunk() == b"first"
    stage.go.set()
    await until(lambda: stage.seen)
    assert [await client.chunk(), await client.chunk()] == [b"last", b""]
    client.send(GET % b"/echo/next")
    assert json.loads((await client.answer()).body)["rest"] == "next"


async def test_messages_after_the_end_do_not_reach_the_next_request(
    house: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    raised: list[BaseException] = []
    received: list[str] = []
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/second":
            await go.wait()
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        if scope["path"] == "/first":
            await receive()
            received.append((await receive())["type"])  # answered: must not wait for the client to leave
            await second.wait()
            for message in (
                {"type": "http.response.start", "status": 500, "headers": []},
                {"type": "http.response.body", "body": b"evil"},
                {"type": "http.response.body", "body": b"evil", "more_body": True},
            ):
                try:
                    await send(message)
                except RuntimeError as error:
                    raised.append(error)
            go.set()

    second = asyncio.Event()
    bridge = AsgiBridge(app, asyncio.get_running_loop())
    client = await (await house(bridge)).client()
    client.send(GET % b"/first")
    assert (await client.answer()).body == b"/first"
    client.send(GET % b"/second")
    await asyncio.sleep(0.02)
    second.set()
    assert (await client.answer()).body == b"/second"
    assert received == ["http.disconnect"]
    await until(lambda: not bridge.tasks)
    assert raised


async def test_an_application_that_does_not_answer(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})

    place = await house(AsgiBridge(app, asyncio.get_running_loop()))
    for target in (b"/", b"/half"):
        client = await place.client()
        client.send(GET % target)
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        assert f"without an answer at {target.decode()}" in caplog.text


async def test_cut_ends_the_application(house: Any, bridge: AsgiBridge, stage: Stage, until: Any) -> None:
    place = await house(bridge)
    client = await place.client()
    client.send(GET % b"/waits")
    await client.head()
    place.listener.drain()
    place.listener.cut()
    await until(lambda: not bridge.tasks)
    assert stage.seen == ["cancelled"]
    assert not (await client.rest()).endswith(b"0\r\n\r\n")


# --- lifespan -----------------------------------------------------------------------------------


async def test_lifespan(errors: list[Any]) -> None:
    seen = []

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        seen.append("up")
        yield {"x": 1}
        seen.append("down")

    lifespan = Lifespan(FastAPI(lifespan=life))
    await lifespan.start()
    assert seen == ["up"]
    await lifespan.stop()
    assert seen == ["up", "down"]
    await Lifespan(FastAPI()).stop()  # never started


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_a_lifespan_that_fails(errors: list[Any], phase: str) -> None:
    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if phase == "startup":
            raise RuntimeError("no database")
        yield
        raise RuntimeError("no database")

    lifespan = Lifespan(FastAPI(lifespan=life))
    if phase == "startup":
        with pytest.raises(RuntimeError, match="no database"):
            await lifespan.start()
    else:
        await lifespan.start()
        with pytest.raises(RuntimeError, match="no database"):
            await lifespan.stop()
    await asyncio.sleep(0)
    del lifespan
    gc.collect()
    assert not errors, "told once, not twice"


async def test_applications_without_a_lifespan(errors: list[Any]) -> None:
    async def raises(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError(scope["type"])

    async def returns(scope: Any, receive: Any, send: Any) -> None:
        return

    with pytest.raises(NotImplementedError, match="lifespan"):
        await Lifespan(raises).start()
    with pytest.raises(RuntimeError, match="left the lifespan protocol at startup"):
        await Lifespan(returns).start()
