"""``tokenworks engine bench``: what an engine takes and gives on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tokenworks.cli.engine.chosen import chosen
from tokenworks.cli.home import Place, placed
from tokenworks.cli.table import print_json, print_table
from tokenworks.cli.waiting import waiting

if TYPE_CHECKING:
    from tokenworks.engines.speed import Measured


@click.command()
@placed
@click.argument("model", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A GGUF file instead of a configured engine.")
@click.option("--threads", type=int, help="Cores to use [the engine's].")
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Best of so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(
    place: Place, model: str | None, path: Path | None, threads: int | None, rounds: int, as_json: bool
) -> None:
    """Measure memory, speed at 1, 4 and 8 requests, speculation and the prompt cache on this machine.

    MODEL is an engine's name or model; without it, the only engine. The small model takes 1 to 4 minutes on
    two cores. Other work on the machine makes it slower: the load is told beside the figures.

    \b
    Examples:
      tokenworks engine bench smollm2
      tokenworks engine bench --path ~/models/some-instruct-q4_k_m.gguf --rounds 1 --json
    """
    from tokenworks.engines.llama_cpp import usable_cores
    from tokenworks.engines.speed import measure

    engine = chosen(place, model, path, threads=threads)
    load = os.getloadavg()[0]
    with waiting() as progress:
        measured = measure(engine.name, engine.settings, progress, rounds=rounds)
    cores = engine.settings.threads or usable_cores()
    machine = {
        "model": engine.settings.model,
        "threads": cores,
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "rounds": rounds,
    }
    if as_json:
        import msgspec

        print_json({**machine, **msgspec.to_builtins(measured)})
    else:
        click.echo(
            f"{machine['model']}, {cores} threads, OMP_WAIT_POLICY={machine['omp_wait_policy']}, load "
            f"{machine['load_before']} before and {machine['load_after']} after, best of {rounds}, "
            f"{measured.took_s:.0f} s in all"
        )
        _show(measured)


def _show(measured: Measured) -> None:
    from tokenworks.engines.speed import MEMORY_CONTEXT

    click.echo()
    print_table(
        (f"memory at {MEMORY_CONTEXT:,} tokens", "cache MiB", "resident MiB", "own MiB"),
        [(row.kv_cache_type, row.cache_mib, row.resident_mib, row.own_mib) for row in measured.memory],
        empty="",
    )
    click.echo()
    print_table(
        ("requests at once", "tokens/s, all", "tokens/s, each"),
        [(row.requests, row.tokens_per_s, row.each_tokens_per_s) for row in measured.parallel],
        empty="",
    )
    click.echo()
    print_table(
        ("prompt", "tokens/s", "with n-grams", "drafted", "accepted", "same answer"),
        [
            (
                row.prompt, row.off_tokens_per_s, row.ngram_tokens_per_s, row.drafted, row.accepted,
                "yes" if row.same_answer else "no",
            )
            for row in measured.speculation
        ],
        empty="",
    )  # fmt: skip
    click.echo()
    row = measured.prompt
    print_table(
        ("prompt cache", "tokens", "of these cached", "ms"),
        [("cold", row.tokens, 0, row.cold_ms), ("warm", row.tokens, row.warm_cached_tokens, row.warm_ms)],
        empty="",
    )
