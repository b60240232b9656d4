"""Covariate balancing propensity score of a dose.

Fong, Hazlett and Imai (2018), "Covariate balancing propensity score for a continuous treatment", Annals of Applied Statistics
12(1), section 3.2.

The weights are f(dose) / f(dose | columns) with normal densities whose coefficients set all weighted products of columns and dose
to zero, instead of maximising the likelihood. ``over=True`` keeps the scores of the likelihood beside them and minimises the
two-step GMM criterion, its weighting matrix taken at the just-identified solution as R WeightIt does: the continuously updated
criterion has its minimum where a few weights grow without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from statinf.balancing.cbps_nonparametric import estimate_nonparametric
from statinf.balancing.dose_law import NormalDose
from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution, Linear
from statinf.errors import ConvergenceError, InfeasibleError, OptionError
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.numerics.rowwise.root import Root, damped_root

if TYPE_CHECKING:
    from statinf.balancing.cbps import CovariateOptions


def estimate_dose(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    """Ratios of normal densities that balance the columns.

    Raises
    ------
    InfeasibleError
        If no coefficients were found that do.
    """
    if options.separate:
        raise OptionError("separate=True is for arms; a dose has one law: leave it out.")
    if options.nonparametric:
        return estimate_nonparametric(problem, options)
    law = NormalDose.of(problem)
    found = _just_identified(law, options)
    theta, influence, residual, iterations = _theta(found.beta), None, found.residual, found.iterations
    details: dict = {"density": "normal"}
    if options.over:
        theta, influence, residual, details["j"] = _over_identified(law, theta)
        details["df"] = law.z.shape[1]
    values = law.s * law.ratio(theta)

    def linear() -> Linear:
        share = quadratic_forms(law.z, symmetric_inverse((law.z * law.s[:, None]).T @ law.z)) * law.s
        made = _influence(law, theta) if influence is None else influence
        return Linear(law.log_slopes(theta) * values[:, None], made, share)

    return BalanceSolution(values, linear, iterations, residual, details=details)


def _theta(beta: np.ndarray) -> np.ndarray:
    """The law's parameters of coefficients and the logarithm of the residual variance: mean 0 and variance 1 of the dose."""
    return np.r_[0.0, 1.0, beta[:-1], np.exp(beta[-1])]


def _just_identified(law: NormalDose, options: CovariateOptions) -> Root:
    def evaluate(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        theta = _theta(beta)
        psi, slope = law.balance(theta)
        own, own_slope = law.moments(theta)
        jacobian = np.vstack([slope[:, 2:], own_slope[2:, 2:]])
        jacobian[:, -1] *= theta[-1]
        return np.r_[psi.sum(axis=0), own[:, 2].sum()] / law.s.sum(), jacobian

    best: Root | None = None
    with np.errstate(all="ignore"):
        for start in _starts(law):
            found = damped_root(evaluate, start, tol=options.tol, max_iter=options.max_iter)
            if found.converged:
                return found
            best = found if best is None or found.residual < best.residual else best
    assert best is not None
    if options.over:
        return best  # the weighting matrix may be taken there all the same
    if best.residual <= 1e-6:
        raise stopped(
            "cbps", f"a weighted product of {best.residual:.2g}", best.iterations, options.max_iter, "raise tol"
        )
    raise InfeasibleError(
        f"method='cbps': no normal law of the dose was found that balances the columns (a weighted product of "
        f"{best.residual:.2g} standard deviations stays): the columns predict the dose too well, or it is far from normal. Use "
        "method='entropy', nonparametric=True, or over=True, which does not balance exactly."
    )


def _starts(law: NormalDose) -> Iterator[np.ndarray]:
    """The likelihood's estimate, and points on the way to no dependence at all."""
    ml = law.likelihood()
    b, tau = ml[2:-1], max(float(ml[-1]), 1e-8)
    for share in (1.0, 0.5, 0.0):
        yield np.r_[share * b, np.log(tau + (1.0 - share**2) * (1.0 - tau))]


def _stacked(law: NormalDose, theta: np.ndarray, score: bool) -> tuple[np.ndarray, np.ndarray]:
    """All equations (n, k) and their mean Jacobian (k, q + 3)."""
    parts = [law.moments(theta), law.balance(theta), *([law.score(theta)] if score else [])]
    return np.column_stack([psi for psi, _ in parts]), np.vstack([slope for _, slope in parts])


def _equations(law: NormalDose, theta: np.ndarray, score: bool) -> tuple[np.ndarray, np.ndarray]:
    """`_stacked`, the equations with the error of the sample's mean dose in them."""
    psi, jacobian = _stacked(law, theta, score)
    place = slice(3, 3 + law.z.shape[1])
    psi[:, place] += (law.s * law.u)[:, None] * law.by_sample_mean(theta)
    return psi, jacobian


def _influence(law: NormalDose, theta: np.ndarray) -> np.ndarray:
    psi, jacobian = _equations(law, theta, False)
    return -psi @ np.linalg.inv(jacobian).T / law.s.sum()


def _over_identified(law: NormalDose, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Two-step GMM from the just-identified solution: parameters, influence values, gradient left, J statistic."""
    from scipy.optimize import least_squares

    total = float(law.s.sum())
    psi, _ = _stacked(law, start, True)
    root = np.linalg.pinv(np.linalg.cholesky(psi.T @ psi / total + 1e-13 * np.eye(psi.shape[1])))

    def unpack(beta: np.ndarray) -> np.ndarray:
        return np.r_[beta[0], np.exp(beta[1]), beta[2:-1], np.exp(beta[-1])]

    def equations(beta: np.ndarray) -> np.ndarray:
        return root @ (_stacked(law, unpack(beta), True)[0].sum(axis=0) / total)

    def slopes(beta: np.ndarray) -> np.ndarray:
        theta = unpack(beta)
        jacobian = _stacked(law, theta, True)[1]
        jacobian[:, [1, -1]] *= theta[[1, -1]]
        return root @ jacobian

    first = np.r_[start[0], np.log(start[1]), start[2:-1], np.log(start[-1])]
    found = least_squares(equations, first, jac=slopes, xtol=1e-15, ftol=1e-15, gtol=1e-12, max_nfev=500)
    if found.optimality > 1e-7:
        raise ConvergenceError(
            f"method='cbps' with over=True stopped with a gradient of {found.optimality:.2g}; use over=False."
        )
    theta = unpack(found.x)
    psi, jacobian = _equations(law, theta, True)
    left = root @ jacobian
    influence = (
        -(psi - law.s[:, None] * (psi.sum(axis=0) / total)) @ root.T @ left @ symmetric_inverse(left.T @ left) / total
    )
    return theta, influence, float(found.optimality), float(2.0 * total * found.cost)
