"""Veracity scores: errors in a recorded number, from any regression model.

Zhou, Mueller, Kumar, Wang and Lei (2024, Journal of Data-centric Machine Learning Research, arXiv 2305.16583). A residual
alone misleads where outcomes vary much or the model knows little; the score divides it by both uncertainties. Suspicious
rows are removed and all rows scored again by what was learnt from the rest. On new rows conformal p-values of the scores hold
the false discovery rate of what is called an error.

The spread is a function of the row, as in the paper; cleanlab's is one number for the data. How many rows to remove the paper
and cleanlab choose by the R squared over all rows (`rule="r2"`), which errors of one sign hardly change: least squares makes
it as large as it gets with them. By default rows are removed and flagged whose scores stand out from the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.veracity.detector import (
    SCORES,
    Detector,
    DetectorPlan,
    Parts,
    fit_detector,
    joined,
    least_uncertainty,
    out_of_fold,
)
from statinf.conformity.veracity.filtering import kept_rows, search
from statinf.conformity.veracity.outlying import outlying
from statinf.errors import DataError, OptionError
from statinf.learners import LeastSquares, Ridge, resolve
from statinf.results import Method, Options, choice, count, flag, number, value

_ROUNDS = 2
"""How often rows that stand out are removed and all rows scored again."""


def _check_grid(name: str, given: Any) -> tuple[float, ...]:
    found = tuple(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else ()
    if not found or not all(
        isinstance(p, int | float | np.number) and not isinstance(p, bool) and 0.0 < float(p) <= 0.5 for p in found
    ):
        raise OptionError(f"{name}={given!r} must list shares in (0, 0.5].")
    return tuple(sorted({float(p) for p in found}))


def _check_scale(name: str, given: Any) -> Any:
    if given is True or (isinstance(given, int | float) and not isinstance(given, bool)):
        raise OptionError(
            f"{name}={given!r} must be a learner of squared residuals, or False for one spread at all rows."
        )
    return given


def _check_folds(name: str, given: Any) -> Any:
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if (whole and given >= 2) or (not isinstance(given, str | bytes | Mapping) and np.ndim(given) == 1):
        return int(given) if whole else given
    raise OptionError(f"{name}={given!r} is not a whole number of at least 2, or an array of one label per row.")


@dataclass(frozen=True, kw_only=True)
class VeracityOptions(Options):
    """Options of veracity scores."""

    score: str = choice(
        "arithmetic", SCORES, "residual over the sum or geometric mean of both uncertainties, one, or none"
    )
    scale: Any = value(
        None,
        "model of the spread around the mean, by default like the model",
        "a learner, or False for one spread",
        _check_scale,
    )
    link: str | None = choice(
        None, ("log", "identity"), "whether the spread is learnt from logarithms; by default for linear models"
    )
    replicas: int = count(20, "fits to subsamples, whose spread is the model's own uncertainty; 0 leaves it out", low=0)
    share: float = number(0.8, "rows in a subsample", low=0, high=1, open_low=True)
    folds: Any = value(
        5,
        "by which rows are scored by models without them; the number of rows leaves one out",
        "a whole number of at least 2, or an array of one label per row",
        _check_folds,
    )
    filter: bool = flag(True, "remove rows that are likely wrong, and score again")
    rule: str = choice(
        "outlying",
        ("outlying", "r2"),
        "which: those whose scores stand out, or the share at which all rows are predicted best",
    )
    fdr: float = number(0.1, "of 'outlying': false discovery rate", low=0, high=1, open_low=True, open_high=True)
    grid: Any = value((0.05, 0.1, 0.15, 0.2), "shares to try to remove first", "numbers in (0, 0.5]", _check_grid)

    def check(self) -> None:
        if self.replicas == 0 and self.score in ("geometric", "epistemic"):
            raise OptionError(f"score={self.score!r} divides by the model's uncertainty and replicas=0 leaves it out.")


@dataclass(frozen=True, repr=False)
class VeracityProblem(Brief):
    """Rows in an order of their own, by content, the caller's model, and the folds of the rows where they are given."""

    X: np.ndarray
    y: np.ndarray
    model: Any
    seed: int
    progress: bool | None
    labels: np.ndarray | None = None


@dataclass(frozen=True, repr=False)
class VeracityScores(Brief):
    """Scores of all rows (n,), in the problem's order, and what new rows are scored by.

    Attributes
    ----------
    parts : Parts
    score : ndarray, shape (n,)
    flagged : ndarray of bool, shape (n,)
    share : float
        Of the rows that are likely wrong.
    removed, r_squared : ndarray, shape (k,)
        Shares tried, and the R squared of each.
    detector : Detector
    clean : object
        The model of the mean fitted to the rows that are not flagged, which filtering need not have left out.
    floor : float
    kind : str
    flag_fdr : float
        Share of right rows that is expected among those flagged.
    """

    parts: Parts
    score: np.ndarray
    flagged: np.ndarray
    share: float
    removed: np.ndarray
    r_squared: np.ndarray
    detector: Detector
    clean: Any
    floor: float
    kind: str
    flag_fdr: float


