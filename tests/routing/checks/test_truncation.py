"""Does the answer stop before its end?"""

from __future__ import annotations

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.truncation import check, open_fence

LONG = "Here is what one has to know about it, in some detail and with care. " * 8


@pytest.mark.parametrize(
    ("answer", "ok", "fatal"),
    [
        (Answer("Done.", "length"), False, True),
        (Answer("Done.", "stop"), True, False),
        (Answer("```python\nx = 1\n"), False, True),
        (Answer("```python\nx = 1\n```"), True, False),
        (Answer(LONG + "and then we go to the"), False, False),
        (Answer(LONG + "It is finished."), True, False),
        (Answer(LONG + "| a | b |"), True, False),
        (Answer("no full stop needed here"), True, False),
    ],
)
def test_what_is_cut(answer: Answer, ok: bool, fatal: bool) -> None:
    found = check(answer, Expected())
    assert found is not None
    assert (found.ok, found.fatal) == (ok, fatal), found


def test_a_longer_fence_holds_shorter_ones() -> None:
    assert not open_fence("````md\n```py\nx\n```\n````\n")
    assert open_fence("````md\n```py\nx\n```\n")
    assert not open_fence("a ``` in the middle of a line")


def test_what_the_callers_own_limit_cuts_is_a_doubt_no_more() -> None:
    found = check(Answer("Done.", "length"), Expected(max_output_tokens=16))
    assert found is not None
    assert (found.ok, found.fatal) == (False, False)
