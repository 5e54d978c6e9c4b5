"""What kind of work a request was, as far as a sample of requests tells: on its way from a worker into the
store. No prompt is kept, only the names of what it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from tokenworks.ledger.record import Record

log = logging.getLogger(__name__)
MAX_NAME = 40  # characters of a label
MAX_WEIGHT = 10**9
COLUMNS = ("time_us", "id", "task", "language", "code", "weight")


class Labels(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One looked-at request. An empty label: nothing is known of that."""

    task: str = ""  # one of ``routing.task.TASKS``
    language: str = ""  # that people speak, ISO 639-1
    code: str = ""  # programming language, lower case
    weight: int = 1  # requests that this one stands for, itself among them

    def named(self) -> tuple[tuple[str, str], ...]:
        """Kind and label of those that are known."""
        found = (("task", self.task), ("language", self.language), ("code", self.code))
        return tuple(each for each in found if each[1])


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Labels).decode


def read(record: Record) -> Labels | None:
    """The labels that came with ``record``, brought within what a column holds; None: it has none."""
    if not record.labels:
        return None
    try:
        found = _decode(record.labels)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("the labels of %s can't be read and are left out: %s", record.id, error)
        return None
    weight = min(max(found.weight, 1), MAX_WEIGHT)
    return Labels(_name(found.task), _name(found.language), _name(found.code), weight)


def rows(records: Iterable[Record]) -> list[tuple[object, ...]]:
    """Rows of ``COLUMNS`` of those ``records`` that were looked at."""
    return [
        (record.time_us, record.id, labels.task, labels.language, labels.code, labels.weight)
        for record in records
        if record.labels and (labels := read(record)) is not None
    ]


def _name(text: str) -> str:
    return text.replace("\0", "")[:MAX_NAME]
