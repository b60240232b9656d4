"""Covariate balancing propensities of several arms.

For the ATE and the overlap population one multinomial logit whose weights give all arms the same means (Imai and Ratkovic 2014,
section 4.1); for the ATT and the ATC the odds of every other arm are tilted to the target's means, and with ``separate=True``
each arm has a propensity of its own that brings it to the mean of everybody. All conditions hold exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.balancing.arm_propensity import arm_weights, likelihood_fit, standard_rows
from statinf.balancing.feasibility import require_hull, stopped
from statinf.balancing.problem import BalanceProblem, Task, other_part, tasks
from statinf.balancing.solution import BalanceSolution, Linear, expand_equations, expand_scores, side_by_side
from statinf.errors import InfeasibleError, OptionError
from statinf.numerics.glm.multinomial import predictors, softmax
from statinf.numerics.rowwise.root import damped_root
from statinf.numerics.rowwise.scales import rough_scales, weights_at
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import Tilt, exponential_tilt

if TYPE_CHECKING:
    from statinf.balancing.cbps import CovariateOptions


def estimate_arms(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    """Propensity weights of any number of arms whose propensities balance the columns.

    Raises
    ------
    InfeasibleError
        If no propensity balances the columns.
    """
    if options.over:
        raise OptionError("over=True is for two arms and for doses; with several leave it out, or use separate=True.")
    if problem.estimand in ("ATT", "ATC") or options.separate:
        if problem.estimand == "ATO":
            raise OptionError("separate=True has no overlap weights; leave it out, or choose estimand='ATE'.")
        return _tilted(problem, options)
    return _joint(problem, options)


def _joint(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    """One multinomial logit under whose weights the means of all arms are those of the first."""
    start = likelihood_fit(problem, method="cbps", tol=1e-6, max_iter=options.max_iter)
    rows, codes, s = start.rows, problem.treatment, problem.s
    z, m = rows.matrix(), len(problem.arms) - 1
    sign = problem.indicators[:, 1:] - problem.indicators[:, :1]
    mass = float(s.sum())

    def parts(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        eta = predictors(rows, flat.reshape(m, rows.q))
        weight, slopes, p = arm_weights(eta, codes, problem.estimand, problem.focal)
        return s * weight, s[:, None] * slopes, p

    def evaluate(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, slopes, _ = parts(flat)
        value = ((sign * weight[:, None]).T @ z).ravel() / mass
        blocks = [[(z * (sign[:, a] * slopes[:, b])[:, None]).T @ z for b in range(m)] for a in range(m)]
        return value, np.block(blocks) / mass

    with np.errstate(over="ignore", invalid="ignore"):
        found = damped_root(evaluate, start.beta.ravel(), tol=options.tol, max_iter=options.max_iter)
    if not found.converged:
        left = f"a mean score of {found.residual:.2g}"
        if found.iterations >= options.max_iter:
            raise stopped("cbps", left, found.iterations, options.max_iter, "")
        worst = problem.names[int(np.argmax(np.abs(found.beta.reshape(m, rows.q)[:, 1:]).max(axis=0)))]
        raise InfeasibleError(
            f"method='cbps': no propensity was found that balances the columns ({left}); the coefficient of {worst!r} is the "
            "largest. The arms barely overlap there: leave the column out, restrict the sample, use separate=True, or "
            "method='sbw' with tolerances."
        )
    values, slopes, p = parts(found.beta)

    def linear() -> Linear:
        return expand_equations(z, sign * values[:, None], sign[:, :, None] * slopes[:, None, :], slopes)

    beta = found.beta.reshape(m, rows.q)
    details = {"coefficients": _raw(beta, rows), "link": "logit"}
    return BalanceSolution(values, linear, found.iterations, found.residual, propensity=p, details=details)


def _tilted(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    """Every reweighted arm by odds of its own."""
    s, rows = problem.s, standard_rows(problem)
    todo = [other_part(task)[0] if options.separate else task for task in tasks(problem)]
    found = {task.arm: _odds(problem, task, rows, options) for task in todo}
    values = s.astype(np.float64)
    for task in todo:
        odds = found[task.arm][0]
        values[task.index] = s[task.index] + odds if options.separate and problem.estimand == "ATE" else odds

    def linear() -> Linear:
        z, parts = rows.matrix(), []
        for task in todo:
            odds = np.zeros(problem.n)
            odds[task.index] = found[task.arm][0]
            parts.append(expand_scores(z, s * (task.target > 0) - odds, odds, odds))
        return side_by_side(parts)

    tilts = [tilt for _, _, tilt in found.values()]
    coefficients = {task.arm: found[task.arm][1] for task in todo}
    propensity, details = _propensities(problem, rows, coefficients)
    return BalanceSolution(
        values,
        linear,
        max(t.iterations for t in tilts),
        max(t.residual for t in tilts),
        propensity=propensity,
        details=details,
    )


def _odds(
    problem: BalanceProblem, task: Task, rows: ScaledRows, options: CovariateOptions
) -> tuple[np.ndarray, np.ndarray, Tilt]:
    """Odds of the target against the arm on the arm's rows, sampling weights multiplied in, and their coefficients."""
    scale, base = rough_scales(problem.x), weights_at(problem.s, task.index)
    some = ScaledRows.about_mean(problem.x, task.index, task.target, scale)
    tilt = exponential_tilt(some, base, tol=options.tol, max_iter=options.max_iter)
    if not tilt.converged:
        require_hull(
            problem, task, method="cbps", residual=tilt.residual, iterations=tilt.iterations, max_iter=options.max_iter
        )
    odds = tilt.p * float(problem.s[task.target > 0].sum())
    largest = int(np.argmax(odds))
    place = int(task.index[largest])
    at = rows.block(slice(place, place + 1))[0]
    level = float(np.log(odds[largest] / base[largest]) - at[1:] @ tilt.slope)
    return odds, np.r_[level, tilt.slope], tilt


def _propensities(problem: BalanceProblem, rows: ScaledRows, odds: dict[int, np.ndarray]) -> tuple[np.ndarray, dict]:
    """The propensities behind odds, (n, arms) one beside the other, and their coefficients."""
    if problem.estimand == "ATE":
        # Each arm's own propensity, odds being those of all others against it.
        p = np.column_stack([1.0 / (1.0 + np.exp(rows.predictor(odds[k]))) for k in range(len(problem.arms))])
        return p, {"coefficients_of_each": {problem.arms[k]: _raw(-beta, rows) for k, beta in odds.items()}}
    target = problem.focal if problem.estimand == "ATT" else 0
    beta = np.array([-odds[k] if k != target else np.zeros(rows.q) for k in range(len(problem.arms))])
    beta = (beta - beta[0])[1:]
    return softmax(predictors(rows, beta)), {"coefficients": _raw(beta, rows), "link": "logit"}


def _raw(beta: np.ndarray, rows: ScaledRows) -> np.ndarray:
    """Coefficients of the columns as given, intercept first."""
    slopes = beta[..., 1:] / rows.scale
    return np.concatenate([beta[..., :1] - (slopes @ rows.centre)[..., None], slopes], axis=-1)
