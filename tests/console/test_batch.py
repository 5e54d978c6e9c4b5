"""The page of one batch: parts, files, and what can be done to it."""

from __future__ import annotations

from typing import Any

import msgspec
from batching import batch_row, file_row, part_rows

from tokenworks.batches.kept import Kept, Made, keep
from tokenworks.console.batch import attachment


def add(browser: Any, failed: int = 0, **fields: Any) -> str:
    row = batch_row(**fields)
    browser.store.add_batch(row)
    parts = part_rows(row.id, 3)
    browser.store.add_parts(row.id, parts)
    result = b'{"error":{"message":"<b>no</b>"}}'
    wrong = [msgspec.structs.replace(part, status="failed", result=result) for part in parts[:failed]]
    browser.store.settle_parts(row.id, wrong)
    return row.id


def made(browser: Any, batch_id: str, body: bytes, name: str) -> str:
    file = file_row(name=name, purpose="batch_output")
    browser.store.add_file(file)
    browser.store.append_file(file.id, 0, body)
    browser.store.finish_file(file.id, len(body))
    keep(browser.store, batch_id, Kept(outputs=(Made(file.id, name, "text/html", "all there"),)))
    return file.id


async def test_what_failed_comes_first(browser: Any) -> None:
    batch_id = add(browser, failed=1)
    text = (await browser.get(f"/console/batches/{batch_id}")).text
    table = text.partition("<tbody>")[2]
    assert ">p0<" in table and ">p1<" not in table
    assert "&lt;b&gt;no" in table and "<b>" not in table
    everything = (await browser.get(f"/console/batches/{batch_id}?status=all")).text
    assert ">p0<" in everything and ">p1<" in everything
    waiting = (await browser.get(f"/console/batches/{batch_id}?status=waiting")).text
    assert ">p0<" not in waiting and ">p1<" in waiting
    none = (await browser.get(f"/console/batches/{batch_id}?status=done")).text
    assert "No such parts" in none


async def test_where_nothing_failed_all_are_shown(browser: Any) -> None:
    text = (await browser.get(f"/console/batches/{add(browser)}")).text
    assert ">p0<" in text and ">p2<" in text and 'hx-trigger="every 3s"' in text
    over = add(browser, status="completed", finished_us=1)
    assert "every 3s" not in (await browser.get(f"/console/batches/{over}")).text


async def test_buttons_do_what_they_say_and_it_is_noted(browser: Any) -> None:
    batch_id = add(browser)
    where = f"/console/batches/{batch_id}"
    answer = await browser.send_form(f"{where}/act", action="pause", back=where)
    assert answer.headers["location"] == f"{where}?notice=batches.notice_pause"
    assert browser.store.batch(batch_id).status == "paused"
    assert "Paused. What is being asked" in (await browser.get(answer.headers["location"])).text
    answer = await browser.send_form(f"{where}/act", action="resume", back="//evil.example/x")
    assert answer.headers["location"] == "/console/?notice=batches.notice_resume"
    assert browser.store.batch(batch_id).status == "in_progress"
    await browser.send_form(f"{where}/act", action="cancel", back="/console/batches")
    assert browser.store.batch(batch_id).status == "cancelling"
    noted = browser.store.audit(limit=3)
    assert {row.actor for row in noted} == {browser.key_id} and len(noted) == 3


async def test_what_can_not_be_done_is_told(browser: Any) -> None:
    batch_id = add(browser, status="completed", finished_us=1)
    answer = await browser.send_form(f"/console/batches/{batch_id}/act", action="pause")
    assert answer.status_code == 400 and "is completed; pause is for" in answer.text
    assert (await browser.send_form(f"/console/batches/{batch_id}/act", action="eat")).status_code == 400
    assert (await browser.send_form("/console/batches/none/act", action="pause")).status_code == 404
    assert (await browser.get("/console/batches/none")).status_code == 404


async def test_files_are_downloaded_never_shown(browser: Any) -> None:
    batch_id = add(browser, kind="translate", status="completed", finished_us=1)
    body = b"<script>alert(1)</script>" * 1000
    file_id = made(browser, batch_id, body, "sub/b\u00fcch\r\n.html")
    text = (await browser.get(f"/console/batches/{batch_id}")).text
    assert f"/console/batches/{batch_id}/files/{file_id}" in text and "all there" in text
    answer = await browser.get(f"/console/batches/{batch_id}/files/{file_id}")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="b_ch__.html"; filename*=')


async def test_only_what_the_batch_has_made_is_handed_out(browser: Any) -> None:
    batch_id, other = (add(browser, kind="translate", status="completed") for _ in range(2))
    file_id = made(browser, other, b"x", "x.txt")
    assert (await browser.get(f"/console/batches/{batch_id}/files/{file_id}")).status_code == 404
    assert (await browser.get(f"/console/batches/none/files/{file_id}")).status_code == 404
    browser.store.remove_file(file_id)
    gone = await browser.get(f"/console/batches/{other}/files/{file_id}")
    assert gone.status_code == 404 and "not kept any more" in gone.text


async def test_the_files_of_a_batch_of_requests(browser: Any) -> None:
    file = file_row(name="batch_1_output.jsonl", purpose="batch_output")
    browser.store.add_file(file)
    browser.store.append_file(file.id, 0, b"{}\n")
    browser.store.finish_file(file.id, 3)
    batch_id = add(browser, status="completed", output_file_id=file.id)
    answer = await browser.get(f"/console/batches/{batch_id}/files/{file.id}")
    assert answer.content == b"{}\n" and "output.jsonl" in answer.headers["content-disposition"]


def test_no_name_breaks_out_of_its_header() -> None:
    assert (
        attachment('a"b\r\nx: y')
        == "attachment; filename=\"a_b__x_ y\"; filename*=UTF-8''a%22b%0D%0Ax%3A%20y"
    )


async def test_it_says_when_it_is_asked(browser: Any) -> None:
    batch_id = add(
        browser,
        options=b'{"off_peak":"990-1470 me/owl"}',
        note="waits for the off-peak price of me/owl, from 2026-11-26 16:30 UTC",
        not_after_us=1_800_000_000_000_000,
    )
    text = (await browser.get(f"/console/batches/{batch_id}")).text
    assert "16:30-00:30 UTC" in text and "waits for the off-peak price" in text and "Deadline" in text
    assert "Deadline" not in (await browser.get(f"/console/batches/{add(browser)}")).text
