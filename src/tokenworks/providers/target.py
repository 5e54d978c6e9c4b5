"""Where a request to an endpoint goes, made once: origin and everything before the body's length."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tokenworks import __version__
from tokenworks.config.settings import ProviderSettings
from tokenworks.errors import ConfigError
from tokenworks.http.upstream import Origin, Pool
from tokenworks.schema import Endpoint, Provider
from tokenworks.wire.openai_chat.relay import answer_names
from tokenworks.wire.peek import raw

CHAT_PATH = "/chat/completions"
MAX_KEPT = 4096


class Target:
    """One endpoint's address and what every call to it has in common, encoded once."""

    __slots__ = ("endpoint", "head", "names", "origin", "upstream_id")

    def __init__(self, endpoint: Endpoint, origin: Origin, head: bytes) -> None:
        self.endpoint = endpoint
        self.origin = origin
        self.head = head  # of the request, ends behind "content-length: "
        self.upstream_id = raw(endpoint.upstream_id)
        self.names = answer_names(endpoint.model, endpoint.provider)


class Targets:
    """All targets of one worker, from configuration alone: no caller can name an address."""

    def __init__(
        self,
        pool: Pool,
        providers: Mapping[str, Provider],
        secrets: Mapping[str, str],
        settings: Mapping[str, ProviderSettings],
    ) -> None:
        self.pool = pool
        self.providers = providers
        self.secrets = secrets
        self.settings = settings
        self._made: dict[int, Target] = {}  # by id() of an endpoint that the target keeps alive

    def of(self, endpoint: Endpoint) -> Target:
        """The target of a remote endpoint."""
        target = self._made.get(id(endpoint))
        if target is None:
            if len(self._made) >= MAX_KEPT:  # names that callers make up at an aggregator
                self._made.clear()
            target = self._made[id(endpoint)] = self._make(endpoint)
        return target

    def clear(self) -> None:
        """Forget what was made: the catalogue's endpoints have changed."""
        self._made.clear()

    def _make(self, endpoint: Endpoint) -> Target:
        provider = self.providers[endpoint.provider]
        settings = self.settings.get(provider.name)
        return self.at(
            endpoint,
            provider.base_url,
            auth=provider.auth,
            secret=self.secrets.get(provider.name, ""),
            headers=provider.headers,
            allow_private=provider.allow_private,
            ca_file=settings.ca_file if settings else None,
        )

    def at(
        self,
        endpoint: Endpoint,
        base_url: str,
        *,
        auth: str,
        secret: str,
        headers: tuple[tuple[str, str], ...] = (),
        allow_private: bool = False,
        ca_file: str | None = None,
    ) -> Target:
        """A target at ``base_url``. Raises ConfigError for a URL or header that can't be used."""
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ConfigError(f"provider {endpoint.provider}: base_url {base_url!r} is no http(s) URL")
        tls = url.scheme == "https"
        port = url.port or (443 if tls else 80)
        origin = self.pool.origin(url.hostname, port, tls=tls, allow_private=allow_private, ca_file=ca_file)
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        lines = [
            f"POST {url.path.rstrip('/')}{CHAT_PATH} HTTP/1.1",
            f"host: {host if url.port is None else f'{host}:{port}'}",
            f"user-agent: tokenworks/{__version__}",
            "accept: application/json, text/event-stream",
            "accept-encoding: identity",
            "content-type: application/json",
        ]
        if auth == "bearer" and secret:
            lines.append(f"authorization: Bearer {secret}")
        elif auth == "x-api-key" and secret:
            lines.append(f"x-api-key: {secret}")
        lines += [f"{name}: {value}" for name, value in headers]
        if any("\r" in line or "\n" in line for line in lines):
            raise ConfigError(f"provider {endpoint.provider}: a header or key contains a line break")
        head = "\r\n".join([*lines, "content-length: "]).encode("latin-1")
        return Target(endpoint, origin, head)
