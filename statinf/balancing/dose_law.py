"""The normal law of a dose, marginal and given the columns, and the weights f(dose) / f(dose | columns)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.dose_moments import standardised
from statinf.balancing.problem import BalanceProblem


@dataclass(frozen=True)
class NormalDose:
    """A standardised dose on standardised columns.

    Its parameters stand in one vector: mean and variance of the dose, coefficients (q), variance about the regression.

    Attributes
    ----------
    z : ndarray, shape (n, q)
        Columns behind a one.
    u : ndarray, shape (n,)
        Dose.
    s : ndarray, shape (n,)
        Sampling weights.
    """

    z: np.ndarray
    u: np.ndarray
    s: np.ndarray

    @staticmethod
    def of(problem: BalanceProblem) -> NormalDose:
        """From a problem's rows."""
        assert problem.dose is not None
        p = problem.s / problem.s.sum()
        z = np.column_stack([np.ones(problem.n), standardised(problem.x, p)])
        return NormalDose(z, standardised(problem.dose[:, None], p)[:, 0], problem.s)

    def likelihood(self) -> np.ndarray:
        """The maximum likelihood parameters, shape (q + 3,)."""
        weighted = self.z * self.s[:, None]
        b = np.linalg.lstsq(weighted.T @ self.z, weighted.T @ self.u, rcond=None)[0]
        return np.r_[0.0, 1.0, b, self.s @ (self.u - self.z @ b) ** 2 / self.s.sum()]

    def split(self, theta: np.ndarray) -> tuple[float, float, np.ndarray, float]:
        """Mean, variance, residuals (n,), variance of these."""
        return float(theta[0]), float(theta[1]), self.u - self.z @ theta[2:-1], float(theta[-1])

    def ratio(self, theta: np.ndarray) -> np.ndarray:
        """``f(u) / f(u | z)``, shape (n,)."""
        m, v, r, tau = self.split(theta)
        with np.errstate(over="ignore"):
            return np.exp(0.5 * (np.log(tau / v) - (self.u - m) ** 2 / v + r**2 / tau))

    def log_slopes(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of the logarithm of the ratio by the parameters, shape (n, q + 3)."""
        m, v, r, tau = self.split(theta)
        d = self.u - m
        return np.column_stack(
            [d / v, 0.5 * (d**2 / v - 1.0) / v, -self.z * (r / tau)[:, None], 0.5 * (1.0 - r**2 / tau) / tau]
        )

    def moments(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Equations of the law's own moments, shape (n, 3), and the mean Jacobian (3, q + 3): mean, variance, residual."""
        m, v, r, tau = self.split(theta)
        s, d = self.s, self.u - m
        psi = np.column_stack([d, d**2 - v, r**2 - tau]) * s[:, None]
        jacobian = np.zeros((3, len(theta)))
        jacobian[0, 0] = jacobian[1, 1] = jacobian[2, -1] = -s.sum()
        jacobian[1, 0] = -2.0 * s @ d
        jacobian[2, 2:-1] = -2.0 * (s * r) @ self.z
        return psi, jacobian / s.sum()

    def score(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Equations of least squares, shape (n, q), and their mean Jacobian (q, q + 3)."""
        r = self.split(theta)[2]
        psi = self.z * (self.s * r)[:, None]
        jacobian = np.zeros((self.z.shape[1], len(theta)))
        jacobian[:, 2:-1] = -(self.z * self.s[:, None]).T @ self.z
        return psi, jacobian / self.s.sum()

    def balance(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted products of columns and dose, shape (n, q), and their mean Jacobian (q, q + 3).

        The dose is taken about its mean in the sample, which is zero here; its own derivative is `by_sample_mean`.
        """
        w = self.s * self.ratio(theta)
        jacobian = (self.z * (w * self.u)[:, None]).T @ self.log_slopes(theta)
        return self.z * (w * self.u)[:, None], jacobian / self.s.sum()

    def by_sample_mean(self, theta: np.ndarray) -> np.ndarray:
        """Mean derivative of the products by the mean that the dose is taken about, shape (q,)."""
        return -(self.s * self.ratio(theta)) @ self.z / self.s.sum()
