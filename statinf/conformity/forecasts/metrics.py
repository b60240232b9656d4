"""How good probabilities of 0/1 outcomes are."""

from __future__ import annotations

import numpy as np

from statinf.conformity.forecasts.calibeating import bin_of

METRICS = ("ece", "sharpness", "log_loss", "brier")


def reliability(p: np.ndarray, y: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, sums of probabilities and sums of outcomes by bin, shape (bins,) each."""
    own = bin_of(p, bins)
    return tuple(np.bincount(own, weights=v, minlength=bins) for v in (np.ones(len(p)), p, y))  # type: ignore[return-value]


def score(p: np.ndarray, y: np.ndarray, bins: int, clip: float) -> dict[str, float]:
    """Expected calibration error and sharpness over bins of equal width, log-loss and Brier score.

    Parameters
    ----------
    p, y : ndarray, shape (n,)
    bins : int
    clip : float
        Probabilities are kept this far from 0 and 1 in the log-loss.
    """
    if not len(p):
        return dict.fromkeys(METRICS, np.nan)
    counts, said, ones = reliability(p, y, bins)
    inside = np.clip(p, clip, 1.0 - clip)
    return {
        "ece": float(np.abs(said - ones).sum() / len(p)),
        "sharpness": float((ones**2 / np.maximum(counts, 1.0)).sum() / len(p)),
        "log_loss": float(-np.where(y > 0.5, np.log(inside), np.log1p(-inside)).mean()),
        "brier": float(((p - y) ** 2).mean()),
    }
