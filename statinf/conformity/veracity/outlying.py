"""Which scores stand out from those of the rows that are left.

Scores of right rows are taken for absolute values of a normal variable whose scale is that of their median, so p-values
come from its tails, and the procedure of Benjamini and Hochberg flags rows; then the scale is taken anew from the others,
until nothing changes. Few rows of data without errors are flagged where outcomes have tails no heavier than the normal law.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from statinf.inference.discoveries import benjamini_hochberg

_ROUNDS = 20


def outlying(score: np.ndarray, fdr: float) -> np.ndarray:
    """Rows (n,) bool whose scores (n,) stand out at a false discovery rate."""
    flagged = np.zeros(len(score), bool)
    for _ in range(_ROUNDS):
        scale = float(np.median(score[~flagged])) / ndtri(0.75)
        if not scale > 0.0:
            return flagged
        found = benjamini_hochberg(2.0 * ndtr(-score / scale), fdr)
        if np.array_equal(found, flagged) or found.mean() > 0.5:
            return flagged
        flagged = found
    return flagged
