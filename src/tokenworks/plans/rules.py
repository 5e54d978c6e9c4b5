"""What a key may ask for at all, whatever is left of its budgets."""

from __future__ import annotations

import msgspec

from tokenworks.config.auto import KeyRouting


class LoopRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a session may do before it counts as running away; None: anything."""

    iterations: int | None = None  # requests of one session
    spend_usd: float | None = None  # of one session
    wall_clock_s: float | None = None  # since its first request
    repeats: int | None = None  # the same step in a row; at one less the caller is warned
    stale_turns: int | None = None  # turns in a row in which the context grew and nothing in it was new


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rules of a key or team, kept as JSON. Empty lists and None: anything."""

    models: tuple[str, ...] = ()  # globs of model ids
    providers: tuple[str, ...] = ()  # globs of provider names
    clients: tuple[str, ...] = ()  # globs of what a client calls itself: its user agent or app title
    hours: tuple[str, ...] = ()  # "Mon-Fri 09:00-18:00", "22:00-06:00"
    timezone: str = "UTC"  # of ``hours``
    max_input_tokens: int | None = None  # of one request
    max_output_tokens: int | None = None
    max_input_mtok: float | None = None  # $ per million tokens of an endpoint
    max_output_mtok: float | None = None
    loops: LoopRules | None = None
    routing: KeyRouting | None = None  # defaults of its requests for "auto"
    private: bool | None = None  # its requests are left out of rankings that leave private traffic out
    capture: bool | None = None  # whether its prompts and answers may be kept to learn from; None: not said


_decode = msgspec.json.Decoder(Rules).decode
_encode = msgspec.json.Encoder().encode
NO_RULES = Rules()


def read(text: str) -> Rules:
    """Rules from their JSON. Raises ``ValueError`` with the reason."""
    return _decode(text) if text else NO_RULES


def write(rules: Rules) -> str:
    """JSON of ``rules``, empty for no rules at all."""
    return "" if rules == NO_RULES else _encode(rules).decode()
