"""The parametric multiply robust estimator of the average effect with a possibly invalid instrument.

Sun, Cui and Tchetgen Tchetgen (2022), "Selective machine learning of the average treatment effect with an invalid instrumental
variable", JMLR 23, arXiv 1907.11882. With f the instrument's probability, pi the treatment's, beta(X) the effect, theta the mean
of Y - beta A, kappa the covariance of confounding and D = pi_1 (1 - pi_1) - pi_0 (1 - pi_0), the average of
``beta + (2Z - 1) / (f D) [(A - pi) (Y - beta A - theta) - kappa]`` is right if f and pi are, or beta, kappa and pi, or beta, kappa
and theta, or f, beta and theta. Given f and pi, the equations of linear beta and theta and constant kappa are one linear system.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.effects.invalid.nuisances import logit_coefficients, probability, treatment_by_arm
from statinf.effects.invalid.rows import InvalidRows
from statinf.errors import NotIdentifiedError


@dataclass(frozen=True, repr=False)
class Average(Brief):
    """An average effect in standard units.

    Attributes
    ----------
    delta : float
    influence : ndarray, shape (n,)
        Of each row, weight included.
    phi, beta, d, f : ndarray, shape (n,)
    kappa : float
    """

    delta: float
    influence: np.ndarray
    phi: np.ndarray
    beta: np.ndarray
    d: np.ndarray
    f: np.ndarray
    kappa: float


@dataclass(frozen=True)
class _RobustEquations:
    """Stacked equations of all nuisances and the average: blocks of columns, each times a residual of linear predictors."""

    rows: InvalidRows
    b: np.ndarray
    t: np.ndarray
    still: tuple[float | None, float | None]

    @cached_property
    def columns(self) -> list[np.ndarray]:
        """Columns of each predictor, and of the equation that belongs to it: f, pi_0, pi_1, beta, theta, kappa, the average.

        A probability that is known has no columns.
        """
        x, none, ones = self.rows.x, self.rows.x[:, :0], np.ones((len(self.rows.a), 1))
        by_arm = [x if value is None else none for value in self.still]
        return [x, *by_arm, self.b, self.t, ones, ones]

    def predictors(self, eta: np.ndarray) -> list[np.ndarray]:
        """The seven linear predictors, shape (n,) each."""
        parts = np.split(eta, np.cumsum([c.shape[1] for c in self.columns])[:-1])
        return [columns @ part for columns, part in zip(self.columns, parts, strict=True)]

    def probabilities(self, predictors: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """f, pi_0 and pi_1."""
        f, *pi = (1.0 / (1.0 + np.exp(-p)) for p in predictors[:3])
        pi = [p if v is None else np.full(len(f), v) for p, v in zip(pi, self.still, strict=True)]
        return f, pi[0], pi[1]

    def residuals(self, predictors: list[np.ndarray]) -> list[np.ndarray]:
        """The residual of each equation, row by row; predictors may be complex, for derivatives without rounding."""
        y, a, z = self.rows.y, self.rows.a, self.rows.z[:, 0]
        f, pi0, pi1 = self.probabilities(predictors)
        beta, theta, kappa, delta = predictors[3:]
        left = y - a * beta - theta
        inner = (a - np.where(z == 1.0, pi1, pi0)) * left - kappa
        ratio = (2.0 * z - 1.0) / np.where(z == 1.0, f, 1.0 - f)
        phi = beta + ratio / (pi1 * (1.0 - pi1) - pi0 * (1.0 - pi0)) * inner
        by_arm = [(z == 0.0) * (a - pi0), (z == 1.0) * (a - pi1)]
        return [z - f, *by_arm, ratio * inner, left, inner, phi - delta]

    def jacobian(self, predictors: list[np.ndarray]) -> np.ndarray:
        """Derivatives of the weighted sums of the estimating functions by the parameters."""
        across = []
        for k, columns in enumerate(self.columns):
            if not columns.shape[1]:
                continue
            moved = [p + 1e-30j if j == k else p for j, p in enumerate(predictors)]
            slopes = [self.rows.w * np.imag(r) / 1e-30 for r in self.residuals(moved)]
            # Most equations do not know most predictors.
            blocks = [
                own.T @ (columns * slope[:, None]) if slope.any() else np.zeros((own.shape[1], columns.shape[1]))
                for own, slope in zip(self.columns, slopes, strict=True)
            ]
            across.append(np.vstack(blocks))
        return np.hstack(across)

    def combined(self, predictors: list[np.ndarray], row: np.ndarray) -> np.ndarray:
        """A combination (q,) of each row's estimating functions, weights included, shape (n,)."""
        parts = np.split(row, np.cumsum([c.shape[1] for c in self.columns])[:-1])
        found = zip(self.columns, self.residuals(predictors), parts, strict=True)
        return self.rows.w * sum((columns @ part) * residual for columns, residual, part in found)


