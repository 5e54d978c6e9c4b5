"""The list of requests, the page of one, and the file of them."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import msgspec
import pytest

from tokenworks.gateway.capture import Offered, row
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Decided
from tokenworks.ledger.feedback import FeedbackRow
from tokenworks.ledger.record import Record
from tokenworks.routing import decision

START_US = 1_790_000_000_000_000
HOSTILE = "<script>alert('x')</script>"
ROW = re.compile(r'href="/console/activity/(gen-[^"]+)"')


def record(number: int, **more: Any) -> Record:
    """One a second, all different."""
    time_us = START_US + number * 1_000_000
    given = {"app": "app", "model": "acme/fast", "requested_model": "acme/fast", "provider": "acme"}
    given |= {"status": 200, "outcome": "ok", "attempts": 1, "kind": "chat"}
    return Record(f"gen-{time_us // 1_000_000}-{number:06x}", time_us, **(given | more))


@pytest.fixture
async def site(opened: Any) -> Any:
    """Signed in, an hour after the first request."""
    browser = opened(now_us=lambda: START_US + 3_600_000_000)
    assert (await browser.sign_in()).status_code == 303
    return browser


async def shown(browser: Any, query: str = "") -> str:
    answer = await browser.get(f"/console/activity{query}")
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


async def ids(browser: Any, query: str = "") -> list[str]:
    return ROW.findall(await shown(browser, query))


async def test_nobody_reads_requests_without_signing_in(opened: Any) -> None:
    browser = opened()
    browser.store.append("w", 1, [record(1)])
    for path in ("activity", "activity.csv", f"activity/{record(1).id}"):
        answer = await browser.get(f"/console/{path}")
        assert (answer.status_code, record(1).id in answer.text) == (303, False)


async def test_an_empty_ledger_tells_the_next_step(site: Any) -> None:
    text = await shown(site)
    assert "No requests yet." in text and "tokenworks chat --once" in text
    site.store.append("w", 1, [record(1)])
    text = await shown(site, "?app=other")
    assert "No request fits." in text and "tokenworks chat" not in text


async def test_pages_meet_every_request_once_newest_first(site: Any) -> None:
    records = [record(number) for number in range(130)]
    for each in records[20:40]:  # of one moment: the id decides
        each.time_us = records[20].time_us
    site.store.append("w", 1, records)
    found: list[str] = []
    query = ""
    for _ in range(9):
        text = await shown(site, query)
        found += ROW.findall(text)
        older = re.search(r'rel="next" href="/console/activity([^"]*)"', text)
        if older is None:
            break
        query = html.unescape(older[1])
    order = sorted(((each.time_us, each.id) for each in records), reverse=True)
    assert found == [name for _, name in order]
    assert 'rel="prev"' in text and 'rel="prev"' not in await shown(site)


FILTERS = [
    ("app=other", {"app": "other"}),
    ("model=acme/slow", {"model": "acme/slow"}),
    ("provider=beta", {"provider": "beta"}),
    ("outcome=timeout", {"outcome": "timeout", "status": 504}),
    ("kind=embeddings", {"kind": "embeddings"}),
    ("session=s1", {"session": "s1"}),
    ("user=u1", {"user": "u1"}),
    ("key=ops", {"key_id": "ops"}),
]


async def test_filters_narrow(site: Any) -> None:
    key_id, _ = site.new_key("ops")
    narrowed = [fields if "key_id" not in fields else {"key_id": key_id} for _, fields in FILTERS]
    records = [record(number, **fields) for number, fields in enumerate(narrowed)]
    site.store.append("w", 1, [*records, record(99)])
    for (query, _), each in zip(FILTERS, records, strict=True):
        assert await ids(site, f"?{query}") == [each.id], query
    assert await ids(site, f"?key={key_id}&app=other") == []
    assert len(await ids(site)) == len(records) + 1


async def test_time_narrows(site: Any) -> None:
    site.store.append("w", 1, [record(-90_000), record(0), record(3000)])
    assert await ids(site, "?span=1h") == [record(3000).id, record(0).id]
    assert len(await ids(site, "?span=all")) == 3
    since = "2026-09-21T14%3A13"  # 13 minutes and 20 seconds of that hour is where it starts
    assert await ids(site, f"?since={since}&until=2026-09-21T14%3A14") == [record(0).id]
    text = await shown(site, "?since=yesterday&span=nothing")
    assert "left out: since, span" in text


async def test_an_id_leads_to_its_request(site: Any) -> None:
    site.store.append("w", 1, [record(1)])
    answer = await site.get(f"/console/activity?id={record(1).id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/activity/{record(1).id}")
    answer = await site.get(f"/console/activity?id={record(1).id}", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, f"/console/activity/{record(1).id}")
    answer = await site.get("/console/activity?id=gen-1-none")
    assert answer.status_code == 200 and "gen-1-none" in answer.text and "No such request" in answer.text
    assert (await site.get("/console/activity/gen-1-none")).status_code == 404


async def test_what_callers_write_is_inert(site: Any) -> None:
    names = ("app", "session", "user", "requested_model", "model", "provider", "finish_reason", "reasons")
    hostile = record(1, **dict.fromkeys(names, HOSTILE), kind=HOSTILE, outcome=HOSTILE, price_id=HOSTILE)
    site.store.append("w", 1, [hostile])
    site.store.put_feedback(FeedbackRow(hostile.id, 1, "k", HOSTILE, "", 0.5, HOSTILE, HOSTILE))
    pages = [await shown(site, f"?app={html.escape(HOSTILE)}&q=<b>"), await shown(site)]
    pages.append((await site.get(f"/console/activity/{hostile.id}")).text)
    for text in pages:
        assert HOSTILE not in text and "<b>" not in text
    assert html.escape(HOSTILE, quote=False) in pages[1].replace("&#39;", "'")


async def test_a_request_is_told_in_full(site: Any) -> None:
    one = record(
        *(7,),
        **{"uncached_input_tokens": 1200, "cache_read_tokens": 300, "output_tokens": 50, "stream": True},
        **{"reasons": "acme:429 beta:timeout", "attempts": 3, "cost_nano_usd": 2_500_000, "ttft_us": 250_000},
        **{"latency_us": 1_250_000, "tool_calls": 2, "requested_model": "best", "estimated": True},
    )
    site.store.append("w", 1, [one])
    text = (await site.get(f"/console/activity/{one.id}")).text
    for words in ("1,200", "300", "$0.0025", "250 ms", "1.25 s", "429", "timeout", "best", "Estimated here"):
        assert words in text, words
    attempts = re.search(r'<ol class="attempts">(.*?)</ol>', text, re.DOTALL)
    assert attempts is not None and attempts[1].count("<li>") == 3 and "good" in attempts[1]
    assert "Texts are not kept" in text and "[routing.auto]" in text
    text = await shown(site)
    assert "3 tries" in text and re.search(r"best\s*<span[^>]*>→", text)


async def test_a_decision_is_explained(site: Any) -> None:
    story = decision.Decision(
        *("code", "cascade", "acme/strong", "two agree"),
        (
            decision.Candidate("acme/fast", 0.61, 0.0001, 4.0, 0.9),
            decision.Candidate("acme/strong", 0.9, 0.01),
        ),
        (decision.Step("acme/fast", "gen-1-a", "doubted", 0.0002, 0.6, ("refusal",), None, "it declines"),),
        served="acme/strong",
        quality=0.95,
    )
    made = Decided(
        *("code", "cascade", "acme/strong", 0.9, 10_200_000, 30_000_000), detail=decision.encode(story)
    )
    old = msgspec.structs.replace(made, detail=b"of a version before")
    site.store.append(
        "w", 1, [record(1, decision=decided.encode(made)), record(2, decision=decided.encode(old))]
    )
    text = (await site.get(f"/console/activity/{record(1).id}")).text
    for words in ("two agree", "61.0 %", "refusal", "it declines", "$0.0102", "$0.03", "$0.0198", "66 %"):
        assert words in text, words
    assert 'href="/console/activity/gen-1-a"' in text
    text = (await site.get(f"/console/activity/{record(2).id}")).text
    assert "Another version of Tokenworks" in text and "acme/strong" in text


def offered(one: Record, prompt: str, answer: str) -> Offered:
    fields = {"messages": msgspec.json.encode([{"role": "user", "content": prompt}])}
    return Offered(
        *(one.id, one.time_us, "k", "acme/fast", "acme", "code", 0.5, "key", "openai_chat"),
        *(fields, answer, "stop", {}, 10),
    )


async def test_texts_are_shown_where_they_were_kept_only(site: Any) -> None:
    one, other = record(1), record(2)
    other.time_us = one.time_us
    site.store.append("w", 1, [one, other])
    site.store.keep_capture(row(offered(one, f"Say {HOSTILE} to bob@example.com", "Paris it is"), 10**13))
    text = (await site.get(f"/console/activity/{one.id}")).text
    assert "Paris it is" in text and HOSTILE not in text and "&lt;script&gt;" in text
    assert "bob@example.com" not in text and "1 place was replaced" in text
    text = (await site.get(f"/console/activity/{other.id}")).text
    assert "Paris" not in text and "Texts are not kept" in text


async def test_the_file_has_what_the_filters_let_in(site: Any) -> None:
    key_id, _ = site.new_key("ops")
    records = [
        record(number, app="even" if number % 2 == 0 else "odd", key_id=key_id) for number in range(1100)
    ]
    records[4].user, records[6].session = '=HYPERLINK("http://x")', "@SUM(1)"
    site.store.append("w", 1, records)
    answer = await site.get("/console/activity.csv?app=even")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="activity.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [each["id"] for each in rows] == [each.id for each in reversed(records) if each.app == "even"]
    told = {each["id"]: each for each in rows}[records[4].id]
    assert (told["key"], told["time"]) == ("ops", "2026-09-21T14:13:24.000Z")
    assert told["user"] == '\'=HYPERLINK("http://x")'
    assert {each["id"]: each for each in rows}[records[6].id]["session"] == "'@SUM(1)"


async def test_it_is_said_in_chinese_too(site: Any) -> None:
    site.store.append("w", 1, [record(1)])
    zh = {"accept-language": "zh"}
    assert "请求记录" in (await site.get("/console/activity", headers=zh)).text
    assert "尝试过程" in (await site.get(f"/console/activity/{record(1).id}", headers=zh)).text
