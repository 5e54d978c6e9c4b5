"""Rows out of groups."""

from typing import Any

from tokenworks.rankings.table import columns
from tokenworks.rankings.views.ranked import How, Spans, ranked

COLUMNS = columns(
    ("rank", "rank"),
    ("name", "text"),
    ("n", "count"),
    ("share", "share"),
    ("change", "change"),
    ("rank_change", "rank_change"),
)
HOW: How[int] = How(COLUMNS, "name", lambda name: {"name": name}, lambda n: {"n": n}, sum, float)


def rows(now: dict[str, int], before: dict[str, int], top: int = 9, **more: Any) -> tuple[list[Any], Any]:
    how = HOW._replace(**{key: more[key] for key in more if key == "order"})
    found, total = ranked(Spans(now, now, before), how, top, more.get("apart", ()))
    return [tuple(row.values()) for row in found], total


def test_ranks_shares_and_changes() -> None:
    found, total = rows({"a": 50, "b": 30, "c": 20}, {"c": 40, "a": 10})
    assert found == [
        (1, "a", 50, 0.5, 4.0, 1),
        (2, "b", 30, 0.3, None, None),  # new
        (3, "c", 20, 0.2, -0.5, -2),
    ]
    assert total == {"n": 100, "share": 1.0, "change": 1.0}


def test_others_are_compared_with_all_that_were_not_in_the_top() -> None:
    found, _ = rows({"a": 50, "b": 30, "c": 20}, {"a": 10, "c": 5, "gone": 20}, top=1)
    assert found == [(1, "a", 50, 0.5, 4.0, 1), (None, "others", 50, 0.5, 1.0, None)]


def test_a_group_that_is_called_others_is_not_the_others() -> None:
    found, _ = rows({"others": 50, "b": 30}, {}, top=1)
    assert [row[:3] for row in found] == [(1, "others", 50), (None, "others", 30)]


def test_groups_apart_have_no_rank() -> None:
    found, total = rows({"a": 50, "rest": 90}, {"rest": 45, "a": 50}, apart={"rest"})
    assert found == [(1, "a", 50, 50 / 140, 0.0, 0), (None, "others", 90, 90 / 140, 1.0, None)]
    assert total["n"] == 140


def test_a_fixed_order_shows_all() -> None:
    found, _ = rows({"big": 50, "small": 90, "odd": 1}, {}, top=1, order=("small", "middle", "big"))
    assert [(row[0], row[1]) for row in found] == [(1, "small"), (2, "big"), (3, "odd")]
    found, _ = rows({"big": 90, "small": 50}, {}, order=("small", "big"))
    assert [(row[0], row[1]) for row in found] == [(2, "small"), (1, "big")]


def test_while_a_period_runs_only_a_part_of_it_is_compared() -> None:
    found, total = ranked(Spans({"a": 50, "b": 5}, {"a": 20}, {"a": 10}), HOW, 9)
    assert [(row["n"], row["change"]) for row in found] == [(50, 1.0), (5, None)]
    assert (total["n"], total["change"]) == (55, 1.0)


def test_nothing() -> None:
    assert rows({}, {"a": 1}) == ([], {"n": 0, "share": None, "change": -1.0})
    assert rows({}, {}) == ([], {"n": 0, "share": None, "change": None})
    found, _ = rows({"a": 0}, {"a": 0})
    assert found == [(1, "a", 0, None, None, None)]
