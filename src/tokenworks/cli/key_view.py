"""One key as commands show it: rules, limits with what is left, plan."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.limit_view import COLUMNS, lines
from tokenworks.cli.table import print_table

if TYPE_CHECKING:
    from tokenworks.ledger.rows import KeyRow
    from tokenworks.ledger.store import Store


def view(store: Store, row: KeyRow) -> dict[str, Any]:
    """All that is known of a key, as JSON tells it."""
    from tokenworks.plans.granting import WALLET
    from tokenworks.plans.standing import described, moment, standings

    now_us = time.time_ns() // 1000
    owners = {("key", row.id), ("team", row.team_id)}
    limits = [each for each in store.limits() if (each.scope, each.subject) in owners]
    stand = standings(store, limits, now_us)
    told = [described(each, stand[each.id]) for each in limits]
    team = next((each for each in store.teams() if each.id == row.team_id), None)
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role,
        "hint": row.hint,
        "team": None if team is None else {"id": team.id, "name": team.name, "rules": _rules(team.rules)},
        "created": moment(row.created_us),
        "expires": moment(row.expires_us),
        "old_secret_until": moment(row.old_until_us),
        "disabled": row.disabled,
        "active": row.active and not row.expired(now_us),
        "rules": _rules(row.rules),
        "limits": [each for each in told if each["purpose"] != WALLET],
        "wallets": [each for each in told if each["purpose"] == WALLET],
        "plan": _plan(store, row, now_us),
    }


def _rules(text: str) -> dict[str, Any]:
    from tokenworks.plans import rules

    found: dict[str, Any] = json.loads(rules.write(rules.read(text)) or "{}")
    return found


def _plan(store: Store, row: KeyRow, now_us: int) -> dict[str, Any] | None:
    """The key's own plan, else its team's."""
    from tokenworks.plans import spec
    from tokenworks.plans.standing import moment, plan_standings

    plans = {each.name: each for each in store.plans()}
    subscribed = {(each.scope, each.subject): each for each in store.subscriptions()}
    for scope, subject in (("key", row.id), ("team", row.team_id)):
        each = subscribed.get((scope, subject))
        if each is not None and each.plan in plans:
            found = spec.read(plans[each.plan].spec)
            return {
                "name": found.name,
                "scope": scope,
                "since": moment(each.since_us),
                "used_up": found.used_up,
                "windows": plan_standings(store, found, scope, subject, now_us),
            }
    return None


def _told(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def print_key(shown: dict[str, Any]) -> None:
    """For people."""
    state = "active" if shown["active"] else "disabled" if shown["disabled"] else "over"
    member = "" if shown["team"] is None else f", team {shown['team']['name']}"
    click.echo(f"{shown['id']}  {shown['name']}  {shown['hint']}  {shown['role']}{member}, {state}")
    for name in ("expires", "old_secret_until"):
        if shown[name]:
            click.echo(f"{name.replace('_', ' ')}: {shown[name]}")
    for whose, rules in (("", shown["rules"]), ("team's ", (shown["team"] or {}).get("rules", {}))):
        for name, value in rules.items():
            told = ", ".join(value) if isinstance(value, list) else value
            if isinstance(value, dict):
                told = ", ".join(f"{each.replace('_', ' ')} {_told(inner)}" for each, inner in value.items())
            click.echo(f"{whose}{name.replace('_', ' ')}: {told}")
    team = shown["team"] or {"id": "", "name": ""}
    names = {shown["id"]: shown["name"], team["id"]: team["name"]}
    limits = lines([*shown["limits"], *shown["wallets"]], names)
    print_table(COLUMNS, limits, empty="no limits; tokenworks budget add --key KEY 20/month")
    plan = shown["plan"]
    if plan is not None:
        click.echo(f"plan {plan['name']} ({plan['scope']}'s) since {plan['since']}; then {plan['used_up']}")
        for each in plan["windows"]:
            resets = f", resets {each['resets_at']}" if each["resets_at"] else ""
            click.echo(f"  {each['window']}: {each['used']:g} of {each['credits']:g} credits{resets}")
