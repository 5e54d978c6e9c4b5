"""The bar."""

import pytest

from tokenworks.cli.route.progress import telling


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with telling() as tell:
        tell("reading", 1, 2)
    assert capsys.readouterr() == ("", "")
