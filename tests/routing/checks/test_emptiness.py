"""Is there an answer at all?"""

from tokenworks.routing.checks.emptiness import check
from tokenworks.routing.checks.finding import Answer, Expected


def test_nothing_is_fatal_and_something_is_not_judged() -> None:
    found = check(Answer(" \n\t"), Expected())
    assert found is not None and found.fatal and not found.ok
    assert check(Answer("0"), Expected()) is None
    assert check(Answer("", tool_calls=1), Expected()) is None
