"""Comparisons of two means, each with its derivatives in both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Contrast = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _difference(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return hi - lo, np.ones_like(hi), -np.ones_like(lo)


def _ratio(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return hi / lo, 1.0 / lo, -hi / (lo * lo)


def _log_ratio(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.log(hi / lo), 1.0 / hi, -1.0 / lo


def _lift(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (hi - lo) / lo, 1.0 / lo, -hi / (lo * lo)


def _log_odds(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value = np.log(hi / (1.0 - hi)) - np.log(lo / (1.0 - lo))
    return value, 1.0 / (hi * (1.0 - hi)), -1.0 / (lo * (1.0 - lo))


def _odds_ratio(hi: np.ndarray, lo: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value, up, down = _log_odds(hi, lo)
    odds = np.exp(value)
    return odds, odds * up, odds * down


CONTRASTS: dict[str, Contrast] = {
    "difference": _difference,
    "ratio": _ratio,
    "log_ratio": _log_ratio,
    "lift": _lift,
    "log_odds": _log_odds,
    "odds_ratio": _odds_ratio,
}
"""Comparisons of two means, each with its derivatives in both."""
