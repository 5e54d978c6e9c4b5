"""Ridge regression of many targets on a wide sparse matrix, through the rows: (XXᵀ + λ) α = Y."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PENALTY = 15.0  # λ; rows have about unit length. 10 to 20 do equally well
_DENSE = 2_500  # rows up to which the matrix of all pairs is made
_STEPS = 40  # of the iteration above that; the error is below 1e-3 then
_CLOSE = 1e-3


def ridge(
    rows: Any, targets: NDArray[np.float32], penalty: float = PENALTY
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means [target] and weights [column, target]: ``rows @ weights + means`` comes close to ``targets``.

    ``rows``: scipy csr. ``targets`` [row, target] without NaN.
    """
    means = targets.mean(0)
    centred = np.asarray(targets - means, dtype=np.float32)
    if rows.shape[0] <= _DENSE:
        pairs = (rows @ rows.T).toarray().astype(np.float64)
        pairs[np.diag_indices_from(pairs)] += penalty
        dual = np.linalg.solve(pairs, centred).astype(np.float32)
    else:
        dual = _conjugate(rows, centred, penalty)
    return means.astype(np.float32), np.asarray(rows.T @ dual, dtype=np.float32)


def _conjugate(rows: Any, wanted: NDArray[np.float32], penalty: float) -> NDArray[np.float32]:
    """Conjugate gradients, each target on its own, side by side."""
    across = rows.T.tocsr()
    found = np.zeros_like(wanted)
    left = wanted.copy()
    way = left.copy()
    size = (left**2).sum(0)
    first = np.maximum(size, 1e-12)
    for _ in range(_STEPS):
        moved = rows @ (across @ way) + penalty * way
        step = size / np.maximum((way * moved).sum(0), 1e-12)
        found += step * way
        left -= step * moved
        now = (left**2).sum(0)
        if (now / first).max() < _CLOSE**2:
            break
        way = left + (now / np.maximum(size, 1e-12)) * way
        size = now
    return found
