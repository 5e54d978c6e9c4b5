"""Content of an item: a text, or parts of several kinds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire import data_url, document
from tokenworks.wire.cache_control import CacheControl, ttl_of
from tokenworks.wire.conversation import File, Image, Text


class Part(msgspec.Struct, omit_defaults=True, gc=False):
    """A part of any kind; ``type`` tells which of the fields it has."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    cache_control: CacheControl | None = None


Content = str | list[Part] | None

_TEXTS = frozenset(("input_text", "output_text", "text", "summary_text", "reasoning_text"))


def read_content(content: Content) -> tuple[Text | Image | File, ...]:
    """Blocks of an item's content; empty texts are left out.

    Raises BadRequest for a part of a kind that other wires don't have.
    """
    if not content:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple([block for part in content if (block := _read_part(part)) is not None])


def read_text(content: Content) -> str:
    """All texts of ``content`` in one."""
    return "\n\n".join([block.text for block in read_content(content) if isinstance(block, Text)])


def _read_part(part: Part) -> Text | Image | File | None:
    ttl = ttl_of(part.cache_control)
    if part.type in _TEXTS:
        return Text(part.text, ttl) if part.text else None
    if part.type == "refusal":
        return Text(part.refusal, ttl) if part.refusal else None
    if part.type == "input_image" and part.image_url:
        image = data_url.image_of(part.image_url)
        detail = part.detail or ""
        return Image(image.url, image.media_type, image.data, "" if detail == "auto" else detail, ttl)
    if part.type == "input_file" and (part.file_data or part.file_url):
        return document.file_of(part.file_data or part.file_url or "", part.filename or "", ttl)
    if part.type in ("input_image", "input_file"):
        raise BadRequest("'input': a 'file_id' is known to its own provider only; send data or a URL")
    raise BadRequest(f"'input': content of type '{part.type}' can't be said to the provider of this model")


def write_content(blocks: Sequence[Text | Image | File]) -> str | list[Part]:
    """Content of what the model is to read."""
    if len(blocks) == 1 and isinstance(blocks[0], Text):
        return blocks[0].text
    return [_write_part(block) for block in blocks]


def _write_part(block: Text | Image | File) -> Part:
    if isinstance(block, Text):
        return Part("input_text", text=block.text)
    if isinstance(block, Image):
        return Part("input_image", image_url=data_url.url_of(block), detail=block.detail or "auto")
    if block.url:
        return Part("input_file", file_url=block.url)
    if block.data:
        return Part("input_file", file_data=document.data_url(block), filename=document.name_of(block))
    return Part("input_text", text=document.as_text(block))


def write_said(texts: Sequence[str]) -> str | list[Part]:
    """Content of what the model has said."""
    return texts[0] if len(texts) == 1 else [Part("output_text", text=text) for text in texts]
