"""Choice among candidate learners by how little the estimate moves when the others change.

Cui and Tchetgen Tchetgen (2024), "Selective machine learning of doubly robust functionals", Biometrika 111, arXiv 1911.02029. If
one learner is right, a doubly robust estimate does not depend on which learner stands for the other nuisance: the pseudo-risk
of a candidate is the largest change over all choices of the others. How well candidates predict has no say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LearnerChoice:
    """What was chosen among estimates by candidates.

    Attributes
    ----------
    chosen : tuple of int
        Position of the chosen candidate of each block.
    risks : tuple of ndarray
        Pseudo-risk of every candidate, a vector per block.
    near : tuple of ndarray of bool
        Candidates whose pseudo-risk is within a margin of the least.
    """

    chosen: tuple[int, ...]
    risks: tuple[np.ndarray, ...]
    near: tuple[np.ndarray, ...]

    def kept(self, shape: tuple[int, ...]) -> np.ndarray:
        """Combinations of near-minimisers, booleans of `shape`."""
        out = np.ones(shape, dtype=bool)
        for axis, inside in enumerate(self.near):
            out &= inside.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        return out


def mixed_minimax(estimates: np.ndarray, margin: float = 0.0) -> LearnerChoice:
    """For each block the candidate with the least largest change over all choices of the other blocks.

    Parameters
    ----------
    estimates : ndarray, shape (K1, ..., KB)
        By every combination of candidates, one axis per block.
    margin : float
        Pseudo-risks that differ by no more from the least count as near.
    """
    risks = []
    for axis in range(estimates.ndim):
        by_candidate = np.moveaxis(estimates, axis, 0).reshape(estimates.shape[axis], -1)
        risks.append(np.ptp(by_candidate, axis=1))
    chosen = tuple(int(np.argmin(r)) for r in risks)
    return LearnerChoice(chosen, tuple(risks), tuple(r <= r.min() + margin for r in risks))


def minimax(estimates: np.ndarray, margin: float = 0.0) -> LearnerChoice:
    """The combination with the least largest change when one block's candidate is replaced.

    Parameters
    ----------
    estimates, margin
        As in `mixed_minimax`.
    """
    worst = np.zeros(estimates.shape)
    for axis in range(estimates.ndim):
        high, low = estimates.max(axis=axis, keepdims=True), estimates.min(axis=axis, keepdims=True)
        worst = np.maximum(worst, np.maximum(high - estimates, estimates - low))
    chosen = tuple(int(k) for k in np.unravel_index(np.argmin(worst), worst.shape))
    risks = []
    for axis in range(estimates.ndim):
        others = tuple(k for k in range(estimates.ndim) if k != axis)
        risks.append(worst.min(axis=others))
    return LearnerChoice(chosen, tuple(risks), tuple(r <= r.min() + margin for r in risks))


RULES = {"mixed-minimax": mixed_minimax, "minimax": minimax}
