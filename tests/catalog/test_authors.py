"""Who makes which model, from where, and whether its weights are open."""

from datetime import date

import pytest

from tokenworks.catalog import presets
from tokenworks.catalog.authors import Authors, author_of, rows

AUTHORS = Authors.load()


def test_the_file_is_sound() -> None:
    file = rows()
    assert date.fromisoformat(file.checked) <= date(2027, 12, 31)
    spelled = [name for row in file.authors for name in (row.slug, *row.also)]
    assert len(spelled) == len(set(spelled)), "one spelling, one author"
    for row in file.authors:
        assert row.slug == row.slug.lower() and row.title, row
        assert row.country in file.countries, row
        assert not set(row.open) & set(row.closed), row
        assert not any("/" in glob for glob in (*row.open, *row.closed, *row.names)), row
    for code, titles in file.countries.items():
        assert code == "" or (len(code) == 2 and code.isupper()), code
        assert set(titles) == {"en", "zh"} and all(titles.values()), code


def test_it_agrees_with_the_rows_of_the_catalogue() -> None:
    for author in presets.authors().values():
        assert AUTHORS.country(author.author) == author.country
        assert AUTHORS.title(author.author) == author.name
    for model in presets.models().values():
        assert AUTHORS.weights(model.id) == ("open" if model.open_weights else "closed"), model.id
        assert author_of(model.id) == model.author
        assert author_of(model.id.partition("/")[2]) == model.author, f"{model.id} without its author"


def test_the_globs_alone_never_call_a_closed_model_of_the_catalogue_open() -> None:
    """But for those that came after the file was written and broke their author's habit."""
    alone = Authors(rows(), {})
    broke_the_habit = {"minimax/minimax-m3.1-flash", "moonshotai/kimi-k3.1-pro"}
    wrong = {
        model.id
        for model in presets.models().values()
        if alone.weights(model.id) == ("closed" if model.open_weights else "open")
    }
    assert wrong <= broke_the_habit


@pytest.mark.parametrize(
    ("model", "author"),
    [
        ("minimax/minimax-m2.5", "minimax"),
        ("MiniMax-M2.5", "minimax"),
        ("MiniMaxAI/MiniMax-M2.5", "minimax"),
        ("zai-org/GLM-5", "z-ai"),
        ("glm-5", "z-ai"),
        ("gpt-oss-20b", "openai"),
        ("~anthropic/claude-haiku-latest", "anthropic"),
        ("anthropic/claude-4.5-sonnet-20250929:nitro", "anthropic"),
        ("llama-3.3-70b-instruct", "meta-llama"),
        ("llama-3.3-nemotron-super-49b", "nvidia"),  # the closer pattern of two
        ("smollm2:latest", "huggingfacetb"),
        ("acme/fast", "acme"),
        ("other", "unknown"),
        ("others", "unknown"),
        ("house-model", "unknown"),
        ("/fast", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_author_of_a_model(model: str, author: str) -> None:
    assert author_of(model) == author


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("openai/gpt-oss-120b:free", "open"),
        ("openai/gpt-oss-safeguard-20b", "open"),
        ("openai/gpt-99", "closed"),
        ("gpt-oss-20b", "open"),
        ("qwen/qwen3-max", "closed"),
        ("qwen/qwen3-235b-a22b", "open"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "open"),
        ("mistralai/mistral-medium-3.1", "closed"),
        ("mistralai/mistral-7b-instruct", "open"),
        ("mistralai/mistral-of-the-future", "unknown"),
        ("google/gemma-99", "open"),
        ("google/gemini-99", "closed"),
        ("kwaipilot/kat-coder-pro", "closed"),
        ("kwaipilot/kat-dev", "open"),
        ("acme/fast", "unknown"),
        ("other", "unknown"),
    ],
)
def test_the_weights_of_a_model(model: str, weights: str) -> None:
    assert AUTHORS.weights(model) == weights
    assert AUTHORS.weights(model) == weights, "and asked again"


def test_what_nobody_knows_is_said_as_it_came() -> None:
    assert (AUTHORS.title("acme"), AUTHORS.country("acme")) == ("acme", "")
    assert AUTHORS.title("unknown") == "unknown"
    assert AUTHORS.country_title("XX") == "XX"


def test_countries_in_both_languages() -> None:
    assert AUTHORS.country_title("CN") == "China"
    assert AUTHORS.country_title("CN", "zh") == "中国"
    assert AUTHORS.country_title("CN", "fr") == "China"
    assert AUTHORS.country_title("", "zh") == "未知"


SHOWN = """
openai anthropic google meta-llama mistralai deepseek qwen moonshotai z-ai minimax x-ai nvidia microsoft
amazon cohere tencent baidu bytedance-seed stepfun xiaomi inclusionai arcee-ai ai21 perplexity nousresearch
allenai liquid ibm-granite inception huggingfacetb kwaipilot meituan openrouter
"""


@pytest.mark.parametrize("slug", SHOWN.split())
def test_authors_that_rankings_show_have_title_and_country(slug: str) -> None:
    assert AUTHORS.country(slug) and AUTHORS.title(slug) != slug
