"""A subscriber's plan: what a model weighs, whose windows they are, whom it is for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.plans import subscription as subscription_module
from tokenworks.plans.leases import Leases
from tokenworks.plans.spec import NANO_CREDIT, ModelClass, PlanSpec, PlanWindow
from tokenworks.plans.subscription import Subscription, weight
from tokenworks.schema import Usage


@pytest.fixture
async def leases(tmp_path: Path) -> Any:
    store = fresh_store(f"sqlite:///{tmp_path / 'store.db'}")
    made = Leases(store, asyncio.get_running_loop(), "w")
    yield made
    made.close()
    store.close()


def spec(**more: Any) -> PlanSpec:
    classes = (
        ModelClass("small", ("acme/small*", "!acme/small-dear"), 1.0, 2.0, cache_read_mtok=0.1, request=0.5),
        ModelClass("rest", ("acme/*",), 10.0, 20.0),
    )
    return PlanSpec("flat", **({"windows": (PlanWindow(2.5, "5h"),), "classes": classes} | more))


async def test_the_first_class_that_matches_counts(leases: Leases) -> None:
    one = Subscription(spec(), "key:k_1", leases)
    small, dear = one.weight("ACME/small-2"), one.weight("acme/small-dear")
    assert small is not None and small.id == "class:small"
    assert dear is not None and dear.id == "class:rest"
    assert one.weight("other/small") is None and one.weight("other/small") is None


def test_credits_are_counted_as_dollars_are() -> None:
    usage = Usage(uncached_input_tokens=1_000_000, cache_read_tokens=2_000_000, output_tokens=500_000)
    small = weight(spec().classes[0])
    assert small.cost_nano_usd(usage) == round((1.0 + 0.2 + 1.0 + 0.5) * NANO_CREDIT)
    rest = weight(spec().classes[1])  # cached input weighs as any other where nothing is said
    assert rest.cost_nano_usd(usage) == (30 + 10) * NANO_CREDIT


async def test_models_that_callers_make_up_take_no_memory(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "MAX_MODELS", 10)
    one = Subscription(spec(), "key:k_1", leases)
    for number in range(100):
        one.weight(f"acme/{number}")
    assert len(one._weights) <= 10


async def test_keys_of_a_team_share_its_windows_and_others_do_not(leases: Leases) -> None:
    ours = [Subscription(spec(concurrency=3), "team:t_1", leases) for _ in range(2)]
    assert ours[0].meters[0] is ours[1].meters[0] and ours[0].meters[1] is ours[1].meters[1]
    own = Subscription(spec(concurrency=3), "key:t_1", leases)
    assert {each.id for each in own.meters}.isdisjoint(each.id for each in ours[0].meters)
    window, concurrent = own.meters
    assert (window.cap, window.unit, window.scope) == (2_500_000_000, "credits", "plan")
    assert (concurrent.cap, concurrent.unit) == (3, "concurrent") and own.windows == (window,)


async def test_a_changed_plan_keeps_what_was_spent_of_its_windows(leases: Leases) -> None:
    before = Subscription(spec(), "key:k_1", leases).windows[0]
    before.free = 77
    after = Subscription(spec(windows=(PlanWindow(9, "5h"), PlanWindow(90, "week"))), "key:k_1", leases)
    assert after.windows[0] is before and before.cap == 9 * NANO_CREDIT and before.free == 77
    assert len(after.windows) == 2


@pytest.mark.parametrize(
    ("clients", "client", "app", "serves"),
    [
        ((), "", "", True),
        (("editor/*",), "editor/2", "", True),
        (("editor/*",), "curl/8", "editor/2", True),
        (("editor/*",), "curl/8", "", False),
        (("!agent/*",), "agent/1", "", False),
        (("!agent/*",), "agent/1", "Writer", False),
        (("!agent/*",), "editor/2", "", True),
    ],
)
async def test_whom_it_is_for(
    leases: Leases, clients: tuple[str, ...], client: str, app: str, serves: bool
) -> None:
    assert Subscription(spec(clients=clients), "key:k_1", leases).serves(client, app) is serves
