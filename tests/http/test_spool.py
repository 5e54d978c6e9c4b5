"""Uploads on disk: whole, bounded, gone with their request, and nothing of them in memory."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tokenworks.errors import StoreError, TooLarge, Unavailable
from tokenworks.http.asgi import AsgiBridge
from tokenworks.http.spool import SMALL_UPLOAD, Spool, Spools

uvloop_only = pytest.mark.asyncio(loop_factories=["uvloop"])
LARGE = SMALL_UPLOAD + 1


def spools(folder: Path, *, admits: bool = True, **more: int) -> Spools:
    return Spools(folder, [b"/up"], lambda headers: admits and b"x-no" not in headers, **more)


def made(place: Spools, length: int = LARGE) -> Spool:
    spool = place.open(b"/up", {b"content-length": b"%d" % length})
    assert spool is not None
    return spool


def head(size: int | None, *, target: bytes = b"/up", extra: bytes = b"") -> bytes:
    framing = b"Transfer-Encoding: chunked" if size is None else b"Content-Length: %d" % size
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n\r\n" % (target, extra, framing)


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# --- by itself


def test_which_requests_go_to_disk(tmp_path: Path) -> None:
    place = spools(tmp_path)
    assert place.open(b"/other", {}) is None
    assert place.open(b"/up", {b"content-length": b"%d" % SMALL_UPLOAD}) is None
    assert place.open(b"/up", {b"x-no": b""}) is None
    for target, headers in ((b"/up", {}), (b"/up?a=b", {b"content-length": b"%d" % LARGE})):
        spool = place.open(target, headers)
        assert spool is not None
        spool.close()
    with pytest.raises(TooLarge, match="512 MiB"):
        place.open(b"/up", {b"content-length": b"%d" % (513 << 20)})


def test_what_is_written_is_read_and_counted(tmp_path: Path) -> None:
    place = spools(tmp_path)
    spool = made(place)
    parts = [b"one", b"", b"two"]
    spool.write(parts)
    spool.write([b"three"])
    assert parts == [] and (spool.size, place.total) == (11, 11)
    assert [spool.read(4) for _ in range(4)] == [b"onet", b"woth", b"ree", b""]
    spool.close()
    spool.close()
    assert place.total == 0
    assert list(tmp_path.iterdir()) == []


def test_limits(tmp_path: Path) -> None:
    place = spools(tmp_path, max_mib=2, max_total_mib=3)
    first, second = made(place), made(place)
    first.write([bytes(2 << 20)])
    with pytest.raises(TooLarge, match="2 MiB"):
        first.write([b"x"])
    with pytest.raises(Unavailable, match="too many uploads"):
        second.write([bytes(1 << 20)])
    first.close()
    second.close()
    assert place.total == 0


def test_a_full_disk(tmp_path: Path) -> None:
    place = spools(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="no file for the upload"):
        made(place)
    spool = made(spools(tmp_path))

    class Full:
        def writelines(self, parts: list[bytes]) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        seek = writelines

        def close(self) -> None:
            self.closed = getattr(self, "closed", 0) + 1
            if self.closed == 1:
                raise OSError(errno.ENOSPC, "No space left on device")

    spool._file.close()
    spool._file = Full()  # type: ignore[assignment]
    with pytest.raises(StoreError, match="make room on the disk"):
        spool.write([b"x"])
    with pytest.raises(StoreError, match="can't be read again"):
        spool.read(1)
    spool.close()


# --- behind a server


def application(seen: list[int]) -> FastAPI:
    app = FastAPI()

    @app.post("/up")
    async def take(request: Request, stop: int = 0) -> JSONResponse:
        digest, size = hashlib.sha256(), 0
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
            seen.append(len(piece))
            if stop:
                return JSONResponse({"stopped": size}, 418)
        return JSONResponse({"size": size, "sha256": digest.hexdigest()})

    return app


@pytest.fixture
async def server(house: Any, tmp_path: Path) -> Any:
    """``await server(**limits)``: a house that takes uploads, its ``Spools``, what the application saw."""
    bridges: list[AsgiBridge] = []
    places: list[Spools] = []

    async def build(
        *, admits: bool = True, max_mib: int = 8, max_total_mib: int = 64, **settings: Any
    ) -> Any:
        seen: list[int] = []
        bridge = AsgiBridge(application(seen), asyncio.get_running_loop())
        bridges.append(bridge)
        place = await house(bridge, **settings)
        place.listener.spools = spools(tmp_path, admits=admits, max_mib=max_mib, max_total_mib=max_total_mib)
        places.append(place.listener.spools)
        return place, place.listener.spools, seen

    yield build
    async with asyncio.timeout(5):
        await asyncio.gather(*(task for bridge in bridges for task in bridge.tasks), return_exceptions=True)
        while any(place.total for place in places):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.parametrize("chunk", [None, 1000, 300_000])
async def test_an_upload_is_taken_whole(server: Any, chunk: int | None) -> None:
    """Larger than any other body may be, and then the next request of the same connection."""
    place, disk, seen = await server(max_body_mib=1)
    client = await place.client()
    body = random.randbytes(5 << 20)
    for _ in range(2):
        client.send(head(None) + chunked(body, chunk) if chunk else head(len(body)) + body)
        answer = await client.answer()
        assert answer.status == 200, answer.body
        told = json.loads(answer.body)
        assert told == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        assert disk.total == 0 and place.listener.buffered == 0
    assert max(seen) <= 256 * 1024
    client.send(head(3) + b"abc")
    assert json.loads((await client.answer()).body)["size"] == 3


@uvloop_only
async def test_an_empty_one_in_chunks(server: Any) -> None:
    place, _, _ = await server()
    client = await place.client()
    client.send(head(None) + b"0\r\n\r\n" + head(None) + chunked(b"xyz", 1))
    assert json.loads((await client.answer()).body)["size"] == 0
    assert json.loads((await client.answer()).body)["size"] == 3


@uvloop_only
async def test_little_of_it_is_in_memory(server: Any, rss: Any) -> None:
    place, disk, _ = await server(max_mib=64)
    client = await place.client()
    client.send(head(48 << 20))
    before = rss()
    for _ in range(48):
        client.send(bytes(1 << 20))
        await client.writer.drain()
    assert json.loads((await client.answer()).body)["size"] == 48 << 20
    assert rss() - before < 16 << 20
    assert disk.total == 0


@uvloop_only
@pytest.mark.parametrize("admits", [True, False])
async def test_what_is_too_large_is_refused(server: Any, admits: bool) -> None:
    """By the limit of uploads where the key is good, of all bodies where it is not; before it is sent."""
    place, _, seen = await server(admits=admits, max_mib=3, max_body_mib=2)
    for sent in (head(4 << 20), head(None) + chunked(bytes((3 << 20) + 1), 1 << 20)):
        client = await place.client()
        client.send(sent)
        answer = await client.answer()
        assert answer.status == 413
        assert ("uploads are limited to 3 MiB" if admits else "2 MiB") in json.loads(answer.body)["error"][
            "message"
        ]
        assert await client.closed()
    assert seen == []


@uvloop_only
async def test_too_many_at_once(server: Any) -> None:
    place, disk, _ = await server(max_mib=2, max_total_mib=2)
    waits, client = await place.client(), await place.client()
    waits.send(head(2 << 20) + bytes((2 << 20) - 1))
    while disk.total < (2 << 20) - 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    client.send(head(2 << 20) + bytes(2 << 20))
    answer = await client.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    waits.send(b"x")
    assert (await waits.answer()).status == 200


@uvloop_only
async def test_a_body_that_stops_halfway(server: Any) -> None:
    place, disk, seen = await server(body_timeout_s=0.05)
    gone, slow = await place.client(), await place.client()
    gone.send(head(2 << 20) + bytes(1 << 20))
    slow.send(head(2 << 20) + bytes(1 << 20))
    while disk.total < 2 << 20:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    gone.reset()
    assert (await slow.answer()).status == 408
    assert seen == []


@uvloop_only
async def test_an_answer_before_the_end_lets_go_of_the_rest(server: Any) -> None:
    place, disk, seen = await server()
    client = await place.client()
    client.send(head(5 << 20, target=b"/up?stop=1") + bytes(5 << 20) + head(2) + b"ab")
    answer = await client.answer()
    assert (answer.status, json.loads(answer.body)) == (418, {"stopped": 256 * 1024})
    assert json.loads((await client.answer()).body)["size"] == 2
    assert disk.total == 0 and seen[1:] == [2, 0]


@uvloop_only
async def test_trailers_do_not_go_on_for_ever(server: Any) -> None:
    place, _, seen = await server(max_header_kib=4)
    client = await place.client()
    client.send(head(None) + chunked(bytes(100), 100)[:-2])
    for n in range(200):
        client.send(b"X-%d: %b\r\n" % (n, b"y" * 100))
        await client.writer.drain()
        await asyncio.sleep(0)
    answer = await client.answer()
    assert (answer.status, seen) == (431, [])


@uvloop_only
async def test_expectations_and_upgrades(server: Any) -> None:
    place, _, _ = await server()
    client = await place.client()
    client.send(head(LARGE, extra=b"Expect: 100-continue\r\n"))
    assert await client.line() == b"HTTP/1.1 100 Continue"
    assert await client.line() == b""
    client.send(bytes(LARGE))
    assert json.loads((await client.answer()).body)["size"] == LARGE
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
    client.send(head(LARGE, extra=upgrade) + bytes(LARGE))
    assert json.loads((await client.answer()).body)["size"] == LARGE
