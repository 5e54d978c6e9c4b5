"""The folder says what it holds, and the same selection always gives the same bytes."""

import hashlib
import json
import re

from captured import captured

from tokenworks.routing.study.datacard import CARD, INFO, TEST, TRAIN, folder, summary
from tokenworks.routing.study.distilled import Filters, example, select

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BAD_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}


def selection(*more: dict, filters: Filters = Filters()):  # noqa: B008 (frozen)
    words = [f"w{n * n}" for n in range(60)]
    rows = [captured(n, " ".join(words[2 * n : 2 * n + 12]), redacted={"EMAIL": 2}) for n in range(20)]
    rows += [captured(100 + n, **each) for n, each in enumerate(more)]
    return select([example(row) for row in rows], filters)


def test_the_card_counts_what_is_there_and_what_is_not() -> None:
    found = selection({"finish": "length"}, {"model": "acme/fast"}, {"model": "meta-llama/llama-4-scout"})
    files = folder(found, Filters(), "messages")
    assert set(files) == {TRAIN, TEST, INFO, CARD}
    card = files[CARD].decode()
    rows = len(found.train) + len(found.test)
    assert sum(files[name].count(b"\n") for name in (TRAIN, TEST)) == rows == 21
    assert f"{len(found.train)} conversations to train on" in card
    assert "| the answer was cut off | 1 |" in card
    assert "| the teacher's terms are not known | 1 |" in card
    assert "| `microsoft/phi-4` | 20 | MIT | yes |" in card
    assert "begins with 'Llama'" in card, "the condition that comes with it"
    assert "| EMAIL | 40 |" in card
    assert "2026-01-01" in card
    assert "k_1" not in card + files[TRAIN].decode(), "whose requests they were is nobody's business"
    for name, content in files.items():
        if name != CARD:
            assert re.search(
                rf"\| {re.escape(name)} \| [\d,]+ \| {hashlib.sha256(content).hexdigest()} \|", card
            )


def test_the_same_selection_gives_the_same_bytes() -> None:
    assert folder(selection(), Filters(), "messages") == folder(selection(), Filters(), "messages")


def test_what_was_not_enforced_is_said_aloud() -> None:
    loose = Filters(enforce_distillable=False, any_consent=True)
    found = selection({"model": "openai/gpt-4o"}, {"consent": "all"}, filters=loose)
    card = folder(found, loose, "messages")[CARD].decode()
    assert "**the terms of the teachers were not enforced**" in card
    assert re.search(r"`openai/gpt-4o` \| 1 \|.*\*\*no\*\*", card)
    assert "by the operator's setting alone: 1" in card


def test_tools_get_a_file_of_their_own_for_the_trainer_that_can_not_read_the_first() -> None:
    found = selection(
        {"tool_calls": [CALL], "finish": "tool_calls"}, {"tool_calls": [BAD_CALL], "finish": "tool_calls"}
    )
    files = folder(found, Filters(), "messages")
    info = json.loads(files[INFO])
    assert (
        {each["file_name"] for each in info.values()}
        == {"sharegpt_train.jsonl", "sharegpt_test.jsonl"}
        <= set(files)
    )
    first = json.loads(files[TRAIN].splitlines()[0])["messages"]
    assert "tool_calls" in str(first), "readers take the columns from the first rows"
    lines = [json.loads(line) for name in (TRAIN, TEST) for line in files[name].splitlines()]
    assert len(lines) == 22 and all("tools" in line for line in lines)
    alone = folder(found, Filters(), "sharegpt")
    assert set(alone) == {TRAIN, TEST, INFO, CARD}
    assert "| calls that the format can't say | 1 |" in alone[CARD].decode()
    assert sum(alone[name].count(b"\n") for name in (TRAIN, TEST)) == 21


def test_the_summary_says_the_same() -> None:
    found = selection({"finish": "length"})
    told = summary(found)
    assert told["seen"] == 21
    assert told["train"] + told["test"] == sum(told["teachers"].values()) == sum(told["tasks"].values()) == 20
    assert told["dropped"] == {"the answer was cut off": 1}
