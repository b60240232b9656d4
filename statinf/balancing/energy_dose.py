"""Energy balancing of a dose: weights that make it independent of the columns.

Huling, Greifer and Chen (2024), "Independence weights for causal inference with continuous treatments", JASA 119(546), arXiv
2107.07086.

The weights minimise the weighted distance covariance of columns and dose plus the energy distances of the weighted columns and
of the weighted dose to the sample's, and ``ridge / 2`` times the sum of squared weights. All kinds of dependence count, not only
correlations. There is no root-n theory: standard errors downstream take the weights as known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.balancing.dose_moments import DoseFeatures
from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.errors import ConvergenceError, DataError, OptionError
from statinf.numerics.kernels.distances import distances
from statinf.numerics.programs.simplex_pivoting import Dense, simplex_qp

if TYPE_CHECKING:
    from statinf.balancing.energy import EnergyOptions

MAX_DOSE_ROWS = 10_000
"""Rows up to which matrices of distances are held in memory."""


def estimate_dose(problem: BalanceProblem, options: EnergyOptions) -> BalanceSolution:
    """Independence weights with mean one."""
    for name in ("rank", "improved"):
        if getattr(options, name) is not None:
            raise OptionError(f"{name}= is for arms; leave it out for a dose.")
    if problem.n > MAX_DOSE_ROWS:
        raise DataError(
            f"method='energy' holds the distances of all pairs of rows, and {problem.n} are too many (at most {MAX_DOSE_ROWS}): "
            "use method='entropy' with moments=2 or 3 and interactions=True, or a sample of the rows."
        )
    assert problem.dose is not None
    p = problem.s / problem.s.sum()
    of_x = distances(*[_scaled(problem.x, p)] * 2)
    of_dose = distances(*[_scaled(problem.dose[:, None], p)] * 2)
    # Distances of p columns grow as sqrt(p) beside that of the dose.
    share = 1.0 / (1.0 + np.sqrt(problem.x.shape[1]))
    both = share * of_dose + (1.0 - share) * of_x
    matrix = _centred(of_x, p) * _centred(of_dose, p)
    matrix -= both
    matrix *= 2.0
    matrix[np.diag_indices_from(matrix)] += options.ridge
    linear = 2.0 * both @ p
    least = (1e-8 if options.min_w is None else options.min_w) * p
    # Constant on the feasible set, this makes the conditionally definite matrix positive definite.
    matrix += 40.0 * float(both.mean())
    conditions = DoseFeatures.of(problem) if options.exact else None
    v, iterations, residual = _solve(matrix, linear, least, conditions, problem, options)
    covariance = float(v @ (_centred(of_x, p) * _centred(of_dose, p)) @ v)
    details = {"ridge": options.ridge, "distance_covariance": covariance}
    return BalanceSolution(v * problem.s.sum(), None, iterations, residual, details=details)


def _solve(
    matrix: np.ndarray,
    linear: np.ndarray,
    least: np.ndarray,
    conditions: DoseFeatures | None,
    problem: BalanceProblem,
    options: EnergyOptions,
) -> tuple[np.ndarray, int, float]:
    """Weights of sum one, steps, and what is left: the program, with its conditions by the method of multipliers."""
    groups, rounds = np.zeros(len(linear), dtype=int), 1 if conditions is None else 30
    f = np.zeros((len(linear), 0)) if conditions is None else conditions.values
    price = 1e3 * float(np.mean(np.abs(matrix)))
    whole, multipliers, iterations = matrix + price * (f @ f.T), np.zeros(f.shape[1]), 0
    for _ in range(rounds):
        try:
            found = simplex_qp(
                Dense(whole), linear + f @ multipliers, groups, least, tol=options.tol, max_iter=options.max_iter
            )
        except np.linalg.LinAlgError:
            raise ConvergenceError(
                f"method='energy': rows of equal columns leave their weights undetermined with ridge={options.ridge:g}; raise "
                "ridge=."
            ) from None
        iterations += found.iterations
        if not found.converged and conditions is not None:
            conditions.explain(
                "energy", problem.s, residual=found.residual, iterations=iterations, max_iter=options.max_iter
            )
        if not found.converged:
            raise stopped("energy", f"a residual of {found.residual:.2g}", iterations, options.max_iter, "raise ridge=")
        v = found.v / found.v.sum()
        gaps = v @ f
        left = float(np.max(np.abs(gaps), initial=0.0))
        if left <= 1e-8:
            return v, iterations, max(found.residual, left)
        multipliers += price * gaps
    assert conditions is not None
    conditions.explain("energy", problem.s, residual=left, iterations=iterations, max_iter=iterations)
    raise AssertionError


def _scaled(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Columns over their standard deviations under weights p (n,), of sum one."""
    around = x - x[0]
    variance = p @ (around - p @ around) ** 2 / max(1.0 - p @ p, 1e-300)
    return around / np.sqrt(np.where(variance > 0, variance, 1.0))


def _centred(d: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Distances less their means over rows and over columns."""
    means = d @ p
    return d - means[:, None] - means + p @ means
