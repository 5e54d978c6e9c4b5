"""``tokenworks route train``: make the weights of the predictor from recorded outcomes."""

from __future__ import annotations

from pathlib import Path

import click

from tokenworks.cli.route.progress import telling

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("data", type=click.Path(path_type=Path, file_okay=False), metavar="DATA")
@click.option("--out", type=_FILE, metavar="FILE.npz", help="Where to write [difficulty.npz].")
@click.option("--seed", type=int, default=0, help="[0]")
def train(data: Path, out: Path | None, seed: int) -> None:
    """Fit the predictor on DATA, a folder of recorded outcomes, and write its weights.

    The same DATA and seed give the same weights. Material of RouterArena is refused: by its own rule it is
    for evaluation only.

    \b
    Examples:
      tokenworks route train outcomes --out difficulty.npz
      tokenworks route eval other-outcomes --weights difficulty.npz
    """
    from tokenworks.routing.study import data as recorded
    from tokenworks.routing.study import matrix
    from tokenworks.routing.study import train as training

    target = out or Path("difficulty.npz")
    with telling() as tell:
        tell("reading", 0, 1)
        found = recorded.load(data)
        training.refuse_evaluation_sets(found)
        learned = training.train(found, matrix.features(found.texts, tell), seed=seed, progress=tell)
        learned.save(target)
    click.echo(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB, from {len(found.texts):,} prompts of "
        f"{len(found.sources)} sources; "
        f"{len(learned.known_models)} models, {len(learned.areas)} areas of work"
    )
