from random import Random

from tokenworks.plans.fair_use.signals import DAY_US, SLOT_US, Seen, signals, slot_counts
from tokenworks.plans.fair_use.trail import APPS, KEEP, OTHER_APPS, Trail

NOW = 20_000 * DAY_US + 5 * SLOT_US + 1


def history(count: int, seed: int = 1) -> list[Seen]:
    rng = Random(seed)
    ones = [
        Seen(
            NOW - rng.randrange(DAY_US - SLOT_US), rng.choice("abé") * rng.randrange(2),
            rng.choice(["", "desk/1"]),
            rng.randrange(100_000), rng.randrange(4000), 1000 * rng.randrange(60_000),
            rng.choice(["tool_calls", ""]),
        )
        for _ in range(count)
    ]  # fmt: skip
    return sorted(ones, key=lambda one: one.time_us)


def test_signals_of_what_is_kept_are_those_of_what_came() -> None:
    ones = history(500)
    trail = Trail()
    for at in range(0, 500, 2):  # finished in another order than begun
        trail.add(ones[at + 1])
        trail.add(ones[at])
    assert list(trail.counts(NOW)) == slot_counts(ones, NOW)
    assert signals(trail.seen(), ("x",), NOW, trail.counts(NOW)) == signals(ones, ("x",), NOW)


def test_memory_is_bounded_and_the_counts_go_on() -> None:
    ones = history(4 * KEEP)
    trail = Trail()
    for one in ones:
        trail.add(one)
    assert KEEP <= len(trail) <= KEEP + KEEP // 4
    assert sum(trail.counts(NOW)) == 4 * KEEP
    assert trail.seen()[-1].time_us == ones[-1].time_us
    parts = (trail._times, trail._rows, trail._apps, trail._slots, trail._counts)
    assert sum(part.itemsize * len(part) for part in parts) < 80_000


def test_a_day_later_nothing_is_left() -> None:
    trail = Trail()
    for one in history(300):
        trail.add(one)
    trail.expire(NOW + DAY_US)
    assert len(trail) == 0
    assert sum(trail.counts(NOW + DAY_US)) == 0


def test_what_was_before_its_beginning_is_not_kept() -> None:
    ones = history(300)
    trail = Trail(ones[100].time_us)
    for one in ones:
        trail.add(one)
    assert len(trail) == sum(trail.counts(NOW)) == 200


def test_numbers_and_names_without_end_do_no_harm() -> None:
    trail = Trail()
    for at in range(2 * APPS):
        trail.add(Seen(NOW, "", f"app-{at}", 10**12, 10**12, 10**12, ""))
    assert {one.app for one in trail.seen()} == {*(f"app-{at}" for at in range(APPS)), OTHER_APPS}
    assert trail.seen()[0].input_tokens == 2**32 - 1
