"""Keys and replicas: shares by weight, stable orders, bounds."""

from __future__ import annotations

import random
from collections import Counter
from math import ceil

import pytest

from tokenworks.routing.rendezvous import BOUND, bounded, order, spaced, spread
from tokenworks.routing.replicas import Replica


def replicas(count: int) -> list[Replica]:
    return [Replica(("local", f"e{number}", "", "a/m")) for number in range(count)]


def test_shares_are_in_proportion_to_weights() -> None:
    three = replicas(3)
    for each, weight in zip(three, (0.5, 1.0, 1.5), strict=True):
        each.weight = weight
    firsts = Counter(order(spaced(number * 7919), three)[0] for number in range(6000))
    assert [firsts[place] / 6000 for place in range(3)] == pytest.approx([1 / 6, 1 / 3, 1 / 2], abs=0.02)


def test_checksums_that_are_neighbours_go_to_different_places() -> None:
    eight = replicas(8)
    firsts = Counter(order(spaced(checksum), eight)[0] for checksum in range(4000))
    assert min(firsts.values()) > 400 and max(firsts.values()) < 600
    assert all(0 < spaced(checksum) < 1 << 64 for checksum in (0, 1, 0xFFFFFFFF))


def test_only_the_first_places_are_spread() -> None:
    six = replicas(6)
    ranked = order(spaced(1), six)
    firsts = set()
    for number in range(100):
        found = spread(ranked, 3, spaced(number), six)
        assert sorted(found[:3]) == sorted(ranked[:3]) and found[3:] == ranked[3:]
        firsts.add(found[0])
    assert firsts == set(ranked[:3])
    assert spread(ranked, 6, spaced(9), six) == order(spaced(9), six)
    assert spread(ranked, 1, spaced(9), six) == ranked


def test_one_place_more_moves_only_its_share() -> None:
    six = replicas(6)
    ranked = order(spaced(1), six)
    moved = 0
    for number in range(1000):
        before, after = (spread(ranked, among, spaced(number), six)[0] for among in (3, 4))
        assert after in (before, ranked[3])
        moved += after != before
    assert 190 < moved < 310


def test_full_ones_come_last_the_least_busy_of_them_first() -> None:
    assert list(bounded([2, 0, 1, 3], [0, 0, 0, 0])) == [2, 0, 1, 3]
    assert list(bounded([2, 0, 1, 3], [4, 0, 12, 1])) == [0, 1, 3, 2]
    assert list(bounded(range(8), [22, 20, 0, 0, 0, 0, 0, 1])) == [2, 3, 4, 5, 6, 7, 1, 0]
    assert list(bounded([0, 1], [1, 0])) == [0, 1]
    for seed in range(200):
        draw = random.Random(seed)
        counts = [draw.randrange(20) for _ in range(draw.randrange(2, 9))]
        ranked = draw.sample(range(len(counts)), len(counts))
        limit = ceil(BOUND * (sum(counts) + 1) / len(counts))
        found = list(bounded(ranked, counts))
        assert sorted(found) == sorted(ranked)
        assert counts[found[0]] < limit
        roomy = [place for place in ranked if counts[place] < limit]
        assert found[: len(roomy)] == roomy
