"""Whether a generalised linear model can be fitted: outcomes in range, and a likelihood with a maximum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from statinf.errors import ConvergenceError, DataError, NotIdentifiedError, StatinfWarning, issue_warning
from statinf.formula.design import Design
from statinf.numerics.glm.families import Family, is_binary
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.glm.separation import guilty_columns, separating_columns
from statinf.numerics.linear.reduction import reduce_columns

_ADVICE = {
    True: "take penalty='firth' in si.glm, whose estimates are finite",
    False: "use a penalised method, such as penalty='firth' in si.glm with family='binomial' or 'poisson' and its own link",
}


def check_range(y: np.ndarray, weights: np.ndarray, family: Family, name: str) -> None:
    used = y[weights > 0]
    wrong = family.domain.outside(used)
    if wrong.any():
        refuse_range(used[np.argmax(wrong)], int(wrong.sum()), family, name)


def refuse_range(example: float, count: int, family: Family, name: str) -> None:
    """Refuse outcomes out of range, of which one is an example."""
    raise DataError(
        f"the outcome '{name}' of a {family.name} model must lie {family.domain.words}; {count} rows do not, such as {example:g}."
    )


def check_whole(y: np.ndarray, weights: np.ndarray, estimated: bool, family: Family, name: str) -> None:
    """Warn of counts that are not whole numbers: the likelihood is that of whole ones.

    Weights that were estimated are no numbers of trials, and 0 and 1 are whole under any weights.
    """
    if family.law.whole is None:
        return
    y, weights = y[weights > 0], weights[weights > 0]
    broken = not_whole(y, y if estimated else weights * y, family)
    if broken.any():
        warn_not_whole(y[np.argmax(broken)], int(broken.sum()), family, name)


def not_whole(y: np.ndarray, trials: np.ndarray, family: Family) -> np.ndarray:
    """Which outcomes (n,) are no whole counts, or no shares of whole numbers of trials (successes (n,) are given)."""
    if family.law.shares:
        return (y != 0) & (y != 1) & (np.abs(trials - np.round(trials)) > 1e-3)
    return np.abs(y - np.round(y)) > 1e-7 * np.maximum(1.0, np.abs(y))


def warn_not_whole(example: float, count: int, family: Family, name: str) -> None:
    """Warn of outcomes that are not whole, of which one is an example."""
    whole = family.law.whole
    assert whole is not None
    issue_warning(
        f"the outcome '{name}' of a {family.name} model holds {count} {whole.words} that are not whole, such as "
        f"{example:g}: {whole.advice}, or take a robust vcov, which does not need the likelihood.",
        StatinfWarning,
    )


def check_separation(made: Design, family: Family, solution: GlmSolution) -> None:
    """Look for separation only where the fit shows its sign: means that have run into their bounds."""
    if (at_bounds(made.y, family, solution.eta) & (made.weights > 0)).any():
        name_separation(made, family)


def at_bounds(y: np.ndarray, family: Family, eta: np.ndarray) -> np.ndarray:
    """Rows (n,) whose mean has run into its bound, the sign of separation."""
    if not family.separable:
        return np.zeros(len(y), bool)
    if len(eta):
        # Means go one way with the linear predictor: where its ends are inside, all are.
        ends = family.link.inverse(np.array([eta.min(), eta.max()]))
        if not family.law.bounded(np.zeros(2), ends).any():
            return np.zeros(len(y), bool)
    return family.law.bounded(y, family.link.inverse(eta))


def name_separation(made: Design, family: Family) -> None:
    """Raise a `NotIdentifiedError` that names the separating columns, if there are any."""
    if not family.separable:
        return
    positive = made.weights > 0
    values, names = made.parts[0].values, made.parts[0].names
    kept = reduce_columns(values, positive.astype(float)).kept
    refuse_separation(values[positive], names, kept, made.y[positive], family)


def refuse_separation(
    values: np.ndarray, names: Sequence[str], kept: np.ndarray, y: np.ndarray, family: Family
) -> None:
    """Raise a `NotIdentifiedError` that names those of the columns (n, p) that separate outcomes (n,), if there are any."""
    upper = y == family.law.upper
    found = separating_columns(values[:, kept], [n for n, k in zip(names, kept, strict=True) if k], y == 0, upper)
    if found is None:
        return
    raise _separation(*found, len(y), family)


def separated(names: Sequence[str], reach: np.ndarray, moved: int, rows: int, family: Family) -> NotIdentifiedError:
    """The error that names the columns that separate outcomes.

    Parameters
    ----------
    names : sequence of str
        Of k columns.
    reach : ndarray, shape (k,)
        How far each moves the predictor along the separating direction.
    moved, rows : int
        Rows whose outcomes are settled, and rows in all.
    family : Family
    """
    return _separation(guilty_columns(names, reach), moved, rows, family)


def _separation(guilty: Sequence[str], moved: int, rows: int, family: Family) -> NotIdentifiedError:
    return NotIdentifiedError(
        f"separation: the outcomes of {moved} of {rows} rows are predicted perfectly by "
        f"{', '.join(map(repr, guilty[:5])) or 'the design'}, so the likelihood has no finite maximum. "
        f"Remove or merge what separates, or {_ADVICE[family.jeffreys is not None]}."
    )


def null_deviance(made: Design, family: Family, intercept: bool) -> float:
    """Deviance of the intercept alone (of nothing without one), offset and weights kept; NaN if it has no fit."""
    if not intercept:
        eta = np.zeros(made.n) if made.offset is None else made.offset
        with np.errstate(all="ignore"):
            return float(made.weights @ family.unit_deviance(made.y, family.link.inverse(eta)))
    if made.offset is None:
        y, weights = made.y, made.weights
        mean = np.average(y, weights=weights)
        if is_binary(y):
            # One mean for all rows: two outcomes have two deviances.
            ones = float(weights @ y)
            y, weights = np.array([0.0, 1.0]), np.array([weights.sum() - ones, ones])
        return float(weights @ family.unit_deviance(y, np.full(len(y), mean)))
    ones = np.ones((made.n, 1))
    try:
        return fit_glm(ones, made.y, family, weights=made.weights, offset=made.offset).deviance
    except ConvergenceError:
        return np.nan
