import csv
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tokenworks.config.settings import RankingsSettings
from tokenworks.ledger import labelled
from tokenworks.ledger.labelled import Labels
from tokenworks.ledger.record import Record
from tokenworks.rankings.importing import read
from tokenworks.rankings.views import VIEWS

ARTICLE = Path(__file__).parents[2] / "examples" / "article-week.csv"
MONDAY_US = 1_771_200_000_000_000  # 2026-02-16, of week 2026-W08
DAY_US = 86_400_000_000
NOW_US = MONDAY_US + 7 * DAY_US + 3_600_000_000  # an hour after that week
HOSTILE = '<img src=x onerror="alert(1)">'
Browser = Any  # of conftest
Opened = Callable[..., Browser]


def record(number: int, **given: Any) -> Record:
    fields: dict[str, Any] = {
        "time_us": MONDAY_US + DAY_US + number * 1000,
        "key_id": "key-1",
        "app": "Editor",
        "user": "ann",
        "model": "acme/large",
        "provider": "first/fp8",
        "stream": True,
        "status": 200,
        "outcome": "ok",
        "finish_reason": "stop",
        "attempts": 1,
        "reasons": "first/fp8:ok",
        "uncached_input_tokens": 800,
        "output_tokens": 200,
        "cost_nano_usd": 2_000_000,
        "latency_us": 2_000_000,
        "ttft_us": 300_000,
    }
    return Record(id=f"gen-{number}", **{**fields, **given})


def filled(browser: Browser, records: Sequence[Record]) -> Browser:
    browser.store.append("journal-1", len(records), records)
    return browser


