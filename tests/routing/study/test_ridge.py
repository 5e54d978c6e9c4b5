"""Ridge regression, against the closed form."""

import numpy as np
import pytest
from scipy import sparse

from tokenworks.routing.study import ridge as fitting
from tokenworks.routing.study.ridge import ridge


@pytest.mark.parametrize("dense", [1000, 0])  # 0: by conjugate gradients
def test_it_is_the_closed_form(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_DENSE", dense)
    chance = np.random.default_rng(0)
    rows = sparse.random(60, 30, 0.3, format="csr", dtype=np.float32, rng=chance)
    targets = chance.random((60, 3)).astype(np.float32)
    means, weights = ridge(rows, targets, penalty=2.0)
    full = rows.toarray().astype(float)
    wanted = np.linalg.solve(full.T @ full + 2.0 * np.eye(30), full.T @ (targets - targets.mean(0)))
    assert means == pytest.approx(targets.mean(0), abs=1e-6)
    assert weights == pytest.approx(wanted, abs=2e-3)
