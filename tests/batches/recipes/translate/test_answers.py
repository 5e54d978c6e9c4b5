"""Answers of models, as odd as they are."""

import pytest

from tokenworks.batches.recipes.translate.answers import disorder, read


@pytest.mark.parametrize(
    "text",
    [
        "[3] Eins\n\n[4] Zwei",
        "Here you are:\n\n[3] Eins\n[4] Zwei",
        "**[3]** Eins\n\n**[4]** Zwei",
        "[3]\nEins\n\n[4]\nZwei\n",
        "```\n[3] Eins\n[4] Zwei\n```",
        "<think>[3] hm [4]</think>\n[3] Eins\n[4] Zwei",
        "【3】Eins\n【4】Zwei",
        "3. Eins\n4. Zwei",
        "[3]: Eins\n[4]: Zwei\n\n===\nA = B",
    ],
)
def test_paragraphs_are_found(text: str) -> None:
    found, order, _ = read(text, [3, 4])
    assert found == {3: "Eins", 4: "Zwei"}
    assert order == [3, 4]
    assert disorder(order, [3, 4]) == []


def test_numbers_within_a_paragraph_are_no_paragraphs() -> None:
    found, order, _ = read("[3] Im Jahr [4] und\n1813 war es\n[9] so.", [3])
    assert found == {3: "Im Jahr [4] und 1813 war es [9] so."}
    assert order == [3]


@pytest.mark.parametrize("mark", ["===", "---", "Names:", "## Names", "**Names:**", "GLOSSARY"])
def test_names_come_after_the_last_paragraph(mark: str) -> None:
    found, _, told = read(f"[1] Eins\n{mark}\nAnn = Anna\nTom = Thomas", [1])
    assert found == {1: "Eins"}
    assert told.split("\n")[-2:] == ["Ann = Anna", "Tom = Thomas"]


def test_one_paragraph_needs_no_number_and_several_do() -> None:
    assert read("Eins\nzwei", [7])[:2] == ({7: "Eins zwei"}, [7])
    assert read("Eins\n\nZwei", [7, 8])[:2] == ({}, [])
    assert read("", [7])[:2] == ({}, [])


def test_order_and_repetition_are_told() -> None:
    assert disorder([2, 1], [1, 2]) == ["the paragraphs are not in their order"]
    assert disorder([1, 2, 2], [1, 2]) == ["[2] stands there 2 times"]
