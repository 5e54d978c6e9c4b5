"""Where a request to an endpoint goes, made once: origin and everything before the body's length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tokenworks import __version__
from tokenworks.config.settings import ProviderKey, ProviderSettings
from tokenworks.errors import BadRequest, ConfigError
from tokenworks.http.upstream import Origin, Pool
from tokenworks.providers.keyring import Keyring
from tokenworks.schema import Endpoint, Provider
from tokenworks.wire.conversation import Maker
from tokenworks.wire.pairs import MESSAGES, Pair, pair, wire_for
from tokenworks.wire.peek import raw
from tokenworks.wire.replay import QUIRKS

MAX_KEPT = 4096
MESSAGES_VERSION = "2023-06-01"  # of the messages wire, where configuration names no other
_LENGTH = b"content-length: "
HIDDEN = "…"
BEHIND = ("x-tokenworks-batch", "1")  # an engine serves everybody else before such a request
SECRET_CHARS = 16  # a configured header as long as this may hold a secret


class Target:
    """One endpoint's address for one caller's wire, and what every call to it has in common, encoded once.

    ``vitals`` is the gateway's, for what it learns of the endpoint.
    """

    __slots__ = (
        "_heads",
        "endpoint",
        "head",
        "keyring",
        "maker",
        "origin",
        "pair",
        "replays",
        "restarts",
        "secrets",
        "upstream_id",
        "vitals",
        "wire",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        wire: str,
        pair: Pair,
        origin: Origin,
        heads: Mapping[str, bytes],
        keyring: Keyring | None,
        named: str = "",
    ) -> None:
        """``named``: what the endpoint is called there, if not by its own ``upstream_id``."""
        upstream_id = named or endpoint.upstream_id
        self.endpoint = endpoint
        self.wire = wire
        self.pair = pair
        self.origin = origin
        self._heads = heads  # by name of the key
        self.head = next(iter(heads.values()))  # of the request, ends behind "content-length: "
        self.keyring = keyring
        self.maker = Maker(upstream_id, endpoint.max_output_tokens, frozenset(endpoint.quirks))
        # Reasoning must come back to it.
        self.replays = pair.converses and not QUIRKS.isdisjoint(endpoint.quirks)
        self.upstream_id = raw(upstream_id)
        self.restarts = False  # an engine of our own, which is started again when it dies
        self.secrets: tuple[str, ...] = ()  # what ``hide`` hides
        self.vitals: Any = None

    def hide(self, said: str) -> str:
        """``said`` by the provider, for a caller: some repeat in a complaint the key that they were sent."""
        for secret in self.secrets:
            said = said.replace(secret, HIDDEN)
        return said

    def head_with(self, key: str, extra: bytes = b"") -> bytes:
        """The head with the key of this name and ``extra`` header lines; ends behind "content-length: "."""
        head = self._heads.get(key, self.head)
        return head[: -len(_LENGTH)] + extra + _LENGTH if extra else head


class Targets:
    """All targets of one worker, from configuration alone: no caller can name an address."""

    def __init__(
        self,
        pool: Pool,
        providers: Mapping[str, Provider],
        secrets: Mapping[str, str],
        settings: Mapping[str, ProviderSettings],
        keys: Mapping[str, Sequence[ProviderKey]] = {},
        vitals: Callable[[Endpoint], object] | None = None,
        *,
        behind: bool = False,
    ) -> None:
        """``keys`` of providers that have several; ``vitals`` makes what ``Target.vitals`` holds.

        ``behind``: everything is asked for batches, and our own engines are told so.
        """
        self.pool = pool
        self.providers = providers
        self.secrets = secrets
        self.settings = settings
        self.keyrings = {
            name: Keyring(several, pool.loop.time) for name, several in keys.items() if len(several) > 1
        }
        self._keys = keys
        self._vitals = vitals
        self._engine_headers = (BEHIND,) if behind else ()
        self._made: dict[tuple[int, str], Target] = {}  # by id() of an endpoint that the target keeps alive

    def of(self, endpoint: Endpoint, caller: str) -> Target:
        """The target of a remote endpoint for what came on the wire ``caller``.

        Raises BadRequest where the provider has nothing for it.
        """
        target = self._made.get((id(endpoint), caller))
        if target is None:
            if len(self._made) >= MAX_KEPT:  # names that callers make up at an aggregator
                self._made.clear()
            target = self._made[id(endpoint), caller] = self._make(endpoint, caller)
        return target

    def serves(self, endpoint: Endpoint, caller: str) -> bool:
        """Whether the endpoint can be asked what came on the wire ``caller``."""
        provider = self.providers[endpoint.provider]
        return wire_for(caller, provider, frozenset(endpoint.quirks), endpoint.wires) is not None

    def engine(self, endpoint: Endpoint, caller: str, port: int, secret: str) -> Target:
        """The target of an engine of our own, on loopback."""
        provider = msgspec.structs.replace(
            self.providers[endpoint.provider],
            base_url=f"http://127.0.0.1:{port}/v1",
            auth="bearer",
            headers=self._engine_headers,
        )
        target = self.at(endpoint, caller, provider, keys={"": secret})
        target.restarts = True
        return target

    def server(self, endpoint: Endpoint, caller: str, url: str, secret: str, named: str) -> Target:
        """The target of a server of our own that somebody else runs, at ``url`` (without /v1), which calls
        the model ``named``. These never change while this process lives.
        """
        target = self._made.get((id(endpoint), caller))
        if target is None:
            provider = msgspec.structs.replace(
                self.providers[endpoint.provider], base_url=f"{url}/v1", auth="bearer", allow_private=True
            )
            target = self.at(endpoint, caller, provider, keys={"": secret}, named=named)
            self._made[id(endpoint), caller] = target
        return target

    def clear(self) -> None:
        """Forget what was made: the catalogue's endpoints have changed."""
        self._made.clear()

    def _make(self, endpoint: Endpoint, caller: str) -> Target:
        provider = self.providers[endpoint.provider]
        settings = self.settings.get(provider.name)
        return self.at(
            endpoint,
            caller,
            provider,
            keys={key.name: key.secret for key in self._keys.get(provider.name, ())}
            or {"": self.secrets.get(provider.name, "")},
            keyring=self.keyrings.get(provider.name),
            ca_file=settings.ca_file if settings else None,
        )

    def at(
        self,
        endpoint: Endpoint,
        caller: str,
        provider: Provider,
        *,
        keys: Mapping[str, str],
        keyring: Keyring | None = None,
        ca_file: str | None = None,
        named: str = "",
    ) -> Target:
        """A target at ``provider``, asked with one of ``keys`` (name → secret).

        Raises ConfigError for a URL or header that can't be used, BadRequest where the provider has no
        wire for the caller's.
        """
        found = wire_for(caller, provider, frozenset(endpoint.quirks), endpoint.wires)
        if found is None:
            raise BadRequest(f"{provider.name} offers nothing that could answer this kind of request")
        wire, base_url, path = found
        tls, hostname, port, prefix = _parts(provider, base_url)
        origin = self.pool.origin(
            hostname,
            port or (443 if tls else 80),
            tls=tls,
            allow_private=provider.allow_private,
            ca_file=ca_file,
        )
        host = f"[{hostname}]" if ":" in hostname else hostname
        lines = [
            f"POST {prefix}{path} HTTP/1.1",
            f"host: {host if port is None else f'{host}:{port}'}",
            f"user-agent: tokenworks/{__version__}",
            "accept: application/json, text/event-stream",
            "accept-encoding: identity",
            "content-type: application/json",
        ]
        heads = {name: _head(provider, wire, lines, secret) for name, secret in keys.items()}
        target = Target(endpoint, wire, pair(caller, wire), origin, heads, keyring, named)
        target.secrets = tuple(filter(None, keys.values())) + tuple(
            value for _, value in provider.headers if len(value) >= SECRET_CHARS
        )
        if self._vitals is not None:
            target.vitals = self._vitals(endpoint)
        return target


