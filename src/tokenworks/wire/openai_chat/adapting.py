"""A chat request for a maker on the same wire: the few top-level fields in which makers differ."""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.openai_chat.request import reasoning_fields
from tokenworks.wire.peek import MALFORMED, Fields, flag, raw

_NULL = b"null"


class _Wish(msgspec.Struct, frozen=True):
    enabled: bool | None = None
    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    summary: str | None = None


_decode = msgspec.json.Decoder(_Wish | None).decode


def reasoning_wish(fields: Fields) -> Reasoning | None:
    """What the caller's ``reasoning`` object asks for. Raises BadRequest when it is malformed."""
    given = fields.get("reasoning")
    if given is None:
        return None
    try:
        wish = _decode(given)
    except MALFORMED as error:
        raise BadRequest(f"'reasoning' is malformed: {error}") from None
    if wish is None:
        return None
    return Reasoning(wish.enabled, wish.effort or "", wish.max_tokens, bool(wish.exclude), wish.summary or "")


def excludes_reasoning(fields: Fields) -> bool:
    """Whether the caller wants to see none of the reasoning."""
    if "include_reasoning" in fields and bytes(fields["include_reasoning"]) == b"false":
        return True
    wish = reasoning_wish(fields)
    return wish is not None and wish.exclude


def adapted(fields: Fields, maker: Maker) -> Fields:
    """``fields`` as ``maker`` wants them; the very same object when nothing needs to change."""
    changed: Fields | None = None
    wish = reasoning_wish(fields) if "reasoning" in fields else None
    if "reasoning" in fields:
        changed = {key: value for key, value in fields.items() if key != "reasoning"}
        if wish is not None:
            changed |= reasoning_fields(wish, maker)
    quirks = maker.quirks
    if "max_completion_tokens" in quirks and "max_tokens" in fields:
        changed = dict(fields) if changed is None else changed
        given = changed.pop("max_tokens")
        if bytes(given) != _NULL and bytes(changed.get("max_completion_tokens", _NULL)) == _NULL:
            changed["max_completion_tokens"] = given
    if "tool_stream_flag" in quirks and "tools" in fields and flag(fields, "stream"):
        changed = dict(fields) if changed is None else changed
        changed.setdefault("tool_stream", raw(True))
    if "inline_think_tags" in quirks and "reasoning_split" not in fields:
        changed = dict(fields) if changed is None else changed
        changed.setdefault("reasoning_split", raw(True))
    return fields if changed is None else changed
