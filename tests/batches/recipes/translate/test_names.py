"""Names and glossaries."""

from pathlib import Path

import pytest

from tokenworks.batches.recipes.translate import names
from tokenworks.errors import BadRequest

TEXT = [
    "Then Mr. Bennet said to Elizabeth that Netherfield Park was let. However, nobody knew.",
    "“Elizabeth,” cried Mr. Bennet, “do go.” However, she stayed, and so did the Park keeper.",
    "When Elizabeth came, old Mr. Bennet saw Netherfield Park. However, it rained on Netherfield Park.",
    "They said that Elizabeth will walk in the park, not in Hope; the park is dark; hope is bright.",
]


def test_names_are_words_with_a_capital_within_a_sentence() -> None:
    found = names.seen(TEXT, "en")
    assert set(found) == {"Netherfield Park", "Elizabeth", "Mr. Bennet"}
    assert names.seen(TEXT, "de") == []  # there every noun has one


def test_terms_stand_as_words() -> None:
    assert names.occurring(["Ann", "Anna Smith", "Anna"], "Anna Smith came.") == ["Anna Smith", "Anna"]
    assert names.occurring(["宾利"], "他说宾利先生来了") == ["宾利"]


def test_how_names_came_out_is_believed_where_it_is_true() -> None:
    lines = "Elizabeth = Elisabeth\n- Darcy = Dorsi\nBingley = nowhere to be found\nnonsense\nJane = "
    asked = ["Elizabeth", "Darcy", "Bingley", "Jane"]
    assert names.told(lines, asked, "Elisabeth ging mit Dorsi.") == {
        "Elizabeth": "Elisabeth",
        "Darcy": "Dorsi",
    }
    ways = [{"A": "x", "B": "y"}, {"A": "z", "B": "y"}, {"A": "x"}]
    assert names.unlike(ways) == {"A": {"x": 2, "z": 1}}


def test_a_glossary_is_csv_or_toml(tmp_path: Path) -> None:
    table = tmp_path / "terms.csv"
    table.write_text('Darcy;Dorsi;note\n"Longbourn";Langborn\n\n;empty\n', encoding="utf-8")
    assert names.given(str(table)) == {"Darcy": "Dorsi", "Longbourn": "Langborn"}
    other = tmp_path / "terms.toml"
    other.write_text('[terms]\n"Mr. Darcy" = "Herr Darcy"\n', encoding="utf-8")
    assert names.given(str(other)) == {"Mr. Darcy": "Herr Darcy"}
    assert names.given("") == {}


@pytest.mark.parametrize(
    ("name", "data"), [("a.csv", b""), ("a.toml", b"x = ["), ("a.csv", b"one\ntwo\n"), ("", b"")]
)
def test_a_bad_glossary_is_told(tmp_path: Path, name: str, data: bytes) -> None:
    if name:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(BadRequest, match="glossary"):
        names.given(str(tmp_path / (name or "nowhere.csv")))
