"""The week as a picture."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from article_week import article_week

from tokenworks.errors import BadRequest, ConfigError
from tokenworks.rankings import colours, picture
from tokenworks.rankings.table import Table
from tokenworks.rankings.week import WeekReport

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> WeekReport:
    return article_week(tmp_path_factory.mktemp("article"))


def words(path: Path) -> str:
    texts = (("".join(text.itertext())).strip() for text in ElementTree.parse(path).iter(f"{SVG}text"))
    return "|".join(texts).replace("\u00a0", " ")


def test_what_the_picture_says(article: WeekReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "week.svg"
    picture.draw(article, path)
    shown = words(path)
    for text in (
        "Week 2026-W08",
        "16 to 22 February 2026",
        "models from China 5.3T of them (61 %).",
        "1|▲2|minimax/minimax-m2.5|2.45T|+197 %",
        "2|▼1|moonshotai/kimi-k2.5|1.21T|\u221220 %",
        "3|▲7|z-ai/glm-5|900B*|+158 %",
        "5|▼1|deepseek/deepseek-v3.2|740B*",
        "By country of the author|By author|By weights",
        "China|61 %|United States|39 %",
        "MiniMax|28 %|Anthropic|18 %|Google|15 %|Moonshot AI|14 %|all others|25 %",
        "open|61 %|closed|39 %",
        "Source: article-week.",
        "* not told by the source",
    ):
        assert text in shown, text
    drawn = path.read_text().lower()
    assert colours.PALETTE[0] in drawn and colours.PALETTE[1] in drawn, "countries have their colours"
    first = path.read_bytes()
    picture.draw(article, path)
    assert path.read_bytes() == first, "the same week gives the same bytes"


def test_a_png_to_share(article: WeekReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "week.png"
    picture.draw(article, path)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (1600, 900)


def test_any_name_can_be_drawn(article: WeekReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [*article.models.rows]
    rows[0] = {**rows[0], "model": "$\\frac{a}{b}$ <b>", "change": None, "rank_change": None}
    rows[1] = {**rows[1], "model": "模型/" + "很长" * 50, "country": ""}
    rows[2] = {**rows[2], "model": "a\nb\x1b", "tokens": 0}
    odd = msgspec.structs.replace(article, models=msgspec.structs.replace(article.models, rows=rows))
    picture.draw(odd, tmp_path / "odd.svg")
    shown = words(tmp_path / "odd.svg")
    assert "$\\frac{a}{b}$ <b>" in shown and "…" in shown and "new" in shown


def test_an_empty_week(article: WeekReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def bare(table: Table) -> Table:
        return msgspec.structs.replace(table, rows=[])

    empty = WeekReport(
        *(bare(each) for each in (article.models, article.authors, article.countries, article.weights))
    )
    picture.draw(empty, tmp_path / "empty.svg")
    assert "Nothing was used in this time." in words(tmp_path / "empty.svg")


def test_what_can_not_be_drawn_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match=r"week\.gif: a picture is \.png or \.svg"):
        picture.check(Path("week.gif"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'tokenworks\[plot\]'"):
        picture.check(Path("week.png"))
