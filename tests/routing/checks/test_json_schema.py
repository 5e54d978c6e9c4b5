"""Is it JSON, and of the schema?"""

from __future__ import annotations

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.json_schema import check

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ('{"n": 1}', True),
        ('```json\n{"n": 1}\n```', True),
        ('{"n": "1"}', False),
        ("{}", False),
        ('Sure! {"n": 1}', False),
        ('{"n": NaN}', False),
        ("[" * 100_000, False),
    ],
)
def test_what_is_not_of_the_schema_is_fatal(text: str, ok: bool) -> None:
    found = check(Answer(text), Expected(schema=SCHEMA))
    assert found is not None
    assert (found.ok, found.fatal) == (ok, not ok)


def test_json_of_any_kind_and_none_at_all() -> None:
    assert check(Answer("[]"), Expected(json=True)) is not None
    assert check(Answer("[]"), Expected()) is None
    found = check(Answer("[}"), Expected(json=True))
    assert found is not None and found.fatal
