"""Is the answer in the language that was expected?"""

from __future__ import annotations

import pytest

from tokenworks.routing.checks.finding import Answer, Expected
from tokenworks.routing.checks.language import check, spoken, target

EN = "The weather is fine today and we are going to the lake with all of the children."
DE = "Das Wetter ist heute schön und wir gehen mit allen Kindern an den See, der nicht weit ist."
FR = "Le temps est beau et nous allons au lac avec tous les enfants qui sont dans la maison."
ES = "El tiempo es bueno y vamos al lago con todos los niños que están en la casa de mi madre."
ZH = "今天天气很好，我们带着所有的孩子去湖边。"
JA = "今日は天気がいいので、子供たちと湖に行きます。"
KO = "오늘은 날씨가 좋아서 아이들과 호수에 갑니다."
RU = "Сегодня хорошая погода, и мы идём на озеро со всеми детьми."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (EN, "en"),
        (DE, "de"),
        (FR, "fr"),
        (ES, "es"),
        (ZH, "zh"),
        (JA, "ja"),
        (KO, "ko"),
        (RU, "ru"),
        ("42", ""),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert spoken(text) == language


def test_code_and_formulas_are_no_language() -> None:
    assert spoken(f"{DE}\n```python\n# the of and to in is that it for was with as on are this\n```") == "de"


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("Translate into German: hello", "de"),
        ("Please answer in French.", "fr"),
        ("翻译成英文：你好", "en"),
        ("Translate from English to Japanese", "ja"),
        ("Which is easier, in German or in French?", ""),
        ("What is this?", ""),
    ],
)
def test_the_language_that_a_prompt_names(prompt: str, language: str) -> None:
    assert target(prompt) == language


def test_another_language_than_asked_for_is_fatal_and_than_the_prompt_a_doubt() -> None:
    found = check(Answer(EN), Expected(f"Translate into German: {EN}", task="translation"))
    assert found is not None and not found.ok and found.fatal
    found = check(Answer(DE), Expected(f"Translate into German: {EN}", task="translation"))
    assert found is not None and found.ok
    found = check(Answer(ZH), Expected(EN))
    assert found is not None and not found.ok and not found.fatal
    assert check(Answer(ZH), Expected(EN, task="translation")) is None, "that is its task"
    assert check(Answer("42"), Expected(EN)) is None
    assert check(Answer(EN), Expected(language="en-GB")) is not None
