"""May this request be served? What it may cost is reserved for it, and settled when it is over.

Admission is arithmetic on what this worker has leased. Where that does not reach, the request waits for
the store; where there is no more to be had, it waits a little for what others give back, then its answer
is cut to what is left, and only where that is nothing is it refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.errors import (
    BadRequest,
    LoopStopped,
    PaymentRequired,
    RateLimited,
    TokenworksError,
    Unavailable,
)
from tokenworks.gateway.estimate import LEAST_OUTPUT, Estimate, affordable, cost, most_cost
from tokenworks.gateway.guard import warning
from tokenworks.gateway.way import Way
from tokenworks.ledger.record import MAX_COST_NANO_USD, Record
from tokenworks.plans.account import MONEY, Account, Kind
from tokenworks.plans.allowance import LOOP_SPEND, Allowance
from tokenworks.plans.block import Block
from tokenworks.plans.leases import Leases
from tokenworks.plans.rules import LoopRules
from tokenworks.plans.subscription import ELSEWHERE, PLAN, WALLET, Subscription
from tokenworks.plans.window import NEVER_US
from tokenworks.schema import NANO_USD, Endpoint, Price, Usage
from tokenworks.wire.pairing import Asked

FRESH_US = 250_000  # so long what the store told is believed
MAX_TRIES = 4  # others may be faster
_CUT = (*MONEY, Kind.MOST_OUTPUT_TOKENS, Kind.MOST_TOKENS)  # an answer is cut to what is left of these
_MAX_CHARGE = 10**15  # nothing that an answer tells can overflow a sum


class Wait(Exception):
    """Not yet: more may be leased. ``partial``: anything that is left will do."""

    def __init__(self, *, partial: bool = False) -> None:
        super().__init__()
        self.partial = partial


class UsedUp(Exception):
    """The plan has no room for this request; ``account`` is the window that is used up, if one is."""

    def __init__(self, account: Account | None) -> None:
        super().__init__()
        self.account = account


class Hold(msgspec.Struct, eq=False):
    """What is reserved for one request: the amounts stand in its record's charges, in order of ``meters``."""

    allowance: Allowance
    meters: Sequence[Account]
    leases: Leases
    plan: Subscription | None  # in which credits are counted
    lines: bytes  # complete header lines of the answer
    max_output_tokens: int | None  # of each copy, as far as it was reserved for

    def settle(self, record: Record, usage: Usage | None) -> None:
        """The request is over and ``record`` is filled: what was not used is free again."""
        charges = record.charges
        spent = min(record.cost_nano_usd, MAX_COST_NANO_USD)
        if usage is None:
            inp = out = weighed = 0
        else:
            inp, out = usage.input_tokens, usage.output_tokens
            weighed = 0
            if self.plan is not None and (out or record.finish_reason not in ("", "error") or spent):
                weight = self.plan.weight(record.model)  # another than the first may have served it
                weighed = weight.cost_nano_usd(usage) if weight is not None else 0
            if inp > _MAX_CHARGE or out > _MAX_CHARGE or weighed > _MAX_CHARGE:
                inp, out, weighed = min(inp, _MAX_CHARGE), min(out, _MAX_CHARGE), min(weighed, _MAX_CHARGE)
            if out:
                learns = self.allowance if self.allowance.block is None else self.allowance.block
                learns.typical += (out - learns.typical) >> 3
        used = (spent, spent, 1, inp, inp, out, out, inp + out, inp + out, 0, weighed)
        at = 2
        settled = list(charges)
        for account in self.meters:
            amount = used[account.kind]
            account.free += settled[at] - amount
            account.used = True
            settled[at] = amount
            at += 3
        record.charges = settled  # type: ignore[assignment]  # encoded just the same
        if self.leases.waiting:
            self.leases.nudge()

    def release(self, record: Record) -> None:
        """The request was not begun: nothing was used."""
        give_back(self.meters, record)
        self.leases.nudge()


