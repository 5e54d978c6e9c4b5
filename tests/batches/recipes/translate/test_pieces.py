"""Paragraphs into parts and lanes."""

from tokenworks.batches.recipes.sizes import tokens_of
from tokenworks.batches.recipes.translate import pieces
from tokenworks.batches.recipes.translate.segment import Segment, fault

SENTENCES = " ".join(f"This is sentence number {n}, and it ends here." for n in range(60))


def segment(text: str, heading: int = 0) -> Segment:
    return Segment(0, 1, text, heading=heading)


def test_a_long_paragraph_is_cut_between_sentences_and_joined_again() -> None:
    cut = pieces.cut(SENTENCES, 100)
    assert len(cut) > 5
    assert all(tokens_of(text) <= 100 and text.endswith(".") for text, _ in cut)
    assert "".join(text + joint for text, joint in cut) == SENTENCES
    assert pieces.joined([("Eins.", " "), ("Zwei.", "")], "de") == "Eins. Zwei."
    assert pieces.joined([("一。", " "), ("二。", "")], "zh") == "一。二。"


def test_markup_is_never_cut_in_two() -> None:
    text = f"{SENTENCES} <1>{SENTENCES}</1> <2/> {SENTENCES}"
    cut = pieces.cut(text, 100)
    assert "".join(text + joint for text, joint in cut) == text
    assert all(fault(text, text) == "" for text, _ in cut)


def test_sentences_without_spaces_and_without_ends() -> None:
    chinese = "凡是有产业的单身汉，必定需要娶位太太。" * 40
    assert all(tokens_of(text) <= 100 for text, _ in pieces.cut(chinese, 100))
    endless = "word " * 1000
    assert all(tokens_of(text) <= 100 for text, _ in pieces.cut(endless.strip(), 100))


def test_chapters_are_lanes_and_short_ones_go_with_the_next() -> None:
    paragraphs = []
    for text, heading in [
        ("Part one", 1),
        ("Chapter 1", 1),
        (SENTENCES, 0),
        ("Chapter 2", 1),
        (SENTENCES, 0),
    ]:
        paragraphs.append((len(paragraphs) + 1, segment(text, heading), False))
    parts = list(pieces.parts(1, paragraphs, 900, ("en", "de")))
    lanes = list(dict.fromkeys(part.lane for part in parts))
    assert lanes == ["0001.0001", "0001.0002"]
    assert [[item["n"] for item in part.data["items"]] for part in parts] == [[1, 2, 3], [4, 5]]


def test_without_chapters_lanes_are_cut_by_size() -> None:
    paragraphs = [(n, segment(SENTENCES), False) for n in range(1, 101)]
    parts = list(pieces.parts(2, paragraphs, 900, ("en", "zh")))
    lanes = {part.lane for part in parts}
    assert len(parts) == 100 and len(lanes) == 100 // pieces.LANE + 1
    assert [part.id for part in parts] == sorted(part.id for part in parts)
    one = parts[0]
    assert one.input_tokens > tokens_of(SENTENCES) > one.output_tokens * 0.5 > 100


def test_pieces_of_one_paragraph_are_in_parts_of_their_own() -> None:
    paragraphs = [(1, segment("Short."), False), (2, segment(SENTENCES), False), (3, segment("End."), False)]
    parts = list(pieces.parts(1, paragraphs, 200, ("en", "de")))
    for part in parts:
        numbers = [item["n"] for item in part.data["items"]]
        assert len(numbers) == len(set(numbers))
    found = [item.get("piece") for part in parts for item in part.data["items"] if item["n"] == 2]
    assert found == list(range(len(found))) and len(found) > 2
