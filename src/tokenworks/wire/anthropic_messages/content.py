"""Content of a message on the messages wire: a text, or blocks of several kinds."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.cache_control import CacheControl, mark, ttl_of
from tokenworks.wire.conversation import File, Image, Text
from tokenworks.wire.parameters import ABSENT

JPEG = {"image/jpg": "image/jpeg"}  # the one name of it that this wire knows


class Inner(msgspec.Struct, omit_defaults=True, gc=False):
    """A block inside a document."""

    type: str
    text: str | None = None


class Source(msgspec.Struct, omit_defaults=True, gc=False):
    """Where a picture or document is; ``type`` tells which of the fields it has."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: str | list[Inner] | None = None


class Block(msgspec.Struct, omit_defaults=True, gc=False):
    """A block of any kind; ``type`` tells which of the fields it has."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = ABSENT
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None
    tool_name: str | None = None
    cache_control: CacheControl | None = None


Content = str | list[Block]


def unknown(block: Block) -> BadRequest:
    """The error for a block of a kind that other wires don't have."""
    return BadRequest(
        f"'messages': content of type '{block.type}' can't be said to the provider of this model"
    )


def read_visible(block: Block) -> tuple[Text | Image | File, ...]:
    """A block that is neither reasoning nor a tool's; empty texts are left out. Raises BadRequest."""
    ttl = ttl_of(block.cache_control)
    kind = block.type
    if kind == "text":
        return (Text(block.text, ttl),) if block.text else ()
    if kind == "image" and isinstance(block.source, Source):
        return (_read_image(block.source, ttl),)
    if kind == "document" and isinstance(block.source, Source):
        file = _read_document(block.source, block.title or "", ttl)
        return (Text(block.context), file) if block.context else (file,)
    if kind == "search_result":
        source = block.source if isinstance(block.source, str) else ""
        found = block.content if isinstance(block.content, list) else []
        words = [block.title or "", source, *[inner.text or "" for inner in found]]
        return (Text("\n".join([word for word in words if word]), ttl),)
    if kind == "tool_reference" and block.tool_name:
        return (Text(f"The tool {block.tool_name} can be called.", ttl),)
    raise unknown(block)


def _read_image(source: Source, ttl: str) -> Image:
    if source.type == "base64":
        return Image(media_type=source.media_type or "", data=source.data or "", cache_ttl=ttl)
    if source.type == "url" and source.url:
        return Image(url=source.url, cache_ttl=ttl)
    raise _elsewhere(source, "an image")


def _read_document(source: Source, name: str, ttl: str) -> File:
    if source.type == "base64":
        return File(name, media_type=source.media_type or "", data=source.data or "", cache_ttl=ttl)
    if source.type == "url" and source.url:
        return File(name, source.url, cache_ttl=ttl)
    if source.type == "text":
        return File(name, text=source.data or "", cache_ttl=ttl)
    if source.type == "content" and source.content is not None:
        inner = source.content
        if isinstance(inner, str):
            return File(name, text=inner, cache_ttl=ttl)
        if all(block.type == "text" for block in inner):
            return File(name, text="\n\n".join([block.text or "" for block in inner]), cache_ttl=ttl)
    raise _elsewhere(source, "a document")


def _elsewhere(source: Source, what: str) -> BadRequest:
    return BadRequest(
        f"'messages': the source of type '{source.type}' of {what} can't be said to the provider of this "
        "model; send base64 data or a URL"
    )


def write_visible(blocks: Iterable[Text | Image | File], marks: bool = True) -> list[Block]:
    """Blocks of a message without texts of nothing but white space, which are refused.

    Raises BadRequest for a text document that can't be decoded.
    """
    return [
        _write_block(block, mark(block.cache_ttl) if marks else None)
        for block in blocks
        if not isinstance(block, Text) or (block.text and not block.text.isspace())
    ]


def _write_block(block: Text | Image | File, cache_control: CacheControl | None) -> Block:
    if isinstance(block, Text):
        return Block("text", text=block.text, cache_control=cache_control)
    if isinstance(block, Image):
        media_type = JPEG.get(block.media_type, block.media_type)
        source = Source("url", url=block.url) if block.url else Source("base64", media_type, block.data)
        return Block("image", source=source, cache_control=cache_control)
    title = block.name or None
    return Block("document", source=_write_document(block), title=title, cache_control=cache_control)


def _write_document(file: File) -> Source:
    if file.url:
        return Source("url", url=file.url)
    if not file.data:
        return Source("text", "text/plain", file.text)
    if not file.media_type.startswith("text/"):
        return Source("base64", file.media_type, file.data)
    try:
        return Source("text", "text/plain", base64.b64decode(file.data, validate=True).decode())
    except ValueError:
        raise BadRequest(f"'messages': the file '{file.name}' is not base64 of UTF-8 text") from None
