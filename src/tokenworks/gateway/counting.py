"""Tokens of a request that nobody who serves its model counts: an estimate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tokenworks.gateway.auto import NAMES
from tokenworks.http.reply import JSON_TYPE
from tokenworks.http.server import ClientConnection
from tokenworks.ledger.record import Record
from tokenworks.wire import pairs
from tokenworks.wire.pairing import Asked

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.front import Gateway


def guessed(
    gateway: Gateway, asked: Asked, caller: Caller, reply: ClientConnection, record: Record, started: int
) -> bool:
    """Answer with an estimate where it has to be one; whether that was done.

    Which model "auto" would choose is not known before it is asked, and none counts for all.
    """
    endpoints, _ = gateway.chooser.find(asked.model)
    if endpoints:
        if any(gateway.targets.serves(each, pairs.COUNT) for each in endpoints):
            return False
        if gateway.local_only(caller) and not any(each.engine for each in endpoints):
            return False  # without a key only of models that run here; the choice says so
        record.model = endpoints[0].model
    elif gateway.auto is None or asked.model not in NAMES:
        return False
    tokens = max(1, record.uncached_input_tokens)
    record.provider = "local"
    record.uncached_input_tokens = 0
    record.outcome, record.status, record.estimated = "ok", 200, True
    record.latency_us = (time.perf_counter_ns() - started) // 1000
    gateway.journal.append(record)
    reply.send(200, JSON_TYPE + b"x-tokenworks-estimated: true\r\n", b'{"input_tokens":%d}' % tokens)
    return True
