"""A stock of requests taken from all accounts of a key at once, so that most requests look at none of them.

Every request in the stock is covered for as much as the key's requests lately came to, twice over. What
they really came to is summed up and given back to the accounts with the next stock. A request that is
larger, or comes when an account has little left, is admitted account by account (``gateway.admission``).
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenworks.ledger import sheet
from tokenworks.ledger.record import MAX_COST_NANO_USD, MAX_TOKENS, Record
from tokenworks.plans.account import FOREVER, Account, Kind
from tokenworks.plans.leases import Leases
from tokenworks.schema import Usage

STOCK = 64  # requests
POOR_US = 50_000  # so long no stock is tried for after one could not be had
IDLE_LOOKS = 4  # of housekeeping without a request: the stock goes back
_LEAST_TOKENS = 64
_LEAST_NANO = 1000
# What of a record counts for each kind of account; -1: nothing that is ever spent.
_COUNTS = {
    Kind.USD: sheet.USD,
    Kind.MOST_USD: sheet.USD,
    Kind.REQUESTS: sheet.REQUESTS,
    Kind.INPUT_TOKENS: sheet.INPUT_TOKENS,
    Kind.MOST_INPUT_TOKENS: sheet.INPUT_TOKENS,
    Kind.OUTPUT_TOKENS: sheet.OUTPUT_TOKENS,
    Kind.MOST_OUTPUT_TOKENS: sheet.OUTPUT_TOKENS,
    Kind.TOKENS: sheet.TOKENS,
    Kind.MOST_TOKENS: sheet.TOKENS,
    Kind.CONCURRENT: -1,
}


class Block:
    """Of one key without a plan, none of whose limits depends on the request.

    Where one is strict, a request is covered for the most that it can come to.
    """

    __slots__ = (
        "_accounts",
        "_idle",
        "_left_before",
        "_poor_until_us",
        "_taken",
        "input_tokens",
        "leases",
        "left",
        "lines",
        "most_input",
        "most_nano",
        "most_output",
        "nano_usd",
        "open",
        "output_tokens",
        "recent_input",
        "recent_nano",
        "recent_output",
        "requests",
        "retired",
        "sheet",
        "told",
        "typical",
        "until_us",
    )

    def __init__(self, accounts: Sequence[Account], leases: Leases, typical: int) -> None:
        self._accounts = [(account, _COUNTS[Kind(account.kind)]) for account in accounts]
        self._taken = [0] * 6  # of each account, by what counts; the last is for ``concurrent``
        self._idle = self._left_before = self._poor_until_us = 0
        self.leases = leases
        self.left = self.open = 0  # requests in stock, and under way out of it
        self.until_us = 0  # then some account's next bucket begins
        self.most_input = self.most_output = self.most_nano = 0  # of one request
        self.recent_input = self.recent_output = self.recent_nano = 0
        self.typical = typical  # output tokens of the key's requests lately
        self.nano_usd = self.requests = self.input_tokens = self.output_tokens = 0  # settled, not given back
        self.sheet = b""
        self.retired = False
        self.lines = b""  # header lines; a number is left open where requests are limited: what is left
        self.told = 0  # that number, once the stock is used up
        leases.blocks.add(self)

    def settle(self, record: Record, usage: Usage | None) -> None:
        """A request out of the stock is over and ``record`` is filled."""
        self.open -= 1
        self.requests += 1
        out = record.output_tokens
        inp = record.uncached_input_tokens + record.cache_read_tokens + record.cache_write_tokens
        nano = record.cost_nano_usd
        if nano > MAX_COST_NANO_USD or inp > MAX_TOKENS or out > MAX_TOKENS:  # no real answer
            nano, inp, out = min(nano, MAX_COST_NANO_USD), min(inp, 3 * MAX_TOKENS), min(out, MAX_TOKENS)
        self.nano_usd += nano
        self.input_tokens += inp
        self.output_tokens += out
        if out:
            self.typical += (out - self.typical) >> 3
        # Used up, and nothing is under way: ``tidy`` would find no stock, and what is over would stay taken.
        if self.retired or self.leases.waiting or not (self.left or self.open):
            self._give_back(self.left)
            self.leases.nudge()

    def release(self, record: Record) -> None:
        """The request was not begun."""
        self.open -= 1
        self.left += 1
        record.sheet = b""
        if self.retired:
            self.close()

    def fill(self, now_us: int, input_tokens: int, output_tokens: int, nano_usd: int) -> bool:
        """Take a stock as large as all accounts have plenty for, of requests like this one and those before.

        False where that is none, or this one is out of the ordinary.
        """
        self.recent_input += (input_tokens - self.recent_input) >> 2 if self.recent_input else input_tokens
        self.recent_output += (
            (output_tokens - self.recent_output) >> 2 if self.recent_output else output_tokens
        )
        self.recent_nano += (nano_usd - self.recent_nano) >> 2 if self.recent_nano else nano_usd
        if now_us < self._poor_until_us:
            return False
        ends_us = FOREVER
        rolled = not self.sheet
        for account, _ in self._accounts:
            if now_us >= account.ends_us:
                account.roll(now_us)
            account.used = True
            ends_us = min(ends_us, account.ends_us)
            rolled = rolled or now_us >= self.until_us
        if rolled:
            self.sheet = sheet.pack((a.id, a.bucket, counts) for a, counts in self._accounts if counts >= 0)
        self.until_us = ends_us
        if self.retired:
            return False
        if not self.open:
            self.most_input = self.most_output = self.most_nano = 0
        self.most_input = max(self.most_input, 2 * self.recent_input + _LEAST_TOKENS)
        self.most_output = max(self.most_output, 2 * self.recent_output + _LEAST_TOKENS)
        self.most_nano = max(self.most_nano, 2 * self.recent_nano + _LEAST_NANO)
        for stock in (STOCK, STOCK // 8, 1):
            if self._give_back(stock, now_us):
                self.left, self._idle = stock, 0
                return (
                    input_tokens <= self.most_input
                    and output_tokens <= self.most_output
                    and nano_usd <= self.most_nano
                )
        self._poor_until_us = now_us + POOR_US
        self.close()
        return False

    def close(self) -> None:
        """Give the stock back. What is under way stays covered."""
        self.left = 0
        self._give_back(0)

    def retire(self) -> None:
        """No more requests out of it: the key's limits have changed."""
        self.retired = True
        self.leases.blocks.discard(self)
        self.close()

    def tidy(self) -> None:
        """Twice a second: a stock that nobody uses goes back."""
        if self.left != self._left_before or self.open:
            self._left_before, self._idle = self.left, 0
            for account, _ in self._accounts:
                account.used = True
            return
        self._idle += 1
        if self._idle == IDLE_LOOKS and self.left:
            self.close()
            self._left_before = 0

    def draws_on(self, account: Account) -> bool:
        """Whether it is one of those that the stock is taken from."""
        return any(each is account for each, _ in self._accounts)

    def _give_back(self, left: int, now_us: int = 0) -> bool:
        """Settle with the accounts so that ``left`` requests and those under way are covered.

        False, and only what nobody can refuse is done, where some account has no plenty of that.
        """
        covered = left + self.open
        needs = [
            covered * self.most_nano,
            covered,
            covered * self.most_input,
            covered * self.most_output,
            covered * (self.most_input + self.most_output),
            covered,
        ]
        used = (
            self.nano_usd,
            self.requests,
            self.input_tokens,
            self.output_tokens,
            self.input_tokens + self.output_tokens,
            0,
        )
        more = [need + spent - taken for need, spent, taken in zip(needs, used, self._taken, strict=True)]
        if now_us:  # more is taken; else what is covered shrinks
            for account, counts in self._accounts:
                if more[counts] > 0 and account.free < 2 * more[counts]:
                    if now_us >= account.dry_until_us:
                        self.leases.ask(account, 0, 0)
                    return False
        for account, counts in self._accounts:
            account.free -= more[counts]
            if account.free < account.low and now_us >= account.dry_until_us:
                self.leases.ask(account, 0, 0)
        self._taken = needs
        self.nano_usd = self.requests = self.input_tokens = self.output_tokens = 0
        return True
