"""The page of routing: what was saved, how it was decided, and a prompt to try."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any

import pytest

from tokenworks.config.auto import AutoSettings
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, RoutingSettings
from tokenworks.gateway.auto import Auto
from tokenworks.gateway.front import AFFINITIES
from tokenworks.ledger import decided
from tokenworks.ledger.decided import Call, Decided, Outcome
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import DAY_US
from tokenworks.routing import decision
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.difficulty import Difficulty
from tokenworks.routing.health import Health
from tokenworks.routing.learner import Learner
from tokenworks.routing.rules import Rules
from tokenworks.routing.task import TASKS

NOW_US = 1_790_000_000_000_000
HOSTILE = "<script>alert('x')</script>"
SWIFT, STRONG = "alpha/swift-32b", "gamma/strong-opus"
PROVIDER = ProviderSettings(
    wire="openai_chat",
    base_url="http://127.0.0.1:9/v1",  # nobody serves there: nothing may be asked
    allow_private=True,
    models=tuple(
        ProviderModelSettings(id=name, context_length=100_000, input_mtok=price, output_mtok=4 * price)
        for name, price in ((SWIFT, 0.05), (STRONG, 5.0))
    ),
)


@pytest.fixture
async def site(opened: Any) -> Any:
    """Signed in at a works without auto."""
    browser = opened(now_us=lambda: NOW_US, providers={"acme": PROVIDER}, secrets={"acme": "sk"})
    assert (await browser.sign_in()).status_code == 303
    return browser


def switch_on(browser: Any) -> Auto:
    site = browser.site
    site.auto = Auto(
        site.settings.routing.auto,
        Rules((), TASKS),
        site.catalog,
        Health(RoutingSettings()),
        Affinity(AFFINITIES, 600.0),
        Difficulty.load(),
        Learner(site.store),
        time.monotonic,
    )
    auto: Auto = site.auto
    return auto


async def shown(browser: Any) -> str:
    answer = await browser.get("/console/routing")
    assert answer.status_code == 200, answer.text
    text: str = answer.text
    return text


def record(number: int, path: str = "direct", **more: Any) -> Record:
    """A decision: asked was SWIFT for $0.001, STRONG would have cost $0.004."""
    task = more.pop("task", "code")
    told = decision.Decision(
        *(task, path, STRONG, more.pop("why", "cheap enough")),
        (decision.Candidate(SWIFT, 0.6, 0.001, 4.0, 0.9), decision.Candidate(STRONG, 0.8, 0.004)),
        expected_right=0.6,
    )
    made = Decided(
        *(task, path, STRONG, 0.9, 1_000_000, 4_000_000),
        detail=decision.encode(told),
        calls=(Call(SWIFT, 100, 0, 20, 0, 1_000_000),),
        outcomes=(Outcome(SWIFT, 0.75, 1.0),),
    )
    time_us = NOW_US - number * DAY_US // 4
    given: dict[str, Any] = {"model": SWIFT, "outcome": "ok", "decision": decided.encode(made)}
    return Record(f"gen-{time_us // 1_000_000}-{number:06x}", time_us, **(given | more))


async def test_nobody_reads_or_tries_without_signing_in(opened: Any) -> None:
    browser = opened()
    assert (await browser.get("/console/routing")).status_code == 303
    assert (await browser.post("/console/routing", data={"prompt": "hi"})).status_code == 303


async def test_auto_that_is_off_says_how_to_turn_it_on(opened: Any) -> None:
    browser = opened(routing=RoutingSettings(auto=AutoSettings(enabled=False, exclude=("acme/*",))))
    await browser.sign_in()
    text = await shown(browser)
    assert "auto is off" in text and "[routing.auto]" in text and "acme/*" in text
    assert "No request for auto yet." in text and "Nothing learnt yet." in text
    assert "disabled" in re.search(r"<button class=\"primary\"[^>]*>Decide", text)[0]  # type: ignore[index]
    answer = await browser.send_form("/console/routing", prompt="hi")
    assert "auto is off: remove" in html.unescape(answer.text)


async def test_a_prompt_is_tried_and_leaves_nothing(site: Any) -> None:
    auto = switch_on(site)
    draw = auto.draw
    answer = await site.send_form("/console/routing", prompt=f"What is 2+2? {HOSTILE}", quality="0")
    assert answer.status_code == 200
    tried = re.search(r'id="tried".*?<h2>', answer.text, re.DOTALL)
    assert tried is not None and HOSTILE not in answer.text and "&lt;script&gt;" in answer.text
    for words in ("What auto would do now", SWIFT, STRONG, "0 % of the strong", "Would ask", "P(right)"):
        assert words in tried[0], words
    only = await site.send_form("/console/routing", prompt="hi", models="gamma/*", max_cost="1")
    assert f"<dd>{STRONG}</dd>" in only.text and "at most $1.00" in only.text
    assert auto.draw is draw
    assert site.store.latest_decisions(5) == [] and site.store.search(0, 2**62) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": " "}, "write a prompt"),
        ({"prompt": "hi", "quality": "2"}, "quality: write a number from 0 to 1"),
        ({"prompt": "hi", "max_cost": "much"}, "no number"),
        ({"prompt": "hi", "models": "nobody/*"}, "no model is left"),
        ({"prompt": "x" * 200_001}, "characters at most"),
    ],
)
async def test_mistakes_are_told_beside_the_form(site: Any, fields: dict[str, str], words: str) -> None:
    switch_on(site)
    headers = {"hx-request": "true", "x-csrf-token": site.csrf}
    answer = await site.post("/console/routing", data=fields, headers=headers)
    assert answer.status_code == 200 and words in html.unescape(answer.text)
    assert "<html" not in answer.text and answer.text.lstrip().startswith('<div id="tried"')


async def test_a_form_from_elsewhere_is_refused(site: Any) -> None:
    answer = await site.post("/console/routing", data={"prompt": "hi", "csrf": "wrong"})
    assert answer.status_code == 403


async def test_what_was_saved_and_decided_is_told(site: Any) -> None:
    records = [record(number) for number in range(1, 7)] + [record(9, "cascade", task="math")]
    site.store.append("w", 1, [*records, record(20, "shadow")])
    text = await shown(site)
    stats = re.sub(r"<[^>]+>|\s+", " ", text.partition('id="try"')[0])
    assert "Paid $0.008" in " ".join(stats.split()) and "$0.032" in stats and "75.0 %" in stats
    latest = re.findall(r'<a href="/console/activity/(gen-[^"]+)">', text)
    assert latest == [each.id for each in records], "what only teaches is not shown"
    paths = text.partition("Ways taken")[2]
    assert "85.7 %" in paths and "14.3 %" in paths
    data = json.loads(html.unescape(re.search(r'id="spent-data">(.*?)</script>', text)[1]))  # type: ignore[index]
    assert data["labels"][-1] == "2026-09-21" and data["series"][1]["values"][-1] == pytest.approx(0.008)
    assert data["series"][0]["values"][-1] == pytest.approx(0.032)
    learnt = re.sub(r"<[^>]+>", " ", text.partition("What was learnt")[2])
    assert re.search(rf"code\s+{SWIFT}\s+7\s+75\.0 %", learnt)


async def test_the_curve_is_of_what_was_asked(site: Any) -> None:
    site.store.append("w", 1, [record(number) for number in range(1, 4)])
    text = await shown(site)
    table = re.sub(r"<[^>]+>", " ", text.partition("<svg")[2])
    assert re.search(r"quality 0\.7\s+60\.0 %\s+\$0\.001", table)  # 0.6 is 75 % of 0.8
    assert re.search(r"quality 0\.8\s+80\.0 %\s+\$0\.004", table)
    assert re.search(rf"always {SWIFT}\s+60\.0 %", table)
    assert "predictions of the router" in text and 'style="' not in text


async def test_drift_is_told(site: Any) -> None:
    def judged(number: int, day: int, failed: bool) -> Record:
        step = decision.Step(SWIFT, "gen-1-a", "accepted", failed_checks=("refusal",) if failed else ())
        told = decision.Decision("code", "direct", STRONG, "", steps=(step,))
        made = Decided("code", "direct", STRONG, 1.0, 1000, 1000, detail=decision.encode(told))
        time_us = NOW_US - day * DAY_US - (number + 1) * 3_600_000
        return Record(
            f"gen-{time_us // 1_000_000}-{day:02x}{number:04x}", time_us, decision=decided.encode(made)
        )

    old = [judged(number, day, number % 20 == 0) for day in range(3, 20) for number in range(40)]
    site.store.append("w", 1, old)
    assert "Nothing changed that 680 decisions would show" in await shown(site)
    new = [judged(number + 300, 0, number % 2 == 0) for number in range(100)]
    site.store.append("w", 2, new)
    text = re.sub(r"<[^>]+>", " ", await shown(site))
    assert "fares otherwise" in text and re.search(r"code\s+failed checks\s+5\.0 %\s+50\.0 %", text)


async def test_names_are_inert(site: Any) -> None:
    site.store.append(
        "w", 1, [record(1, HOSTILE, model=HOSTILE, why=HOSTILE, task=HOSTILE), record(2, why=HOSTILE)]
    )
    text = await shown(site)
    assert HOSTILE not in text and "&lt;script&gt;" in text


async def test_it_is_said_in_chinese_too(site: Any) -> None:
    switch_on(site)
    site.store.append("w", 1, [record(1)])
    site.cookies["tokenworks_language"] = "zh"
    text = (await site.send_form("/console/routing", prompt="你好")).text
    assert "质量与费用" in text and "auto 现在会怎么做" in text
