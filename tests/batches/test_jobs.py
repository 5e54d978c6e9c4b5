"""Batches from their beginning to their end, by a worker in this process."""

from __future__ import annotations

import time

import msgspec
from batching import asked_for, batch_row, file_row, handed_in, lines_of, over, submitted, until

from tokenworks.batches import standing
from tokenworks.batches.control import act
from tokenworks.batches.forecast import forecast
from tokenworks.batches.hours import WAITS
from tokenworks.batches.kept import kept
from tokenworks.batches.outputs import outputs
from tokenworks.batches.timing import Timing
from tokenworks.ledger.batched import SHORT_OF_MONEY
from tokenworks.plans import passes
from tokenworks.providers.scripted import Fault, Reply, Script, When

NO_MONEY = Fault(kind="status", status=402, message="the budget is used up")
SLOW = Script(reply=(Reply(first_byte_delay_s=0.05),))


def now_us() -> int:
    return time.time_ns() // 1000


def test_requests_are_answered_each_in_its_line(floor) -> None:
    batch = submitted(floor.store, 40, metadata=b'{"app":"mine"}')
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.failed, row.note) == ("completed", 40, 0, "")
    assert row.output_tokens == 160 and row.error_file_id == ""
    lines = lines_of(floor.store, row.output_file_id)
    assert [line["custom_id"] for line in lines] == [f"p{n}" for n in range(40)]
    assert lines[7]["response"]["body"]["choices"][0]["message"]["content"] == "You said: nr 7"
    file = floor.store.file(row.output_file_id)
    assert (file.key_id, file.purpose, file.done) == ("k_1", "batch_output", True)
    assert file.expires_us > now_us() + 29 * 86_400_000_000
    headers = floor.provider.requests[0].headers
    assert headers["x-session-id"] == batch.id and headers["x-title"] == "mine"
    found = passes.read(bytes(range(32)), headers["authorization"][7:].encode(), now_us())
    assert found is not None and (found.key_id, found.batch_id) == ("k_1", batch.id)


def test_lines_that_are_wrong_fail_alone(floor) -> None:
    good = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}'
    file = file_row()
    floor.store.add_file(file)
    floor.store.append_file(file.id, 0, f"{good}\nnonsense\n".encode())
    floor.store.finish_file(file.id, 100)
    batch = batch_row(status="validating", input_files=(file.id,))
    floor.store.add_batch(batch)
    row = until(floor.store, batch.id, over)
    assert (row.status, row.total, row.done, row.failed) == ("completed", 2, 1, 1)
    (wrong,) = lines_of(floor.store, row.error_file_id)
    assert "line 2" in wrong["error"]["message"]


def test_an_error_is_the_answer_and_a_passing_one_is_not(floor) -> None:
    floor.provider.play(
        Script(
            reply=(
                Reply(when=When(says="nr 1", nth=(1, 2)), fault=Fault(kind="status", status=503)),
                Reply(
                    when=When(says="nr 2"), fault=Fault(kind="status", status=400, message="no such thing")
                ),
                Reply(when=When(says="nr 3"), fault=Fault(kind="status", status=500)),
                Reply(when=When(says="nr 4", nth=1), fault=Fault(kind="status", status=429, retry_after_s=0)),
                Reply(when=When(says="nr 5", nth=1), fault=Fault(kind="close")),
            )
        )
    )
    batch = submitted(floor.store, 6)
    row = until(floor.store, batch.id, over)
    assert (row.done, row.failed) == (4, 2)
    tries = {part.seq: part.tries for part in floor.store.parts(batch.id)}
    assert tries == {0: 1, 1: 3, 2: 1, 3: 5, 4: 1, 5: 2}
    lines = lines_of(floor.store, row.error_file_id)
    assert [(line["custom_id"], line["response"]["status_code"]) for line in lines] == [
        ("p2", 400),
        ("p3", 500),
    ]
    again = floor.store.retry_batch(batch.id, expires_us=now_us() + 10**9)
    assert again is not None and again.waiting == 2
    floor.provider.play(None)
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.failed, row.error_file_id) == ("completed", 6, 0, "")
    assert len(lines_of(floor.store, row.output_file_id)) == 6


def test_without_money_it_waits_and_goes_on_by_itself(floor) -> None:
    floor.provider.play(Script(reply=(Reply(when=When(nth=tuple(range(12, 40))), fault=NO_MONEY),)))
    batch = submitted(floor.store, 30)
    row = until(floor.store, batch.id, lambda row: row.status == "paused")
    assert row.note == f"{SHORT_OF_MONEY}the budget is used up" and row.failed == 0
    floor.provider.play(None)
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.failed, row.note) == ("completed", 30, 0, "")
    assert row.run >= 2 and floor.store.batch(batch.id) == row


