"""``tokenworks rankings forget``."""

from collections.abc import Callable

from click.testing import Result
from ranked_ledger import Ledger


def test_what_a_source_told_is_dropped(ledger: Ledger, run: Callable[..., Result]) -> None:
    ledger.told("article", ("2026-02-09", "week", "a/b", 5))
    ledger.told("other", ("2026-02-09", "week", "a/b", 5))
    assert run("forget", "article").stdout == "article: 1 rows dropped\n"
    assert [each.source for each in ledger.store.outside_sources()] == ["other"]
    assert run("forget", "other", "--json").stdout == '{"source": "other", "rows": 1}\n'
    done = run("forget", "other")
    assert (done.exit_code, "tokenworks rankings sources lists what was" in done.stderr) == (1, True)
