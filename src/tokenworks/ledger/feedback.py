"""What somebody said of an answer: one verdict a request, the last one."""

from __future__ import annotations

import msgspec

from tokenworks.ledger.decided import LearntRow

DAY_S = 86_400
MAX_LABEL = 64  # characters
MAX_COMMENT = 2000


class FeedbackRow(msgspec.Struct, frozen=True):
    """One verdict."""

    id: str  # of the request
    time_us: int  # of the verdict
    key_id: str  # whose verdict it is
    model: str  # whose answer it is about
    task: str  # its type of work; "" for a request that was not decided on: nothing is learnt then
    score: float  # 0 (wrong) to 1 (right)
    label: str = ""
    comment: str = ""


FEEDBACK_COLUMNS = FeedbackRow.__struct_fields__


def day_of(record_id: str) -> int:
    """The UTC day (since 1970) in which the request with this id began, as the id says; 0 for no id."""
    second = record_id.split("-")[1] if record_id.startswith("gen-") else ""
    whole = second.isascii() and second.isdigit() and len(second) <= 11
    return int(second) // DAY_S if whole else 0


def clean(row: FeedbackRow) -> FeedbackRow:
    """``row`` as every store can keep it: valid text of bounded length, a score within 0..1."""
    return FeedbackRow(
        _text(row.id),
        max(row.time_us, 0),
        _text(row.key_id),
        _text(row.model),
        _text(row.task),
        min(max(row.score, 0.0), 1.0) if row.score == row.score else 0.0,  # the last: not a number
        _text(row.label)[:MAX_LABEL],
        _text(row.comment)[:MAX_COMMENT],
    )


def learnt(old: FeedbackRow | None, new: FeedbackRow) -> list[tuple[object, ...]]:
    """What ``new`` in place of ``old`` adds to the sums, in the order of ``LearntRow``; each key once.

    A verdict weighs as much as one answer that is surely right or wrong, on the day of its request.
    """
    sums: dict[tuple[int, str, str], tuple[float, float]] = {}
    for row, sign in ((old, -1.0), (new, 1.0)):
        if row is not None and row.task and row.model:
            key = (day_of(row.id), row.task, row.model)
            weight, right = sums.get(key, (0.0, 0.0))
            sums[key] = (weight + sign, right + sign * row.score)
    nothing = (0,) * (len(LearntRow.__struct_fields__) - 5)
    return [(*key, *both, *nothing) for key, both in sorted(sums.items()) if both != (0.0, 0.0)]


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
