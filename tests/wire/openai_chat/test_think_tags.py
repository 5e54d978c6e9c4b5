"""Reasoning inside the text is told from it wherever the pieces are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_answers import cut

from tokenworks.wire.openai_chat.think_tags import ThinkTags

CASES = {
    "<think>\nabc\n d <b></think>\n\nHi <think> x": ("abc\n d <b>", "Hi <think> x"),
    "  hi": ("", "  hi"),
    " ": ("", " "),
    "<think": ("", "<think"),
    "<thinking>x": ("", "<thinking>x"),
    "<think></think>x": ("", "x"),
    "<think>\n</think>\n": ("", ""),
    "<think>a</thi": ("a</thi", ""),
    "<think> a ": ("a", ""),
    "\n<think>a</think><think>b</think>\n c": ("ab", "c"),
    "<think>a</think>\n<thi": ("a", "<thi"),
    "a<think>b</think>": ("", "a<think>b</think>"),
    "a</think>b": ("", "a</think>b"),
    "<think>a</think>b</think>c": ("a", "b</think>c"),
    "<think>a < b << </ </think>c": ("a < b << </", "c"),
}


def told(pieces: list[str]) -> tuple[str, str]:
    tags = ThinkTags()
    found = [part for piece in pieces for part in tags.feed(piece)] + tags.flush()
    assert all(text for _, text in found)
    return "".join(t for thought, t in found if thought), "".join(t for thought, t in found if not thought)


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_at_every_cut(text: str, expected: tuple[str, str]) -> None:
    assert told([text]) == expected
    assert told(list(text)) == expected
    for at in range(len(text)):
        assert told([text[:at], text[at:]]) == expected


@given(st.text("<>/think \nax"), st.text("<>/think \nax"), st.lists(st.integers(0, 60), max_size=6))
def test_thought_and_speech(thought: str, speech: str, cuts: list[int]) -> None:
    whole = f"<think>\n{thought}</think>\n\n{speech}".encode()
    pieces = [piece.decode() for piece in cut(whole, cuts)]
    found = told(pieces)
    assert found == told([whole.decode()])
    if "<" not in thought + speech:
        assert found == (thought.strip(), speech.lstrip())


def test_speech_is_passed_on_at_once() -> None:
    tags = ThinkTags()
    assert tags.feed("a") == [(False, "a")]
    assert tags.feed("<think>") == [(False, "<think>")]
    tags = ThinkTags()
    assert tags.feed("<think>abc") == [(True, "abc")]
    assert tags.feed(" d") == [(True, " d")]
    assert list(itertools.chain(tags.feed(" "), tags.feed("<"), tags.feed("b"))) == [(True, " <b")]
