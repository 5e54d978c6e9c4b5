import html
from pathlib import Path
from typing import Any

from tokenworks.rankings.importing import read

ARTICLE = Path(__file__).parents[2] / "examples" / "article-week.csv"
Browser = Any  # of conftest


async def test_pasted_lines_are_imported_and_shown(browser: Browser) -> None:
    text = ARTICLE.read_text().replace("\n", "\r\n")  # as browsers send what stands in a form
    answer = await browser.send_form("/console/rankings/import", source="article-week", span="", text=text)
    assert answer.status_code == 303
    page = await browser.get(answer.headers["location"])
    assert "Top ten 8.70T tokens, 61 % from China" in page.text and "Imported." in page.text
    assert browser.store.outside("article-week", 0, 50_000) == sorted(
        read(ARTICLE), key=lambda row: (row.day, row.model)
    ) or len(browser.store.outside("article-week", 0, 50_000)) == len(read(ARTICLE))
    assert browser.store.audit(limit=1)[0].actor == browser.key_id


async def test_days_lead_to_the_overview_by_the_day(browser: Browser) -> None:
    lines = "date,model,tokens\n2026-02-17,acme/one,5B\n2026-02-18,acme/one,6B\n"
    answer = await browser.send_form("/console/rankings/import", source="daily", text=lines)
    assert answer.headers["location"].endswith("unit=day")
    page = (await browser.get(answer.headers["location"])).text
    assert "2026-02-18" in page and "6.00B" in page


async def test_what_is_wrong_is_told_with_line_and_column_and_nothing_is_imported(browser: Browser) -> None:
    lines = "date,model,tokens\r\n2026-W08,acme/one,5B\r\n2026-W08,<b>two</b>,many\r\n"
    answer = await browser.send_form("/console/rankings/import", source="mine", text=lines, span="week")
    assert answer.status_code == 400
    assert "pasted text:3:3 (tokens): &#39;many&#39; is no number of tokens" in answer.text
    assert "<b>" not in answer.text and "&lt;b&gt;two&lt;/b&gt;,many" in answer.text  # to be corrected there
    assert 'value="mine"' in answer.text and '<option value="week" selected>' in answer.text
    assert browser.store.outside_sources() == []
    for fields in (
        {"source": "", "text": lines},
        {"source": "mine", "text": " "},
        {"source": "m" * 65, "text": "x"},
    ):
        assert (await browser.send_form("/console/rankings/import", **fields)).status_code == 400
    assert browser.store.outside_sources() == []


async def test_without_the_session_s_token_nothing_is_done(browser: Browser) -> None:
    browser.store.replace_outside("article-week", read(ARTICLE))
    for path, fields in (
        ("import", {"source": "mine", "text": "date,model,tokens\n2026-W08,a/b,5\n"}),
        ("forget", {"source": "article-week"}),
    ):
        answer = await browser.post(f"/console/rankings/{path}", data={**fields, "csrf": "guessed"})
        assert answer.status_code == 403
    assert [each.source for each in browser.store.outside_sources()] == ["article-week"]


async def test_a_source_is_listed_and_forgotten(browser: Browser) -> None:
    browser.store.replace_outside("article-week", read(ARTICLE))
    page = html.unescape((await browser.get("/console/rankings/import")).text)
    assert "2026-02-09" in page and "2026-02-16" in page and "Forget all of article-week" in page
    answer = await browser.send_form("/console/rankings/forget", source="article-week")
    assert answer.status_code == 303 and browser.store.outside_sources() == []
    assert "The source was forgotten." in (await browser.get(answer.headers["location"])).text
    assert (await browser.send_form("/console/rankings/forget", source="article-week")).status_code == 400
