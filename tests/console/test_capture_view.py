"""What was captured, for people."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.console.capture_view import captured, read
from tokenworks.ledger.captured import CaptureRow


def row(body: Any, name: str = "gen-1-a", time_us: int = 5) -> CaptureRow:
    packed = body if isinstance(body, bytes) else zlib.compress(json.dumps(body).encode())
    return CaptureRow(name, time_us, 99, "k", "a/b", "code", 0.5, packed)


def test_turns_tools_and_calls() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    found = read(
        row(
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": "", "tool_calls": [call]},
                ],
                "answer": "done",
                "refusal": "no",
                "tools": [{"type": "function", "function": {"name": "look"}}],
                "media": 2,
                "redacted": {"email": 2, "key": 1},
                "consent": "key",
            }
        )
    )
    assert found is not None
    assert [(turn.role, turn.text, turn.calls) for turn in found.turns] == [
        ("user", "hi", ()),
        ("assistant", "", (("look", '{"at": 1}'),)),
    ]
    assert (found.answer.text, found.refusal, found.tools) == ("done", "no", ("look",))
    assert (found.media, found.redacted, found.consent, found.expires_us) == (2, 3, "key", 99)


@pytest.mark.parametrize(
    "body",
    [
        *(b"not zlib", zlib.compress(b"{"), ["a list"], zlib.compress(b"\xff\xfe")),
        zlib.compress(b"[" * 100_000),
    ],
)
def test_what_cant_be_read_is_nothing(body: Any) -> None:
    assert read(row(body)) is None


def test_odd_shapes_do_no_harm() -> None:
    found = read(row({"messages": ["x", {"role": 1, "content": [{"a": 1}]}], "tools": 5, "media": "2"}))
    assert found is not None and found.media == 0 and found.tools == ()
    assert found.turns[0].role == "1" and '"a": 1' in found.turns[0].text


def test_one_of_many_of_the_same_moment_is_found(tmp_path: Path) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'x.db'}")
    for number in range(230):
        store.keep_capture(row({"answer": str(number)}, f"gen-1-{number}"))
    found = captured(store, "gen-1-229", 5)
    assert found is not None and found.answer.text == "229"
    assert captured(store, "gen-1-999", 5) is None and captured(store, "gen-1-1", 6) is None
    store.close()
