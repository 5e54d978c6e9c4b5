"""The page of batches: work in bulk, and what waits until its plan has room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batching import batch_row
from fresh_store import fresh_store
from queueing import queued_row

from tokenworks.console.batches import queueing
from tokenworks.ledger.limit_rows import PlanRow

MOST = (1000, 1 << 20)


def wait(browser: Any, key_id: str, **more: Any) -> str:
    row = queued_row(key_id, **more)
    assert browser.store.enqueue(row, *MOST)
    return row.id


async def test_nobody_sees_the_queue_without_signing_in(opened: Any) -> None:
    assert (await opened().get("/console/batches")).status_code == 303


async def test_empty_it_says_what_to_do(browser: Any) -> None:
    text = (await browser.get("/console/batches")).text
    assert "tokenworks batch run translate" in text
    assert "--used-up queue" in text
    assert "<tbody" not in text
    browser.store.put_plan(PlanRow("my plan", '{"name":"my plan","used_up":"queue"}', 1, 1))
    text = (await browser.get("/console/batches")).text
    assert "tokenworks plan assign &#39;my plan&#39; --key KEY" in text


async def test_requests_are_listed_without_what_was_asked(browser: Any) -> None:
    key_id, _ = browser.new_key("<b>ci")
    queued_id = wait(browser, key_id, model="acme/<i>", body=b'{"messages":"a secret prompt"}')
    text = (await browser.get("/console/batches")).text
    for each in (queued_id, "acme/&lt;i&gt;", "&lt;b&gt;ci", "/v1/chat/completions", "Waiting"):
        assert each in text, each
    assert "a secret prompt" not in text
    assert "<i>" not in text


async def test_the_queue_is_counted_filtered_and_sorted(browser: Any) -> None:
    store, ids = browser.store, {}
    for model in ("one", "two", "three"):
        ids[model] = wait(browser, f"k_{model}", model=model, created_us=len(ids) + 1)
    store.claim("w1", 200, 1)
    running = next(each.id for each in store.queued() if each.status == "running")
    assert store.finish(running, "w1", 200, b"{}", 300)

    async def shown(query: str) -> list[str]:
        answer = await browser.get(f"/console/batches{query}")
        assert answer.status_code == 200
        found = [(answer.text.find(f"<code>{each}</code>"), each) for each in ids.values()]
        return [each for at, each in sorted(found) if at >= 0]

    assert await shown("") == list(reversed(ids.values()))
    assert await shown("?sort=created") == list(ids.values())
    assert await shown("?sort=model") == [ids["one"], ids["three"], ids["two"]]
    assert await shown("?status=done") == [running]
    assert await shown("?q=THREE") == [ids["three"]]
    assert await shown("?q=none") == []
    text = (await browser.get("/console/batches")).text
    assert "Waiting 2" in text
    assert "Done 1" in text


async def test_one_that_waits_is_cancelled_and_that_is_noted(browser: Any) -> None:
    key_id, _ = browser.new_key("ci")
    queued_id = wait(browser, key_id)
    answer = await browser.send_form("/console/batches/cancel", id=queued_id)
    assert answer.headers["location"] == "/console/batches?notice=batches.notice_cancelled"
    assert browser.store.queued_one(queued_id).status == "cancelled"
    (entry,) = browser.store.audit(target=queued_id)
    assert (entry.actor, entry.action, entry.detail) == (
        browser.key_id,
        "queued.delete",
        f'{{"key_id":"{key_id}"}}',
    )
    for other in (queued_id, "q_none"):
        answer = await browser.send_form("/console/batches/cancel", id=other)
        assert answer.headers["location"].endswith("notice_over")


async def test_nothing_is_cancelled_without_the_sessions_token(browser: Any) -> None:
    queued_id = wait(browser, "k_1")
    assert (await browser.post("/console/batches/cancel", data={"id": queued_id})).status_code == 403
    browser.cookies.clear()
    assert (await browser.post("/console/batches/cancel", data={"id": queued_id})).status_code == 303
    assert browser.store.queued_one(queued_id).status == "queued"


def test_plans_that_queue(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'tokenworks.db'}")
    for used_up in ("queue", "stop"):
        store.put_plan(PlanRow(used_up, f'{{"name":"{used_up}","used_up":"{used_up}"}}', 1, 1))
    store.put_plan(PlanRow("odd", '{"of_a_later_version":1}', 1, 1))
    assert queueing(store) == ["queue"]
    store.close()


async def test_it_speaks_chinese(browser: Any) -> None:
    wait(browser, "k_1")
    answer = await browser.get("/console/batches", headers={"accept-language": "zh"})
    assert "等待中" in answer.text


# --- batches


async def test_batches_are_listed_with_how_far_they_are(browser: Any) -> None:
    key_id, _ = browser.new_key("<b>ci")
    for row in (
        batch_row(key_id=key_id, kind="translate", total=10, done=3, failed=1, cost_nano_usd=2_500_000_000),
        batch_row(key_id=key_id, status="paused", note="waits for money: <i>none</i>"),
    ):
        browser.store.add_batch(row)
    text = (await browser.get("/console/batches")).text
    for each in ("translate", "&lt;b&gt;ci", "$2.50", "1 failed", "waits for money: &lt;i&gt;none", "Paused"):
        assert each in text, each
    assert 'value="4" max="10"' in text
    assert "<i>" not in text


async def test_it_is_looked_at_again_only_while_something_runs(browser: Any) -> None:
    browser.store.add_batch(batch_row(status="completed", finished_us=1))
    assert 'hx-trigger="every 5s"' not in (await browser.get("/console/batches")).text
    browser.store.add_batch(batch_row())
    assert 'hx-trigger="every 5s"' in (await browser.get("/console/batches")).text


async def test_the_latest_come_first_twenty_a_page(browser: Any) -> None:
    rows = [batch_row() for _ in range(25)]
    for row in rows:
        browser.store.add_batch(row)
    first = (await browser.get("/console/batches")).text
    assert [f'"/console/batches/{row.id}"' in first for row in rows] == [False] * 5 + [True] * 20
    assert f"after={rows[5].id}" in first
    second = (await browser.get(f"/console/batches?after={rows[5].id}")).text
    assert [f'"/console/batches/{row.id}"' in second for row in rows] == [True] * 5 + [False] * 20
