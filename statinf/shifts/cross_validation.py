"""Importance-weighted cross-validation over powers of the density ratio.

Sugiyama, Krauledat and Mueller (2007, Journal of Machine Learning Research 8): held-out source rows, weighted by the ratio,
estimate the risk on the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import OptionError
from statinf.inference.least_squares import unpack_symmetric
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.irls_batch import refit_glm
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results import Estimate
from statinf.shifts.problem import ShiftProblem
from statinf.shifts.samples import Samples
from statinf.shifts.specification import both_fits

if TYPE_CHECKING:
    import pandas as pd


def cross_validate(
    problem: ShiftProblem, powers: Any, folds: Any, ratio: Any, seed: int, clusters: Sequence[np.ndarray]
) -> pd.DataFrame:
    """Held-out deviance weighted by the ratio, all powers and folds refitted in one batch."""
    import pandas as pd

    exponents = _powers(powers)
    check_seed(seed)
    pair, family = both_fits(problem, ratio), problem.family
    design, rows = pair.samples.design, pair.samples.at_source
    values = pair.ratio.values[np.searchsorted(pair.ratio.used, design.rows)][rows]
    sampling = pair.samples.ws
    candidates = sampling * (values / sampling) ** exponents[:, None]
    mean, spread = held_out(pair.samples, family, pair.weighted, candidates, values, folds, seed, clusters)
    return pd.DataFrame({"power": exponents, "risk": mean, "std_error": spread})


def held_out(
    samples: Samples,
    family: Family,
    fitted: Estimate,
    candidates: np.ndarray,
    values: np.ndarray,
    folds: Any,
    seed: int,
    clusters: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Deviance of held-out source rows under each of several weights, all candidates and folds refitted in one batch.

    Parameters
    ----------
    samples : Samples
    family : Family
    fitted : Estimate
        A likelihood fit on the same columns, from which refits start.
    candidates : ndarray, shape (k, n)
        Weights of the rows of `samples.xs` in the fits.
    values : ndarray, shape (n,)
        Their weights in the risk.
    folds, seed : int
    clusters : sequence of ndarray of int, shape (n,)
        Codes 0, 1, ... of rows that depend on each other; the largest clusters stay whole.

    Returns
    -------
    mean, spread : ndarray, shape (k,)

    Raises
    ------
    OptionError
        For a number of folds that the rows do not allow.
    """
    design, rows, kept = samples.design, samples.at_source, ~np.isnan(fitted.theta)
    n, k = len(rows), len(candidates)
    groups = [*clusters] or [np.arange(n)]
    coarsest = min(groups, key=np.max)
    count, said = int(coarsest.max()) + 1, "clusters of the source" if clusters else "source rows"
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or not 2 <= folds <= count:
        raise OptionError(f"folds={folds!r}: give a whole number between 2 and the {count} {said}.")
    offset = None if design.offset is None else design.offset[rows]
    y = design.y[rows]
    factor = fitted.extra["factor"]
    basis = solve_triangular(factor.T, design.parts[0].values[np.ix_(rows, kept)].T, lower=True).T
    fold = (generator(seed, 7).permutation(count) % folds)[coarsest]
    inside = (fold != np.arange(folds)[:, None]).astype(float)
    batch = (candidates[:, None, :] * inside).reshape(-1, n)
    start = factor @ fitted.theta[kept]
    coef = _refits(basis, y, batch, offset, family, start)
    eta = coef.reshape(k, folds, -1) @ basis.T + (0.0 if offset is None else offset)
    held = np.take_along_axis(eta, np.broadcast_to(fold, (k, 1, n)), axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        loss = family.unit_deviance(y, family.link.inverse(held))
    share = values / values.sum()
    mean = loss @ share
    off = (loss - mean[:, None]) * share
    squares = [[np.square(np.bincount(codes, row)).sum() for row in off] for codes in groups]
    return mean, np.sqrt(np.max(squares, axis=0))


def _powers(given: Any) -> np.ndarray:
    try:
        powers = np.atleast_1d(np.asarray(given, dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        powers = np.array([np.nan])
    if len(powers) == 0 or not ((powers >= 0) & (powers <= 1)).all():
        raise OptionError(f"powers={given!r}: powers of the density ratio are numbers between 0 and 1.")
    return powers


def _refits(
    x: np.ndarray, y: np.ndarray, batch: np.ndarray, offset: np.ndarray | None, family: Family, start: np.ndarray
) -> np.ndarray:
    """Coefficients under each row of a weight matrix; least squares need one product with the rows' own products."""
    if not (family.name == "gaussian" and family.link.name == "identity"):
        return refit_glm(x, y, family, batch, offset=offset, start=start)
    k = x.shape[1]
    upper, lower = np.triu_indices(k)
    outcome = y if offset is None else y - offset
    gram = unpack_symmetric(batch @ (x[:, upper] * x[:, lower]), k)
    return np.linalg.solve(gram, (batch @ (x * outcome[:, None]))[..., None])[..., 0]
