"""What tells whether values make a martingale: increments, their means given the past, and the time step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.frames import to_caller
from statinf.inference.clusters import cluster_sums
from statinf.inference.distributions import chi2_sf
from statinf.inference.hypotheses import WaldTest
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem

if TYPE_CHECKING:
    from statinf.stochastic.continuous.fit import CtdFit


def martingale_test(fit: CtdFit, problem: CtdProblem, lags: int) -> WaldTest:
    """See `CtdFit.martingale_test`."""
    paths = problem.paths
    G, errors = fit._increments()
    tested = np.where(paths.last[:, None], 0.0, _past(problem, errors, lags))
    influence = fit.moments().influence
    influence = influence if problem.order is None else influence[problem.order]
    # The means move with the estimates: their rows' errors, less what the estimates' errors make of them.
    plain = tested * errors[:, None]
    rows = plain - influence @ (tested.T @ G).T
    total = plain.sum(axis=0)
    codes = _together(fit, problem)
    groups = int(codes.max()) + 1
    sums = cluster_sums(rows, codes) if groups > rows.shape[1] else rows
    # In the size of the means themselves: those that the estimates set to zero are rounding beside it.
    scale = np.sqrt(np.einsum("ij,ij->j", plain, plain))
    sums, total = sums / np.where(scale > 0, scale, 1.0), total / np.where(scale > 0, scale, 1.0)
    values, directions = np.linalg.eigh(sums.T @ sums)
    kept = values > 1e-9 * max(values[-1], 0.0)
    if not kept.any() or values[-1] <= 0.0:
        raise NotIdentifiedError("increments of the martingale are all zero: there is nothing to test.")
    along = directions[:, kept].T @ total
    count = groups / (groups - 1.0) if len(sums) == groups and groups > 1 else 1.0
    statistic, df = float(np.sum(along**2 / values[kept]) / count), int(kept.sum())
    return WaldTest(
        hypothesis=f"increments have mean zero given the past ({lags} lags)", statistic=statistic, df=df, df_denominator=np.inf,
        p_value=chi2_sf(statistic, df),
    )  # fmt: skip


def _together(fit: CtdFit, problem: CtdProblem) -> np.ndarray:
    """Codes (n,) of the rows that are summed: episodes, or the groups of them of the fit's covariance, the largest ones."""
    kind = fit._undrawn_kind
    if not (isinstance(kind, Mapping) and "cluster" in kind):
        return problem.paths.episode
    given = kind["cluster"]
    codes = [problem.design.cluster_codes(name) for name in ([given] if isinstance(given, str) else given)]
    code = min(codes, key=np.max)
    return code if problem.order is None else code[problem.order]


def _past(problem: CtdProblem, errors: np.ndarray, lags: int) -> np.ndarray:
    """What is known at each row: bounded products of scaled features, and features and increments before, shape (n, m)."""
    features, paths = problem.features, problem.paths
    q = features.shape[1]
    pairs = [features[:, i] * features[:, j] for i in range(q) for j in range(i, q)]
    products = np.column_stack(pairs)
    # Products have heavy tails, with which the test's chi-square law would need very many episodes.
    columns = [products / (1.0 + np.abs(products))]
    for lag in range(1, lags + 1):
        columns += [paths.lagged(features, lag), paths.lagged(errors, lag)[:, None]]
    return np.concatenate(columns, axis=1)


def quadratic_variation(fit: CtdFit, problem: CtdProblem) -> Any:
    """See `CtdFit.quadratic_variation`."""
    import pandas as pd

    paths = problem.paths
    squares = fit._increments()[1] ** 2
    sums = np.bincount(paths.episode, squares)
    length = np.bincount(paths.episode, paths.dt)
    labels = np.arange(len(sums))
    if problem.id:
        first = problem.by_row(paths.first)
        labels = np.empty(len(sums), object)
        labels[problem.design.cluster_codes(problem.id)[first]] = problem.design.column(problem.id)[first]
    columns = {"episode": list(labels), "length": length, "quadratic_variation": sums, "rate": sums / length}
    return to_caller(pd.DataFrame(columns), fit.kind)


def discretisation(fit: CtdFit, problem: CtdProblem, again: Callable[[Paths], np.ndarray]) -> Any:
    """See `CtdFit.discretisation`."""
    import pandas as pd

    coarse = again(problem.paths.thinned())
    columns = {
        "term": list(fit.terms), "estimate": fit.theta, "coarse": coarse, "extrapolated": 2.0 * fit.theta - coarse,
        "std_error": fit._se(),
    }  # fmt: skip
    return to_caller(pd.DataFrame(columns), fit.kind)
