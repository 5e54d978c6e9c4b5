import pytest

from tokenworks.batches.recipes.extract.answer import parsed, straightened
from tokenworks.batches.recipes.extract.fields import of_schema

_, SCHEMA = of_schema(
    {
        "properties": {
            "total": {"type": "number"},
            "name": {"type": "string"},
            "lines": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}},
        }
    }
)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '```json\n{"a": 1}\n```', 'Here it is:\n```\n{"a": 1}\n```\nDone.', 'Sure! {"a": 1} is it.'],
)
def test_json_is_found_in_fences_and_among_words(text: str) -> None:
    assert parsed(text) == {"a": 1}


@pytest.mark.parametrize(
    "text", ["", "nothing", "{", "} {", '{"a": NaN}', "[" * 100_000, '{"a":' * 100_000 + "}"]
)
def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parsed(text)


@pytest.mark.parametrize(
    ("said", "value"),
    [("1,234", 1234), ("$ (5.5)", -5.5), ("(7)", -7), ("-3", -3), ("many", "many"), (None, None), (8, 8)],
)
def test_numbers_that_came_as_texts(said: object, value: object) -> None:
    answer = straightened(
        {"total": {"value": said, "scale": "in Millions", "page": "4", "quote": ""}}, SCHEMA
    )
    assert answer["total"] == {"value": value, "scale": "million", "page": 4, "quote": ""}


def test_what_is_left_out_has_no_value_and_what_is_wrong_stays_wrong() -> None:
    answer = straightened({"name": None, "lines": [{"price": None}], "more": 1}, SCHEMA)
    assert answer["total"] == {"value": None, "scale": "one", "page": None, "quote": None}
    assert answer["name"]["quote"] is None and answer["lines"][0]["price"]["scale"] == "one"
    assert answer["more"] == 1
    assert straightened("text", SCHEMA) == "text"
    assert straightened({"total": 5, "lines": 6}, SCHEMA)["total"] == 5
