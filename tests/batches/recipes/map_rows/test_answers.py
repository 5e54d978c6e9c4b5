"""What answers become."""

import pytest

from tokenworks.batches.recipes.map_rows import answers
from tokenworks.batches.recipes.recipe import Checked, Said
from tokenworks.errors import BadRequest

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "score": {"type": ["integer", "null"]}, "tags": {}},
    "required": ["mood"],
}


def test_text_is_stripped_and_judged() -> None:
    assert answers.checked(Said(" yes \n"), "p", None) == Checked("yes")
    assert answers.checked(Said("I'm sorry, but I can't help with that."), "p", None).problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mood: good", "no JSON"),
        ('{"score": 1}', "$: “mood” is missing"),
        ('{"mood": "fine"}', "$.mood: none of the values of enum"),
        ('{"mood": "bad", "score": 1.5}', "$.score: number instead of integer or null"),
        ('{"mood": "bad", "score": 99999999999999999999}', "more than 64 bits"),
        ("[1]", "$: array instead of object"),
        ("", "no text"),
    ],
)
def test_what_does_not_fit_the_schema_is_not_kept(text: str, problem: str) -> None:
    found = answers.checked(Said(text), "p", SCHEMA)
    assert found.value is None
    assert problem in found.problems[0]


def test_what_fits_is_kept_fenced_or_not() -> None:
    value = {"mood": "good", "score": 3}
    assert answers.checked(Said('{"mood":"good","score":3}'), "p", SCHEMA) == Checked(value)
    assert answers.checked(Said('```json\n{"mood":"good","score":3}\n```'), "p", SCHEMA) == Checked(value)


def test_a_schema_must_name_its_columns() -> None:
    assert answers.schema_of("  ") is None
    assert answers.schema_of('{"properties":{"a":{}}}') == {"type": "object", "properties": {"a": {}}}
    for text in ("{", "[]", '{"type":"string"}', '{"properties":{}}'):
        with pytest.raises(BadRequest, match="schema: it"):
            answers.schema_of(text)


def test_cells_and_their_kinds() -> None:
    names = answers.added("answer", SCHEMA)
    assert names == ["mood", "score", "tags"]
    assert answers.cells(Checked({"mood": "good"}), names, SCHEMA) == ["good", None, None, ""]
    assert answers.cells(Checked(None, ("no JSON", "b")), names, SCHEMA)[-1] == "no JSON; b"
    assert answers.cells(None, ["answer"], None) == [None, "not answered"]
    assert [answers.kind_of(name, SCHEMA) for name in names] == ["json", "integer", "json"]
    assert answers.typed(3.0, "integer") == 3
    assert answers.typed(["é"], "json") == '["é"]'
    assert answers.typed(None, "json") is None


def test_the_error_column_is_a_free_one() -> None:
    assert answers.error_column(["a"]) == "error"
    assert answers.error_column(["error", "error_2"]) == "error_3"


def test_what_a_schema_adds_to_the_prompt_is_counted() -> None:
    assert answers.instruction("Be brief.", None) == "Be brief."
    said = answers.instruction("Be brief.", SCHEMA)
    assert said.startswith("Be brief.\n\nAnswer with one JSON object")
    assert answers.fixed_tokens("", SCHEMA) > answers.fixed_tokens("", None)
    assert answers.tokens_expected(SCHEMA) > 0
