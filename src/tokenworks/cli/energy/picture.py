"""A comparison as a picture: cost of input and output for each deployment, and what sellers ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenworks.cli import plots
from tokenworks.cli.energy.case import title_of
from tokenworks.energy.comparison import Compared, Market

_INCH_PER_BAR, _INCH_PER_PANEL = 0.32, 1.5
# Okabe and Ito's colours for sellers; bars have the first of plots
_SELLERS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")
_SIDES = (("input_usd", "input_mtok", "new input"), ("output_usd", "output_mtok", "output"))


def draw(found: list[Compared], markets: list[Market], path: Path) -> None:
    """Draw ``found`` to ``path``, PNG or SVG by its suffix; a row of panels for each model.

    Raises ``ConfigError`` as ``plots.check`` does, ``OSError`` where it can't be written.
    """
    plots.check(path)
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a dollar sign is one
        "svg.hashsalt": "tokenworks",  # the same comparison gives the same bytes
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    rows = [[each for each in found if each.model == one.model and each.plan is not None] for one in markets]
    heights = [_INCH_PER_PANEL + _INCH_PER_BAR * len(row) for row in rows]
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(11, sum(heights)), layout="constrained", facecolor="white")
        panels = figure.subplots(len(markets), 2, squeeze=False, gridspec_kw={"height_ratios": heights})
        for line, row, one in zip(panels, rows, markets, strict=True):
            for axes, side in zip(line, _SIDES, strict=True):
                _panel(axes, row, one, side)
            line[1].set_yticklabels([])
        figure.suptitle("Computed cost, with its error band, and what sellers ask")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)


def _panel(axes: Any, row: list[Compared], one: Market, side: tuple[str, str, str]) -> None:
    ours, theirs, title = side
    plans = [each.plan for each in row if each.plan is not None]
    costs = [getattr(made.money, ours) for made in plans]
    below = [cost * (1 - made.band.low) for cost, made in zip(costs, plans, strict=True)]
    above = [cost * (made.band.high - 1) for cost, made in zip(costs, plans, strict=True)]
    labels = [
        f"{made.devices} x {made.hardware}, {each.region.id}" for made, each in zip(plans, row, strict=True)
    ]
    axes.barh(range(len(costs)), costs, color=plots.GAIN, height=0.6)
    errors = [[max(0.0, each) for each in below], [max(0.0, each) for each in above]]
    axes.errorbar(costs, range(len(costs)), xerr=errors, fmt="none", ecolor="#333333", capsize=3, linewidth=1)
    for number, sold in enumerate(one.sold):
        price = getattr(sold, theirs)
        axes.axvline(
            price,
            color=_SELLERS[number % len(_SELLERS)],
            linestyle=_STYLES[number % len(_STYLES)],
            linewidth=1.4,
            label=f"{sold.provider} ${price:g}",
        )
    axes.set_yticks(range(len(costs)), labels)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("$ per million tokens")
    axes.set_title(f"{title_of(one.model)}: {title}", loc="left")
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    if one.sold:
        axes.legend(frameon=False, fontsize=8, loc="best")
