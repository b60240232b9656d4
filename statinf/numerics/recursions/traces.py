"""Eligibility traces of temporal-difference learning."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import kernel


@kernel
def _traces(trace: Any, features: Any, decay: Any, ratio: Any) -> Any:
    from jax import lax

    def step(trace: Any, row: Any) -> Any:
        trace = row[2] * (row[1] * trace + row[0])
        return trace, trace

    return lax.scan(step, trace, (features, decay, ratio))[1]


def eligibility(
    features: np.ndarray,
    fresh: np.ndarray,
    decay: float,
    ratio: np.ndarray | None = None,
    trace: np.ndarray | None = None,
) -> np.ndarray:
    """Traces e_k = rho_k (decay e_{k-1} + phi_k), started anew with each episode.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    fresh : bool ndarray, shape (n,)
        Rows that begin an episode.
    decay : float
        Discount times lambda.
    ratio : ndarray, shape (n,), optional
        Importance ratios rho of the target policy to the behaviour policy.
    trace : ndarray, shape (d,), optional
        The trace before the first row.

    Returns
    -------
    ndarray, shape (n, d)
    """
    n, d = features.shape
    ratio = np.ones(n) if ratio is None else ratio
    if decay == 0.0:
        return features * ratio[:, None]
    # Padding to a power of two keeps the number of compiled shapes small for any block length.
    size = max(1024, 1 << max(n - 1, 0).bit_length())
    from statinf.backend import pad_axis

    decays = pad_axis(np.where(fresh, 0.0, decay), size)
    start = np.zeros(d) if trace is None else trace
    return _traces(start, pad_axis(features, size), decays, pad_axis(ratio, size))[:n]
