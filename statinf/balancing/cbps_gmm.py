"""The over-identified covariate balancing propensity score: GMM on likelihood score and balance together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.balancing.problem import BalanceProblem
from statinf.balancing.propensity import balance_all, balance_treated, fit_propensity, likelihood_fit
from statinf.balancing.propensity_weights import logit_weights
from statinf.balancing.solution import BalanceSolution, Linear
from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.linear.symmetric import symmetric_inverse


@dataclass(frozen=True)
class _Criterion:
    """The GMM criterion ``gbar' S^-1 gbar`` with its gradient, on standardised rows.

    The balance moment of a row is ``b(eta, t) z``; S holds the conditional second moments given the columns.
    """

    z: np.ndarray
    t: np.ndarray
    s: np.ndarray
    estimand: str
    share: float

    def moments(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scalar factors of the moments, shape (2, n), and their derivatives in the predictor."""
        eta = self.z @ beta
        e, t = sigmoid(eta), self.t
        if self.estimand == "ATE":
            up, down = np.exp(-eta), np.exp(eta)
            b, db = t * (1 + up) - (1 - t) * (1 + down), -t * up - (1 - t) * down
        else:
            odds = np.exp(eta)
            b, db = (t - (1 - t) * odds) / self.share, -(1 - t) * odds / self.share
        return np.stack([t - e, b]), np.stack([-e * (1 - e), db])

    def second(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conditional second moments of the factors (11, 12, 22), shape (3, n), and derivatives."""
        e = sigmoid(self.z @ beta)
        v = e * (1 - e)
        dv = v * (1 - 2 * e)
        if self.estimand == "ATE":
            return np.stack([v, np.ones_like(v), 1 / v]), np.stack([dv, np.zeros_like(v), -dv / v**2])
        odds = e / (1 - e)
        return (
            np.stack([v, e / self.share, odds / self.share**2]),
            np.stack([dv, v / self.share, odds / self.share**2]),
        )

    def weighting(self, beta: np.ndarray) -> np.ndarray:
        """Inverse of S at `beta`, shape (2q, 2q)."""
        a11, a12, a22 = ((self.z * (self.s * a)[:, None]).T @ self.z / self.s.sum() for a in self.second(beta)[0])
        return symmetric_inverse(np.block([[a11, a12], [a12, a22]]))

    def __call__(self, beta: np.ndarray, fixed: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        z, s, total, q = self.z, self.s, self.s.sum(), self.z.shape[1]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            factor, slope = self.moments(beta)
            inverse = self.weighting(beta) if fixed is None else fixed
            gbar = ((factor * s) @ z / total).ravel()
            u = inverse @ gbar
            first, second = z @ u[:q], z @ u[q:]
            gradient = 2.0 * ((slope[0] * first + slope[1] * second) * s) @ z / total
            if fixed is None:
                d = self.second(beta)[1]
                gradient -= ((d[0] * first**2 + 2 * d[1] * first * second + d[2] * second**2) * s) @ z / total
        return float(gbar @ u), gradient


def estimate_over(problem: BalanceProblem, *, twostep: bool, tol: float, max_iter: int) -> BalanceSolution:
    """Weights of the over-identified version; `details["j"]` holds the J statistic with p + 1 degrees of freedom."""
    estimand = problem.estimand
    if estimand == "ATC":
        other = replace(problem, treatment=(~problem.treated).astype(np.int8), estimand="ATT")
        return _mirror(estimate_over(other, twostep=twostep, tol=tol, max_iter=max_iter))
    ml = likelihood_fit(problem, method="cbps", tol=tol, max_iter=max_iter)
    t, s = problem.treated.astype(np.float64), problem.s
    z = ml.rows.matrix()
    criterion = _Criterion(z, t, s, estimand, float(s @ t / s.sum()))
    starts = [ml.beta]
    exact = fit_propensity(problem, {"ATE": balance_all, "ATT": balance_treated}[estimand], tol=tol, max_iter=max_iter)
    if exact.converged:
        starts.append(exact.beta)
    fixed = criterion.weighting(ml.beta) if twostep else None
    found = min((_search(criterion, start, fixed) for start in starts), key=lambda f: f[1])
    beta, q_value, residual, iterations = found
    if residual > 1e-6:
        raise ConvergenceError(
            f"method='cbps' with over=True stopped with a gradient of {residual:.2g}; use over=False."
        )
    eta = z @ beta
    values, slope = logit_weights(eta, problem.treated, s, estimand)

    def linear() -> Linear:
        inverse = criterion.weighting(ml.beta if twostep else beta)
        factor, dfactor = criterion.moments(beta)
        jacobian = np.vstack([(z * (s * d)[:, None]).T @ z for d in dfactor])
        g = np.hstack([z * (s * f)[:, None] for f in factor])
        bread = symmetric_inverse(jacobian.T @ inverse @ jacobian)
        influence = -(g - g.mean(axis=0)) @ inverse @ jacobian @ bread
        return Linear(z * slope[:, None], influence, np.zeros(problem.n))

    raw = beta[1:] / ml.rows.scale
    coefficients = np.r_[beta[0] - ml.rows.centre @ raw, raw]
    details = {"j": float(s.sum() * q_value), "df": int(problem.x.shape[1] + 1), "coefficients": coefficients}
    return BalanceSolution(values, linear, iterations, residual, propensity=sigmoid(eta), details=details)


def _search(criterion: _Criterion, start: np.ndarray, fixed: np.ndarray | None) -> tuple[np.ndarray, float, float, int]:
    """Quasi-Newton, then Newton steps with a Hessian from differences of the exact gradient."""
    from scipy.optimize import minimize

    rough = minimize(criterion, start, args=(fixed,), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000})
    beta, count = rough.x, int(rough.nfev)
    value, gradient = criterion(beta, fixed)
    for _ in range(20):
        hessian = np.empty((len(beta), len(beta)))
        for j in range(len(beta)):
            bump = np.zeros(len(beta))
            bump[j] = 1e-5 * max(1.0, abs(beta[j]))
            hessian[j] = (criterion(beta + bump, fixed)[1] - criterion(beta - bump, fixed)[1]) / (2 * bump[j])
        trial = beta - np.linalg.lstsq((hessian + hessian.T) / 2, gradient, rcond=1e-12)[0]
        new_value, new_gradient = criterion(trial, fixed)
        count += 2 * len(beta) + 1
        if not np.isfinite(new_value) or np.max(np.abs(new_gradient)) >= np.max(np.abs(gradient)):
            break
        beta, value, gradient = trial, new_value, new_gradient
    return beta, value, float(np.max(np.abs(gradient))), count


def _mirror(solution: BalanceSolution) -> BalanceSolution:
    assert solution.propensity is not None
    details = {**solution.details, "coefficients": -solution.details["coefficients"]}
    return BalanceSolution(
        solution.values, solution.linear, solution.iterations, solution.residual, 1.0 - solution.propensity, details
    )
