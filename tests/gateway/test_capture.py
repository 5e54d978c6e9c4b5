"""Only what was allowed is kept, redacted, off the loop's thread, and never more than there is room for."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wire_answers import scripted_stream, scripted_whole

from tokenworks.errors import BadRequest, StoreError
from tokenworks.gateway import capture
from tokenworks.gateway.capture import DAY_US, MAX_BYTES, Captures, consent, wish
from tokenworks.ledger.captured import CaptureRow
from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.wire.answer import Answer
from tokenworks.wire.conversation import Text, Thinking
from tokenworks.wire.pairs import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from tokenworks.wire.peek import Fields, peek

FOREVER = 2**62


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = open_store(f"sqlite:///{tmp_path / 'captures.db'}")
    one.migrate()
    yield one
    one.close()


def fields(text: str = "hello", **more: Any) -> Fields:
    return peek(json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode())


def offer(
    captures: Captures, number: int = 1, asked: Fields | None = None, answer: Any = "hi", **more: Any
) -> bool:
    given: dict[str, Any] = {"consent": "request", "wire": CHAT} | more
    asked = fields() if asked is None else asked
    args = (f"gen-{number}", number, "k_1", "acme/fast", "chat", 0.97, asked, given.pop("wire"), answer)
    return captures.offer(*args, **given)


def kept(store: Store) -> list[CaptureRow]:
    return store.captures(0, FOREVER)


def body(row: CaptureRow) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(row.body))
    return found


@pytest.mark.parametrize(
    ("mode", "key", "asked", "provider", "wanted"),
    [
        ("off", True, "allow", None, ""),
        ("consented", None, "", None, ""),
        ("consented", True, "", None, "key"),
        ("consented", None, "allow", None, "request"),
        ("consented", False, "allow", None, ""),
        ("consented", True, "deny", None, ""),
        ("all", None, "", None, "all"),
        ("all", True, "", None, "key"),
        ("all", None, "deny", None, ""),
        ("all", False, "", None, ""),
        ("all", True, "allow", {"data_collection": "deny"}, ""),
        ("all", True, "allow", {"zdr": True}, ""),
        ("all", True, "allow", {"data_collection": 5}, ""),
        ("all", None, "allow", {"data_collection": "allow", "zdr": False, "order": ["x"]}, "request"),
        ("all", None, "", {}, "all"),
    ],
)
def test_a_no_in_whatever_place_is_stronger_than_any_yes(
    mode: str, key: bool | None, asked: str, provider: Any, wanted: str
) -> None:
    given = fields() if provider is None else fields(provider=provider)
    assert consent(mode, key, asked, given) == wanted


def test_the_header() -> None:
    assert [wish(value) for value in (None, b"", b" Allow ", b"deny")] == ["", "", "allow", "deny"]
    with pytest.raises(BadRequest, match="'allow' or 'deny'"):
        wish(b"yes")


def test_what_is_kept_is_redacted_and_says_who_allowed_it(store: Store) -> None:
    captures = Captures(store, 30)
    tools = [{"type": "function", "function": {"name": "mail", "parameters": {"type": "object"}}}]
    asked = fields("write to ann@example.org, key sk-abcdefghijklmnopqrstuvwx", tools=tools)
    answer = Answer((Thinking("ann@example.org"), Text("to ann@example.org")), "stop")
    assert offer(captures, 7, asked, answer, provider="acme", checks={"refusal": True})
    captures.close()
    (row,) = kept(store)
    assert (row.id, row.time_us, row.expires_us, row.key_id) == ("gen-7", 7, 7 + 30 * DAY_US, "k_1")
    assert (row.model, row.task, row.right_share) == ("acme/fast", "chat", 0.97)
    assert body(row) == {
        "messages": [{"role": "user", "content": "write to [EMAIL_1], key [API_KEY_1]"}],
        "answer": "to [EMAIL_1]",
        "finish": "stop",
        "model": "acme/fast",
        "provider": "acme",
        "task": "chat",
        "checks": {"refusal": True},
        "right": 0.97,
        "consent": "request",
        "license": {"state": "unknown", "name": "", "checked": ""},
        "tools": [{"type": "function", "function": {**tools[0]["function"], "description": ""}}],
        "redacted": {"EMAIL": 1, "API_KEY": 1},
    }
    assert b"example.org" not in zlib.decompress(row.body)


@pytest.mark.parametrize("wire", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("streamed", [False, True])
def test_answers_are_read_from_the_callers_wire(store: Store, wire: str, streamed: bool) -> None:
    reply = Reply(
        text="It is a@x.org.", tool_calls=(ToolCall(name="mail", arguments='{"to":"a@x.org"}', id="c"),)
    )
    key = "input" if wire == RESPONSES else "messages"
    turns = [{"role": "user", "content": "mail a@x.org"}]
    asked = peek(json.dumps({"max_tokens": 5, key: turns} if wire == MESSAGES else {key: turns}).encode())
    answer = [scripted_stream(wire, reply)] if streamed else scripted_whole(wire, reply)
    captures = Captures(store, 1)
    assert offer(captures, asked=asked, answer=answer, wire=wire)
    captures.close()
    found = body(kept(store)[0])
    assert found["messages"] == [{"role": "user", "content": "mail [EMAIL_1]"}]
    assert (found["answer"], found["finish"]) == ("It is [EMAIL_1].", "tool_calls")
    assert json.loads(found["tool_calls"][0]["function"]["arguments"]) == {"to": "[EMAIL_1]"}


def test_what_is_not_allowed_or_too_long_or_no_conversation_is_not_taken(store: Store) -> None:
    captures = Captures(store, 1)
    assert not offer(captures, consent="")
    assert not offer(captures, wire=COMPLETIONS)
    assert not offer(captures, asked=fields("x" * MAX_BYTES))
    assert not offer(captures, answer=[b"x" * MAX_BYTES])
    assert not offer(captures, asked=fields(metadata={"x": "y" * MAX_BYTES})), "whatever it is that is long"
    assert captures.too_long == 3
    captures.close()
    assert not offer(captures), "closed"
    assert kept(store) == []


def test_how_a_text_ended_is_kept(store: Store) -> None:
    captures = Captures(store, 1)
    offer(captures, answer="cut", finish="length")
    captures.close()
    assert body(kept(store)[0])["finish"] == "length"


def test_what_can_not_be_read_is_counted_and_the_rest_is_kept(store: Store) -> None:
    captures = Captures(store, 1)
    offer(captures, 1, asked=peek(b'{"messages": 5}'))
    offer(captures, 2, answer=b"no answer")
    offer(captures, 3)
    captures.close()
    assert [row.id for row in kept(store)] == ["gen-3"]
    assert (captures.kept, captures.failed) == (1, 2)


class Slow:
    """A store that takes nothing until it may, and fails when it shall."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.fails = False
        self.rows: list[str] = []
        self.threads: set[int] = set()

    def keep_capture(self, row: CaptureRow) -> bool:
        self.threads.add(threading.get_ident())
        self.may.wait(5)
        if self.fails:
            raise StoreError("the store is down")
        self.rows.append(row.id)
        return True


