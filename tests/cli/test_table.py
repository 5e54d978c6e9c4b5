"""Rows for people and for programs."""

import json

import pytest

from tokenworks.cli.table import print_json, print_table, usd


def test_numbers_stand_right_and_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["[red]a[/red]", 1234567, True, None], ["b" * 150, 7, False, "x"]]
    print_table(["name", "tokens", "own", "note"], rows, empty="-")
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if "[red]a[/red]" in line)
    second = next(line for line in lines if "b" * 150 in line)  # not cut: no terminal bounds it
    assert first.index("1,234,567") + len("1,234,567") == second.index(" 7 ") + 2
    assert ("yes" in first, "no" in second) == (True, True)
    assert "\x1b" not in "".join(lines)


def test_no_rows_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id"], [], empty="no keys; tokenworks key create NAME")
    assert capsys.readouterr().out == "no keys; tokenworks key create NAME\n"


def test_json_is_one_line_of_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "é\n"})
    out = capsys.readouterr().out
    assert (json.loads(out), out.count("\n")) == ({"name": "é\n"}, 1)
    assert "é" in out


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.0123456, "$0.012346"),
        (0.000000123, "$0.000000123"),
        (1, "$1.00"),
    ],
)
def test_money(dollars: float, shown: str) -> None:
    assert usd(dollars) == shown
