"""What a server of models says it is: which kind, which models, how long a context, and whether it is well.

Raises ConfigError, in one line, for what is no such server.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.engines import exposition
from tokenworks.engines.exposition import Page
from tokenworks.engines.server_client import ServerClient, why
from tokenworks.errors import ConfigError

MAX_SAID = 120  # characters of a complaint that are passed on
_LENGTHS = ("max_model_len", "context_length", "context_window")  # of an entry of the list of models
_VERSIONS = (("/version", "version"), ("/get_server_info", "version"), ("/props", "build_info"))

Json = dict[str, Any]


class Served(msgspec.Struct, frozen=True):
    """One model of a server's list."""

    id: str
    context_length: int  # tokens; 0: not told
    owned_by: str


class Probed(msgspec.Struct, frozen=True):
    """Everything that a server told when it was asked."""

    models: tuple[Served, ...]
    kind: str  # of ``exposition.kinds``; empty: none that is known
    version: str  # empty: not told
    page: Page | None  # its metrics

    def model(self, named: str) -> Served | None:
        """The model that the server calls ``named``."""
        return next((each for each in self.models if each.id == named), None)


def probe(client: ServerClient, url: str) -> Probed:
    """Ask everything once."""
    models = list_models(client, url)
    page = metrics(client)
    kind = page.kind if page is not None else exposition.owner(models[0].owned_by)
    return Probed(models, kind, _version(client), page)


def list_models(client: ServerClient, url: str) -> tuple[Served, ...]:
    """At least one model. Raises ConfigError."""
    status, body = _get(client, url, "/v1/models")
    if status in (401, 403):
        raise ConfigError(f"{url} wants a key, or another one ({status}); name its variable with --key-env")
    found = _models(body) if status == 200 else None
    if found is None:
        raise ConfigError(
            f"{url} has no list of models at /v1/models ({status}); give the address of a server of "
            "/v1/chat/completions, without /v1"
        )
    if not found:
        raise ConfigError(f"{url} serves no model at the moment; load one there first")
    context = 0 if found[0].context_length or len(found) > 1 else _slot_context(client)
    return tuple(
        msgspec.structs.replace(each, context_length=each.context_length or context) for each in found
    )


def metrics(client: ServerClient) -> Page | None:
    """Its metrics; None where it has none that are known. Raises OSError where it has gone."""
    status, body = client.get("/metrics")
    return exposition.read(body.decode("utf-8", "replace")) if status == 200 else None


def health(client: ServerClient) -> str:
    """Empty where the server is well, else what it says. Raises OSError where it does not answer."""
    status, body = client.get("/health")
    if status in (404, 405):
        status, body = client.get("/v1/models")
    return "" if status == 200 else f"answers {status}{_complaint(body)}"


def _get(client: ServerClient, url: str, path: str) -> tuple[int, bytes]:
    try:
        return client.get(path)
    except OSError as error:
        raise ConfigError(f"{url} {why(error)}; is the server running, and reached from here?") from None


def _models(body: bytes) -> list[Served] | None:
    """None where this is no list of models."""
    listed = _object(body).get("data")
    if not isinstance(listed, list):
        return None
    return [
        Served(each["id"], _context(each), str(each.get("owned_by") or ""))
        for each in listed
        if isinstance(each, dict) and isinstance(each.get("id"), str) and each["id"]
    ]


def _context(entry: Json) -> int:
    meta = entry.get("meta")
    told = [entry.get(name) for name in _LENGTHS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return next((each for each in told if isinstance(each, int) and each > 0), 0)


def _slot_context(client: ServerClient) -> int:
    """Tokens of one slot, where the server tells them apart from its models."""
    found = _try(client, "/props").get("default_generation_settings")
    told = found.get("n_ctx") if isinstance(found, dict) else None
    return told if isinstance(told, int) and told > 0 else 0


def _version(client: ServerClient) -> str:
    for path, field in _VERSIONS:
        found = _try(client, path).get(field)
        if isinstance(found, str) and found and "unknown" not in found:
            return found[:MAX_SAID]
    return ""


def _try(client: ServerClient, path: str) -> Json:
    try:
        status, body = client.get(path)
    except OSError:  # what only some servers have is no reason to give up
        return {}
    return _object(body) if status == 200 else {}


def _object(body: bytes) -> Json:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _complaint(body: bytes) -> str:
    error = _object(body).get("error")
    said = error.get("message") if isinstance(error, dict) else None
    return f": {said[:MAX_SAID]}" if isinstance(said, str) else ""
