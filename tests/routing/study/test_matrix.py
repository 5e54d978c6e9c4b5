"""Features of many prompts."""

import numpy as np
import pytest

from tokenworks.routing.features import BUCKETS, buckets
from tokenworks.routing.learned import CLIP, SHAPE_WEIGHT
from tokenworks.routing.shapes import NAMES
from tokenworks.routing.study.data import Data
from tokenworks.routing.study.matrix import Features, beside, scaling


def test_rows_are_what_one_text_gives(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    where, how = buckets(data.texts[7])
    row = found.counts[7]
    assert row.indices.tolist() == where.tolist()
    assert row.data == pytest.approx(how)


def test_scaled_rows_have_unit_words_and_standard_shapes(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    rows = np.arange(len(data.texts))
    wide = scaling(found, rows).apply(found, rows)
    assert wide.shape == (len(rows), BUCKETS + len(NAMES))
    words = wide[:, :BUCKETS]
    assert np.sqrt(words.multiply(words).sum(1)) == pytest.approx(1, abs=1e-4)
    assert np.abs(wide[:, BUCKETS:]).max() <= CLIP * SHAPE_WEIGHT + 1e-6


def test_what_was_seen_once_counts_nothing(recorded: tuple[Data, Features]) -> None:
    data, found = recorded
    idf = scaling(found, np.arange(len(data.texts))).idf
    seen = np.asarray((found.counts > 0).sum(0)).ravel()
    assert (idf[seen < 2] == 0).all() and (idf[seen > 1] >= 1).all()


def test_beside_puts_columns_side_by_side(recorded: tuple[Data, Features]) -> None:
    _, found = recorded
    both = beside(found.counts[:2], np.array([[1.0], [2.0]]))
    assert both.shape == (2, BUCKETS + 1) and both[1, BUCKETS] == 2
