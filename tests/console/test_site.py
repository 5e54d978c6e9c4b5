"""What pages share, and the macros they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import UndefinedError

Opened = Callable[..., Any]


@pytest.fixture
def shown(opened: Opened) -> Callable[..., str]:
    """``shown("{{ m.tokens(1) }}", **context)``: what a page would have there."""
    site = opened().site

    def render(text: str, **context: Any) -> str:
        head = '{% import "macros.html" as m with context %}'
        given = {
            "t": site.strings.translator("en"),
            "when": lambda us, short: f"at {us}",
            "csrf": "c",
            "url": lambda **changes: "?" + "&".join(f"{name}={value}" for name, value in changes.items()),
        }
        return str(site.templates.from_string(head + text).render({**given, **context})).strip()

    return render


def test_values(shown: Callable[..., str]) -> None:
    assert shown("{{ m.tokens(2450000) }}") == '<span class="n" title="2,450,000">2.45M</span>'
    assert shown("{{ m.usd(none) }}") == '<span class="n">–</span>'
    assert "▲" in shown("{{ m.change(1.97) }}") and "197 %" in shown("{{ m.change(1.97) }}")
    down = shown("{{ m.change(-0.2) }}")
    assert "▼" in down and "20 %" in down and "down" in down and "-" not in down.replace("aria-hidden", "")
    assert "new" in shown("{{ m.rank_change(none) }}") and "▼" in shown("{{ m.rank_change(-2) }}")
    assert 'datetime="2026-09-21T14:13:20Z"' in shown("{{ m.time(1790000000000000) }}")
    assert 'value="1"' in shown("{{ m.bar(7, 1) }}") and 'value="0"' in shown("{{ m.bar(none) }}")


@pytest.mark.parametrize(
    "kind",
    [
        "rank",
        "text",
        "tokens",
        "count",
        "usd",
        "usd_mtok",
        "share",
        "change",
        "rank_change",
        "seconds",
        "rate",
    ],
)
def test_every_kind_of_column_has_a_cell(shown: Callable[..., str], kind: str) -> None:
    assert shown("{{ m.cell(kind, 3) }}", kind=kind)
    assert shown("{{ m.cell(kind, none) }}", kind=kind)


def test_sorting_turns_around(shown: Callable[..., str]) -> None:
    text = "{{ m.th_sort('Cost', 'cost', sort, target='list') }}"
    unsorted = shown(text, sort="name")
    assert 'href="?sort=-cost"' in unsorted and "aria-sort" not in unsorted
    falling = shown(text, sort="-cost")
    assert 'href="?sort=cost"' in falling and 'aria-sort="descending"' in falling
    rising = shown(text, sort="cost")
    assert 'href="?sort=-cost"' in rising and 'aria-sort="ascending"' in rising
    assert 'hx-get="?sort=-cost" hx-target="#list" hx-select="#list"' in rising


def test_a_charts_data_is_an_island_that_ends_nowhere_early(shown: Callable[..., str]) -> None:
    evil = "</script><script>alert(1)</script>"
    data = {"kind": "bar", "format": "usd", "labels": [evil], "series": [{"name": evil, "values": [1.5]}]}
    text = shown("{{ m.chart('c', data, evil, x='Day') }}", data=data, evil=evil)
    assert text.count("</script>") == 1 and "<script>" not in text
    assert "\\u003c/script\\u003e" in text
    assert '<td class="right">$1.50</td>' in text and "<summary>As a table</summary>" in text


def test_what_is_given_is_text_everywhere(shown: Callable[..., str]) -> None:
    evil = "\"'><b>x</b>"
    for macro in (
        "m.number(1) ~ m.badge(evil)",
        "m.empty(evil, evil, evil)",
        "m.copy(evil, evil)",
        "m.alert(evil)",
        "m.stat(evil, evil, evil, evil)",
        "m.th(evil) ~ m.th_sort(evil, evil, evil)",
        "m.pager(evil, evil, evil, evil)",
        "m.tabs([(evil, evil)], 'sort', evil, evil)",
        "m.field(evil, evil, evil, hint=evil, placeholder=evil)",
        "m.select(evil, evil, [(evil, evil)], evil, evil)",
        "m.check(evil, evil, true)",
        "m.bar(0.5, 1, evil) ~ m.cell('text', evil)",
    ):
        assert "<b>" not in shown("{{ " + macro + " }}", evil=evil), macro


def test_a_name_that_nobody_gave_is_an_error(shown: Callable[..., str]) -> None:
    with pytest.raises(UndefinedError):
        shown("{{ nothing }}")
