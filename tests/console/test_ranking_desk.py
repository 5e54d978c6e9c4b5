from typing import Any

from tokenworks.console.ranking_desk import headline
from tokenworks.console.ranking_names import Names
from tokenworks.console.strings import Strings
from tokenworks.rankings.table import Table

STRINGS = Strings.load(strict=True)


def told(*rows: dict[str, Any], language: str = "en") -> list[str]:
    whole = [
        {"rank": at, "change": None, **row} if "rank" not in row else row
        for at, row in enumerate(rows, start=1)
    ]
    table = Table("model", "week", "2026-W08", "", "", "UTC", True, "", [], whole, {})
    return headline(table, Names(STRINGS, language))


def row(
    model: str, tokens: int, country: str = "", change: float | None = None, **more: Any
) -> dict[str, Any]:
    return {"model": model, "tokens": tokens, "country": country, "change": change, **more}


def test_the_country_with_most_of_the_ten_is_named() -> None:
    rows = [row(f"m{n}", 100, "US" if n < 6 else "CN") for n in range(10)]
    assert told(*rows)[0] == "Top ten 1.00K tokens, 60 % from the United States"
    assert told(*rows, language="zh")[0] == "前十名共 1.00K 词元，60 % 来自美国"
    assert told(*rows, {"rank": None, "model": "others", "tokens": 9_000})[0].startswith("Top ten 1.00K")


def test_few_models_or_unknown_countries_are_told_too() -> None:
    assert told(row("a", 6, "CN"), row("b", 4))[0] == "Top 2: 10 tokens, 60 % from China"
    assert told(row("a", 6))[0] == "The only model: 6 tokens"
    assert told(row("a", 6), row("b", 4))[0] == "Top 2: 10 tokens"
    assert told() == [] and told(row("a", 0)) == []


def test_who_leads_and_who_grew_most() -> None:
    rows = [
        row("a", 60, change=1.97),
        row("b", 20, change=0.1),
        row("c", 10, change=2),
        row("d", 5, change=-1),
    ]
    assert told(*rows)[1:] == ["a leads with 60 (+197 %).", "c grew most: +200 %."]
    assert told(row("a", 6), row("b", 4, change=3, filled=True))[1:] == ["a leads with 6."]
