"""``tokenworks fair-use``: what is done about keys whose use of a plan looks automated."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.span import Span
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.who import actor, find_key

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store

ACTIONS = ("slow", "cheaper_model", "metered", "suspend")


@click.group("fair-use")
def fair_use() -> None:
    """Show, lift and order what is done about use of plans that looks automated."""


@fair_use.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_actions(place: Place, as_json: bool) -> None:
    """Show what is done about which keys, and why.

    \b
    Examples:
      tokenworks fair-use list
      tokenworks fair-use list --json
    """
    with opened_store(place.existing()) as store:
        told = _told(store)
    if as_json:
        print_json({"actions": told})
        return
    cells = [
        [each["key"], each["name"], each["action"], each["since"], each["until"], "; ".join(each["reasons"])]
        for each in told
    ]
    print_table(
        ("key", "name", "action", "since", "until", "why"), cells, empty="nothing is done about any key"
    )


@fair_use.command()
@placed
@click.argument("who", metavar="KEY")
def lift(place: Place, who: str) -> None:
    """Take back what is done about KEY, within a second.

    \b
    Example:
      tokenworks fair-use lift k_3f9a
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        row = find_key(store, who)
        if not store.lift_action(row.id, actor=actor()):
            raise NotFound(f"nothing is done about {row.id}; tokenworks fair-use list shows what is")
    click.echo(f"lifted what was done about {row.id}")


@fair_use.command()
@placed
@click.argument("who", metavar="KEY")
@click.argument("action", type=click.Choice(ACTIONS))
@click.option("--for", "seconds", type=Span(), metavar="24h", help="For so long [until it is lifted].")
@click.option("--reason", default="ordered by an administrator", help="For the audit log and the list.")
def act(place: Place, who: str, action: str, seconds: float | None, reason: str) -> None:
    """Do ACTION about KEY: slow, cheaper_model, metered (its plan does not serve it) or suspend.

    \b
    Examples:
      tokenworks fair-use act k_3f9a slow --for 24h
      tokenworks fair-use act k_3f9a suspend --reason "shared with forty people"
    """
    from tokenworks.ledger.limit_rows import ActionRow

    now_us = time.time_ns() // 1000
    until_us = None if seconds is None else now_us + int(seconds * 1_000_000)
    with opened_store(place.existing()) as store:
        row = find_key(store, who)
        store.set_action(
            ActionRow(row.id, action, json.dumps([reason], ensure_ascii=False), now_us, until_us),
            actor=actor(),
        )
    click.echo(f"{action}: {row.id}")


def _told(store: Store) -> list[dict[str, Any]]:
    from tokenworks.plans.standing import moment

    now_us = time.time_ns() // 1000
    every = store.keys()
    names = {row.id: row.name for row in every}
    return [
        {
            "key": each.key_id,
            "name": names.get(each.key_id, ""),
            "action": each.action,
            "reasons": json.loads(each.reasons or "[]"),
            "since": moment(each.since_us),
            "until": moment(each.until_us),
            "active": each.until_us is None or now_us < each.until_us,
        }
        for each in store.actions()
    ]
