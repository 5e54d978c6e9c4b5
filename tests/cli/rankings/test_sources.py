"""``tokenworks rankings sources``."""

from collections.abc import Callable
from typing import Any

from click.testing import Result
from ranked_ledger import Ledger

from tokenworks.cli.rankings.sources import day_of


def test_sources_are_listed(ledger: Ledger, run: Callable[..., Result], told: Callable[..., Any]) -> None:
    assert run("sources").stdout == "nothing was imported yet; tokenworks rankings import FILE does it\n"
    ledger.told("article", ("2026-02-09", "week", "a/b", 5), ("2026-02-16", "week", "a/b", 5))
    assert told("sources") == {
        "sources": [{"source": "article", "first": "2026-02-09", "last": "2026-02-16", "rows": 2}]
    }
    assert run("sources").stdout.splitlines()[1].split() == ["article", "2026-02-09", "2026-02-16", "2"]
    assert day_of(0) == "1970-01-01"
