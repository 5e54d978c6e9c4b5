"""What the planner says of others' models, out of the table that is shipped."""

from __future__ import annotations

from pathlib import Path

from tokenworks.energy.attribution import PLANNED
from tokenworks.energy.planned import everything, planned, table

MADE = """
pue = 1.2
[[model]]
names = ["great", "big"]
prefill_uj = 100
cached_uj = 1
decode_uj = 1000
low = 0.5
high = 2.0
deployments = 8
"""


def test_a_table_is_read_by_every_name(tmp_path: Path) -> None:
    file = tmp_path / "planned.toml"
    file.write_text(MADE)
    pue, models = table(file)
    assert pue == 1.2
    assert models["great"] is models["big"]
    assert models["big"].deployments == 8


def test_what_nobody_planned_is_not_known() -> None:
    assert planned("nobody/nothing") is None


def test_pue_is_in_what_is_told_and_the_band_is_kept() -> None:
    pue, models = table()
    told = everything(369.4)
    assert set(told) == set(models)
    for name, rate in told.items():
        assert rate.decode_uj == round(models[name].decode_uj * pue)
        assert (rate.basis, rate.g_per_kwh) == (PLANNED, 369)
        assert rate.low < 1 < rate.high
