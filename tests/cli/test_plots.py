"""Pictures of reports."""

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tokenworks.cli import plots
from tokenworks.errors import ConfigError

SVG = "{http://www.w3.org/2000/svg}"


def made(margins: list[float], **more: Any) -> dict[str, Any]:
    rows = [{"margin_usd": each, "wanted_usd": 21 - each, "cost_usd": 20 - each} for each in sorted(margins)]
    return {
        "plan": {"name": "chat", "price_usd": 20.0},
        "source": {"synthetic": True, "requests": 12, "days": 30.0},
        "totals": {
            "losing": sum(each < 0 for each in margins),
            "subscribers": len(margins),
            "margin_usd": sum(margins),
            "revenue_usd": 60.0,
        },
        "subscribers": rows,
        "break_even": [
            {"knob": "price", "target": "margin", "status": "found", "price_usd": 31.4},
            {"knob": "windows", "target": "margin", "status": "found", "scale": 0.5},
            {"knob": "windows", "target": "losers", "status": "never", "scale": None},
        ],
        "curve": [{"scale": 0.1, "margin_usd": 50.0}, {"scale": 10.0, "margin_usd": -900.0}],
        **more,
    }


def words(path: Path) -> str:
    return " ".join("".join(text.itertext()) for text in ElementTree.parse(path).iter(f"{SVG}text"))


def test_an_svg_that_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "plan.svg"
    plots.plan_economics(made([19.0, 3.0, -500.0]), path)
    assert ElementTree.parse(path).getroot().tag == f"{SVG}svg"
    shown = words(path)
    for text in (
        "Plan chat: 12 requests in 30 days",
        "synthetic: real request sizes",
        "1 of 3 subscribers lose money; margin -$478.00 of $60.00 revenue",
        "margin ($)",
        "cost of use ($)",
        "credits in every window (times those of the plan)",
        "break-even at $31.40",
        "break-even at 0.5 times",
    ):
        assert text in shown, text
    text = path.read_text()
    assert plots.GAIN.lower() in text.lower() and plots.LOSS.lower() in text.lower()
    assert len(text) < 150_000
    plots.plan_economics(made([19.0, 3.0, -500.0]), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text


def test_a_png_and_a_plan_without_windows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "plan.PNG"
    plots.plan_economics(made([0.0, 0.0], curve=[], break_even=[], plan={"name": "metered"}), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_other_forms_are_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan\.pdf: a plot is \.png or \.svg"):
        plots.check(tmp_path / "plan.pdf")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r'pip install "tokenworks\[plot\]"'):
        plots.check(tmp_path / "plan.svg")
