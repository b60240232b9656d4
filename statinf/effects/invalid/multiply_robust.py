"""The parametric multiply robust estimator of the average effect with a possibly invalid instrument.

Sun, Cui and Tchetgen Tchetgen (2022), "Selective machine learning of the average treatment effect with an invalid instrumental
variable", JMLR 23, arXiv 1907.11882. With f the instrument's probability, pi the treatment's, beta(X) the effect, theta the mean
of Y - beta A, kappa the covariance of confounding and D = pi_1 (1 - pi_1) - pi_0 (1 - pi_0), the average of
``beta + (2Z - 1) / (f D) [(A - pi) (Y - beta A - theta) - kappa]`` is right if f and pi are, or beta, kappa and pi, or beta, kappa
and theta, or f, beta and theta. Given f and pi, the equations of linear beta and theta and constant kappa are one linear system.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """Stacked equations of all nuisances and the average; parameters may be complex, for exact derivatives."""

    rows: InvalidRows
    b: np.ndarray
    t: np.ndarray
    still: tuple[float | None, float | None]
    sizes: tuple[int, ...]

    def parts(self, eta: np.ndarray) -> list[np.ndarray]:
        return np.split(eta, np.cumsum(self.sizes)[:-1])

    def probabilities(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        gf, g0, g1 = self.parts(eta)[:3]
        f = 1.0 / (1.0 + np.exp(-self.rows.x @ gf))
        pi = [
            1.0 / (1.0 + np.exp(-self.rows.x @ g)) if v is None else np.full(len(f), v) + 0.0 * f
            for g, v in zip((g0, g1), self.still, strict=True)
        ]
        return f, pi[0], pi[1]

    def factors(self, eta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Estimating functions as columns (n, k) times a residual (n,) each, weights left out."""
        rows, x, a, ones = self.rows, self.rows.x, self.rows.a, np.ones((len(self.rows.a), 1))
        c, t, k, delta = self.parts(eta)[3:]
        z = rows.z[:, 0]
        f, pi0, pi1 = self.probabilities(eta)
        beta = self.b @ c
        left = rows.y - a * beta - self.t @ t
        inner = (a - np.where(z == 1.0, pi1, pi0)) * left - k[0]
        ratio = (2.0 * z - 1.0) / np.where(z == 1.0, f, 1.0 - f)
        phi = beta + ratio / (pi1 * (1.0 - pi1) - pi0 * (1.0 - pi0)) * inner
        found = [(x, z - f)]
        for value, arm, chance in ((self.still[0], z == 0.0, pi0), (self.still[1], z == 1.0, pi1)):
            if value is None:
                found.append((x, arm * (a - chance)))
        return [*found, (self.b, ratio * inner), (self.t, left), (ones, inner), (ones, phi - delta[0])]

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """Estimating functions of each row, shape (n, q)."""
        return np.concatenate([columns * residual[:, None] for columns, residual in self.factors(eta)], axis=1)

    def jacobian(self, eta: np.ndarray) -> np.ndarray:
        """Derivatives of the weighted sums, by a step along the imaginary axis, which rounds nothing away."""
        out = np.empty((len(eta), len(eta)))
        for j in range(len(eta)):
            moved = eta.astype(np.complex128)
            moved[j] += 1e-30j
            slopes = [columns.T @ (self.rows.w * np.imag(residual)) for columns, residual in self.factors(moved)]
            out[:, j] = np.concatenate(slopes) / 1e-30
        return out


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
    sizes = (len(gf), *(0 if c is None else len(c) for c in coefs), b.shape[1], t.shape[1], 1, 1)
    made = _RobustEquations(rows, b, t, (still[0], still[1]), sizes)
    start = np.concatenate([gf, *(c for c in coefs if c is not None), np.zeros(b.shape[1] + t.shape[1] + 2)])
    f, pi0, pi1 = made.probabilities(start)
    d = pi1 * (1.0 - pi1) - pi0 * (1.0 - pi0)
    check_difference(d[w > 0])
    eta = _solved(made, start, f, np.where(z == 1.0, pi1, pi0))
    c, _, k, _ = made.parts(eta)[3:]
    scores = made.scores(eta)
    phi = scores[:, -1]
    delta = float(w @ phi / w.sum())
    eta[-1] = delta
    scores[:, -1] -= delta
    jacobian = made.jacobian(eta)
    try:
        row = -np.linalg.solve(jacobian.T, np.eye(len(eta))[-1])
    except np.linalg.LinAlgError:
        raise NotIdentifiedError(
            "the equations of the effect are singular: covariates determine each other, or leave nothing within a value of the "
            "instrument; use fewer."
        ) from None
    return Average(delta, (scores * w[:, None]) @ row, phi, b @ c, d, f, float(k[0]))


def _solved(made: _RobustEquations, start: np.ndarray, f: np.ndarray, pi: np.ndarray) -> np.ndarray:
    """The linear system of effect, mean and covariance given the probabilities, shape (q,); the average is left at zero."""
    rows, b, t = made.rows, made.b, made.t
    z, r, n = rows.z[:, 0], rows.a - pi, len(rows.a)
    ratio = (2.0 * z - 1.0) / np.where(z == 1.0, f, 1.0 - f)
    unknown = np.column_stack([b * rows.a[:, None], t, np.zeros(n)])
    inner = np.column_stack([b * (r * rows.a)[:, None], t * r[:, None], np.ones(n)])
    v = rows.w
    left = np.vstack([(b * (v * ratio)[:, None]).T @ inner, (t * v[:, None]).T @ unknown, (v @ inner)[None]])
    right = np.concatenate([b.T @ (v * ratio * r * rows.y), t.T @ (v * rows.y), [v @ (r * rows.y)]])
    found = np.linalg.lstsq(left, right, rcond=1e-13)[0]
    return np.concatenate([start[: len(start) - len(found) - 1], found, [0.0]])


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
