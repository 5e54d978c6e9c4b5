"""A store that tests of rankings put records into, by date."""

import itertools
from datetime import UTC, datetime
from typing import Any

from tokenworks.ledger.outside import OutsideRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.rankings.periods import EPOCH

NOW = "2026-11-26T10:30"


def us(text: str) -> int:
    """Unix µs of a time in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


class Ledger:
    """A store, and records put into it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.records: list[Record] = []
        self._serial = itertools.count(1)

    def put(self, when: str, tokens: int = 100, times: int = 1, **fields: Any) -> None:
        """``times`` requests of ``tokens`` each (a tenth of them output) at that time."""
        made = []
        for _ in range(times):
            number = next(self._serial)
            output = fields.get("output_tokens", tokens // 10)
            given = {
                "key_id": "k_1",
                "model": "acme/fast",
                "provider": "acme",
                "status": 200,
                "outcome": "ok",
                "finish_reason": "stop",
                "uncached_input_tokens": tokens - output,
                "output_tokens": output,
                "cost_nano_usd": tokens * 1_000,
                **fields,
            }
            made.append(Record(id=f"gen-{number}-x", time_us=us(when), **given))
        self.store.append("w", next(self._serial), made)
        self.records += made

    def told(self, source: str, *rows: tuple[str, str, str, int], filled: bool = False) -> None:
        """What a source told: first day, span, model, tokens of each."""
        days = [(datetime.fromisoformat(day).date() - EPOCH).days for day, *_ in rows]
        self.store.replace_outside(
            source,
            [
                OutsideRow(source, day, span, model, tokens=tokens, filled=filled)
                for day, (_, span, model, tokens) in zip(days, rows, strict=True)
            ],
        )
