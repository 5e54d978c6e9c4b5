"""``tokenworks plan``: what subscribers pay, what that includes, and who has which."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.limit_view import bar
from tokenworks.cli.table import print_json, print_table, usd
from tokenworks.cli.terms import wrong
from tokenworks.cli.who import actor, find_key, find_plan, find_team

if TYPE_CHECKING:
    from tokenworks.ledger.limit_rows import PlanRow
    from tokenworks.ledger.store import Store

USED_UP = ("stop", "cheaper_model", "pay_as_you_go", "queue")
ACTIONS = ("observe", "slow", "cheaper_model", "metered", "suspend")
_WEIGHTS = {
    "in": "input_mtok",
    "out": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "request": "request",
}


class _Plans(click.Group):
    """Loads the simulation, which is large, when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            from tokenworks.cli.plan_simulate import simulate

            return simulate
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Plans)
def plan() -> None:
    """Make plans, give them to keys and teams, and see how they are used."""


@plan.command()
@placed
@click.argument("name")
@click.option("--price", type=click.FloatRange(0), metavar="USD", help="A month, for each subscriber.")
@click.option("--window", "windows", multiple=True, metavar="CREDITS/WINDOW", help="50/5h. Repeat it.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME:models=GLOB,..",
    help="Models and their credits: in, out, cache_read, cache_write per million tokens, request.",
)
@click.option("--file", "source", type=click.File("rb"), help="The plan as JSON; options win over it.")
@click.option("--used-up", type=click.Choice(USED_UP), help="What happens then [stop].")
@click.option("--cheaper-model", metavar="MODEL", help="Which serves then.")
@click.option("--concurrency", type=click.IntRange(1), metavar="N", help="Requests at a time.")
@click.option("--client", "clients", multiple=True, metavar="GLOB", help="Only for these clients. Repeat it.")
@click.option("--fair-use", type=click.Choice(ACTIONS), help="What is done about automated use [nothing].")
@click.option("--timezone", metavar="ZONE", help="In which days, weeks and months begin [UTC].")
@click.option("--replace", is_flag=True, help="Change the plan of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def create(place: Place, name: str, source: Any, replace: bool, as_json: bool, **options: Any) -> None:
    """Make a plan called NAME. A model in no class is not included in it.

    \b
    Examples:
      tokenworks plan create pro --price 20 --window 50/5h --window 500/week \\
        --class "large:models=acme/large*,in=5,out=25" --class "small:models=*,in=0.5,out=2" \\
        --used-up pay_as_you_go
      tokenworks plan create team --file plan.json --replace
    """
    from tokenworks.errors import BadRequest
    from tokenworks.ledger.limit_rows import PlanRow
    from tokenworks.plans import spec
    from tokenworks.plans.sound import plan_from

    values = _from_file(source, name) | _from_options(options)
    with wrong("plan"):
        made = plan_from({**values, "name": name})
    settings = place.existing()
    with opened_store(settings) as store, store.turn():
        if not replace and any(each.name == name for each in store.plans()):
            raise BadRequest(f"there is a plan called {name}; add --replace to change it")
        now_us = _now_us()
        store.put_plan(PlanRow(name, spec.write(made), now_us, now_us), actor=actor())
    if as_json:
        print_json({"name": name, "spec": json.loads(spec.write(made))})
    else:
        click.echo(f"plan {name}; give it to somebody: tokenworks plan assign {name} --key KEY")


@plan.command("list")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_plans(place: Place, as_json: bool) -> None:
    """Show the plans and how many have each.

    \b
    Examples:
      tokenworks plan list
      tokenworks plan list --json
    """
    with opened_store(place.existing()) as store:
        rows = store.plans()
        count = Counter(each.plan for each in store.subscriptions())
    told = [{"name": row.name, "subscribers": count[row.name], "spec": json.loads(row.spec)} for row in rows]
    if as_json:
        print_json({"plans": told})
        return
    cells = [
        [
            each["name"],
            usd(each["spec"].get("price_usd", 0.0)),
            ", ".join(f"{w['credits']:g}/{w['window']}" for w in each["spec"].get("windows", ())),
            each["spec"].get("used_up", "stop"),
            each["subscribers"],
        ]
        for each in told
    ]
    columns = ("name", "a month", "windows", "used up", "subscribers")
    print_table(columns, cells, empty="no plans; tokenworks plan create NAME")


@plan.command()
@placed
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(place: Place, name: str, as_json: bool) -> None:
    """Show a plan, who has it, and what each has used of its windows.

    \b
    Examples:
      tokenworks plan show pro
      tokenworks plan show pro --json
    """
    with opened_store(place.existing()) as store:
        row = find_plan(store, name)
        told = {"name": row.name, "spec": json.loads(row.spec), "subscriptions": _subscriptions(store, row)}
        every = store.keys()
        names = {each.id: each.name for each in every} | {each.id: each.name for each in store.teams()}
    if as_json:
        print_json(told)
        return
    click.echo(json.dumps(told["spec"], indent=2, ensure_ascii=False))
    cells = []
    for each in told["subscriptions"]:
        used = [
            f"{w['window']} {bar(w['used'] / w['credits'] if w['credits'] else 1)}" for w in each["windows"]
        ]
        cells.append(
            [each["scope"], names.get(each["subject"], each["subject"]), each["since"], "  ".join(used)]
        )
    print_table(
        ("who", "name", "since", "used"),
        cells,
        empty=f"nobody has it; tokenworks plan assign {name} --key KEY",
    )


@plan.command()
@placed
@click.argument("name", metavar="PLAN")
@click.option("--key", metavar="KEY", help="To the key with this id or name.")
@click.option("--team", metavar="TEAM", help="To a team: its keys use the plan together.")
def assign(place: Place, name: str, key: str | None, team: str | None) -> None:
    """Give PLAN to a key or team, in place of the one it had. A key's own goes before its team's.

    \b
    Examples:
      tokenworks plan assign pro --key k_3f9a
      tokenworks plan assign team --team research
    """
    from tokenworks.ledger.limit_rows import SubscriptionRow

    with opened_store(place.existing()) as store:
        row = find_plan(store, name)
        scope, subject, called = _subject(store, key, team)
        store.subscribe(SubscriptionRow(scope, subject, row.name, _now_us()), actor=actor())
    click.echo(f"{scope} {called} has plan {name}")


@plan.command()
@placed
@click.option("--key", metavar="KEY", help="From the key with this id or name.")
@click.option("--team", metavar="TEAM", help="From this team.")
def unassign(place: Place, key: str | None, team: str | None) -> None:
    """Take the plan away from a key or team: it pays as it goes then, within its limits.

    \b
    Example:
      tokenworks plan unassign --key k_3f9a
    """
    from tokenworks.errors import NotFound

    with opened_store(place.existing()) as store:
        scope, subject, called = _subject(store, key, team)
        if not store.unsubscribe(scope, subject, actor=actor()):
            raise NotFound(f"{scope} {called} has no plan; tokenworks plan show PLAN tells who has")
    click.echo(f"{scope} {called} has no plan")


@plan.command()
@placed
@click.argument("name", metavar="PLAN")
def remove(place: Place, name: str) -> None:
    """Remove PLAN. Only one that nobody has; keys that were revoked don't count.

    \b
    Example:
      tokenworks plan remove pro
    """
    from tokenworks.errors import BadRequest

    with opened_store(place.existing()) as store:
        row = find_plan(store, name)
        every = store.keys()
        revoked = {each.id for each in every if each.revoked_us is not None}
        for each in store.subscriptions():
            if each.plan == row.name and each.subject in revoked:
                store.unsubscribe(each.scope, each.subject, actor=actor())
        if not store.remove_plan(row.name, actor=actor()):
            raise BadRequest(f"somebody has {name}; tokenworks plan show {name}, then plan unassign")
    click.echo(f"removed {name}")


@plan.command()
@placed
@click.argument("who", metavar="KEY|TEAM")
@click.argument("amount", type=float, metavar="USD")
@click.option("--team", "is_team", is_flag=True, help="It is a team.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def wallet(place: Place, who: str, amount: float, is_team: bool, as_json: bool) -> None:
    """Put USD into the wallet of a key or team. It pays where a pay_as_you_go plan is used up.

    \b
    Examples:
      tokenworks plan wallet k_3f9a 20
      tokenworks plan wallet research 200 --team
    """
    from tokenworks.plans.granting import top_up
    from tokenworks.plans.standing import described, standings

    settings = place.existing()
    if amount <= 0:
        raise click.BadParameter("dollars, more than 0", param_hint="USD")
    with opened_store(settings) as store, store.turn():
        scope, subject, called = _subject(store, None if is_team else who, who if is_team else None)
        with wrong("USD"):
            row = top_up(store, scope, subject, amount, actor=actor())
        told = described(row, standings(store, [row], _now_us())[row.id])
    if as_json:
        print_json(told)
    else:
        click.echo(f"wallet of {called}: {usd(told['left'])} left of {usd(told['amount'])} paid in")


def _subject(store: Store, key: str | None, team: str | None) -> tuple[str, str, str]:
    """Scope, id and name of the one that was given."""
    if (key is None) == (team is None):
        raise click.UsageError("give either --key or --team")
    if key is not None:
        row = find_key(store, key)
        return "key", row.id, row.name
    found = find_team(store, team or "")
    return "team", found.id, found.name


def _subscriptions(store: Store, row: PlanRow) -> list[dict[str, Any]]:
    from tokenworks.plans import spec
    from tokenworks.plans.standing import moment, plan_standings

    found = spec.read(row.spec)
    return [
        {
            "scope": each.scope,
            "subject": each.subject,
            "since": moment(each.since_us),
            "windows": plan_standings(store, found, each.scope, each.subject, _now_us()),
        }
        for each in store.subscriptions()
        if each.plan == row.name
    ]


def _from_file(source: Any, name: str) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        values = json.loads(source.read())
    except ValueError as error:
        raise click.BadParameter(
            f"{Path(source.name).name} is no JSON: {error}", param_hint="--file"
        ) from None
    if not isinstance(values, dict):
        raise click.BadParameter("a JSON object is needed, see docs/plans.md", param_hint="--file")
    if values.get("name", name) != name:
        raise click.BadParameter(
            f"it is called {values['name']!r} there; give that name", param_hint="--file"
        )
    return values


def _from_options(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a plan that were given."""
    found: dict[str, Any] = {
        "price_usd": options["price"],
        "windows": [_window(each) for each in options["windows"]],
        "classes": [_model_class(each) for each in options["classes"]],
        "used_up": options["used_up"],
        "cheaper_model": options["cheaper_model"],
        "concurrency": options["concurrency"],
        "clients": list(options["clients"]),
        "fair_use": {"action": options["fair_use"]} if options["fair_use"] else None,
        "timezone": options["timezone"],
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _window(text: str) -> dict[str, Any]:
    credits, slash, window = text.partition("/")
    try:
        if slash:
            return {"credits": float(credits), "window": window}
    except ValueError:
        pass
    raise click.BadParameter(
        f"{text!r}: credits and a window, as in 50/5h or 500/week", param_hint="--window"
    )


def _model_class(text: str) -> dict[str, Any]:
    """``NAME:models=GLOB,GLOB,in=5,out=25``: what has no = is one more of the models before it."""
    name, colon, rest = text.partition(":models=")
    found: dict[str, Any] = {"name": name, "models": []}
    for part in rest.split(","):
        field, equals, value = part.partition("=")
        if not equals:
            found["models"].append(part.strip())
            continue
        try:
            found[_WEIGHTS[field.strip()]] = float(value)
        except (KeyError, ValueError):
            colon = ""
    if not colon or not found["models"]:
        raise click.BadParameter(
            f"{text!r}: write NAME:models=GLOB,GLOB,in=5,out=25 with any of {', '.join(_WEIGHTS)}",
            param_hint="--class",
        )
    return found


def _now_us() -> int:
    return time.time_ns() // 1000
