"""How others did on the same questions."""

from pathlib import Path

import numpy as np
import pytest

from tokenworks.routing.study.data import Data, Source
from tokenworks.routing.study.twins import completed, known, twins


def asked(shared: bool) -> Data:
    """Two sources of three prompts; with ``shared`` the first two ask the same."""
    texts = ["what is one and one", "what is two and two", "only here"]
    others = [texts[0] + "?", texts[1], "only there"] if shared else ["x", "y", "z"]
    easy = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=np.float32)
    sources = {
        "one": Source("one", np.arange(3), ["a", "b", "c"], easy, easy),
        "two": Source("two", np.arange(3, 6), ["d", "e"], easy[:, :2], easy[:, :2]),
    }
    names = ["one"] * 3 + ["two"] * 3
    return Data(Path(), texts + others, texts + others, names, list("123456"), [""] * 6, sources)


def test_gaps_are_filled_by_how_the_others_did() -> None:
    score = np.array([[1, 1, np.nan], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=np.float32)
    filled = completed(score)
    assert np.isfinite(filled).all()
    assert filled[0, 2] > np.nanmean(score[:, 2])  # the others got it right
    assert (filled[1:] == score[1:]).all()


@pytest.mark.parametrize("shared", [True, False])
def test_only_other_sources_tell_of_a_question(shared: bool) -> None:
    data = asked(shared)
    every = np.ones(6, dtype=bool)
    outcomes = {name: one for name, part in data.sources.items() if (one := known(part, every))}
    told = twins(data, outcomes)
    assert told["two"][3:, -1].tolist() == ([1, 1, 0] if shared else [0, 0, 0])
    if shared:
        assert told["two"][3, 0] > 0 > told["two"][4, 0]  # all of "one" got the first right, few the second
        assert not told["two"][5].any()


def test_outcomes_that_may_not_be_looked_at_tell_nothing() -> None:
    data = asked(True)
    few = np.array([True, False, True, True, True, True])
    outcomes = {name: one for name, part in data.sources.items() if (one := known(part, few))}
    assert twins(data, outcomes)["two"][3:, -1].tolist() == [1, 0, 0]
    assert known(data.sources["one"], np.arange(6) == 0) is None
