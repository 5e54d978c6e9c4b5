"""How limits and plans stand: what is spent of them, what is left, and when they begin anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tokenworks.ledger.limit_rows import LimitRow, StandingRow
from tokenworks.ledger.store import Store
from tokenworks.plans import window
from tokenworks.plans.spec import NANO_CREDIT, PlanSpec
from tokenworks.schema import NANO_USD

EVERY = "*"  # a limit's subject: each for itself


class Standing(msgspec.Struct, frozen=True):
    """How one account stands now. Amounts are in the limit's own unit: nano-dollars, or a count."""

    subject: str
    amount: int  # the limit
    spent: int  # in the window that is now, by requests that are in the store
    held: int  # by workers, for requests under way and to come
    resets_us: int | None  # when it begins anew or, of a rolling window, when first something leaves it
    buckets: tuple[tuple[int, int], ...] = ()  # what was spent when, oldest first
    account: int = 0

    @property
    def left(self) -> int:
        """What can still be spent, if nothing of what is held will be."""
        return max(self.amount - self.spent, 0)


def standings(store: Store, limits: Sequence[LimitRow], now_us: int) -> dict[str, list[Standing]]:
    """By limit: one for each subject, the fullest first. A limit on one subject always has one."""
    rows = store.standings([limit.id for limit in limits]) if limits else []
    found: dict[str, dict[str, list[StandingRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.limit_id][row.subject].append(row)
    return {limit.id: _of_limit(limit, found[limit.id], now_us) for limit in limits}


def many(limit: LimitRow) -> bool:
    """Whether it may count for several; sessions of the same name under two keys are two."""
    return limit.subject == EVERY or limit.scope == "session"


def _of_limit(limit: LimitRow, found: dict[str, list[StandingRow]], now_us: int) -> list[Standing]:
    if not many(limit) and not found:
        found = {limit.subject: []}
    span = window.parse(limit.window, limit.timezone)
    concurrent = limit.unit == "concurrent"
    each = [
        _standing(subject, limit.amount, rows, span, now_us, concurrent) for subject, rows in found.items()
    ]
    return sorted(each, key=lambda one: (-one.spent, one.subject))


def _standing(
    subject: str, amount: int, rows: list[StandingRow], span: window.Window, now_us: int, concurrent: bool
) -> Standing:
    held = rows[0].leased if rows else 0
    account = rows[0].account if rows else 0
    if concurrent:  # what is under way is all that counts, and it is held
        return Standing(subject, amount, min(held, amount), held, None, account=account)
    since = span.since(now_us)
    counted = sorted((row.bucket, row.spent) for row in rows if row.bucket >= since and row.spent > 0)
    resets_us: int | None = None
    if span.kind == "calendar":
        resets_us = span.bucket(now_us)[1]
    elif span.kind == "rolling" and counted:
        resets_us = span.frees_us(counted[0][0], now_us)
    return Standing(
        subject, amount, sum(spent for _, spent in counted), held, resets_us, tuple(counted), account
    )


def plan_standings(
    store: Store, plan: PlanSpec, scope: str, subject: str, now_us: int
) -> list[dict[str, Any]]:
    """What a key or team has used of each window of its plan, in credits, as JSON tells it.

    A window is counted under the ids that ``subscription.Subscription`` gives it.
    """
    ids = {f"plan:{plan.name}:{each.window}": each for each in plan.windows}
    rows: dict[str, list[StandingRow]] = defaultdict(list)
    for row in store.standings(list(ids)) if ids else ():
        if row.subject == f"{scope}:{subject}":
            rows[row.limit_id].append(row)
    told = []
    for limit_id, each in ids.items():
        amount = round(each.credits * NANO_CREDIT)
        span = window.parse(each.window, plan.timezone)
        one = _standing(subject, amount, rows[limit_id], span, now_us, concurrent=False)
        told.append(
            {
                "window": each.window,
                "credits": each.credits,
                "used": one.spent / NANO_CREDIT,
                "left": one.left / NANO_CREDIT,
                "resets_at": moment(one.resets_us),
            }
        )
    return told


def refund(
    store: Store,
    limit: LimitRow,
    subject: str | None,
    amount: int,
    now_us: int,
    *,
    actor: str = "",
    reason: str = "",
) -> int:
    """Count ``amount`` less as spent of ``limit``, the latest first; how much that could be.

    Raises ``ValueError`` where the limit counts for several and ``subject`` is none of them.
    """
    each = standings(store, [limit], now_us)[limit.id]
    if limit.unit == "concurrent":
        raise ValueError("nothing is spent of a limit on what runs at the same time")
    if subject is not None or many(limit):
        each = [one for one in each if one.subject == subject]
        if not each:
            names = "none yet" if subject is None else f"not {subject[:80]!r}"
            raise ValueError(f"subject: name one for whom the limit counts ({names})")
    rest = amount
    for bucket, spent in reversed(each[0].buckets):
        part = min(rest, spent)
        if part and store.refund(each[0].account, bucket, part, actor=actor, reason=reason):
            rest -= part
    return amount - rest


def described(limit: LimitRow, each: Iterable[Standing]) -> dict[str, Any]:
    """A limit and how it stands, as JSON tells it: dollars for money, counts for everything else."""
    told = [
        {
            "subject": one.subject,
            "spent": shown(limit, one.spent),
            "held": shown(limit, one.held),
            "left": shown(limit, one.left),
            "resets_at": moment(one.resets_us),
        }
        for one in each
    ]
    fields: dict[str, Any] = {
        "id": limit.id,
        "scope": limit.scope,
        "subject": limit.subject,
        "within": limit.within or None,
        "unit": limit.unit,
        "amount": shown(limit, limit.amount),
        "window": limit.window,
        "timezone": limit.timezone,
        "strict": limit.strict,
        "purpose": limit.purpose or None,
        "created_at": moment(limit.created_us),
        "updated_at": moment(limit.updated_us),
    }
    if many(limit):
        return {**fields, "spent": None, "held": None, "left": None, "resets_at": None, "subjects": told}
    return {**fields, **{**told[0], "subject": limit.subject}, "subjects": []}


def shown(limit: LimitRow, amount: int) -> float | int:
    """``amount`` of ``limit`` in dollars, or as the count that it is."""
    return amount / NANO_USD if limit.unit == "usd" else amount


def moment(time_us: int | None) -> str | None:
    """A time as RFC 3339 in UTC, whole seconds; None stays None."""
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
