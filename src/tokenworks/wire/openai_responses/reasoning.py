"""How much to think, on the responses wire."""

from __future__ import annotations

import msgspec

from tokenworks.wire.conversation import Maker, Reasoning
from tokenworks.wire.effort import DEFAULT_OUTPUT, LOWEST, effort_of, known, thinks
from tokenworks.wire.parameters import said
from tokenworks.wire.peek import Fields


class Config(msgspec.Struct, omit_defaults=True, gc=False):
    """The ``reasoning`` object; aggregators add ``enabled``, ``max_tokens`` and ``exclude``."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None  # its name of old
    enabled: bool | None = None
    max_tokens: int | None = None
    exclude: bool | None = None


_decode = msgspec.json.Decoder(Config | None).decode


def read_reasoning(fields: Fields) -> Reasoning | None:
    """What ``reasoning`` says. Raises BadRequest when it is malformed."""
    given = said(fields, "reasoning", _decode)
    if given is None:
        return None
    reasoning = Reasoning(
        given.enabled,
        known(given.effort or ""),
        given.max_tokens,
        bool(given.exclude),
        given.summary or given.generate_summary or "",
    )
    return reasoning if reasoning != Reasoning() else None


def write_reasoning(reasoning: Reasoning, maker: Maker, show: bool) -> Config | None:
    """``reasoning`` of a request. ``show``: ask for a summary, without which nothing of it can be seen."""
    on = thinks(reasoning)
    summary = reasoning.summary or ("auto" if show and on and not reasoning.exclude else None)
    if on is None:
        return Config(summary=summary) if summary else None
    if not on and "thinking_always_on" in maker.quirks:
        return Config(LOWEST)
    effort = effort_of(reasoning, maker.max_output_tokens or DEFAULT_OUTPUT)
    return Config(effort or "medium", summary)
