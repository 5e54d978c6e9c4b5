"""Reasoning in chat messages: ``reasoning_details``, or one text under a name that differs by provider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tokenworks.wire.conversation import Thinking
from tokenworks.wire.signature import RESPONSES

TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"


class Detail(msgspec.Struct, omit_defaults=True, gc=False):
    """A piece of reasoning of any kind; ``type`` tells which of the fields it has."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


def read_details(details: Sequence[Detail]) -> tuple[Thinking, ...]:
    """Blocks of reasoning.

    Pieces of a stream that were collected without being joined (one ``index``) are one block, and so are
    a summary and the encrypted reasoning that it sums up.
    """
    blocks: list[Thinking] = []
    before: Detail | None = None
    for detail in details:
        block = _read(detail)
        if block is None:
            continue
        if before is not None and _belongs(before, blocks[-1], detail):
            block = _joined(blocks.pop(), block)
        blocks.append(block)
        before = detail
    return tuple([block for block in blocks if block.text or block.signature or block.redacted])


def _read(detail: Detail) -> Thinking | None:
    id, format = detail.id or "", detail.format or ""
    if detail.type == TEXT:
        return Thinking(detail.text or "", detail.signature or "", "", id, format)
    if detail.type == SUMMARY:
        return Thinking(detail.summary or "", "", "", id, format)
    if detail.type == ENCRYPTED and detail.data:
        return Thinking("", "", detail.data, id, format)
    return None  # a kind that says nothing about reasoning


def _belongs(before: Detail, block: Thinking, detail: Detail) -> bool:
    """Is ``detail`` a part of ``block``, whose last piece was ``before``?"""
    if (before.format or "") != (detail.format or "") or block.signature:
        return False
    if before.type == SUMMARY and detail.type == ENCRYPTED:
        return before.index == detail.index or (before.id is not None and before.id == detail.id)
    return detail.index is not None and (before.type, before.index) == (detail.type, detail.index)


def _joined(block: Thinking, more: Thinking) -> Thinking:
    return Thinking(
        block.text + more.text, more.signature or more.redacted, "", block.id or more.id, block.format
    )


def write_details(blocks: Iterable[Thinking]) -> list[Detail]:
    """``reasoning_details`` that ``read_details`` reads as ``blocks``."""
    details: list[Detail] = []
    for index, block in enumerate(blocks):
        id, format = block.id or None, block.format or None
        if block.redacted and not block.text:
            details.append(Detail(ENCRYPTED, data=block.redacted, id=id, format=format, index=index))
        elif block.format == RESPONSES:
            details.append(Detail(SUMMARY, summary=block.text, id=id, format=format, index=index))
            if opaque := block.signature or block.redacted:
                details.append(Detail(ENCRYPTED, data=opaque, id=id, format=format, index=index))
        else:
            signature = block.signature or None
            details.append(
                Detail(TEXT, text=block.text, signature=signature, id=id, format=format, index=index)
            )
    return details


def as_text(blocks: Iterable[Thinking]) -> str:
    """All that can be read of ``blocks``."""
    return "\n\n".join([block.text for block in blocks if block.text])
