"""Files of a recipe's batch, from the store to the store; bad ones among them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from batching import handed_in
from deadly_recipe import RECIPE
from fresh_store import fresh_store

from tokenworks.batches import kept
from tokenworks.batches.kept import Kept
from tokenworks.batches.materials import Materials
from tokenworks.batches.patience import Patience
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import BatchRow
from tokenworks.ledger.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def materials(store: Store) -> Materials:
    return Materials(store, Patience(1), Patience(1), lambda _: RECIPE)


def split(store: Store, batch: BatchRow) -> BatchRow | None:
    async def work() -> BatchRow | None:
        return await materials(store).split(batch)

    return asyncio.run(work())


def test_a_file_that_kills_is_left_out_to_the_end(store: Store) -> None:
    batch = handed_in(store, {"a.txt": "one", "b.txt": "crash", "c.txt": "two\nthree"}, kind="deadly")
    row = split(store, batch)
    assert row is not None and (row.status, row.total) == ("in_progress", 3)
    found = kept.kept(store, batch.id)
    assert found is not None and list(found.unusable) == [1] and "SIGSEGV" in found.unusable[1]
    assert [each.file for each in found.skipped] == ["b.txt"]

    async def merge() -> bytes:
        made = await materials(store).merge(row, found, "not run", 10**17)
        return b"".join(store.read_file(made[0].file_id))

    said = asyncio.run(merge()).decode()
    assert "a.txt: 'one'" in said and "c.txt: 'two" in said and "b.txt: 'crash" not in said
    assert "b.txt crashes what reads it (SIGSEGV)" in said, "recipes list it among what was skipped"


def test_two_of_one_name_are_kept_apart(store: Store) -> None:
    first = handed_in(store, {"a.txt": "one"}, kind="deadly")
    second = handed_in(store, {"a.txt": "two"}, kind="deadly")
    files = (*first.input_files, *second.input_files)
    batch = msgspec.structs.replace(first, input_files=files)
    row = split(store, batch)
    assert row is not None
    assert [part.lane for part in store.parts(batch.id)] == ["a.txt", "000001/a.txt"]


def test_begun_anew_it_must_be_the_same(store: Store) -> None:
    batch = handed_in(store, {"a.txt": "one", "b.txt": "crash"}, kind="deadly")
    split(store, batch)
    kept.keep(store, batch.id, Kept({}, unusable={}))
    begun = msgspec.structs.replace(batch, total=1)  # some of its parts are there
    with pytest.raises(BadRequest, match="not read the same way twice"):
        split(store, begun)


def test_what_can_not_be_split_says_how(store: Store) -> None:
    batch = handed_in(store, {"a.txt": "one"}, kind="deadly", options=b'{"early":"raise"}')
    with pytest.raises(BadRequest, match="its input can't be split: KeyError"):
        split(store, batch)


def test_what_can_not_be_merged_says_how(store: Store) -> None:
    batch = handed_in(store, {"a.txt": "one"}, kind="deadly", options=b'{"merge":"crash"}')
    row, found = split(store, batch), kept.kept(store, batch.id)
    assert row is not None and found is not None
    with pytest.raises(BadRequest, match=r"its results can't be written: it crashed \(SIGSEGV\)"):
        asyncio.run(materials(store).merge(row, found, "", 10**17))
