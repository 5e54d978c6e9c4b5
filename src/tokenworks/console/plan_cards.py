"""Plans, teams, fair use and stopped sessions, as the page of plans shows them."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from tokenworks.console.gauges import Gauge, of_limits, of_plans, owned, readable, windows_of
from tokenworks.console.key_lines import begins
from tokenworks.ledger.limit_rows import ActionRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans.spec import PlanSpec
from tokenworks.schema import NANO_USD

MOST = 50  # subscribers of one plan that are shown, the fullest


class Subscriber(msgspec.Struct, frozen=True):
    """A key or team that has a plan, and how full its windows are."""

    scope: str
    subject: str
    name: str
    since_us: int
    gauges: list[Gauge]

    @property
    def part(self) -> float:
        """Of its fullest window, 0 to 1."""
        return max((each.part for each in self.gauges), default=0.0)


class PlanCard(msgspec.Struct, frozen=True):
    """One plan and who has it; ``spec`` is None where another version of this program wrote it."""

    name: str
    spec: PlanSpec | None
    count: int  # of all subscribers
    subscribers: list[Subscriber]  # the fullest first, ``MOST`` at most

    @property
    def month_usd(self) -> float:
        """What all subscribers together pay a month."""
        return self.count * (self.spec.price_usd if self.spec is not None else 0.0)

    @property
    def command(self) -> str:
        """Gives it to a key."""
        return assign_command(self.name)


class TeamCard(msgspec.Struct, frozen=True):
    """One team, its limits, and what its keys have spent this month (UTC)."""

    id: str
    name: str
    keys: int
    plan: str
    month_usd: float
    gauges: list[Gauge]


class ActionLine(msgspec.Struct, frozen=True):
    """What is done about a key, and why."""

    key_id: str
    name: str
    action: str
    reasons: list[str]
    since_us: int
    until_us: int | None
    active: bool


class StopLine(msgspec.Struct, frozen=True):
    """A stopped session; ``key_id`` is empty where it is whoever's."""

    session: str
    key_id: str
    name: str
    time_us: int


def assign_command(plan: str) -> str:
    """The command that gives this plan to a key, safe to paste whatever the plan is called."""
    return f"tokenworks plan assign {shlex.quote(plan)} --key KEY"


def plan_cards(store: Store, keys: Sequence[KeyRow], now_us: int) -> list[PlanCard]:
    """Every plan by name, with its fullest subscribers."""
    names = {row.id: row.name for row in keys if row.revoked_us is None}
    names |= {team.id: team.name for team in store.teams()}
    subscriptions = defaultdict(list)
    for each in store.subscriptions():
        if each.subject in names:  # not those of keys that were revoked
            subscriptions[each.plan].append(each)
    specs = {row.name: readable(row.spec) for row in store.plans()}
    used = of_plans(store, [each for each in specs.values() if each is not None], now_us)
    cards = []
    for name, plan in specs.items():
        found = [
            Subscriber(
                each.scope,
                each.subject,
                names[each.subject],
                each.since_us,
                windows_of(plan, used[name], f"{each.scope}:{each.subject}") if plan is not None else [],
            )
            for each in subscriptions[name]
        ]
        found.sort(key=lambda each: (-each.part, each.name.casefold()))
        cards.append(PlanCard(name, plan, len(found), found[:MOST]))
    return cards


def team_cards(store: Store, keys: Sequence[KeyRow], now_us: int) -> list[TeamCard]:
    """Every team by name."""
    teams = store.teams()
    if not teams:
        return []
    teams_of = {row.id: row.team_id for row in keys}
    spent: Counter[str] = Counter()
    for row in store.usage("key", begins(now_us)[1]):
        spent[teams_of.get(row.group, "")] += row.cost_nano_usd
    members = Counter(row.team_id for row in keys if row.revoked_us is None)
    plans = {each.subject: each.plan for each in store.subscriptions() if each.scope == "team"}
    gauges = of_limits(store, owned(store.limits(), [("team", team.id) for team in teams]), now_us)
    return [
        TeamCard(
            team.id,
            team.name,
            members[team.id],
            plans.get(team.id, ""),
            spent[team.id] / NANO_USD,
            gauges.get(("team", team.id), []),
        )
        for team in teams
    ]


def action_lines(store: Store, keys: Sequence[KeyRow], now_us: int) -> list[ActionLine]:
    """What is done about which keys, the latest first; those whose time is over too."""
    names = {row.id: row.name for row in keys}
    return [action_line(each, names.get(each.key_id, ""), now_us) for each in reversed(store.actions())]


def action_line(each: ActionRow, name: str, now_us: int) -> ActionLine:
    """One action as it is shown."""
    active = each.until_us is None or now_us < each.until_us
    return ActionLine(
        each.key_id, name, each.action, _reasons(each.reasons), each.since_us, each.until_us, active
    )


def stop_lines(store: Store, keys: Sequence[KeyRow]) -> list[StopLine]:
    """Every stopped session, the latest first."""
    names = {row.id: row.name for row in keys}
    return [
        StopLine(each.session, each.key_id, names.get(each.key_id, ""), each.time_us)
        for each in reversed(store.stops())
    ]


def _reasons(text: str) -> list[str]:
    """The sentences of ``ActionRow.reasons``."""
    try:
        found = msgspec.json.decode(text or "[]")
    except msgspec.DecodeError:
        return [text]
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]