def multiply_robust(rows: InvalidRows) -> Average:
    """The average effect with its influence values, all nuisances stacked.

    Raises
    ------
    NotIdentifiedError
        If variances of the treatment agree at both values of the instrument somewhere, or the equations are singular.
    """
    x, z, w = rows.x, rows.z[:, 0], rows.w
    coefs = treatment_by_arm(rows)
    pi = [probability(rows, coef, bool(arm)) for arm, coef in enumerate(coefs)]
    still = tuple(None if c is not None else float(p[0]) for c, p in zip(coefs, pi, strict=True))
    gf = logit_coefficients(x, z, w, f"the instrument '{rows.names[0]}'")
    b, t = x, np.column_stack([x, x * z[:, None]])
    made = _RobustEquations(rows, b, t, (still[0], still[1]))
    d = pi[1] * (1.0 - pi[1]) - pi[0] * (1.0 - pi[0])
    check_difference(d[w > 0])
    eta = np.concatenate(
        [gf, *(c for c in coefs if c is not None), _solved(made, gf, np.where(z == 1.0, pi[1], pi[0])), [0.0]]
    )
    predictors = made.predictors(eta)
    phi = made.residuals(predictors)[-1]
    delta = float(w @ phi / w.sum())
    predictors[-1] = np.full(len(z), delta)
    jacobian = made.jacobian(predictors)
    try:
        row = -np.linalg.solve(jacobian.T, np.eye(len(eta))[-1])
    except np.linalg.LinAlgError:
        raise NotIdentifiedError(
            "the equations of the effect are singular: covariates determine each other, or leave nothing within a value of the "
            "instrument; use fewer."
        ) from None
    f = made.probabilities(predictors)[0]
    return Average(delta, made.combined(predictors, row), phi, predictors[3], d, f, float(predictors[5][0]))


def _solved(made: _RobustEquations, gf: np.ndarray, pi: np.ndarray) -> np.ndarray:
    """Effect, mean and covariance from their linear system, given coefficients of f and the probability of treatment."""
    rows, b, t = made.rows, made.b, made.t
    z, r, v = rows.z[:, 0], rows.a - pi, rows.w
    f = 1.0 / (1.0 + np.exp(-rows.x @ gf))
    ratio = (2.0 * z - 1.0) / np.where(z == 1.0, f, 1.0 - f)
    unknown = np.column_stack([b * rows.a[:, None], t, np.zeros(len(z))])
    inner = np.column_stack([b * (r * rows.a)[:, None], t * r[:, None], np.ones(len(z))])
    left = np.vstack([(b * (v * ratio)[:, None]).T @ inner, (t * v[:, None]).T @ unknown, (v @ inner)[None]])
    right = np.concatenate([b.T @ (v * ratio * r * rows.y), t.T @ (v * rows.y), [v @ (r * rows.y)]])
    return np.linalg.lstsq(left, right, rcond=1e-13)[0]


def check_difference(d: np.ndarray) -> None:
    """Refuse variances that agree at both values of the instrument.

    Parameters
    ----------
    d : ndarray, shape (n,)
        Difference of the treatment's variances.
    """
    if np.abs(d).min() < 1e-3:
        raise NotIdentifiedError(
            f"the treatment varies as much at both values of the instrument in {int((np.abs(d) < 1e-3).sum())} rows: the effect "
            "is not identified there. Use estimator='genius', which averages over covariates, or another instrument."
        )
