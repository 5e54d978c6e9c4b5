"""The pieces that schemas are made of."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tokenworks.api.schemas import parts


def fits(value: Any, schema: parts.Schema) -> bool:
    Draft202012Validator.check_schema(schema)
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (parts.struct(("a",), a=parts.STRING), [{"a": "x", "more": 1}], [{}, {"a": 1}, []]),
        (parts.array(parts.COUNT, 1), [[0], [1, 2]], [[], [-1], [1.5], "x"]),
        (parts.either(parts.STRING, parts.COUNT), ["x", 3], [None, -1]),
        (parts.maybe(parts.STRING), ["x", None], [1]),
        (parts.maybe(parts.words("a", "b")), ["a", None], ["c", 1]),
        (parts.maybe(parts.either(parts.STRING, parts.COUNT)), ["x", 1, None], [[]]),
        (parts.number(0, 2), [0, 2, 1.5, None], [-0.1, 2.1, "1"]),
        (parts.whole(1), [1, 10**9, None], [0, 1.5]),
        (parts.whole(0, 20), [0, 20, None], [21, -1]),
        (parts.told(parts.BOOLEAN, "d"), [True], [1, None]),
    ],
)
def test_pieces(schema: parts.Schema, good: list[Any], bad: list[Any]) -> None:
    assert all(fits(value, schema) for value in good)
    assert not any(fits(value, schema) for value in bad)


def test_a_description_does_not_change_what_it_describes() -> None:
    before = dict(parts.STRING)
    assert parts.told(parts.STRING, "d")["description"] == "d"
    assert before == parts.STRING


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "provider",
            [None, {}, {"order": ["acme"], "sort": "price"}, {"sort": {"by": "latency"}}],
            [[], {"only": "acme"}],
        ),
        (
            "provider",
            [{"max_price": {"prompt": 1}}, {"zdr": True}],
            [{"data_collection": "maybe"}, {"sort": "cheap"}],
        ),
        ("models", [None, [], ["a/b"]], ["a/b", [""]]),
        ("session_id", [None, "s"], ["x" * 257, 1]),
    ],
)
def test_routing(field: str, good: list[Any], bad: list[Any]) -> None:
    schema = parts.ROUTING[field]
    assert all(fits(value, schema) for value in good)
    assert not any(fits(value, schema) for value in bad)
