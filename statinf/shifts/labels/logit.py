"""The multinomial logit as a stage of a stacked system: coefficients with influence values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.errors import silent_warnings
from statinf.learners.cells import standardise
from statinf.learners.multinomial import FALLBACK, Multinomial, contrasts


@dataclass(frozen=True, repr=False)
class StackedLogit(Brief):
    """A multinomial logit on rows of known classes.

    Attributes
    ----------
    z, other : ndarray, shape (n, p + 1) and (m, p + 1)
        The fitted and further rows, a constant before standardised columns.
    codes : ndarray of int, shape (n,)
    w : ndarray, shape (n,)
    basis : ndarray, shape (k, k - 1)
        From coefficients of contrasts to those of classes, which sum to zero.
    chance : ndarray, shape (n, k)
        Fitted probabilities.
    ridge : ndarray, shape (p + 1,)
    """

    z: np.ndarray
    other: np.ndarray
    codes: np.ndarray
    w: np.ndarray
    basis: np.ndarray
    chance: np.ndarray
    ridge: np.ndarray

    @classmethod
    def fit(
        cls, learner: Multinomial, x: np.ndarray, codes: np.ndarray, w: np.ndarray, other: np.ndarray
    ) -> StackedLogit:
        """The logit of rows x (n, p) of classes 0 to k - 1, all of which occur, with further rows `other` (m, p)."""
        with silent_warnings():  # what there is to say the fits by folds have said
            fitted = learner.fit(x, codes.astype(np.float64), w)
        made = standardise(x, w)
        k = len(fitted.classes_)
        further = np.ones((len(other), x.shape[1] + 1))
        further[:, 1:] = (other - made.centre) / made.scale
        found = cls(made.z, further, codes, w, contrasts(k), fitted.predict_proba(x), learner.ridge(made, k))
        if learner.penalty == 0.0 and found.separated:
            return replace(found, ridge=np.append(0.0, np.full(x.shape[1], FALLBACK)))
        return found

    @property
    def separated(self) -> bool:
        """Whether the coefficients do not solve the likelihood's equations: a ridge penalty stands in where these have no root."""
        rest = self.basis[self.codes] - self.chance @ self.basis
        summed = np.abs((rest * self.w[:, None]).T @ self.z).max()
        return bool(summed > 1e-6 * np.sqrt(self.w.sum()))

    @cached_property
    def information(self) -> np.ndarray:
        """Information of the coefficients, contrast by contrast, shape ((k - 1)(p + 1),) twice."""
        count, p = self.basis.shape[1], self.z.shape[1]
        mean = self.chance @ self.basis
        out = np.empty((count, p, count, p))
        for a in range(count):
            for b in range(a, count):
                spread = self.chance @ (self.basis[:, a] * self.basis[:, b]) - mean[:, a] * mean[:, b]
                block = self.z.T @ (self.z * (self.w * spread)[:, None])
                out[a, :, b, :], out[b, :, a, :] = block, block.T
        return out.reshape(count * p, count * p) + np.diag(np.tile(self.ridge, count))

    def pushed(self, slope: np.ndarray) -> np.ndarray:
        """Influence of the fitted rows on what moves with the coefficients by `slope` (q, (k - 1)(p + 1)), shape (n, q)."""
        # Columns that repeat others share their effect, as in the fit.
        solved = np.linalg.lstsq(self.information, slope.T, rcond=1e-11)[0]
        count, p = self.basis.shape[1], self.z.shape[1]
        left = -self.chance @ self.basis
        left += self.basis[self.codes]
        left *= self.w[:, None]
        out = np.zeros((len(self.z), len(slope)))
        for a in range(count):
            out += left[:, a : a + 1] * (self.z @ solved[a * p : (a + 1) * p])
        return out

    def slope_of(self, by_class: np.ndarray, *, other: bool = False) -> np.ndarray:
        """Slope in the coefficients of a sum over rows whose slope in the log odds of a row's classes is known.

        Parameters
        ----------
        by_class : ndarray, shape (rows, k)
            Slope of the sum in each row's log odds.
        other : bool
            Whether the rows are the further ones.

        Returns
        -------
        ndarray, shape ((k - 1)(p + 1),)
        """
        z = self.other if other else self.z
        return ((by_class @ self.basis).T @ z).ravel()
