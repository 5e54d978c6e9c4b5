"""Ends of a request that waits: one record each, one answer at most, and nothing goes on after them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tokenworks.gateway.keeping import Keeping
from tokenworks.gateway.parked import Parked
from tokenworks.gateway.pending import Pending
from tokenworks.gateway.waiting import Waiting
from tokenworks.gateway.way import CHAT
from tokenworks.ledger.record import Record


class Stands(Waiting):
    NOT_YET = "this test was over"

    def __init__(self) -> None:
        self.kept: list[Record] = []
        self.failed: list[Any] = []
        self.ended = 0
        self.gateway: Any = SimpleNamespace(journal=SimpleNamespace(append=self.kept.append))
        self.reply: Any = SimpleNamespace(fail=lambda error, render: self.failed.append(error))
        self.way, self.started = CHAT, 0
        self.record = Record("gen-1-a", 1, uncached_input_tokens=9, cost_nano_usd=7)

    def _ended(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("end", "outcome", "status"), [("client_gone", "client_gone", 0), ("shut_down", "shutdown", 503)]
)
def test_each_end_is_the_only_one(end: str, outcome: str, status: int) -> None:
    one = Stands()
    one.client_slow()
    one.client_ready()
    getattr(one, end)()
    one.client_gone()
    one.shut_down()
    (record,) = one.kept
    assert (record.outcome, record.status) == (outcome, status)
    assert record.uncached_input_tokens == record.cost_nano_usd == 0 and record.latency_us > 0
    assert one.ended == 1
    assert [str(error) for error in one.failed] == (
        ["the server was stopped before this test was over"] if status else []
    )


def test_who_waits_says_for_what() -> None:
    assert len({kind.NOT_YET for kind in (Keeping, Parked, Pending)}) == 3
