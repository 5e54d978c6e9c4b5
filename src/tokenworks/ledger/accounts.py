"""The arithmetic of accounts, whatever engine keeps them: who gets how much, and what a batch has spent."""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.ledger.limit_rows import Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.sheet import amounts, unpack

SHARE = 8  # a worker gets this part of what is free, so that much is left for the others
WANTED_US = 2_000_000  # for which a want that was not met is told to those who hold something
IDLE_US = 30 * 86_400 * 1_000_000  # after which the account of a session is dropped
# No real sum comes near these. They keep a damaged record from making a sum that no column can hold, which
# would stop the drainer.
MAX_AMOUNT = 10**15  # of one charge
MAX_SUM = 4 * 10**18


def share(free: int, want: Want) -> int:
    """Of much all that is wanted, of little an eighth, but at least ``least`` where that fits."""
    if free <= 0 or free < want.least:
        return 0
    amount = max(want.amount, want.least, 0)
    return min(amount, max(want.least, free // SHARE, 1), free)


def charged(records: Sequence[Record]) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """What ``records`` were charged, by account and bucket, and by account."""
    buckets: dict[tuple[int, int], int] = {}
    for charges in [record.charges for record in records if record.charges]:
        for account, bucket, amount in zip(charges[::3], charges[1::3], charges[2::3], strict=False):
            if amount > 0:
                key = account, bucket
                buckets[key] = min(buckets.get(key, 0) + min(amount, MAX_AMOUNT), MAX_SUM)
    for sheet, sums in amounts(records).items():
        for account, bucket, what in unpack(sheet):
            if amount := sums[what]:
                key = account, bucket
                buckets[key] = min(buckets.get(key, 0) + amount, MAX_SUM)
    accounts: dict[int, int] = {}
    for (account, _), amount in buckets.items():
        accounts[account] = min(accounts.get(account, 0) + amount, MAX_SUM)
    return buckets, accounts
