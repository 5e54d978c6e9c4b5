import io
from pathlib import Path

import pytest
from fresh_store import fresh_store
from rich.console import Console

import rankings
from history import LAST_DAY, Shape
from rankings import VIEWS, Drained, drain, fill, queries, show
from tokenworks.rankings.views import VIEWS as ALL

SIZES = [(1_000, 10), (3_000, 200), (500, 90)]


def test_every_ranking_is_asked_and_timed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'h.db'}"
    store = fresh_store(url)
    shape = Shape(requests=50_000, days=40, models=12, providers=2, apps=3, keys=3, sessions=20)
    made = fill(url, shape, SIZES, lambda count: None)
    times = queries("sqlite", store, 2, shape.days)
    store.close()
    assert set(VIEWS) <= set(ALL)
    assert {time.what.split(",")[0] for time in times} == set(VIEWS)
    assert all(time.rows > 0 and 0 < time.p50_ms <= time.p99_ms for time in times), times
    out = io.StringIO()
    show(
        Console(file=out, width=200), times, [Drained("sqlite", 5, 1.0, 2.0, {"t": (3, 1)})], {"sqlite": made}
    )
    assert "DIFFERS" in out.getvalue()


def test_the_drain_is_counted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'd.db'}"
    store = fresh_store(url)
    heard: list[int] = []
    monkeypatch.setattr(rankings, "A_DAY", 75)
    found = drain("sqlite", url, store, 1_500, SIZES, heard.append)
    assert sum(heard) == found.requests == store.totals().requests == 1_500
    assert found.true, found.differing
    first, last = store.bounds() or (0, 0)
    assert last - first >= 19
    assert last <= LAST_DAY
    store.close()
