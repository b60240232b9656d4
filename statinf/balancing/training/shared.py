"""Training weights for A/B tests whose arms share the data that models are trained on (Si 2023, arXiv 2310.17496).

Estimand: the law of the rows as it were if every unit had been in the treated arm, and the same for the control arm. Rows of both
arms are pooled; with e(x) the chance that a row of these features comes from the treated arm and p the arm's share, weights
e(x) / p turn the pooled law of x into that of the treated arm, (1 - e(x)) / (1 - p) into that of the control arm. Assumes that the
response has the same law given x in both arms: x is what the arms change. Of all such weights these have the least variance, for
they are the data-splitting weights Z / p averaged over what x does not tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from statinf.balancing.solution import Linear
from statinf.balancing.training.options import TrainingOptions
from statinf.balancing.training.problem import TrainingProblem, TrainingSolution
from statinf.errors import ConvergenceError, DataError, SeparationWarning, StatinfWarning, issue_warning
from statinf.learners.crossfit import fold_ids
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict, over_mean
from statinf.learners.registry import resolve
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.results import Method

_FEW = 0.2
_MISMATCH = 5.0
"""Standard deviations of the observed share about the design's from which the assignment is not what it says."""


def estimate(problem: TrainingProblem, options: TrainingOptions) -> TrainingSolution:
    """Chances of the treated arm by the learner, clipped, and the two weightings.

    Raises
    ------
    DataError
        If the observed share of the treated arm contradicts `share`.
    """
    learner = resolve(options.learner, "probability", "learner")
    chances = (
        _by_logit(problem, learner, options) if isinstance(learner, Logit) else _by_learner(problem, learner, options)
    )
    t, s = problem.treated.astype(np.float64), problem.s
    observed = float(s @ t / s.sum())
    if options.share is not None:
        _check_share(problem, options.share, observed)
    p = observed if options.share is None else options.share
    low, high = options.clip, 1.0 - options.clip
    e = np.clip(chances.e, low, high)
    moved = e != chances.e
    weights = (s * e / p, s * (1.0 - e) / (1.0 - p))
    expand = None
    if chances.expand is not None:
        expand = partial(_expansion, problem, chances.expand, np.where(moved, 0.0, s * e * (1.0 - e)), weights, p)
        # The share is one more parameter where it is estimated.
        expand = partial(expand, None if options.share is not None else s * (t - p) / s.sum())
    _warn_few(problem, weights)
    return TrainingSolution(e, p, weights, expand, int(moved.sum()), chances.folds)


@dataclass(frozen=True)
class _Chances:
    """Chances of the treated arm, shape (n,).

    expand : makes the derivative of each row's log odds in the parameters (n, q), the influence of each row on these (n, q), and
    its leverage (n,) or None; None where there is no theory. folds : 1 where all rows are used for all.
    """

    e: np.ndarray
    expand: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray | None]] | None
    folds: int


def _expansion(
    problem: TrainingProblem,
    chances: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray | None]],
    slope: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    share: float,
    drift: np.ndarray | None,
    k: int,
) -> Linear:
    """How the weights of the treated (0) or the control arm's model (1) depend on what was estimated."""
    gradient, influence, leverage = chances()
    derivative = (slope / (share if k == 0 else share - 1.0))[:, None] * gradient
    leverage = np.zeros(problem.n) if leverage is None else leverage
    if drift is None:
        return Linear(derivative, influence, leverage)
    by_share = -weights[0] / share if k == 0 else weights[1] / (1.0 - share)
    return Linear(np.column_stack([derivative, by_share]), np.column_stack([influence, drift]), leverage)