def test_paused_by_hand_it_waits_to_be_resumed(floor) -> None:
    floor.provider.play(SLOW)
    batch = submitted(floor.store, 100)
    until(floor.store, batch.id, lambda row: row.done >= 10)
    floor.store.update_batch(batch.id, expected=("in_progress",), status="paused", note="paused by hand")
    time.sleep(0.4)
    seen = len(floor.provider.requests)
    time.sleep(0.4)
    assert len(floor.provider.requests) == seen < 100, "nothing more is asked, and it stays so"
    row = floor.store.batch(batch.id)
    assert row is not None and row.done == seen, "what was under way is kept"
    floor.store.run_again(batch.id)
    row = until(floor.store, batch.id, over)
    assert row.done == 100 and len(asked_for(floor.provider)) == len(set(asked_for(floor.provider))) == 100


def test_cancelled_it_keeps_what_it_has_and_says_what_is_missing(floor) -> None:
    floor.provider.play(SLOW)
    batch = submitted(floor.store, 100)
    until(floor.store, batch.id, lambda row: row.done >= 10)
    floor.store.update_batch(batch.id, expected=("in_progress",), status="cancelling")
    row = until(floor.store, batch.id, over)
    assert row.status == "cancelled" and 10 <= row.done < 100
    assert len(lines_of(floor.store, row.output_file_id)) == row.done == len(floor.provider.requests)
    missing = lines_of(floor.store, row.error_file_id)
    assert len(missing) == 100 - row.done and {m["error"]["code"] for m in missing} == {"batch_cancelled"}


def test_one_that_is_paused_can_be_cancelled(floor) -> None:
    batch = submitted(floor.store, 3, status="paused", note="paused by hand")
    time.sleep(0.2)
    floor.store.update_batch(batch.id, expected=("paused",), status="cancelling")
    assert until(floor.store, batch.id, over).status == "cancelled"
    assert floor.provider.requests == []


def test_when_its_time_is_over_it_expires(floor) -> None:
    floor.provider.play(SLOW)
    batch = submitted(floor.store, 200, expires_us=now_us() + 700_000)
    row = until(floor.store, batch.id, over)
    assert row.status == "expired" and 0 < row.done < 200 and row.failed == 0
    missing = lines_of(floor.store, row.error_file_id)
    assert {m["error"]["code"] for m in missing} == {"batch_expired"} and len(missing) == 200 - row.done


def test_one_that_is_paused_expires_too(floor) -> None:
    batch = submitted(floor.store, 3, status="paused", note="paused by hand", expires_us=now_us() + 300_000)
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done) == ("expired", 0) and floor.provider.requests == []


def test_what_one_key_may_not_do_any_more_another_one_may(floor) -> None:
    limited = Fault(kind="status", status=429, retry_after_s=60)
    floor.provider.play(Script(reply=(Reply(when=When(says="mine"), fault=limited),)))
    mine = submitted(floor.store, 5, texts="mine {}", key_id="k_limited")
    other = submitted(floor.store, 5, key_id="k_2")
    assert until(floor.store, other.id, over).done == 5
    floor.store.update_batch(mine.id, status="cancelling")
    row = until(floor.store, mine.id, over, timeout_s=10)
    assert (row.status, row.done) == ("cancelled", 0), "it does not rest for a minute first"


