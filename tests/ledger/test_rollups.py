import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.ledger.record import MAX_COST_NANO_USD, MAX_TOKENS, Record
from tokenworks.ledger.rollups import FACT, GRAINS, HOUR_US, MEASURES, Batcher
from tokenworks.ledger.sqlite import SqliteStore

DAY_US = 24 * HOUR_US
START_US = 1_764_000_000_000_000 // DAY_US * DAY_US

tokens = st.one_of(st.integers(0, 9), st.integers(0, MAX_TOKENS))
some_records = st.lists(
    st.builds(
        lambda time_us, **fields: Record("", time_us, **fields),
        time_us=st.one_of(
            st.sampled_from([START_US + k * HOUR_US + d for k in range(0, 50, 7) for d in (-1, 0, 1)]),
            st.integers(START_US, START_US + 3 * DAY_US),
        ),
        key_id=st.sampled_from(["", "k_1", "k_2"]),
        app=st.sampled_from(["", "app", "App", "'; DROP TABLE keys; --"]),
        model=st.sampled_from(["", "acme/fast", "acme/slow"]),
        provider=st.sampled_from(["", "acme", "beta"]),
        stream=st.booleans(),
        outcome=st.sampled_from(["ok", "client_gone", "upstream_error", "killed"]),
        uncached_input_tokens=tokens,
        cache_read_tokens=tokens,
        cache_write_tokens=tokens,
        output_tokens=tokens,
        reasoning_tokens=tokens,
        cost_nano_usd=st.integers(0, MAX_COST_NANO_USD),
        latency_us=st.integers(0, 10**9),
        ttft_us=st.sampled_from([0, 0, 7]),
        tool_calls=st.integers(0, 3),
        private=st.booleans(),
    ),
    max_size=40,
)


def named(batches: list[list[Record]]) -> None:
    for number, record in enumerate(record for batch in batches for record in batch):
        record.id = f"gen-{record.time_us // 1_000_000}-{number}"


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(some_records, max_size=4))
def test_every_roll_up_equals_a_recount_of_the_rows(batches: list[list[Record]]) -> None:
    named(batches)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        store = SqliteStore(str(path))
        store.migrate()
        for number, batch in enumerate(batches):
            store.append("w", number + 1, batch)
        store.close()
        connection = sqlite3.connect(path)
        try:
            for grain in GRAINS:
                width = HOUR_US if grain.bucket == "hour" else DAY_US
                keys = ", ".join((f"time_us / {width}", *grain.dimensions))
                sums = ", ".join(
                    {
                        "requests": "count(*)",
                        "errors": "sum(outcome NOT IN ('ok', 'client_gone'))",
                        "ttft_requests": "sum(ttft_us > 0)",
                    }.get(name, f"sum({name})")
                    for name in MEASURES
                )
                recount = connection.execute(
                    f"SELECT {keys}, {sums} FROM requests GROUP BY {keys}"
                ).fetchall()
                stored = connection.execute(f"SELECT * FROM {grain.table}").fetchall()
                assert sorted(stored) == sorted(recount), grain.table
            assert connection.execute("SELECT count(*) FROM requests").fetchone()[0] == sum(map(len, batches))
        finally:
            connection.close()


def test_hours_are_told_apart_in_whatever_order_they_come(make) -> None:
    batcher = Batcher()
    batcher.facts([make(time_us=START_US + hour * HOUR_US) for hour in (1, 0, 25, 1)], lambda _: 1)
    days, hours, providers, _, _ = batcher.sums()
    first = START_US // HOUR_US
    assert {row[0] - first // 24: row[3] for row in days} == {0: 3, 1: 1}
    assert {row[0] - first: row[4] for row in hours} == {0: 1, 1: 2, 25: 1}
    assert {row[0] - first // 24: row[4] for row in providers} == {0: 3, 1: 1}


def test_rows_come_in_the_order_of_the_records_and_share_shapes(make) -> None:
    batcher, shapes = Batcher(), []
    records = [make(app=app) for app in ("a", "b", "a", "a")]
    rows = batcher.facts(records, lambda shape: shapes.append(shape) or len(shapes))
    assert [row[FACT.index("id")] for row in rows] == [record.id for record in records]
    assert [row[-1] for row in rows] == [1, 2, 1, 1]
    batcher.sums()
    assert batcher.facts([make(app="b")], lambda _: 99)[0][-1] == 2, "shapes are remembered"
    assert batcher.sums()[0][0][3] == 1, "sums are not"
    batcher.forget()
    assert batcher.facts([make(app="b")], lambda _: 99)[0][-1] == 99


def test_endless_shapes_do_not_fill_the_memory(make, monkeypatch) -> None:
    monkeypatch.setattr("tokenworks.ledger.rollups._MAX_SHAPES", 10)
    batcher = Batcher()
    for number in range(100):
        batcher.facts([make(reasons=f"request {number} failed")], lambda _: 1)
        batcher.sums()
    assert len(batcher._shapes) <= 11
