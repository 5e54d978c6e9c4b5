"""Options of limits and rules: what they become, and that what is not given is not there."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from tokenworks.cli.terms import Terms, terms


def given(*arguments: str) -> Terms:
    seen: list[Terms] = []

    @click.command()
    @click.option("--other")
    @terms
    def command(terms: Terms, other: str | None) -> None:
        seen.append(terms)

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_nothing_given_is_nothing() -> None:
    found = given()
    assert found == Terms((), (), None, None, {})
    assert not found.any
    assert found.wanted() == []
    assert found.rules_text("") == ""
    assert found.rules_text('{"models":["a"]}') == '{"models":["a"]}'


def test_limits() -> None:
    found = given("--budget", "20/month", "--budget", "$2/5h", "--limit", "60rpm", "--strict")
    assert [tuple(each) for each in found.wanted()] == [
        ("usd", 20_000_000_000, "month"),
        ("usd", 2_000_000_000, "5h"),
        ("requests", 60, "1min"),
    ]
    assert (found.any, found.strict, given("--no-strict").strict) == (True, True, False)


@pytest.mark.parametrize(
    ("arguments", "rules"),
    [
        (("--models", "a", "--models", "b"), {"models": ["a", "b"]}),
        (("--models", "none"), {"models": []}),
        (("--hours", ""), {"hours": []}),
        (("--max-input-tokens", "5"), {"max_input_tokens": 5}),
        (("--max-output-tokens", "none"), {"max_output_tokens": None}),
        (("--max-price", ":15"), {"max_input_mtok": None, "max_output_mtok": 15.0}),
        (("--max-price", "none"), {"max_input_mtok": None, "max_output_mtok": None}),
        (("--max-session-time", "2h"), {"loops": {"wall_clock_s": 7200.0}}),
        (("--max-session-spend", "none"), {"loops": {"spend_usd": None}}),
        (("--private",), {"private": True}),
        (("--no-private", "--capture"), {"private": False, "capture": True}),
    ],
)
def test_rules(arguments: tuple[str, ...], rules: dict[str, Any]) -> None:
    found = given(*arguments)
    assert found.rules == rules
    assert found.any


def test_none_takes_away_what_was_there() -> None:
    before = '{"models":["a"],"hours":["Mon"],"timezone":"Europe/Berlin","loops":{"repeats":3}}'
    after = given("--models", "none", "--max-repeats", "none", "--max-iterations", "9").rules_text(before)
    assert after == '{"hours":["Mon"],"timezone":"Europe/Berlin","loops":{"iterations":9}}'


def test_a_time_zone_goes_with_hours() -> None:
    zone = ("--timezone", "Asia/Tokyo")
    assert given(*zone).rules_text("") == ""
    assert given(*zone).rules_text('{"hours":["Mon"]}') == '{"hours":["Mon"],"timezone":"Asia/Tokyo"}'
    assert given(*zone, "--hours", "Tue").rules_text("") == '{"hours":["Tue"],"timezone":"Asia/Tokyo"}'


def test_mistakes_are_options_mistakes() -> None:
    with pytest.raises(click.BadParameter, match="window"):
        given("--budget", "1/never").wanted()
    with pytest.raises(click.BadParameter, match="hours"):
        given("--hours", "x").rules_text("")
