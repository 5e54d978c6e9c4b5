"""Sessions stay where their cache is, as long as that is worth anything and they are not silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.routing.affinity import Affinity, Kept, pays
from tokenworks.routing.place import place_of
from tokenworks.schema import Endpoint, Price

KEY = ("key-1", "a/m", "session-1")


@pytest.fixture
def caching(endpoint: Callable[..., Endpoint]) -> Endpoint:
    return endpoint("acme", 2.0, cached=0.2)


def test_a_session_is_kept_while_it_speaks(caching: Endpoint) -> None:
    affinity = Affinity(100, 600.0)
    assert affinity.of(KEY, 0.0) is None
    affinity.remember(KEY, caching, 900, 10.0)
    assert affinity.of(KEY, 609.9) == Kept(place_of(caching), 900, 10.0)
    affinity.remember(KEY, caching, 1800, 600.0)
    assert affinity.of(KEY, 1199.0) == Kept(place_of(caching), 1800, 600.0)
    assert affinity.of(KEY, 1200.0) is None
    assert len(affinity) == 0


def test_keys_models_and_sessions_share_nothing(caching: Endpoint) -> None:
    affinity = Affinity(100, 600.0)
    affinity.remember(KEY, caching, 0, 0.0)
    for other in (("key-2", *KEY[1:]), (KEY[0], "a/n", KEY[2]), (*KEY[:2], "session-2")):
        assert affinity.of(other, 0.0) is None
    affinity.forget(KEY)
    affinity.forget(KEY)
    assert affinity.of(KEY, 0.0) is None


def test_only_where_a_cache_saves_something(caching: Endpoint, endpoint: Callable[..., Endpoint]) -> None:
    assert pays(caching)
    assert pays(endpoint("local", 0.0, engine="one")), "it saves time there"
    assert not pays(endpoint("acme", 2.0))
    assert not pays(endpoint("acme", 2.0, cached=2.0))
    assert not pays(endpoint("acme", price=Price("gift", 0.0, 1.0, cache_read_mtok=0.0)))
    affinity = Affinity(100, 600.0)
    affinity.remember(KEY, caching, 5, 0.0)
    affinity.remember(KEY, endpoint("other", 2.0), 5, 1.0)
    assert affinity.of(KEY, 1.0) is None, "it has moved to where nothing keeps it"


def test_off(caching: Endpoint) -> None:
    affinity = Affinity(100, 0.0)
    affinity.remember(KEY, caching, 5, 0.0)
    assert affinity.of(KEY, 0.0) is None
    assert len(affinity) == 0


def test_the_longest_silent_makes_room(caching: Endpoint) -> None:
    affinity = Affinity(3, 600.0)
    for number in range(3):
        affinity.remember(("k", "m", str(number)), caching, 0, float(number))
    affinity.remember(("k", "m", "0"), caching, 0, 3.0)
    affinity.remember(("k", "m", "3"), caching, 0, 4.0)
    assert [affinity.of(("k", "m", str(number)), 4.0) is not None for number in range(4)] == [
        True,
        False,
        True,
        True,
    ]
    affinity.remember(("k", "m", "4"), caching, 0, 1000.0)
    assert len(affinity) == 1, "the silent are dropped without being asked for"


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.1, 400)), max_size=80), st.integers(1, 6))
def test_never_more_than_the_limit(steps: list[tuple[int, float]], limit: int) -> None:
    caching = Endpoint("a/m", "acme", "m", Price("p", 1.0, 1.0, 0.1), 1000)
    affinity, now = Affinity(limit, 600.0), 0.0
    last: dict[int, float] = {}
    for number, step in steps:
        now += step
        affinity.remember(("k", "m", str(number)), caching, 0, now)
        last[number] = now
        assert len(affinity) <= limit
        fresh = sorted((at for at in last.values() if now - at < 600.0), reverse=True)[:limit]
        for each, at in last.items():
            assert (affinity.of(("k", "m", str(each)), now) is not None) is (at in fresh)
