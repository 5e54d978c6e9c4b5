"""``tokenworks distill``: hand what a strong model answered to a smaller one, and see what it learnt."""

from __future__ import annotations

import click

from tokenworks.cli.distill.eval import evaluate
from tokenworks.cli.distill.export import export


@click.group()
def distill() -> None:
    """Make a data set of captured answers to train a smaller model with, and compare that model."""


distill.add_command(export)
distill.add_command(evaluate)
