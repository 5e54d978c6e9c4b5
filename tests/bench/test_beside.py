import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

import beside
from beside import Lab, Round, show

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler (cc)")


def test_a_round_without_and_one_beside_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(beside, "ITEMS", 6_000)
    monkeypatch.setattr(beside, "WARM_S", 0.1)
    with ExitStack() as stack:
        lab = Lab(tmp_path, stack, 40)
        alone = lab.ask(1.0, 20)
        busy = lab.beside(1.0, 20)
    assert alone.requests >= 15 and 40 <= alone.p50_ms <= alone.p99_ms
    assert busy.beside and busy.p50_ms >= 40, "it waits for the model"
    assert busy.items_per_s > 10
    show([alone, busy], 40)
    assert "alone" in capsys.readouterr().out


def test_the_verdict_is_of_medians(capsys: pytest.CaptureFixture[str]) -> None:
    show([Round(False, 9, 100, 110), Round(True, 9, 120, 132, 50), Round(True, 9, 1, 132, 50)], 100)
    assert "1.20x" in capsys.readouterr().out
