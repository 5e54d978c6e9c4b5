"""A vector of 64 numbers says what the wide heads said."""

import numpy as np
import pytest

from tokenworks.routing.learned import WIDTH
from tokenworks.routing.study.compress import basis, taught
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features, scaling
from tokenworks.routing.study.teacher import fit_all, recognition


def test_heads_on_the_vector_repeat_the_wide_ones(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    used = np.arange(len(data.texts)) % 4 != 0
    scaled = scaling(found, np.flatnonzero(used))
    made = fit_all(data, dict.fromkeys(data.sources, used), used, found, scaled, lambda *_: None)
    area = np.where(used, [int(source == "sailing") for source in data.source_of], -1).astype(np.int32)
    small = basis(made, recognition(area, 2, found, scaled, 0), found, scaled, 0)
    wide = scaled.apply(found, made[0].prompts)
    vectors = small.vectors(wide)
    assert vectors.shape[1] == WIDTH
    assert np.linalg.norm(vectors, axis=1).max() <= 1 + 1e-5
    means, heads = taught(made[0], vectors, made[0].predict(wide))
    unseen = scaled.apply(found, np.array([p for p in data.sources["cooking"].prompts if not used[p]]))
    said = made[0].means + made[0].predict(unseen)
    repeated = means + small.vectors(unseen) @ heads.T
    assert np.abs(said - repeated).max() < 0.05
    assert np.corrcoef(said.ravel(), repeated.ravel())[0, 1] == pytest.approx(1, abs=0.02)
