"""Nuisances of a dose-response curve: the outcome by dose and covariates, and the dose's conditional density.

The dose is its mean given the covariates plus its standard deviation given them times an error whose law is that of the
residuals, smoothed. Averages over covariates at a given dose are kept on a grid of doses and interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import map_threads
from statinf.brief import Brief
from statinf.effects.overlap import count_clipped
from statinf.effects.rows import EffectRows
from statinf.errors import NotIdentifiedError
from statinf.learners.base import predict_along
from statinf.learners.nuisance import over_mean
from statinf.numerics.rowwise.gauss_sums import PAY_FROM, Boxes

_GRID = 60
_LAW = 400
_PARALLEL_FROM = 20_000
_LEAST = 0.05
"""Conditional variances are at least this share of the residual variance."""


@dataclass(frozen=True, repr=False)
class DoseNuisances(Brief):
    """What is predicted of every row by fits that did not see it.

    Attributes
    ----------
    own : ndarray, shape (n,)
        Outcome at the row's own dose and covariates.
    ratio : ndarray, shape (n,)
        Marginal over conditional density of its dose.
    pseudo : ndarray, shape (n,)
        Outcomes whose regression on the dose is the curve.
    grid, mass : ndarray, shape (g,)
        Doses, and their marginal density times the step between them.
    by_dose : ndarray, shape (n, g)
        Outcome of each row's covariates at the doses of the grid.
    mean : ndarray, shape (g,)
        Their average over rows.
    moved : int
        Rows whose density was raised.
    """

    own: np.ndarray
    ratio: np.ndarray
    pseudo: np.ndarray
    grid: np.ndarray
    mass: np.ndarray
    by_dose: np.ndarray
    mean: np.ndarray
    moved: int


def dose_nuisances(
    rows: EffectRows, outcome: Any, treatment: Any, folds: np.ndarray | None, seed: int, clip: float
) -> DoseNuisances:
    """Learn the nuisances fold by fold.

    Parameters
    ----------
    rows : EffectRows
    outcome, treatment : Learner
        Of the outcome from dose and covariates; of the dose's mean and of its squared residuals.
    folds : ndarray of int, shape (n,), or None
    seed : int
    clip : float
        Smallest ratio of conditional and marginal density.
    """
    used = rows.w > 0
    # Around the middle of the doses, in their spread: where they stand costs no digits.
    middle = float(np.average(rows.d, weights=rows.w))
    spread = float(np.sqrt(np.average((rows.d - middle) ** 2, weights=rows.w)))
    d = (rows.d - middle) / spread
    grid = np.linspace(d[used].min(), d[used].max(), _GRID)
    n, w = len(d), over_mean(rows.w)
    own, density = np.empty(n), np.empty(n)
    by_dose, densities = np.empty((n, _GRID)), np.empty((n, _GRID))

    def learn(f: int) -> None:
        here = np.flatnonzero(np.ones(n, bool) if folds is None else folds == f)
        train = used if folds is None else used & (folds != f)
        law = _DoseErrors.fit(treatment, rows.x[train], d[train], w[train], seed)
        mu = outcome.fit(np.column_stack([d[train], rows.x[train]]), rows.y[train], w[train], seed=seed)
        x = rows.x[here]
        own[here] = mu.predict(np.column_stack([d[here], x]))
        mean, sd = law.moments(x)
        density[here] = law.density((d[here] - mean) / sd) / sd
        by_dose[here] = predict_along(mu, np.column_stack([d[here], x]), 0, grid)
        densities[here] = law.density((grid - mean[:, None]) / sd[:, None]) / sd[:, None]

    map_threads(learn, range(1 if folds is None else int(folds.max()) + 1), parallel=n > _PARALLEL_FROM)
    average, marginal = (np.average(v, axis=0, weights=rows.w) for v in (by_dose, densities))
    top = np.interp(d, grid, marginal)
    low = (density < clip * top) & used
    moved = count_clipped(
        low, rows.design.rows, rows.w, f"a dose whose density given the covariates is below {clip:g} of the marginal"
    )
    ratio = top / np.maximum(np.maximum(density, clip * top), np.finfo(float).tiny)
    pseudo = (rows.y - own) * ratio + np.interp(d, grid, average)
    step = np.gradient(grid)
    return DoseNuisances(own, ratio, pseudo, middle + spread * grid, marginal * step, by_dose, average, moved)


@dataclass(frozen=True)
class _DoseErrors:
    """Mean and variance of a dose given covariates, and the law of its standardised residuals on a grid."""

    mean: Any
    variance: Any
    least: float
    at: np.ndarray
    height: np.ndarray

    @classmethod
    def fit(cls, learner: Any, x: np.ndarray, d: np.ndarray, w: np.ndarray, seed: int) -> _DoseErrors:
        mean = learner.fit(x, d, w, seed=seed)
        square = (d - mean.predict(x)) ** 2
        total = float(np.average(square, weights=w))
        if total <= 1e-12:
            raise NotIdentifiedError("the covariates explain the dose completely; nothing of it is left to compare.")
        variance = learner.fit(x, square, w, seed=seed)
        least = _LEAST * total
        error = (d - mean.predict(x)) / np.sqrt(np.maximum(variance.predict(x), least))
        centre = float(np.average(error, weights=w))
        deviation = float(np.sqrt(np.average((error - centre) ** 2, weights=w)))
        mass = w / w.sum()
        # Silverman's rule for a normal kernel, by the effective number of rows.
        h = 1.06 * deviation * (mass @ mass) ** 0.2
        at = np.linspace(error.min() - 4.0 * h, error.max() + 4.0 * h, _LAW)
        if len(error) < PAY_FROM:
            height = mass @ np.exp(-0.5 * ((at - error[:, None]) / h) ** 2)
        else:
            height = np.maximum(Boxes.of(error, mass[:, None], h).sums(at, h)[0, 0], 0.0)
        return cls(mean, variance, least, at, height / (h * np.sqrt(2.0 * np.pi)))

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at covariates (n, p)."""
        return self.mean.predict(x), np.sqrt(np.maximum(self.variance.predict(x), self.least))

    def density(self, error: np.ndarray) -> np.ndarray:
        """Of standardised residuals; zero outside of those seen, with some room."""
        return np.interp(error, self.at, self.height, left=0.0, right=0.0)
