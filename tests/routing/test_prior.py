"""What a name lets expect of a model."""

import pytest

from tokenworks.routing.prior import ability, params_b


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qwen2.5-7b-instruct", 7),
        ("mixtral-8x7b", 56),
        ("smollm2-135m", 0.135),
        ("qwen3-235b-a22b", 235),
        ("gemini-1.5-pro-002", None),
        ("model-v2.5-0908", None),
    ],
)
def test_sizes_are_read_from_names(name: str, size: float | None) -> None:
    assert params_b(name) == (None if size is None else pytest.approx(size))


def test_models_of_today_stand_in_a_sane_order() -> None:
    order = [
        "huggingfacetb/smollm2-135m-instruct",
        "qwen/qwen2.5-coder-0.5b-instruct",
        "meta-llama/llama-3.1-8b-instruct",
        "openai/gpt-4o-mini",
        "deepseek/deepseek-v3.2",
        "anthropic/claude-opus-4.5",
    ]
    able = [ability(model) for model in order]
    assert able == sorted(able) and len(set(able)) == len(able)
    assert ability("moonshotai/kimi-k2.5") > ability("openai/gpt-4o")


def test_size_counts_where_the_family_is_unknown() -> None:
    assert (
        ability("someone/new-model-1b") < ability("someone/new-model-8b") < ability("someone/new-model-70b")
    )


def test_class_words_count_where_nothing_else_is_known() -> None:
    assert ability("acme/thing-nano") < ability("acme/thing") < ability("acme/thing-pro")


def test_the_authors_name_does_not_count() -> None:
    assert ability("pro-7b-labs/thing") == ability("acme/thing")
