"""The progress bar."""

import pytest

from tokenworks.cli.waiting import waiting


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting() as tell:
        tell("fitting", 1, 2)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_terminal_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with waiting() as tell:
        tell("fitting", 1, 2)
    assert "fitting" in capsys.readouterr().err
