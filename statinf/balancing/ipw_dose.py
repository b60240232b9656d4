"""Weights of a dose by its density: f(dose) / f(dose | columns).

Robins, Hernan and Brumback (2000), Epidemiology 11(5); Hirano and Imbens (2004), "The propensity score with continuous
treatments".

``density="normal"`` takes a linear regression with normal errors of one variance; ``"kernel"`` the same regression with kernel
densities of dose and residuals; ``"poisson"`` a log-linear model of counts. The numerator is the marginal law of the same kind.
Standard errors count every estimated parameter, except that kernel densities have no such expansion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from statinf.balancing.arm_propensity import standard_rows
from statinf.balancing.dose_law import NormalDose
from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution, Linear
from statinf.errors import DataError, OptionError
from statinf.numerics.laws.kernel_density import kernel_density
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.numerics.rowwise.fit import minimise_rows

if TYPE_CHECKING:
    from statinf.balancing.ipw import InverseProbabilityOptions

KERNEL_FIXED = (
    "kernel densities of the dose have no expansion; si.bootstrap over the whole pipeline, or density='normal', has."
)


def estimate_dose(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    """Ratios of densities."""
    for name, plain in (("link", "logit"), ("stabilize", False), ("trim", None)):
        if getattr(options, name) != plain:
            raise OptionError(
                f"{name}= is for arms; weights of a dose are stabilised by its density: leave {name}= out."
            )
    found = {"normal": _normal, "kernel": _kernel, "poisson": _poisson}[options.density](problem, options)
    if not np.all(np.isfinite(found.values)):
        raise DataError(
            "a dose so far from its prediction has an infinite weight: use method='entropy', or leave out the rows at its ends."
        )
    return found if options.truncate is None else _truncated(problem, found, options.truncate)


def _normal(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    law = NormalDose.of(problem)
    theta = _regression(problem, law)
    values = problem.s * law.ratio(theta)

    def linear() -> Linear:
        s = law.s
        own, score = law.moments(theta)[0], law.score(theta)[0]
        inverse = symmetric_inverse((law.z * s[:, None]).T @ law.z)
        influence = np.column_stack([own[:, :2] / s.sum(), score @ inverse, own[:, 2] / s.sum()])
        return Linear(law.log_slopes(theta) * values[:, None], influence, quadratic_forms(law.z, inverse) * s)

    return BalanceSolution(values, linear, 1, 0.0, details={"density": "normal", "residual_variance": float(theta[-1])})


def _kernel(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    law = NormalDose.of(problem)
    theta = _regression(problem, law)
    residuals = law.split(theta)[2]
    numerator, wide = kernel_density(law.u, law.s)
    denominator, narrow = kernel_density(residuals, law.s)
    details = {"density": "kernel", "bandwidths": (wide, narrow)}
    return BalanceSolution(problem.s * numerator / denominator, None, 1, 0.0, details=details, fixed=KERNEL_FIXED)


def _regression(problem: BalanceProblem, law: NormalDose) -> np.ndarray:
    theta = law.likelihood()
    if theta[-1] < 1e-12:
        raise DataError(
            f"the columns determine the dose ({', '.join(problem.names[:5])}): no two rows of equal columns have different doses."
        )
    return theta


def _poisson(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    t, s = problem.dose, problem.s
    assert t is not None
    if np.any((t < 0) | (t != np.round(t))):
        raise DataError(
            "density='poisson' needs a dose of counts, whole numbers from 0; use density='normal' or 'kernel'."
        )
    rows = standard_rows(problem)

    def loss(eta: np.ndarray, at: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mu = s[at] * np.exp(eta)
        return mu - s[at] * t[at] * eta, mu - s[at] * t[at], mu

    mean = float(s @ t / s.sum())
    start = np.zeros(rows.q)
    start[0] = np.log(mean)
    fit = minimise_rows(
        rows, loss, mass=float(s.sum()), start=start, tol=options.tol, max_iter=options.max_iter, limit=1e3
    )
    residual = float(np.max(np.abs(fit.gradient)))
    if not fit.converged:
        raise stopped("ipw", f"a mean score of {residual:.2g}", fit.iterations, options.max_iter, "drop columns")
    eta = rows.predictor(fit.beta)
    mu = np.exp(eta)
    with np.errstate(over="ignore"):
        values = s * np.exp(xlogy(t, mean) - t * eta - mean + mu)

    def linear() -> Linear:
        z = rows.matrix()
        inverse = symmetric_inverse((z * (s * mu)[:, None]).T @ z)
        influence = np.column_stack([s * (t - mean) / s.sum(), (z * (s * (t - mu))[:, None]) @ inverse])
        derivative = np.column_stack([values * (t / mean - 1.0), z * (values * (mu - t))[:, None]])
        return Linear(derivative, influence, quadratic_forms(z, inverse) * s * mu)

    return BalanceSolution(values, linear, fit.iterations, residual, details={"density": "poisson"})


def _truncated(problem: BalanceProblem, found: BalanceSolution, q: float) -> BalanceSolution:
    relative = found.values / problem.s
    cap = float(np.quantile(relative, q))
    over = relative > cap

    def linear() -> Linear:
        assert found.linear is not None
        out = found.linear()
        return Linear(np.where(over[:, None], 0.0, out.derivative), out.influence, out.leverage)

    values = np.where(over, cap * problem.s, found.values)
    details = {**found.details, "capped": int(over.sum())}
    return replace(found, values=values, linear=None if found.linear is None else linear, details=details)
