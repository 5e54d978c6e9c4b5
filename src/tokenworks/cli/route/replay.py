"""``tokenworks route replay``: would another policy have been better? From decisions that were made."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.span import Span
from tokenworks.cli.table import print_json, print_table, usd

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store
    from tokenworks.routing.study.replay import Belief, Interval, Logged, Replayed

POLICIES = ("router", "logged", "strong", "cheapest", "quality")
DAY_S = 86_400


@click.command()
@placed
@click.option("--since", type=Span(), default="7d", show_default=True, metavar="SPAN", help="So long back.")
@click.option("--policy", "name", type=click.Choice(POLICIES), default="router", show_default=True)
@click.option(
    "--quality", type=click.FloatRange(0, 1), help="Share of the strong model's quality to keep [as asked]."
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Weights of tokenworks route train, in place of what was predicted then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def replay(
    place: Place, since: float, name: str, quality: float | None, weights: Path | None, as_json: bool
) -> None:
    """Judge a policy on the requests for auto that were decided already, without sending anything.

    It needs decisions that now and then tried another model than the best; where there are too few of them
    it says so. router is the router as it decides today, with what it has learnt; logged is what was done.

    \b
    Examples:
      tokenworks route replay --quality 0.9
      tokenworks route replay --since 30d --policy cheapest --json
    """
    from tokenworks.routing.study import replay as study

    with opened_store(place.existing()) as store:
        now_us = time.time_ns() // 1000
        since_us = now_us - int(since * 1_000_000)
        belief = _belief(store, now_us, weights)
        decisions = list(_logged(store, since_us, now_us))
    found = study.replay(name, decisions, study.policy(name, quality=quality, belief=belief))
    if as_json:
        print_json(_described(found))
    else:
        _show(found)


def _logged(store: Store, since_us: int, until_us: int) -> Iterator[Logged | None]:
    from tokenworks.routing.study.replay import logged

    scores: dict[str, float] = {}
    verdict = None
    while verdicts := store.feedback(since_us, until_us, verdict):
        scores.update((row.id, row.score) for row in verdicts)
        verdict = verdicts[-1]
    last = None
    while page := store.decisions(since_us, until_us, last):
        yield from (logged(row, scores.get(row.id)) for row in page)
        last = page[-1]


def _belief(store: Store, now_us: int, weights: Path | None) -> Belief:
    """P(right) of candidates: as predicted then or by other weights, with what was learnt by today."""
    from tokenworks.routing.decision import unpacked
    from tokenworks.routing.difficulty import Difficulty, Look
    from tokenworks.routing.learner import SPAN_DAYS
    from tokenworks.routing.thompson import NONE, believed, counted

    today = now_us // (DAY_S * 1_000_000)
    counts = counted(store.learnt(today - SPAN_DAYS), today)
    difficulty = Difficulty.load(weights) if weights is not None else None

    def belief(each: Logged) -> Sequence[float]:
        told = [(candidate.right, candidate.weight) for candidate in each.candidates]
        if difficulty is not None and each.vector:
            look = Look(each.task, 1.0, each.known, unpacked(each.vector))
            guesses = difficulty.guess(look, [candidate.model for candidate in each.candidates])
            told = [(guess.right, guess.weight) for guess in guesses]
        return [
            believed(right, weight, counts.get((each.task, candidate.model), NONE)).mean
            for (right, weight), candidate in zip(told, each.candidates, strict=True)
        ]

    return belief


def _described(found: Replayed) -> dict[str, Any]:
    import msgspec

    described: dict[str, Any] = msgspec.to_builtins(found)
    return described


def _show(found: Replayed) -> None:
    rows = [
        _row("right", found.right, "{:.3f}"),
        _row("change of right", found.right_change, "{:+.3f}"),
        _row("cost of a request", found.cost_usd, ""),
        _row("change of cost", found.cost_change_usd, ""),
    ]
    shown = [row for row in rows if row is not None]
    if shown:
        print_table(("measure", "estimate", "95 % from", "to"), shown, empty="")
    click.echo(
        f"{found.decisions:,} decisions ({found.left_out:,} left out), as good as {found.effective:,.0f} of"
        f" its own; {found.unsupported:.1%} of its choices never made before"
    )
    click.echo(f"{found.policy}: {found.verdict}: {found.why}")


def _row(name: str, interval: Interval | None, form: str) -> tuple[str, ...] | None:
    if interval is None:
        return None
    values = (interval.value, interval.low, interval.high)
    return (name, *(form.format(value) if form else usd(value) for value in values))