def words(page: str) -> str:
    """What people read of it, on one line."""
    main = page[page.index("<main") : page.index("</main>")]
    plain = re.sub(r'<script type="application/json".*?</script>', " ", main, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", plain)).split())


def rows(page: str) -> list[list[str]]:
    """The cells of the first table's body, as text."""
    body = page[page.index("<tbody") : page.index("</tbody>")]
    return [
        [words(f"<main>{cell}</main>") for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def links(page: str) -> dict[str, str]:
    """Addresses by their texts, of the main part."""
    found = re.findall(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', page[page.index("<main") :], re.DOTALL)
    return {words(f"<main>{text}</main>"): html.unescape(address) for address, text in reversed(found)}


@pytest.fixture
def own(opened: Opened) -> Browser:
    """A week of our own with two models, one private request, a hostile caller; and two requests before."""
    code = labelled.encode(Labels("code", "de", "python", 3))
    return filled(
        opened(now_us=lambda: NOW_US),
        [
            *(record(n, time_us=MONDAY_US - 2 * DAY_US + n, model="acme/small") for n in range(2)),
            *(record(n, labels=code) for n in range(10, 14)),
            record(20, model="z-ai/glm-5", provider="second", private=True, tool_calls=2, session="s"),
            record(21, model=f"evil/{HOSTILE}", app=HOSTILE, user=HOSTILE, finish_reason=HOSTILE),
            record(22, model="mistralai/mistral-large", provider="second", app="Other", user="bob"),
        ],
    )


async def test_the_article_week_tells_its_story(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    browser.store.replace_outside("article-week", read(ARTICLE))
    await browser.sign_in()
    answer = await browser.get("/console/rankings?source=article-week&at=2026-W08")
    assert answer.status_code == 200
    text = words(answer.text)
    assert "Top ten 8.70T tokens, 61 % from China" in text
    assert "minimax/minimax-m2.5 leads with 2.45T (+197 %)." in text
    told = rows(answer.text)
    assert told[0] == [
        "1",
        "minimax/minimax-m2.5",
        "2.45T",
        "28 %",
        "▲ up +197 %",
        "▲ up 2",
        "MiniMax",
        "China",
    ]
    assert told[1][1:5] == ["moonshotai/kimi-k2.5", "1.21T", "14 %", "▼ down -20 %"]
    assert told[2][1:5] == ["z-ai/glm-5 ◇ (filled in)", "900B", "10 %", "▲ up +158 %"]
    assert told[4][:2] == ["5", "deepseek/deepseek-v3.2 ◇ (filled in)"]
    assert len(told) == 10 and "Filled in: the source did not tell this figure" in text
    country = rows((await browser.get("/console/rankings/country?source=article-week&at=2026-W08")).text)
    assert country[0][1:4] == ["China ◇ (filled in)", "5.30T", "61 %"]
    chart = (await browser.get("/console/rankings/country/chart?source=article-week&at=2026-W08")).text
    drawn = json.loads(re.search(r'application/json"[^>]*>(.*?)</script>', chart, re.DOTALL)[1])  # type: ignore[index]
    assert drawn["labels"] == ["2026-W07", "2026-W08"]
    assert drawn["series"][0]["name"] == "China" and drawn["series"][0]["values"][1] == 5_300_000_000_000
    browser.cookies.set("tokenworks_language", "zh")
    chinese = words((await browser.get("/console/rankings?source=article-week&at=2026-W08")).text)
    assert "前十名共 8.70T 词元，61 % 来自中国" in chinese


async def test_every_view_is_a_page_in_both_languages(own: Browser) -> None:
    await own.sign_in()
    for language in ("en", "zh"):
        own.cookies.set("tokenworks_language", language)
        for view in VIEWS:
            answer = await own.get(f"/console/rankings/{view}")
            assert answer.status_code == 200, view
            assert 'role="alert"' not in answer.text, view
            if view in ("savings", "energy"):
                continue  # nothing was decided here, and nothing metered
            heads = re.findall(r"<th scope=\"col\"", answer.text)
            assert len(heads) == len({each.name for each in VIEWS[view].columns} - {"title", "key_id"}), view


async def test_the_overview_has_a_card_and_a_chart_for_later(own: Browser) -> None:
    await own.sign_in()
    page = (await own.get("/console/rankings")).text
    assert "Top 4: 7.00K tokens, 14 % from" in words(page)
    parts = re.findall(r'class="later" hx-get="([^"]+)"', page)
    assert [part.split("/")[3] for part in parts] == [
        *("model", "author", "country", "category", "app", "code", "context", "tools", "speed")
    ]
    for part in parts:
        answer = await own.get(html.unescape(part))
        assert answer.status_code == 200
        assert f'id="{"ranking-chart" if "/chart" in part else "card-"}' in answer.text
    switch = re.search(r'id="chart-provider" href="([^"]+)"', page)
    assert switch is not None
    assert 'hx-get="/console/rankings/provider/chart"' in (await own.get(switch[1])).text


async def test_a_table_is_sorted_narrowed_and_left_again(own: Browser) -> None:
    await own.sign_in()
    page = (await own.get("/console/rankings/model?top=10")).text
    assert rows(page)[0][1] == "acme/large"
    assert links(page)["Requests ↕"] == "/console/rankings/model?top=10&sort=-requests"
    rising = (await own.get("/console/rankings/model?sort=tokens")).text
    assert rows(rising)[-1][1] == "acme/large" and 'aria-sort="ascending"' in rising
    assert links(rising)["Tokens ▲"] == "/console/rankings/model?sort=-tokens"
    for address, name, value, where in (
        (
            links(page)["acme/large"],
            "first",
            "Model: acme/large",
            "/console/rankings/provider?top=10&model=acme",
        ),
        (
            links(page)["Z.ai (Zhipu AI)"],
            "z-ai/glm-5",
            "Author: Z.ai",
            "/console/rankings/model?top=10&author",
        ),
        (
            links(page)["France"],
            "Mistral AI",
            "Country: France",
            "/console/rankings/author?top=10&country=FR",
        ),
    ):
        assert address.startswith(where)
        narrowed = (await own.get(address)).text
        assert rows(narrowed)[0][1].startswith(name) and value in words(narrowed)
        view = address.partition("?")[0]
        assert links(narrowed)["✕"] == f"{view}?top=10"
    by_key = await own.get("/console/rankings/key")
    assert (await own.get(links(by_key.text)["key-1"])).status_code == 400  # a key that is not there any more
    assert "no key has that name or id" in words((await own.get(links(by_key.text)["key-1"])).text)


async def test_periods_lead_to_their_neighbours(own: Browser) -> None:
    await own.sign_in()
    page = (await own.get("/console/rankings/model")).text
    assert "2026-02-16 – 2026-02-22 · UTC" in words(page)
    assert links(page)["← The period before"] == "/console/rankings/model?at=2026-W07"
    before = (await own.get("/console/rankings/model?at=2026-W07")).text
    assert [row[1] for row in rows(before)] == ["acme/small"]
    assert links(before)["→ The period after"] == "/console/rankings/model?at=2026-W08"
    assert links(before)["Latest"] == "/console/rankings/model"
    assert links(before)["Month"] == "/console/rankings/model?unit=month&at=2026-02"
    none = await own.get("/console/rankings/model?at=2026-W01")
    assert none.status_code == 200 and "Nothing in this period" in words(none.text)
    running = (await own.get("/console/rankings/model?at=2026-W09")).text
    assert "still running" in words(running) and "→ The period after" not in links(running)


async def test_what_can_not_be_asked_is_told_on_the_page(own: Browser) -> None:
    await own.sign_in()
    for query, told in (
        ("at=nonsense", "'nonsense' is no week"),
        ("timezone=Atlantis", "time zone 'Atlantis' is not known"),
        ("source=nowhere", "no source of that name"),
        ("user=ann", "can't be narrowed by user"),
    ):
        for path in ("/console/rankings/model", "/console/rankings"):
            if path.endswith("rankings") and query == "user=ann":
                continue  # the overview has no filters
            answer = await own.get(f"{path}?{query}")
            assert answer.status_code == 400 and told in words(answer.text), query
            assert 'id="f-at"' in answer.text  # the form is there to correct it
    swapped = await own.get("/console/rankings/model?at=nonsense", headers={"hx-request": "true"})
    assert swapped.status_code == 200  # else htmx would not show it
    assert (await own.get("/console/rankings/nothing")).status_code == 404
    assert (await own.get("/console/rankings/app/chart?source=nowhere")).status_code == 400
    assert (await own.get("/console/rankings/key/chart")).status_code == 404


async def test_private_traffic_can_be_left_out(own: Browser) -> None:
    await own.sign_in()
    assert "z-ai/glm-5" in words((await own.get("/console/rankings/model")).text)
    page = (await own.get("/console/rankings/model?private=exclude")).text
    assert "z-ai/glm-5" not in words(page) and len(rows(page)) == 3
    assert "private=exclude" in links(page)["Authors"]


async def test_beyond_the_top_there_are_others(own: Browser) -> None:
    await own.sign_in()
    filled(own, [record(100 + n, model=f"many/m{n:02}") for n in range(12)])
    page = (await own.get("/console/rankings/model?top=10")).text
    told = rows(page)
    assert len(told) == 11 and told[-1][1] == "All others" and told[-1][2] == "6.00K"
    total = page[page.index("<tfoot") : page.index("</tfoot>")]
    assert "Total" in total and "19.0K" in total


async def test_our_own_is_held_against_a_source(own: Browser) -> None:
    own.store.replace_outside("article-week", read(ARTICLE))
    await own.sign_in()
    page = (await own.get("/console/rankings/model?at=2026-W08&against=article-week")).text
    glm = next(row for row in rows(page) if row[1] == "z-ai/glm-5")
    assert glm[3:9] == ["14 %", "–", "new", "10 %", "3", "+3.9"]
    assert "There: article-week, 2026-W08." in words(page)


async def test_tables_are_taken_away_as_files(own: Browser) -> None:
    await own.sign_in()
    page = (await own.get("/console/rankings/model?sort=tokens&at=2026-W08")).text
    found = links(page)
    answer = await own.get(found["CSV"])
    assert answer.headers["content-disposition"] == 'attachment; filename="model-2026-W08.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert lines[-1]["model"] == "acme/large" and lines[-1]["tokens"] == "4000"  # in the page's order
    told = (await own.get(found["JSON"])).json()
    assert told["view"] == "model" and told["rows"][-1]["cost_usd"] == 0.008
    assert (await own.get(found["PARQUET"])).content[:4] == b"PAR1"
    assert (await own.get("/console/rankings/model.exe")).status_code == 404
    assert (await own.get("/console/rankings/model.csv?at=x")).status_code == 400


async def test_the_report_is_a_file_of_its_own(own: Browser) -> None:
    await own.sign_in()
    answer = await own.get("/console/rankings/report?week=2026-W08")
    assert answer.status_code == 200 and "large" in answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="rankings-2026-W08.html"'
    again = await own.get(links((await own.get("/console/rankings")).text)["Report of this period"])
    assert again.text == answer.text


async def test_what_callers_wrote_is_only_text(own: Browser) -> None:
    await own.sign_in()
    for path in ("", "/model", "/app", "/user", "/finish", "/model/chart", "/app/card", "/speed", "/report"):
        page = (await own.get(f"/console/rankings{path}")).text
        assert "<img" not in page.replace('<img src="/console/static/logo', ""), path
    assert HOSTILE in words((await own.get("/console/rankings/app")).text)
    query = {"at": HOSTILE, "timezone": HOSTILE, "model": HOSTILE, "source": HOSTILE, "sort": HOSTILE}
    for path in ("", "/model"):
        for name, value in query.items():
            page = (await own.get(f"/console/rankings{path}", params={name: value})).text
            assert "<img" not in page.replace('<img src="/console/static/logo', "")


@pytest.fixture
def public(own: Browser, opened: Opened) -> Browser:
    """The same store, seen by somebody who is not signed in, where rankings are public."""
    return opened(now_us=lambda: NOW_US, rankings=RankingsSettings(public=True))


async def test_public_rankings_need_no_key_and_show_neither_money_nor_people(public: Browser) -> None:
    page = (await public.get("/console/rankings")).text
    assert "acme/large" in words(page) and "Import" not in words(page)
    assert "Sign in" in page and "/console/keys" not in page and "/console/activity" not in page
    for view, each in VIEWS.items():
        open_to_all = each.audience == "anyone"
        for part in ("", ".csv", ".json", ".parquet", "/card", "/chart"):
            answer = await public.get(f"/console/rankings/{view}{part}?private=include&top=100")
            if not open_to_all:
                assert answer.status_code == 303, (view, part)
                assert answer.headers["location"].startswith("/console/sign-in")
                continue
            assert answer.status_code in ((200, 404) if part == "/chart" else (200,)), (view, part)
            if part != ".parquet":
                assert "cost_usd" not in answer.text and "glm-5" not in answer.text, (view, part)
                assert "$" not in words(answer.text) if part in ("", "/card", "/chart") else True
                assert f"/rankings/{'key'}" not in answer.text and "/rankings/user" not in answer.text


async def test_public_rankings_tell_nothing_of_persons_to_who_guesses(public: Browser) -> None:
    for query in ("key=root", f"key={public.key_id}", "team=x", "user=ann"):
        for path in ("model", "model.csv", "model.json", "model/card", "model/chart"):
            assert (await public.get(f"/console/rankings/{path}?{query}")).status_code == 303, (path, query)
    sorted_by_money = await public.get("/console/rankings/model?sort=cost_usd")
    assert sorted_by_money.status_code == 200 and rows(sorted_by_money.text)[0][1] == "acme/large"
    assert (await public.get("/console/rankings/import")).status_code == 303
    assert (await public.post("/console/rankings/import", data={"source": "x"})).status_code == 303
    assert (await public.post("/console/rankings/forget", data={"source": "x"})).status_code == 303
    assert "glm-5" not in (await public.get("/console/rankings/report")).text


async def test_else_everything_needs_signing_in(own: Browser) -> None:
    for path in ("", "/model", "/model.csv", "/model/chart", "/model/card", "/report", "/import"):
        answer = await own.get(f"/console/rankings{path}")
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in"), path


async def test_with_nothing_yet_the_next_step_is_told(browser: Browser) -> None:
    for path in ("", "/model"):
        text = words((await browser.get(f"/console/rankings{path}")).text)
        assert 'tokenworks chat --once "Hello"' in text
        assert "tokenworks rankings import examples/article-week.csv" in text
    browser.store.replace_outside("article-week", read(ARTICLE))
    page = (await browser.get("/console/rankings")).text
    assert links(page)["article-week"] == "/console/rankings?source=article-week"
    assert "8.70T" in (await browser.get(links(page)["article-week"])).text
