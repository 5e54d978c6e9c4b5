"""Paragraphs of plain text."""

import pytest

from tokenworks.batches.recipes.translate import plain
from tokenworks.batches.recipes.translate.segment import replaced

PROSE = (
    "It was a bright cold day in the month of April, and the clocks\n"
    "were striking, while he went slowly along the wide old street\n"
    "and thought."
)


def texts(source: str) -> list[str]:
    return [each.text for each in plain.read(source).segments]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_blank_lines_end_paragraphs_and_wrapped_lines_are_one(newline: str) -> None:
    source = f"{PROSE}\n\n  Second.\n \n***\n\n1813\n".replace("\n", newline)
    assert texts(source) == [" ".join(PROSE.split()), "Second."]  # no words, nothing to translate
    assert plain.read(source).segments[0].wrap == 62


def test_lines_of_verse_and_lines_that_are_paragraphs_stay_apart() -> None:
    assert texts("Tiger Tiger, burning bright,\nIn the forests of the night;") == [
        "Tiger Tiger, burning bright,",
        "In the forests of the night;",
    ]
    assert len(texts("凡是有产业的单身汉，必定需要娶位太太。\n" * 4)) == 4
    assert len(texts(("word " * 60 + "\n") * 3)) == 3


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("CHAPTER 1", True), ("Chapter XLII. In which he leaves", True), ("Chapter the Last", True),
        ("Chapter Twenty-One", True), ("第十二章 归来", True), ("Kapitel 3", True), ("Prologue", True),
        ("PART TWO", True), ("Глава 4", True),
        ("Chapter and verse were quoted to him.", False), ("Part of it was lost.", False),
        ("He read chapter 5.", False), ("Chapter 5 " + "was long " * 20, False),
    ],
)  # fmt: skip
def test_chapters_are_told_by_their_headings(line: str, is_one: bool) -> None:
    assert bool(plain.heading(line)) is is_one


def test_a_licence_around_the_text_stays_as_it_is() -> None:
    source = (
        "Free for all to use.\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nThe story.\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nSmall print.\n"
    )
    assert texts(source) == ["The story."]


def test_a_translation_is_wrapped_like_its_original() -> None:
    document = plain.read(PROSE + "\n\nnext\n")
    first = document.segments[0]
    made = plain.write(first, "wort " * 40, "\r\n")
    assert all(len(line) <= first.wrap for line in made.split("\r\n"))
    assert made.split() == ["wort"] * 40
    wide = plain.lines("凡是有产业的单身汉必定需要娶位太太，" * 5, 40)
    assert "".join(wide) == "凡是有产业的单身汉必定需要娶位太太，" * 5
    assert all(plain.columns(line) <= 42 for line in wide)


def test_spans_are_what_they_say() -> None:
    source = f"\n  {PROSE}\n\n\tLast <1> one  \n"
    document = plain.read(source)
    same = [(each.start, each.end, plain.write(each, each.text, "\n")) for each in document.segments]
    assert replaced(source, same).split() == source.split()
    assert document.segments[1].text == "Last <1/> one"
