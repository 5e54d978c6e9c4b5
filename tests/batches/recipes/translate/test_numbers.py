"""Numbers that must survive."""

import pytest

from tokenworks.batches.recipes.translate.numbers import han_value, lost


@pytest.mark.parametrize(
    ("source", "said", "missing"),
    [
        ("It cost 1,000 pounds.", "Es kostete 1.000 Pfund.", []),
        ("It cost 1,000 pounds.", "Es kostete Pfund.", ["1,000"]),
        ("It cost 1,000 pounds.", "Il coûta 1 000 livres.", []),
        ("It cost 1,000 pounds.", "Es kostete 1.0000 Pfund.", ["1,000"]),
        ("A share of 3.5 per cent in 1813.", "Ein Anteil von 3,5 Prozent, 1813.", []),
        ("A share of 3.5 per cent in 1813.", "Ein Anteil von 35 Prozent, 1831.", ["1813"]),
        ("In chapter 5 of 12", "Im fünften Kapitel von zwölf", []),
        ("He has 5000 a year", "他一年有五千镑", []),
        ("He has 5000 a year", "他一年有四千镑", ["5000"]),
        ("12,000 men", "1.2万人", []),
        ("120,000 men", "12 万人", []),
        ("In 1813", "一八一三年", []),
        ("in the 1990s", "90年代", []),
        ("At 12:45 on 24/12/1999", "Um 12.45 Uhr am 24. Dezember 1999", []),
        ("٢٠٢٤ سنة", "The year 2024", []),
        ("25 men", "२५ आदमी", []),
        ("25 and 37", "37", ["25"]),
        ("none", "keine 7", []),
        ("9" * 5000, "9" * 5000, []),
    ],
)
def test_numbers_are_kept_in_every_way_of_writing_them(source: str, said: str, missing: list[str]) -> None:
    assert lost(source, said) == missing


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("二十一", 21),
        ("一千二百", 1200),
        ("三万五千", 35_000),
        ("两亿", 200_000_000),
        ("一〇", 10),
    ],
)
def test_numbers_in_ideographs(text: str, value: int) -> None:
    assert han_value(text) == value
