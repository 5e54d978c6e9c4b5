"""What can be set about ``auto``: ``[routing.auto]``, the rules in ``[[route]]``, and a key's defaults."""

from __future__ import annotations

from typing import Literal

import msgspec


class AutoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[routing.auto]``: how a model is chosen for requests for ``auto``."""

    enabled: bool = True
    quality: float = 0.95  # the least share of the strong model's quality that is kept
    models: tuple[str, ...] = ()  # globs; empty: all that the caller may use
    exclude: tuple[str, ...] = ()  # globs
    strong: str = ""  # empty: the one predicted to be right most often
    max_cost_usd: float | None = None  # a request
    cascade: bool = True  # a cheap answer may be checked, and another model asked
    explore: float = 0.02  # most of the requests in which another model goes first, to learn of it
    shadow: float = 0.0  # share of the requests that a second model answers too, to learn from
    capture: Literal["off", "consented", "all"] = "off"  # whose prompts are kept
    capture_days: int = 30


class RouteWhen(msgspec.Struct, frozen=True):
    """``when`` of a rule: all that is given must hold. None and empty: not asked about.

    Texts are globs of which one must match. In ``not_`` each condition stands for its opposite, so that
    none of them may hold; it has no ``not_`` of its own.
    """

    task: tuple[str, ...] = ()
    key: tuple[str, ...] = ()  # id or name
    team: tuple[str, ...] = ()  # id or name
    app: tuple[str, ...] = ()
    model: tuple[str, ...] = ()  # what is asked for; without it the rule is about ``auto``
    language: tuple[str, ...] = ()
    session: tuple[str, ...] | bool = ()  # its name, or whether there is one
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    tools: bool | None = None
    images: bool | None = None
    schema: bool | None = None
    stream: bool | None = None
    not_: RouteWhen | None = msgspec.field(name="not", default=None)


class RouteUse(msgspec.Struct, frozen=True):
    """``use`` of a rule. No ``models``: all that may be chosen for ``auto``. None and "": as it is."""

    models: tuple[str, ...] = ()  # one name: that model. Else candidates and globs of such, in this order
    quality: float | None = None
    max_cost_usd: float | None = None
    cascade: bool | None = None
    strong: str = ""


class RouteSettings(msgspec.Struct, frozen=True):
    """One ``[[route]]``."""

    name: str  # "route 3" for the third where none is given
    when: RouteWhen
    use: RouteUse


class KeyRouting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key's own defaults for requests for ``auto``, kept as part of its rules. None: as is set."""

    quality: float | None = None  # 0..1
    max_cost_usd: float | None = None  # a request
    allowed: tuple[str, ...] = ()  # globs of models
    excluded: tuple[str, ...] = ()
    cascade: bool | None = None
