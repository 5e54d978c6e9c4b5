"""``tokenworks plan simulate``: what a plan would earn with real usage."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from tokenworks.cli.home import Place, no_server, opened_store, placed
from tokenworks.cli.table import print_json, print_table

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.plans.economics.history import History
    from tokenworks.plans.economics.recorded import Recorded
    from tokenworks.plans.spec import PlanSpec

_FILE = click.Path(path_type=Path, dir_okay=False)
_IN = click.Path(path_type=Path, dir_okay=False, exists=True)
_US = 1_000_000
_DAY_S = 86_400

Progress = Callable[[str, int | None, int | None], None]  # what is done, how far, of how many


@click.command()
@placed
@click.argument("plan", metavar="PLAN|FILE.json")
@click.option("--ledger", is_flag=True, help="Replay what this home's ledger recorded; a subscriber a key.")
@click.option("--trace", "traces", type=_IN, multiple=True, help="Replay a trace; may be repeated.")
@click.option("--agent-trace", "agent_traces", type=_IN, multiple=True, help="What agents do [as --trace].")
@click.option("--model", "models", multiple=True, help="MODEL[=SHARE] of a trace that names none.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Length of the replay [30].")
@click.option("--subscribers", type=click.IntRange(1, 100_000), help="Of a trace that names none [200].")
@click.option("--agents", type=click.FloatRange(0, 1), help="Share of subscribers that are agents [0.05].")
@click.option("--per-day", type=click.FloatRange(min=0), help="Requests of the median person [10].")
@click.option("--agent-factor", type=click.FloatRange(min=0), help="Median agent's use in people's [200].")
@click.option("--seed", type=int, help="Of the population that is invented for a trace [1].")
@click.option("--price", type=click.Choice(["recorded", "list"]), help="Costs [--ledger: recorded].")
@click.option("--provider", default="", help="Whose list prices [the cheapest of each model].")
@click.option("--break-even/--no-break-even", default=True, help="Look for what breaks even [yes].")
@click.option("--top", type=click.IntRange(0), default=10, help="Subscribers shown that lose most [10].")
@click.option("--plot", type=_FILE, help="Draw to FILE.svg or FILE.png; needs the extra tokenworks[plot].")
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV with a line for each subscriber.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate(place: Place, plan: str, **options: Any) -> None:
    """Replay real usage against a plan: revenue, cost, margin, who loses money, what breaks even.

    PLAN is the name of a plan, or a JSON file with one. A trace that names no subscribers is dealt to
    invented ones, which the output says.

    \b
    Examples:
      tokenworks plan simulate chat --ledger --plot chat.svg
      tokenworks plan simulate plans/chat.json --trace requests.csv --model acme/large
    """
    from tokenworks.cli import plots
    from tokenworks.errors import ConfigError
    from tokenworks.plans.economics import breakeven, report
    from tokenworks.plans.economics.costs import ListPrices
    from tokenworks.plans.economics.replay import Replay

    if options["ledger"] == bool(options["traces"]):
        raise click.UsageError("give either --ledger or --trace FILE")
    if options["as_csv"] and options["as_json"]:
        raise click.UsageError("give either --csv or --json")
    if options["plot"] is not None:
        plots.check(options["plot"])
    settings = _settings(place, needs_home=options["ledger"])
    spec = _plan(settings, plan)
    with _telling() as tell:
        history = _history(settings, options, tell)
        if not history.subscribers:
            raise ConfigError("nobody used anything in this span; give another --days, or --trace FILE")
        recorded = (options["price"] or "recorded") == "recorded"
        prices = ListPrices(settings, options["provider"])
        try:
            replay = Replay(history, spec, prices, recorded=recorded, progress=_steps(tell, "preparing"))
        except ValueError as error:
            raise ConfigError(f"plan {spec.name}: {error}") from error
        search = breakeven.Search(replay, lambda what: tell(f"break-even: {what}", None, None))
        tell("replaying", None, None)
        outcome = search.now
        answers = search.everything() if options["break_even"] else []
        curve = search.curve() if options["break_even"] or options["plot"] is not None else []
        found = report.report(history, outcome, answers, curve)
    if options["plot"] is not None:
        plots.plan_economics(found, options["plot"])
    if options["as_json"]:
        print_json(found)
    elif options["as_csv"]:
        _print_csv(found["subscribers"])
    else:
        _show(found, options["top"])


def _settings(place: Place, *, needs_home: bool) -> Settings:
    from tokenworks.providers.vault import with_vault

    settings = place.existing() if needs_home else place.settings()
    if settings.pepper:  # else there is no home yet, and no vault
        with opened_store(settings) as store:
            settings = with_vault(settings, store)
    return settings


def _plan(settings: Settings, plan: str) -> PlanSpec:
    from tokenworks.errors import ConfigError
    from tokenworks.plans import spec
    from tokenworks.plans.sound import plan_from

    path = Path(plan)
    if path.suffix.lower() == ".json":
        try:
            return plan_from(json.loads(path.read_bytes()))
        except ValueError as error:
            raise ConfigError(f"{plan}: {error}") from error
    if settings.pepper:
        with opened_store(settings) as store:
            for row in store.plans():
                if row.name == plan:
                    return spec.read(row.spec)
    raise ConfigError(f"no plan is called {plan}; give one of tokenworks plan show, or a FILE.json")


def _history(settings: Settings, options: dict[str, Any], tell: Progress) -> History:
    if options["ledger"]:
        return _from_ledger(settings, options, tell)
    return _from_traces(options, tell)


def _from_ledger(settings: Settings, options: dict[str, Any], tell: Progress) -> History:
    from tokenworks.ledger.drainer import Drainer
    from tokenworks.plans.economics import recorded

    for name in ("models", "subscribers", "agents", "per_day", "agent_factor", "seed", "agent_traces"):
        if options[name] not in (None, ()):
            raise click.UsageError(f"--{name.replace('_', '-').rstrip('s')} is for traces, not for --ledger")
    with opened_store(settings) as store:
        with no_server(settings.home) as idle:
            pass
        if idle:  # what a killed server had no time to move
            Drainer(settings.journal_dir, store).recover()
        until_us = time.time_ns() // 1000
        since_us = until_us - round((options["days"] or 30) * _DAY_S * _US)
        progress = _steps(tell, "reading the ledger")
        return recorded.read(cast("Recorded", store), since_us, until_us, progress)


def _from_traces(options: dict[str, Any], tell: Progress) -> History:
    from tokenworks.errors import ConfigError
    from tokenworks.plans.economics import dealing, trace

    def read(paths: tuple[Path, ...]) -> list[trace.Session]:
        tell("reading", None, None)
        return [session for path in paths for session in trace.read(path)]

    sessions, agent_sessions = read(options["traces"]), read(options["agent_traces"])
    models = _models(options["models"])
    if any(session.subscriber for session in sessions):
        if agent_sessions:
            raise click.UsageError("--agent-trace is for traces that name no subscribers")
        return dealing.as_recorded(sessions, models[0][0] if models else "", options["days"])
    days = 30 if options["days"] is None else options["days"]
    if days != int(days):
        raise ConfigError(f"--days {days:g}: an invented population lives whole days")
    given = {
        "subscribers": options["subscribers"],
        "agents": options["agents"],
        "median_per_day": options["per_day"],
        "agent_factor": options["agent_factor"],
        "seed": options["seed"],
    }
    population = dealing.Population(
        days=int(days), models=models, **{name: value for name, value in given.items() if value is not None}
    )
    return dealing.deal(sessions, agent_sessions or sessions, population, _steps(tell, "dealing"))


def _models(given: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """ "a/b=0.7" → ("a/b", 0.7)."""
    found = []
    for each in given:
        name, _, share = each.partition("=")
        try:
            weight = float(share) if share else 1.0
        except ValueError:
            weight = 0.0
        if not name or not 0 < weight < 1e9:
            raise click.BadParameter(f"{each!r}: write MODEL or MODEL=SHARE, as in acme/large=0.3")
        found.append((name, weight))
    return tuple(found)


@contextlib.contextmanager
def _telling() -> Iterator[Progress]:
    """A progress bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done or 0, total=total)


