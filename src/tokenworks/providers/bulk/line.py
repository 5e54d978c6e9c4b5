"""Plain requests to a provider, answered whole; large answers lie in a file meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from tokenworks.errors import ConfigError
from tokenworks.http.upstream import Pool, UpstreamConnection
from tokenworks.providers.bulk.way import Refused, Unsure

IN_MEMORY = 4 << 20  # bytes of an answer
# Besides all from 500 on. A key that is refused may be set right, and says nothing of what was handed in.
PASSING = frozenset((401, 403, 408, 409, 425, 429))
_any = msgspec.json.Decoder(dict[str, Any]).decode


class Line:
    """To one base URL, with one set of headers. Use from the pool's loop."""

    def __init__(
        self,
        pool: Pool,
        base_url: str,
        headers: Mapping[str, str],
        *,
        allow_private: bool = False,
        ca_file: str | None = None,
    ) -> None:
        """Raises ``ConfigError`` for what is no base URL."""
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError(f"base_url {base_url!r} is no http(s) URL")
        tls = url.scheme == "https"
        port = url.port or (443 if tls else 80)
        self._origin = pool.origin(url.hostname, port, tls=tls, allow_private=allow_private, ca_file=ca_file)
        self._prefix = url.path.rstrip("/")
        self._common = "".join(
            f"{name}: {value}\r\n"
            for name, value in {"host": url.netloc.rpartition("@")[2], **headers}.items()
        )

    async def json(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """The object that is answered. Raises ``Refused`` and ``Unsure``."""
        kind = "application/json" if body is not None else ""
        with await self.fetch(method, path, [] if body is None else [body], kind) as answer:
            try:
                return _any(answer.read())
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unsure(f"{method} {path}: the answer can't be read: {error}") from None

    async def fetch(
        self, method: str, path: str, body: Sequence[bytes] = (), content_type: str = ""
    ) -> IO[bytes]:
        """A file with what was answered, to be closed. Raises ``Refused`` and ``Unsure``."""
        lines = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._common}accept-encoding: identity\r\n"
        if content_type:
            lines += f"content-type: {content_type}\r\n"
        if method == "POST":
            lines += f"content-length: {sum(map(len, body))}\r\n"
        call = _Call()
        self._origin.send(call, [f"{lines}\r\n".encode("latin-1"), *body])
        try:
            status = await call.ended
        except _Broken as error:
            call.file.close()
            raise Unsure(f"{method} {path}: {error}") from None
        except asyncio.CancelledError:
            if call.upstream is not None and call.upstream.call is call:
                call.upstream.cancel()
            raise
        call.file.seek(0)
        if 200 <= status < 300:
            return call.file
        with call.file:
            said = call.file.read(2000).decode("utf-8", "replace")
        told = f"{method} {path}: HTTP {status}: {' '.join(said.split())[:300]}"
        raise Unsure(told) if status >= 500 or status in PASSING else Refused(told)


def lines(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The objects in a file of lines."""
    for line in file:
        if line.strip():
            yield _any(line)


class _Broken(Exception):
    """No whole answer came."""


class _Call:
    """One request; see ``http.upstream.Call``."""

    def __init__(self) -> None:
        self.upstream: UpstreamConnection | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - its reader closes it
        self._status = 0

    @property
    def abandoned(self) -> bool:
        return self.ended.done()

    def answer_head(self, status: int, connection: UpstreamConnection) -> None:
        self._status = status

    def answer_data(self, data: bytes, end: bool) -> None:
        if self.ended.done():
            return
        self.file.write(data)
        if end:
            self.ended.set_result(self._status)

    def call_failed(self, kind: str, detail: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(_Broken(f"{kind}: {detail}" if detail else kind))
