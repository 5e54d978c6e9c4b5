"""What a report tells: the article's sentence, and that of our own traffic."""

from pathlib import Path

import msgspec
import pytest
from article_week import article_week
from fresh_store import fresh_store
from ranking_records import MONDAY_US, ranking_records

from tokenworks.rankings.books import Books
from tokenworks.rankings.week import WeekReport, gather


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> WeekReport:
    return article_week(tmp_path_factory.mktemp("article"))


def test_the_articles_story(article: WeekReport) -> None:
    assert article.sentence.replace("\u00a0", " ") == (
        "The ten models used most took 8.7T tokens together; models from China 5.3T of them (61 %)."
    )
    assert (article.title, article.days) == ("Week 2026-W08", "16 to 22 February 2026")
    assert article.source == "Source: article-week" and article.filled
    assert article.providers is None, "the source does not tell who served them"
    assert article.by_author is not None and article.by_author.labels == ["2026-W07", "2026-W08"]
    assert [row["rank_change"] for row in article.ranked][:3] == [2, -1, 7]
    shares = {row["weights"]: round(row["share"], 2) for row in article.weights.rows}
    assert shares == {"open": 0.61, "closed": 0.39}


def test_fewer_rows_tell_the_rest_as_well(article: WeekReport) -> None:
    first = article.models.rows[0]
    others = {
        **first,
        "rank": None,
        "model": "others",
        "author": None,
        "country": None,
        "tokens": 6_250 * 10**9,
    }
    few = msgspec.structs.replace(
        article, models=msgspec.structs.replace(article.models, rows=[first, others])
    )
    assert few.sentence.replace("\u00a0", " ") == (
        "The model used most took 2.45T tokens; models from China 2.45T of them (100 %). All together: 8.7T."
    )


def test_countries_as_sentences_name_them(article: WeekReport) -> None:
    assert article.country_title("US") == "the United States"
    assert article.country_title("CN") == "China"
    assert article.country_title("") == "unknown", "where nobody knows"


@pytest.mark.parametrize(
    ("unit", "label", "days"),
    [("day", "2026-02-28", "28 February 2026"), ("month", "2026-02", "1 to 28 February 2026")],
)
def test_days_and_months(article: WeekReport, unit: str, label: str, days: str) -> None:
    models = msgspec.structs.replace(article.models, unit=unit, period=label)
    other = msgspec.structs.replace(article, models=models)
    assert (other.days, other.title) == (days, f"{unit.capitalize()} {label}")


def test_own_traffic_and_none(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'own.db'}")
    store.append("w.1.journal", 1, ranking_records(60))
    books = Books(store, now_us=lambda: MONDAY_US + 30 * 86_400_000_000)
    week = gather(books, books.period())
    assert week.source == "Own traffic of this gateway" and not week.filled
    assert week.providers is not None and week.providers.rows
    assert "models used most took" in week.sentence and "models from" not in week.sentence
    empty = gather(books, books.period("2025-W08"))
    assert empty.sentence == "Nothing was used in this time." and empty.ranked == []
    store.close()
