"""Calls a server with whichever version of OpenRouter's SDK is importable; prints what it read as JSON.

Run by ``test_openrouter_sdk.py``: ``python openrouter_calls.py BASE_URL KEY ADMIN_KEY``. Nothing of the SDK
is changed but base URL and key. Its retries are off: it would try for an hour what answers 5xx.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from openrouter import OpenRouter, errors, operations
from openrouter._version import __version__

HELLO: Any = [{"role": "user", "content": "Say hello."}]
MODEL = "acme/fast"


def inference(client: OpenRouter) -> dict[str, Any]:
    """One answer, one stream, and what is told of them afterwards."""
    answer: Any = client.chat.send(model=MODEL, messages=HELLO, max_tokens=20)
    with client.chat.send(model=MODEL, messages=HELLO, max_tokens=20, stream=True) as events:  # type: ignore[union-attr]
        chunks: list[Any] = list(events)
    told = client.generations.get_generation(id=answer.id).data
    streamed = client.generations.get_generation(id=chunks[0].id).data
    return {
        "chat": {
            "id": answer.id,
            "model": answer.model,
            "content": answer.choices[0].message.content,
            "finish_reason": answer.choices[0].finish_reason,
            "usage": answer.usage.model_dump(mode="json"),
        },
        "stream": {
            "ids": sorted({chunk.id for chunk in chunks}),
            "content": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
            "finish_reasons": [
                c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason
            ],
        },
        "generation": told.model_dump(mode="json"),
        "streamed_generation": streamed.model_dump(mode="json"),
    }


def catalogue(client: OpenRouter, key: str) -> dict[str, Any]:
    """Models, where they are served and by whom; pages are followed to their end."""
    paged = []
    page: Any = client.models.list(limit=1)
    while page is not None:
        paged += [model.id for model in page.result.data]
        page = page.next()
    whole: Any = client.models.list()
    own: Any = client.models.list_for_user(security=operations.ListModelsUserSecurity(bearer=key))
    endpoints = client.endpoints.list(author="acme", slug="fast").data
    return {
        "models": [model.model_dump(mode="json") for model in whole.result.data],
        "total_count": whole.result.total_count,
        "paged": paged,
        "count": client.models.count().data.count,
        "one": client.models.get(author="acme", slug="fast").data.id,
        "own": [model.id for model in own.result.data],
        "endpoints": [each.model_dump(mode="json") for each in endpoints.endpoints],
        "zdr": [each.tag for each in client.endpoints.list_zdr_endpoints().data],
        "providers": [each.model_dump(mode="json") for each in client.providers.list().data],
    }


def account(client: OpenRouter, admin: OpenRouter) -> dict[str, Any]:
    """What a key knows of itself, and what an administrator does with others."""
    soon = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    made = admin.api_keys.create(name="made", expires_at=soon)
    key = made.data.hash
    changed = admin.api_keys.update(hash=key, name="renamed", disabled=True, limit=5, limit_reset="monthly")
    listed = admin.api_keys.list(include_disabled="true")
    shown = admin.api_keys.get(hash=key)
    deleted = admin.api_keys.delete(hash=key)
    return {
        "key": client.api_keys.get_current_key_metadata().data.model_dump(mode="json"),
        "credits": client.credits.get_credits().data.model_dump(mode="json"),
        "made": made.data.model_dump(mode="json"),
        "secret": made.key,
        "changed": changed.data.model_dump(mode="json"),
        "listed": [each.name for each in listed.data],
        "shown": shown.data.name,
        "deleted": deleted.model_dump(mode="json"),
        "listed_after": [each.name for each in admin.api_keys.list(include_disabled="true").data],
        "activity": [each.model_dump(mode="json") for each in admin.analytics.get_user_activity().data],
    }


def refusals(client: OpenRouter, stranger: OpenRouter) -> dict[str, str]:
    """The class of the SDK's own that each refusal becomes, with the message that it read."""
    tried: dict[str, Callable[[], object]] = {
        "wrong key": lambda: stranger.credits.get_credits(),
        "member": lambda: client.api_keys.list(),
        "unknown model": lambda: client.chat.send(model="nobody/none", messages=HELLO),
        "wrong key, chat": lambda: stranger.chat.send(model=MODEL, messages=HELLO),
        "no such generation": lambda: client.generations.get_generation(id="gen-1-none"),
        "limit": lambda: client.chat.send(model="acme/limited", messages=HELLO),
    }
    found = {}
    for name, call in tried.items():
        try:
            call()
        except errors.OpenRouterError as error:
            found[name] = f"{type(error).__name__} {error.status_code}: {error}"
    return found


def main(base_url: str, key: str, admin_key: str) -> None:
    """Everything, as one JSON object on stdout."""

    def connect(secret: str) -> OpenRouter:
        return OpenRouter(api_key=secret, server_url=base_url, retry_config=None, timeout_ms=20_000)

    with connect(key) as client, connect(admin_key) as admin, connect("tw-nobody") as stranger:
        found = {
            "version": __version__,
            **inference(client),
            **catalogue(client, key),
            **account(client, admin),
            "refusals": refusals(client, stranger),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
