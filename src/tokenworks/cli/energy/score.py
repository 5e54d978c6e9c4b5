"""``tokenworks energy eval``: measured points against what the shipped constants say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tokenworks.cli.table import print_json
from tokenworks.cli.waiting import waiting
from tokenworks.errors import BadRequest


@click.command("eval")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--constants", type=click.Path(path_type=Path), help="A file that energy fit wrote [shipped].")
@click.option("--cross-validate", is_flag=True, help="Fit to the file itself, its parts left out in turns.")
@click.option("--folds", default=5, show_default=True, metavar="N", help="Parts of the cross-validation.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw predicted against measured."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def score(
    file: Path, constants: Path | None, cross_validate: bool, folds: int, plot: Path | None, as_json: bool
) -> None:
    """Compare measured serving times with predicted ones. Nothing is fitted, but with --cross-validate.

    FILE is a CSV of points on one node, with columns model_path, system, backend, precision, isl, osl, conc,
    tp_size, moe_ep_size, silicon_ttft_ms, silicon_tpot_ms. Rows of models, devices or precisions that are not
    known are skipped and counted.

    \b
    Examples:
      tokenworks energy eval measured_serving.csv
      tokenworks energy eval measured_serving.csv --json
      tokenworks energy eval measured_serving.csv --cross-validate --plot points.png
    """
    from tokenworks.cli.energy.residuals import show, show_skipped
    from tokenworks.energy import calibration, scoring, serving_points, step_time

    if plot is not None:
        from tokenworks.cli import plots

        plots.check(plot)
    if cross_validate and constants is not None:
        raise BadRequest("--cross-validate fits constants of its own: leave --constants out")
    table = step_time.read(constants) if constants else step_time.shipped()
    found = serving_points.read(file)
    if not found.points:
        why = f": line {found.skipped[0].line}: {found.skipped[0].reason}" if found.skipped else ""
        raise BadRequest(f"{file}: no row can be compared{why}")
    fitted = None
    points, how = found.points, f"constants of {constants}" if constants else "shipped constants"
    if cross_validate:
        with waiting() as tell:
            result = calibration.calibrate(points, folds, tell)
        points, tpot, ttft = result.points, result.tpot, result.ttft
        how = f"left out in {folds} parts by model and device"
        fitted = scoring.score(points, result.fitted_tpot, result.fitted_ttft)
    else:
        tpot, ttft = scoring.relative(points, table)
    scored = scoring.score(points, tpot, ttft)
    if plot is not None:
        from tokenworks.cli.energy.scatter import draw

        draw(points, tpot, ttft, how, plot)
    if as_json:
        document: dict[str, Any] = scoring.as_dict(scored)
        if fitted is not None:
            document |= {"fitted": scoring.as_dict(fitted), "folds": folds}
        reasons = [{"line": each.line, "reason": each.reason} for each in found.skipped]
        print_json(document | {"skipped": len(reasons), "skipped_rows": reasons})
        return
    show(scored, how, fitted)
    show_skipped(found.skipped)
    if plot is not None:
        click.echo(f"\npicture written to {plot}")
