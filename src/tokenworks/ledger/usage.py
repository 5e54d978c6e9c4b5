"""What was used and what it cost, in the shape that the command line and the API show."""

from __future__ import annotations

from typing import Any

from tokenworks.ledger.decided import SavingsRow
from tokenworks.ledger.rows import UsageRow
from tokenworks.ledger.store import Store
from tokenworks.schema import NANO_USD


def report(
    store: Store, by: str = "model", since_us: int | None = None, until_us: int | None = None
) -> dict[str, Any]:
    """Totals and a row for each of ``by`` (model, key, app, provider, day), times in unix µs.

    ``input_tokens`` counts all three classes of input. A key's row has its name under ``key`` and its id
    under ``key_id``. ``saved_usd`` is what always asking the strong model would have cost more, over the
    requests for ``auto``; providers have none, since one request may meet several. Raises ``ValueError``
    for another ``by``, ``StoreError`` when the store can't answer.
    """
    rows = store.usage(by, since_us, until_us)
    saved = {each.group: each for each in store.savings(by, since_us, until_us)} if by != "provider" else {}
    auto = next(iter(store.savings(None, since_us, until_us)), SavingsRow())
    return {
        "requests": sum(row.requests for row in rows),
        "input_tokens": sum(row.input_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
        "cost_usd": sum(row.cost_nano_usd for row in rows) / NANO_USD,
        "saved_usd": auto.saved_nano_usd / NANO_USD,
        "auto": {
            "requests": auto.requests,
            "cost_usd": auto.cost_nano_usd / NANO_USD,
            "always_strong_usd": auto.baseline_nano_usd / NANO_USD,
        },
        "rows": [_row(by, row, saved.get(row.group)) for row in rows],
    }


def _row(by: str, row: UsageRow, saved: SavingsRow | None) -> dict[str, Any]:
    shown: dict[str, Any] = {by: row.name}
    if by == "key":
        shown["key_id"] = row.group
    return {
        **shown,
        "requests": row.requests,
        "errors": row.errors,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "reasoning_tokens": row.reasoning_tokens,
        "cost_usd": row.cost_nano_usd / NANO_USD,
        "saved_usd": saved.saved_nano_usd / NANO_USD if saved is not None else 0.0,
    }
