"""Maximum likelihood of cumulative logit models: proportional odds (McCullagh 1980), or slopes of each boundary's own.

Estimand: a_k and b_k in P(Y <= k | x) = logistic(a_k + x'b_k), all b_k equal with proportional odds; robust covariances
hold for the minimiser of the expected negative log-likelihood where the model is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import LinAlgError, eigh

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.inference.moments import Moments
from statinf.models import regression as common
from statinf.models.categories import boundary_names
from statinf.numerics.cumulative_logit import CumulativeLogit
from statinf.numerics.cumulative_path import Solutions, begin, solve
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import reduce_columns
from statinf.quantile.presto.options import PrestoOptions
from statinf.quantile.presto.problem import PrestoProblem
from statinf.quantile.presto.rows import PrestoRows, Standardised
from statinf.results import Estimate, stack_scores

_RUN_OFF = 1e-7
"""Share of its information without slopes below which a direction has run off: columns separate categories."""
_REMEDY = "remove or merge what separates, or give penalty= a positive number"


@dataclass(frozen=True, repr=False)
class SolvedOdds(Brief):
    """A maximum of the likelihood.

    Parameters of the caller's scale are slopes, those of all boundaries or boundary by boundary, then intercepts.

    Attributes
    ----------
    model : CumulativeLogit
        On standardised columns.
    theta : ndarray, shape (d,)
        The model's parameters.
    free : ndarray of int, shape (q,)
        Those that are estimated.
    to_standard : ndarray, shape (q, q)
        From parameters of the caller's scale to those of the model.
    coef : ndarray, shape (q,)
        On the caller's scale.
    factor : ndarray, shape (q, q)
        Upper triangular factor of the information on the caller's scale.
    loglik : float
    """

    model: CumulativeLogit
    theta: np.ndarray
    free: np.ndarray
    to_standard: np.ndarray
    coef: np.ndarray
    factor: np.ndarray
    loglik: float


def maximise(rows: PrestoRows, options: PrestoOptions) -> SolvedOdds:
    """The maximum of the likelihood, for columns that are not aliased.

    Raises
    ------
    NotIdentifiedError
        If columns separate categories.
    ConvergenceError
        If the gradient does not vanish.
    """
    standard = rows.standardised()
    begun, found = _newton(standard, rows.weights[None], options)
    m, p = rows.n_categories - 1, rows.X.shape[1]
    free = np.arange(m + p if options.parallel else m * (1 + p))
    model = standard.model()
    information = model.hessian(found.theta[0])[np.ix_(free, free)]
    if _runs_off(information, begun.hessian[0][np.ix_(free, free)]):
        raise NotIdentifiedError(
            f"columns separate categories, so that the likelihood has no finite maximum; {_REMEDY}."
        )
    if found.residual[0] > options.tol:
        raise ConvergenceError(
            f"the gradient is {found.residual[0]:.1e} after {found.steps[0]} steps, above tol={options.tol:g}; raise max_iter=, "
            f"or if the columns separate categories, {_REMEDY}."
        )
    total = rows.weights.sum()
    to_standard, to_raw = _maps(m, standard.mean, standard.sd, options.parallel)
    half = np.linalg.cholesky(information).T * np.sqrt(total)
    return SolvedOdds(
        model,
        found.theta[0],
        free,
        to_standard,
        to_raw @ found.theta[0][free],
        np.asarray(np.linalg.qr(half @ to_standard, mode="r")),
        float(-total * found.loss[0]),
    )


def _newton(standard: Standardised, weights: np.ndarray, options: PrestoOptions) -> tuple[Solutions, Solutions]:
    """The models without slopes, and the maxima, under sets of weights (R, n)."""
    fits = standard.fits(weights)
    begun = begin(fits, fits.start())
    free = np.zeros(begun.theta.shape, bool)
    m, p = fits.boundaries, standard.columns.shape[1]
    free[:, : m + p if options.parallel else None] = True
    nothing = np.zeros(begun.theta.shape)
    return begun, solve(fits, begun, nothing, nothing, free, tol=options.tol, max_iter=options.max_iter)


def refits(rows: PrestoRows, options: PrestoOptions, weights: np.ndarray) -> np.ndarray:
    """Coefficients on the caller's scale under sets of weights (R, n); NaN where there is no maximum."""
    standard, m, p = rows.standardised(), rows.n_categories - 1, rows.X.shape[1]
    good = np.flatnonzero((rows.totals(weights) > 0).all(axis=1))
    _, to_raw = _maps(m, standard.mean, standard.sd, options.parallel)
    out = np.full((len(weights), len(to_raw)), np.nan)
    if len(good):
        _, found = _newton(standard, weights[good], options)
        fine = found.residual <= options.tol
        out[good[fine]] = found.theta[fine, : m + p if options.parallel else None] @ to_raw.T
    return out


