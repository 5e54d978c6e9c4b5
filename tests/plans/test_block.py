"""Stocks of requests: what they cover, what they give back, and that nothing is lost between."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tokenworks.ledger import sheet
from tokenworks.ledger.record import Record
from tokenworks.plans.account import Account, kind_of
from tokenworks.plans.block import IDLE_LOOKS, POOR_US, STOCK, Block
from tokenworks.plans.window import parse
from tokenworks.schema import Usage

NOW_US = 1_795_000_000_000_000
UNITS = ("usd", "requests", "input_tokens", "output_tokens", "tokens", "concurrent")


class Leases:
    """As much of ``plans.leases`` as a block needs."""

    def __init__(self) -> None:
        self.blocks: set[Any] = set()
        self.waiting: dict[Any, Any] = {}
        self.asked: list[str] = []
        self.nudges = 0

    def ask(self, account: Account, amount: int, least: int) -> None:
        self.asked.append(account.unit)

    def nudge(self) -> None:
        self.nudges += 1


def account(unit: str, free: int, window: str = "month") -> Account:
    made = Account(
        f"l_{unit}_{window}", "k", "key", "k", unit, kind_of(unit, strict=False), free, parse(window)
    )
    made.free = made.granted = free
    return made


def begin(block: Block) -> Record:
    assert block.left > 0
    block.left -= 1
    block.open += 1
    return Record("gen-1-a", NOW_US, sheet=block.sheet)


def end(block: Block, record: Record, inp: int, out: int, nano: int) -> None:
    record.uncached_input_tokens, record.output_tokens, record.cost_nano_usd = inp, out, nano
    block.settle(record, Usage(uncached_input_tokens=inp, output_tokens=out))


def test_a_stock_covers_its_requests_and_gives_back_what_they_left() -> None:
    leases = Leases()
    accounts = [account(unit, 10**12) for unit in UNITS]
    block = Block(accounts, leases, 100)  # type: ignore[arg-type]
    assert block.fill(NOW_US, 1000, 100, 5000)
    assert block.left == STOCK
    money, requests, *_, concurrent = accounts
    assert 10**12 - money.free == STOCK * block.most_nano
    assert 10**12 - requests.free == 10**12 - concurrent.free == STOCK
    records = [begin(block) for _ in range(3)]
    for record in records:
        end(block, record, 1000, 50, 4000)
    block.close()
    used = {"usd": 12_000, "requests": 3, "input_tokens": 3000, "output_tokens": 150, "tokens": 3150}
    assert {a.unit: 10**12 - a.free for a in accounts} == {**used, "concurrent": 0}
    assert [(a, b) for a, b, _ in sheet.unpack(records[0].sheet)] == [(a.id, a.bucket) for a in accounts[:-1]]


def test_no_stock_of_an_account_that_has_little_left() -> None:
    leases = Leases()
    accounts = [account("usd", 10**12), account("requests", 1)]
    block = Block(accounts, leases, 100)  # type: ignore[arg-type]
    assert not block.fill(NOW_US, 10, 100, 10)
    assert block.left == 0 and [a.free for a in accounts] == [10**12, 1]
    assert "requests" in leases.asked
    accounts[1].free = 10**6
    assert not block.fill(NOW_US + 1, 10, 100, 10)  # not at once again
    assert block.fill(NOW_US + POOR_US, 10, 100, 10)


def test_a_request_out_of_the_ordinary_is_not_covered() -> None:
    block = Block([account("usd", 10**12)], Leases(), 100)  # type: ignore[arg-type]
    assert block.fill(NOW_US, 1000, 100, 1000)
    assert not block.fill(NOW_US, 1_000_000, 100, 1_000_000)


def test_a_new_bucket_makes_a_new_sheet() -> None:
    minute = account("requests", 10**6, "minute")
    block = Block([minute], Leases(), 100)  # type: ignore[arg-type]
    assert block.fill(NOW_US, 10, 100, 10)
    first, until_us = block.sheet, block.until_us
    assert block.fill(until_us - 1, 10, 100, 10) and block.sheet == first
    assert block.fill(until_us, 10, 100, 10) and block.sheet != first
    assert sheet.unpack(block.sheet)[0][1] == until_us // 1_000_000


def test_an_idle_stock_goes_back_and_a_retired_one_settles_to_the_end() -> None:
    leases = Leases()
    money = account("usd", 10**12)
    block = Block([money], leases, 100)  # type: ignore[arg-type]
    block.fill(NOW_US, 10, 100, 10)
    for _ in range(IDLE_LOOKS + 1):
        block.tidy()
    assert block.left == 0 and money.free == 10**12
    block.fill(NOW_US + POOR_US, 10, 100, 10)
    record = begin(block)
    block.tidy()
    block.retire()
    assert not leases.blocks and money.free == 10**12 - block.most_nano
    assert not block.fill(NOW_US + 2 * POOR_US, 10, 100, 10)
    end(block, record, 10, 10, 70)
    assert money.free == 10**12 - 70


def test_a_stock_that_is_used_up_keeps_nothing_once_its_requests_are_over() -> None:
    accounts = [account(unit, 10**12) for unit in UNITS]
    block = Block(accounts, Leases(), 100)  # type: ignore[arg-type]
    block.fill(NOW_US, 10, 100, 10)
    records = [begin(block) for _ in range(STOCK)]
    for record in records:
        end(block, record, 1, 2, 7)
    used = {"usd": 7, "requests": 1, "input_tokens": 1, "output_tokens": 2, "tokens": 3, "concurrent": 0}
    assert {a.unit: 10**12 - a.free for a in accounts} == {u: STOCK * used[u] for u in UNITS}


def test_a_stock_given_back_while_a_request_is_under_way_keeps_nothing_once_that_is_over() -> None:
    money = account("usd", 10**12)
    block = Block([money], Leases(), 100)  # type: ignore[arg-type]
    block.fill(NOW_US, 10, 100, 10)
    record = begin(block)
    block.close()
    assert money.free == 10**12 - block.most_nano
    end(block, record, 10, 10, 70)
    assert money.free == 10**12 - 70


def test_a_request_that_was_not_begun_leaves_nothing() -> None:
    money = account("usd", 10**12)
    block = Block([money], Leases(), 100)  # type: ignore[arg-type]
    block.fill(NOW_US, 10, 100, 10)
    record = begin(block)
    block.release(record)
    block.close()
    assert record.sheet == b"" and money.free == 10**12 and block.open == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_histories_add_up(seed: int) -> None:
    draw = random.Random(seed)
    accounts = [account(unit, draw.choice([10**4, 10**7, 10**12])) for unit in UNITS]
    granted = [a.free for a in accounts]
    block = Block(accounts, Leases(), 100)  # type: ignore[arg-type]
    under_way: list[Record] = []
    used = dict.fromkeys(UNITS, 0)
    now_us = NOW_US
    for _ in range(2000):
        now_us += draw.randint(1, 40_000)
        act = draw.random()
        if act < 0.45:
            inp, nano = draw.randint(0, 3000), draw.randint(0, 3000)
            if (block.left > 0 and now_us < block.until_us) or block.fill(now_us, inp, 100, nano):
                under_way.append(begin(block))
        elif act < 0.85 and under_way:
            record = under_way.pop(draw.randrange(len(under_way)))
            inp, out, nano = draw.randint(0, 2000), draw.randint(0, 400), draw.randint(0, 2000)
            end(block, record, inp, out, nano)
            for unit, amount in zip(UNITS, (nano, 1, inp, out, inp + out, 0), strict=True):
                used[unit] += amount
        elif act < 0.9:
            block.tidy()
        elif act < 0.93:
            block.close()
        elif act < 0.95 and under_way:
            block.release(under_way.pop())
        assert block.open == len(under_way)
        concurrent = accounts[-1]
        assert granted[-1] - concurrent.free >= len(under_way)
    for record in under_way:
        end(block, record, 1, 1, 1)
        for unit, amount in zip(UNITS, (1, 1, 1, 1, 2, 0), strict=True):
            used[unit] += amount
    block.retire()
    assert {a.unit: g - a.free for a, g in zip(accounts, granted, strict=True)} == used
