"""The week as one HTML file: whole, harmless and complete in itself."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from article_week import article_week

from tokenworks.rankings.chart import Chart, Series
from tokenworks.rankings.report import html
from tokenworks.rankings.table import Table
from tokenworks.rankings.week import WeekReport

EVIL = "<script>alert(1)</script>\"'&{{7*7}}"
VOID = {"meta", "wbr", "br"}


class Reader(HTMLParser):
    """Checks that elements nest, and keeps what a reader sees, and what stands in attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.seen.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.seen).replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> WeekReport:
    return article_week(tmp_path_factory.mktemp("article"))


def with_row(table: Table, **values: object) -> Table:
    return msgspec.structs.replace(table, rows=[{**table.rows[0], **values}, *table.rows[1:]])


def test_the_week_is_told(article: WeekReport) -> None:
    reader = Reader(html(article))
    for text in (
        "Week 2026-W08",
        "16 to 22 February 2026 · Source: article-week",
        "took 8.7T tokens together; models from China 5.3T of them (61 %).",
        "+21 % against the week before",
        "minimax/ minimax-m2.5 MiniMax, China 2.45T",
        "+197 %",
        "\u221220 %",
        "▲2",
        "▼1",
        "By author",
        "By country of the author China 61 % · 5.3T",
        "By weights open weights 61 %",
        "Tokens by author, week by week",
        "2026-W07 2026-W08",
        "* not told by the source: chosen so that its totals hold.",
        "2026-02-16T00:00:00Z to 2026-02-23T00:00:00Z (UTC)",
    ):
        assert text in reader.text, text
    assert "By provider" not in reader.text, "the source does not tell"


def test_it_needs_nothing_else_and_runs_nothing(article: WeekReport) -> None:
    text = html(article)
    reader = Reader(text)
    assert not set(reader.elements) & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert not [
        each for each in reader.attributes if each[1] in ("src", "href", "style") or each[1][:2] == "on"
    ]
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    policy = [value for tag, name, value in reader.attributes if tag == "meta" and name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


def test_names_from_outside_are_inert(article: WeekReport) -> None:
    evil = msgspec.structs.replace(
        article,
        models=msgspec.structs.replace(
            with_row(article.models, model=EVIL, author=EVIL, country=EVIL), source=EVIL, note=EVIL
        ),
        authors=with_row(article.authors, author=EVIL),
        countries=with_row(article.countries, country=EVIL),
        providers=msgspec.structs.replace(
            article.authors,
            rows=[{**row, "provider": f"{EVIL}{row['rank']}"} for row in article.authors.rows],
        ),
        by_author=Chart("author", "week", "UTC", "", True, [EVIL, "b"], [Series(EVIL, [1, 2])]),
    )
    reader = Reader(html(evil))
    assert "script" not in reader.elements
    assert reader.text.count("alert(1)") >= 8, "each is shown as the text that it is"
    assert "49" not in re.sub(r"\d{3,}|\d[\d.]*[KMBT%]", "", reader.text.replace("{{7*7}}", "")), (
        "nor evaluated"
    )


def test_drawings_add_up(article: WeekReport) -> None:
    reader = Reader(html(article))
    heights = [float(value) for tag, name, value in reader.attributes if (tag, name) == ("rect", "height")]
    tall = [each for each in heights if each not in (8.0,)]
    assert tall and max(tall) <= 100
    svg = html(article).split('class="stack"')[1].split("</svg>")[0]
    second = svg.split("</g>")[1]
    assert sum(map(float, re.findall(r' height="([\d.]+)"', second))) == pytest.approx(100, abs=0.1)
    first = svg.split("</g>")[0]
    assert sum(map(float, re.findall(r' height="([\d.]+)"', first))) == pytest.approx(
        7.1782 / 8.7 * 100, abs=0.1
    )


def test_an_author_has_one_colour_in_lists_and_drawings(article: WeekReport) -> None:
    text = html(article)
    listed = re.findall(r'class="who">(.+?)</span>.*?<rect class="(f\w)"', text, re.DOTALL)
    legend = re.findall(r'<li><svg[^>]*><rect class="(f\w)"[^>]*/></svg>(.+?)</li>', text)
    named = dict(listed)
    assert len(legend) >= 6 and all(named[name] == place for place, name in legend)


def test_long_charts_running_weeks_and_others(article: WeekReport) -> None:
    labels = [f"2025-W{at:02}" for at in range(1, 53)]
    series = [Series("acme", [*range(51), 0]), Series("others", [1] * 52)]
    models = msgspec.structs.replace(
        article.models,
        complete=False,
        rows=[*article.models.rows[:2], {**article.models.rows[0], "rank": None, "model": "others"}],
    )
    chart = Chart("author", "week", "UTC", "", False, labels, series)
    reader = Reader(html(msgspec.structs.replace(article, models=models, by_author=chart, by_country=None)))
    for text in (
        "2025-W01 2025-W26 2025-W52",
        "The last bar is not complete.",
        "was not over when the report was made",
        "against the same part of the week before",
        "all others",
    ):
        assert text in reader.text, text


def test_an_empty_week(article: WeekReport) -> None:
    def bare(table: Table) -> Table:
        return msgspec.structs.replace(
            table, rows=[], total={"tokens": 0, "change": None, "share": None}, note=""
        )

    empty = WeekReport(
        *(bare(each) for each in (article.models, article.authors, article.countries, article.weights))
    )
    reader = Reader(html(empty))
    assert "Nothing was used in this time." in reader.text and "table" not in reader.elements
