"""The overspend benchmark: what it says of a run, and that a peer that can't be had is left out."""

from __future__ import annotations

import pytest

import overspend
from peers import Absent


def run(monkeypatch: pytest.MonkeyPatch, spent: list[float], *args: str) -> int:
    monkeypatch.setattr(overspend, "ours", lambda where, runs, requests, budget: spent)
    monkeypatch.setattr("sys.argv", ["overspend.py", "--where", "sqlite", *args])
    return overspend.main()


def test_runs_within_the_budget_are_good(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, [0.97, 1.0, 0.99]) == 0
    assert "3 runs, 0 over $1.00; spent $0.9700 to $1.0000" in capsys.readouterr().out


@pytest.mark.parametrize("spent", [1.0001, 0.9699])
def test_too_much_and_too_little_are_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spent: float
) -> None:
    assert run(monkeypatch, [0.99, spent]) == 1
    assert f"{int(spent > 1)} over" in capsys.readouterr().out


def test_a_peer_that_cannot_be_had_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(runs: int, requests: int, budget: float) -> list[float]:
        raise Absent("no network")

    monkeypatch.setattr(overspend, "litellm", absent)
    monkeypatch.setattr("sys.argv", ["overspend.py", "--where", "litellm"])
    assert overspend.main() == 0
    assert "litellm: left out: no network" in capsys.readouterr().out
