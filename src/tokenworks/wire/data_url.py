"""Pictures as data URLs, the form in which chat completions carry them."""

from __future__ import annotations

from tokenworks.wire.conversation import Image

_BASE64 = ";base64"


def image_of(url: str) -> Image:
    """The picture at ``url``; what a base64 data URL holds is unpacked."""
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        if comma and head.endswith(_BASE64):
            return Image(media_type=head[: -len(_BASE64)], data=data)
    return Image(url=url)


def url_of(image: Image) -> str:
    """The address of ``image``, a data URL where it has no other."""
    return image.url or f"data:{image.media_type}{_BASE64},{image.data}"
