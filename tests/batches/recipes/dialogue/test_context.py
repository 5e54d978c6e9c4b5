"""Requests and their rooms."""

from typing import Any

import pytest

from tokenworks.batches.recipes.dialogue import context
from tokenworks.batches.recipes.dialogue.context import Rooms
from tokenworks.batches.recipes.dialogue.session import Kept
from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.errors import BadRequest

ROOMS = Rooms(2000, 200, 300)
SESSION: dict[str, Any] = {
    "system": "You are a mate.",
    "facts": ["The sea is cold."],
    "simulator": "A guest.",
}


def test_full_rooms_add_up_to_no_more_than_the_cap() -> None:
    left = context.room_for_turns(SESSION, ROOMS)
    turn = ("u" * 4 * 40, "a" * 4 * 60)
    (each,) = context.of_turns([turn])
    assert each == 108
    say = "s" * 4 * (left % each - context.EACH)
    kept = Kept(9, "m" * 4 * ROOMS.summary, [turn] * (left // each), "")
    ask = context.answer(SESSION, ROOMS, kept, say, "n" * 4000)
    assert ROOMS.context - 24 <= context.size(ask) <= ROOMS.context
    assert context.size(context.user(SESSION, ROOMS, kept, "n" * 4000)) <= ROOMS.context


def test_a_full_summary_is_folded_with_all_that_has_room() -> None:
    left = context.room_for_folding(ROOMS)
    turns = left // 108
    kept = Kept(9, "m" * 4 * ROOMS.summary, [("u" * 160, "a" * 240)] * turns, "")
    size = context.size(context.fold(ROOMS, kept, turns, "n" * 4000))
    assert ROOMS.context - 150 <= size <= ROOMS.context


def test_facts_stand_in_every_answer_and_the_summary_where_there_is_one() -> None:
    head = context.answer(SESSION, ROOMS, Kept(), "Hi", "").messages[0]["content"]
    assert "- The sea is cold." in head
    assert "What happened before" not in head
    head = context.answer(SESSION, ROOMS, Kept(summary="They met."), "Hi", "").messages[0]["content"]
    assert head.endswith("What happened before, in short:\nThey met.")


def test_too_small_a_cap_names_the_least_one() -> None:
    with pytest.raises(BadRequest) as told:
        context.room_for_turns(SESSION, Rooms(900, 200, 300))
    least = int(str(told.value).split("give ")[1].split()[0])
    assert context.room_for_turns(SESSION, Rooms(least, 200, 300)) > 0
    with pytest.raises(BadRequest):
        context.room_for_turns(SESSION, Rooms(least - 1, 200, 300))


def test_a_summary_without_a_model_has_its_room_too() -> None:
    kept = Kept(9, "old " * 2000, [("user " * 90, "assistant " * 90)] * 9, "")
    made = context.mechanical(kept, 5, ROOMS)
    assert made.startswith("old old")
    assert "user user" in made
    assert tokens_of(made) <= ROOMS.summary


def test_the_memory_of_an_earlier_job_fits_smaller_rooms() -> None:
    assert context.fitted({}, ROOMS) == {}
    memory = context.fitted(Kept(9, "old " * 2000, [], "left").memory(), ROOMS)
    assert tokens_of(memory["summary"]) <= ROOMS.summary
    assert memory["said"] == ""
