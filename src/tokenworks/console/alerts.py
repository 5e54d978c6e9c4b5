"""What needs a look: used-up limits, endpoints that rest, keys that are dealt with, drift, missing keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import msgspec

from tokenworks.catalog.load import LOCAL
from tokenworks.console.formats import number, usd
from tokenworks.console.gauges import CREDITS, Gauge, of_limits, of_plans, readable
from tokenworks.console.site import Site
from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.plans import window
from tokenworks.routing.drift import Alarm
from tokenworks.routing.health import Health
from tokenworks.schema import Endpoint

MOST = 12  # that are shown
ORDER = ("bad", "warn", "info")
PASSING_S = 60  # a window as short as this is full now and then, and that is what it is for


class Alert(msgspec.Struct, frozen=True):
    """One line. ``text`` is the name of a string that ``values`` are filled into."""

    level: str  # "bad" | "warn" | "info"
    text: str
    values: dict[str, object] = {}
    path: str = ""  # the page that tells more


def resting(health: Health | None, endpoints: Iterable[Endpoint], now: float) -> list[Alert]:
    """Endpoints that get no requests at ``now`` (monotonic seconds). On the loop's thread."""
    found = []
    for endpoint in endpoints if health is not None else ():
        vitals = health.find(endpoint) if health is not None else None
        if vitals is not None and vitals.down(now):
            found.append(
                Alert(
                    "warn",
                    "home.alert_resting",
                    {"model": endpoint.model, "provider": endpoint.provider},
                    "/console/models",
                )
            )
    return found


def of_store(site: Site, now_us: int) -> list[Alert]:
    """What the store tells; on a thread."""
    rows = site.store.keys()
    keys = {row.id: row.name for row in rows if row.active and not row.expired(now_us)}
    names = {**keys, **{team.id: team.name for team in site.store.teams()}}
    return [
        *_without_key(site),
        *_limits(site, names, now_us),
        *_plans(site, names, now_us),
        *_actions(site, keys, now_us),
        *(_drift(alarm) for alarm in drifting(site, now_us)),
    ]


def drifting(site: Site, now_us: int) -> tuple[Alarm, ...]:
    """What changed about ``auto``; nothing where it is off."""
    return site.drift.look(now_us).alarms if site.auto is not None else ()


def sorted_alerts(alerts: Iterable[Alert]) -> list[Alert]:
    """The worst first."""
    return sorted(alerts, key=lambda alert: ORDER.index(alert.level))


def _without_key(site: Site) -> Iterator[Alert]:
    """Providers that are configured but can't be called."""
    for name, given in site.settings.providers.items():
        if given.enabled and name not in site.catalog.providers and name != LOCAL:
            yield Alert("bad", "home.alert_no_key", {"provider": name})


def _limits(site: Site, names: dict[str, str], now_us: int) -> Iterator[Alert]:
    limits = [each for each in site.store.limits() if _telling(each) and each.subject in names]
    for (scope, subject), gauges in of_limits(site.store, limits, now_us).items():
        for gauge in gauges:
            if gauge.level != "ok":
                yield _gauge(gauge, scope, subject, names[subject])


def _telling(limit: LimitRow) -> bool:
    """Whether it matters that this limit is nearly full."""
    if limit.unit == "concurrent" or limit.amount <= 0:
        return False
    span = window.parse(limit.window, limit.timezone)
    return not (span.text == "minute" or (span.kind == "rolling" and span.span_s <= PASSING_S))


def _plans(site: Site, names: dict[str, str], now_us: int) -> Iterator[Alert]:
    plans = [plan for row in site.store.plans() if (plan := readable(row.spec)) is not None]
    has = {(f"{each.scope}:{each.subject}", each.plan) for each in site.store.subscriptions()}
    for name, by_subscriber in of_plans(site.store, plans, now_us).items():
        for subscriber, gauges in by_subscriber.items():
            scope, _, subject = subscriber.partition(":")
            if (subscriber, name) not in has or subject not in names:
                continue
            for gauge in gauges:
                if gauge.level != "ok":
                    yield _gauge(gauge, scope, subject, names[subject], name)


def _gauge(gauge: Gauge, scope: str, subject: str, name: str, plan: str = "") -> Alert:
    full = gauge.level == "full"
    return Alert(
        "bad" if full else "warn",
        ("home.alert_wallet" if gauge.purpose else "home.alert_limit") + ("_full" if full else "_near"),
        {
            "name": name,
            "limit": f"{plan} {gauge.text}" if plan else gauge.text,
            "used": _amount(gauge, gauge.used),
            "amount": _amount(gauge, gauge.amount),
        },
        f"/console/keys/{quote(subject)}" if scope == "key" else "/console/plans",
    )


def _amount(gauge: Gauge, amount: float) -> str:
    if gauge.unit == "usd":
        return usd(amount)
    unit = "credits" if gauge.unit == CREDITS else gauge.unit.replace("_", " ")
    return f"{number(amount)} {unit}"


def _actions(site: Site, keys: dict[str, str], now_us: int) -> Iterator[Alert]:
    for action in site.store.actions():
        if action.key_id in keys and (action.until_us is None or action.until_us > now_us):
            yield Alert(
                "info",
                f"home.alert_action_{action.action}",
                {"name": keys[action.key_id]},
                f"/console/keys/{quote(action.key_id)}",
            )


def _drift(alarm: Alarm) -> Alert:
    return Alert("warn", "home.alert_drift", {"line": alarm.line}, "/console/routing")
