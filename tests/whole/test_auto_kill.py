"""Workers and the supervisor killed in the middle of cascades: each call counts once, each decision too."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from auto_serving import (
    AGREED,
    DECLINED,
    MODELS,
    PROMPTS,
    SPLIT,
    STRONG,
    cascade_quality,
    config,
    upstream_id,
)
from bursting import Killer
from limiting import limit, spent
from serving import Server

from tokenworks.ledger.decided import DecisionRow
from tokenworks.ledger.drainer import Drainer
from tokenworks.ledger.store import Store, open_store
from tokenworks.providers.scripted import Reply, Script, ThreadedProvider, When, running
from tokenworks.routing import decision
from tokenworks.schema import NANO_USD

SEED = 5
BUDGET_USD = 0.012  # of the strict key: about half of what its requests would like
CUSTOMERS = 8
REQUESTS = 55  # that have ended before the supervisor is killed
KILLS = 2  # of workers; then the supervisor
REFUSAL = "I'm sorry, I can't help with that."
AUTO = '[routing.auto]\nexplore = 0.0\nstrong = "gamma/strong-opus"\n'


class Fate(NamedTuple):
    """What became of one request, for its caller. Status 0: the connection broke."""

    user: str
    status: int
    id: str = ""
    cost_usd: float = 0.0


class Row(NamedTuple):
    """One record."""

    id: str
    key_id: str
    user: str
    model: str
    cost: int
    outcome: str


def played() -> Script:
    """Answers after 30 to 150 ms. They keep to max_tokens, as a strict budget needs it."""
    draw = random.Random(SEED)
    said: dict[str, tuple[int | str, int | str, int | str]] = {  # so many words, or these
        AGREED: (50, 50, 50),
        DECLINED: (REFUSAL, REFUSAL, 70),
        SPLIT: (45, 60, 60),
    }
    replies = [
        Reply(
            when=When(model=upstream_id(model), says=word),
            text=says if isinstance(says, str) else None,
            tokens=says if isinstance(says, int) else None,
            first_byte_delay_s=draw.uniform(0.03, 0.1),
            jitter_s=0.05,
        )
        for word, all_say in said.items()
        for model, says in zip(MODELS, all_say, strict=True)
    ]
    return Script(tuple(replies))


class Crowd:
    """Asks on connections of its own; each request once, told apart by its ``user``."""

    def __init__(self, server: Server, keys: list[str], qualities: dict[str, float]) -> None:
        self.server, self.keys, self.qualities = server, keys, qualities
        self.numbers, self.over = itertools.count(), threading.Event()
        self.fates: list[Fate] = []

    def one(self, number: int) -> Fate:
        user, word = f"user-{number}", (AGREED, DECLINED, SPLIT)[number % 3]
        body = {
            "model": "auto",
            "messages": [{"role": "user", "content": PROMPTS[word]}],
            "max_tokens": 100,
            "quality": self.qualities[word],
            "user": user,
        }
        if number % 4 == 0:
            body |= {"stream": True, "cascade": {"buffer": True}}
        headers = {"authorization": f"Bearer {self.keys[number % 2]}"}
        url = f"{self.server.url}/v1/chat/completions"
        try:
            answer = httpx.post(url, json=body, headers=headers, timeout=20, verify=False)
        except httpx.HTTPError:
            return Fate(user, 0)
        if answer.status_code != 200 or body.get("stream"):
            return Fate(user, answer.status_code, answer.headers.get("x-generation-id", ""))
        return Fate(user, 200, answer.headers["x-generation-id"], answer.json()["usage"]["cost"])

    def begin(self) -> None:
        """Let ``CUSTOMERS`` ask, one request after the other each."""
        self.pool = ThreadPoolExecutor(CUSTOMERS)
        for _ in range(CUSTOMERS):
            self.pool.submit(self._customer)

    def _customer(self) -> None:
        while not self.over.is_set():
            self.fates.append(self.one(next(self.numbers)))

    def end(self) -> list[Fate]:
        """What became of all that were begun."""
        self.over.set()
        self.pool.shutdown()
        return self.fates


def asked(upstream: ThreadedProvider) -> bool:
    """Some model is being asked right now."""
    return upstream.totals().open_requests > 2


def rows(home: Path) -> list[Row]:
    with sqlite3.connect(home / "tokenworks.db") as store:
        found = store.execute('SELECT id, key_id, "user", model, cost_nano_usd, outcome FROM requests')
        return [Row(*row) for row in found]


def decisions(store: Store) -> list[DecisionRow]:
    found: list[DecisionRow] = []
    while page := store.decisions(0, 2**62, found[-1] if found else None):
        found += page
    return found


def test_kill_nine_in_the_middle_of_cascades(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(played()) as upstream:
        server = Server(home, config(upstream.base_url, AUTO), workers=2)
        strict_id, strict_key = server.new_key("strict")
        store = open_store(f"sqlite:///{home / 'tokenworks.db'}")
        budget = limit(store, strict_id, "usd", BUDGET_USD, "month", strict=True)
        qualities = {word: cascade_quality(home, prompt)[0] for word, prompt in PROMPTS.items()}
        crowd = Crowd(server, [server.key, strict_key], qualities)
        try:
            server.start()
            draw = random.Random(SEED)

            def strike() -> None:
                upstream.until(asked, 20)
                os.kill(draw.choice(server.worker_pids()), signal.SIGKILL)

            killer = Killer(strike, KILLS, SEED, 0.5)
            crowd.begin()
            killer.start()
            assert killer.wait() > 0
            upstream.until(lambda it: len(crowd.fates) >= REQUESTS and asked(it), 20)
            time.sleep(draw.uniform(0.0, 0.2))
            server.kill()
            fates = crowd.end()
        finally:
            server.close()
        recover(home, store)
        try:
            check_calls(rows(home), [(each.body["user"], each.model) for each in upstream.requests])
            check_decisions(rows(home), decisions(store), fates)
            check_budget(rows(home), strict_id, spent(store, budget))
        finally:
            store.close()
    statuses = Counter(fate.status for fate in fates)
    assert set(statuses) <= {0, 200, 402} and statuses[200] > 20 and statuses[0] > 0, statuses


def recover(home: Path, store: Store) -> None:
    """What the next start does, once the workers have noticed that nobody watches them any more."""
    drainer, deadline = Drainer(home / "journal", store), time.monotonic() + 10
    while list((home / "journal").glob("*.inflight")):
        assert time.monotonic() < deadline
        drainer.recover()
        time.sleep(0.05)
    drainer.close()


def check_calls(records: list[Row], calls: list[tuple[str, str]]) -> None:
    """Every call that a provider got has its one record, and no record stands for two of them.

    A request asks one model after the other, so at most its last call is cut short.
    """
    named = {upstream_id(model): model for model in MODELS}
    made = Counter((user, named[model]) for user, model in calls)
    answered = Counter((row.user, row.model) for row in records if row.outcome == "ok")
    cut = Counter(row.user for row in records if row.outcome == "killed")
    assert {row.outcome for row in records} <= {"ok", "killed", "denied"}
    assert cut and {1} == set(made.values()) == set(answered.values()) == set(cut.values())
    assert answered.keys() <= made.keys()
    unanswered = Counter(user for user, _ in made.keys() - answered.keys())
    assert unanswered <= cut, unanswered - cut
    assert any(row.outcome == "ok" and row.model == STRONG for row in records)


def check_decisions(records: list[Row], made: list[DecisionRow], fates: list[Fate]) -> None:
    """At most one a request, which tells the truth about its records; one for all that were answered."""
    by_id = {row.id: row for row in records}
    assert len(by_id) == len(records)
    users = Counter(by_id[each.id].user for each in made)
    assert max(users.values()) == 1
    cascades = 0
    for each in made:
        steps = decision.read(each.detail).steps
        assert {by_id[step.id].user for step in steps} == {by_id[each.id].user}
        assert sum(by_id[step.id].cost for step in steps) == each.cost_nano_usd
        cascades += len(steps) > 1
    assert cascades > 5
    assert sum(each.cost_nano_usd for each in made) <= sum(row.cost for row in records)
    kept = {each.id: each for each in made}
    for fate in fates:
        if fate.status == 200 and fate.cost_usd:
            assert kept[fate.id].cost_nano_usd == round(fate.cost_usd * NANO_USD)
            assert by_id[fate.id].user == fate.user


def check_budget(records: list[Row], key_id: str, spent_nano_usd: int) -> None:
    """Never a nano-dollar over, and what is counted as spent is what the records say."""
    costs = sum(row.cost for row in records if row.key_id == key_id)
    assert costs == spent_nano_usd == pytest.approx(costs)
    assert 0.3 * BUDGET_USD * NANO_USD < costs <= BUDGET_USD * NANO_USD
