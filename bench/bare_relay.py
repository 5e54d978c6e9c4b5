"""A relay and nothing else: the floor of what a gateway made of uvloop and httptools can cost.

python bench/bare_relay.py --port 8080 --upstream 9000

Requests and answers pass as the bytes they came in. llhttp says where each ends, as it must for
anybody who keeps connections open; there is no key, no look at a body, no timeout, no record.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from collections.abc import Sequence

import httptools
import uvloop


class Relay:
    """What all connections share: the upstream's port, and connections to it that are idle."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.idle: deque[Upstream] = deque()


class Upstream(asyncio.Protocol):
    """One connection to the upstream, answering one client at a time."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.client: Client | None = None
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.relay.idle:
            self.relay.idle.remove(self)
        if self.client is not None:
            self.client.transport.abort()

    def on_message_complete(self) -> None:
        self.complete = True

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        client = self.client
        if client is None:
            self.transport.close()
            return
        client.transport.write(data)
        if self.complete:
            self.complete = False
            self.client = None
            self.relay.idle.append(self)


class Client(asyncio.Protocol):
    """One client; its requests come one after the other."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.complete = False
        self.parts: list[bytes] = []
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def on_message_complete(self) -> None:
        self.complete = True

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        if not self.complete:
            self.parts.append(data)
            return
        self.complete = False
        if self.parts:
            data = b"".join((*self.parts, data))
            self.parts.clear()
        if self.relay.idle:
            upstream = self.relay.idle.pop()
            upstream.client = self
            upstream.transport.write(data)
        else:
            asyncio.get_running_loop().create_task(self._connect(data))

    async def _connect(self, data: bytes) -> None:
        relay = self.relay
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Upstream(relay), "127.0.0.1", relay.upstream)
        upstream.client = self
        upstream.transport.write(data)


async def serve(port: int, upstream: int) -> None:
    """Relay what comes to ``port`` of loopback to ``upstream``, until killed."""
    relay = Relay(upstream)
    server = await asyncio.get_running_loop().create_server(
        lambda: Client(relay), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="to listen on")
    parser.add_argument("--upstream", type=int, required=True, help="port of the upstream")
    args = parser.parse_args(argv)
    uvloop.run(serve(args.port, args.upstream))


if __name__ == "__main__":
    main()
