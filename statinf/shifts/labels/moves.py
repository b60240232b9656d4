"""How the rows of both samples move class shares and weights, and the covariances that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.inference.moments import Moments
from statinf.shifts.labels.problem import LabelProblem, LabelSolution
from statinf.shifts.means import stacked
from statinf.shifts.samples import Samples


def row_moments(samples: Samples, on_source: np.ndarray, on_target: np.ndarray, lost: int) -> Moments:
    """Rows of either sample (n, q) and (m, q) as scores with a bread of one; the target is a sample of its own.

    `lost` are the degrees of freedom that estimates take.
    """
    made, q = samples.design, on_source.shape[1]
    scores, outside = samples.on_source(on_source), samples.on_target(on_target)
    nobs, present = len(on_source), made.weights > 0
    return Moments(scores, np.eye(q), nobs, float(nobs - lost), outside=outside, present=present)


def spread_of(samples: Samples, on_source: np.ndarray, on_target: np.ndarray, kind: Any, lost: int) -> np.ndarray:
    """Covariance (q, q) of what rows of both samples move so, by clusters where `kind` names some."""
    return stacked(samples.design, row_moments(samples, on_source, on_target, lost), kind).matrix


@dataclass(frozen=True, repr=False)
class LabelMoves(Brief):
    """Influence of rows on the shares and on the weights.

    Shares that are cut at zero keep the influence that they have before: errors of zero would cover nothing.

    Attributes
    ----------
    problem : LabelProblem
    solution : LabelSolution
    shares : ndarray, shape (k,)
        As they are used: negative ones cut, the others scaled.
    """

    problem: LabelProblem
    solution: LabelSolution
    shares: np.ndarray

    @cached_property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Influence of the rows on the shares of the solution, shape (n, k) and (m, k)."""
        return self.solution.influence()

    @cached_property
    def _squares(self) -> tuple[np.ndarray, np.ndarray]:
        on_source, on_target = self.both
        return on_source.T @ on_source, on_target.T @ on_target

    @property
    def covariance(self) -> np.ndarray:
        """Of the shares before negative ones are cut, shape (k, k)."""
        return self._squares[0] + self._squares[1]

    @property
    def weights_errors(self) -> np.ndarray:
        """Standard errors of the weights with independent rows, shape (k,)."""
        p, q = self.problem.shares, self.shares
        own = self.problem.ws / self.problem.mass.sum()
        squared = np.bincount(self.problem.codes, own**2, minlength=len(p))
        # Sums over rows of the products of their influence on the solution, and of that on the source's shares.
        by_class = np.stack([np.bincount(self.problem.codes, own * c, minlength=len(p)) for c in self.both[0].T])
        crossed = by_class - np.multiply.outer(by_class.sum(axis=1), p)
        within = np.diag(squared) - np.multiply.outer(p, squared) - np.multiply.outer(squared, p)
        within += squared.sum() * np.multiply.outer(p, p)
        turn = q / p
        total = self.covariance + within * np.multiply.outer(turn, turn)
        both = crossed * turn
        return np.sqrt(np.maximum(np.diag(total - both - both.T), 0.0)) / p

    def weights_on_source(self) -> np.ndarray:
        """Influence of the source's rows on the weights, shape (n, k)."""
        p = self.problem.shares
        return (self.both[0] - self.problem.shares_influence * (self.shares / p)) / p

    def weights_on_target(self) -> np.ndarray:
        """Influence of the target's rows on the weights, shape (m, k)."""
        return self.both[1] / self.problem.shares
