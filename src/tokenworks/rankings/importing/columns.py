"""Which column means what: the names that such files use, ours and others'."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import msgspec

from tokenworks.ledger.outside import Span

# Field → names, in lower case. Of a model's names the first one counts, of the rest only one may be there.
NAMES: dict[str, tuple[str, ...]] = {
    "when": ("date", "day", "week", "month", "period"),
    "model": (
        "model",
        "model_id",
        "model_permaslug",
        "permaslug",
        "model_slug",
        "slug",
        "model_name",
        "name",
    ),
    "variant": ("variant",),
    "tokens": ("tokens", "total_tokens"),
    "input": ("prompt_tokens", "total_prompt_tokens", "input_tokens", "total_input_tokens"),
    "output": ("completion_tokens", "total_completion_tokens", "output_tokens", "total_output_tokens"),
    "requests": ("requests", "count", "total_requests"),
    "filled": ("filled",),
}
_UNITS: dict[str, Span] = {"day": "day", "week": "week", "month": "month"}
_KNOWN = {name: field for field, names in NAMES.items() for name in names}
# Columns of such files that say nothing we keep, and are no misspellings of ours.
_IGNORED = {
    "note",
    "notes",
    "comment",
    "source",
    "rank",
    "share",
    "change",
    "rank_change",
    "author",
    "country",
}
_CLOSE = 0.79  # of 1: as alike as "modle" and "model"
_NEEDED = "a file needs columns for the date (date, week or month), for the model, and for tokens"


class Columns(msgspec.Struct, frozen=True):
    """Places of the fields in a row; None where there is no such column."""

    when: int
    model: int
    unit: Span | None  # what the column of the date says by its name; None: it may be any
    width: int
    variant: int | None = None
    tokens: int | None = None
    input: int | None = None
    output: int | None = None
    requests: int | None = None
    filled: int | None = None


class Unknown(ValueError):
    """The columns can't be understood; ``at`` is the place of the one that is wrong."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


def matched(names: Sequence[str]) -> Columns:
    """What the columns of these names mean. Raises ``Unknown``."""
    places: dict[str, int] = {}
    bare = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    for at, name in enumerate(bare):
        field = _KNOWN.get(name)
        if field is None:
            _check_spelling(at, name, bare)
        elif name in bare[:at]:
            raise Unknown(at, "stands twice")
        elif field in places and field != "model":
            raise Unknown(at, f"means the same as {bare[places[field]]!r}; keep one of them")
        elif field not in places or _preferred(name, bare[places[field]]):
            places[field] = at
    if not {"when", "model"} <= places.keys() or not ({"tokens"} <= places.keys() or _parts(places)):
        raise Unknown(0, _NEEDED)
    unit = _UNITS.get(bare[places["when"]])
    return Columns(unit=None if unit == "day" else unit, width=len(bare), **places)


def _check_spelling(at: int, name: str, names: Sequence[str]) -> None:
    """A misspelt column that is optional would be left out silently."""
    close = get_close_matches(name, _KNOWN, 1, _CLOSE)
    if name not in _IGNORED and close and close[0] not in names:
        raise Unknown(at, f"is no column of such files; is it {close[0]!r}?")


def _preferred(name: str, other: str) -> bool:
    order = NAMES["model"]
    return order.index(name) < order.index(other)


def _parts(places: dict[str, int]) -> bool:
    """Whether tokens can be added up."""
    return "input" in places and "output" in places
