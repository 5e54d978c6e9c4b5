"""Filters and cursors as they stand in a URL."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from tokenworks.console import activity_filter
from tokenworks.console.activity_filter import Filter
from tokenworks.ledger.record import Record
from tokenworks.ledger.rows import KeyRow

NOW_US = 1_790_000_000_000_000


def key(key_id: str, name: str, created_us: int = 0) -> KeyRow:
    return KeyRow(key_id, name, "member", "", created_us, None, key_id.encode())


def test_a_filter_survives_its_link() -> None:
    query = {"app": "a&b=c <x>", "model": "é", "key": "ops", "span": "24h", "user": "x" * 500}
    wanted = activity_filter.read(query)
    again = activity_filter.read({name: value[0] for name, value in parse_qs(wanted.query()).items()})
    assert again == wanted and again.app == "a&b=c <x>" and len(again.user) == activity_filter.MAX_TEXT
    assert Filter().query() == "" and not Filter().narrowed
    assert Filter().query(before="1,gen-1") == "before=1%2Cgen-1"
    assert Filter(since="2026-01-01", span="1h").query() == "since=2026-01-01"


def test_bounds() -> None:
    assert Filter(span="1h").bounds(NOW_US)[0] == NOW_US - 3_600_000_000
    assert Filter(span="all").bounds(NOW_US)[0] == 0
    assert Filter(since="2026-01-01T00:00").bounds(NOW_US)[0] == 1_767_225_600_000_000
    since, until = Filter(until="2026-01-01").bounds(NOW_US)
    assert (since, until) == (0, 1_767_225_600_000_000)
    assert Filter(since="1200-01-01").bounds(NOW_US)[0] == 0


def test_what_cant_be_read_is_named() -> None:
    wanted = activity_filter.read({"since": "soon", "until": "2026-13-01", "span": "1 h"})
    assert wanted.faults == ("since", "until", "span")
    assert (wanted.since, wanted.until, wanted.span) == ("", "", activity_filter.DEFAULT_SPAN)


def test_a_key_is_found_by_id_and_name() -> None:
    keys = [key("k_1", "ops", 1), key("k_2", "ops", 2), key("k_3", "k_1")]
    assert Filter(key="ops").where(keys) == {"key_id": "k_2"}
    assert Filter(key="k_1").where(keys) == {"key_id": "k_1"}
    assert Filter(key="gone", app="a").where(keys) == {"key_id": "gone", "app": "a"}


@pytest.mark.parametrize(
    "text", ["", "1", "x,gen", "-1,gen", "1,", "²,gen", "1" * 19 + ",gen", "1," + "x" * 300]
)
def test_what_is_no_cursor_begins_at_the_beginning(text: str) -> None:
    assert activity_filter.behind(text) is None


def test_a_cursor_is_read_again() -> None:
    found = activity_filter.behind(activity_filter.cursor(Record("gen-1-a,b", 17)))
    assert found is not None and (found.id, found.time_us) == ("gen-1-a,b", 17)
