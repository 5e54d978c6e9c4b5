"""Guessing keys gets slow."""

from __future__ import annotations

from tokenworks.console.slowing import ALTOGETHER, MOST_ADDRESSES, PER_ADDRESS, WINDOW_S, Failures


def test_an_address_waits_after_its_failures_and_others_do_not() -> None:
    now = [1_000_000_000]
    failures = Failures(lambda: now[0])
    for _ in range(PER_ADDRESS):
        assert failures.wait_s("10.0.0.1") == 0
        failures.note("10.0.0.1")
        now[0] += 1_000_000
    assert failures.wait_s("10.0.0.1") == WINDOW_S - PER_ADDRESS
    assert failures.wait_s("10.0.0.2") == 0
    now[0] += (WINDOW_S - PER_ADDRESS) * 1_000_000
    assert failures.wait_s("10.0.0.1") == 0  # the first is over
    failures.note("10.0.0.1")
    assert failures.wait_s("10.0.0.1") == 1.0


def test_all_addresses_together_have_a_limit() -> None:
    failures = Failures(lambda: 1_000_000_000)
    for number in range(ALTOGETHER):
        assert failures.wait_s("10.1.1.1") == 0
        failures.note(f"10.0.0.{number}")
    assert failures.wait_s("10.1.1.1") == WINDOW_S


def test_only_so_many_addresses_are_remembered() -> None:
    failures = Failures(lambda: 1_000_000_000)
    for number in range(MOST_ADDRESSES + 50):
        failures.note(str(number))
    assert len(failures._by_address) == MOST_ADDRESSES
    assert "0" not in failures._by_address and str(MOST_ADDRESSES + 49) in failures._by_address
