"""The picture of predicted against measured times."""

from pathlib import Path

import numpy as np
from tests.energy.test_fitting import made

from tokenworks.cli.energy.scatter import draw
from tokenworks.energy import step_time


def test_models_and_devices_are_told_apart(tmp_path: Path) -> None:
    points = made(tmp_path, step_time.shipped())
    errors = np.linspace(-0.2, 0.2, len(points))
    path = tmp_path / "a.svg"
    draw(points, errors, errors, "made up", path)
    shown = path.read_text("utf-8")
    for text in (
        "Llama-3.1-70B, h200-sxm",
        "MiniMax-M2.5, b200-sxm",
        "time to first token",
        "made up",
        ">10<",
    ):
        assert text in shown
    again = tmp_path / "b.svg"
    draw(points, errors, errors, "made up", again)
    assert again.read_bytes() == path.read_bytes()
