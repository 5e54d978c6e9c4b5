"""What the ledger recorded, read from a real store."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokenworks.ledger.record import FIELDS, Record
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.sqlite import SqliteStore
from tokenworks.plans.economics import recorded

DAY_US = 86_400_000_000
NOW_US = 1_780_272_000_000_000


class Rows:
    """A store whose requests are read from its view."""

    def __init__(self, store: SqliteStore, path: Path) -> None:
        self.store, self.path, self.pages = store, path, 0

    def keys(self) -> list[KeyRow]:
        return self.store.keys()

    def requests(
        self, since_us: int, until_us: int, after: Record | None = None, limit: int = 5000
    ) -> list[Record]:
        self.pages += 1
        last = (after.time_us, after.id) if after else (-1, "")
        sql = (
            f"SELECT {', '.join(FIELDS)} FROM requests WHERE time_us >= ? AND time_us < ?"
            " AND (time_us, id) > (?, ?) ORDER BY time_us, id LIMIT ?"
        )
        with sqlite3.connect(self.path) as connection:
            rows = connection.execute(sql, (since_us, until_us, *last, limit)).fetchall()
        connection.close()
        return [Record(**dict(zip(FIELDS, row, strict=True))) for row in rows]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    path = tmp_path / "store.db"
    store = SqliteStore(str(path))
    store.migrate()
    yield Rows(store, path)
    store.close()


def key(name: str, created_us: int, revoked_us: int | None = None) -> KeyRow:
    return KeyRow(f"k_{name}", name, "member", "", created_us, revoked_us, name.encode())


def record(number: int, time_us: int, **more: object) -> Record:
    values: dict[str, object] = {"key_id": "k_ann", "model": "m", "output_tokens": 1, "cost_nano_usd": 5}
    return Record(id=f"gen-{time_us // 1_000_000}-{number}", time_us=time_us, **values | more)  # type: ignore[arg-type]


def test_each_key_is_a_subscriber_idle_ones_too(rows: Rows) -> None:
    for each in (
        key("ann", NOW_US - 90 * DAY_US),
        key("idle", NOW_US - DAY_US),
        key("gone", NOW_US - 90 * DAY_US, NOW_US - 80 * DAY_US),
        key("later", NOW_US + 1),
    ):
        rows.store.add_key(each)
    since_us = NOW_US - 30 * DAY_US
    rows.store.append(
        "j",
        1,
        [
            record(0, since_us - 1),
            record(1, since_us, uncached_input_tokens=2, cache_read_tokens=3, cache_write_tokens=4),
            record(2, NOW_US - 2, model="", requested_model="wanted"),
            record(3, NOW_US - 2, key_id=""),
            record(4, NOW_US - 1, key_id="k_unknown"),
            record(5, NOW_US - 1, output_tokens=0, cost_nano_usd=0),  # refused: used nothing
            record(6, NOW_US),
        ],
    )
    history = recorded.read(rows, since_us, NOW_US)
    used = {each.name: len(each.requests) for each in history.subscribers}
    assert used == {"ann": 2, "idle": 0, "(no key)": 1, "k_unknown": 1}
    ann = history.subscribers[0].requests
    assert [column[0] for column in (ann.time_us, ann.uncached, ann.read, ann.write, ann.output)] == [
        since_us, 2, 3, 4, 1,
    ]  # fmt: skip
    assert list(ann.cost_nano_usd) == [5, 5]
    assert history.models == ["m", "wanted"]
    assert (history.days, history.synthetic) == (30.0, False)


def test_pages_lose_and_repeat_nothing(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "PAGE", 7)
    rows.store.append("j", 1, [record(number, NOW_US + number // 5) for number in range(50)])
    told: list[tuple[int, int]] = []
    history = recorded.read(rows, NOW_US, NOW_US + DAY_US, lambda *at: told.append(at))
    assert len(history) == 50
    assert rows.pages == 8
    assert [done for done, _ in told] == [1, 2, 4, 5, 6, 8, 9]
    times = list(history.subscribers[0].requests.time_us)
    assert times == sorted(times)
