"""The quality-cost curve as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tokenworks.cli import plots

_ROUTED, _ORACLE, _LINE, _GRID, _ENDS = "#0072B2", "#009E73", "#777777", "#DDDDDD", "#D55E00"
_ACROSS = 3


def quality_cost(report: dict[str, Any], path: Path) -> None:
    """Draw a report of ``routing.study.score``: all sources together, large, and each one small.

    Raises ``ConfigError`` as ``plots.check`` does, ``OSError`` where it can't be written.
    """
    plots.check(path)
    import matplotlib
    from matplotlib.figure import Figure

    panels = [each for each in report["sources"] if each.get("curve") and each.get("apgr") is not None]
    rows = max(1, math.ceil(len(panels) / _ACROSS))
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "tokenworks",
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 3.6 + 2.1 * rows), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(rows + 1, _ACROSS, height_ratios=[1.7, *[1] * rows])
        if report["pooled"]:
            _panel(figure.add_subplot(grid[0, :]), report["pooled"], "all sources together", large=True)
        for place, each in enumerate(panels):
            axes = figure.add_subplot(grid[1 + place // _ACROSS, place % _ACROSS])
            _panel(axes, each, each["source"], large=False)
        figure.suptitle(f"Quality against cost, {report.get('fitted', '')}")
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)


def _panel(axes: Any, each: dict[str, Any], title: str, *, large: bool) -> None:
    calls = [100 * point["calls"] for point in each["curve"]]
    quality = [point["quality"] for point in each["curve"]]
    oracle = [point["oracle"] for point in each["curve"]]
    axes.plot(calls, oracle, color=_ORACLE, linewidth=1, linestyle=":", label="oracle")
    axes.plot([0, 100], [quality[0], quality[-1]], color=_LINE, linewidth=1, label="random mix")
    axes.plot(calls, quality, color=_ROUTED, linewidth=2 if large else 1.4, label="routed")
    axes.plot([0], [quality[0]], "o", color=_ENDS, markersize=4, label="always cheap, always strong")
    axes.plot([100], [quality[-1]], "o", color=_ENDS, markersize=4)
    pair = "" if large else f"\n{each['strong']} / {each['cheap']}"
    axes.set_title(
        f"{title}: APGR {each['apgr']:.3f}, n {each['n']:,}{pair}", loc="left", fontsize=9 if large else 7
    )
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    if large:
        axes.set_xlabel("calls to the strong model (%)")
        axes.set_ylabel("mean score")
        axes.legend(frameon=False, loc="lower right")
