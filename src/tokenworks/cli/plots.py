"""Pictures of reports, drawn with matplotlib, which is an extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenworks.errors import ConfigError

SUFFIXES = (".png", ".svg")

# Okabe and Ito's colours: told apart by people with any common colour blindness, and in grey.
GAIN, LOSS = "#0072B2", "#D55E00"
_WIDE = 20  # times the median: beyond it a plain scale would show nothing else
_LINE, _SECOND, _GRID = "#333333", "#009E73", "#DDDDDD"


def check(path: Path) -> None:
    """Raise ``ConfigError`` where no picture can be drawn to ``path``: before the long work."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path.name}: a plot is {' or '.join(SUFFIXES)}; end its name so")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError('plots need matplotlib; install it with: pip install "tokenworks[plot]"') from error


def plan_economics(report: dict[str, Any], path: Path) -> None:
    """Draw a report of ``plans.economics`` to ``path``, PNG or SVG by its suffix.

    Raises ``ConfigError`` as ``check`` does, ``OSError`` where it can't be written.
    """
    check(path)
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text: smaller, and can be searched
        "text.parse_math": False,  # a dollar sign is one
        "svg.hashsalt": "tokenworks",  # the same report gives the same bytes
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 7), layout="constrained", facecolor="white")
        panels = figure.subplot_mosaic([["margin", "margin"], ["demand", "curve"]])
        _margins(panels["margin"], report)
        _demand(panels["demand"], report)
        _curve(panels["curve"], report)
        source = report["source"]
        title = f"Plan {report['plan']['name']}: {source['requests']:,} requests in {source['days']:g} days"
        if source["synthetic"]:
            title += "\nsynthetic: real request sizes, dealt to invented subscribers"
        figure.suptitle(title)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(path, dpi=130, metadata=metadata)


def _margins(axes: Any, report: dict[str, Any]) -> None:
    margins = [each["margin_usd"] for each in report["subscribers"]]
    totals = report["totals"]
    edges = list(range(len(margins) + 1))
    steps = [*margins, *margins[-1:]]
    gains, losses = [max(each, 0) for each in steps], [min(each, 0) for each in steps]
    axes.fill_between(edges, losses, step="post", color=LOSS, linewidth=0, label="loses money")
    axes.fill_between(edges, gains, step="post", color=GAIN, linewidth=0, label="earns money")
    axes.axhline(0, color=_LINE, linewidth=0.8)
    _both_ways(axes, margins)
    axes.set_xlim(0, max(len(margins), 1))
    axes.set_xlabel("subscribers, lowest margin first")
    axes.set_ylabel("margin ($)")
    axes.set_title(
        f"{totals['losing']:,} of {totals['subscribers']:,} subscribers lose money; "
        f"margin {_usd(totals['margin_usd'])} of {_usd(totals['revenue_usd'])} revenue",
        loc="left",
    )
    axes.grid(axis="y", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower right")


def _demand(axes: Any, report: dict[str, Any]) -> None:
    """What everybody would have cost without windows, and what it costs with them."""
    least = 0.01  # a logarithmic axis has no zero
    for name, label, colour, style in (
        ("wanted_usd", "asked for", _LINE, "-"),
        ("cost_usd", "served", GAIN, "--"),
    ):
        costs = sorted((max(each[name], least) for each in report["subscribers"]), reverse=True)
        axes.plot(range(1, len(costs) + 1), costs, color=colour, linestyle=style, label=label)
    share = report["source"]["days"] / 30
    price = report["plan"].get("price_usd", 0.0)
    lines = [(price, f"price ${price:,.2f} a month", _SECOND, "-")] if price else []
    for each in report["break_even"]:
        if each["knob"] == "price" and each["price_usd"]:
            what = "break-even" if each["target"] == "margin" else "95 % earn money"
            style = ":" if each["target"] == "margin" else "-."
            lines.append((each["price_usd"], f"{what} at ${each['price_usd']:,.2f}", LOSS, style))
    for amount, label, colour, style in lines:
        axes.axhline(max(amount * share, least), color=colour, linestyle=style, linewidth=1.2, label=label)
    axes.set_yscale("log")
    _plain(axes.yaxis)
    axes.set_xlabel("subscribers, heaviest first")
    axes.set_ylabel("cost of use ($)")
    axes.set_title("Demand", loc="left")
    axes.grid(color=_GRID, linewidth=0.6)
    axes.legend(facecolor="white", edgecolor="white", framealpha=0.9, fontsize=8)


def _curve(axes: Any, report: dict[str, Any]) -> None:
    """Total margin against the size of the windows."""
    points = report["curve"]
    axes.set_title("Windows larger or smaller", loc="left")
    if not points:
        axes.text(0.5, 0.5, "this plan has no windows to scale", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    scales = [each["scale"] for each in points]
    margins = [each["margin_usd"] for each in points]
    axes.plot(scales, margins, color=_LINE, marker=".", label="total margin")
    axes.axhline(0, color=_LINE, linewidth=0.8)
    axes.axvline(1, color=_SECOND, linewidth=1.2, label="as planned")
    for each in report["break_even"]:
        if each["knob"] == "windows" and each["status"] == "found":
            what = "break-even" if each["target"] == "margin" else "95 % earn money"
            style = ":" if each["target"] == "margin" else "-."
            label = f"{what} at {each['scale']:.3g} times"
            axes.axvline(each["scale"], color=LOSS, linestyle=style, linewidth=1.2, label=label)
    axes.set_xscale("log")
    _plain(axes.xaxis)
    _both_ways(axes, margins)
    axes.set_xlabel("credits in every window (times those of the plan)")
    axes.set_ylabel("total margin ($)")
    axes.grid(color=_GRID, linewidth=0.6)
    axes.legend(facecolor="white", edgecolor="white", framealpha=0.9, fontsize=8)


def _both_ways(axes: Any, values: list[float]) -> None:
    """A scale on which cents and thousands, earned and lost, can both be seen."""
    sizes = sorted(abs(each) for each in values if each)
    if sizes and sizes[-1] > _WIDE * sizes[len(sizes) // 2]:
        axes.set_yscale("symlog", linthresh=max(sizes[len(sizes) // 2], 0.01))
    _plain(axes.yaxis)


def _plain(axis: Any) -> None:
    """Numbers as people write them, not as powers of ten."""
    axis.set_major_formatter(lambda value, place: f"{value:,g}")
    axis.set_minor_formatter(lambda value, place: "")


def _usd(amount: float) -> str:
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"
