"""The table of planned joules: how it is made, and that it is the planner's."""

from __future__ import annotations

from pathlib import Path

import pytest

import planned_energy
from planned_energy import Point, entry, middle
from tokenworks.energy import architectures
from tokenworks.energy.planned import table


def test_a_model_is_the_middle_of_its_deployments_within_their_band(tmp_path: Path) -> None:
    found = [Point(0.1, 0.001, 1.0, 0.8, 1.25), Point(0.4, 0.001, 4.0, 0.8, 1.25)]
    listed = architectures.listed()[0]
    file = tmp_path / "planned.toml"
    file.write_text(f"pue = 1.2\n{entry(listed, found)}")
    made = table(file)[1][listed.name]
    assert (made.prefill_uj, made.cached_uj, made.decode_uj) == (200_000, 1_000, 2_000_000)
    assert (made.low, made.high, made.deployments) == (0.4, 2.5, 2)
    assert set(listed.aliases) < set(made.names)


def test_the_middle_of_factors_is_geometric() -> None:
    assert middle([1.0, 4.0]) == pytest.approx(2.0)
    assert middle([0.0, 4.0]) == 0.0


def test_the_shipped_table_is_sane() -> None:
    """A token that is written takes more than one that is read, and that more than one from a cache."""
    _, models = table()
    assert len(set(models.values())) >= 20
    for name, each in models.items():
        assert each.decode_uj > each.prefill_uj > each.cached_uj, name
        assert 0.05 < each.low < 1 < each.high < 20, name
        assert 1_000 < each.decode_uj < 50_000_000, name  # 1 mJ to 50 J


@pytest.mark.parametrize("name", ["gpt-oss-120b", "deepseek-v3.2", "llama-3.1-70b"])
def test_it_is_about_what_the_planner_says_now(name: str) -> None:
    """Constants that were fitted anew move it a little; by more, it has to be made again."""
    shipped = table()[1][name]
    found = planned_energy.points(name)
    assert len(found) == shipped.deployments
    assert middle(each.decode for each in found) * 1e6 == pytest.approx(shipped.decode_uj, rel=0.1)
    assert middle(each.prefill for each in found) * 1e6 == pytest.approx(shipped.prefill_uj, rel=0.1)
