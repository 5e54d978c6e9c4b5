"""``batch watch``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from batching import batch_row
from click.testing import Result

from tokenworks.cli.batch.watch import followed, status_of
from tokenworks.errors import ConfigError, NotFound, StoreError
from tokenworks.ledger.batched import BatchRow
from tokenworks.ledger.store import Store


class Stages:
    """A store in which a batch goes on with every look."""

    def __init__(self, *rows: BatchRow | Exception | None) -> None:
        self._rows: Iterator[BatchRow | Exception | None] = iter(rows)

    def batch(self, _: str) -> BatchRow | None:
        row = next(self._rows)
        if isinstance(row, Exception):
            raise row
        return row


def follow(*rows: BatchRow | Exception | None, **more: object) -> BatchRow:
    return followed(Stages(*rows), "batch_x", look_s=0, **more)  # type: ignore[arg-type]


def test_until_it_is_over_or_paused() -> None:
    assert follow(batch_row(), StoreError("away"), batch_row(), batch_row(status="completed")).done == 0
    assert follow(batch_row(), batch_row(status="paused")).status == "paused"
    with pytest.raises(NotFound, match="is gone"):
        follow(batch_row(), None)


def test_nobody_works_on_it_any_more() -> None:
    def dead() -> None:
        raise ConfigError("the server has stopped")

    with pytest.raises(ConfigError, match="has stopped"):
        follow(batch_row(), batch_row(), alive=dead)


def test_the_exit_status_tells_how_it_ended(store: Store, batch: Callable[..., Result]) -> None:
    assert status_of(batch_row(status="completed", total=1, done=1)) == 0
    for row in (
        batch_row(status="completed", failed=1),
        batch_row(status="paused"),
        batch_row(status="failed"),
    ):
        assert status_of(row) == 1
        store.add_batch(row)
        assert batch("watch", row.id).exit_code == 1
    good = batch_row(status="completed", total=1, done=1)
    store.add_batch(good)
    result = batch("watch", good.id)
    assert result.exit_code == 0 and result.stdout.startswith(f"{good.id} completed; 1 of 1 parts")


def test_ctrl_c_leaves_it_running(
    store: Store, batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = batch_row()
    store.add_batch(row)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    result = batch("watch", row.id)
    assert result.exit_code == 130 and "it goes on; watch again: tokenworks batch watch" in result.output
