"""From a provider of the catalogue to its batch API."""

from __future__ import annotations

from collections.abc import Callable

from tokenworks import __version__
from tokenworks.errors import ConfigError
from tokenworks.http.upstream import Pool
from tokenworks.providers.bulk.files import Files
from tokenworks.providers.bulk.line import Line
from tokenworks.providers.bulk.messages import Messages
from tokenworks.providers.bulk.way import Way
from tokenworks.providers.target import MESSAGES_VERSION
from tokenworks.schema import BatchApi, Provider

WAYS: dict[str, Callable[[Line], Way]] = {"files": Files, "messages": Messages}
PATHS = {"openai_chat": "/v1/chat/completions", "anthropic_messages": "/v1/messages"}  # of each request


def way_of(pool: Pool, provider: Provider, api: BatchApi, secret: str, *, ca_file: str | None = None) -> Way:
    """The batch API of ``provider``, asked with ``secret``. Raises ``ConfigError`` for what can't be used."""
    base_url = provider.base_url_of(api.wire)
    if base_url is None or api.way not in WAYS:
        raise ConfigError(f"provider {provider.name}: its batch API can't be reached as the catalogue says")
    headers = {"user-agent": f"tokenworks/{__version__}", **dict(provider.headers)}
    if secret and provider.auth == "x-api-key":
        headers["x-api-key"] = secret
    elif secret and provider.auth == "bearer":
        headers["authorization"] = f"Bearer {secret}"
    if api.way == "messages":
        headers.setdefault("anthropic-version", MESSAGES_VERSION)
    line = Line(pool, base_url, headers, allow_private=provider.allow_private, ca_file=ca_file)
    return WAYS[api.way](line)
