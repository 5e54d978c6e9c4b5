"""Prompts with places for columns."""

import pytest

from tokenworks.batches.recipes.map_rows import template
from tokenworks.errors import BadRequest


def test_places_are_filled_and_doubled_braces_are_braces() -> None:
    pieces = template.pieces('Say {name} of { the city }: {{"x": 1}} {name}')
    assert template.columns(pieces) == ["name", "the city"]
    filled = template.filled(pieces, {"name": "A{b}", "the city": "Ōsaka"})
    assert filled == 'Say A{b} of Ōsaka: {"x": 1} A{b}'


@pytest.mark.parametrize("text", ["a {b", "a } {b}", "a {} {b}", "{{ {b} }", "{a{b}"])
def test_a_lone_brace_is_an_error_that_shows_where(text: str) -> None:
    with pytest.raises(BadRequest, match="a lone brace at"):
        template.pieces(text)


def test_a_template_without_a_column_is_an_error() -> None:
    with pytest.raises(BadRequest, match="it names no column"):
        template.pieces("Say {{hello}}")


def test_an_unknown_column_names_those_there_are() -> None:
    pieces = template.pieces("{b} {c}")
    assert template.unknown(pieces, ["c", "b", "a"]) == ""
    assert template.unknown(pieces, ["a", "b"]).startswith("no column “c”; there are: a, b")
    assert template.unknown(pieces, ["b", "b", "c"]) == "the column “b” stands there 2 times"
