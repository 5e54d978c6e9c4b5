"""What a request is recorded to have used and cost."""

from __future__ import annotations

from tokenworks.energy import attribution
from tokenworks.energy.attribution import Rates
from tokenworks.ledger.record import Record
from tokenworks.schema import Price, Usage
from tokenworks.wire.costs import charged
from tokenworks.wire.pairing import Stream

BYTES_PER_TOKEN = 4  # of English text, for estimates where no provider told the tokens


def estimate(record: Record, output_tokens: int) -> Usage:
    """Usage no provider told: flagged in ``record`` as an estimate."""
    record.estimated = True
    return Usage(uncached_input_tokens=record.uncached_input_tokens, output_tokens=output_tokens)


def so_far(record: Record, stream: Stream) -> Usage:
    """Usage of a stream that ended early: what its provider told, else an estimate; both are flagged."""
    if stream.usage is None:
        return estimate(record, stream.output_tokens)
    if not stream.finish:  # some tell the input at once and the output at the end
        record.estimated = True
    return stream.usage


def fill(record: Record, outcome: str, status: int, usage: Usage | None, price: Price) -> None:
    """Complete ``record``; ``usage`` of None means that nothing was used.

    An answer that came to nothing is not charged: no output, and no finish reason or a failed one.
    """
    record.outcome = outcome
    record.status = status
    if usage is None:
        record.uncached_input_tokens = record.cost_nano_usd = 0
        return
    record.uncached_input_tokens = usage.uncached_input_tokens
    record.cache_read_tokens = usage.cache_read_tokens
    record.cache_write_tokens = usage.cache_write_tokens
    record.output_tokens = usage.output_tokens
    record.reasoning_tokens = usage.reasoning_tokens
    left = outcome == "client_gone"  # then nobody knows what the answer would have been
    record.cost_nano_usd = price.cost_nano_usd(usage) if left else charged(price, usage, record.finish_reason)


def power(record: Record, rates: Rates) -> None:
    """Put into a filled ``record`` the joules and grams that its tokens took, as far as ``rates`` know."""
    record.energy_mj, record.carbon_ug, record.energy_basis = attribution.of(
        rates,
        record.provider,
        record.model,
        record.uncached_input_tokens + record.cache_write_tokens,
        record.cache_read_tokens,
        record.output_tokens,
    )
