"""Three scripted models behind ``auto``, whose chances to be right stand fixed, so that each way is known.

The chances after checks and agreement stand fixed too: one cheap answer is right at 80 %, two that agree at
99 %, two that differ at 30 %; the strong model's at 90 %. With ``quality`` 0.95 no single answer is accepted,
with 0.85 one is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from doorway import Door

from tokenworks.config.auto import AutoSettings, RouteSettings, RouteUse, RouteWhen
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings
from tokenworks.gateway.auto import Auto
from tokenworks.ledger.decided import DecisionRow
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider, Tokens, When
from tokenworks.routing import cascade
from tokenworks.routing.calibration import PATTERNS, WIDTH, Calibration, Head, logit
from tokenworks.routing.decision import Decision, read
from tokenworks.routing.difficulty import Guess, Look
from tokenworks.routing.learner import Learner
from tokenworks.routing.rules import Rules

CHEAP, OTHER, STRONG = "alpha/cheap", "beta/other", "gamma/strong"
RIGHTS = {CHEAP: 0.6, OTHER: 0.65, STRONG: 0.95}
USAGE = Tokens(input_tokens=100, output_tokens=50)
# What an answer of 100 tokens in and 50 out costs, in nano-dollars.
CHEAP_NANO, OTHER_NANO, STRONG_NANO = 15_000, 60_000, 1_500_000
PARIS, LYON = "The answer is Paris.", "The answer is Lyon."
REFUSAL = "I'm sorry, but I can't help with that."
AFTER = {"A": 0.8, "AA": 0.99, "AB": 0.3, "AAA": 0.99, "AAB": 0.9, "ABA": 0.9, "ABB": 0.9, "ABC": 0.3}


class Fixed:
    """Stands in the predictor's place: the same for every prompt."""

    def __init__(self, rights: Mapping[str, float], task: str = "knowledge", weight: float = 20.0) -> None:
        self.rights, self.task, self.weight = rights, task, weight
        self.looks = 0

    def look(self, text: str) -> Look:
        self.looks += 1
        vector = np.zeros(64, dtype=np.float32)
        vector[len(text) % 64] = 1.0
        return Look(self.task, 0.9, 1.0, vector)

    def guess(self, look: Look, models: Sequence[str]) -> list[Guess]:
        return [Guess(self.rights.get(model, 0.5), self.weight) for model in models]


def calibration() -> Calibration:
    """The chances of ``AFTER``, whatever else is known."""

    def head(chances: Mapping[str, float]) -> Head:
        weights = [logit(chances[pattern]) for pattern in PATTERNS]
        return Head([*weights, *[0.0] * (WIDTH - len(PATTERNS))], {})

    same = dict.fromkeys(PATTERNS, 0.9)
    return Calibration("fixed", {"": [0.0] * (WIDTH - len(PATTERNS))}, head(AFTER), head(same), head(same),
                       0.5, {}, {})  # fmt: skip


def steady() -> Any:
    """A context in which is judged by ``AFTER`` instead of the shipped table."""
    table = calibration()
    return patch.object(cascade, "shipped", lambda: table)


def model(
    name: str, input_mtok: float, output_mtok: float | None = None, **more: Any
) -> ProviderModelSettings:
    """One whose provider calls it by its slug."""
    given = {"context_length": 131072, "output_mtok": input_mtok * 4 if output_mtok is None else output_mtok}
    upstream = name.rpartition("/")[2]
    return ProviderModelSettings(id=name, upstream_id=upstream, input_mtok=input_mtok, **(given | more))


THREE = (model(CHEAP, 0.05), model(OTHER, 0.2), model(STRONG, 5.0))


def acme(base_url: str, models: Sequence[ProviderModelSettings] = THREE, **more: Any) -> ProviderSettings:
    """A provider of these models."""
    given: dict[str, Any] = {"wire": "openai_chat", "allow_private": True} | more
    return ProviderSettings(base_url=base_url, models=tuple(models), **given)


def says(name: str, text: str = PARIS, nth: int | tuple[int, ...] = (), **more: Any) -> Reply:
    """What the model of this name answers."""
    slug = name.rpartition("/")[2]
    return Reply(when=When(model=slug, nth=nth), text=text, **({"usage": USAGE} | more))


def choose_by(
    door: Door, rights: Mapping[str, float] = RIGHTS, routes: Sequence[RouteSettings] = (), **settings: Any
) -> Auto:
    """Let ``auto`` choose behind this door. Nothing is explored unless ``explore`` says so."""
    auto = Auto(
        AutoSettings(**({"explore": 0.0} | settings)),
        Rules(routes),
        door.catalog,
        door.health,
        door.gateway.affinity,
        Fixed(rights),  # type: ignore[arg-type]
        Learner(door.store),
        asyncio.get_running_loop().time,
    )
    door.gateway.choose_by(auto)
    return auto


def route(use: Mapping[str, Any], name: str = "a rule", **when: Any) -> RouteSettings:
    """One ``[[route]]``."""
    return RouteSettings(name, RouteWhen(**when), RouteUse(**use))


@asynccontextmanager
async def auto_door(
    home: Path,
    *replies: Reply,
    models: Sequence[ProviderModelSettings] = THREE,
    rights: Mapping[str, float] = RIGHTS,
    routes: Sequence[RouteSettings] = (),
    more: Mapping[str, Any] | None = None,
    provider: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Door, ScriptedProvider]]:
    """A gateway whose models answer by ``replies``, the first that fits, and are judged by ``AFTER``.

    ``settings`` are those of auto.
    """
    script = Script(reply=(*replies, Reply(text=PARIS, usage=USAGE)))
    async with ScriptedProvider(script) as upstream:
        chances = steady()
        chances.start()
        providers = {"acme": acme(upstream.base_url, models, **(provider or {}))}
        door = Door(home / "home", providers, **(more or {}))
        choose_by(door, rights, routes, **settings)
        await door.open()
        try:
            yield door, upstream
        finally:
            await door.close()
            chances.stop()


def ask(text: str = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    """A request for ``auto`` on the chat wire."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}


def decisions(door: Door) -> list[tuple[DecisionRow, Decision]]:
    """All that were stored, the oldest first, each beside its story."""
    door.records()
    rows = sorted(door.store.latest_decisions(1000), key=lambda row: row.id)
    return [(row, read(row.detail)) for row in rows]


def decision(door: Door) -> tuple[DecisionRow, Decision]:
    """The only one."""
    (one,) = decisions(door)
    return one


def settled(door: Door, *outcomes: str) -> list[Any]:
    """The records, which must have ended so, in this order; nothing is under way any more."""
    records = door.records()
    assert [each.outcome for each in records] == list(outcomes)
    assert door.gateway.inflight.count() == 0
    assert len({each.id for each in records}) == len(records)
    return records


def cost_told(body: bytes) -> int:
    """Nano-dollars that a whole answer, or a stream of chat, tells of its usage."""
    if body.startswith(b"{"):
        return round(json.loads(body)["usage"]["cost"] * 1e9)
    costs = [
        json.loads(line[6:])["usage"]["cost"]
        for line in body.splitlines()
        if line.startswith(b"data: {") and b'"cost"' in line
    ]
    return round(costs[-1] * 1e9)
