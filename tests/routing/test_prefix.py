"""Equal endpoints: the same beginning, the same endpoint; bounded, healthy, and only its share moves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import pytest

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.routing.affinity import Kept
from tokenworks.routing.health import Health
from tokenworks.routing.leading import Lead
from tokenworks.routing.need import Need
from tokenworks.routing.place import place_of
from tokenworks.routing.prefix import LEAST, rank
from tokenworks.routing.rendezvous import BOUND
from tokenworks.routing.replicas import MOST_WEIGHT, Replicas
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint

Make = Callable[..., Endpoint]
Ask = Callable[..., Need]
Names = list[str]


class Room:
    """Engines ``e0``, ``e1``… of one model, and what a worker knows of them."""

    def __init__(self, endpoint: Make, need: Ask, health: Health, count: int) -> None:
        self.endpoints = [self.engine(endpoint, f"e{number}") for number in range(count)]
        self.health, self.replicas, self._need = health, Replicas(), need

    @staticmethod
    def engine(endpoint: Make, name: str) -> Endpoint:
        return endpoint("local", 0.0, upstream_id=name, engine=name)

    def order(
        self,
        turns: str = "",
        session: str = "",
        instructions: str = "",
        kept: Kept | None = None,
        endpoints: Sequence[Endpoint] | None = None,
        **more: Any,
    ) -> Names:
        lead = Lead(instructions.encode(), turns.encode())
        need = self._need(lead=lead, session=session, **more)
        several = self.endpoints if endpoints is None else endpoints
        ranked, found = rank(need, several, Stats(need, several, self.health, kept), self.replicas)
        assert found
        assert sorted(map(id, ranked)) == sorted(map(id, several))
        return [each.upstream_id for each in ranked]

    def first(self, *args: Any, **more: Any) -> str:
        return self.order(*args, **more)[0]

    def under_way(self, *counts: int) -> None:
        for each, count in zip(self.endpoints, counts, strict=True):
            self.replicas.of(each).under_way = count


@pytest.fixture
def room(endpoint: Make, need: Ask, health: Health) -> Callable[[int], Room]:
    return lambda count: Room(endpoint, need, health, count)


def prompt(number: int, size: int = LEAST) -> str:
    return f"{number:07} " * (size // 8)


# --- the same beginning, the same endpoint ----------------------------------------------------


def test_a_prompt_always_finds_its_endpoint_and_all_get_their_share(room: Callable[[int], Room]) -> None:
    eight = room(8)
    shares = Counter()
    for number in range(2000):
        order = eight.order(prompt(number))
        assert eight.order(prompt(number), endpoints=eight.endpoints[::-1]) == order
        shares[order[0]] += 1
    assert len(shares) == 8
    assert max(shares.values()) < 1.25 * 250  # as chance would have it: the sixth part of that is a deviation


def test_fallbacks_are_spread_as_well(room: Callable[[int], Room]) -> None:
    four = room(4)
    orders = [four.order(prompt(number)) for number in range(1200)]
    seconds = Counter(order[1] for order in orders if order[0] == "e0")
    assert set(seconds) == {"e1", "e2", "e3"}
    assert max(seconds.values()) < 1.5 * sum(seconds.values()) / 3


def test_only_the_share_of_who_leaves_moves(room: Callable[[int], Room]) -> None:
    eight = room(8)
    less = [each for each in eight.endpoints if each.upstream_id != "e3"]
    moved = 0
    for number in range(1000):
        before, after = eight.first(prompt(number)), eight.first(prompt(number), endpoints=less)
        moved += before == "e3"
        assert after == before or before == "e3"
    assert 80 < moved < 175


def test_who_joins_takes_only_his_share(room: Callable[[int], Room], endpoint: Make) -> None:
    eight = room(8)
    more = [*eight.endpoints, Room.engine(endpoint, "new")]
    moved = 0
    for number in range(1000):
        before, after = eight.first(prompt(number)), eight.first(prompt(number), endpoints=more)
        assert after in (before, "new")
        moved += after == "new"
    assert 65 < moved < 165


SCRIPT = """
import json, sys
from tokenworks.config.settings import RoutingSettings
from tokenworks.routing.health import Health
from tokenworks.routing.leading import Lead
from tokenworks.routing.need import Need
from tokenworks.routing.prefix import rank
from tokenworks.routing.replicas import Replicas
from tokenworks.routing.stats import Stats
from tokenworks.schema import Endpoint, Price
several = [
    Endpoint("a/m", "local", f"e{n}", Price("local", 0.0, 0.0), 128_000, engine=f"e{n}") for n in range(5)
]
health = Health(RoutingSettings())
told = []
for lead, session in json.load(sys.stdin):
    need = Need(1000, 1000.0, lambda: 0.5, lead=Lead(b"", lead.encode()), session=session)
    told.append([e.upstream_id for e in rank(need, several, Stats(need, several, health), Replicas())[0]])
