"""Predicted against measured times as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenworks.cli import plots
from tokenworks.energy.serving_points import Point

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
_MARKERS = "osD^vP"


def draw(points: Sequence[Point], tpot: Any, ttft: Any, how: str, path: Path) -> None:
    """Draw relative errors ``tpot`` and ``ttft`` of ``points`` to ``path``, PNG or SVG by its suffix.

    Raises ``ConfigError`` as ``plots.check`` does, ``OSError`` where it can't be written.
    """
    plots.check(path)
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "tokenworks",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(13, 5.4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        _panel(left, points, [p.tpot_s for p in points], tpot, "time per output token")
        _panel(right, points, [p.ttft_s for p in points], ttft, "time to first token")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.suptitle(f"{len(points)} measured points of serving on one node: {how}")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)


def _panel(axes: Any, points: Sequence[Point], measured: list[float], errors: Any, what: str) -> None:
    devices = sorted({p.hardware for p in points})
    ms = [value * 1e3 for value in measured]
    predicted = [value * (1 + float(error)) for value, error in zip(ms, errors, strict=True)]
    for i, model in enumerate(sorted({p.model for p in points})):
        for j, device in enumerate(devices):
            at = [k for k, p in enumerate(points) if p.model == model and p.hardware == device]
            if at:
                axes.scatter(
                    [ms[k] for k in at],
                    [predicted[k] for k in at],
                    s=9,
                    alpha=0.6,
                    linewidths=0,
                    color=_COLOURS[i % len(_COLOURS)],
                    marker=_MARKERS[j % len(_MARKERS)],
                    label=f"{model.split('/')[-1]}, {device}",
                )
    ends = [min(ms + predicted) * 0.9, max(ms + predicted) * 1.1]
    for factor, line in ((1.0, "-"), (1.25, ":"), (0.8, ":")):
        axes.plot(ends, [each * factor for each in ends], line, color="#999999", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_minor_formatter(lambda value, _: "")
    axes.set(title=what, xlabel="measured, ms (dotted: 25 % off)", ylabel="predicted, ms")
