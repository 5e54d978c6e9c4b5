"""``tokenworks route eval``: what routing would have saved on recorded outcomes, and at what quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tokenworks.cli.route.progress import telling
from tokenworks.cli.table import print_json, print_table

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("eval")
@click.argument("data", type=click.Path(path_type=Path, file_okay=False), metavar="DATA")
@click.option(
    "--policy", type=click.Choice(["predictor", "cascade"]), default="predictor", help="[predictor]"
)
@click.option("--pair", nargs=2, metavar="STRONG CHEAP", help="Models [see below].")
@click.option(
    "--second", "seconds", multiple=True, metavar="MODEL", help="A further cheap model of a cascade."
)
@click.option("--source", "names", multiple=True, help="Only this source; may be repeated.")
@click.option(
    "--cv", type=click.IntRange(2, 20), metavar="FOLDS", help="Fit by folds of questions [fit nothing]."
)
@click.option("--most", type=click.IntRange(0), default=0, help="Prompts of each source, by chance [all].")
@click.option("--seed", type=int, default=0, help="Of folds and draws [0].")
@click.option("--intervals", is_flag=True, help="95 % intervals of APGR, by bootstrap.")
@click.option("--weights", type=_FILE, help="Score these weights [the shipped ones].")
@click.option("--plot", type=_FILE, help="Draw to FILE.svg or FILE.png; needs the extra tokenworks[plot].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(data: Path, policy: str, pair: tuple[str, str] | None, **options: Any) -> None:
    """Score routing between a strong and a cheap model on DATA, a folder of recorded outcomes.

    DATA holds prompts.parquet and outcomes.parquet. Without --cv nothing is fitted: the shipped weights are
    scored. By default the strong model of a source is its best-scoring one, the cheap model the best-scoring
    one at no more than a fifth of its cost (the median model where costs are unknown).

    \b
    Examples:
      tokenworks route eval outcomes --cv 5 --plot curve.svg
      tokenworks route eval outcomes --pair gpt-4-1106-preview mixtral-8x7b-instruct-v0.1 --json
    """
    if options["plot"] is not None:
        from tokenworks.cli import plots

        plots.check(options["plot"])
    with telling() as tell:
        run = _cascades if policy == "cascade" else _predictor
        found = run(data, pair, options, tell)
    if options["plot"] is not None:
        from tokenworks.cli.route import plot

        plot.quality_cost(found, options["plot"])
    if options["as_json"]:
        print_json(found)
    elif policy == "cascade":
        _show_cascades(found["sources"])
    else:
        _show(found, options["cv"])


def _predictor(
    data: Path, pair: tuple[str, str] | None, options: dict[str, Any], tell: Any
) -> dict[str, Any]:
    from tokenworks.routing.difficulty import SHIPPED
    from tokenworks.routing.learned import Learned
    from tokenworks.routing.study import matrix, score

    recorded = _loaded(data, options["names"], tell)
    duels = score.chosen(recorded, pair, options["most"], options["seed"])
    found = matrix.features(recorded.texts, tell)
    in_sample = 0
    if options["cv"]:
        score.crossed(recorded, found, duels, count=options["cv"], seed=options["seed"], progress=tell)
    else:
        learned = Learned.load(options["weights"] or SHIPPED)
        score.shipped(learned, found, duels, tell)
        in_sample = score.in_sample(learned, recorded, duels)
    fitted = f"{options['cv']} folds by question" if options["cv"] else "nothing fitted on it"
    told = score.report(duels, intervals=options["intervals"], seed=options["seed"])
    return {
        "policy": "predictor",
        "data": data.name,
        "fitted": fitted,
        "in_sample": in_sample,
        "seed": options["seed"],
        **told,
    }


def _cascades(data: Path, pair: tuple[str, str] | None, options: dict[str, Any], tell: Any) -> dict[str, Any]:
    from tokenworks.routing.study import cascades, score

    recorded = _loaded(data, options["names"], tell)
    told = []
    duels = score.chosen(recorded, pair, options["most"], options["seed"])
    for done, each in enumerate(duels):
        tell(f"cascade of {each.source}", done, len(duels))
        cheap: Sequence[str] = [each.cheap, *options["seconds"]]
        folds = options["cv"] or 5
        figures = cascades.evaluate(recorded, each.source, cheap, each.strong, folds, options["seed"])
        named = {
            f"{key}_score" if key in ("strong", "cheap") else key: value for key, value in figures.items()
        }
        told.append({"source": each.source, **named, "strong": each.strong, "cheap": ", ".join(cheap)})
    return {"policy": "cascade", "data": data.name, "seed": options["seed"], "sources": told, "pooled": None}


def _loaded(data: Path, names: tuple[str, ...], tell: Any) -> Any:
    from tokenworks.errors import ConfigError
    from tokenworks.routing.study.data import load

    tell("reading", 0, 1)
    recorded = load(data)
    for name in names:
        if name not in recorded.sources:
            raise ConfigError(f"no source is called {name}; there are {', '.join(recorded.sources)}")
    if names:
        recorded.sources = {name: recorded.sources[name] for name in names}
    return recorded


_COLUMNS = (
    "source",
    "n",
    "strong",
    "cheap",
    "scores",
    "APGR",
    "CPT50",
    "CPT80",
    "saved at parity",
    "oracle saves",
)


def _show(found: dict[str, Any], folds: int | None) -> None:
    rows = [_row(each) for each in [*found["sources"], found["pooled"]]]
    print_table(_COLUMNS, rows, empty="no source has two models")
    click.echo(
        "\nAPGR: area under the share of the gap that is recovered; a random mix has 0.5.\n"
        "CPT50, CPT80: percent of calls to the strong model that recover that share; a random mix: 50, 80."
    )
    click.echo("\nquality at equal spend, all sources together:")
    curve = found["pooled"]["curve"]
    rows = [
        (f"{point['calls']:.0%}", *(_three(point[name]) for name in ("quality", "random_mix", "oracle")))
        for point in curve[:: len(curve) // 10]
    ]
    columns = ("calls to strong", "routed", "random mix", "oracle")
    print_table(columns, rows, empty="")
    click.echo(f"0%: always the cheap model. 100%: always the strong one. Fitted: {found['fitted']}.")
    if found.get("in_sample"):
        click.echo(
            f"{found['in_sample']:,} of these prompts are questions that the weights were trained on: "
            "too good to be true of others. Use --cv 5."
        )


def _row(each: dict[str, Any]) -> tuple[Any, ...]:
    interval = each.get("apgr_interval")
    spread = f" [{_three(interval[0])}, {_three(interval[1])}]" if interval else ""
    return (
        each["source"],
        each["n"],
        each["strong"],
        each["cheap"],
        f"{each['strong_score']:.3f} / {each['cheap_score']:.3f}",
        _three(each["apgr"]) + spread,
        _one(each["cpt50"]),
        _one(each["cpt80"]),
        f"{each['saved_at_parity']:.1%}",
        f"{each['oracle']['saved_at_parity']:.1%}",
    )


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _one(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _show_cascades(rows: list[dict[str, Any]]) -> None:
    plain = [{k: v for k, v in row.items() if isinstance(v, int | float | str)} for row in rows]
    columns = list(dict.fromkeys(key for row in plain for key in row))
    cells = [[_cell(row.get(name)) for name in columns] for row in plain]
    print_table([name.replace("_", " ") for name in columns], cells, empty="no source has two models")


def _cell(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value