def _by_logit(problem: TrainingProblem, learner: Logit, options: TrainingOptions) -> _Chances:
    """A logit for each fold on the rows outside it, or one on all rows."""
    # A penalty counts rows, and weights may have any unit.
    x, t, s, n = problem.x, problem.treated.astype(np.float64), over_mean(problem.s), problem.n
    folds = _folds(problem, 1 if options.folds is None else options.folds)
    parts = [np.ones(n, bool)] if folds is None else [folds != f for f in range(int(folds.max()) + 1)]
    chances, e = [], np.empty(n)
    for inside in parts:
        try:
            found = learner.fit(x, t, s) if folds is None else learner.fit(x[inside], t[inside], s[inside])
        except ConvergenceError:
            return _apart(problem)
        chances.append(sigmoid(x @ found.coefficients + found.intercept))
        own = slice(None) if folds is None else ~inside
        e[own] = chances[-1][own]

    def expand() -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        z = np.column_stack([np.ones(n), x])
        penalty = np.diag(np.r_[0.0, np.full(x.shape[1], learner.penalty)])
        gradients, influences, leverage = [], [], None
        for inside, chance in zip(parts, chances, strict=True):
            curve = np.where(inside, s * chance * (1.0 - chance), 0.0)
            inverse = symmetric_inverse((z * curve[:, None]).T @ z + penalty)
            gradients.append(z if folds is None else np.where(inside[:, None], 0.0, z))
            influences.append((z * np.where(inside, s * (t - chance), 0.0)[:, None]) @ inverse)
            leverage = curve * quadratic_forms(z, inverse) if folds is None else None
        return np.column_stack(gradients), np.column_stack(influences), leverage

    return _Chances(e, expand, len(parts))


def _apart(problem: TrainingProblem) -> _Chances:
    issue_warning(
        "the features tell the arms apart without error, so that each arm is trained on its own rows alone; use fewer features, or "
        "a learner with a penalty.",
        SeparationWarning,
    )
    return _Chances(problem.treated.astype(np.float64), None, 1)


def _by_learner(problem: TrainingProblem, learner: object, options: TrainingOptions) -> _Chances:
    folds = _folds(problem, 2 if options.folds is None else options.folds)
    wanted = Nuisance("treated", problem.treated.astype(np.float64), learner, probability=True)
    given = None if folds is None else folds[None]
    made = cross_predict(problem.x, [wanted], given, problem.s, seed=problem.seed, progress=options.progress)
    count = 1 if folds is None else int(folds.max()) + 1
    return _Chances(made[0]["treated"], None, count)


def _folds(problem: TrainingProblem, folds: int) -> np.ndarray | None:
    if folds == 1:
        return None
    return fold_ids(problem.n, folds, seed=problem.seed, strata=problem.treated, groups=problem.clusters)


def _check_share(problem: TrainingProblem, share: float, observed: float) -> None:
    size = problem.s.sum() ** 2 / (problem.s @ problem.s)
    off = abs(observed - share) / np.sqrt(share * (1.0 - share) / size)
    if off > _MISMATCH:
        raise DataError(
            f"share={share:g} of the rows should be treated and {observed:.4g} are, {off:.1f} standard errors off: rows were lost "
            "or assigned in another way (a sample ratio mismatch). Find out why, or leave share= out to take what was observed."
        )


def _warn_few(problem: TrainingProblem, weights: tuple[np.ndarray, np.ndarray]) -> None:
    full = problem.s.sum() ** 2 / (problem.s @ problem.s)
    for name, w in zip(problem.arms[::-1], weights, strict=True):
        size = w.sum() ** 2 / (w @ w)
        if size < _FEW * full:
            issue_warning(
                f"training weights of arm '{name}' are worth {size:.0f} of {full:.0f} rows: the arms hardly overlap, and what is "
                "trained with them is little better than its own rows alone.",
                StatinfWarning,
            )


METHOD = Method(
    verb="training_weights",
    name="",
    estimate=estimate,
    options=TrainingOptions,
    summary="weights that train each arm's model on the rows of both",
    citation="Si (2023), Tackling interference induced by data training loops in A/B tests: a weighted training approach",
    arxiv="2310.17496",
    guarantee="least variance among weights that turn the pooled law into each arm's; stacked errors with a logit",
    vignette="training-weights",
)
