"""Where a browser goes next: only ever to a page of the console."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from starlette.responses import RedirectResponse

HOME = "/console/"
SIGN_IN = "/console/sign-in"
MAX_NEXT = 2000  # characters
_PLAIN = re.compile(r"[\x21-\x7e]*")


def inside(path: str) -> str:
    """``path`` if it leads to a page of the console, else its home: never to another server."""
    if len(path) > MAX_NEXT or not _PLAIN.fullmatch(path) or "\\" in path:
        return HOME
    try:
        parts = urlsplit(path)
    except ValueError:
        return HOME
    at = parts.path
    if parts.scheme or parts.netloc or not at.startswith(HOME) or "//" in at or ".." in _dots(at):
        return HOME
    return HOME if at.startswith(SIGN_IN) else path


def _dots(path: str) -> str:
    """``path`` with its dots as browsers see them: ``%2e`` is one too where they look for parents."""
    return path.replace("%2e", ".").replace("%2E", ".")


def here(request: Request) -> str:
    """The address of a page that can be asked for again; of anything else, home."""
    if request.method != "GET":
        return HOME
    query = request.url.query
    return inside(quote(request.url.path, safe="/:@-._~!$&'()*+,;=") + (f"?{query}" if query else ""))


def see(path: str) -> Response:
    """Go to this page with GET, as after a form was taken."""
    return RedirectResponse(path, 303)


def wants_secure(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to what stands in front of us."""
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return "https" in (request.url.scheme, forwarded)
