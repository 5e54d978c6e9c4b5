"""``tokenworks team``: keys that are managed and limited together."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.limit_view import text
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.terms import Terms, terms
from tokenworks.cli.who import actor, find_key, find_team

if TYPE_CHECKING:
    from tokenworks.ledger.limit_rows import TeamRow
    from tokenworks.ledger.store import Store

NAME_CHARS = 100


@click.group()
def team() -> None:
    """Make, limit, show and remove teams, and put keys into them."""


@team.command()
@placed
@click.argument("name")
@terms
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def create(place: Place, name: str, terms: Terms, as_json: bool) -> None:
    """Make a team called NAME. Its limits count what all of its keys use, its rules hold for each.

    \b
    Examples:
      tokenworks team create research
      tokenworks team create research --budget 500/month --timezone Europe/Berlin --models "acme/*"
    """
    import secrets

    from tokenworks.errors import BadRequest
    from tokenworks.ledger.limit_rows import TeamRow

    _check_name(name)
    terms.wanted()
    rules = terms.rules_text("")
    settings = place.existing()
    with opened_store(settings) as store, store.turn():
        now_us = time.time_ns() // 1000
        row = TeamRow("t_" + secrets.token_hex(8), name, rules, now_us, now_us)
        if not store.add_team(row, actor=actor()):
            raise BadRequest(f"there is a team called {name}; tokenworks team update {name}")
        terms.grant(store, "team", row.id, actor())
    if as_json:
        print_json({"id": row.id, "name": name})
    else:
        click.echo(f"{row.id}  {name}; put keys into it: tokenworks team add-key {name} KEY")


@team.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_teams(place: Place, as_json: bool) -> None:
    """Show the teams, their limits and how these stand.

    \b
    Examples:
      tokenworks team list
      tokenworks team list --json
    """
    with opened_store(place.existing()) as store:
        shown = _told(store, store.teams())
    if as_json:
        print_json({"teams": shown})
        return
    columns = ("id", "name", "keys", "plan", "limits")
    rows = [
        [each["id"], each["name"], each["keys"], each["plan"], "; ".join(map(text, each["limits"]))]
        for each in shown
    ]
    print_table(columns, rows, empty="no teams; tokenworks team create NAME")


@team.command()
@placed
@click.argument("who", metavar="TEAM")
@click.option("--name", help="What it is called from now on.")
@terms
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def update(place: Place, who: str, name: str | None, terms: Terms, as_json: bool) -> None:
    """Change TEAM; what is not given stays as it is, as with tokenworks key update.

    \b
    Examples:
      tokenworks team update research --budget 800/month
      tokenworks team update research --name science --models none
    """
    from tokenworks.errors import BadRequest, NotFound

    if name is not None:
        _check_name(name)
    terms.wanted()
    if name is None and not terms.any:
        raise click.UsageError("nothing to change; see tokenworks team update --help")
    settings = place.existing()
    with opened_store(settings) as store, store.turn():
        row = find_team(store, who)
        if any(each.name == name and each.id != row.id for each in store.teams()):
            raise BadRequest(f"there is a team called {name}; take another name")
        rules = terms.rules_text(row.rules) if terms.rules or terms.timezone else None
        terms.grant(store, "team", row.id, actor())
        changed = store.update_team(row.id, name=name, rules=rules, actor=actor())
        if changed is None:
            raise NotFound(f"team {who} was removed a moment ago")
        (shown,) = _told(store, [changed])
    if as_json:
        print_json(shown)
    else:
        click.echo(f"{shown['id']}  {shown['name']}: {'; '.join(map(text, shown['limits'])) or 'no limits'}")


@team.command()
@placed
@click.argument("who", metavar="TEAM")
def remove(place: Place, who: str) -> None:
    """Remove TEAM with its limits and its plan. Its keys stay, and only their own limits hold then.

    \b
    Example:
      tokenworks team remove research
    """
    with opened_store(place.existing()) as store:
        row = find_team(store, who)
        store.remove_team(row.id, actor=actor())
    click.echo(f"removed {row.name}")


@team.command("add-key")
@placed
@click.argument("who", metavar="TEAM")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
def add_key(place: Place, who: str, keys: tuple[str, ...]) -> None:
    """Put keys into TEAM, out of the one they were in.

    \b
    Example:
      tokenworks team add-key research k_3f9a k_77b0
    """
    with opened_store(place.existing()) as store:
        row = find_team(store, who)
        for each in [find_key(store, text) for text in keys]:
            store.update_key(each.id, team_id=row.id, actor=actor())
            click.echo(f"{each.id} {each.name} is in {row.name}")


@team.command("remove-key")
@placed
@click.argument("who", metavar="TEAM")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
def remove_key(place: Place, who: str, keys: tuple[str, ...]) -> None:
    """Take keys out of TEAM: its limits, rules and plan are not theirs any more.

    \b
    Example:
      tokenworks team remove-key research k_3f9a
    """
    from tokenworks.errors import BadRequest

    with opened_store(place.existing()) as store:
        row = find_team(store, who)
        found = [find_key(store, text) for text in keys]
        for each in found:
            if each.team_id != row.id:
                raise BadRequest(f"{each.id} is not in {row.name}; tokenworks key show {each.id}")
            if each.role == "manager":
                raise BadRequest(
                    f"{each.id} manages {row.name}; tokenworks key update {each.id} --role member"
                )
        for each in found:
            store.update_key(each.id, team_id="", actor=actor())
            click.echo(f"{each.id} {each.name} is in no team")


def _told(store: Store, rows: list[TeamRow]) -> list[dict[str, Any]]:
    import msgspec

    from tokenworks.plans import rules
    from tokenworks.plans.standing import described, standings

    limits = [each for each in store.limits() if each.scope == "team"]
    stand = standings(store, limits, time.time_ns() // 1000)
    every = store.keys()
    keys = Counter(row.team_id for row in every if row.revoked_us is None)
    plans = {each.subject: each.plan for each in store.subscriptions() if each.scope == "team"}
    return [
        {
            "id": row.id,
            "name": row.name,
            "keys": keys[row.id],
            "plan": plans.get(row.id),
            "rules": msgspec.to_builtins(rules.read(row.rules)),
            "limits": [described(each, stand[each.id]) for each in limits if each.subject == row.id],
        }
        for row in rows
    ]


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise click.BadParameter(f"a name has 1 to {NAME_CHARS} printable characters", param_hint="NAME")
