"""The penalty that noise alone would need (Belloni and Chernozhukov 2011): free of unknowns, because ranks are uniform."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import generator

DRAWS = 1000
MARGIN, RISK = 1.1, 0.1
"""What the quantile of the noise is multiplied by, and the share of samples in which noise is larger than the quantile."""

_BYTES = 2**26


def pivotal_penalties(
    w: np.ndarray, tau: np.ndarray, size: Callable[[np.ndarray], np.ndarray], seed: int
) -> np.ndarray:
    """Penalties of all rows at each level.

    Parameters
    ----------
    w : ndarray, shape (n,)
    tau : ndarray, shape (k,)
    size : callable
        From mean subgradients, a matrix product of row values (R, n), to the penalties (R,) that they need.
    seed : int

    Returns
    -------
    ndarray, shape (k,)
    """
    random, n = generator(seed, 17), len(w)
    needed = []
    block = max(1, int(_BYTES // (8 * n)))
    for at in range(0, DRAWS, block):
        ranks = random.random((min(block, DRAWS - at), n))
        needed.append(np.stack([size((t - (ranks < t)) * (w / w.sum())) for t in tau], axis=1))
    return MARGIN * np.quantile(np.concatenate(needed), 1.0 - RISK, axis=0)
