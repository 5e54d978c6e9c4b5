"""Which of a key's limits is told as its limit, and how all of them are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tokenworks.api.limit_card import Limits, headline
from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.plans.granting import new_limit, top_up, written

Called = Callable[..., Any]
NANO = 1_000_000_000


def limits(*texts: str, timezone: str = "UTC") -> list[LimitRow]:
    return [new_limit("key", "k_1", written(text), timezone=timezone) for text in texts]


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (limits(), None),
        (limits("60rpm", "2/5h", "tokens:5/month"), None),
        (limits("2/5h", "3/day", "20/month"), "day"),
        (limits("20"), "lifetime"),
        (limits("20/month", timezone="Europe/Berlin"), None),
        ([new_limit("key", "k_1", written("5"), purpose="wallet"), *limits("6/week")], "week"),
        ([new_limit("team", "t_1", written("5"))], None),
    ],
)
def test_the_first_budget_whose_window_has_a_name_is_the_limit(
    there: Sequence[LimitRow], told: str | None
) -> None:
    found = headline(there)
    assert (None if found is None else found.window) == told


async def test_layers_are_told_with_the_tightest(called: Called) -> None:
    client = called()
    team = client.new_team()
    rows = [*limits("20/month", "2/5h", "60rpm"), new_limit("team", team, written("5"))]
    for each in rows:
        client.store.add_limit(each)
    top_up(client.store, "key", "k_1", 1)
    client.spend(rows[3].id, team, 6 * NANO)
    found = Limits(client.store)
    told = found.layers([*found.of("key", "k_1"), *found.of("team", team)])
    assert {(each["scope"], each["limit_usd"], each["reset_interval"]) for each in told["budgets"]} == {
        ("key_limit", 20.0, "monthly"),
        ("key_limit", 2.0, "5h"),
        ("workspace", 5.0, None),
    }
    assert told["effective_budget"]["remaining_usd"] == -1.0
    assert told["effective_budget"]["budget_id"] == rows[3].id
    assert found.layers([]) == {"budgets": [], "effective_budget": None}
    assert found.of("key", "k_2") == []
