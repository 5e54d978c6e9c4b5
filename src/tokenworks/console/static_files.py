"""Scripts, styles and pictures: held in memory, named by their content so that browsers may keep them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import PurePath

from fastapi import APIRouter, Request, Response

from tokenworks.errors import NotFound

PATH = "/console/static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
KEPT = "public, max-age=31536000, immutable"

router = APIRouter()


class Asset:
    """One file."""

    def __init__(self, name: str, body: bytes) -> None:
        self.name, self.body = name, body
        self.kind = TYPES[PurePath(name).suffix]
        self.version = hashlib.sha256(body).hexdigest()[:16]

    @cached_property
    def packed(self) -> bytes:
        """The same for browsers that unpack it."""
        return gzip.compress(self.body, 9, mtime=0)


class Shelf:
    """All files by name."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self.assets = assets

    @classmethod
    def load(cls) -> Shelf:
        """Reads ``static/``."""
        folder = resources.files("tokenworks.console") / "static"
        return cls({file.name: Asset(file.name, file.read_bytes()) for file in folder.iterdir()})

    def url(self, name: str) -> str:
        """Where a page finds the file; another one when its content changes. Raises KeyError."""
        return f"{PATH}/{name}?v={self.assets[name].version}"


@router.get("/static/{name}")
def static_file(request: Request, name: str, v: str = "") -> Response:
    """One file; with its present version in ``v`` it may be kept for good. Packing it takes its time."""
    shelf: Shelf = request.app.state.site.shelf
    asset = shelf.assets.get(name)
    if asset is None:
        raise NotFound("no such file")
    headers = {
        "cache-control": KEPT if v == asset.version else "no-cache",
        "etag": f'"{asset.version}"',
        "vary": "accept-encoding",
    }
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    body = asset.body
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = asset.packed, "gzip"
    return Response(body, headers=headers, media_type=asset.kind)
