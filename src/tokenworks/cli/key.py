"""``tokenworks key``: who may call, and within which limits."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.init import prepare
from tokenworks.cli.span import Span, span_s
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.terms import NONE, Terms, terms
from tokenworks.cli.who import actor, find_key, find_plan, find_team

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store

NAME_CHARS = 100
ROLES = ("member", "manager", "admin")


@click.group()
def key() -> None:
    """Make, limit, show, rotate and revoke API keys."""


def _expires(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """``--expires`` in unix µs: so long from now, or the end of a day in UTC, or a moment."""
    if text is None or text == NONE:
        return None
    try:
        seconds = span_s(text)
        if seconds is not None:
            end = datetime.now(UTC) + timedelta(seconds=seconds)
        elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            end = datetime.combine(date.fromisoformat(text.strip()), clock(23, 59, 59), UTC)
        else:
            end = datetime.fromisoformat(text.strip())
            end = end if end.tzinfo else end.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "give a time from now such as 30d, 12h or 2w, a day such as 2026-12-31 (until its end in UTC), "
            "or a moment such as 2026-12-31T12:00:00Z"
        ) from None
    if end <= datetime.now(UTC):
        raise click.BadParameter("is over already; give a time to come")
    return int(end.timestamp() * 1_000_000)


@key.command()
@placed
@click.argument("name")
@click.option("--admin", is_flag=True, help="The key may also administer the server.")
@click.option("--role", type=click.Choice(ROLES), help="What it may do [member]; a manager: its team.")
@click.option("--team", metavar="TEAM", help="Name or id of the team that it is in.")
@click.option("--plan", metavar="PLAN", help="The plan that it has.")
@terms
@click.option("--expires", callback=_expires, metavar="30d|2026-12-31", help="When it ends [never].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def create(
    place: Place,
    name: str,
    admin: bool,
    role: str | None,
    team: str | None,
    plan: str | None,
    terms: Terms,
    expires: int | None,
    as_json: bool,
) -> None:
    """Make a key called NAME and show it, once. A running server knows it within a second.

    \b
    Examples:
      tokenworks key create alice
      tokenworks key create ci --expires 30d --json
      tokenworks key create NAME --budget 20/month --budget 2/5h --strict --limit 60rpm --json
      tokenworks key create bob --team research --models "acme/*" --hours "Mon-Fri 09:00-18:00"
      tokenworks key create agent --max-iterations 200 --max-session-spend 5 --max-session-time 2h
    """
    from tokenworks.plans import keys

    _check_name(name)
    if admin and role not in (None, "admin"):
        raise click.BadParameter("give one of them", param_hint="--admin / --role")
    role = "admin" if admin else role or "member"
    if role == "manager" and team is None:
        raise click.BadParameter("a manager manages a team; give --team too", param_hint="--role")
    terms.wanted()
    rules = terms.rules_text("")
    settings = prepare(place, first_key=False).settings
    with opened_store(settings) as store:
        team_id = "" if team is None else find_team(store, team).id
        if plan is not None:
            find_plan(store, plan)
        made, secret = keys.create(
            store,
            name,
            settings.pepper,
            role,
            expires_us=expires,
            team_id=team_id,
            rules=rules,
            actor=actor(),
        )
        with store.turn():
            terms.grant(store, "key", made, actor())
            if plan is not None:
                _subscribe(store, made, plan)
    if as_json:
        print_json({"id": made, "key": secret})
    else:
        click.echo(secret)
        click.secho(f"key {made} of {name}; it is shown only now", err=True, dim=True)


@key.command()
@placed
@click.argument("who", metavar="ID")
@click.option("--name", help="What it is called from now on.")
@click.option("--role", type=click.Choice(ROLES), help="What it may do; a manager: its team.")
@click.option("--team", metavar="TEAM", help="Name or id of the team that it is in; none: in no team.")
@click.option("--plan", metavar="PLAN", help="The plan that it has; none: no plan.")
@terms
@click.option("--expires", callback=_expires, metavar="30d|2026-12-31|none", help="When it ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def update(
    context: click.Context,
    place: Place,
    who: str,
    name: str | None,
    role: str | None,
    team: str | None,
    plan: str | None,
    terms: Terms,
    expires: int | None,
    as_json: bool,
) -> None:
    """Change the key with this ID; what is not given stays as it is.

    A budget or limit whose window the key has already gets the new amount, and what was spent stays. Of
    lists and numbers the word none takes the rule away. A limit is taken away by: tokenworks budget remove

    \b
    Examples:
      tokenworks key update k_3f9a --budget 50/month --no-strict
      tokenworks key update k_3f9a --models none --team research
      tokenworks key update k_3f9a --plan none --expires none
    """
    from tokenworks.cli.key_view import print_key, view

    if name is not None:
        _check_name(name)
    terms.wanted()
    dated = context.get_parameter_source("expires") is click.core.ParameterSource.COMMANDLINE
    if not (terms.any or dated or any(each is not None for each in (name, role, team, plan))):
        raise click.UsageError("nothing to change; see tokenworks key update --help")
    settings = place.existing()
    with opened_store(settings) as store, store.turn():
        row = find_key(store, who)
        changes: dict[str, Any] = {"name": name, "role": role}
        if terms.rules or terms.timezone:
            changes["rules"] = terms.rules_text(row.rules)
        if team is not None:
            changes["team_id"] = "" if team == NONE else find_team(store, team).id
        if dated:
            changes["expires_us"] = expires
        if (role or row.role) == "manager" and not changes.get("team_id", row.team_id):
            raise click.BadParameter("a manager manages a team; give --team too", param_hint="--role")
        if plan not in (None, NONE):
            find_plan(store, str(plan))
        terms.grant(store, "key", row.id, actor())
        if plan == NONE:
            store.unsubscribe("key", row.id, actor=actor())
        elif plan is not None:
            _subscribe(store, row.id, plan)
        if any(value is not None for value in changes.values()) or dated:
            store.update_key(row.id, **changes, actor=actor())
        shown = view(store, find_key(store, row.id))
    if as_json:
        print_json(shown)
    else:
        print_key(shown)


@key.command()
@placed
@click.argument("who", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(place: Place, who: str, as_json: bool) -> None:
    """Show one key: its rules, its limits with what is spent and left, and its plan.

    \b
    Examples:
      tokenworks key show k_3f9a
      tokenworks key show alice --json
    """
    from tokenworks.cli.key_view import print_key, view

    with opened_store(place.existing()) as store:
        shown = view(store, find_key(store, who))
    if as_json:
        print_json(shown)
    else:
        print_key(shown)


@key.command()
@placed
@click.argument("who", metavar="ID")
@click.option(
    "--overlap",
    type=Span(),
    default="24h",
    show_default=True,
    metavar="24h",
    help="For how long the old secret is good besides; 0s: not at all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def rotate(place: Place, who: str, overlap: float, as_json: bool) -> None:
    """Give the key with this ID a new secret and show it, once. Limits and what was spent stay.

    \b
    Examples:
      tokenworks key rotate k_3f9a
      tokenworks key rotate k_3f9a --overlap 0s --json
    """
    from tokenworks.plans import keys

    settings = place.existing()
    if not 0 <= overlap <= keys.MAX_OVERLAP_S:
        raise click.BadParameter("365d at most", param_hint="--overlap")
    with opened_store(settings) as store:
        row = find_key(store, who)
        row, secret = keys.rotate(store, row.id, settings.pepper, overlap, actor=actor())
    until = _moment(row.old_until_us or 0)
    if as_json:
        print_json({"id": row.id, "key": secret, "old_until": until})
    else:
        click.echo(secret)
        click.secho(
            f"key {row.id} of {row.name}; shown only now. The old one is good until {until}",
            err=True,
            dim=True,
        )


@key.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_keys(place: Place, as_json: bool) -> None:
    """Show all keys; the secrets themselves are not stored.

    \b
    Examples:
      tokenworks key list
      tokenworks key list --json
    """
    with opened_store(place.existing()) as store:
        found = store.keys()
    now_us = time.time_ns() // 1000
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "role": each.role,
            "hint": each.hint,
            "created": _day(each.created_us),
            "expires": None if each.expires_us is None else _moment(each.expires_us),
            "team": each.team_id or None,
            "disabled": each.disabled,
            "active": each.active and not each.expired(now_us),
        }
        for each in found
    ]
    if as_json:
        print_json({"keys": rows})
        return
    columns = ("id", "name", "role", "hint", "created", "expires", "disabled", "active")
    print_table(
        columns, [[row[c] for c in columns] for row in rows], empty="no keys; tokenworks key create NAME"
    )


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def revoke(place: Place, key_id: str) -> None:
    """Revoke the key with this ID; a running server refuses it within a second.

    \b
    Example:
      tokenworks key revoke k_3f9a
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        if not store.revoke_key(key_id, actor=actor()):
            raise NotFound(f"no active key has the id {key_id}; tokenworks key list shows them")
    click.echo(f"revoked {key_id}")


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def disable(place: Place, key_id: str) -> None:
    """Refuse the key with this ID until it is enabled again; a running server does within a second.

    \b
    Example:
      tokenworks key disable k_3f9a
    """
    _set_disabled(place, key_id, True)
    click.echo(f"disabled {key_id}")


@key.command()
@placed
@click.argument("key_id", metavar="ID")
def enable(place: Place, key_id: str) -> None:
    """Let the disabled key with this ID call again.

    \b
    Example:
      tokenworks key enable k_3f9a
    """
    _set_disabled(place, key_id, False)
    click.echo(f"enabled {key_id}")


def _set_disabled(place: Place, key_id: str, disabled: bool) -> None:
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        if store.update_key(key_id, disabled=disabled, actor=actor()) is None:
            raise NotFound(f"no key that is not revoked has the id {key_id}; tokenworks key list shows them")


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise click.BadParameter(f"a name has 1 to {NAME_CHARS} printable characters", param_hint="NAME")


def _subscribe(store: Store, key_id: str, plan: str) -> None:
    from tokenworks.ledger.limit_rows import SubscriptionRow

    store.subscribe(SubscriptionRow("key", key_id, plan, time.time_ns() // 1000), actor=actor())


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).date().isoformat()