def test_a_full_queue_drops_and_never_waits() -> None:
    slow = Slow()
    captures = Captures(slow, 1, most_queued=10)  # type: ignore[arg-type]
    started = time.monotonic()
    taken = [offer(captures, number) for number in range(50)]
    assert time.monotonic() - started < 1, "the store was not waited for"
    assert (sum(taken), captures.dropped) == (10, 40)
    slow.may.set()
    captures.close()
    assert slow.rows == [f"gen-{number}" for number in range(10)], "what was taken is written at the end"
    assert threading.get_ident() not in slow.threads


def test_the_queue_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MAX_QUEUED_BYTES", 25_000)
    slow = Slow()
    captures = Captures(slow, 1)  # type: ignore[arg-type]
    assert [offer(captures, number, fields("x" * 10_000)) for number in range(3)] == [True, True, False]
    slow.may.set()
    captures.close()


def test_a_store_that_is_down_costs_the_capture_only() -> None:
    slow = Slow()
    slow.fails = True
    slow.may.set()
    captures = Captures(slow, 1)  # type: ignore[arg-type]
    assert offer(captures, 1)
    deadline = time.monotonic() + 5
    while not captures.failed:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    slow.fails = False
    assert offer(captures, 2)
    captures.close()
    assert slow.rows == ["gen-2"]


def test_closing_does_not_wait_forever() -> None:
    slow = Slow()
    captures = Captures(slow, 1)  # type: ignore[arg-type]
    offer(captures)
    started = time.monotonic()
    captures.close(timeout_s=0.05)
    assert time.monotonic() - started < 2
    slow.may.set()


def test_without_offers_there_is_no_thread(store: Store) -> None:
    before = threading.active_count()
    captures = Captures(store, 1)
    assert threading.active_count() == before
    captures.close()
