"""Reasoning that another maker signed, taken out of a conversation that goes to one on the caller's wire.

It got there when an earlier answer came from a provider of another wire: then the signature bears the
word for its maker's format (see ``signature``). The maker who gets it now would refuse it.
"""

from __future__ import annotations

import re

import msgspec

from tokenworks.wire.peek import MALFORMED, Fields, raw

# Where an opaque value stands on the messages and on the responses wire, with a maker's word before it.
_SEALED = re.compile(
    rb'"(?:signature|data|encrypted_content)"\s*:\s*"[A-Za-z0-9][A-Za-z0-9.-]*-v\d+:',
)
_KEYS = (b'"signature"', b'"encrypted_content"', b'"redacted_thinking"')
_KINDS = (b'"thinking"', b'"redacted_thinking"', b'"reasoning"')

_decode = msgspec.json.Decoder(list[Fields]).decode


def without_foreign(turns: msgspec.Raw) -> msgspec.Raw:
    """``turns`` (messages, or a response's items) without such reasoning; the very same if there is none."""
    data = bytes(turns)
    if not any(key in data for key in _KEYS) or _SEALED.search(data) is None:
        return turns
    try:
        given = _decode(turns)
    except MALFORMED:  # its provider will say what is wrong with it
        return turns
    kept = []
    for turn in given:
        if _is_foreign(turn):
            continue
        content = _own(turn["content"]) if "content" in turn else None
        if content is not None and content != turn["content"]:
            if bytes(content) == b"[]":
                continue  # nothing but such reasoning was in it
            turn["content"] = content
        kept.append(turn)
    return raw(kept)


def _own(content: msgspec.Raw) -> msgspec.Raw:
    if _SEALED.search(bytes(content)) is None:
        return content
    try:
        blocks = _decode(content)
    except MALFORMED:  # plain text that looks like it
        return content
    kept = [block for block in blocks if not _is_foreign(block)]
    return content if len(kept) == len(blocks) else raw(kept)


def _is_foreign(block: Fields) -> bool:
    kind = block.get("type")
    if kind is None or bytes(kind) not in _KINDS:
        return False
    return any(
        _SEALED.match(b'"%b":%b' % (key.encode(), bytes(block[key])))
        for key in ("signature", "data", "encrypted_content")
        if key in block
    )