def test_it_stops_at_the_cost_that_is_allowed(floor) -> None:
    dear = Reply(
        usage_raw={"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25}, first_byte_delay_s=0.01
    )
    floor.provider.play(Script(reply=(dear,)))
    batch = submitted(floor.store, 60, max_cost_nano_usd=5_000_000_000)
    row = until(floor.store, batch.id, lambda row: row.status == "paused")
    assert "$5" in row.note and not row.note.startswith(SHORT_OF_MONEY)
    time.sleep(0.3)
    row = floor.store.batch(batch.id)
    assert row is not None and 20 <= row.done < 20 + 8, "no more than what was under way"


def test_it_is_not_begun_before_its_hour(floor) -> None:
    batch = submitted(floor.store, 2, not_before_us=now_us() + 500_000)
    later = submitted(floor.store, 2, not_before_us=now_us() + 10**10)
    waits = until(floor.store, batch.id, lambda row: row.note.startswith(WAITS))
    assert "time that it was ordered for" in waits.note
    row = until(floor.store, batch.id, over)
    assert row.finished_us is not None and row.finished_us >= batch.not_before_us
    assert (row.status, row.note) == ("completed", "")
    act(floor.store, later.id, "cancel", actor="k_1")
    assert until(floor.store, later.id, over).status == "cancelled", "it need not begin to be ended"


def elsewhen() -> bytes:
    """Cheap hours that begin in twelve."""
    minute = (now_us() // 60_000_000 + 720) % 1440
    return msgspec.json.encode({"off_peak": f"{minute}-{minute + 60} me/owl"})


def test_it_waits_for_a_cheap_hour_unless_its_deadline_comes_first(floor) -> None:
    waiting = submitted(floor.store, 2, "cheap {}", options=elsewhen())
    urgent = submitted(floor.store, 2, options=elsewhen(), expires_us=now_us() + 60_000_000)
    assert until(floor.store, urgent.id, over).status == "completed"
    row = until(floor.store, waiting.id, lambda row: row.note.startswith(WAITS))
    assert row.status == "in_progress" and "off-peak price of me/owl, from " in row.note
    assert forecast(row, now_us()).left_s is None
    assert not [r for r in floor.provider.requests if b"cheap" in r.raw]
    act(floor.store, waiting.id, "cancel", actor="k_1")
    assert until(floor.store, waiting.id, over).status == "cancelled"


def test_when_the_cheap_hour_ends_it_stops_and_goes_on_with_the_next(floor, monkeypatch) -> None:
    floor.provider.play(SLOW)
    hour = {"opens_us": None}
    monkeypatch.setattr(
        standing,
        "waits_until",
        lambda row, *_: hour["opens_us"] if row.status == "in_progress" and row.waiting else None,
    )
    batch = submitted(floor.store, 60, options=elsewhen())
    until(floor.store, batch.id, lambda row: row.done >= 10)
    hour["opens_us"] = now_us() + 10**10
    row = until(floor.store, batch.id, lambda row: row.note.startswith(WAITS))
    assert row.status == "in_progress" and row.done < 60
    until(floor.store, batch.id, lambda row: floor.worker.asking.under_way == 0)
    asked = len(floor.provider.requests)
    time.sleep(0.3)
    assert len(floor.provider.requests) == asked == floor.store.batch(batch.id).done
    hour["opens_us"] = None
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.note) == ("completed", 60, "") and row.run > 1
    assert len(asked_for(floor.provider)) == 60, "nothing was asked twice"


def test_past_its_deadline_what_is_done_is_delivered_and_the_rest_expires(floor) -> None:
    floor.provider.play(SLOW)
    batch = submitted(floor.store, 200, expires_us=now_us() + 700_000)
    row = until(floor.store, batch.id, over)
    assert row.status == "expired" and 0 < row.done < 200
    assert len(lines_of(floor.store, row.output_file_id)) == row.done
    assert len(lines_of(floor.store, row.error_file_id)) == 200 - row.done


def test_a_recipe_splits_asks_checks_and_merges(floor) -> None:
    files = {"a.txt": "one\ntwo bad\nthree", "b.txt": "four", "empty.txt": ""}
    batch = handed_in(floor.store, files, options=b'{"shout":"yes","stronger_model":"acme/strong"}')
    row = until(floor.store, batch.id, over)
    assert (row.status, row.total, row.done) == ("completed", 4, 4)
    assert row.note == "1 of 3 files were left out; empty.txt: empty"
    made = outputs(floor.store, row)
    assert [(each.name, each.note) for each in made] == [
        ("sub/a.json", "3 lines"),
        ("sub/b.json", "1 lines"),
        ("sub/empty.json", "0 lines"),
    ]
    assert row.output_file_id == made[0].id
    said = [
        each["value"]["text"] for each in msgspec.json.decode(b"".join(floor.store.read_file(made[0].id)))
    ]
    assert said == [
        f"You said: {text}" for text in ("ONE after 0 try 0", "TWO BAD after 1 try 1", "THREE after 2 try 0")
    ]
    assert row.input_tokens == sum(part.input_tokens for part in floor.store.parts(batch.id)) > 0
    assert kept(floor.store, batch.id).shared == {"shout": True}


def test_a_recipe_that_refuses_says_why(floor) -> None:
    batch = handed_in(floor.store, {"a.txt": "one"}, options=b'{"shout":"refuse"}')
    row = until(floor.store, batch.id, over)
    assert (row.status, row.note) == ("failed", "shout must be yes or no")
    gone = batch_row(kind="tiny", status="validating", input_files=("file-none",), endpoint="")
    floor.store.add_batch(gone)
    assert "upload it again" in until(floor.store, gone.id, over).note


def test_a_recipe_that_can_not_be_merged_fails_and_keeps_its_parts(floor) -> None:
    batch = handed_in(floor.store, {"a.txt": "one\nunmergeable"})
    row = until(floor.store, batch.id, over)
    assert row.status == "failed" and row.note == "its results can't be written: OSError: no room"
    assert row.done == 2


def test_a_part_that_can_not_be_asked_is_said_to_be_missing(floor) -> None:
    refused = Reply(when=When(says="one"), fault=Fault(kind="status", status=400, message="not this"))
    floor.provider.play(Script(reply=(refused,)))
    batch = handed_in(floor.store, {"a.txt": "one\ntwo"})
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.failed) == ("completed", 1, 1)
    first, second = msgspec.json.decode(b"".join(floor.store.read_file(row.output_file_id)))
    assert first["problems"] == ["not this"] and second["value"]["text"].endswith("two after 0 try 0")


def test_a_worker_that_could_not_say_that_it_lives_goes_on_when_it_can(floor, monkeypatch) -> None:
    floor.provider.play(SLOW)
    batch = submitted(floor.store, 120)
    until(floor.store, batch.id, lambda row: row.done >= 10)
    monkeypatch.setattr(floor.worker.pulse, "_beaten_at", 0.0)
    monkeypatch.setattr(floor.worker.pulse, "_timing", Timing(dead_s=0.0))
    time.sleep(0.4)
    seen = len(floor.provider.requests)
    time.sleep(0.3)
    assert len(floor.provider.requests) == seen < 120, "others may do its work"
    monkeypatch.undo()
    floor.worker.pulse.beat()
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.run) == ("completed", 120, 1)
    assert len(floor.provider.requests) == 120
