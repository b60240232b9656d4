"""The jump at the cutoff with its bias correction and the influence of every row (Calonico, Cattaneo, Titiunik 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.effects.discontinuity.combining import Combined, combine, covariate_products, slopes
from statinf.effects.discontinuity.errors import ErrorRule, combined
from statinf.numerics.localpoly.side import LocalFit, Side, local_fit
from statinf.numerics.localpoly.variance import Clusters, corrected_equivalent


@dataclass(frozen=True, repr=False)
class Half(Brief):
    """Two polynomials on one side: that of the estimate and that of its bias, on the same rows."""

    small: LocalFit
    large: LocalFit

    def weights(self, deriv: int) -> np.ndarray:
        """Weights of the rows in the plain and in the corrected derivative, shape (n, 2)."""
        return np.column_stack([self.small.equivalent(deriv), corrected_equivalent(self.small, self.large, deriv)])


@dataclass(frozen=True, repr=False)
class Jump(Brief):
    """The effect at the cutoff.

    Attributes
    ----------
    halves : tuple of Half
        Left and right.
    deriv : int
    combined : Combined
        The plain effect.
    corrected : float
    sides : ndarray, shape (2, 2)
        Plain and corrected derivative of the combined outcome on the left and on the right.
    """

    halves: tuple[Half, Half]
    deriv: int
    combined: Combined
    corrected: float
    sides: np.ndarray

    def influence(self, rule: ErrorRule, combination: np.ndarray | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows of each side (n,) and their influence (n, 2) on the plain and the corrected effect.

        Parameters
        ----------
        rule : ErrorRule
        combination : ndarray, shape (m,), optional
            Of the outcomes; that of the effect by default.
        """
        s = self.combined.gradient if combination is None else combination
        found = []
        for sign, half in zip((-1.0, 1.0), self.halves, strict=True):
            small = combined(half.small, s)
            one = rule.residuals(small)
            # Neighbours know nothing of polynomials: the same residuals serve both.
            two = one if rule.kind == "nn" else rule.residuals(combined(half.large, s))
            found.append((half.small.side.index, sign * half.weights(self.deriv) * np.hstack([one, two])))
        return found

    def covariance(self, rule: ErrorRule, combination: np.ndarray | None = None) -> np.ndarray:
        """Of the plain and the corrected effect, shape (2, 2); sides are independent."""
        total = np.zeros((2, 2))
        for rows, scores in self.influence(rule, combination):
            if rule.clusters is not None:
                scores = Clusters.of(rule.clusters[rows]).sums(scores)
            total += scores.T @ scores
        return total


def jump_at(
    both: tuple[Side, Side],
    *,
    order: int,
    bias_order: int,
    deriv: int,
    h: tuple[float, float],
    b: tuple[float, float],
    kernel: str,
    fuzzy: bool,
) -> Jump:
    """The jump at zero with given bandwidths; outcomes of the sides are outcome, treatment if fuzzy, covariates."""
    halves = []
    for side, at, wide in zip(both, h, b, strict=True):
        window = side.kernel_window(max(at, wide), kernel)
        small = local_fit(side, order, at, kernel, window)
        large = small if (wide, bias_order) == (at, order) else local_fit(side, bias_order, wide, kernel, window)
        halves.append(Half(small, large))
    heads = 1 + fuzzy
    plain = np.stack([half.weights(deriv).T @ half.small.side.y for half in halves])
    if both[0].y.shape[1] > heads:
        gamma = slopes([covariate_products(half.small, heads) for half in halves])
    else:
        gamma = np.zeros((0, heads))
    jumps = plain[1] - plain[0]
    effect = combine(jumps[0], gamma, fuzzy)
    corrected = effect.value - float(effect.gradient @ (jumps[0] - jumps[1]))
    outcome = np.concatenate([np.eye(heads)[0], -gamma[:, 0]])
    return Jump((halves[0], halves[1]), deriv, effect, corrected, plain @ outcome)
