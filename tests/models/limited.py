"""The sample behind the reference numbers of categories and limits, and how they are compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parents[1] / "reference" / "limited"
DATA = pd.read_csv(HERE / "limited.csv")
R = json.loads((HERE / "r_numbers.json").read_text())
STATSMODELS = json.loads((HERE / "statsmodels_numbers.json").read_text())
SEARCHED = 3e-6
"""nnet and polr search by BFGS, which leaves half of the digits of the likelihood's in the estimates."""
SOLVED = 1e-8


def close(ours, theirs, rtol=SOLVED):
    theirs = np.asarray(theirs, float)
    np.testing.assert_allclose(np.asarray(ours, float), theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


def covariances_close(ours, theirs, rtol=SOLVED):
    theirs = np.asarray(theirs, float)
    scale = np.sqrt(np.diag(theirs))
    np.testing.assert_allclose(ours / np.outer(scale, scale), theirs / np.outer(scale, scale), atol=rtol)


def scores_by_differences(loglik, theta, step=1e-5):
    """Derivatives of rows' log-likelihoods (n,) in theta (q,), shape (n, q), by central differences."""
    moves = np.eye(len(theta)) * step
    return np.column_stack([(loglik(theta + m) - loglik(theta - m)) / (2 * step) for m in moves])