def plan_of(problem: VeracityProblem, options: VeracityOptions) -> DetectorPlan:
    """How detectors are fitted, from what the caller asked."""
    spec = "lm" if problem.model is None else problem.model
    learner = resolve(spec, "mean", "model")
    linear = isinstance(learner, LeastSquares | Ridge)
    scale = None
    if options.scale is not False:
        # A linear spread is shrunk to a constant as far as leave-one-out errors say.
        own = "ridge_path" if linear else spec
        scale = resolve(own if options.scale is None else options.scale, "mean", "scale")
    log = (linear and options.scale is None) if options.link is None else options.link == "log"
    labels = problem.labels
    folds = options.folds if labels is None else len(np.unique(labels))
    return DetectorPlan(
        learner, scale, log, options.replicas, options.share, folds, problem.seed, problem.progress, labels
    )


def estimate(problem: VeracityProblem, options: VeracityOptions) -> VeracityScores:
    """Score all rows, out of fold, with likely errors kept out of the models."""
    X, y = problem.X, problem.y
    n, plan = len(y), plan_of(problem, options)
    if plan.labels is None and n < 2 * plan.folds and n != plan.folds:
        raise DataError(
            f"folds={plan.folds} needs at least {2 * plan.folds} rows, and {n} are usable; use fewer folds."
        )
    plan.codes(n)
    floor = least_uncertainty(y)
    if not floor > 0.0:
        raise DataError("the outcome is constant; nothing in it can be told apart.")
    parts = out_of_fold(X, y, plan)
    score = parts.score(options.score, y, floor)
    kept, path = np.ones(n, bool), {0.0: np.nan}
    by_r2 = options.rule == "r2"
    if options.filter:
        path = search(X, y, score, options.grid, plan, fine=by_r2)
    share = max(path, key=lambda p: path[p]) if by_r2 and options.filter else 0.0
    for _ in range(_ROUNDS if options.filter else 0):
        found = kept_rows(score, share) if by_r2 else ~outlying(score, options.fdr)
        if np.array_equal(found, kept) or _too_few(found, plan):
            break
        kept = found
        parts = _again(X, y, kept, plan)
        score = parts.score(options.score, y, floor)
        if by_r2:
            break
    flagged = _largest(score, share) if by_r2 else outlying(score, options.fdr)
    share = share if by_r2 else float(flagged.mean())
    shares, found = np.array(list(path)), np.array(list(path.values()))
    detector = fit_detector(X[kept], y[kept], plan)
    same = np.array_equal(kept, ~flagged)
    clean = detector.mean if same else plan.learner.fit(X[~flagged], y[~flagged], seed=plan.seed)
    return VeracityScores(
        parts, score, flagged, float(share), shares, found, detector, clean, floor, options.score, options.fdr
    )


def _too_few(kept: np.ndarray, plan: DetectorPlan) -> bool:
    """Whether rows (n,) bool cannot be scored out of fold any more."""
    if plan.labels is not None:
        return len(np.unique(plan.labels[kept])) < 2
    return int(kept.sum()) < 2 * min(plan.folds, len(kept) // 2)


def _largest(score: np.ndarray, share: float) -> np.ndarray:
    """The share of rows with the largest scores, rounded up, (n,) bool."""
    n = len(score)
    if share == 0.0:
        return np.zeros(n, bool)
    return score >= np.sort(score)[n - int(np.ceil(share * n - 1e-9))]


def _again(X: np.ndarray, y: np.ndarray, kept: np.ndarray, plan: DetectorPlan) -> Parts:
    """What detectors fitted to rows kept say of all rows: of those kept out of fold."""
    if kept.all():
        return out_of_fold(X, y, plan)
    inside, outside = out_of_fold(X[kept], y[kept], plan.of(kept)), fit_detector(X[kept], y[kept], plan).parts(X[~kept])
    out = np.empty((3, len(y)))
    for where, found in ((kept, inside), (~kept, outside)):
        out[:, where] = found.predicted, found.epistemic, found.aleatoric
    return joined(out, plan)


METHOD = Method(
    verb="veracity",
    name="",
    estimate=estimate,
    options=VeracityOptions,
    summary="scores of recorded outcomes by residuals over their uncertainty",
    citation="Zhou, Mueller, Kumar, Wang, Lei (2024)",
    arxiv="2305.16583",
    guarantee="FDR of `test` <= fdr with clean calibration rows, finite sample",
    vignette="veracity",
)
