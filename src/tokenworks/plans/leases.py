"""What this worker holds of each account, leased from the store by a thread that no request runs in.

A lease is a part of what a limit still allows, handed to one worker by one transaction; the sum of all
leases and of what was spent never exceeds the limit. Admission takes from the lease in memory. More is
asked for ahead of need; a request waits for the store only where the lease does not reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import Given, Leased, Want
from tokenworks.ledger.store import Store
from tokenworks.plans.account import Account

log = logging.getLogger(__name__)

CHUNKS = 32  # a lease asked for ahead of need is at most this part of a limit
IDLE_ROUNDS = 60  # of housekeeping without use: what is free is given back
FORGOTTEN_ROUNDS = 7200  # an hour: no request runs as long as that
POLL_S = 0.05  # between two looks for what others have given back, while somebody waits
DRY_US = 250_000  # so long the store is not asked again for what it did not have
SELF_GRANTED = ("requests", "input_tokens", "output_tokens", "tokens")  # while the store is down
_MAX_SPAN_S = 86_400  # of those

Waiter = Callable[[], bool]  # tries again; True when it waits no more


class Stock(Protocol):
    """See ``plans.block``."""

    left: int

    def close(self) -> None:
        """Give it back."""

    def tidy(self) -> None:
        """Give it back if nobody uses it."""

    def draws_on(self, account: Account) -> bool:
        """Whether it is taken from ``account``."""


class Leases:
    """Use from the loop's thread."""

    def __init__(
        self, store: Store, loop: asyncio.AbstractEventLoop, holder: str, *, workers: int = 1
    ) -> None:
        """``workers`` share what a rate limit allows while the store can't be asked."""
        self._store = store
        self._loop = loop
        self._holder = holder
        self._workers = workers
        self.accounts: dict[int, Account] = {}
        self.blocks: set[Stock] = set()  # taken from the accounts in advance
        self.waiting: dict[object, Waiter] = {}  # in order of arrival
        self._dropped: dict[int, tuple[int, int]] = {}  # forgotten accounts: what was granted, and is free
        self._wants: dict[int, tuple[int, int]] = {}  # account → amount, least
        self._busy = False
        self._unsure = False  # a round failed: the store may have granted what never was told
        self.down = False  # the store can't be asked
        self._poll: asyncio.TimerHandle | None = None
        self._nudged = False
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leases")

    def keep(self, account: Account) -> Account:
        """``account``, or the one of the same id that is known already, with its cap brought up to date."""
        known = self.accounts.setdefault(account.id, account)
        if known is account:
            account.granted, account.free = self._dropped.pop(account.id, (0, 0))
        else:
            known.name, known.kind, known.window = account.name, account.kind, account.window
            if known.cap != account.cap:
                known.cap = account.cap
                known.dry_until_us = known.told_us = 0
        return known

    def ask(self, account: Account, amount: int, least: int) -> None:
        """Lease ``amount`` of ``account`` soon, and a stock; nothing where ``least`` is not to be had."""
        asked, already = self._wants.get(account.id, (0, least))
        self._wants[account.id] = (asked + amount, min(least, already))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._round)

    def wait(self, token: object, waiter: Waiter) -> None:
        """Call ``waiter`` after each round until it waits no more, or ``forget`` is called for ``token``."""
        self.waiting[token] = waiter
        self._poll_later()

    def forget(self, token: object) -> None:
        """Nobody waits there any more."""
        self.waiting.pop(token, None)

    def close_stocks(self, accounts: Sequence[Account]) -> bool:
        """Give back what is in stock of ``accounts``, whichever key's it is. True where there was any."""
        closed = False
        for block in self.blocks:
            if block.left and any(block.draws_on(account) for account in accounts):
                block.close()
                closed = True
        return closed

    def nudge(self) -> None:
        """Something has become free in this worker."""
        if self.waiting and not self._nudged:
            self._nudged = True
            self._loop.call_soon(self._wake)

    def housekeeping(self) -> None:
        """Twice a second: give back what lies idle, and what others want."""
        for block in self.blocks:
            block.tidy()
        if not self.accounts or self._busy or self._closed:
            return
        self._busy = True
        self._loop.call_soon(self._round, True)

    def close(self) -> None:
        """End the thread. What is held is free when the supervisor has buried this worker."""
        self._closed = True
        if self._poll is not None:
            self._poll.cancel()
        self._thread.shutdown(wait=True)

    # --- rounds -------------------------------------------------------------------------------

    def _round(self, tidy: bool = False) -> None:
        """One transaction for everything that is wanted and given back."""
        now_us = time.time_ns() // 1000
        asked, self._wants = self._wants, {}
        wants = [
            self._want(self.accounts[number], amount, least, now_us)
            for number, (amount, least) in asked.items()
            if number in self.accounts
        ]
        held = [account.id for account in self.accounts.values() if account.granted] if tidy else []
        # A round that finds out what is held gives nothing back: what it is told was true before that.
        self._send(wants, self._idle() if tidy and not self._unsure else {}, held, now_us)

    def _send(
        self, wants: Sequence[Want], returns: Mapping[int, int], held: Sequence[int], now_us: int
    ) -> None:
        if self._closed:
            return
        task = self._thread.submit(self._ask_store, wants, returns, held, now_us, self._unsure)

        def done(task: Future[tuple[Leased, dict[int, int] | None]]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
                self._loop.call_soon_threadsafe(self._told, task, wants)

        task.add_done_callback(done)

    def _want(self, account: Account, amount: int, least: int, now_us: int) -> Want:
        return Want(
            account=account.id,
            limit_id=account.limit_id,
            subject=account.subject,
            cap=account.cap,
            since=account.since(now_us),
            amount=max(amount + account.cap // CHUNKS, 1),
            least=least,
            span_s=account.window.span_s,
        )

    def _ask_store(
        self,
        wants: Sequence[Want],
        returns: Mapping[int, int],
        held: Sequence[int],
        now_us: int,
        unsure: bool,
    ) -> tuple[Leased, dict[int, int] | None]:
        granted = self._store.leases_of(self._holder) if unsure else None
        return self._store.lease(self._holder, wants, returns, held, now_us), granted

    def _told(self, task: Future[tuple[Leased, dict[int, int] | None]], wants: Sequence[Want]) -> None:
        self._busy = False
        if self._closed:
            return
        error = task.exception()
        if error is not None:
            self._failed(error, wants)
        else:
            leased, granted = task.result()
            self._apply(leased, granted, wants)
        self._wake()
        if self._wants and not self._busy:
            self._busy = True
            self._loop.call_soon(self._round)

    def _apply(self, leased: Leased, granted: dict[int, int] | None, wants: Sequence[Want]) -> None:
        if self.down:
            log.warning("leases: the store answers again")
        self.down = self._unsure = False
        if granted is not None:
            self._adopt(granted)
        now_us = time.time_ns() // 1000
        for want, given in zip(wants, leased.given, strict=True):
            account = self.accounts.get(want.account)
            if account is not None:
                self._note(account, want, given, now_us)
        returns = {}
        for number in leased.wanted:
            account = self.accounts.get(number)
            if account is None:
                continue
            for block in self.blocks:
                if block.draws_on(account):
                    block.close()
            if account.free > 0 and account.granted > 0:
                returns[number] = self._take_back(account)
        if returns:  # at once: somebody waits for it
            self._busy = True
            self._send([], returns, [], now_us)

    def _note(self, account: Account, want: Want, given: Given, now_us: int) -> None:
        account.free += given.amount
        account.granted += given.amount
        account.spent, account.leased = given.spent, given.leased
        account.oldest, account.opened_us = given.oldest, given.opened_us
        account.told_us = now_us
        account.used = True
        if given.amount:
            account.low = min(given.amount, account.cap // CHUNKS) // 4
            account.dry_until_us = 0
        else:
            account.low = 0
            account.dry_until_us = min(now_us + DRY_US, account.ends_us or now_us)

    def _idle(self) -> dict[int, int]:
        """What nobody has used for a while; accounts that were not used for long are forgotten."""
        returns = {}
        for account in list(self.accounts.values()):
            if account.used:
                account.used, account.idle = False, 0
                continue
            account.idle += 1
            if account.idle >= IDLE_ROUNDS and account.free > 0 and account.granted > 0:
                returns[account.id] = self._take_back(account)
            elif account.idle >= FORGOTTEN_ROUNDS and account.scope in ("app", "user", "session"):
                if account.granted or account.free:
                    self._dropped[account.id] = account.granted, account.free
                del self.accounts[account.id]
        return returns

    @staticmethod
    def _take_back(account: Account) -> int:
        amount = min(account.free, account.granted)
        account.free -= amount
        account.granted -= amount
        account.low = 0
        return amount

    def _failed(self, error: BaseException, wants: Sequence[Want]) -> None:
        """What was to be given back may be others' by now: the next round tells whether it was taken."""
        if not self.down:
            log.error("leases: %s; going on with what is held", error)
            if not isinstance(error, StoreError):
                log.error("leases: unexpected", exc_info=error)
        self.down = self._unsure = True
        now_us = time.time_ns() // 1000
        for want in wants:
            account = self.accounts.get(want.account)
            if account is not None and account.unit in SELF_GRANTED:
                self._self_grant(account, now_us)

    def _self_grant(self, account: Account, now_us: int) -> None:
        """A rate goes on at this worker's share of it; money does not."""
        span_s = account.window.span_s
        if 0 < span_s <= _MAX_SPAN_S and now_us - account.self_granted_us >= span_s * 500_000:
            share = max(account.cap // (2 * self._workers), 1)
            account.self_granted_us = now_us
            account.free += share
            account.granted += share

    def _adopt(self, granted: dict[int, int]) -> None:
        """After a failure: what the store says was granted is what was granted."""
        for account in self.accounts.values():
            true = granted.get(account.id, 0)
            if not true and account.unit in SELF_GRANTED:  # no lease: what it took by itself lessens none
                account.free = 0
            else:
                account.free += true - account.granted
            account.granted = true

    # --- who waits ----------------------------------------------------------------------------

    def _wake(self) -> None:
        self._nudged = False
        for token, waiter in list(self.waiting.items()):
            if token not in self.waiting:
                continue
            try:
                waits_on = not waiter()
            except Exception:  # a mistake of ours, in one request; the others must have their turn
                log.exception("leases: a waiting request failed")
                waits_on = False
            if not waits_on:
                self.waiting.pop(token, None)
        self._poll_later()

    def _poll_later(self) -> None:
        if self.waiting and self._poll is None and not self._closed:
            self._poll = self._loop.call_later(POLL_S, self._poll_now)

    def _poll_now(self) -> None:
        self._poll = None
        self._wake()
