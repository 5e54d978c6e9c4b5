"""A first request, for people to paste into a shell."""

from __future__ import annotations

import json
import re
import shlex

from fastapi import Request

from tokenworks.console.site import Site, site_of
from tokenworks.console.way import wants_secure

_ADDRESS = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,200}")


def curl(request: Request, model: str = "") -> str:
    """A request to ``model``, or to one that can be called, at the address that the page was asked at.

    It runs nothing else, whatever model and address are called.
    """
    site = site_of(request)
    host = request.headers.get("host", "")
    if not _ADDRESS.fullmatch(host):
        host = f"{site.settings.server.host}:{site.settings.server.port}"
    scheme = "https" if wants_secure(request) else "http"
    messages = [{"role": "user", "content": "Hello!"}]
    body = json.dumps({"model": model or _callable(site), "messages": messages}, ensure_ascii=False)
    return (
        f"curl {scheme}://{host}/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $TOKENWORKS_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(body)}"
    )


def _callable(site: Site) -> str:
    """Of own engines first, then ``auto``, then any that somebody sells us."""
    engines = [engine.model for engine in site.settings.engines.values()]
    sold = [model for model, found in site.catalog.endpoints.items() if found]
    return next(iter(engines + (["auto"] if site.auto is not None else []) + sold), "MODEL")
