"""Triangular systems, by LAPACK itself.

SciPy's own function estimates the condition of every matrix beside, on as many threads as there are, which a matrix of five
columns waits for far longer than it is solved.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dtrtrs, strtrs


def solve_triangular(
    a: np.ndarray, b: np.ndarray, *, trans: str = "N", lower: bool = False, check_finite: bool = True
) -> np.ndarray:
    """Solve a x = b, or a' x = b, for a triangular matrix.

    Parameters
    ----------
    a : ndarray, shape (k, k)
        What lies on the other side of its diagonal is not read.
    b : ndarray, shape (k,) or (k, m)
    trans : {"N", "T"}
    lower : bool
    check_finite : bool
        Whether to look for values that are no numbers.

    Returns
    -------
    ndarray, shape of b

    Raises
    ------
    LinAlgError
        If an entry of the diagonal is zero.
    ValueError
        If a value is not finite.
    """
    if check_finite and not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("array must not contain infs or NaNs")
    if b.size == 0:
        return np.zeros(b.shape)
    single = a.dtype == np.float32 and b.dtype == np.float32
    flipped = trans == "T"
    if a.flags.c_contiguous and not a.flags.f_contiguous:
        # The transpose lies in memory as LAPACK wants it.
        a, lower, flipped = a.T, not lower, not flipped
    solved, info = (strtrs if single else dtrtrs)(a, b, lower=int(lower), trans=int(flipped))
    if info > 0:
        raise LinAlgError(f"singular matrix: entry {info - 1} of the diagonal is zero")
    return np.asarray(solved)
