"""When old turns are folded away."""

import itertools

import pytest

from tokenworks.batches.recipes.dialogue import context, plan
from tokenworks.batches.recipes.dialogue.context import Rooms
from tokenworks.batches.recipes.dialogue.session import Kept, Session
from tokenworks.errors import BadRequest

ROOMS = Rooms(1200, 100, 150)


def kinds(session: Session, rooms: Rooms = ROOMS) -> list[str]:
    return [part.data["kind"] for part in plan.parts(3, session, rooms)]


def test_rounds_are_folded_at_even_distances() -> None:
    parts = plan.parts(3, Session("s", turns=[f"turn {at}" for at in range(100)]), ROOMS)
    folds = [part.data["round"] for part in parts if part.data["kind"] == "fold"]
    gaps = {b - a for a, b in itertools.pairwise(folds)}
    assert len(folds) > 10
    assert max(gaps) - min(gaps) <= 1
    assert parts[0].id == "000003.0000000"
    assert all(part.lane == "s" for part in parts)
    assert [part.data["round"] for part in parts if part.data["kind"] == "turn"] == list(range(1, 101))
    folded = sum(part.data["turns"] for part in parts if part.data["kind"] == "fold")
    assert 90 < folded < 100


def test_a_played_user_has_a_part_of_its_own() -> None:
    assert kinds(Session("s", simulator="x", rounds=2)) == ["user", "turn", "user", "turn"]
    assert kinds(Session("s", simulator="x", rounds=2, opening="Hi")) == ["turn", "user", "turn"]
    later = Session("s", simulator="x", rounds=1, opening="Hi", start=Kept(4).memory())
    assert kinds(later) == ["user", "turn"]


def test_a_long_memory_is_folded_first() -> None:
    start = Kept(7, "", [("user " * 40, "assistant " * 40)] * 7, "").memory()
    parts = plan.parts(0, Session("s", turns=["a"], start=start), ROOMS)
    assert parts[0].data["kind"] == "fold"
    assert parts[-1].data == {"kind": "turn", "round": 8, "say": "a"}


def test_what_can_never_fit_is_told() -> None:
    with pytest.raises(BadRequest, match="round 2 takes"):
        plan.parts(0, Session("s", turns=["a", "x" * 4000]), ROOMS)


def test_a_turn_kept_under_a_larger_cap_is_folded_all_the_same() -> None:
    start = Kept(1, "", [("u" * 9000, "a")], "")
    parts = plan.parts(0, Session("s", turns=["a"], start=start.memory()), ROOMS)
    assert [part.data["kind"] for part in parts] == ["fold", "turn"]
    assert context.size(context.fold(ROOMS, start, 1, "")) <= ROOMS.context
