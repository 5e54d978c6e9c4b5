"""Whole files: the article's week to the figure, an aggregator's dataset, and anything else refused whole."""

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.catalog.authors import Authors, author_of
from tokenworks.errors import BadRequest
from tokenworks.ledger.outside import OutsideRow
from tokenworks.rankings.importing import files, parse, read

ARTICLE = Path(__file__).parents[3] / "examples" / "article-week.csv"
TODAY = date(2026, 3, 1)


def parsed(content: str | bytes, name: str = "usage.csv", **more: Any) -> list[OutsideRow]:
    content = content.encode() if isinstance(content, str) else content
    return parse(content, name, today=TODAY, **more)


def test_the_articles_week_to_the_figure() -> None:
    weeks: dict[int, dict[str, int]] = defaultdict(dict)
    for row in read(ARTICLE):
        assert (row.source, row.span) == ("article-week", "week")
        weeks[row.day][row.model] = row.tokens
    (_, before), (monday, week) = sorted(weeks.items())
    assert monday == (date(2026, 2, 16) - date(1970, 1, 1)).days

    ranked = sorted(week, key=lambda model: -week[model])
    assert len(ranked) == 10 and sum(week.values()) == 8_700_000_000_000
    assert ranked[:3] == ["minimax/minimax-m2.5", "moonshotai/kimi-k2.5", "z-ai/glm-5"]
    assert ranked[4] == "deepseek/deepseek-v3.2"
    assert [week[model] for model in ranked[:2]] == [2_450_000_000_000, 1_210_000_000_000]
    changes = [f"{week[model] / before[model] - 1:+.0%}" for model in ranked[:3]]
    assert changes == ["+197%", "-20%", "+158%"]

    authors = Authors.load()
    chinese = [model for model in ranked if authors.country(author_of(model)) == "CN"]
    assert sum(week[model] for model in chinese) == 5_300_000_000_000
    assert f"{sum(week[model] for model in chinese) / sum(week.values()):.0%}" == "61%"
    first_five = sum(week[model] for model in ranked[:5])
    assert f"{sum(week[model] for model in chinese) / first_five:.1%}" == "85.7%"


def test_what_nobody_reported_is_marked_and_says_why() -> None:
    rows = read(ARTICLE)
    told = {row.model for row in rows if not row.filled}
    assert told == {"minimax/minimax-m2.5", "moonshotai/kimi-k2.5"}
    lines = [line for line in ARTICLE.read_text().splitlines() if ",true," in line]
    assert len(lines) == sum(row.filled for row in rows) == 18
    assert all(line.rpartition(",true,")[2].strip() for line in lines)


def test_the_daily_dataset_of_an_aggregator() -> None:
    answer = {
        "data": [
            {
                "date": "2026-02-16",
                "model_permaslug": "acme/fast-20260101",
                "total_tokens": "9007199254740993",
            },
            {"date": "2026-02-16", "model_permaslug": "acme/fast-20260101:free", "total_tokens": "12"},
            {"date": "2026-02-16", "model_permaslug": "other", "total_tokens": "7"},
        ],
        "meta": {"as_of": "2026-02-17T02:00:00.000Z", "version": "v1"},
    }
    rows = parsed(json.dumps(answer), "rankings-daily.json", source="aggregator")
    assert [(row.model, row.tokens) for row in rows] == [
        ("acme/fast-20260101", 9_007_199_254_740_993),  # no float on the way
        ("acme/fast-20260101:free", 12),
        ("other", 7),
    ]
    assert {(row.source, row.span) for row in rows} == {("aggregator", "day")}
    weekly = parsed(json.dumps(answer), "weekly.json", span="week")
    assert {row.span for row in weekly} == {"week"}


def test_marks_of_byte_order_are_no_part_of_the_first_column() -> None:
    assert parsed(b"\xef\xbb\xbfdate,model,tokens\n2026-02-16,a,1\n")[0].tokens == 1
    assert parsed(b'\xef\xbb\xbf[{"date":"2026-02-16","model":"a","tokens":1}]')[0].tokens == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("date,model,tokens\n2026-02-16,a,abc\n", "usage.csv:2:3 (tokens): 'abc' is no number of tokens"),
        ('[{"date":"2026-02-16","model":"","tokens":1}]', "usage.csv:1:31 (model): the model is empty"),
        ("date,model,tokens\n", "usage.csv:2:1: there are no rows"),
        (b"date,model,tokens\n2026-02-16,caf\xe9,1\n", "usage.csv:2:15: byte 0xe9 is no UTF-8"),
        (b"\xff\xfed\x00a\x00", "usage.csv:1:1: byte 0xff is no UTF-8; save the file as UTF-8"),
        (b"", "usage.csv:1:1: the file is empty"),
    ],
)
def test_an_error_names_file_line_and_column(content: str | bytes, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parsed(content)
    assert caught.value.message.startswith(told)


def test_names_that_would_write_elsewhere_on_a_terminal() -> None:
    with pytest.raises(BadRequest) as caught:
        parsed("date,model\x1b[31m,tokens\n", "a\x1b[2J.csv")
    assert caught.value.message.isprintable()
    with pytest.raises(BadRequest, match="a source has a name"):
        parsed("date,model,tokens\n2026-02-16,a,1", source="a\x07")
    with pytest.raises(BadRequest, match="a source has a name"):
        parsed("date,model,tokens\n2026-02-16,a,1", source="a" * 65)


def test_files_that_are_not_there_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match=r"gone\.csv: No such file"):
        read(tmp_path / "gone.csv")
    with pytest.raises(BadRequest, match="Is a directory"):
        read(tmp_path)
    (tmp_path / "big.csv").write_bytes(b"x" * 3_000_000)
    monkeypatch.setattr(files, "MAX_BYTES", 2**20)
    with pytest.raises(BadRequest, match="has 2 MiB; 1 MiB is the most"):
        read(tmp_path / "big.csv")
    with pytest.raises(BadRequest, match="import it in parts"):
        parsed(b"x" * 3_000_000)


GOOD = [b"week,model,tokens,filled\n2026-W08,a/b,2.45T,true\n2026-W07,a/b,1,no\n"]
GOOD.append(
    b'{"data":[{"date":"2026-02-16","model":"a","tokens":"1"},{"date":"2026-02-17","model":"a","tokens":2}]}'
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GOOD), st.integers(0, 110), st.integers(0, 6), st.binary(max_size=6))
def test_any_damage_is_rows_or_one_line_with_a_place(good: bytes, at: int, cut: int, put: bytes) -> None:
    damaged = good[:at] + put + good[at + cut :]
    try:
        rows = parsed(damaged)
    except BadRequest as error:
        assert error.message.startswith("usage.csv:") and error.message.isprintable(), error.message
        assert all(part.isdigit() for part in error.message.split(" ")[0].strip(":").split(":")[1:])
    else:
        assert 1 <= len(rows) <= 2 and all(row.tokens >= 0 for row in rows)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(
            lambda name: name == name.strip() and not name.startswith("#")
        ),
        st.integers(0, 10**16),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_is_read(usage: dict[str, int]) -> None:
    quoted = [
        f'2026-02-16,"{model.replace(chr(34), chr(34) * 2)}",{tokens}' for model, tokens in usage.items()
    ]
    csv = parsed("\n".join(["date,model,tokens", *quoted]))
    written = [
        {"date": "2026-02-16", "model": model, "tokens": str(tokens)} for model, tokens in usage.items()
    ]
    assert csv == parsed(json.dumps(written)) == parsed("\n".join(map(json.dumps, written)))
    assert {row.model: row.tokens for row in csv} == usage
