"""Names of columns, ours and others'."""

import pytest

from tokenworks.rankings.importing.columns import Unknown, matched


def test_columns_by_any_of_their_names() -> None:
    found = matched(["Week", " MODEL_PERMASLUG ", "Total Tokens", "count", "Filled", "note"])
    assert (found.when, found.model, found.tokens, found.requests, found.filled) == (0, 1, 2, 3, 4)
    assert found.unit == "week" and found.width == 6
    assert matched(["tokens", "model", "month"]).unit == "month"
    assert matched(["day", "model", "tokens"]).unit is None, "a day's column may begin a week"


def test_a_frontends_feed() -> None:
    names = "date model_permaslug variant total_completion_tokens total_prompt_tokens"
    found = matched(
        [
            *names.split(),
            "total_native_tokens_reasoning",
            "total_native_tokens_cached",
            "total_tool_calls",
            "count",
            "change",
            "variant_permaslug",
        ]
    )
    assert (found.input, found.output, found.tokens, found.variant) == (4, 3, None, 2)


def test_an_id_is_taken_before_a_name_for_people() -> None:
    assert matched(["name", "date", "model_id", "tokens"]).model == 2
    assert matched(["date", "model", "name", "tokens"]).model == 1


@pytest.mark.parametrize(
    ("names", "at", "told"),
    [
        (["date", "model"], 0, "needs columns"),
        (["date", "tokens"], 0, "needs columns"),
        (["model", "tokens"], 0, "needs columns"),
        (["date", "model", "input_tokens"], 0, "needs columns"),
        ([""], 0, "needs columns"),
        (["date", "week", "model", "tokens"], 1, "means the same as 'date'"),
        (["date", "model", "tokens", "total_tokens"], 3, "means the same as 'tokens'"),
        (["date", "model", "Model", "tokens"], 2, "stands twice"),
        (["date", "model", "tokens", "fileld"], 3, "is it 'filled'?"),
        (["date", "modle", "tokens"], 1, "is it 'model'?"),
    ],
)
def test_columns_that_make_no_sense(names: list[str], at: int, told: str) -> None:
    with pytest.raises(Unknown) as caught:
        matched(names)
    assert caught.value.at == at and told in str(caught.value)
