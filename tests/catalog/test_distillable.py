"""Whose answers may be trained on: every entry says where that is from, and the closest one counts."""

import re
from datetime import date

import pytest

from tokenworks.catalog import distillable
from tokenworks.catalog.presets import authors, models


def test_every_entry_has_its_source_and_means_somebody_we_know() -> None:
    known = models()
    for row in distillable.rows():
        assert row.name and re.search(r"https://", row.source), row
        assert not row.checked or date.fromisoformat(row.checked) <= date(2027, 12, 31), row
        assert row.state != "forbidden" or row.condition, "a no says what is forbidden"
        for glob in row.models:
            assert glob.partition("/")[0] in authors(), glob
            assert "*" in glob or glob in known, f"{glob} is no model of the catalogue"


def test_the_closest_entry_counts() -> None:
    assert distillable.terms("openai/gpt-4o").state == "forbidden"
    assert distillable.terms("openai/gpt-oss-20b").state == "allowed"
    assert distillable.terms("OpenAI/GPT-OSS-20B:free").name == "Apache-2.0", "however it is written"
    assert distillable.terms("google/gemini-9").state == "forbidden"
    assert "begins with 'Llama'" in distillable.terms("meta-llama/llama-3.3-70b-instruct").condition


def test_what_is_not_known_may_not_be_trained_on() -> None:
    assert distillable.terms("acme/fast") == distillable.UNKNOWN
    assert not distillable.may_train("acme/fast")
    assert not distillable.may_train("openai/gpt-4o")
    assert distillable.may_train("microsoft/phi-4")


@pytest.mark.parametrize("author", ["openai", "anthropic", "x-ai"])
def test_no_closed_model_of_these_slips_through(author: str) -> None:
    closed = [model.id for model in models().values() if model.author == author and not model.open_weights]
    assert closed and all(distillable.terms(model).state == "forbidden" for model in closed)
