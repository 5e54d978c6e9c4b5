"""Turns among keys, sessions that stay, keys that rest."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.config.settings import ProviderKey
from tokenworks.providers.keyring import REJECTED_S, Keyring


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ring(clock: Clock, **weights: float) -> Keyring:
    return Keyring([ProviderKey(name, f"sk-{name}", weight) for name, weight in weights.items()], clock)


def names(keys: Keyring, count: int, **options: object) -> str:
    """The names of the next ``count`` keys, one letter each, '-' for none."""
    picked = (keys.pick(**options) for _ in range(count))  # type: ignore[arg-type]
    return "".join(key.name if key else "-" for key in picked)


# --- turns --------------------------------------------------------------------------------------


def test_turns_are_spread_and_their_shares_exact(clock: Clock) -> None:
    assert names(ring(clock, a=5, b=1, c=1), 14) == "aabacaa" * 2
    assert names(ring(clock, a=1, b=1), 5) == "ababa"
    assert names(ring(clock, a=0.5, b=1.5), 8) == "babb" * 2
    assert names(ring(clock, a=7), 3) == "aaa"


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_over_a_round_each_key_has_its_weight(weights: list[int]) -> None:
    keys = Keyring([ProviderKey(f"k{i}", "s", float(w)) for i, w in enumerate(weights)], Clock())
    for _ in range(2):
        counts = Counter(key.name for _ in range(sum(weights)) if (key := keys.pick()))
        assert counts == {f"k{i}": weight for i, weight in enumerate(weights)}


@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=5), st.integers(1, 300))
def test_no_key_is_ever_far_from_its_share(weights: list[float], count: int) -> None:
    keys = Keyring([ProviderKey(f"k{i}", "s", w) for i, w in enumerate(weights)], Clock())
    counts = Counter(key.name for _ in range(count) if (key := keys.pick()))
    for i, weight in enumerate(weights):
        assert abs(counts[f"k{i}"] - count * weight / sum(weights)) < len(weights)


def test_what_is_to_be_avoided_gets_no_turn(clock: Clock) -> None:
    keys = ring(clock, a=2, b=1, c=1)
    assert names(keys, 4, avoid={"a"}) == "bcbc"
    assert names(keys, 2, avoid=["a", "c"]) == "bb"
    assert names(keys, 1, avoid=("a", "b", "c")) == "-"
    assert names(Keyring([], clock), 1) == "-"


def test_a_key_carries_its_secret_and_shows_it_to_nobody(clock: Clock) -> None:
    keys = ring(clock, a=1)
    key = keys.pick()
    assert key == ProviderKey("a", "sk-a", 1)
    assert "sk-a" not in f"{keys!r}{key!r}"


# --- sessions -----------------------------------------------------------------------------------

SESSIONS = [f"session-{number}" for number in range(4000)]


def homes(keys: Keyring) -> dict[str, str]:
    return {session: key.name for session in SESSIONS if (key := keys.pick(session))}


def test_a_session_stays_whatever_others_do(clock: Clock) -> None:
    keys = ring(clock, a=1, b=1, c=1)
    first = homes(keys)
    names(keys, 100)
    keys.cool("a", 5)
    clock.now += 5
    assert homes(keys) == first
    assert homes(ring(clock, c=1, b=1, a=1)) == first, "another worker, another order, the same key"
    assert keys.pick("s\ud800") == keys.pick("s\ud800")


def test_sessions_are_shared_by_weight(clock: Clock) -> None:
    counts = Counter(homes(ring(clock, a=1, b=2, c=5)).values())
    for name, share in (("a", 1 / 8), ("b", 2 / 8), ("c", 5 / 8)):
        spread = math.sqrt(len(SESSIONS) * share * (1 - share))
        assert counts[name] == pytest.approx(len(SESSIONS) * share, abs=4 * spread)


def test_only_the_sessions_of_a_resting_key_move_and_they_come_back(clock: Clock) -> None:
    keys = ring(clock, a=1, b=1, c=1)
    first = homes(keys)
    keys.cool("b", 10)
    moved = homes(keys)
    assert {s for s in SESSIONS if moved[s] != first[s]} == {s for s in SESSIONS if first[s] == "b"}
    assert set(moved.values()) == {"a", "c"}
    clock.now += 10
    assert homes(keys) == first


def test_a_new_key_takes_sessions_and_moves_no_others(clock: Clock) -> None:
    before, after = homes(ring(clock, a=1, b=1)), homes(ring(clock, a=1, b=1, c=1))
    moved = {session for session in SESSIONS if before[session] != after[session]}
    assert {after[session] for session in moved} == {"c"}
    assert len(moved) == pytest.approx(len(SESSIONS) / 3, rel=0.15)


# --- rest ---------------------------------------------------------------------------------------


def test_a_key_rests_as_long_as_it_was_told(clock: Clock) -> None:
    keys = ring(clock, a=1, b=1)
    keys.cool("a", 2.5)
    for now, usable, turns in ((100.0, 1, "bb"), (102.4, 1, "bb"), (102.5, 2, "ab")):
        clock.now = now
        assert (keys.usable(), "".join(sorted(names(keys, 2)))) == (usable, turns)


def test_a_shorter_rest_does_not_end_a_longer_one(clock: Clock) -> None:
    keys = ring(clock, a=1)
    keys.reject("a")
    keys.cool("a", 1)
    clock.now += 1
    assert names(keys, 1) == "-"
    clock.now = 100.0 + REJECTED_S
    assert names(keys, 1) == "a"
    assert REJECTED_S == 300.0


def test_when_all_rest_the_wait_is_that_for_the_first(clock: Clock) -> None:
    keys = ring(clock, a=1, b=3)
    assert (keys.usable(), keys.wait_s()) == (2, 0.0)
    keys.cool("a", 7)
    assert (keys.usable(), keys.wait_s()) == (1, 0.0)
    keys.cool("b", 4)
    assert (keys.pick(), keys.pick("s"), keys.usable(), keys.wait_s()) == (None, None, 0, 4.0)
    clock.now += 4
    assert (names(keys, 1), keys.usable(), keys.wait_s()) == ("b", 1, 0.0)
    assert Keyring([], clock).wait_s() == math.inf


def test_a_key_that_rests_is_better_than_none_where_asked_for(clock: Clock) -> None:
    keys = ring(clock, a=1, b=3, c=1)
    for name, seconds in (("a", 7), ("b", 4), ("c", 9)):
        keys.cool(name, seconds)
    assert names(keys, 2, resting=True) == names(keys, 1, session="s", resting=True) * 2 == "bb"
    assert names(keys, 1, avoid={"b"}, resting=True) == "a"
    assert names(keys, 1, avoid={"a", "b", "c"}, resting=True) == "-"
    clock.now += 4
    keys.cool("b", 1)
    clock.now += 3
    assert names(keys, 2, resting=True) in ("ab", "ba"), "whoever does not rest goes first"


def test_counting_takes_nobodys_turn(clock: Clock) -> None:
    keys = ring(clock, a=1, b=1, c=1)
    turns = ""
    for _ in range(6):
        assert (keys.usable(), keys.usable({"a"}), keys.usable(["a", "b", "c"])) == (3, 2, 0)
        turns += names(keys, 1)
    assert turns == "abcabc"


def test_what_can_not_be_a_ring_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="must differ: a, a"):
        Keyring([ProviderKey("a", "s1"), ProviderKey("a", "s2")], clock)
    for weight in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="above 0"):
            ring(clock, a=weight)
    with pytest.raises(KeyError):
        ring(clock, a=1).cool("b", 1)
