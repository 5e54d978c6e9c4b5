"""Splits by question."""

from pathlib import Path

import numpy as np
from outcomes import write

from tokenworks.routing.study.data import load
from tokenworks.routing.study.folds import areas, folds, hashes, question, questions

STEM = "which gas do plants take in from the air by day?"


def test_a_question_is_the_same_with_other_options_and_signs() -> None:
    one = f"{STEM}\nA. oxygen\nB. nitrogen\nC. carbon dioxide\nD. helium\nAnswer:".replace("\n", " ").lower()
    two = f"{STEM} a. neon b. carbon dioxide c. argon d. methane e. ozone"
    assert question(one) == question(two) == question(STEM.replace("?", " ?!"))


def test_a_short_stem_tells_no_questions_apart() -> None:
    one, two = ("which is true? a. red b. blue c. green", "which is true? a. one b. two c. three")
    assert question(one) != question(two)


def test_equal_keys_share_a_fold_and_the_seed_deals_anew() -> None:
    keys = [f"question {number}" for number in range(400)] * 2
    dealt = folds(keys, 5, 0)
    assert (dealt[:400] == dealt[400:]).all()
    assert np.bincount(dealt[:400], minlength=5).min() > 50
    assert (folds(keys, 5, 1) != dealt).mean() > 0.6
    assert folds(keys[::-1], 5, 0)[::-1].tolist() == dealt.tolist()


def test_sources_that_ask_the_same_are_one_area(tmp_path: Path) -> None:
    data = load(write(tmp_path, 20))
    assert areas(data) == {"cooking": "cooking", "sailing": "sailing"}
    assert len(questions(data)) == 40
    for place in data.sources["sailing"].prompts:
        data.texts[place] = data.texts[place - 20]
    assert areas(data) == {"cooking": "cooking", "sailing": "cooking"}


def test_hashes_hang_on_the_key_alone() -> None:
    one, two = hashes(["a", "b", "\ud800"]), hashes(["b"])
    assert one.dtype == np.uint32 and one[1] == two[0]
    assert len(set(hashes(str(number) for number in range(2_000)).tolist())) > 1_995
