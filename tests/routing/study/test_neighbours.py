"""Near-duplicates are found without comparing everybody with everybody."""

import random
import time

import numpy as np
import pytest

from tokenworks.routing.study.neighbours import SHINGLE, Groups, grouped, likeness, signature

WORDS = [f"word{n}" for n in range(2000)]


def text(seed: int, count: int = 120) -> list[str]:
    return random.Random(seed).choices(WORDS, k=count)


def jaccard(one: list[str], other: list[str]) -> float:
    sets = [
        {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)} for words in (one, other)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def changed(words: list[str], every: int) -> list[str]:
    return [f"other{at}" if at % every == 0 else word for at, word in enumerate(words)]


@pytest.mark.parametrize("every", [4, 8, 20, 60, 1000])
def test_the_estimate_is_near_the_true_likeness(every: int) -> None:
    gaps = []
    for seed in range(12):
        one = text(seed)
        other = changed(one, every)
        gaps.append(likeness(signature(" ".join(one)), signature(" ".join(other))) - jaccard(one, other))
    # The standard error of one estimate is at most sqrt(0.25 / 126) = 0.045.
    assert abs(np.mean(gaps)) < 4 * 0.045 / np.sqrt(12)
    assert max(map(abs, gaps)) < 5 * 0.045


def test_case_spaces_and_punctuation_make_no_other_text() -> None:
    one, other = signature("Hello, World! How are you?"), signature("hello  world\nhow are YOU")
    assert likeness(one, other) == 1.0
    assert likeness(one, signature("entirely different words are in here")) < 0.1
    assert likeness(signature("翻訳してください"), signature("翻訳してください。")) == 1.0
    assert likeness(signature(""), signature("?!")) == 1.0, "nothing is like nothing"
    assert likeness(signature("yes"), signature("no")) < 0.1


def test_groups_are_the_families_that_were_made() -> None:
    families = {seed: [changed(text(seed), 60 + turn) for turn in range(5)] for seed in range(40)}
    mixed = [(seed, " ".join(words)) for seed, members in families.items() for words in members]
    random.Random(1).shuffle(mixed)
    found = grouped([words for _, words in mixed], 0.7)
    by_family: dict[int, set[int]] = {}
    for (seed, _), group in zip(mixed, found, strict=True):
        by_family.setdefault(seed, set()).add(group)
    assert all(len(groups) == 1 for groups in by_family.values()), "no family is torn"
    assert len({group for groups in by_family.values() for group in groups}) == 40, "no two are joined"


def test_joining_brings_whole_groups_together() -> None:
    groups = Groups(0.8)
    for seed in range(4):
        groups.add(signature(" ".join(text(seed))))
    groups.join(2, 3)
    groups.join(3, 1)
    assert [groups.of(n) for n in range(4)] == [0, 1, 1, 1]
    assert len(groups) == 4


def test_many_alike_take_no_longer_than_many_different() -> None:
    """CPU time. All in one band: comparing each with each would be 4.5 million comparisons."""
    same = [signature(" ".join(changed(text(1), 30 + n % 40))) for n in range(40)] * 75
    started = time.process_time()
    groups = Groups(0.8)
    for each in same:
        groups.add(each)
    assert time.process_time() - started < 3
