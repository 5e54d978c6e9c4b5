"""Who begins when, without any engine."""

import random

from tokenworks.engines.turns import Turns


def join(turns: Turns[str], *names: str, width: int = 1) -> list[str]:
    """Names in capitals are batches'."""
    for name in names:
        turns.join(name, width, batch=name.isupper())
    return turns.due()


def test_first_come_first_served() -> None:
    turns: Turns[str] = Turns(2, 1)
    assert join(turns, "a", "b", "c", "d") == ["a", "b"]
    turns.done(1, batch=False)
    assert turns.due() == ["c"]
    turns.done(1, batch=False)
    turns.done(1, batch=False)
    assert turns.due() == ["d"]


def test_batches_leave_a_slot() -> None:
    turns: Turns[str] = Turns(4, 3)
    assert join(turns, "A", "B", "C", "D", "E") == ["A", "B", "C"]
    assert join(turns, "a") == ["a"]
    assert join(turns, "b") == []
    turns.done(1, batch=True)  # a batch has ended: who waits comes before the batches in line
    assert turns.due() == ["b"]
    turns.done(1, batch=False)
    assert turns.due() == ["D"]  # two batches held slots, so there is room for a third


def test_no_batch_is_begun_while_somebody_waits() -> None:
    turns: Turns[str] = Turns(2, 2)
    join(turns, "a", "b")
    assert join(turns, "A") == []
    turns.join("wide", 2, batch=False)
    turns.done(1, batch=False)
    assert turns.due() == []  # one slot is free, and kept for the one that needs two
    turns.done(1, batch=False)
    assert turns.due() == ["wide"]
    turns.done(2, batch=False)
    assert turns.due() == ["A"]


def test_with_one_slot_a_batch_runs_only_when_nobody_waits() -> None:
    turns: Turns[str] = Turns(1, 1)
    assert join(turns, "A") == ["A"]
    assert join(turns, "B", "a") == []
    turns.done(1, batch=True)
    assert turns.due() == ["a"]
    turns.done(1, batch=False)
    assert turns.due() == ["B"]


def test_a_wide_batch_runs_without_other_batches() -> None:
    turns: Turns[str] = Turns(4, 2)
    assert join(turns, "A") == ["A"]
    turns.join("W", 3, batch=True)
    assert turns.due() == []
    turns.done(1, batch=True)
    assert turns.due() == ["W"]
    assert join(turns, "B") == []


def test_more_choices_than_slots_do_not_block_the_line() -> None:
    turns: Turns[str] = Turns(2, 1)
    turns.join("many", 10**9, batch=False)
    turns.join("none", 0, batch=False)
    assert turns.due() == ["many"]
    turns.done(10**9, batch=False)
    assert turns.due() == ["none"]


def test_who_leaves_the_line() -> None:
    turns: Turns[str] = Turns(1, 1)
    assert join(turns, "a", "b", "c", "A") == ["a"]
    assert turns.leave("b") and turns.leave("A")
    assert not turns.leave("a"), "it holds a slot"
    assert 'waiting{batch="no"} 1' in turns.metrics() and 'waiting{batch="yes"} 0' in turns.metrics()
    turns.done(1, batch=False)
    assert turns.due() == ["c"]


def test_rules_hold_in_any_order() -> None:
    chance = random.Random(5)
    for _ in range(200):
        slots = chance.randint(1, 5)
        most = chance.randint(1, slots)
        turns: Turns[tuple[int, int, bool]] = Turns(slots, most)
        held: list[tuple[int, int, bool]] = []
        begun = 0
        for number in range(60):
            entry = (number, chance.randint(1, slots), chance.random() < 0.5)
            turns.join(entry, entry[1], batch=entry[2])
            if held and chance.random() < 0.6:
                _, width, batch = held.pop(chance.randrange(len(held)))
                turns.done(width, batch=batch)
            due = turns.due()
            begun += len(due)
            held += due
            batches = [width for _, width, batch in held if batch]
            assert sum(width for _, width, _ in held) <= slots
            assert sum(batches) <= most or len(batches) == 1
        while held:
            _, width, batch = held.pop()
            turns.done(width, batch=batch)
            due = turns.due()
            begun += len(due)
            held += due
        assert begun == 60, "somebody never had a turn"
