"""Stories of decisions: what goes in comes out, small enough to be kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.ledger.decided import MAX_DETAIL
from tokenworks.routing import decision
from tokenworks.routing.decision import Candidate, Decision, Step, named, packed, read, unpacked

NAMES = st.text("abcdefg-/.:0123456789", min_size=1, max_size=40)
SHARES = st.floats(0, 1)


@given(
    st.lists(st.builds(Candidate, NAMES, SHARES, SHARES, st.floats(0, 1000), SHARES), max_size=24),
    st.lists(st.builds(Step, NAMES, NAMES, st.just("doubted"), SHARES, SHARES), max_size=4),
    st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_there_and_back(candidates: list[Candidate], steps: list[Step], most: float | None) -> None:
    told = Decision(
        "math", "cascade", "a/b", "because", tuple(candidates), tuple(steps), max_cost_usd=most, explored=True
    )
    assert read(decision.encode(told)) == told


def test_the_largest_one_fits() -> None:
    """24 candidates with names as long as names of models get, and four steps with all their reasons."""
    long = "x" * 200
    told = Decision(
        task=long,
        path="cascade",
        strong=long,
        why=long * 2,
        candidates=tuple(Candidate(long, 1 / 3, 1e-5 / 3, 1 / 3, 1 / 3, 1 / 3) for _ in range(24)),
        steps=tuple(Step(long, "g" * 64, "doubted", 1 / 3, 1 / 3, ("repetition",) * 9, 1 / 3, long)
                    for _ in range(4)),
        served=long,
        rule=long,
        stage=long,
        vector=packed(np.ones(64, dtype=np.float32)),
    )  # fmt: skip
    assert len(decision.encode(told)) < MAX_DETAIL


@pytest.mark.parametrize("detail", [b"", b"[]", b"{}", b'{"task":1}', b"\xff", b'{"task":"a","path":"b"}'])
def test_what_is_no_decision(detail: bytes) -> None:
    with pytest.raises(ValueError, match="not a decision"):
        read(detail)


def test_a_later_version_may_say_more() -> None:
    told = read(b'{"task":"math","path":"direct","strong":"a/b","why":"","news":[1]}')
    assert (told.task, told.candidates) == ("math", ())


@given(st.lists(st.floats(-1, 1, width=32), max_size=64))
def test_vectors_to_half_a_percent(values: list[float]) -> None:
    vector = np.array(values, dtype=np.float32)
    text = packed(vector)
    assert len(text) <= 88 and text.isascii()
    assert np.abs(unpacked(text) - vector).max(initial=0.0) <= 0.5 / 127 + 1e-6


def test_vectors_beyond_their_limits_are_cut() -> None:
    assert unpacked(packed(np.array([7.0, -7.0], dtype=np.float32))).tolist() == [1.0, -1.0]
    assert unpacked("").size == 0
    with pytest.raises(ValueError, match="not a vector"):
        unpacked("no base64!")


def test_named() -> None:
    one, other = Candidate("a/b", 0.5, 0.1), Candidate("c/d", 0.5, 0.1)
    assert named((one, other), "c/d") is other
    assert named((one, other), "e/f") is None
