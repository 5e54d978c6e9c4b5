"""Limits in tables."""

from typing import Any

import pytest

from tokenworks.cli.limit_view import SUBJECTS, bar, lines, text

LIMIT: dict[str, Any] = {
    "id": "l_1",
    "scope": "key",
    "subject": "k_1",
    "within": None,
    "unit": "usd",
    "amount": 20.0,
    "window": "month",
    "timezone": "UTC",
    "strict": False,
    "purpose": None,
    "spent": 5.0,
    "held": 1.0,
    "left": 15.0,
    "resets_at": "2026-12-01T00:00:00Z",
    "subjects": [],
}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, "$20.00/month"),
        ({"strict": True, "timezone": "Europe/Berlin"}, "$20.00/month Europe/Berlin, strict"),
        ({"window": "lifetime"}, "$20.00 for ever"),
        ({"unit": "input_tokens", "amount": 5000, "window": "1min"}, "5,000 input tokens/1min"),
        ({"unit": "concurrent", "amount": 10, "window": "lifetime"}, "10 at a time"),
        ({"purpose": "wallet", "window": "lifetime"}, "wallet of $20.00"),
    ],
)
def test_what_a_limit_allows(more: dict[str, Any], told: str) -> None:
    assert text({**LIMIT, **more}) == told


def test_bars() -> None:
    assert bar(0) == "░░░░░░░░░░ 0%"
    assert bar(0.256) == "██░░░░░░░░ 26%"
    assert bar(1.5) == "██████████ 150%"
    assert bar(-1).startswith("░░░░░░░░░░")


def test_a_line_names_whom_and_how_it_stands() -> None:
    (line,) = lines([LIMIT], {"k_1": "alice"})
    told = ("l_1", "key alice", "$20.00/month", "$5.00", "$15.00", "██░░░░░░░░ 25%", "2026-12-01T00:00:00Z")
    assert tuple(line) == told
    (line,) = lines([{**LIMIT, "unit": "requests", "amount": 60, "spent": 3, "left": 57}], {})
    assert tuple(line[1:5]) == ("key k_1", "60 requests/month", "3", "57")
    (line,) = lines([{**LIMIT, "unit": "concurrent", "amount": 4, "held": 1, "left": 3}], {})
    assert tuple(line[2:6]) == ("4 at a time", "1", "3", "██░░░░░░░░ 25%")
    (line,) = lines([{**LIMIT, "amount": 0.0}], {})
    assert line[5].endswith("100%")


def test_each_for_itself_has_a_line() -> None:
    one = {"subject": "u", "spent": 1.0, "held": 0.0, "left": 19.0, "resets_at": None}
    many = {**LIMIT, "scope": "user", "subject": "*", "within": "t_1", "spent": None, "left": None}
    found = lines([{**many, "subjects": [one] * (SUBJECTS + 3)}], {"t_1": "research"})
    assert found[0][1] == "each user of research"
    assert found[1][1:5] == ("  u", "", "$1.00", "$19.00")
    assert len(found) == SUBJECTS + 2
    assert found[-1][1] == "  and 3 more"
