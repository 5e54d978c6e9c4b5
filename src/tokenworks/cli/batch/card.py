"""A batch as the commands show it, in JSON and in lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from tokenworks.cli.table import plain, usd

if TYPE_CHECKING:
    from tokenworks.batches.forecast import Forecast
    from tokenworks.ledger.batched import BatchRow, PartRow
    from tokenworks.ledger.store import Store

NANO_USD = 1_000_000_000


def card(row: BatchRow, forecast: Forecast | None = None) -> dict[str, Any]:
    """One JSON object. Times are seconds since 1970, money dollars."""
    from tokenworks.batches.hours import off_peak_hours

    shown: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "status": row.status,
        "note": row.note,
        "model": row.model,
        "key_id": row.key_id,
        "created": row.created_us // 1_000_000,
        "started": None if row.started_us is None else row.started_us // 1_000_000,
        "finished": None if row.finished_us is None else row.finished_us // 1_000_000,
        "parts": {"total": row.total, "done": row.done, "failed": row.failed, "waiting": row.waiting},
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost_usd": row.cost_nano_usd / NANO_USD,
        "max_cost_usd": None if row.max_cost_nano_usd is None else row.max_cost_nano_usd / NANO_USD,
        "options": msgspec.json.decode(row.options or b"{}"),
        "metadata": msgspec.json.decode(row.metadata or b"{}"),
        "input_files": list(row.input_files),
        "run": row.run,
        "not_before": row.not_before_us // 1_000_000 or None,
        "before": None if row.not_after_us is None else row.not_after_us // 1_000_000,
        "off_peak": off_peak_hours(row) or None,
    }
    if forecast is not None:
        shown["forecast"] = {
            "tokens_per_s": forecast.tokens_per_s,
            "left_s": forecast.left_s,
            "cost_usd": forecast.cost_usd,
        }
    return shown


def part_card(part: PartRow) -> dict[str, Any]:
    """One part, with what came of it."""
    return {
        "id": part.id,
        "status": part.status,
        "lane": part.lane,
        "tries": part.tries,
        "model": part.model,
        "input_tokens": part.input_tokens,
        "output_tokens": part.output_tokens,
        "cost_usd": part.cost_nano_usd / NANO_USD,
        "generation_id": part.generation_id,
        "result": msgspec.json.decode(part.result) if part.result else None,
    }


def found(store: Store, batch_id: str) -> BatchRow:
    """The batch with this id, or the only one whose id begins so. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    row = store.batch(batch_id)
    if row is not None:
        return row
    near = [each for each in store.batches(None, limit=1000) if _begins(each.id, batch_id)]
    if len(near) == 1:
        return near[0]
    many = f"{len(near)} batches begin with" if near else "no batch has the id"
    raise NotFound(f"{many} {plain(batch_id)[:60]}; tokenworks batch list shows them")


def _begins(batch_id: str, text: str) -> bool:
    return len(text) >= 4 and (batch_id.startswith(text) or batch_id.removeprefix("batch_").startswith(text))


def summary(row: BatchRow) -> str:
    """One line of what it is now."""
    parts = f"{row.done:,} of {row.total:,} parts" + (f", {row.failed:,} failed" if row.failed else "")
    tokens = f"{row.input_tokens:,} tokens in, {row.output_tokens:,} out"
    note = f": {plain(row.note)}" if row.note else ""
    return f"{row.id} {row.status}{note}; {parts}; {tokens}; {usd(row.cost_nano_usd / NANO_USD)}"


def say(row: BatchRow, flagged: int = 0) -> None:
    """That line on stdout, and how many parts are kept though not right."""
    more = f"; {flagged:,} flagged: kept, but not as they should be" if flagged else ""
    click.echo(f"{summary(row)}{more}")
