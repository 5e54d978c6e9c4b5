from pathlib import Path

import msgspec
import pytest
from batching import part_rows

from batches import Mate, by_round, chapter, means, plot
from tokenworks.batches.recipes.recipe import Ask, Part

NOVEL = (
    "Title\n\nChapter I.]\n\nIt began.\n\nCHAPTER II.\n\nIt went on.\nChapter of accidents.\n\n"
    "Chapter III\n\nIt ended.\n"
)


def test_a_chapter_is_cut_out() -> None:
    assert chapter(NOVEL, 1) == "Chapter I.]\n\nIt began.\n\n"
    assert chapter(NOVEL, 2).endswith("Chapter of accidents.\n\n")
    assert chapter(NOVEL, 3).endswith("It ended.\n")
    for number in (0, 4):
        with pytest.raises(ValueError, match="chapters 1 to 3"):
            chapter(NOVEL, number)


def test_rounds_are_summed_over_their_parts() -> None:
    rows = []
    for row, number, cost in zip(part_rows("b", 3), (1, 1, 2), (1000, 2000, 5000), strict=True):
        part = Part(str(row.seq), "l", {"round": number}, 1, 1)
        costs = {"cost_nano_usd": cost, "input_tokens": cost // 10, "output_tokens": 1}
        rows.append(msgspec.structs.replace(row, request=msgspec.json.encode(part), **costs))
    assert by_round(rows) == [(1, pytest.approx(3e-6), 201), (2, pytest.approx(5e-6), 501)]


def test_the_mate_says_nothing_twice_and_sums_up() -> None:
    mate = Mate()
    ask = Ask(({"role": "user", "content": "Round 1: what did you see?"},))
    said = [mate(ask) for _ in range(200)]
    assert len(set(said)) == 200
    summed = mate(Ask(({"role": "user", "content": f"What is new:\n{said[-1]}"},)))
    assert summed == "They talked on, last of entry 200."


def test_means_follow() -> None:
    assert means([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]


def test_a_picture_is_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot([(n, 1e-6 * n, 100) for n in range(1, 20)], tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
