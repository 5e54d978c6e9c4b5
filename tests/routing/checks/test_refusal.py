"""Does the answer decline?"""

from __future__ import annotations

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.refusal import check


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I cannot help you with this.",
        "As an AI language model, I don't have personal opinions.",
        "Unfortunately, I must decline.",
        "I'm unable to provide medical advice.",
        "抱歉，我无法提供这方面的信息。",
        "对不起，我不能帮助您。",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Désolé, mais je ne peux pas répondre à cette demande.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "申し訳ありませんが、お手伝いできません。",
    ],
)
def test_refusals_are_fatal(text: str) -> None:
    found = check(Answer(text), Expected("Do it."))
    assert found is not None and not found.ok and found.fatal, text


@pytest.mark.parametrize(
    "text",
    [
        "You cannot divide by zero, so the expression has no value.",
        "Sorry for the confusion! The answer is 42.",
        "The function can't be called twice. I can help you to fix it.",
        "他不能去，因为他病了。",
        "If you can't assist at the event, tell us by Friday.",
    ],
)
def test_help_is_no_refusal(text: str) -> None:
    found = check(Answer(text), Expected("Do it."))
    assert found is not None and found.ok, text


def test_a_long_answer_that_begins_like_one_is_a_doubt() -> None:
    found = check(
        Answer("I can't provide a full proof, but here is a sketch. " + "It goes on. " * 80), Expected()
    )
    assert found is not None and not found.ok and not found.fatal


def test_words_that_were_given_to_it_say_nothing() -> None:
    quoted = Expected("Correct the spelling: I cannot help you with this.")
    assert check(Answer("I cannot help you with this."), quoted) is None
