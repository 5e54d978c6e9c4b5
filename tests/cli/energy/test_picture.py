"""The picture of a comparison."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tokenworks.cli.energy import picture
from tokenworks.energy import comparison
from tokenworks.energy.case import Case
from tokenworks.energy.grid import region
from tokenworks.energy.posted import Posted
from tokenworks.errors import ConfigError

SOLD = (
    Posted("openai/gpt-oss-20b", "shop", "x", 0.05, 0.05, 0.2),
    Posted("openai/gpt-oss-20b", "mall", "x", 0.1, 0.1, 0.3),
)


def drawn(path: Path, sold: tuple[Posted, ...] = SOLD) -> None:
    found = comparison.compare(
        ["gpt-oss-20b", "kimi-k2.5"],
        ["L40S", "H200"],
        [region("TX")],
        lambda model, device, where: Case(model=model, hardware=device),
    )
    markets = [comparison.market(model, found, sold) for model in ("gpt-oss-20b", "kimi-k2.5")]
    picture.draw(found, [each for each in markets if each is not None], path)


def test_bars_for_deployments_and_lines_for_sellers(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "costs.svg"
    drawn(path)
    texts = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    words = [("".join(text.itertext())).strip() for text in texts]
    for text in ("gpt-oss-20b: new input", "gpt-oss-20b: output", "kimi-k2.5: output", "1 x l40s, US-TX"):
        assert text in words, text
    assert "shop $0.05" in words and "mall $0.3" in words
    assert not [each for each in words if "kimi" in each and "l40s" in each]  # it does not fit there


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    drawn(one, ())
    drawn(two, ())
    assert one.read_bytes() == two.read_bytes()


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"tokenworks\[plot\]"):
        picture.draw([], [], tmp_path / "x.png")
