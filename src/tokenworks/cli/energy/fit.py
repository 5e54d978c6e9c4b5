"""``tokenworks energy fit``: constants of the planner from measured points."""

from __future__ import annotations

from pathlib import Path

import click

from tokenworks.cli.table import print_json
from tokenworks.cli.waiting import waiting
from tokenworks.errors import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the constants, as TOML.")
@click.option("--folds", default=5, show_default=True, metavar="N", help="Parts of the cross-validation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def fit(file: Path, out: Path | None, folds: int, as_json: bool) -> None:
    """Fit the constants of step times to measured points, and show their errors.

    FILE is a CSV of points on one node, with columns model_path, system, backend, precision, isl, osl, conc,
    tp_size, moe_ep_size, silicon_ttft_ms, silicon_tpot_ms. Errors are those of points that were left out, by
    model and device, in turns. The same points give the same constants.

    \b
    Examples:
      tokenworks energy fit measured_serving.csv
      tokenworks energy fit measured_serving.csv --out constants.toml
    """
    from tokenworks.cli.energy.residuals import show, show_skipped
    from tokenworks.energy import calibration, scoring, serving_points

    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"{out}: can't be written: there is no folder {out.parent}")
    found = serving_points.read(file)
    with waiting() as tell:
        result = calibration.calibrate(found.points, folds, tell)
    held_out = scoring.score(result.points, result.tpot, result.ttft)
    fitted = scoring.score(result.points, result.fitted_tpot, result.fitted_ttft)
    if out is not None:
        try:
            out.write_text(calibration.render(result), "utf-8")
        except OSError as error:
            raise ConfigError(f"{out}: can't be written: {error.strerror}") from None
    if as_json:
        document = scoring.as_dict(held_out) | {"fitted": scoring.as_dict(fitted), "folds": folds}
        print_json(document | {"skipped": len(found.skipped)})
        return
    show(held_out, f"left out in {folds} parts by model and device", fitted)
    show_skipped(found.skipped)
    if out is not None:
        click.echo(f"\nconstants written to {out}")
