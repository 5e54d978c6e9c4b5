"""A key that nothing limits is never blocked, whatever limits others have, reach and fail with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from doorway import PEPPER, Door, provider
from limiting import limit, rule, subscribe
from serving import chat

from tokenworks.config.settings import LimitSettings
from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import StopRow
from tokenworks.plans import keys
from tokenworks.plans.rules import LoopRules
from tokenworks.plans.spec import ModelClass, PlanSpec, PlanWindow
from tokenworks.providers.scripted import ScriptedProvider

STEPS = 60
REQUESTS = 8  # at once, in each step; half of them with the key that has no limit


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with ScriptedProvider() as upstream:
        one = Door(
            tmp_path / "home", {"acme": provider(upstream.base_url)}, limits=LimitSettings(wait_s=0.05)
        )
        await one.open()
        yield one
        await one.close()


class History:
    """Changes at random, none of which has to do with the key of the door."""

    def __init__(self, door: Door, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.door, self.draw = door, random.Random(seed)
        self.others = [keys.create(door.store, f"other{n}", PEPPER) for n in range(4)]
        self.down = False
        lease, version = door.store.lease, door.store.plans_version

        def failing(call: Any) -> Any:
            def maybe(*args: Any) -> Any:
                if self.down:
                    raise StoreError("down")
                return call(*args)

            return maybe

        monkeypatch.setattr(door.store, "lease", failing(lease))
        monkeypatch.setattr(door.store, "plans_version", failing(version))

    def step(self) -> None:
        draw, store = self.draw, self.door.store
        other = draw.choice(self.others)[0]
        match draw.randrange(8):
            case 0:
                unit, amount = draw.choice([("usd", 1e-6), ("requests", 1), ("tokens", 5), ("concurrent", 1)])
                limit(store, other, unit, amount, draw.choice(["1min", "day", "lifetime"]))
            case 1:
                limit(store, "", "requests", 1, scope="app", subject="Other")
            case 2:
                limit(store, "", "usd", 1e-9, scope="user", subject="*", within=other, strict=True)
            case 3:
                limit(store, "t_1", "usd", 1e-9, scope="team", subject="t_1")
                store.update_key(other, team_id="t_1")
            case 4:
                rule(store, other, models=("none/*",), loops=LoopRules(iterations=1, repeats=2))
            case 5:
                spec = PlanSpec(
                    "p", windows=(PlanWindow(1, "day"),), classes=(ModelClass("c", ("*",), request=1),)
                )
                subscribe(store, other, spec)
            case 6:
                store.stop_session(StopRow(f"s{draw.randrange(9)}", other, 0))
            case 7:
                self.down = not self.down


@pytest.mark.parametrize("seed", range(3))
async def test_it_is_served_through_any_history(
    door: Door, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(door, seed, monkeypatch)
    others: list[int] = []

    async def ask(number: int) -> int:
        free = number % 2 == 0
        key = door.key if free else history.draw.choice(history.others)[1]
        headers = {"authorization": f"Bearer {key}", "x-session-id": f"s{history.draw.randrange(9)}"}
        if history.draw.random() < 0.3:
            headers["x-title"] = "Mine" if free else "Other"
        body = chat(user=f"u{number}", max_tokens=history.draw.choice([1, 500, 10**6]))
        if history.draw.random() < 0.3:
            del body["max_tokens"]
        status = (await door.post(body, headers=headers)).status_code
        if not free:
            others.append(status)
            return 200
        return status

    assert await ask(0) == 200
    for _ in range(STEPS):
        history.step()
        try:
            if door.book.reload_if_changed():
                door.limits.keys_changed()
            door.limits.reload_if_changed()
        except StoreError:
            assert history.down
        door.leases.housekeeping()
        met = await asyncio.gather(*(ask(number) for number in range(REQUESTS)))
        assert met == [200] * REQUESTS
    assert {402, 403, 429} & set(others)  # the others did meet their limits
    assert all(account.subject != door.key_id for account in door.leases.accounts.values())
