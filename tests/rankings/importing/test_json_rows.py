"""JSON in its three forms, and where it is wrong."""

import json
from datetime import date

import pytest

from tokenworks.rankings.importing import json_rows
from tokenworks.rankings.importing.csv_rows import Place
from tokenworks.rankings.importing.gathering import Gathering

ONE = '{"date":"2026-02-16","model":"a","tokens":1}'
TWO = '{"date":"2026-02-16","model":"b","tokens":"2"}'


def gathered(text: str) -> list[tuple[str, int]]:
    gathering = Gathering("s", None, date(2026, 3, 1), unit="row")
    json_rows.gather(text, gathering)
    return [(row.model, row.tokens) for row in gathering.rows]


@pytest.mark.parametrize(
    "text",
    [
        f"[{ONE},{TWO}]",
        f'{{"meta":{{"data":[1]}},"data":[{ONE},{TWO}]}}',
        json.dumps({"data": [json.loads(ONE), json.loads(TWO)]}, indent=2),
        f"{ONE}\n{TWO}\n",
        f"\n{ONE}\r\n\r\n{TWO}",
    ],
)
def test_three_forms(text: str) -> None:
    assert gathered(text) == [("a", 1), ("b", 2)]


def test_one_row_alone_and_keys_in_any_order() -> None:
    assert gathered(ONE) == [("a", 1)]
    assert gathered(f'[{ONE},{{"total_tokens":"2","date":"2026-02-16","name":"b"}}]') == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("text", "line", "column", "name", "told"),
    [
        ("[]", 1, 1, "", "no rows"),
        ('{"data": 3}', 1, 10, "", "no list of rows"),
        ('{"a": 3}', 1, 7, "a", "needs columns"),
        ("[1]", 1, 2, "", "no row but a number"),
        (f"[{ONE},\n {ONE[:-2]}1e400}}]", 2, 44, "tokens", "inf is no number"),
        (f"[{ONE},\n {ONE[:-2]}{'9' * 5000}}}]", 2, 44, "tokens", "inf is no number"),
        (ONE.replace('"a"', '"a\\ud800"'), 1, 30, "model", "invisible character"),
        ("[ null]", 1, 3, "", "no row but null"),
        ("[{}]", 1, 2, "", "needs columns"),
        (f"[{ONE},\n {ONE[:-2]}true}}]", 2, 44, "tokens", "True is no number"),
        (f"[{ONE},\n {ONE}]", 2, 31, "model", "in row 1 already"),
        (
            f'{{"x": [[1, {{"data": 2}}]],\n"data": [{ONE},\n\n  {ONE[:-2]}-1}}]}}',
            4,
            45,
            "tokens",
            "negative",
        ),
        (f"[{ONE},\n {ONE[:-1]},}}]", 2, 46, "", "this is no JSON"),
        (f"{ONE}\n{ONE[:-1]}\n", 2, 44, "", "this is no JSON"),
        (f"{ONE}\n5\n", 2, 1, "", "no row but a number"),
        (f"{ONE}\n  {TWO[:-4]}x}}\n", 2, 45, "", "this is no JSON"),
        (f'[{ONE[:-2]}"\\u00e9é", "c": [1}}]', 1, 62, "", "this is no JSON"),
        ('[{"é":1,"b":NaN}]', 1, 13, "", "NaN is no number in JSON"),
        ("[" * 100_000, 1, 1, "", "nested too deeply"),
        (f"[{'9' * 6000}]", 1, 2, "", "no row but a number"),
        ('[{"date":"2026-02-16","model":"a\\u0007","tokens":1}]', 1, 31, "model", "control"),
        ('[{"date":"2026-02-16","model":"a","tokens":{"x":[1]}}]', 1, 44, "tokens", "no number"),
    ],
)
def test_where_it_is_wrong(text: str, line: int, column: int, name: str, told: str) -> None:
    with pytest.raises(Place) as caught:
        gathered(text)
    place = caught.value
    assert told in place.message
    assert (place.line, place.column, place.name) == (line, column, name), place.message
