"""The bar is for people only."""

import pytest

from tokenworks.cli.distill.progress import progress


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("captures", 2) as told:
        told(1)
        told(2)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_terminal_sees_a_bar_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("captures", 2) as told:
        told(2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "captures" in shown.err and "2/2" in shown.err
