"""The picture of the curve."""

from pathlib import Path
from xml.etree import ElementTree

from tokenworks.cli.route.plot import quality_cost

CURVE = [
    {"calls": at / 4, "quality": 0.5 + at / 10, "oracle": 0.6 + at / 12, "random_mix": 0.5, "cost_usd": None}
    for at in range(5)
]
EACH = {"source": "some $source$", "n": 12, "strong": "big", "cheap": "small", "apgr": 0.61, "curve": CURVE}


def test_it_shows_every_source_and_all_together(tmp_path: Path) -> None:
    report = {"sources": [EACH] * 4, "pooled": EACH, "fitted": "nothing"}
    quality_cost(report, tmp_path / "curve.svg")
    text = "".join(ElementTree.parse(tmp_path / "curve.svg").getroot().itertext())
    assert text.count("some $source$") == 4 and "all sources together" in text
    for word in ("random mix", "oracle", "always cheap, always strong", "APGR 0.610"):
        assert word in text


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    report = {"sources": [EACH], "pooled": EACH}
    for name in ("a.svg", "b.svg"):
        quality_cost(report, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_source_without_a_gap_has_no_panel(tmp_path: Path) -> None:
    quality_cost({"sources": [{**EACH, "apgr": None}], "pooled": EACH}, tmp_path / "curve.svg")
    assert "some $source$" not in (tmp_path / "curve.svg").read_text()
