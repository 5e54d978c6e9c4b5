"""What all views share: shares, changes, ranks, order, and what is not for everybody."""

import pytest

from tokenworks.rankings.table import (
    Column,
    Table,
    as_json,
    change,
    columns,
    ordered,
    ranks,
    ratio,
    sort,
    without_money,
)

COLUMNS = columns(
    ("rank", "rank"), ("model", "text"), ("tokens", "tokens"), ("cost_usd", "usd"), ("p", "usd_mtok")
)


def made(*rows: tuple[int | None, str, int | None, float]) -> Table:
    names = [each.name for each in COLUMNS]
    return Table(
        *("model", "week", "2026-W08", "a", "b", "UTC", True, "", list(COLUMNS)),
        rows=[dict(zip(names, (*row, 1.0), strict=True)) for row in rows],
        total={"tokens": 3, "cost_usd": 2.0, "p": 1.0},
    )


def test_shares_and_changes_are_null_where_there_is_nothing_to_compare_with() -> None:
    assert (ratio(1, 4), ratio(0, 0), ratio(1, 0)) == (0.25, None, None)
    assert (change(2.45, 0.8249), change(1, 0), change(0, 5)) == (pytest.approx(1.97, abs=0.001), None, -1.0)
    assert change(5, -2) is None  # savings can be less than nothing


def test_equal_amounts_stand_by_name() -> None:
    assert ordered({"b": 1, "c": 2, "a": 1}) == ["c", "a", "b"]
    assert ranks({"b": 1, "c": 2, "a": 1}) == {"c": 1, "a": 2, "b": 3}


def test_money_is_left_out_everywhere() -> None:
    table = without_money(made((1, "a", 3, 2.0)))
    assert [each.name for each in table.columns] == ["rank", "model", "tokens"]
    assert table.rows == [{"rank": 1, "model": "a", "tokens": 3}]
    assert table.total == {"tokens": 3}


def test_sorting_keeps_others_last_and_unknown_before_them() -> None:
    table = made((1, "a", 3, 2.0), (2, "b", None, 5.0), (3, "c", 9, 1.0), (None, "others", 99, 0.5))
    assert [row["model"] for row in sort(table, "tokens").rows] == ["c", "a", "b", "others"]
    assert [row["model"] for row in sort(table, "tokens", descending=False).rows] == ["a", "c", "b", "others"]
    assert [row["model"] for row in sort(table, "model").rows] == ["c", "b", "a", "others"]
    with pytest.raises(ValueError, match="no column 'x'; there are rank, model"):
        sort(table, "x")


def test_json_has_these_fields_in_this_order() -> None:
    told = as_json(made((1, "a", 3, 2.0)))
    assert list(told) == [
        *("view", "unit", "period", "since", "until", "timezone", "complete", "source"),
        *("columns", "rows", "total", "note"),
    ]
    assert told["columns"][0] == {"name": "rank", "kind": "rank"}


def test_text_is_no_number() -> None:
    assert Column("tokens", "tokens").numeric and not Column("model", "text").numeric
