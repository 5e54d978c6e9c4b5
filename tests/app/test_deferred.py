"""An application that is made when something asks for it."""

import asyncio
import threading
from typing import Any

import pytest

from tokenworks.app import deferred as module
from tokenworks.app.deferred import Deferred


class Made:
    """Counts how often it was made, and by which thread."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self.fail = 0

    def __call__(self) -> Any:
        self.threads.append(threading.get_ident())
        assert self.go.wait(10)
        if self.fail:
            self.fail -= 1
            raise RuntimeError("no")
        return self.app

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"path": scope["path"]})


async def asked(app: Deferred, path: str, method: str = "GET") -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "method": method}, None, send)  # type: ignore[arg-type]
    return sent


async def test_it_is_made_once_for_all_who_ask_and_not_by_the_loop() -> None:
    made = Made()
    made.go.clear()
    app = Deferred(made, asyncio.get_running_loop())
    tasks = [asyncio.create_task(asked(app, f"/{number}")) for number in range(3)]
    await asyncio.sleep(0.05)  # the loop goes on meanwhile
    tasks[0].cancel()
    made.go.set()
    assert [await task for task in tasks[1:]] == [[{"path": "/1"}], [{"path": "/2"}]]
    assert await asked(app, "/3") == [{"path": "/3"}]
    assert len(made.threads) == 1 and made.threads[0] != threading.get_ident()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whether_it_lives_is_told_without_making_anything(method: str) -> None:
    made = Made()
    app = Deferred(made, asyncio.get_running_loop())
    start, body = await asked(app, "/healthz", method)
    assert (start["status"], body["body"]) == (200, b'{"status":"ok"}')
    assert dict(start["headers"]) == {b"content-length": b"15", b"content-type": b"application/json"}
    assert made.threads == []
    assert await asked(app, "/healthz", "POST") == [{"path": "/healthz"}]
    assert await asked(app, "/healthz", method) == [{"path": "/healthz"}]  # its own answer from now on


async def test_where_it_can_not_be_made_the_next_one_tries_again() -> None:
    made = Made()
    made.fail = 1
    app = Deferred(made, asyncio.get_running_loop())
    with pytest.raises(RuntimeError, match="no"):
        await asked(app, "/1")
    assert await asked(app, "/2") == [{"path": "/2"}]


async def test_it_is_made_unasked_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER_S", 0.01)
    made = Made()
    app = Deferred(made, asyncio.get_running_loop())
    app.make_soon()
    assert made.threads == []
    async with asyncio.timeout(10):
        while app._app is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await asked(app, "/1") == [{"path": "/1"}] and len(made.threads) == 1
