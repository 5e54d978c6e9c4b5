"""The ids of shapes (what requests have in common) in PostgreSQL, found or made many at a time.

A ``Batcher`` asks for each new shape while it goes through a batch. Here it gets a number of this process
at once, and the ids that the numbers stand for come from the database for all of them together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from tokenworks.ledger.postgres.database import Connection, Row
from tokenworks.ledger.rollups import SHAPE

MAX_NUMBERS = 50_000

_TYPES = {
    **dict.fromkeys(("stream", "estimated", "private"), "boolean"),
    **dict.fromkeys(("status", "attempts"), "bigint"),
}
_TEXT = "text"
_FIND = "SELECT digest, shape_id FROM request_shapes WHERE digest = ANY (%s::bytea[])"
_INSERT = (
    f"INSERT INTO request_shapes (digest, {', '.join(SHAPE)})"  # noqa: S608 (this package's own names)
    f" SELECT * FROM unnest(%s::bytea[], {', '.join(f'%s::{_TYPES.get(name, _TEXT)}[]' for name in SHAPE)})"
    " ON CONFLICT (digest) DO NOTHING"
)


class Shapes:
    """Use from one thread at a time."""

    def __init__(self) -> None:
        self._ids: list[int] = []  # by number
        self._new: list[tuple[bytes, Row]] = []  # those that no id is known of yet

    def number(self, shape: Row) -> int:
        """A number for a shape that was not met before.

        Raises ``ValueError``, ``TypeError`` or what encoding raises for one that can't be stored.
        """
        if any(isinstance(value, str) and "\0" in value for value in shape):
            raise ValueError("a NUL, which PostgreSQL's text can't hold")
        self._new.append((hashlib.sha256(msgspec.msgpack.encode(shape)).digest(), shape))
        return len(self._ids) + len(self._new) - 1

    @property
    def full(self) -> bool:
        """Whether it is time to forget."""
        return len(self._ids) > MAX_NUMBERS

    @property
    def complete(self) -> bool:
        """Whether every number has its id."""
        return not self._new

    def find(self, connection: Connection) -> list[int]:
        """The ids of the new ones, made where they are not in the database; to be told to ``learn``.

        A transaction of its own: they mean nothing until a request refers to them, and are the same for all.
        """
        digests = [digest for digest, _ in self._new]
        found: dict[bytes, int] = dict(connection.execute(_FIND, (digests,)).fetchall())
        missing = sorted((digest, *shape) for digest, shape in self._new if digest not in found)
        if missing:
            # In order, so that two drainers with the same new shapes wait for each other and never mutually.
            columns: Sequence[list[object]] = [list(column) for column in zip(*missing, strict=True)]
            connection.execute(_INSERT.encode(), columns)
            found.update(connection.execute(_FIND, ([row[0] for row in missing],)).fetchall())
        return [found[digest] for digest in digests]

    def learn(self, ids: Sequence[int]) -> None:
        """What ``find`` found, once that is committed."""
        self._ids += ids
        self._new.clear()

    def row(self, fact: Row) -> Row:
        """A row of ``FACT`` with the id in place of the number at its end."""
        return (*fact[:-1], self._ids[fact[-1]])

    def forget(self) -> None:
        """Begin anew, together with the ``Batcher`` that has the numbers."""
        self._ids.clear()
        self._new.clear()
