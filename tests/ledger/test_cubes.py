import pytest

from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import CUBES, cube, filters, query


def test_every_cube_knows_its_dimensions() -> None:
    assert set(CUBES) == {
        *(
            "model",
            "provider",
            "hour",
            "app",
            "key",
            "user",
            "context",
            "finish",
            "attempt",
            "label",
            "speed",
            "energy",
            "share",
        )
    }
    assert CUBES["provider"].dimensions == ("model", "provider", "private")
    assert CUBES["label"].measures == ("samples", "requests", "tokens", "cost_nano_usd")
    with pytest.raises(ValueError, match="there are model"):
        cube("nothing")


def test_what_a_cube_does_not_tell_apart_is_refused() -> None:
    for by, where in (
        (["app"], None),
        (["model; DROP TABLE keys"], None),
        ([], {"app": "x"}),
        ([], {"day": 1}),
    ):
        with pytest.raises(ValueError, match="can't tell"):
            query("model", by, 0, 1, where)


def test_measures_are_those_that_are_asked_for_in_their_order() -> None:
    sql, _ = query("model", ["model"], 0, 1, None, measures=("output_tokens", "requests"))
    assert sql.split(" FROM ")[0].count("sum(") == 2
    assert sql.index("output_tokens") < sql.index("requests")
    for name in ("app", "output_tokens) FROM keys --"):
        with pytest.raises(ValueError, match="adds up no"):
            query("model", [], 0, 1, None, measures=(name,))


def test_values_are_parameters_and_bounds_whole_buckets() -> None:
    sql, parameters = query(
        "model", ["model", "week"], 86_400_000_000, 3 * 86_400_000_000 - 1, {"private": False}
    )
    assert parameters == [1, 2, False]
    assert "(day + 3) / 7" in sql
    assert query("share", ["week", "name"], 0, 8 * 86_400_000_000, {"kind": "app"})[1] == [0, 1, "app"]
    with pytest.raises(ValueError, match="can't tell"):
        query("share", ["day"], 0, 1, None)
    assert query("hour", ["day"], 3_600_000_000, 7_200_000_000, None)[1] == [1, 2]
    assert "%s" in query("model", [], 0, 1, None, "%s")[0]


def test_only_some_fields_are_searched() -> None:
    assert filters({"app": "x'; --", "stream": True}) == (' AND "app" = ? AND "stream" = ?', ["x'; --", True])
    assert filters(None) == ("", [])
    assert filters({"model": ("a", "b"), "app": ()}, "%s") == (
        ' AND "model" IN (%s, %s) AND 1 = 0',
        ["a", "b"],
    )
    with pytest.raises(BadRequest, match="by app"):
        filters({"id) OR 1=1 --": "x"})
