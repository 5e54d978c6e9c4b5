"""Which accounts a request counts against, where the amounts follow from its record.

Thousands of requests of one key count against the same accounts in the same buckets, so the list of them is
packed once and goes along as bytes: 13 for each account.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tokenworks.ledger.record import Record

# What of a record counts, by the number that stands in a sheet.
USD, REQUESTS, INPUT_TOKENS, OUTPUT_TOKENS, TOKENS, CREDITS = range(6)
_ENTRY = struct.Struct("<QIB")


def pack(entries: Iterable[tuple[int, int, int]]) -> bytes:
    """A sheet of accounts, buckets and what of a record counts there (``USD`` ... ``CREDITS``)."""
    return b"".join(_ENTRY.pack(*entry) for entry in entries)


def unpack(sheet: bytes) -> list[tuple[int, int, int]]:
    """The entries of ``sheet``; none where it is no sheet."""
    if len(sheet) % _ENTRY.size:
        return []
    return [entry for entry in _ENTRY.iter_unpack(sheet) if entry[2] <= CREDITS and entry[0] < 2**63]


def amounts(records: Iterable[Record]) -> dict[bytes, list[int]]:
    """For each sheet in ``records`` the sums of what counts, indexed by ``USD`` ... ``CREDITS``."""
    found: dict[bytes, list[int]] = {}
    for record in records:
        sheet = record.sheet
        if sheet:
            sums = found.get(sheet)
            if sums is None:
                sums = found[sheet] = [0, 0, 0, 0, 0, 0]
            inp = record.uncached_input_tokens + record.cache_read_tokens + record.cache_write_tokens
            sums[0] += record.cost_nano_usd
            sums[1] += 1
            sums[2] += inp
            sums[3] += record.output_tokens
            sums[5] += min(record.credits, 10**15)  # see ``accounts.MAX_AMOUNT``
    for sums in found.values():
        sums[TOKENS] = sums[INPUT_TOKENS] + sums[OUTPUT_TOKENS]
    return found
