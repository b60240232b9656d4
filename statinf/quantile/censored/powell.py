"""Censored quantile regression with known limits (Powell 1984, 1986).

Estimand: the b with Q_tau(T | x) = x'b of an outcome T that is seen as min(T, limit), the limit known for every row. Levels
at which x'b is beyond the limit in most rows are not identified. Assumes a positive density at the quantile where it is inside
the limit; censoring need not be independent of T given x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError, OptionError
from statinf.formula.given import aligned
from statinf.numerics.order.content import content_order
from statinf.numerics.quantreg.powell import Descent, minimise_powell
from statinf.quantile.censored.options import PowellOptions
from statinf.quantile.censored.problem import CensoredProblem
from statinf.quantile.censored.solved import SolvedCensored
from statinf.quantile.covariance import inverse_hessians
from statinf.results import Estimate, Method

_SAME = 1e-12
_ON = 1e-9


def estimate(problem: CensoredProblem, options: PowellOptions) -> Estimate:
    """The lowest local minimum found at each level."""
    rows, y = problem.rows, problem.y
    limit = _limits(problem, options.limit)
    random = generator(problem.seed, 0)
    # By what rows hold, so that their order in the data does not matter.
    perturbed = np.empty((options.starts, len(y)))
    perturbed[:, content_order(y, limit, *rows.Z.T)] = random.exponential(size=perturbed.shape)
    found = [minimise_powell(rows.Z, y, limit, float(t), rows.w, perturbed=perturbed) for t in problem.taus]
    inner = np.stack([one.coef for one in found])
    _check_inside(problem, limit, inner)

    def influences() -> np.ndarray:
        pairs = zip(problem.taus, inner, strict=True)
        return np.stack([_influence(problem, limit, float(t), b, options.bandwidth) for t, b in pairs])

    def replicate(weights: np.ndarray) -> np.ndarray:
        return np.stack([[_again(problem, limit, t, b, w) for t, b in zip(problem.taus, inner, strict=True)]
                         for w in weights])  # fmt: skip

    solved = SolvedCensored(problem, inner, influences, replicate)
    # The loss counts as censored what is at its limit.
    return solved.estimate({"Censored": int(np.count_nonzero(y >= limit))})


def _again(problem: CensoredProblem, limit: np.ndarray, t: float, start: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Coefficients under other weights, from those of the estimate; NaN where there are none."""
    drawn = w > 0
    X, y = problem.rows.Z[drawn], problem.y[drawn]
    try:
        found: Descent = minimise_powell(X, y, limit[drawn], float(t), w[drawn], start=start)
    except (ConvergenceError, DataError, ValueError, np.linalg.LinAlgError):
        return np.full(len(start), np.nan)
    return found.coef


def _influence(problem: CensoredProblem, limit: np.ndarray, t: float, coef: np.ndarray, rule: str) -> np.ndarray:
    """Influence per unit of weight of each row at one level, shape (n, p): that of the rows inside the limit alone."""
    rows, y = problem.rows, problem.y
    inside = rows.Z @ coef < limit
    X, w = rows.Z[inside], rows.w[inside]
    inverse = inverse_hessians(X * w[:, None], y[inside] * w, np.array([t]), coef[None], "ker", rule)[0]
    out = np.zeros_like(rows.Z)
    below = y[inside] < X @ coef - _ON * np.ptp(y)  # rows interpolated are not, whatever rounding left
    out[inside] = (t - below)[:, None] * X @ inverse
    return out


def _check_inside(problem: CensoredProblem, limit: np.ndarray, inner: np.ndarray) -> None:
    """Refuse levels whose fit is inside the limit in too few rows to determine it."""
    X = problem.rows.Z
    for t, coef in zip(problem.taus, inner, strict=True):
        rows = X[X @ coef < limit]
        if len(rows) <= X.shape[1] or np.linalg.matrix_rank(rows) < X.shape[1]:
            shown = t if problem.side == "right" else 1.0 - t
            raise NotIdentifiedError(
                f"at tau={shown:g} the fit is beyond the limit in all but {len(rows)} rows, which do not determine "
                f"{X.shape[1]} coefficients; use a level further from the limit."
            )


def _limits(problem: CensoredProblem, given: Any) -> np.ndarray:
    """Limit of each row, as the problem's outcomes are written.

    Raises
    ------
    OptionError, DataError
        Without a limit that can be read, or for outcomes beyond it.
    """
    made, rows = problem.design, problem.rows
    name = made.response_names[0]
    if given is None:
        limit = _shared(problem)
    elif isinstance(given, str):
        limit = np.asarray(made.column(given), np.float64)
    elif isinstance(given, float):
        limit = np.full(made.n, given)
    else:
        limit = _of_rows(problem, given)
    limit = limit[rows.used]
    if np.isnan(limit).any():
        first = int(made.rows[rows.used[np.argmax(np.isnan(limit))]])
        raise DataError(f"limit={given!r} is missing in row {first}; leave such rows out, or give a limit to each.")
    offset = 0.0 if made.offset is None else made.offset[rows.used]
    limit = problem.sign * (limit - offset - rows.level)
    beyond = problem.y - limit
    slack = _SAME * np.maximum(np.ptp(problem.y), np.abs(problem.y))
    if (beyond > slack).any():
        where = int(made.rows[rows.used[np.argmax(beyond)]])
        words = "above" if problem.side == "right" else "below"
        raise DataError(
            f"the outcome '{name}' is {words} its limit in {int((beyond > slack).sum())} rows, such as row {where}; give the "
            "point where each outcome is censored in limit=, and the direction in side=."
        )
    if problem.event is not None and (hidden := (problem.event == 0) & (beyond < -slack)).any():
        where = int(made.rows[rows.used[np.argmax(hidden)]])
        raise DataError(
            f"row {where} is censored at a value other than its limit; method='powell' is for known limits, 'portnoy' and "
            "'peng-huang' are for censoring at random."
        )
    return np.where(np.abs(beyond) <= slack, problem.y, limit)


def _shared(problem: CensoredProblem) -> np.ndarray:
    """The value that all censored rows share."""
    event = problem.event
    made = problem.design
    hidden = np.empty(0) if event is None else made.y[problem.rows.used][event == 0]
    if len(hidden) and (hidden == hidden[0]).all():
        return np.full(made.n, hidden[0])
    what = "the formula does not say which rows are censored" if event is None else (
        "no row is censored" if not len(hidden) else "the censored rows do not share one value"
    )  # fmt: skip
    raise OptionError(
        f"method='powell' needs limit=, the point at which each row is censored, and {what}: give a column, a number or one "
        "number per row."
    )


def _of_rows(problem: CensoredProblem, given: Any) -> np.ndarray:
    """One number per row used; a Series goes by its index."""
    made = problem.design
    values = np.asarray(aligned(given, made.frame, "limit", made.rows), np.float64)
    if len(values) == made.n_total:
        return values[made.rows]
    if len(values) != made.n:
        raise DataError(f"limit= has {len(values)} numbers for {made.n_total} rows.")
    return values


METHOD = Method(
    verb="crq",
    name="powell",
    estimate=estimate,
    options=PowellOptions,
    summary="known limits: the check loss about the fit, no further than each row's limit",
    citation="Powell (1986), Censored regression quantiles",
    guarantee="a local minimum, the lowest from several starts; kernel errors of the rows inside the limit, or bootstrap",
    vignette="censored-quantiles",
)
