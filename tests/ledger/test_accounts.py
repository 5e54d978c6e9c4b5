import random

from tokenworks.ledger.accounts import MAX_AMOUNT, MAX_SUM, charged, share
from tokenworks.ledger.limit_rows import Want


def want(amount: int, least: int = 1) -> Want:
    return Want(1, "l_1", "", 10**9, 0, amount, least)


def test_of_much_all_is_given_and_of_little_an_eighth() -> None:
    assert share(8000, want(1000)) == 1000
    assert share(7999, want(1000)) == 999
    assert share(80, want(1000)) == 10
    assert share(7, want(1000)) == 1
    assert share(80, want(1000, least=50)) == 50
    assert share(80, want(10, least=50)) == 50
    assert share(50, want(1000, least=50)) == 50


def test_what_does_not_fit_is_not_given() -> None:
    assert share(49, want(1000, least=50)) == 0
    assert share(0, want(1000)) == share(-5, want(1000)) == 0
    assert share(100, want(0, least=0)) == 0


def test_never_more_is_given_than_is_free() -> None:
    rng = random.Random(1)
    for _ in range(5000):
        free = rng.randint(-10, 200)
        asked = want(rng.randint(-3, 300), least=rng.randint(0, 60))
        given = share(free, asked)
        assert 0 <= given <= max(free, 0)
        assert given == 0 or given >= asked.least


def test_charges_add_up_by_bucket_and_by_account(make) -> None:
    records = [make(charges=(1, 0, 5, 2, 60, 7)), make(), make(charges=(1, 0, 1, 1, 60, 2, 3, 0, 0))]
    assert charged(records) == ({(1, 0): 6, (2, 60): 7, (1, 60): 2}, {1: 8, 2: 7})
    assert charged([make(charges=(1, 0, -5)), make(charges=(1, 0))]) == ({}, {})


def test_no_charge_makes_a_sum_that_no_column_holds(make) -> None:
    records = [make(charges=(1, 0, 2**63 - 1)), make(charges=(1, 0, 1))]
    assert charged(records) == ({(1, 0): MAX_AMOUNT + 1}, {1: MAX_AMOUNT + 1})
    many = charged([make(charges=(1, 0, 2**63 - 1) * 5000)])
    assert many == ({(1, 0): MAX_SUM}, {1: MAX_SUM})
