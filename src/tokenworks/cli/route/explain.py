"""``tokenworks route explain``: which way a prompt would go, or went, and why."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.table import print_json, print_table, usd

if TYPE_CHECKING:
    from tokenworks.config.settings import Settings
    from tokenworks.gateway.auto import Auto
    from tokenworks.ledger.store import Store
    from tokenworks.routing.difficulty import Difficulty


@click.command()
@placed
@click.argument("prompt", required=False)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the prompt from standard input.")
@click.option("--id", "name", metavar="gen-…", help="Show a decision that was made: the id of an answer.")
@click.option(
    "--model", "allowed", multiple=True, metavar="GLOB", help="Choose among these; may be repeated [all]."
)
@click.option("--quality", type=click.FloatRange(0, 1), help="Share of the strong model's to keep [as set].")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Of this request [as set].")
@click.option("--task", metavar="TYPE", help="Take it for this type of task [told by the prompt].")
@click.option("--app", default="", metavar="NAME", help="Asked by this application, for rules about one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(
    place: Place,
    prompt: str | None,
    from_stdin: bool,
    name: str | None,
    allowed: tuple[str, ...],
    quality: float | None,
    max_cost: float | None,
    task: str | None,
    app: str,
    as_json: bool,
) -> None:
    """Show which models auto would ask for PROMPT and why, without asking any.

    It decides like a server on this home: with its models, prices, rules and what was learnt by now, for a
    request of one message from a key without rules of its own. Only which providers are down it can't know.

    \b
    Examples:
      tokenworks route explain "What is the capital of France?"
      tokenworks route explain --quality 0.8 --model "acme/*" "Prove that 17 is prime."
      tokenworks route explain --stdin --json < prompt.txt
      tokenworks route explain --id gen-1764000000-0123456789ab0
    """
    if (prompt is not None) + from_stdin + (name is not None) != 1:
        raise click.UsageError("give one of PROMPT, --stdin and --id")
    if name is not None:
        if allowed or task or app or quality is not None or max_cost is not None:
            raise click.UsageError("--id shows what was decided; it takes no other wishes")
        told = _stored(place, name)
    else:
        said = sys.stdin.read() if from_stdin else prompt or ""
        told = _decided(place, _request(said, allowed, quality, max_cost), task, app)
    if as_json:
        print_json(told)
    else:
        _show(told)


# --- a decision that was made -------------------------------------------------------------------


def _stored(place: Place, name: str) -> dict[str, Any]:
    from tokenworks.errors import ConfigError
    from tokenworks.routing import decision
    from tokenworks.schema import NANO_USD

    with opened_store(place.existing()) as store:
        row = store.decision(name)
    if row is None:
        raise ConfigError(f"no decision is kept of {name}; give the id of an answer to a request for auto")
    try:
        story = decision.read(row.detail)
    except ValueError:  # of a version that told it in another way
        story = decision.Decision(row.task, row.path, row.strong, "", served=row.model)
    cost, strong = row.cost_nano_usd, row.baseline_nano_usd
    return {
        "id": row.id,
        **decision.story(story),
        "cost_usd": cost / NANO_USD,
        "always_strong_usd": strong / NANO_USD,
        "saved_usd": (strong - cost) / NANO_USD,
    }


# --- a decision as it would be made -------------------------------------------------------------


def _request(
    prompt: str, allowed: tuple[str, ...], quality: float | None, max_cost_usd: float | None
) -> bytes:
    from tokenworks.gateway.explaining import request_of

    return request_of(prompt, allowed=allowed, quality=quality, max_cost_usd=max_cost_usd)


def _decided(place: Place, body: bytes, task: str | None, app: str) -> dict[str, Any]:
    from tokenworks.errors import ConfigError
    from tokenworks.gateway.explaining import foretold
    from tokenworks.providers.vault import with_vault

    settings = place.existing()
    if not settings.routing.auto.enabled:
        raise ConfigError("auto is off: remove 'enabled = false' from [routing.auto]")
    with opened_store(settings) as store:
        auto = _auto(with_vault(settings, store), store, task)
    return foretold(auto, body, app)


def _auto(settings: Settings, store: Store, task: str | None) -> Auto:
    """What a worker has to decide with, as far as there is one without a server."""
    from tokenworks.catalog.load import load
    from tokenworks.gateway.auto import Auto
    from tokenworks.gateway.front import AFFINITIES
    from tokenworks.routing.affinity import Affinity
    from tokenworks.routing.difficulty import Difficulty
    from tokenworks.routing.health import Health
    from tokenworks.routing.learner import Learner
    from tokenworks.routing.rules import Rules
    from tokenworks.routing.task import TASKS

    if task is not None and task not in TASKS:
        raise click.BadParameter(f"{task!r} is none; there are {', '.join(TASKS)}", param_hint="--task")
    learner = Learner(store)
    learner.look(time.time_ns() // 1000)
    difficulty = Difficulty.load()
    if task is not None:
        _take_for(difficulty, task)
    return Auto(
        settings.routing.auto,
        Rules(settings.routes, TASKS),
        load(settings),
        Health(settings.routing),
        Affinity(AFFINITIES, settings.routing.affinity_s),
        difficulty,
        learner,
        time.monotonic,
    )


def _take_for(difficulty: Difficulty, task: str) -> None:
    """Let every prompt be of type ``task``, whatever it says."""
    import msgspec

    look = difficulty.look
    difficulty.look = lambda text: msgspec.structs.replace(  # type: ignore[method-assign]
        look(text), task=task, task_share=1.0
    )


# --- what is shown ------------------------------------------------------------------------------


def _show(told: dict[str, Any]) -> None:
    known = told["known"]
    likeness = "like work that was seen" if known >= 0.5 else "little like work that was seen"
    click.echo(f"task      {told['task']} (sure to {told['task_share']:.0%}; {likeness}: {known:.2f})")
    if told["rule"]:
        click.echo(f"rule      {told['rule']}")
    if told["stage"]:
        click.echo(f"agent     {told['stage']}")
    click.echo(f"path      {told['path']}: {told['why']}")
    if told.get("asks"):
        click.echo(f"asks      {', then if need be '.join(told['asks'])}")
    wanted = f"quality {told['quality']:g}"
    if told["max_cost_usd"] is not None:
        wanted = f"at most {usd(told['max_cost_usd'])}"
    expected = f"right at {told['expected_right']:.1%} for {usd(told['expected_cost_usd'])}"
    click.echo(f"expected  {expected}; wanted: {wanted}")
    if "saved_usd" in told:
        click.echo(
            f"cost      {usd(told['cost_usd'])}; always {told['strong']}: "
            f"{usd(told['always_strong_usd'])}, saved {usd(told['saved_usd'])}"
        )
    click.echo()
    _show_candidates(told)
    if told["steps"]:
        click.echo()
        _show_steps(told["steps"])


def _show_candidates(told: dict[str, Any]) -> None:
    rows = [
        (
            each["model"] + (" (strong)" if each["model"] == told["strong"] else ""),
            f"{each['right']:.1%}",
            f"{each['weight']:.1f}",
            usd(each["cost_usd"]),
            f"{each['propensity']:.1%}",
        )
        for each in told["candidates"]
    ]
    columns = ("model", "P(right)", "evidence", "expected cost", "asked first")
    print_table(columns, rows, empty="the candidates are not kept")


def _show_steps(steps: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["model"],
            each["outcome"],
            usd(each["cost_usd"]),
            f"{each['right']:.1%}" if each["right"] else "",
            "" if each["agrees"] is None else f"{each['agrees']:.2f}",
            ", ".join(each["failed_checks"]),
            each["why"],
        )
        for each in steps
    ]
    columns = ("asked", "then", "cost", "P(right)", "agrees", "failed", "why")
    print_table(columns, rows, empty="")
