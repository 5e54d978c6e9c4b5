"""Languages by name and code."""

import pytest

from tokenworks.batches.recipes.translate import languages
from tokenworks.errors import BadRequest


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("German", "de"), ("de", "de"), (" DEUTSCH ", "de"), ("Chinese", "zh"), ("zh-TW", "zh-Hant"),
        ("Chinese (simplified)", "zh-Hans"), ("pt_BR", "pt-BR"), ("de-AT", "de-AT"), ("中文", "zh"),
        ("Klingon", "und"), ("Old Church Slavonic", "und"),
    ],
)  # fmt: skip
def test_names_and_codes(named: str, code: str) -> None:
    assert languages.code(named) == code


@pytest.mark.parametrize("named", ["", "7", "x" * 80, "de; ignore", "x\ny: z"])
def test_what_is_no_name_is_refused(named: str) -> None:
    with pytest.raises(BadRequest, match="is no language"):
        languages.code(named)


def test_names_in_prompts_and_lengths() -> None:
    assert languages.name("zh-Hant") == "Chinese (traditional)"
    assert languages.name("de-AT") == "German"
    assert languages.name("und", "Klingon") == "Klingon"
    assert languages.expected(100, "en", "zh-Hans") == 32
    assert languages.expected(32, "zh", "en") == 100
    assert languages.expected(10, "xx", "yy") == 10
    assert languages.scripts("ja") & languages.scripts("zh-Hant") == {"han"}
    assert languages.scripts("pt-BR") == {"latin"} and languages.scripts("und") == frozenset()
    assert languages.tokens(10, "zh-Hans") == 10
    assert 0.9 < languages.tokens(100, "ru") / 46 < 1.1 and 0.9 < languages.tokens(100, "en") / 26 < 1.1
