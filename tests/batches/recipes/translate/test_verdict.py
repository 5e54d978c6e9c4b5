"""Is it the translation? On real sentences."""

import pytest

from tokenworks.batches.recipes.translate.verdict import other_language, problems

EN = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife."
)
DE = "Es ist eine allgemein anerkannte Wahrheit, dass ein Junggeselle im Besitz eines schönen Vermögens nichts dringender braucht als eine Frau."  # noqa: E501
ZH = "凡是有产业的单身汉，必定需要娶位太太，这已经成了一条举世公认的真理。"
FR = "C'est une vérité universellement reconnue qu'un célibataire pourvu d'une belle fortune doit avoir envie de se marier avec une femme."  # noqa: E501


@pytest.mark.parametrize(
    ("source", "said", "from_", "to"),
    [
        (EN, DE, "en", "de"),
        (EN, ZH, "en", "zh-Hans"),
        (ZH, EN, "zh", "en"),
        (FR, DE, "fr", "de"),
        (EN, FR, "und", "fr"),
        ("“Oh!”", "„Oh!“", "en", "de"),
        ("London", "London", "en", "de"),
        ("Mr. Darcy", "达西先生", "en", "zh"),
        ("I", "I", "en", "zh"),
        ("Mr. Darcy", "Mr. Darcy", "en", "zh"),
        ("It was Miss de Bourgh.", "是 de Bourgh 小姐。", "en", "zh"),
        (
            "Он сказал, что вернётся домой только к утру следующего дня, и ушёл.",
            "Він сказав, що повернеться додому лише на ранок наступного дня, і пішов.",
            "ru",
            "uk",
        ),
        (f"He quoted: “{FR}” and was silent then.", f"Er zitierte: „{FR}“ und schwieg dann.", "en", "fr"),
        (
            EN,
            "Toy wordes ofe a langue thet nobode knowes, ande it goez one ande one ande ende hier.",
            "en",
            "und",
        ),
    ],
)
def test_translations_pass(source: str, said: str, from_: str, to: str) -> None:
    assert problems(source, said, from_, to) == []


@pytest.mark.parametrize(
    ("source", "said", "from_", "to", "why"),
    [
        (EN, "", "en", "de", "empty"),
        (EN, EN, "en", "de", "not translated"),
        ("You are over scrupulous.", "You are over scrupulous.", "en", "de", "not translated"),
        (EN, EN.replace("truth", "Wahrheit").replace("wife", "Frau"), "en", "de", "still in English"),
        (EN, FR, "en", "de", "in French"),
        (EN, EN.replace("wife", "太太"), "en", "zh", "not translated"),
        (ZH, ZH, "zh", "en", "not translated"),
        ("他说好。", "他说好。", "zh", "en", "not translated"),
        ("他说好。", "“他说好。”", "zh", "en", "not translated"),
        ("He said so.", "“He said so.”", "en", "ru", "not translated"),
        (EN, DE[:40], "en", "de", "too short"),
        (EN, ZH[:6], "en", "zh", "too short"),
        (EN, ZH * 4, "en", "zh", "too long"),
        (EN, DE * 3, "en", "de", "too long"),
        (EN + " It was in 1813.", DE + " Es war einmal.", "en", "de", "number 1813"),
        ("He said <1>no</1> to it.", "Er sagte dazu nein.", "en", "de", "<1>"),
        (
            f"{EN} {EN}",
            f"{DE} that a single man in possession of a good fortune",
            "en",
            "de",
            "not translated",
        ),
        ("A **bold** word here.", "Ein **fettes Wort hier.", "en", "de", "**"),
    ],
)
def test_what_is_wrong_is_told(source: str, said: str, from_: str, to: str, why: str) -> None:
    assert why in "; ".join(problems(source, said, from_, to))


def test_of_a_whole_answer() -> None:
    assert "English" in other_language(EN * 2, "en", "de")
    assert other_language(DE * 2, "en", "de") == ""
    assert other_language(EN * 2, "en", "en") == ""
