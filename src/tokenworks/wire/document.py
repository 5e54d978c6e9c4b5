"""Documents as data URLs or addresses, the form in which chat completions and responses carry them."""

from __future__ import annotations

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File

_BASE64 = ";base64"


def file_of(data: str, name: str, cache_ttl: str = "") -> File:
    """The document that ``data``, a data URL or the address of one, stands for.

    Raises BadRequest for anything else.
    """
    if data.startswith("data:"):
        head, comma, content = data[5:].partition(",")
        if comma and head.endswith(_BASE64):
            return File(name=name, media_type=head[: -len(_BASE64)], data=content, cache_ttl=cache_ttl)
    elif data.startswith(("https://", "http://")):
        return File(name=name, url=data, cache_ttl=cache_ttl)
    raise BadRequest("'file_data' must be a data URL (data:TYPE;base64,...) or an http(s) URL")


def data_url(file: File) -> str:
    """What ``file_of`` was given; empty for a document of plain text, see ``as_text``."""
    return file.url or (f"data:{file.media_type}{_BASE64},{file.data}" if file.data else "")


def name_of(file: File) -> str:
    """What ``file`` is called; some name where it has none, since providers ask for one."""
    return file.name or f"document.{file.media_type.rpartition('/')[2]}"


def as_text(file: File) -> str:
    """A document of plain text in words that every model can read."""
    name = file.name.replace('"', "'")
    return f'<document name="{name}">\n{file.text}\n</document>' if name else file.text
