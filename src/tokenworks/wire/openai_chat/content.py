"""Content of a chat message: a text, or parts of several kinds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire import data_url, document
from tokenworks.wire.cache_control import CacheControl, mark, ttl_of
from tokenworks.wire.conversation import Block, File, Image, Text

JOINT = "\n\n"  # between texts that become one
SHOWN = (Text, Image, File)  # what is neither reasoning nor a tool's


class ImageUrl(msgspec.Struct, omit_defaults=True, gc=False):
    url: str
    detail: str | None = None


class FileData(msgspec.Struct, omit_defaults=True, gc=False):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct, omit_defaults=True, gc=False):
    """A part of any kind; ``type`` tells which of the fields it has."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    file: FileData | None = None
    cache_control: CacheControl | None = None


Content = str | list[Part] | None


def read_content(content: Content) -> tuple[Text | Image | File, ...]:
    """Blocks of a message's content; empty texts are left out.

    Raises BadRequest for a part of a kind that other wires don't have.
    """
    if not content:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    return tuple([block for part in content if (block := _read_part(part)) is not None])


def read_texts(content: Content) -> tuple[Text, ...]:
    """The same where nothing but text may stand. Raises BadRequest for anything else."""
    blocks = read_content(content)
    texts = tuple([block for block in blocks if isinstance(block, Text)])
    if len(texts) < len(blocks):
        raise BadRequest(
            "'messages': system messages hold text only; put images and files into user messages"
        )
    return texts


def _read_part(part: Part) -> Text | Image | File | None:
    if part.type in ("text", "refusal"):
        text = part.text if part.type == "text" else part.refusal
        return Text(text, ttl_of(part.cache_control)) if text else None
    if part.type == "image_url" and part.image_url is not None:
        given = part.image_url
        if isinstance(given, str):
            given = ImageUrl(given)
        return read_image(given, ttl_of(part.cache_control))
    if part.type == "file" and part.file is not None and part.file.file_data:
        return document.file_of(part.file.file_data, part.file.filename or "", ttl_of(part.cache_control))
    if part.type == "file":
        raise BadRequest(
            "'messages': a file needs 'file_data'; a 'file_id' is known to its own provider only"
        )
    raise BadRequest(f"'messages': content of type '{part.type}' can't be said to the provider of this model")


def read_image(given: ImageUrl, cache_ttl: str = "") -> Image:
    """A picture, its data unpacked where the URL holds them."""
    image = data_url.image_of(given.url)
    detail = given.detail or ""
    return Image(image.url, image.media_type, image.data, "" if detail == "auto" else detail, cache_ttl)


def write_content(blocks: Sequence[Text | Image | File], marks: bool) -> Content:
    """Content of a message: a string wherever it can be one, since not every provider reads parts.

    ``marks``: the provider knows ``cache_control``.
    """
    if not (marks and any([block.cache_ttl for block in blocks])):
        text, media = split(blocks)
        if not media:
            return text
    return [_write_part(block, marks) for block in blocks]


def split(blocks: Sequence[Text | Image | File]) -> tuple[str, list[Image | File]]:
    """What of ``blocks`` is words, in one text, and what is not."""
    if len(blocks) == 1 and isinstance(blocks[0], Text):
        return blocks[0].text, []
    words: list[str] = []
    media: list[Image | File] = []
    for block in blocks:
        if isinstance(block, Text):
            words.append(block.text)
        elif isinstance(block, File) and block.text:
            words.append(document.as_text(block))
        else:
            media.append(block)
    return JOINT.join(words), media


def _write_part(block: Text | Image | File, marks: bool) -> Part:
    cache_control = mark(block.cache_ttl) if marks else None
    if isinstance(block, Text):
        return Part("text", text=block.text, cache_control=cache_control)
    if isinstance(block, Image):
        return Part("image_url", image_url=write_image(block), cache_control=cache_control)
    address = document.data_url(block)
    if not address:
        return Part("text", text=document.as_text(block), cache_control=cache_control)
    return Part(
        "file",
        file=FileData(address, document.name_of(block) if block.data else block.name or None),
        cache_control=cache_control,
    )


def write_image(image: Image) -> ImageUrl:
    """A picture's address, a data URL where it has no other."""
    return ImageUrl(data_url.url_of(image), image.detail or None)


def visible(blocks: Iterable[Block]) -> list[Text | Image | File]:
    """Those of ``blocks`` that are content proper, not reasoning and tools."""
    return [block for block in blocks if isinstance(block, SHOWN)]
