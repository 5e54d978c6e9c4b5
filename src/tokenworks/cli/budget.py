"""``tokenworks budget``: limits on money, requests, tokens and concurrency, and how they stand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.limit_view import COLUMNS, lines, text
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.terms import wrong
from tokenworks.cli.who import actor, find_key, find_limit, find_team, key_or_team

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenworks.ledger.limit_rows import LimitRow
    from tokenworks.ledger.store import Store

NANO = 1_000_000_000  # parts of a dollar, and of a credit


@click.group()
def budget() -> None:
    """Add, show, change and remove limits of keys, teams, apps, users and sessions."""


@budget.command()
@placed
@click.argument("amount", metavar="AMOUNT")
@click.option("--key", metavar="KEY", help="On the key with this id or name.")
@click.option("--team", metavar="TEAM", help="On all keys of this team together.")
@click.option("--app", metavar="APP", help='On an app; "*": on each for itself.')
@click.option("--user", metavar="USER", help='On an end user (field `user`); "*": on each for itself.')
@click.option("--session", metavar="ID", help='On a session; "*": on each for itself.')
@click.option("--within", metavar="KEY|TEAM", help="Count only requests of this key or team.")
@click.option("--strict", is_flag=True, help="Never a cent over.")
@click.option("--timezone", default="UTC", metavar="ZONE", help="In which days and months begin [UTC].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(
    place: Place,
    amount: str,
    within: str | None,
    strict: bool,
    timezone: str,
    as_json: bool,
    **whom: str | None,
) -> None:
    """Limit somebody to AMOUNT: 20/month is dollars, 60rpm requests a minute. In force within a second.

    Several limits on the same count side by side: all must have room.

    \b
    Examples:
      tokenworks budget add --team research 500/month --timezone Europe/Berlin
      tokenworks budget add --key k_3f9a 2/5h --strict
      tokenworks budget add --user "*" --within k_3f9a 1/day
      tokenworks budget add --app "*" 100/month --json
    """
    from tokenworks.plans.granting import new_limit, written

    given = {scope: name for scope, name in whom.items() if name is not None}
    if len(given) != 1:
        raise click.UsageError("give one of --key, --team, --app, --user and --session")
    ((scope, name),) = given.items()
    if within is not None and scope in ("key", "team"):
        raise click.BadParameter("goes with --app, --user or --session", param_hint="--within")
    with wrong("AMOUNT"):
        wanted = written(amount)
        new_limit(scope, name, wanted, timezone=timezone) if scope in ("key", "team") else None
    with opened_store(place.existing()) as store:
        subject = _subject(store, scope, name)
        inside = "" if within is None else key_or_team(store, within)
        with wrong("AMOUNT"):
            row = new_limit(scope, subject, wanted, within=inside, timezone=timezone, strict=strict)
        store.add_limit(row, actor=actor())
        (told,) = _told(store, [row])
    if as_json:
        print_json(told)
    else:
        click.echo(f"{row.id}  {scope} {name}: {text(told)}")


@budget.command("list")
@placed
@click.option("--key", metavar="KEY", help="Of this key, its team and within them.")
@click.option("--team", metavar="TEAM", help="Of this team and within it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_budgets(place: Place, key: str | None, team: str | None, as_json: bool) -> None:
    """Show every limit with what is spent of it, what is left and when it begins anew.

    What is spent is what finished requests cost, true within a second.

    \b
    Examples:
      tokenworks budget list
      tokenworks budget list --key k_3f9a --json
    """
    with opened_store(place.existing()) as store:
        subjects: set[tuple[str, str]] = set()
        if key is not None:
            row = find_key(store, key)
            subjects |= {("key", row.id), ("team", row.team_id)}
        if team is not None:
            subjects.add(("team", find_team(store, team).id))
        ids = {subject for _, subject in subjects if subject}
        rows = [
            each
            for each in store.limits()
            if not subjects or (each.scope, each.subject) in subjects or each.within in ids
        ]
        told = _told(store, rows)
        names = _names(store)
    if as_json:
        print_json({"budgets": told})
    else:
        print_table(COLUMNS, lines(told, names), empty="no limits; tokenworks budget add --key KEY 20/month")


@budget.command("set")
@placed
@click.argument("limit_id", metavar="ID")
@click.argument("amount", type=float)
@click.option("--strict/--no-strict", default=None, help="Never a cent over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def set_amount(place: Place, limit_id: str, amount: float, strict: bool | None, as_json: bool) -> None:
    """Set the limit with this ID to AMOUNT: dollars, or so many of its unit. What was spent stays.

    \b
    Examples:
      tokenworks budget set l_52c1 50
      tokenworks budget set l_52c1 50 --strict
    """
    from tokenworks.plans.granting import counted

    with opened_store(place.existing()) as store:
        row = find_limit(store, limit_id)
        with wrong("AMOUNT"):
            whole = counted(row.unit, amount)
        changed = store.update_limit(row.id, amount=whole, strict=strict, actor=actor())
        (told,) = _told(store, [changed or find_limit(store, limit_id)])
    if as_json:
        print_json(told)
    else:
        click.echo(f"{row.id}: {text(told)}")


@budget.command()
@placed
@click.argument("limit_id", metavar="ID")
def remove(place: Place, limit_id: str) -> None:
    """Remove the limit with this ID, and what was counted against it.

    \b
    Example:
      tokenworks budget remove l_52c1
    """
    with opened_store(place.existing()) as store:
        store.remove_limit(find_limit(store, limit_id).id, actor=actor())
    click.echo(f"removed {limit_id}")


@budget.command()
@placed
@click.argument("limit_id", metavar="ID")
@click.argument("amount", type=float)
@click.option("--subject", help="Whose, where the limit counts for several.")
@click.option("--reason", default="", help="For the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def refund(
    place: Place, limit_id: str, amount: float, subject: str | None, reason: str, as_json: bool
) -> None:
    """Count AMOUNT less as spent of the limit with this ID; never more than was spent in its window.

    What was used stays recorded, and in `tokenworks usage`.

    \b
    Examples:
      tokenworks budget refund l_52c1 1.50 --reason "outage of 3 March"
      tokenworks budget refund l_52c1 0.20 --subject alice@example.org
    """
    from tokenworks.plans import standing
    from tokenworks.plans.granting import counted

    with opened_store(place.existing()) as store:
        row = find_limit(store, limit_id)
        with wrong("AMOUNT"):
            whole = counted(row.unit, amount)
        with wrong("--subject"):
            given = standing.refund(store, row, subject, whole, _now_us(), actor=actor(), reason=reason)
        (told,) = _told(store, [row])
    refunded = standing.shown(row, given)
    if as_json:
        print_json({"refunded": refunded, "budget": told})
    else:
        less = "" if given == whole else "; no more was spent"
        click.echo(f"refunded {refunded:g} of {row.id}{less}")


@budget.command()
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def leases(place: Place, as_json: bool) -> None:
    """Show which workers hold what of which limits: for requests under way and to come.

    A worker that ends gives back what it holds, and the server takes back what a killed one held.

    \b
    Examples:
      tokenworks budget leases
      tokenworks budget leases --json
    """
    with opened_store(place.existing()) as store:
        units = {each.id: each.unit for each in store.limits()}
        accounts = {row.account: row for row in store.standings()}
        rows: list[dict[str, Any]] = []
        for holder in store.lease_holders(""):
            for account, amount in store.leases_of(holder).items():
                row = accounts.get(account)
                unit = "" if row is None else units.get(row.limit_id) or _unit(row.limit_id)
                scale = NANO if unit in ("usd", "credits") else 1
                rows.append(
                    {
                        "holder": holder,
                        "limit": None if row is None else row.limit_id,
                        "subject": None if row is None else row.subject,
                        "unit": unit or None,
                        "granted": amount / scale,
                        "held_by_all": None if row is None else row.leased / scale,
                    }
                )
    if as_json:
        print_json({"leases": rows})
        return
    columns = ("holder", "limit", "subject", "unit", "granted", "held_by_all")
    print_table(columns, [[row[c] for c in columns] for row in rows], empty="nobody holds anything")


@budget.command()
@placed
@click.argument("holder")
@click.option("--yes", is_flag=True, help="Don't ask.")
def release(place: Place, holder: str, yes: bool) -> None:
    """Free what HOLDER holds: a worker of a machine that is gone for good.

    Never while it may still run, or its journals may still be read: what it spent and has not told yet
    would be spent a second time. Workers of this machine are released by the server itself.

    \b
    Examples:
      tokenworks budget leases
      tokenworks budget release HOLDER
    """
    from tokenworks.errors import NotFound
    from tokenworks.ledger.limit_rows import AuditRow

    with opened_store(place.existing()) as store:
        if holder not in store.lease_holders(holder):
            raise NotFound(f"{holder} holds nothing; tokenworks budget leases shows who does")
        if not yes:
            click.confirm(
                f"If {holder} still runs, or its journals come back, budgets may be overspent by what it "
                "holds. Is its machine gone for good?",
                abort=True,
            )
        freed = store.release_leases(holder)
        store.note(AuditRow(_now_us(), actor(), "lease.release", holder, f'{{"leases":{freed}}}'))
    click.echo(f"released {holder}: {freed} leases")


def _unit(limit_id: str) -> str:
    """Of the accounts that no limit is kept for: windows of plans, and caps of sessions."""
    if limit_id.startswith("plan:") and not limit_id.endswith(":concurrent"):
        return "credits"
    return {"loop:spend": "usd", "loop:iterations": "requests"}.get(limit_id, "")


def _subject(store: Store, scope: str, name: str) -> str:
    if scope == "key":
        return find_key(store, name).id
    return find_team(store, name).id if scope == "team" else name


def _told(store: Store, rows: list[LimitRow]) -> list[dict[str, Any]]:
    from tokenworks.plans.standing import described, standings

    stand = standings(store, rows, _now_us())
    return [described(each, stand[each.id]) for each in rows]


def _names(store: Store) -> Mapping[str, str]:
    every = store.keys()
    return {row.id: row.name for row in every} | {team.id: team.name for team in store.teams()}


def _now_us() -> int:
    return time.time_ns() // 1000