print(json.dumps(told))
"""


def test_another_process_finds_the_same(room: Callable[[int], Room]) -> None:
    five = room(5)
    asked = [(prompt(1), ""), (prompt(2), "s"), ("", "session"), ("short", "tülay"), (prompt(3) * 9, "x")]
    here = [five.order(lead, session) for lead, session in asked]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
        assert json.loads(done.stdout) == here


# --- sessions ---------------------------------------------------------------------------------


def test_short_prompts_go_by_their_session(room: Callable[[int], Room]) -> None:
    eight = room(8)
    assert len({eight.first("hello", f"s{number}") for number in range(100)}) == 8
    for number in range(20):
        assert len({eight.first(f"turn {turn}", f"s{number}") for turn in range(5)}) == 1
    long = {eight.first(prompt(1), f"s{number}") for number in range(5)}
    assert len(long) == 1  # a long one counts for more than its session


def test_instructions_bring_conversations_together(room: Callable[[int], Room]) -> None:
    eight = room(8)
    firsts = []
    for group in range(200):
        same = prompt(group)
        firsts.append({eight.first(prompt(number + 7), f"{group}-{number}", same) for number in range(3)})
    assert all(len(each) == 1 for each in firsts)
    assert len(set.union(*firsts)) == 8


def test_popular_instructions_are_spread_and_conversations_stay(room: Callable[[int], Room]) -> None:
    """Agents of one kind: the system prompt of all is the same."""
    eight = room(8)
    agent = prompt(1)
    homes: dict[int, Names] = {number: [] for number in range(64)}
    for _ in range(40):
        for number, seen in homes.items():
            seen.append(eight.first(prompt(number), f"s{number}", agent))
    settled = {number: seen[20:] for number, seen in homes.items()}
    assert all(len(set(seen)) == 1 for seen in settled.values())
    shares = Counter(seen[-1] for seen in settled.values())
    assert len(shares) == 8 and max(shares.values()) <= 16


def test_the_session_of_a_moment_ago_comes_first(room: Callable[[int], Room]) -> None:
    four = room(4)
    last = four.order(prompt(1))[-1]
    kept = Kept(place_of(next(each for each in four.endpoints if each.upstream_id == last)), 500, 0.0)
    assert four.first(prompt(1), "s", kept=kept) == last
    four.under_way(*(3 if each.upstream_id == last else 0 for each in four.endpoints))
    assert four.order(prompt(1), "s", kept=kept)[-1] == last  # full: ceil(2.5 x 4 / 4) = 3


def test_without_anything_to_hash_the_order_stays(room: Callable[[int], Room]) -> None:
    four = room(4)
    assert four.order() == ["e0", "e1", "e2", "e3"]
    assert four.order(endpoints=four.endpoints[::-1]) == ["e3", "e2", "e1", "e0"]


# --- loads ------------------------------------------------------------------------------------


def test_nobody_has_more_than_the_bound(room: Callable[[int], Room]) -> None:
    """One prompt, again and again, of which nothing ends."""
    eight = room(8)
    for asked in range(1, 200):
        first = eight.first(prompt(1))
        load = next(eight.replicas.of(e) for e in eight.endpoints if e.upstream_id == first)
        load.under_way += 1
        assert load.under_way <= ceil(BOUND * asked / 8)
    counts = Counter({e.upstream_id: eight.replicas.of(e).under_way for e in eight.endpoints})
    assert len(+counts) >= 3  # it had to spill over


def test_whoever_has_done_more_gets_less(room: Callable[[int], Room]) -> None:
    four = room(4)
    even = Counter(four.first(prompt(number)) for number in range(2000))
    busy = four.replicas.of(four.endpoints[0])
    for each in four.endpoints:
        load = four.replicas.of(each)
        for _ in range(900 if load is busy else 300):
            load.under_way += 1
            load.left(1000, 1001.0)
    kept = Counter(four.first(prompt(number), now=1002.0) for number in range(2000))
    assert busy.weight == 1 / MOST_WEIGHT
    assert 0.6 * even["e0"] < kept["e0"] < 0.9 * even["e0"]


# --- health, and who is equal -----------------------------------------------------------------


def test_health_comes_first(room: Callable[[int], Room]) -> None:
    """What ails stays where the policy has put it, and its prompts go to the next."""
    four = room(4)
    order = four.order(prompt(1))
    ill = next(each for each in four.endpoints if each.upstream_id == order[0])
    for _ in range(5):
        four.health.of(ill).failed("connect", 999.0)
    well = [each for each in four.endpoints if each is not ill]
    assert four.order(prompt(1), endpoints=[*well, ill]) == [*order[1:], order[0]]
    for number in range(50):
        assert four.order(prompt(number), endpoints=[*well, ill])[-1] == order[0]


def test_prices_tell_who_is_equal(endpoint: Make, need: Ask, health: Health) -> None:
    """Each set keeps the places that the policy gave it."""
    several = [
        endpoint("local", 0.0, upstream_id="one", engine="one"),
        endpoint("cheap-a", 1.0, cached=0.1),
        endpoint("local", 0.0, upstream_id="two", engine="two"),
        endpoint("uncached-a", 1.0),
        endpoint("cheap-b", 1.0, cached=0.1),
        endpoint("uncached-b", 1.0),
        endpoint("unknown-a", price=UNKNOWN_PRICE),
        endpoint("dear", 2.0, cached=0.1),
        endpoint("unknown-b", price=UNKNOWN_PRICE),
    ]
    seen: list[set[str]] = [set() for _ in several]
    for number in range(60):
        asked = need(lead=Lead(b"", prompt(number).encode()))
        ranked, found = rank(asked, several, Stats(asked, several, health), Replicas())
        assert found
        for place, each in enumerate(ranked):
            seen[place].add(each.engine or each.provider)
    own, cheap, unknown = {"one", "two"}, {"cheap-a", "cheap-b"}, {"unknown-a", "unknown-b"}
    assert seen == [own, cheap, own, {"uncached-a"}, cheap, {"uncached-b"}, unknown, {"dear"}, unknown]


def test_models_of_one_price_are_not_equal(endpoint: Make, need: Ask, health: Health) -> None:
    """Where endpoints of several models are ranked together, the model that was named first comes first."""
    several = [
        endpoint(f"{model}{number}", 1.0, cached=0.1, model=model) for model in ("x", "y") for number in "ab"
    ]
    several += [endpoint(f"{model}?", price=UNKNOWN_PRICE, model=model) for model in ("x", "y")]
    firsts = set()
    for number in range(30):
        asked = need(lead=Lead(b"", prompt(number).encode()))
        ranked, _ = rank(asked, several, Stats(asked, several, health), Replicas())
        assert "".join(each.model for each in ranked) == "xxyyxy"
        firsts.add(ranked[0].provider)
    assert firsts == {"xa", "xb"}


def test_sessions_are_not_counted(endpoint: Make, need: Ask, health: Health) -> None:
    """There is no more to tell apart, and everybody has one."""
    several = [endpoint("a", 1.0, cached=0.1), endpoint("b", 1.0, cached=0.1)]
    replicas = Replicas()
    for number in range(20):
        asked = need(session=f"s{number}")
        assert rank(asked, several, Stats(asked, several, health), replicas)[1]
    assert not replicas._beginnings


def test_nothing_changes_where_none_equals_another(endpoint: Make, need: Ask, health: Health) -> None:
    several = [endpoint("a", 1.0, cached=0.1), endpoint("b", 2.0, cached=0.1), endpoint("c", 1.0)]
    asked = need(lead=Lead(b"", prompt(1).encode()), session="s")
    replicas = Replicas()
    assert rank(asked, several, Stats(asked, several, health), replicas) == (several, False)
    assert not replicas._replicas
