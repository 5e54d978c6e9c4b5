"""``tokenworks engine check-kv``: what a quantised KV cache saves, and what it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenworks.cli.engine.chosen import chosen
from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.waiting import waiting

if TYPE_CHECKING:
    from tokenworks.engines.kv_check import Report

TYPES = ("q8_0", "q4_0")


@click.command("check-kv")
@placed
@click.argument("model", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A GGUF file instead of a configured engine.")
@click.option("--prompts", type=click.Path(path_type=Path), help="Your own, JSON objects one a line.")
@click.option("--types", default=",".join(TYPES), show_default=True, help="Types to compare with f16.")
@click.option("--tokens", type=click.IntRange(1, 512), default=24, show_default=True, help="Of each answer.")
@click.option("--context", "context_length", type=int, help="Tokens of one slot [the engine's].")
@click.option("--threads", type=int, help="Cores to use [the engine's].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check_kv(
    place: Place,
    model: str | None,
    path: Path | None,
    prompts: Path | None,
    types: str,
    tokens: int,
    context_length: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Compare answers and log-probabilities of a quantised KV cache with those of f16.

    MODEL is an engine's name or model; without it, the only engine. Each type runs in a process of its own,
    one after another, beside a server that may run.

    \b
    Examples:
      tokenworks engine check-kv smollm2
      tokenworks engine check-kv --path ~/models/some-instruct-q4_k_m.gguf --types q8_0 --prompts mine.jsonl
    """
    from tokenworks.engines import prompt_set
    from tokenworks.engines.kv_check import check

    wanted = _types(types)
    asked = prompt_set.load(prompts)
    engine = chosen(place, model, path, context_length=context_length, threads=threads)
    with waiting() as tell:
        progress = _over_all(tell, 1 + len(wanted))
        report = check(
            engine.name, engine.settings, engine.head, asked, wanted, progress, answer_tokens=tokens
        )
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(report))
    else:
        _show(report)


def _types(text: str) -> list[str]:
    """The types of a list with commas, each once. Raises UsageError."""
    found = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in found:
        if word not in TYPES:
            raise click.UsageError(f'--types: "{word}" is not one of {", ".join(TYPES)}; f16 is always there')
    return found


def _show(report: Report) -> None:
    first = report.rows[0]
    click.echo(
        f"{report.model}: {report.slots} slots of {report.context_length:,} tokens, "
        f"{first.divergence.prompts} prompts, {first.divergence.tokens:,} answer tokens compared"
    )
    columns = (
        "cache", "MiB", "saved", "mean |Δ logprob|", "largest", "mean KL", "same top", "same answers",
        "first other token",
    )  # fmt: skip
    lines = []
    for position, row in enumerate(report.rows):
        found = row.divergence
        lines.append(
            (
                row.kv_cache_type if position else f"{row.kv_cache_type}, again",
                f"{row.cache_mib:,.1f}",
                f"{row.saved:.0%}" if position else "",
                f"{found.mean_logprob_difference:.4f}",
                f"{found.max_logprob_difference:.3f}",
                f"{found.mean_kl:.5f}",
                f"{found.top_agreement:.1%}",
                f"{round(found.identical * found.prompts)} of {found.prompts}" if position else "",
                f"{found.first_divergence:.1f}" if found.first_divergence is not None else "",
            )
        )
    print_table(columns, lines, empty="")
    _show_kinds(report)
    for row in report.rows:
        click.echo(row.verdict)
        if abs(row.cache_mib - row.computed_mib) > 0.02 * row.computed_mib:
            click.echo(
                f"{row.kv_cache_type}: the model's header lets expect {row.computed_mib:,.1f} MiB; what the "
                "library took is shown (some models keep only a window of the text)"
            )


def _show_kinds(report: Report) -> None:
    kinds = list(report.rows[0].by_kind)
    if not kinds:
        return
    others = report.rows[1:]
    click.echo()
    print_table(
        ("mean KL by kind", *(row.kv_cache_type for row in others)),
        [(kind, *(f"{row.by_kind.get(kind, 0):.5f}" for row in others)) for kind in kinds],
        empty="",
    )
    click.echo()


def _over_all(tell: Callable[[str, int, int], None], types: int) -> Callable[[str, int, int], None]:
    """One bar over all types: ``check`` counts each from the beginning."""
    seen: list[str] = []

    def show(kind: str, done: int, total: int) -> None:
        if kind not in seen:
            seen.append(kind)
        tell(kind, (len(seen) - 1) * total + done, types * total)

    return show
