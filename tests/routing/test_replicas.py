"""Loads of replicas, weights made of them, and how popular beginnings are."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from tokenworks.routing.replicas import (
    DOUBT,
    FADE_S,
    MAX_BEGINNINGS,
    MOST_COUNTED,
    MOST_WEIGHT,
    REFRESH_S,
    Beginnings,
    Replicas,
    weigh,
    weights,
)
from tokenworks.schema import Endpoint

Make = Callable[..., Endpoint]


def test_work_fades(endpoint: Make) -> None:
    load = Replicas().of(endpoint("a"))
    load.under_way += 2
    load.left(1000, 100.0)
    assert (load.under_way, load.work(100.0)) == (1, (1000.0, 1.0))
    load.left(0, 100.0)  # it came to nothing
    assert (load.under_way, load.work(100.0)) == (0, (1000.0, 1.0))
    load.under_way += 1
    load.left(1000, 100.0 + FADE_S)
    assert load.work(100.0 + FADE_S) == pytest.approx((1000 + 1000 / math.e, 1 + 1 / math.e))


def test_a_place_has_one_load_and_models_do_not_share(endpoint: Make) -> None:
    replicas = Replicas()
    assert replicas.of(endpoint("a", dollars=1.0)) is replicas.of(endpoint("a", dollars=2.0))
    seeds = {
        replicas.of(endpoint("a", model=f"a/{number}", upstream_id=f"{number}")).seed for number in range(50)
    }
    assert len(seeds) == 50 and all(seed % 2 for seed in seeds)
    assert replicas.beginnings("a/m", "turns") is replicas.beginnings("a/m", "turns")
    assert replicas.beginnings("a/m", "turns") is not replicas.beginnings("a/m", "session")


def test_no_more_than_the_limit_is_remembered_but_what_is_under_way(endpoint: Make) -> None:
    replicas = Replicas(limit=3)
    busy = replicas.of(endpoint("busy"))
    busy.under_way += 1
    idle = replicas.of(endpoint("idle"))
    for number in range(10):
        replicas.of(endpoint(f"other-{number}"))
    assert replicas.of(endpoint("busy")) is busy
    assert replicas.of(endpoint("idle")) is not idle


def test_weights_turn_away_from_who_did_more() -> None:
    assert weights([(0.0, 0.0)] * 3) == [1.0] * 3
    assert weights([(5e6, 500.0)] * 3) == [1.0] * 3
    more, same, less = weights([(5.5e6, 500.0), (5e6, 500.0), (4.5e6, 500.0)])
    assert 1 / MOST_WEIGHT < more < same < less < MOST_WEIGHT
    assert same == pytest.approx(1.0, abs=0.02)
    # requests count besides their tokens
    assert weights([(5e6, 600.0), (5e6, 400.0)])[0] < 1
    # whoever was away gets no rush
    assert weights([(5e6, 500.0), (0.0, 0.0)]) == [1 / MOST_WEIGHT, MOST_WEIGHT]
    # a few requests say little
    few = weights([(2000.0, 2.0), (1000.0, 1.0)])
    assert few == pytest.approx([1.0, 1.0], abs=0.06)


def test_weights_are_made_once_a_second(endpoint: Make) -> None:
    replicas = Replicas()
    loads = [replicas.of(endpoint(name)) for name in "ab"]
    weigh(loads, 100.0)
    loads[0].under_way = 500
    for _ in range(500):
        loads[0].left(1000, 100.0)
    weigh(loads, 100.0 + REFRESH_S / 2)
    assert [each.weight for each in loads] == [1.0, 1.0]
    weigh(loads, 100.0 + REFRESH_S)
    assert loads[0].weight < 1.0 < loads[1].weight


def test_a_beginning_is_popular_once_it_was_seen_often() -> None:
    beginnings = Beginnings()
    assert beginnings.share(1) == 1 / (1 + DOUBT)
    for number in range(20 * MOST_COUNTED):
        popular = beginnings.share(1 if number % 2 else 1000 + number)
    assert popular == pytest.approx(0.5, abs=0.08)  # some doubt remains
    assert len(beginnings._counts) <= MOST_COUNTED
    for number in range(20 * MOST_COUNTED):
        beginnings.share(-1 - number)
    assert beginnings.share(1) < 0.01  # forgotten


def test_models_that_callers_make_up_take_no_more_room_and_no_others_place() -> None:
    replicas = Replicas()
    popular = replicas.beginnings("a/m", "turns")
    for _ in range(3):
        popular.share(1)
    for number in range(3 * MAX_BEGINNINGS):
        replicas.beginnings(f"made/up-{number}", "turns").share(1)
    assert len(replicas._beginnings) == MAX_BEGINNINGS
    assert replicas.beginnings("a/m", "turns") is popular