def _parts(provider: Provider, base_url: str) -> tuple[bool, str, int | None, str]:
    """Whether ``base_url`` is https, its host, port and path. Raises ConfigError for what is no such URL."""
    complaint = f"provider {provider.name}: base_url {base_url!r} is no http(s) URL"
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:  # brackets or a port that can't be
        raise ConfigError(complaint) from None
    if url.scheme not in ("http", "https") or not url.hostname or " " in url.hostname + url.path:
        raise ConfigError(complaint)
    return url.scheme == "https", url.hostname, port, url.path.rstrip("/")


def _head(provider: Provider, wire: str, lines: Sequence[str], secret: str) -> bytes:
    lines = [*lines]
    if secret and (provider.auth == "x-api-key" or (provider.auth == "bearer" and wire == MESSAGES)):
        lines.append(f"x-api-key: {secret}")
    if secret and provider.auth == "bearer":
        lines.append(f"authorization: Bearer {secret}")
    if wire == MESSAGES and "anthropic-version" not in {name.lower() for name, _ in provider.headers}:
        lines.append(f"anthropic-version: {MESSAGES_VERSION}")
    lines += [f"{name}: {value}" for name, value in provider.headers]
    if any("\r" in line or "\n" in line for line in lines):
        raise ConfigError(f"provider {provider.name}: a header or key contains a line break")
    try:
        return "\r\n".join(lines).encode("latin-1") + b"\r\n" + _LENGTH
    except UnicodeEncodeError:
        fault = "a header, key or base_url has a character that no header can carry"
        raise ConfigError(f"provider {provider.name}: {fault}") from None
