"""What the store keeps of a recipe's batch between its steps, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.batches.recipes.recipe import Checked, Part, Skipped, least_bad
from tokenworks.ledger.batched import PartRow
from tokenworks.ledger.store import Store


class Made(msgspec.Struct, frozen=True):
    """A file that the recipe wrote, as it stands in the store."""

    file_id: str
    name: str
    kind: str  # media type
    note: str = ""


class Kept(msgspec.Struct, frozen=True):
    """What all parts need, what could not be used, and in the end what was made."""

    shared: dict[str, Any] = {}
    skipped: tuple[Skipped, ...] = ()
    outputs: tuple[Made, ...] = ()
    unusable: dict[int, str] = {}  # input files that kill what reads them, by their place, and how


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a part so far: ``PartRow.result``."""

    checked: Checked | None = None  # what is kept; None while it is not settled, or could not be asked
    tries: tuple[Checked, ...] = ()  # the answers before it, and what was wrong with each
    error: str = ""  # why it could not be asked, in one line
    finish: str = ""


_kept = msgspec.json.Decoder(Kept)
_outcome = msgspec.json.Decoder(Outcome)
_part = msgspec.json.Decoder(Part)


def kept(store: Store, batch_id: str) -> Kept | None:
    """None before the recipe has split its input."""
    body = store.shared(batch_id)
    return None if body is None else _kept.decode(body)


def keep(store: Store, batch_id: str, what: Kept) -> None:
    """In place of what was kept."""
    store.keep_shared(batch_id, msgspec.json.encode(what))


def part_of(row: PartRow) -> Part:
    """What the recipe split off."""
    return _part.decode(row.request)


def outcome_of(row: PartRow) -> Outcome:
    """What came of it so far."""
    return _outcome.decode(row.result) if row.result else Outcome()


def result_of(row: PartRow, unsettled: str = "") -> Checked:
    """What a recipe merges: what is kept of its answer, or why there is none."""
    outcome = outcome_of(row)
    if outcome.checked is not None:
        return outcome.checked
    why = outcome.error or unsettled or "this part was not run"
    if outcome.tries:  # it was answered, only never well; something of that may be of use
        best = least_bad(outcome.tries)
        return msgspec.structs.replace(best, problems=(why, *best.problems))
    return Checked(None, (why,))
