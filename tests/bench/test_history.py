from pathlib import Path

from fresh_store import fresh_store

from history import LAST_DAY, History, Shape, fill_sqlite
from tokenworks.ledger.rollups import MEASURES

SMALL = Shape(requests=200_000, days=8, models=30, providers=2, apps=10, keys=10, sessions=50)
LENGTHS = [(1_000, 10), (3_000, 200), (500, 90)]


def test_a_history_is_of_the_size_that_was_asked_for_and_its_tables_agree(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'h.db'}")
    history = History(SMALL, LENGTHS)
    heard: list[int] = []
    made = fill_sqlite(tmp_path / "h.db", history, heard.append)
    assert 0.95 * SMALL.requests < made.requests <= SMALL.requests
    assert sum(heard) == sum(made.rows.values()) > 1_000
    assert store.bounds() == (LAST_DAY - SMALL.days + 1, LAST_DAY)
    [whole] = store.cube("model", [], 0, 2**60)
    [parts] = store.cube("provider", [], 0, 2**60)
    assert whole == parts
    [hours] = store.cube("hour", [], 0, 2**60)
    requests = MEASURES.index("requests")
    assert 0.5 * whole[requests] < hours[requests] <= whole[requests], "rounded down, hour by hour"
    assert 0.9 * made.requests < whole[requests] <= made.requests
    mean = sum(read for read, _ in LENGTHS) / len(LENGTHS)
    read = MEASURES.index("uncached_input_tokens")
    assert abs((whole[read] + whole[read + 1]) / whole[requests] / mean - 1) < 0.1
    for name in ("app", "key", "context", "finish", "attempt", "label", "speed"):
        assert store.cube(name, [], 0, 2**60), name
    assert len(store.session_sums((LAST_DAY + 3) // 7)) == SMALL.sessions
    store.close()


def test_some_models_are_asked_far_more_than_others() -> None:
    counts = History(SMALL, LENGTHS).counts(3)
    assert counts.max() > 10 * max(int(counts.min()), 1)
