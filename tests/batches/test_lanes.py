"""How a batch is cut into groups, and what a recipe's request looks like; what they do is in test_jobs.py."""

from __future__ import annotations

import msgspec
import pytest
from batching import asked_for, batch_row, handed_in, over, until
from serving import chat

from tokenworks.batches import lanes
from tokenworks.batches.kept import outcome_of
from tokenworks.batches.lanes import GROUPS, LEAST, group_size, request_of
from tokenworks.batches.recipes.recipe import Ask
from tokenworks.ledger.batched import PartRow
from tokenworks.providers.scripted import Fault, Reply, Script, When


@pytest.mark.parametrize("total", [1, LEAST, LEAST * GROUPS, LEAST * GROUPS + 1, 10_000, 50_000])
def test_groups_hold_all_and_are_neither_many_nor_tiny(total: int) -> None:
    size = group_size(total)
    groups = -(-total // size)
    assert groups <= GROUPS and size >= LEAST and groups * size >= total


def test_a_request_says_what_the_recipe_asks() -> None:
    plain = msgspec.json.decode(request_of(Ask(({"role": "user", "content": "x"},)), "m"))
    assert plain == {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    ask = Ask(({"role": "user", "content": "x"},), max_tokens=5, temperature=0.0, schema={"type": "object"})
    whole = msgspec.json.decode(request_of(ask, "m"))
    assert whole["max_tokens"] == 5 and whole["temperature"] == 0.0
    assert whole["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_pages_and_groups_meet_without_a_gap(floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """More parts in a group than are read at once."""
    monkeypatch.setattr(lanes, "PAGE", 5)
    count = 300
    batch = batch_row()
    floor.store.add_batch(batch)
    body = msgspec.json.encode(chat("x"))
    floor.store.add_parts(batch.id, [PartRow(batch.id, n, f"p{n}", request=body) for n in range(count)])
    row = until(floor.store, batch.id, over)
    assert (row.done, row.failed) == (count, 0)
    calls = asked_for(floor.provider)
    assert len(calls) == len(set(calls)) == count


def test_what_one_model_gets_wrong_a_stronger_one_is_asked_for(floor) -> None:
    floor.provider.play(Script(reply=(Reply(text="always try 0"),)))
    options = b'{"stronger_model":"acme/strong"}'
    batch = handed_in(floor.store, {"a.txt": "a bad line"}, options=options, model="acme/fast")
    row = until(floor.store, batch.id, over)
    (part,) = floor.store.parts(batch.id)
    assert [request.model for request in floor.provider.requests] == ["acme/fast"] * 2 + ["acme/strong"] * 2
    assert (part.status, part.tries, row.done) == ("done", 4, 1), "the last one is kept, flagged"
    result = msgspec.json.decode(part.result)
    assert result["checked"]["problems"] == ["it is bad"] and len(result["tries"]) == 3
    assert part.output_tokens == row.output_tokens == 4 * 3, "every answer counts"


def test_the_least_bad_try_is_kept(floor) -> None:
    said = [Reply(when=When(nth=1), text=f"faults: {count}") for count in (3, 1, 2, 2)]  # one after the other
    floor.provider.play(Script(reply=tuple(said)))
    options = b'{"stronger_model":"acme/strong"}'
    batch = handed_in(floor.store, {"a.txt": "one"}, options=options, model="acme/fast")
    until(floor.store, batch.id, over)
    (part,) = floor.store.parts(batch.id)
    outcome = outcome_of(part)
    assert outcome.checked is not None and outcome.checked.value["text"] == "faults: 1"
    assert [len(each.problems) for each in outcome.tries] == [3, 2, 2] and part.tries == 4


def test_for_auto_the_stronger_one_is_a_matter_of_quality(floor) -> None:
    floor.provider.play(Script(reply=(Reply(text="always try 0"),)))
    batch = handed_in(floor.store, {"a.txt": "a bad line"}, model="auto")
    until(floor.store, batch.id, over)
    asked = [request.headers.get("x-tokenworks-quality") for request in floor.provider.requests]
    assert asked == [None, None, "1", "1"]
    floor.provider.reset()
    alone = handed_in(floor.store, {"a.txt": "a bad line"}, model="acme/fast")
    until(floor.store, alone.id, over)
    assert len(floor.provider.requests) == 2, "no stronger one is named"


def test_an_answer_that_is_none_fails_its_part_alone(floor) -> None:
    odd = Reply(when=When(says="two"), fault=Fault(kind="status", status=200, body='{"choices":[]}'))
    floor.provider.play(Script(reply=(odd,)))
    batch = handed_in(floor.store, {"a.txt": "one\ntwo\nthree"})
    row = until(floor.store, batch.id, over)
    assert (row.status, row.done, row.failed) == ("completed", 2, 1)
    failed = msgspec.json.decode(floor.store.parts(batch.id)[1].result)
    assert failed["error"] == "the answer has no choice"
    said = floor.provider.requests[-1].body["messages"][0]["content"]
    assert said == "three after 1 try 0", "what was never answered taught nothing"
