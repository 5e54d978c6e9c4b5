"""What a key, a team, an app, a user or a session is given: limits as people write them, and wallets."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokenworks.ledger.limit_rows import SCOPES, UNITS, LimitRow
from tokenworks.ledger.store import Store
from tokenworks.plans import limit, window
from tokenworks.schema import NANO_USD

WALLET = "wallet"
MAX_AMOUNT_USD = 1_000_000_000.0
MAX_COUNT = 10**15
MAX_SUBJECT = 200  # characters of an app, user or session


class Written(NamedTuple):
    """A limit without whom it is for."""

    unit: str
    amount: int  # nano-dollars for "usd", else a count
    window: str


def written(text: str) -> Written:
    """A limit as people write it: ``20/month`` is dollars, ``60rpm`` requests. Raises ``ValueError``."""
    return Written(*limit.parse(text))


def spelled(row: LimitRow) -> str:
    """A limit as ``written`` reads it again."""
    return limit.show_limit(row.unit, row.amount, row.window)


def counted(unit: str, amount: float) -> int:
    """``amount`` dollars, or so many of another unit, as a limit keeps it. Raises ``ValueError``."""
    if unit == "usd":
        if not (math.isfinite(amount) and 0 <= amount <= MAX_AMOUNT_USD):
            raise ValueError(f"amount: dollars from 0 to {MAX_AMOUNT_USD:,.0f}")
        return round(amount * NANO_USD)
    if unit not in UNITS:
        raise ValueError(f"unit: use one of {', '.join(UNITS)}")
    if not (math.isfinite(amount) and amount == int(amount) and 0 <= amount <= MAX_COUNT):
        raise ValueError(f"amount: a whole number of {unit} from 0 on")
    return int(amount)


def new_limit(
    scope: str,
    subject: str,
    wanted: Written,
    *,
    within: str = "",
    timezone: str = "UTC",
    strict: bool = False,
    purpose: str = "",
) -> LimitRow:
    """A limit to be kept. Raises ``ValueError`` with one line that names what is wrong.

    Whether there is a key or team ``subject`` or ``within`` is not looked at.
    """
    if scope not in SCOPES:
        raise ValueError(f"scope: use one of {', '.join(SCOPES)}")
    if not subject.strip() or not subject.isprintable() or len(subject) > MAX_SUBJECT:
        raise ValueError(f"subject: 1 to {MAX_SUBJECT} printable characters")
    if scope in ("key", "team") and (subject == "*" or within):
        raise ValueError(f"a limit on a {scope} is on one {scope}, and on all its requests")
    span = window.parse(wanted.window, timezone).text
    if wanted.unit == "concurrent" and span != "lifetime":
        raise ValueError("window: what runs at the same time has none; leave it out")
    now_us = _now_us()
    return LimitRow(
        id="l_" + secrets.token_hex(8),
        scope=scope,
        subject=subject,
        unit=wanted.unit,
        amount=wanted.amount,
        window=span,
        created_us=now_us,
        updated_us=now_us,
        within=within,
        timezone=timezone,
        strict=strict,
        purpose=purpose,
    )


def own_limits(limits: Iterable[LimitRow], scope: str, subject: str) -> list[LimitRow]:
    """Those of ``limits`` that are on this key or team itself, but for its wallet."""
    return [
        each for each in limits if (each.scope, each.subject) == (scope, subject) and each.purpose != WALLET
    ]


def checked(
    scope: str,
    subject: str,
    wanted: Sequence[Written],
    timezone: str | None = None,
    strict: bool | None = None,
) -> list[LimitRow]:
    """The limits that ``wanted`` makes, each window once; ``strict`` is for money. Raises ``ValueError``."""
    made = [
        new_limit(
            scope, subject, each, timezone=timezone or "UTC", strict=bool(strict) and each.unit == "usd"
        )
        for each in wanted
    ]
    seen: set[tuple[str, str]] = set()
    for each in made:
        if (each.unit, each.window) in seen:
            raise ValueError(f"two limits of {each.unit} in one window ({each.window}); leave the larger out")
        seen.add((each.unit, each.window))
    return made


def grant(
    store: Store,
    scope: str,
    subject: str,
    wanted: Sequence[Written],
    *,
    timezone: str | None = None,
    strict: bool | None = None,
    replace: bool = False,
    actor: str = "",
) -> None:
    """Limit a key or team to what is ``wanted``, in the store's ``turn``.

    Where there is a limit of that unit and window its amount is changed, and what was spent stays; another
    time zone makes another limit of it. With ``replace`` limits that are not wanted are removed. None: as
    it is, UTC and not strict for a new one. ``strict`` is for money alone. Raises ``ValueError``.
    """
    made = checked(scope, subject, wanted, timezone, strict)
    there = {(each.unit, each.window): each for each in own_limits(store.limits(), scope, subject)}
    for each in made:
        known = there.pop((each.unit, each.window), None)
        if known is not None and timezone in (None, known.timezone):
            changed = None if strict is None or each.unit != "usd" else strict
            if known.amount != each.amount or changed not in (None, known.strict):
                store.update_limit(known.id, amount=each.amount, strict=changed, actor=actor)
            continue
        store.add_limit(each, actor=actor)  # before the other goes: at no moment there is none
        if known is not None:
            store.remove_limit(known.id, actor=actor)
    if replace:
        for each in there.values():
            store.remove_limit(each.id, actor=actor)


def top_up(store: Store, scope: str, subject: str, amount_usd: float, *, actor: str = "") -> LimitRow:
    """Put dollars into the wallet of a key or team, in the store's ``turn``, and return it.

    A wallet is a strict limit without an end that grows with each payment. Raises ``ValueError``.
    """
    added = counted("usd", amount_usd)
    for each in store.limits():
        if (each.scope, each.subject, each.purpose) == (scope, subject, WALLET):
            total = each.amount + added
            if total > MAX_AMOUNT_USD * NANO_USD:
                raise ValueError(f"amount: a wallet holds {MAX_AMOUNT_USD:,.0f} dollars at most")
            found = store.update_limit(each.id, amount=total, actor=actor)
            if found is not None:
                return found
    wallet = new_limit(scope, subject, Written("usd", added, "lifetime"), strict=True, purpose=WALLET)
    store.add_limit(wallet, actor=actor)
    return wallet


def _now_us() -> int:
    return time.time_ns() // 1000
