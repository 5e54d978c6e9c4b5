import threading

import pytest

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import LimitRow, PlanRow, SubscriptionRow, TeamRow, Want


def limit(number: int = 1, **fields) -> LimitRow:
    values = {"id": f"l_{number}", "scope": "key", "subject": "k_1", "unit": "usd", "amount": 100}
    values |= {"window": "month", "created_us": number, "updated_us": number}
    return LimitRow(**(values | fields))


def test_every_field_of_a_limit_comes_back(store) -> None:
    full = limit(1, within="t_1", timezone="Asia/Tokyo", strict=True, purpose="wallet", amount=2**62)
    store.add_limit(full)
    assert store.limits() == [full]


def test_nobody_is_left_with_a_plan_that_is_gone(store) -> None:
    gone = refused = 0
    for _ in range(30):
        store.put_plan(PlanRow("pro", "{}", 1, 1))
        answers: list[object] = []
        start = threading.Barrier(2)

        def subscribe(start=start, answers=answers) -> None:
            start.wait()
            try:
                store.subscribe(SubscriptionRow("key", "k_1", "pro", 3))
            except StoreError as error:
                answers.append(error)

        thread = threading.Thread(target=subscribe)
        thread.start()
        start.wait()
        removed = store.remove_plan("pro")
        thread.join()
        assert removed == bool(answers) == (store.subscriptions() == [])
        gone, refused = gone + removed, refused + (not removed)
        store.unsubscribe("key", "k_1")
    assert gone + refused == 30


def test_a_limit_removed_while_it_is_leased_and_spent_leaves_nothing(store, make) -> None:
    store.add_limit(limit(1))
    wants = [Want(account, "l_1", "s", 10**9, 0, 100, 1) for account in range(40)]
    store.lease("w", wants, {}, [], 1)
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for number in range(15):
                charges = tuple(part for account in range(40) for part in (account, number, 1))
                store.append("w.1", number + 1, [make(charges=charges)])
                store.lease("w", [], dict.fromkeys(range(40), 1), [], 1)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    assert store.remove_limit("l_1", actor="a")
    thread.join()
    assert failures == []
    assert (store.standings(), store.leases_of("w"), store.limits()) == ([], {}, [])


def test_a_team_takes_its_limits_and_plan_with_it(store) -> None:
    store.add_team(TeamRow("t_1", "ops", "{}", 1, 1))
    store.put_plan(PlanRow("pro", "{}", 1, 1))
    store.subscribe(SubscriptionRow("team", "t_1", "pro", 1))
    store.add_limit(limit(1, scope="team", subject="t_1"))
    store.add_limit(limit(2, within="t_1"))
    store.add_limit(limit(3))
    assert store.remove_team("t_1")
    assert [each.id for each in store.limits()] == ["l_3"]
    assert (store.subscriptions(), store.teams()) == ([], [])
    with pytest.raises(StoreError, match="no plan 'none'; make it first"):
        store.subscribe(SubscriptionRow("team", "t_1", "none", 1))
