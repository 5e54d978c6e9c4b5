"""What stands behind ``batch run RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tokenworks.batches.cookbook import recipe
from tokenworks.cli.batch.words import of_recipe, paths, sorted_out
from tokenworks.errors import BadRequest


def test_options_are_written_three_ways() -> None:
    words = ["a.txt", "--to", "de", "b.txt", "--tone=as it is", "--bilingual", "--x"]
    files, options = sorted_out(words, ["from=en", "glossary=a=b"])
    assert files == ["a.txt", "b.txt"]
    assert options == {
        "--to": "de",
        "--tone": "as it is",
        "--bilingual": "yes",
        "--x": "yes",
        "from": "en",
        "glossary": "a=b",
    }


def test_behind_two_dashes_are_files_only() -> None:
    assert sorted_out(["--to", "de", "--", "--odd", "x"], []) == (["--odd", "x"], {"--to": "de"})


def test_what_is_no_option_is_refused() -> None:
    with pytest.raises(click.UsageError, match="no such option: -x"):
        sorted_out(["-x"], [])
    for pair in ("to", "=de"):
        with pytest.raises(click.UsageError, match="write NAME=VALUE"):
            sorted_out([], [pair])


def test_only_the_recipes_own_options_are_taken() -> None:
    found = recipe("map")
    assert of_recipe(found, {"--skip-empty": "no", "template": "{a}"}) == {
        "skip_empty": "no",
        "template": "{a}",
    }
    with pytest.raises(BadRequest, match="did you mean template"):
        of_recipe(found, {"--tmplate": "x"})


def test_folders_stand_for_what_the_recipe_reads(tmp_path: Path) -> None:
    for name in ("b.csv", "deep/a.CSV", "other.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = recipe("map")
    one = str(tmp_path / "b.csv")
    assert paths(found, [one, str(tmp_path)]) == [tmp_path / "b.csv", tmp_path / "deep" / "a.CSV"]
    assert paths(found, [str(tmp_path / "other.txt")]) == [tmp_path / "other.txt"]  # it says itself why not
    with pytest.raises(BadRequest, match="none: no such file"):
        paths(found, [str(tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match=r"nothing in it that map reads: \.csv"):
        paths(found, [str(tmp_path / "empty")])
