"""``tokenworks distill export``: captured answers as a data set for training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tokenworks.cli.distill.progress import progress
from tokenworks.cli.home import Place, opened_store, placed
from tokenworks.cli.span import Span
from tokenworks.cli.table import print_json, print_table

if TYPE_CHECKING:
    from tokenworks.ledger.store import Store
    from tokenworks.routing.study.distilled import Example

PAGE = 500


@click.command()
@placed
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into."
)
@click.option("--since", type=Span(), default="30d", show_default=True, help="Of so long back from now.")
@click.option("--task", "tasks", metavar="GLOB", multiple=True, help="Types of task [all].")
@click.option("--teacher", "teachers", metavar="GLOB", multiple=True, help="Models that answered [all].")
@click.option(
    "--min-right", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Least P(right)."
)
@click.option("--max-rows", type=click.IntRange(1), help="No more rows than these [all].")
@click.option("--max-chars", type=click.IntRange(1), default=48_000, show_default=True, help="Of one row.")
@click.option(
    "--split", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share to train on."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["messages", "sharegpt"]),
    default="messages",
    show_default=True,
    help="messages: TRL and most others. sharegpt: LLaMA-Factory.",
)
@click.option(
    "--enforce-distillable/--no-enforce-distillable",
    "enforce",
    default=True,
    show_default=True,
    help="Only teachers whose terms are known to allow training on their answers.",
)
@click.option(
    "--allow-teacher",
    "allowed",
    metavar="GLOB",
    multiple=True,
    help="Teachers whose terms you have read yourself: they allow it.",
)
@click.option(
    "--any-consent", is_flag=True, help='What capture = "all" kept without a word of the caller, too.'
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def export(
    place: Place,
    out: Path,
    since: float,
    tasks: tuple[str, ...],
    teachers: tuple[str, ...],
    min_right: float,
    max_rows: int | None,
    max_chars: int,
    split: float,
    form: str,
    enforce: bool,
    allowed: tuple[str, ...],
    any_consent: bool,
    as_json: bool,
) -> None:
    """Write answers that are likely right as a chat data set: train.jsonl, test.jsonl and a card.

    Taken are requests whose sender allowed capture, answered by a teacher that may be learnt from, where
    every check passed and P(right) is high, or somebody said that the answer is good. The same captures
    give the same files.

    \b
    Examples:
      tokenworks distill export --out data --since 30d
      tokenworks distill export --out data --task extraction --teacher 'acme/*' --min-right 0.95
    """
    from tokenworks.errors import ConfigError
    from tokenworks.routing.study import datacard
    from tokenworks.routing.study.distilled import Filters, select

    filters = Filters(
        tasks, teachers, min_right, enforce, allowed, any_consent, max_chars, max_rows, train_share=split
    )
    now_us = time.time_ns() // 1000
    since_us = now_us - int(since * 1e6)
    with opened_store(place.existing()) as store:
        there = sum(each.captures for each in store.capture_counts())
        with progress("captures", there) as told:
            selection = select(_examples(store, since_us, now_us), filters, told)
    found = datacard.summary(selection)
    if not selection.train and not selection.test:
        if as_json:
            print_json(found | {"out": None})
        raise ConfigError(f"nothing to write: {_why(found)}")
    files = datacard.folder(selection, filters, form)
    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob("*t*.jsonl"):  # of an earlier export in another format
        if stale.name.removeprefix("sharegpt_") in (datacard.TRAIN, datacard.TEST):
            stale.unlink()
    for name, content in files.items():
        (out / name).write_bytes(content)
    if as_json:
        print_json(found | {"out": str(out), "files": sorted(files)})
        return
    click.echo(f"{len(selection.train):,} rows to train on, {len(selection.test):,} to test with, in {out}")
    rows = sorted(found["dropped"].items(), key=lambda each: (-each[1], each[0]))
    print_table(("not taken because", "requests"), rows, empty="every captured request was taken")


def _examples(store: Store, since_us: int, until_us: int) -> Iterator[Example]:
    """What is kept of the span, with what was said of it."""
    from tokenworks.routing.study.distilled import example

    scores = _scores(store, since_us, until_us)
    seq = 0
    while rows := store.captures(since_us, until_us, seq, PAGE):
        for row in rows:
            try:
                yield example(row, scores.get(row.id))
            except ValueError as error:
                click.echo(f"left out: {error}", err=True)
        seq = rows[-1].seq


def _scores(store: Store, since_us: int, until_us: int) -> dict[str, float]:
    """Feedback by request. A verdict comes after its request, so those of the span suffice."""
    scores: dict[str, float] = {}
    last = None
    while rows := store.feedback(since_us, until_us + 1, last):
        scores |= {row.id: row.score for row in rows}
        last = rows[-1]
    return scores


def _why(found: dict[str, Any]) -> str:
    """What to do about it, from what most were dropped for."""
    if not found["seen"]:
        return 'nothing was captured; set [routing.auto] capture = "consented" and let callers allow it'
    reason, count = max(found["dropped"].items(), key=lambda each: each[1])
    fix = {
        "no consent of whoever asked": "--any-consent takes those too",
        "the teacher's terms are not known": "--allow-teacher GLOB takes those whose terms you have read",
        "the teacher's terms forbid it": "choose a strong model that may be learnt from",
        "not sure enough": "lower --min-right",
        "another teacher": "change --teacher",
        "another type of task": "change --task",
        "too long": "raise --max-chars",
    }.get(reason)
    return f"{count:,} of {found['seen']:,} left out: {reason}" + (f"; {fix}" if fix else "")
