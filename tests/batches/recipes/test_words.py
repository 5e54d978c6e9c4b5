"""Options of recipes, read as what they mean."""

from pathlib import Path

import pytest

from tokenworks.batches.recipes import words
from tokenworks.errors import BadRequest


def test_yes_and_no() -> None:
    assert words.yes({"a": "Yes"}, "a", False)
    assert not words.yes({"a": "off"}, "a", True)
    assert words.yes({}, "a", True)
    with pytest.raises(BadRequest, match="a=perhaps: say a=yes or a=no"):
        words.yes({"a": "perhaps"}, "a", True)


@pytest.mark.parametrize("said", ["0", "11", "many", "1.5", "-3"])
def test_numbers_have_bounds(said: str) -> None:
    assert words.number({"n": " 7 "}, "n", 1, 1, 10) == 7
    assert words.number({"n": ""}, "n", 3, 1, 10) == 3
    with pytest.raises(BadRequest, match="a whole number from 1 to 10"):
        words.number({"n": said}, "n", 1, 1, 10)


def test_an_unknown_option_names_those_there_are() -> None:
    words.known({"b": ""}, ["b", "a"])
    with pytest.raises(BadRequest, match=r"no option “c” here; there are: a, b"):
        words.known({"c": ""}, ["b", "a"])


def test_text_or_the_file_that_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("\ufeffHello", encoding="utf-8")
    assert words.text_or_file({"t": str(file)}, "t") == "Hello"
    assert words.text_or_file({"t": "Say {a}"}, "t") == "Say {a}"
    assert words.text_or_file({"t": "x" * 900}, "t") == "x" * 900  # longer than any name of a file
    assert words.text_or_file({"t": "a\0b"}, "t") == "a\0b"
    assert words.text_or_file({}, "t") == ""
    file.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(BadRequest, match=r"t=prompt.txt can't be read: it isn't text in UTF-8"):
        words.text_or_file({"t": str(file)}, "t")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "LARGEST", 3)
    (tmp_path / "big").write_text("1234")
    with pytest.raises(BadRequest, match="larger"):
        words.content(tmp_path / "big", "schema")
    with pytest.raises(BadRequest, match="No such file"):
        words.content(tmp_path / "none", "schema")