def _runs_off(information: np.ndarray, before: np.ndarray) -> bool:
    """Whether the information of some direction has vanished against that of the model without slopes."""
    try:
        return bool(eigh(information, before, eigvals_only=True)[0] < _RUN_OFF)
    except LinAlgError:
        return True


def _maps(m: int, mean: np.ndarray, sd: np.ndarray, parallel: bool) -> tuple[np.ndarray, np.ndarray]:
    """From (slopes, intercepts) of the caller's columns to (intercepts, differences) of the standardised ones, and back.

    a_k = a_k,raw + mean'b_k and b_k = sd b_k,raw, with b_k the sum of the first k differences.
    """
    p, blocks = len(mean), 1 if parallel else m
    q = m + blocks * p
    forward, back = np.zeros((q, q)), np.zeros((q, q))
    forward[:m, blocks * p :] = back[blocks * p :, :m] = np.eye(m)
    for k in range(blocks):
        raw, standard = slice(k * p, (k + 1) * p), slice(m + k * p, m + (k + 1) * p)
        where = np.arange(m) if parallel else np.array([k])
        forward[where, raw] = mean
        forward[standard, raw] = np.diag(sd)
        if k + 1 < blocks:
            forward[m + (k + 1) * p : m + (k + 2) * p, raw] = -np.diag(sd)
        for earlier in range(k + 1):
            back[raw, m + earlier * p : m + (earlier + 1) * p] = np.diag(1.0 / sd)
            back[blocks * p + where, m + earlier * p : m + (earlier + 1) * p] = -mean / sd
    return forward, back


def moments_of(solved: SolvedOdds, problem: PrestoProblem) -> Moments:
    """Scores of the design's rows on the caller's scale, with the inverse information as bread."""
    design, used = problem.design, problem.used
    unit = np.zeros((design.n, len(solved.free)))
    unit[used] = solved.model.scores(solved.theta)[:, solved.free] @ solved.to_standard
    weights = design.weights_object
    stacked = {} if weights is None else stack_scores(weights, design.rows, unit)
    bread = inverse_gram(solved.factor)
    nobs = len(used)
    return Moments(
        unit * design.weights[:, None],
        bread,
        nobs,
        float(nobs - len(bread)),
        model=bread,
        factor=solved.factor,
        present=design.weights > 0,
        **stacked,
    )


def estimate(problem: PrestoProblem, options: PrestoOptions) -> Estimate:
    """Slopes and intercepts by maximum likelihood; aliased columns have no estimate."""
    rows, names = problem.rows, problem.matrix.names
    reduced = reduce_columns(np.column_stack([np.ones(len(rows.codes)), rows.X]), rows.weights)
    kept = reduced.kept[1:]
    common.warn_aliased(problem.matrix.names, kept, 1.0)
    boundaries = boundary_names(problem.levels)
    slopes = names if options.parallel else tuple(f"{name}[{at}]" for at in boundaries for name in names)
    there = np.concatenate([np.tile(kept, 1 if options.parallel else len(boundaries)), np.ones(len(boundaries), bool)])
    nobs, q = len(rows.codes), int(there.sum())
    common.check_size(nobs, q, (*slopes, *boundaries))
    solved = maximise(rows.columns(kept), options)
    theta = np.full(len(there), np.nan)
    theta[there] = solved.coef
    shares = np.bincount(rows.codes, weights=rows.weights)
    return Estimate(
        terms=(*slopes, *boundaries),
        theta=theta,
        moments=partial(moments_of, solved, problem),
        nobs=nobs,
        df_resid=float(nobs - q),
        extra={
            "levels": problem.levels,
            "parallel": options.parallel,
            "loglik": solved.loglik,
            "null_loglik": float(shares @ np.log(shares / shares.sum())),
            "aliases": reduced.aliases,
            "reverse": options.reverse,
        },
    )
