"""Multinomial logistic regression by Newton's method.

Minimises ``-sum_i w_i log p(y_i | x_i) + penalty / 2 * sum_c |b_c|^2`` over coefficients that sum to zero over classes,
with free intercepts. With two classes the penalty is on the coefficients of the log odds, as in the binary logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError, SeparationWarning, issue_warning
from statinf.learners.base import check_penalty, check_rows
from statinf.learners.cells import Standard, solve_gram, standardise

_TOLERANCE = 1e-11
_MOST = 60
_FAR = 30.0
"""Log odds beyond which probabilities are zero to thirteen digits: a sign that covariates separate classes."""
FALLBACK = 0.01
"""Ridge penalty on standardised columns where the likelihood has no maximum."""
_DIRECT, _WORK = 1500, 2e10
"""Coefficients, and operations of one information matrix, up to which Newton's method is used."""


@dataclass(frozen=True)
class FittedMultinomial:
    """Coefficients (classes, p + 1) of standardised columns, the constant first; `classes_` holds the outcomes' values."""

    classes_: np.ndarray
    coefficients: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes)."""
        z = (np.asarray(X, np.float64) - self.centre) / self.scale
        return softmax(z @ self.coefficients[:, 1:].T + self.coefficients[:, 0])


@dataclass(frozen=True)
class Multinomial:
    """Multinomial logit by maximum likelihood, or with a ridge penalty.

    Where covariates separate classes the likelihood has no maximum; a small ridge penalty is used then, with a warning.

    Parameters
    ----------
    penalty : float
        Multiplies half the sum of squared coefficients; 1 / C of scikit-learn.
    """

    penalty: float = 0.0

    def __post_init__(self) -> None:
        check_penalty(self.penalty)

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedMultinomial:
        """Fit to X (n, p), y (n,) whose distinct values are the classes, weights (n,); `seed` is not used.

        Warns
        -----
        SeparationWarning
            If covariates separate classes.
        """
        X, y, w = check_rows(X, y, w)
        classes, codes = np.unique(y, return_inverse=True)
        design = standardise(X, w)
        problem = _Likelihood(design.z, codes, w, contrasts(len(classes)))
        if len(classes) == 1:
            return FittedMultinomial(classes, np.zeros((1, design.z.shape[1])), design.centre, design.scale)
        theta = problem.solve(self.ridge(design, len(classes)))
        if theta is None and self.penalty == 0.0:
            issue_warning(
                "the multinomial logit has no maximum: covariates separate classes; a small ridge penalty is used. Give "
                "model=Multinomial(penalty=1.0) from statinf.learners.multinomial to choose it.",
                SeparationWarning,
            )
            theta = problem.solve(np.append(0.0, np.full(X.shape[1], FALLBACK)))
        if theta is None:
            raise ConvergenceError(
                "the multinomial logit did not converge; rescale covariates, or use a larger penalty."
            )
        return FittedMultinomial(classes, problem.basis @ theta, design.centre, design.scale)

    def ridge(self, design: Standard, classes: int) -> np.ndarray:
        """Penalty (p + 1,) on coefficients of standardised columns, none on the constant."""
        return design.penalty(self.penalty * (2.0 if classes == 2 else 1.0))


@dataclass(frozen=True)
class _Likelihood:
    """Rows z (n, p), class codes and weights (n,), and orthonormal contrasts (classes, classes - 1)."""

    z: np.ndarray
    codes: np.ndarray
    w: np.ndarray
    basis: np.ndarray

    def solve(self, ridge: np.ndarray) -> np.ndarray | None:
        """Coefficients (classes - 1, p) of the contrasts under a penalty (p,); None where there is no maximum."""
        size = self.basis.shape[1] * self.z.shape[1]
        many = size > _DIRECT or len(self.z) * float(size) ** 2 > _WORK
        theta = self._gradient_steps(ridge) if many else self._newton(ridge)
        if theta is None or (not ridge.any() and np.ptp(self._eta(theta), axis=1).max() > _FAR):
            return None
        return theta

    def _eta(self, theta: np.ndarray) -> np.ndarray:
        return (self.z @ theta.T) @ self.basis.T

    def _state(self, theta: np.ndarray, ridge: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Penalised loss, its gradient (classes - 1, p), and probabilities (n, classes)."""
        eta = self._eta(theta)
        rows = np.arange(len(eta))
        eta -= eta.max(axis=1, keepdims=True)
        own = eta[rows, self.codes].copy()
        chance = np.exp(eta, out=eta)
        total = chance.sum(axis=1)
        chance /= total[:, None]
        loss = float(self.w @ (np.log(total) - own)) + 0.5 * float(np.sum(ridge * theta**2))
        error = chance.copy()
        error[rows, self.codes] -= 1.0
        error *= self.w[:, None]
        return loss, self.basis.T @ (error.T @ self.z) + ridge * theta, chance

    def _information(self, chance: np.ndarray) -> np.ndarray:
        count, p = self.basis.shape[1], self.z.shape[1]
        mean = chance @ self.basis
        out = np.empty((count, p, count, p))
        for a in range(count):
            for b in range(a, count):
                spread = chance @ (self.basis[:, a] * self.basis[:, b]) - mean[:, a] * mean[:, b]
                block = self.z.T @ (self.z * (self.w * spread)[:, None])
                out[a, :, b, :] = block
                out[b, :, a, :] = block.T
        return out.reshape(count * p, count * p)

    def _newton(self, ridge: np.ndarray) -> np.ndarray | None:
        count, p = self.basis.shape[1], self.z.shape[1]
        enough, penalty = _TOLERANCE * np.sqrt(self.w.sum()), np.tile(ridge, count)
        theta = self._start()
        loss, slope, chance = self._state(theta, ridge)
        for _ in range(_MOST):
            gram = self._information(chance)
            flat = solve_gram(gram, -slope.ravel(), penalty)
            step = flat.reshape(count, p)
            if np.sqrt(max(-float(flat @ slope.ravel()), 0.0)) <= enough:
                return theta + step
            for _ in range(30):
                trial = theta + step
                new, slope, chance = self._state(trial, ridge)
                if new <= loss + 1e-9 * (abs(loss) + 1.0):
                    break
                step = step / 2.0
            theta, loss = trial, new
            if not ridge.any() and np.ptp(self._eta(theta), axis=1).max() > 2.0 * _FAR:
                return None
        return None

    def _gradient_steps(self, ridge: np.ndarray) -> np.ndarray | None:
        """The same minimum by a limited-memory quasi-Newton method, for many coefficients."""
        from scipy.optimize import minimize

        mass, shape = float(self.w.sum()), (self.basis.shape[1], self.z.shape[1])

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            loss, slope, _ = self._state(flat.reshape(shape), ridge)
            return loss / mass, slope.ravel() / mass

        options = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-8, "maxcor": 30}
        found = minimize(value, self._start().ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(shape) if np.isfinite(found.fun) else None

    def _start(self) -> np.ndarray:
        """Shares of the classes, and no effect of covariates."""
        theta = np.zeros((self.basis.shape[1], self.z.shape[1]))
        share = np.bincount(self.codes, weights=self.w, minlength=len(self.basis)) / self.w.sum()
        theta[:, 0] = self.basis.T @ np.log(np.maximum(share, 1e-6))
        return theta


def maximum(z: np.ndarray, codes: np.ndarray, w: np.ndarray, basis: np.ndarray, ridge: np.ndarray) -> np.ndarray | None:
    """Coefficients (classes - 1, p) of contrasts `basis` for standardised rows z (n, p); None where there is no maximum."""
    return _Likelihood(z, codes, w, basis).solve(ridge)


def softmax(eta: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) from scores."""
    eta = np.exp(eta - eta.max(axis=1, keepdims=True))
    eta /= eta.sum(axis=1, keepdims=True)
    return eta


def contrasts(classes: int) -> np.ndarray:
    """Orthonormal columns that sum to zero (classes, classes - 1)."""
    out = np.zeros((classes, classes - 1))
    for k in range(classes - 1):
        out[: k + 1, k], out[k + 1, k] = 1.0, -(k + 1.0)
        out[:, k] /= np.sqrt((k + 1.0) * (k + 2.0))
    return out
