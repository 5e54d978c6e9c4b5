"""Every ranking is the same from both stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store
from postgres import Postgres
from ranked_ledger import Ledger, us
from ranking_records import ranking_records

from tokenworks.ledger.store import Store, open_store
from tokenworks.rankings.books import Books
from tokenworks.rankings.question import Question, answer, picture
from tokenworks.rankings.views import VIEWS


@pytest.fixture
def stores(postgres: Postgres, tmp_path: Path) -> Iterator[list[Store]]:
    """One of each kind, with the same in them."""
    records = ranking_records(400)
    made = [open_store(postgres.url()), fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")]
    for store in made:
        store.migrate()
        store.append("w", 1, records)
        Ledger(store).told(
            "article",
            ("2026-02-16", "week", "acme/fast", 500),
            ("2026-02-16", "day", "other", 7),
            ("2026-02-23", "week", "other/x", 900),
        )
    yield made
    for store in made:
        store.close()


def every_answer(store: Store) -> dict[object, Any]:
    books = Books(store, now_us=lambda: us("2026-02-26T10:30"))
    told: dict[object, Any] = {}
    for view in VIEWS:
        for asked in (
            Question(view, at="2026-W08"),
            Question(view, timezone="Asia/Shanghai", private=False, top=2),
        ):
            told[view, asked.at] = answer(books, asked)
        if VIEWS[view].charted:
            told[view, "chart"] = picture(books, Question(view, top=2))
        if VIEWS[view].outside:
            told[view, "source"] = answer(books, Question(view, source="article"))
            told[view, "against"] = answer(books, Question(view, against="article"))
    told["narrowed"] = answer(books, Question(where={"provider": "beta", "author": "acme"}))
    told["of an app"] = answer(books, Question(where={"app": "<b>app</b>"}))
    return told


def test_both_stores_tell_the_same(stores: list[Store]) -> None:
    one, other = map(every_answer, stores)
    assert len(one) > 50 and sum(len(each.rows) for each in one.values() if hasattr(each, "rows")) > 100
    assert [asked for asked in one if one[asked] != other[asked]] == []
