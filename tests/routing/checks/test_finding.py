"""What goes in and out has defaults that say nothing."""

from tokenworks.routing.checks.finding import Answer, Expected, Finding


def test_defaults_accuse_nobody() -> None:
    assert (Answer("x").finish, Answer("x").tool_calls, Answer("x").mean_logprob) == ("stop", 0, None)
    assert Expected().schema is None and not Expected().json
    assert not Finding("x", True).fatal