def _steps(tell: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: tell(what, done, total)


def _print_csv(rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    click.echo(text.getvalue(), nl=False)


def _show(found: dict[str, Any], top: int) -> None:
    source, totals, margins = found["source"], found["totals"], found["margin_usd"]
    click.echo(f"{source['note']}; {source['requests']:,} requests.")
    click.echo(f"Left out: {source['left_out']}.\n")
    sums = [*((each["kind"], each) for each in found["kinds"]), ("all", totals)]
    columns = ("", "subscribers", "losing", "revenue", "cost", "margin", "asked for")
    rows: list[tuple[Any, ...]] = [_money(name, each) for name, each in sums]
    print_table(columns, rows, empty="")
    fates = [fate for fate in _FATES if totals[fate] or fate in ("requests", "included")]
    click.echo()
    print_table(("", *fates), [(name, *(each[fate] for fate in fates)) for name, each in sums], empty="")
    click.echo("\nmargin by subscriber: " + ", ".join(f"{name} {_usd(margins[name])}" for name in margins))
    if found["windows"]:
        click.echo()
        rows = [
            (each["window"], f"{each['credits']:g}", each["times_used_up"], each["subscribers"])
            for each in found["windows"]
        ]
        print_table(("window", "credits", "times used up", "subscribers hit"), rows, empty="")
    losers = [each for each in found["subscribers"] if each["margin_usd"] < 0][:top]
    if losers:
        click.echo("\nwho loses most:")
        print_table(_LOSER, [_loser(each) for each in losers], empty="")
    if found["break_even"]:
        click.echo("\nwhat breaks even:")
        print_table(("change", "until", "", ""), [_answer(each) for each in found["break_even"]], empty="")


_LOSER = ("subscriber", "requests", "revenue", "cost", "margin", "asked for", "times used up")


def _loser(each: dict[str, Any]) -> tuple[Any, ...]:
    money = (_usd(each[f"{name}_usd"]) for name in ("revenue", "cost", "margin", "wanted"))
    return each["subscriber"], each["requests"], *money, each["times_used_up"]


def _answer(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["knob"] + (f" of {each['class']}" if each["class"] else ""),
        "total margin 0" if each["target"] == "margin" else "5 % lose at most",
        each["status"],
        each["detail"] + _amounts(each),
    )


_FATES = ("requests", "included", "deferred", "cheaper", "paid", "refused", "waiting")


def _money(name: str, sums: dict[str, Any]) -> tuple[Any, ...]:
    money = (_usd(sums[f"{each}_usd"]) for each in ("revenue", "cost", "margin", "wanted"))
    return name, sums["subscribers"], f"{sums['losing']:,} ({sums['losing_share']:.1%})", *money


def _amounts(answer: dict[str, Any]) -> str:
    """What the windows would then hold."""
    windows = answer.get("windows", ())
    return "".join(f", {each['credits']:.4g} per {each['window']}" for each in windows)


def _usd(amount: float) -> str:
    """Whole cents: nobody's margin is told by less."""
    return f"-${-amount:,.2f}" if round(amount, 2) < 0 else f"${abs(amount):,.2f}"
