"""How full limits and windows of plans are, as pages draw it: a gauge for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.ledger.store import Store
from tokenworks.plans import spec
from tokenworks.plans.granting import WALLET, spelled
from tokenworks.plans.spec import NANO_CREDIT, PlanSpec
from tokenworks.plans.standing import EVERY, Standing, many, shown, standings

CREDITS = "credits"
NEARLY = 0.8  # from this part on a gauge says that little is left


class Gauge(msgspec.Struct, frozen=True):
    """One limit, wallet or window of a plan, and how much of it is used."""

    id: str  # of the limit; empty for a plan's window
    text: str  # as commands take it: "$20/month", "60rpm"; of a plan "5h"
    unit: str  # "usd", "credits" or what is counted
    amount: float  # dollars, credits or a count
    used: float  # the same; of what runs at a time, how much does
    resets_us: int | None
    scope: str = ""
    subject: str = ""
    purpose: str = ""  # "" | "wallet"
    strict: bool = False
    timezone: str = "UTC"

    @property
    def part(self) -> float:
        """What is used, 0 to 1; 1 too where more is."""
        return min(self.used / self.amount, 1.0) if self.amount > 0 else 1.0

    @property
    def level(self) -> str:
        """``ok``, ``near`` its end, or ``full``."""
        return "full" if self.part >= 1.0 else "near" if self.part >= NEARLY else "ok"


Owner = tuple[str, str]  # scope and subject


def of_limits(store: Store, limits: Sequence[LimitRow], now_us: int) -> dict[Owner, list[Gauge]]:
    """By whom they are on; those on a single key or team only, the oldest first. One query."""
    single = [each for each in limits if not many(each)]
    found: dict[Owner, list[Gauge]] = {}
    stand = standings(store, single, now_us)
    for each in single:
        found.setdefault((each.scope, each.subject), []).append(_of_limit(each, stand[each.id][0]))
    return found


def owned(limits: Iterable[LimitRow], owners: Iterable[Owner]) -> list[LimitRow]:
    """Those of ``limits`` that are on one of ``owners``."""
    wanted = set(owners)
    return [each for each in limits if (each.scope, each.subject) in wanted]


def of_plans(store: Store, plans: Sequence[PlanSpec], now_us: int) -> dict[str, dict[str, list[Gauge]]]:
    """By plan, then by subscriber ("key:ID", "team:ID"); those who used nothing are not in it.

    Windows are counted under the ids that ``plans.subscription`` gives them. One query for all.
    """
    rows = [
        (plan.name, _window_row(plan, each.window, each.credits)) for plan in plans for each in plan.windows
    ]
    stand = standings(store, [row for _, row in rows], now_us)
    found: dict[str, dict[str, list[Gauge]]] = {plan.name: {} for plan in plans}
    for name, row in rows:
        for one in stand[row.id]:
            found[name].setdefault(one.subject, []).append(_of_window(row, one))
    return found


def windows_of(plan: PlanSpec, used: Mapping[str, list[Gauge]], subscriber: str) -> list[Gauge]:
    """A gauge for each window of ``plan``, empty ones for those of which ``subscriber`` used nothing."""
    known = {each.text: each for each in used.get(subscriber, ())}
    return [
        known.get(each.window) or Gauge("", each.window, CREDITS, each.credits, 0.0, None)
        for each in plan.windows
    ]


def readable(text: str) -> PlanSpec | None:
    """The plan that is kept as ``text``; None where another version of this program wrote it."""
    try:
        return spec.read(text)
    except ValueError:
        return None


def _of_limit(limit: LimitRow, one: Standing) -> Gauge:
    wallet = limit.purpose == WALLET
    return Gauge(
        id=limit.id,
        text=WALLET if wallet else spelled(limit),
        unit=limit.unit,
        amount=shown(limit, limit.amount),
        used=shown(limit, one.held if limit.unit == "concurrent" else one.spent),
        resets_us=one.resets_us,
        scope=limit.scope,
        subject=limit.subject,
        purpose=limit.purpose,
        strict=limit.strict,
        timezone=limit.timezone,
    )


def _window_row(plan: PlanSpec, window: str, credits: float) -> LimitRow:
    """A plan's window as if it were a limit on each subscriber for itself."""
    return LimitRow(
        id=f"plan:{plan.name}:{window}",
        scope="key",
        subject=EVERY,
        unit=CREDITS,
        amount=round(credits * NANO_CREDIT),
        window=window,
        created_us=0,
        updated_us=0,
        timezone=plan.timezone,
    )


def _of_window(row: LimitRow, one: Standing) -> Gauge:
    return Gauge(
        id="",
        text=row.window,
        unit=CREDITS,
        amount=row.amount / NANO_CREDIT,
        used=one.spent / NANO_CREDIT,
        resets_us=one.resets_us,
    )
