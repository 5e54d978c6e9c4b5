import json
from pathlib import Path
from typing import Any

import pytest

from tokenworks.batches.recipes.extract.fields import asked, cited, of_kind, of_schema, read_schema
from tokenworks.batches.recipes.extract.vocabulary import kind
from tokenworks.errors import BadRequest
from tokenworks.routing.checks.validation import fault

SCHEMA = {
    "title": "Invoice",
    "type": "object",
    "required": ["total"],
    "$defs": {"money": {"type": "number", "minimum": 0}},
    "properties": {
        "total": {"$ref": "#/$defs/money", "description": "Amount due", "x-labels": ["amount due"]},
        "paid": {"type": ["boolean", "null"]},
        "currency": {"enum": ["EUR", "USD"]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"item": {"type": "string"}, "price_2023": {"type": "number"}},
            },
        },
    },
}  # fmt: skip


def test_leaves_of_a_user_s_schema() -> None:
    leaves, _ = of_schema(SCHEMA)
    assert [(leaf.name, leaf.type) for leaf in leaves] == [
        ("total", "number"),
        ("paid", "boolean"),
        ("currency", "string"),
        ("lines[].item", "string"),
        ("lines[].price_2023", "number"),
    ]
    assert (
        leaves[0].required and leaves[0].labels == ("amount due",) and leaves[0].description == "Amount due"
    )
    assert leaves[4].year == 2023 and leaves[4].words() == {"price"}


def test_answers_must_cite_and_keep_the_user_s_bounds() -> None:
    _, schema = of_schema(SCHEMA)
    wanted = asked(schema)
    assert "x-leaf" not in json.dumps(wanted)
    text: dict[str, Any] = {"value": None, "page": None, "quote": None}
    figure = {**text, "scale": "one"}
    answer: dict[str, Any] = {
        "total": figure,
        "paid": text,
        "currency": text,
        "lines": [{"item": text, "price_2023": figure}],
    }
    assert fault(answer, wanted) == ""
    assert fault({**answer, "total": {**figure, "value": -1}}, wanted)
    assert fault({**answer, "currency": {**text, "value": "GBP"}}, wanted)
    assert fault({**answer, "total": {"value": 1}}, wanted)
    assert [(path, name) for path, name, _ in cited(answer, schema)][3:] == [
        ("lines[0].item", "lines[].item"),
        ("lines[0].price_2023", "lines[].price_2023"),
    ]


def test_the_built_in_schema_asks_for_all_its_fields() -> None:
    leaves, schema = of_kind(kind("income-statement"))
    assert {"revenue", "operating_income", "net_income"} <= {leaf.name for leaf in leaves if leaf.required}
    assert set(schema["properties"]) == {leaf.name for leaf in leaves}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object", "properties": {}}, "asks for nothing"),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "number"}}}}, "array"),
        ({"type": "number"}, "must be of an object"),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, "not in the file"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "refers to itself"),
        ({"properties": {"a": {"$ref": "#"}}}, "refers to itself"),
        ({"properties": {"a": {"type": "object"}}}, "without properties"),
        ({"properties": {"a": 5}}, "must be an object"),
        ({"properties": {"a": {"type": "number", "x-labels": "b"}}}, "list of texts"),
        ({"properties": {"a": {"type": "number", "x-column": 0}}}, "x-column"),
        ({"properties": {f"a{i}": {"type": "number"} for i in range(201)}}, "more than 200"),
    ],
)
def test_schemas_that_cant_be_asked_for(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        of_schema(schema)


def test_a_schema_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    assert read_schema(file) == SCHEMA
    for content, why in (("[", "no JSON"), ("[1]", "is an object")):
        file.write_text(content)
        with pytest.raises(BadRequest, match=why):
            read_schema(file)
    with pytest.raises(BadRequest, match="can't be read"):
        read_schema(tmp_path / "gone.json")
