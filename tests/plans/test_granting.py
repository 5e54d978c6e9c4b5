"""Limits as they are given: made, changed, replaced; and wallets that grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.ledger.store import Store
from tokenworks.plans import granting
from tokenworks.plans.granting import Written, counted, grant, new_limit, own_limits, spelled, top_up, written

NANO = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = fresh_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.close()


def there(store: Store, subject: str = "k_1") -> dict[str, tuple[int, str, bool]]:
    return {
        spelled(each): (each.amount, each.timezone, each.strict)
        for each in own_limits(store.limits(), "key", subject)
    }


def test_written_and_spelled_are_the_same() -> None:
    for text in ("$20/month", "$0.5/5h", "60rpm", "10 concurrent", "$100", "requests:1000/day"):
        assert spelled(new_limit("key", "k_1", written(text))) == text
    assert written("20/month") == Written("usd", 20 * NANO, "month")


@pytest.mark.parametrize(
    ("unit", "amount", "said"),
    [
        ("usd", -1, "dollars from 0"),
        ("usd", float("nan"), "dollars from 0"),
        ("usd", 1e10, "dollars from 0"),
        ("requests", 1.5, "whole number of requests"),
        ("requests", -1, "whole number"),
        ("requests", float("inf"), "whole number"),
        ("euros", 1, "use one of usd, requests"),
    ],
)
def test_amounts_that_are_none(unit: str, amount: float, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        counted(unit, amount)
    assert "\n" not in str(caught.value)


def test_amounts() -> None:
    assert counted("usd", 0.1) == 100_000_000
    assert counted("tokens", 5.0) == 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scope": "planet"}, "scope: use one of key"),
        ({"subject": " "}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "*"}, "one key"),
        ({"within": "t_1"}, "one key"),
        ({"timezone": "Mars"}, "time zone"),
        ({"wanted": Written("usd", 1, "fortnight")}, "window"),
        ({"wanted": Written("concurrent", 1, "day")}, "same time"),
    ],
)
def test_limits_that_are_none(given: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"scope": "key", "subject": "k_1", "wanted": Written("usd", 1, "day"), **given}
    with pytest.raises(ValueError, match=said) as caught:
        new_limit(asked.pop("scope"), asked.pop("subject"), asked.pop("wanted"), **asked)
    assert "\n" not in str(caught.value)


def test_a_window_that_is_there_gets_the_new_amount(store: Store) -> None:
    grant(store, "key", "k_1", [written("20/month"), written("60rpm")], strict=True, actor="a")
    assert there(store) == {"$20/month": (20 * NANO, "UTC", True), "60rpm": (60, "UTC", False)}
    before = {each.window: each.id for each in store.limits()}
    grant(store, "key", "k_1", [written("30/month"), written("2/5h")], actor="b")
    assert there(store) == {
        "$30/month": (30 * NANO, "UTC", True),
        "60rpm": (60, "UTC", False),
        "$2/5h": (2 * NANO, "UTC", False),
    }
    after = {each.window: each.id for each in store.limits()}
    assert before.items() <= after.items(), "what was spent stays with its limit"
    grant(store, "key", "k_1", [written("30/month")], strict=False)
    assert there(store)["$30/month"][2] is False
    assert {each.actor for each in store.audit(target=after["month"])} == {"a", "b", ""}


def test_another_time_zone_is_another_limit(store: Store) -> None:
    grant(store, "key", "k_1", [written("20/month")])
    (first,) = store.limits()
    grant(store, "key", "k_1", [written("20/month")], timezone="Europe/Berlin")
    (second,) = store.limits()
    assert (second.timezone, second.id != first.id) == ("Europe/Berlin", True)
    grant(store, "key", "k_1", [written("25/month")])
    assert there(store) == {"$25/month": (25 * NANO, "Europe/Berlin", False)}


def test_replacing_removes_what_is_not_wanted_but_nobody_elses(store: Store) -> None:
    grant(store, "key", "k_1", [written("20/month"), written("60rpm")])
    grant(store, "key", "k_2", [written("5/day")])
    top_up(store, "key", "k_1", 3)
    grant(store, "key", "k_1", [written("60rpm")], replace=True)
    assert list(there(store)) == ["60rpm"]
    assert list(there(store, "k_2")) == ["$5/day"]
    assert [each.amount for each in store.limits() if each.purpose == granting.WALLET] == [3 * NANO]


def test_nothing_is_done_when_any_of_it_is_wrong(store: Store) -> None:
    for wanted in ([written("1/day"), written("2/day")], [written("1/day"), Written("usd", 1, "never")]):
        with pytest.raises(ValueError, match=r"two limits|window"):
            grant(store, "key", "k_1", wanted)
    with pytest.raises(ValueError, match="time zone"):
        grant(store, "key", "k_1", [written("1/day")], timezone="Mars")
    assert store.limits() == []


def test_a_wallet_grows(store: Store) -> None:
    first = top_up(store, "key", "k_1", 20, actor="a")
    assert (first.unit, first.window, first.strict, first.purpose) == ("usd", "lifetime", True, "wallet")
    second = top_up(store, "key", "k_1", 0.5)
    assert (second.id, second.amount) == (first.id, 20_500_000_000)
    other = top_up(store, "team", "t_1", 1)
    assert other.id != first.id
    with pytest.raises(ValueError, match="dollars"):
        top_up(store, "key", "k_1", -1)
    with pytest.raises(ValueError, match="at most"):
        top_up(store, "key", "k_1", 1e9)
    assert own_limits(store.limits(), "key", "k_1") == []
