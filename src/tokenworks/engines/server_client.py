"""Asks a server of models how it is, over a connection that is kept. For threads, not for a loop."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from tokenworks.http.addresses import tls_context

TIMEOUT_S = 5.0  # a server answers within milliseconds, or after the step in hand
END_S = 1.0  # for a connection that is being made
MAX_BYTES = 8 << 20  # of an answer; metrics of many replicas are some hundred KiB


class ServerClient:
    """``GET`` at one server. Not for two threads at a time."""

    def __init__(self, url: str, api_key: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """``url`` without /v1; its own path, if it has one, stands before every path that is asked."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._prefix = parts.path.rstrip("/")
        self._tls = parts.scheme == "https"
        self._timeout_s = timeout_s
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError that says why there is none."""
        kept = self._connection is not None
        try:
            return self._get(path)
        except ConnectionError:
            if not kept:
                raise
        return self._get(path)  # the server may just have closed a connection that was idle

    def close(self) -> None:
        """Drop the connection; the next ``get`` makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def end(self, asking: asyncio.Future[Any] | None) -> None:
        """No answer is wanted any more. ``asking``: the use of this client in a thread, which ends early."""
        self.abort()
        if asking is not None and not asking.done():
            await asyncio.wait([asking], timeout=END_S)
        if asking is not None and asking.done():
            asking.exception()  # it has been heard
        self.close()

    def abort(self) -> None:
        """From another thread: no answer is wanted any more, neither one that is waited for nor another."""
        self._aborted = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _get(self, path: str) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._opened()
        try:
            self._connection.request("GET", self._prefix + path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read(MAX_BYTES)
            if not answer.isclosed():  # longer than anything that is meant
                self.close()
            return answer.status, body
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"answers no HTTP ({type(error).__name__})") from error
        except OSError:
            self.close()
            raise

    def _opened(self) -> http.client.HTTPConnection:
        if self._aborted:
            raise ConnectionAbortedError("no answer is wanted any more")
        if self._tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=tls_context(None)
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)


def why(error: OSError) -> str:
    """In words why a server could not be asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    return (error.strerror or str(error)).lower()