class Admission:
    """What one worker needs to admit requests."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases

    def quick(
        self,
        allowance: Allowance,
        block: Block,
        way: Way,
        asked: Asked,
        record: Record,
        endpoints: Sequence[Endpoint],
    ) -> bytes | None:
        """Admit out of the stock: header lines of the answer, or None where that can't be done.

        Raises BadRequest for what a strict limit can't bound.
        """
        now_us, inp = record.time_us, record.uncached_input_tokens
        if allowance.strict:
            estimate = Estimate(way, asked, inp)
            estimate.strictly(way, endpoints)
            inp, out = estimate.most_input, estimate.most_output
            nano = most_cost([each.price for each in endpoints], inp, out) if estimate.costs else 0
        else:
            if "n" in asked.fields or "best_of" in asked.fields:
                return None
            out = block.typical
            fresh, _, _, price, fixed = endpoints[0].price.pico_usd
            nano = (inp * fresh + out * price + fixed) // 1000
        if (
            block.left <= 0
            or now_us >= block.until_us
            or inp > block.most_input
            or nano > block.most_nano
            or out > block.most_output
        ):
            if not block.fill(now_us, inp, out, nano):
                return None
            _tell(allowance, block, now_us)
        block.left = left = block.left - 1
        block.open += 1
        record.sheet = block.sheet
        record.cost_nano_usd = nano  # if this process is killed, it cost that
        return block.lines % (block.told + left) if block.told >= 0 else block.lines

    def admit(
        self,
        allowance: Allowance,
        way: Way,
        asked: Asked,
        record: Record,
        endpoints: Sequence[Endpoint],
        now_us: int,
        state: str,
        lines: bytes,
        *,
        late: bool = False,
        tries: int = 0,
    ) -> Hold:
        """Reserve what this request may come to.

        ``state`` is where it stands with its subscriber's plan (see ``plans.subscription``). ``late``: it
        has waited long enough; ``tries``: so often what is left was asked for already. May lower the
        request's limit of output tokens. Raises Wait, UsedUp, or the error that the caller is to see.
        """
        weight, dynamic = None, []
        if allowance.subscription is None:
            meters: Sequence[Account] = allowance.meters
        elif state in (PLAN, ELSEWHERE):
            meters = allowance.of_plan
            weight = allowance.subscription.weight(endpoints[0].model) if state == PLAN else None
            if weight is None:
                raise UsedUp(None)
        else:
            meters = allowance.of_wallet if state == WALLET else allowance.rates
        if allowance.templates:
            dynamic = self._dynamic(allowance, record, state)
            meters = (*meters, *dynamic)
        estimate = Estimate(way, asked, record.uncached_input_tokens)
        if allowance.max_output_tokens is not None and estimate.names:  # whatever stands in its other fields
            said = estimate.said
            most = allowance.max_output_tokens
            estimate.limit(most if said is None else min(said, most))
        if allowance.strict:
            estimate.strictly(way, endpoints)
        amounts = self._amounts(allowance, estimate, endpoints, weight)
        short = self._reserve(meters, amounts, record, now_us)
        if short and self.leases.close_stocks(short):
            short = self._reserve(meters, amounts, record, now_us)
        if short and self._waits(short, amounts, now_us, late=late):
            raise Wait
        if short and all(account.kind in _CUT and account.scope != "session" for account in short):
            self._cut(meters, amounts, estimate, endpoints, now_us, late=late, tries=tries)
            amounts = self._amounts(allowance, estimate, endpoints, weight, whole=True)
            short = self._reserve(meters, amounts, record, now_us)
        if short:
            raise self._refusal(short, amounts, now_us)
        if allowance.loops is not None:
            try:
                lines += _session(allowance.loops, dynamic, now_us)
            except LoopStopped:
                give_back(meters, record)
                raise
        record.cost_nano_usd = amounts[allowance.cost_kind]  # if this process is killed, it cost that
        if allowance.subscription is not None:
            lines += b"x-tokenworks-plan: %b; %b\r\n" % (
                allowance.subscription.spec.name.encode("ascii", "replace"),
                state.encode(),
            )
            if state != PLAN:
                record.reasons = f"{record.reasons} plan:{state}".lstrip()
        if allowance.told_requests is not None or allowance.told_tokens is not None:
            lines += _rate_lines(allowance.told_requests, allowance.told_tokens, now_us)
        plan = allowance.subscription if weight is not None else None
        return Hold(allowance, meters, self.leases, plan, lines, estimate.said)

    # --- amounts ------------------------------------------------------------------------------

    @staticmethod
    def _amounts(
        allowance: Allowance,
        estimate: Estimate,
        endpoints: Sequence[Endpoint],
        weight: Price | None,
        *,
        whole: bool = False,
    ) -> tuple[int, ...]:
        """By ``Kind``. ``whole``: the answer was cut to what is left, and may well need all of that."""
        inp = estimate.input
        block = allowance.block
        typical = allowance.typical if block is None else block.typical
        out = estimate.expected(min(typical, allowance.most_typical))
        if whole and estimate.said is not None:
            out = estimate.said * estimate.copies
        price = endpoints[0].price
        spend = cost(price, inp, out) if estimate.costs else 0
        if allowance.strict or whole:
            most_in, most_out = estimate.most_input, max(estimate.most_output, out)
            most = most_cost([each.price for each in endpoints], most_in, most_out) if estimate.costs else 0
            if whole:
                spend = most_cost([each.price for each in endpoints], inp, out)
        else:
            most_in, most_out, most = inp, out, spend
        credits = cost(weight, inp, out) if weight is not None else 0
        if credits * 4 > allowance.most_credits and weight is not None:
            # How long its answer gets is a guess, which must keep nobody out for ever. What needs more than
            # a whole window is served when one is untouched.
            known = cost(weight, inp, 0)
            credits = min(credits, max(known, allowance.most_credits // 4), allowance.most_credits)
        return (spend, most, 1, inp, most_in, out, most_out, inp + out, most_in + most_out, 1, credits)

    def _dynamic(self, allowance: Allowance, record: Record, state: str) -> list[Account]:
        """The accounts that depend on the request."""
        found = []
        for template in allowance.templates:
            scope = template.scope
            subject = record.session if scope == "session" else record.user if scope == "user" else record.app
            if (
                state != WALLET
                and allowance.subscription is not None
                and template.kind in MONEY
                and template.limit_id != LOOP_SPEND  # a session may run away on a plan, too
            ):
                continue
            account = template.account(self.leases, subject)
            if account is not None:
                found.append(account)
        return found

    def _reserve(
        self, meters: Sequence[Account], amounts: Sequence[int], record: Record, now_us: int
    ) -> list[Account]:
        """Take the amounts, all or none; returns the accounts that have too little."""
        charges: list[int] = []
        short: list[Account] | None = None
        for account in meters:
            if now_us >= account.ends_us:
                account.roll(now_us)
            amount = amounts[account.kind]
            free = account.free - amount
            account.free = free
            account.used = True
            charges += (account.id, account.bucket, amount)
            if free < account.low:
                if free < 0 and amount:
                    short = [account] if short is None else [*short, account]
                elif now_us >= account.dry_until_us:
                    self.leases.ask(account, 0, 0)
        if short is None:
            record.charges = charges  # type: ignore[assignment]  # encoded just the same
            return []
        for account in meters:
            account.free += amounts[account.kind]
        return short

    # --- too little ---------------------------------------------------------------------------

    def _waits(self, short: Sequence[Account], amounts: Sequence[int], now_us: int, *, late: bool) -> bool:
        """Whether more may come. Asks for it, unless the store has just said that there is none."""
        if late:
            return False
        for account in short:
            amount = amounts[account.kind]
            if amount > account.cap:
                return False
            fresh = now_us - account.told_us < FRESH_US
            if fresh and account.spent + amount > account.cap and not self.leases.down:
                return False  # what others hold would not do either
        for account in short:
            if now_us >= account.dry_until_us:
                need = amounts[account.kind] - account.free
                self.leases.ask(account, need, need)
        return True

    def _cut(
        self,
        meters: Sequence[Account],
        amounts: Sequence[int],
        estimate: Estimate,
        endpoints: Sequence[Endpoint],
        now_us: int,
        *,
        late: bool,
        tries: int,
    ) -> None:
        """Lower the limit of output tokens to what is left, if that is any use. Raises Wait to get at it."""
        cut = [account for account in meters if account.kind in _CUT]
        asked = False
        for account in cut:
            need = amounts[account.kind] - account.free
            if need <= 0 or tries >= MAX_TRIES:
                continue
            if now_us - account.told_us >= FRESH_US:  # what is left has to be found out first
                self.leases.ask(account, 1, 1)
                asked = True
            elif (room := min(account.cap - account.spent - account.leased, need)) > 0:
                self.leases.ask(account, room, room)
                asked = True
        if asked:
            raise Wait(partial=True)
        tokens = 10**9
        for account in cut:
            if account.kind == Kind.MOST_OUTPUT_TOKENS:
                tokens = min(tokens, account.free)
            elif account.kind == Kind.MOST_TOKENS:
                tokens = min(tokens, account.free - estimate.most_input)
            else:
                inp = estimate.most_input if account.kind == Kind.MOST_USD else estimate.input
                tokens = min(tokens, affordable([each.price for each in endpoints], inp, account.free))
        tokens //= estimate.copies
        if estimate.names and tokens >= estimate.least_output():
            tokens = min(tokens, 10**9 if estimate.said is None else estimate.said)
            estimate.limit(tokens)
            estimate.most_output = max(tokens, LEAST_OUTPUT) * estimate.copies
        elif not late and any(account.leased > max(account.free, 0) for account in cut):
            for account in cut:  # others are at work, and seldom need all that is reserved for them
                if now_us >= account.dry_until_us:
                    self.leases.ask(account, 1, 1)
            raise Wait

    def _refusal(self, short: Sequence[Account], amounts: Sequence[int], now_us: int) -> TokenworksError:
        """Why not, and what can be done."""
        credits = [account for account in short if account.scope == "plan"]
        if credits:
            raise UsedUp(max(credits, key=lambda each: each.frees_us(now_us)))
        account = max(short, key=lambda each: each.frees_us(now_us))
        amount = amounts[account.kind]
        frees_us = account.frees_us(now_us)
        after_s = (frees_us - now_us) / 1e6 if frees_us < NEVER_US else None
        whose = f"{account.scope} {account.name}"
        if self.leases.down and account.spent + amount <= account.cap:
            return Unavailable(
                f"the store can't be reached, and what was leased for {whose} is used up; try again later",
                retry_after_s=5,
            )
        if account.scope == "session":
            return LoopStopped(_session_message(account), limit=account.cap, session=account.name)
        if account.kind in MONEY:
            left = max(account.cap - account.spent, 0)
            return PaymentRequired(
                f"the budget of {whose} (${_usd(account.cap)} per {account.window.text}) has "
                f"${_usd(left)} left, too little for this request{_then(after_s)}",
                retry_after_s=after_s,
            )
        if account.unit == "concurrent":
            return RateLimited(
                f"{whose} has {account.cap} requests under way, as many as it may; wait for one to end",
                retry_after_s=1,
            )
        if amount > account.cap and account.kind not in _CUT:
            return BadRequest(
                f"this request needs {amount} {account.unit.replace('_', ' ')}; {whose} may use "
                f"{account.cap} per {account.window.text} in all"
            )
        error = RateLimited(
            f"{whose} has used its {account.cap} {account.unit.replace('_', ' ')} per {account.window.text}"
            f"{_then(after_s)}",
            retry_after_s=after_s,
        )
        is_requests = account.unit == "requests"
        error.head_lines = _rate_lines(
            account if is_requests else None, None if is_requests else account, now_us
        )
        return error


def _tell(allowance: Allowance, block: Block, now_us: int) -> None:
    """Make the header lines that answers out of this stock get."""
    block.told, requests = -1, allowance.told_requests
    if requests is None and allowance.told_tokens is None:
        block.lines = b""
        return
    lines = _rate_lines(requests, allowance.told_tokens, now_us)
    if requests is not None:
        block.told = max(requests.left, 0)
        name = b"x-ratelimit-remaining-requests: "
        lines = lines.replace(b"%b%d\r\n" % (name, requests.left), name + b"%d\r\n", 1)
    block.lines = lines


def give_back(meters: Sequence[Account], record: Record) -> None:
    """What was reserved for ``record`` is free again, all of it."""
    charges = record.charges
    for number, account in enumerate(meters):
        account.free += charges[3 * number + 2]
    record.charges = ()


def _session(loops: LoopRules, accounts: Sequence[Account], now_us: int) -> bytes:
    """A warning line where a session comes near its end. Raises LoopStopped when its time is over."""
    for account in accounts:
        if account.scope != "session":
            continue
        if loops.wall_clock_s is not None and account.opened_us:
            age_s = (now_us - account.opened_us) / 1e6
            if age_s > loops.wall_clock_s:
                raise LoopStopped(
                    f"session {account.name} has run for {_span(age_s)}, longer than the "
                    f"{_span(loops.wall_clock_s)} a session may; begin another",
                    session=account.name,
                )
        if account.left * 10 < account.cap:
            left = f"${_usd(account.left)}" if account.kind in MONEY else f"{account.left} {account.unit}"
            return warning(f"session {account.name} has {left} left")
    return b""


def _rate_lines(requests: Account | None, tokens: Account | None, now_us: int) -> bytes:
    """The usual ``x-ratelimit-...`` headers: what is left, as far as this worker knows, and until when."""
    lines = b""
    if requests is not None:
        lines = (
            b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n"
            b"x-ratelimit-reset-requests: %ds\r\n"
        ) % (requests.cap, requests.left, max(requests.frees_us(now_us) - now_us, 0) // 1_000_000 + 1)
    if tokens is not None:
        lines += (
            b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
            b"x-ratelimit-reset-tokens: %ds\r\n"
        ) % (tokens.cap, tokens.left, max(tokens.frees_us(now_us) - now_us, 0) // 1_000_000 + 1)
    return lines


def _session_message(account: Account) -> str:
    if account.kind in MONEY:
        used = f"spent ${_usd(account.cap)}"
    else:
        used = f"used its {account.cap} {account.unit.replace('_', ' ')}"
    return f"session {account.name} has {used}, as much as one session may; begin another"


def _usd(nano: int) -> str:
    return f"{nano / NANO_USD:.9f}".rstrip("0").rstrip(".") or "0"


def _then(after_s: float | None) -> str:
    return "" if after_s is None else f"; more in {_span(after_s)}"


def _span(seconds: float) -> str:
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 1):.0f} seconds"
