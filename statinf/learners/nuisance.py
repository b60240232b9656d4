"""Cross-fitting of several nuisance functions at once, over one or many random splits.

Every method with nuisances describes them (what is predicted, on which rows it is learnt, by which learner)
and gets their out-of-fold predictions back. Least squares and ridge for all outcomes, arms and folds come
from sums by cell; logits from a full fit and a few passes; kernel ridge and all other learners fold by fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import map_threads, progress_bar, reporting
from statinf.backend.seeds import check_seed
from statinf.backend.threads import cores
from statinf.errors import DataError, OptionError
from statinf.learners.binned_trees import BinnedTrees, columns_of, fit_together, model_values
from statinf.learners.cells import PARALLEL_FROM
from statinf.learners.crossfit import fold_ids, stratum_codes
from statinf.learners.kernel_ridge import KernelRidge
from statinf.learners.linear import LeastSquares, Ridge
from statinf.learners.logit import Logit
from statinf.learners.shared_fits import share

_PARALLEL_FROM = 20_000
_TOGETHER = 10
"""Small splits whose steps are matrix products together."""


@dataclass(frozen=True, eq=False)
class Nuisance:
    """A conditional mean or probability to be learnt.

    Attributes
    ----------
    name : str
    target : ndarray, shape (n,)
    learner : Learner
    rows : ndarray of bool, shape (n,), optional
        Rows it is learnt on; all by default. It is predicted for every row.
    probability : bool
        Whether predictions must lie in [0, 1].
    """

    name: str
    target: np.ndarray
    learner: Any
    rows: np.ndarray | None = None
    probability: bool = False


def splits(
    n: int, folds: Any, repeats: int, seed: int, strata: np.ndarray | None, groups: np.ndarray | None = None
) -> np.ndarray:
    """Fold numbers of every repetition, shape (repeats, n); groups stay whole, as in `fold_ids`.

    Raises
    ------
    OptionError
        If the folds or the number of repetitions cannot be used; given labels allow one repetition only.
    """
    if isinstance(repeats, bool | np.bool_) or not isinstance(repeats, int | np.integer) or repeats < 1:
        raise OptionError(f"repeats={repeats!r} must be a whole number of at least 1.")
    if np.ndim(folds) == 1 and repeats > 1:
        raise OptionError("repeats splits the rows at random each time; give folds a number with it.")
    check_seed(seed)
    if strata is not None and np.ndim(folds) == 0:
        strata = stratum_codes(strata)
    return np.stack([fold_ids(n, folds, seed=seed + 7919 * r, strata=strata, groups=groups) for r in range(repeats)])


def over_mean(w: np.ndarray) -> np.ndarray:
    """Weights (n,) over the mean of those above zero: a learner's penalty counts rows, and weights may have any unit."""
    used = w[w > 0]
    mean = float(used.mean()) if len(used) else 1.0
    return w if mean == 1.0 else w / mean


def cross_predict(
    X: np.ndarray,
    nuisances: Sequence[Nuisance],
    folds: np.ndarray | None,
    w: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> list[dict[str, np.ndarray]]:
    """Predictions of every nuisance for every row by fits that did not see it.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    nuisances : sequence of Nuisance
    folds : ndarray of int, shape (repeats, n), or None
        None fits once on all rows and predicts the same rows.
    w : ndarray, shape (n,), optional
        In any unit.
    seed : int
    progress : bool, optional

    Returns
    -------
    list of dict
        One dict per repetition, from names to predictions (n,).

    Raises
    ------
    DataError
        If a fold leaves nothing to learn a nuisance on.
    OptionError
        If a probability learner gives values outside [0, 1].
    """
    n = len(X)
    w = np.ones(n) if w is None else over_mean(w)
    repeats = np.zeros((1, n), np.intp) if folds is None else folds
    linear = [q for q in nuisances if isinstance(q.learner, Ridge | LeastSquares)]
    logits = [q for q in nuisances if isinstance(q.learner, Logit)]
    slow = [q for q in nuisances if q not in linear and q not in logits]
    if folds is not None:
        _check_folds(nuisances, folds, w)
    shared = share(X, w, linear, logits, whole=folds is None)
    # Threads take some splits each where one split is too small to be worth several.
    many = len(repeats) > 1 and shared is not None and shared.design.z.size <= PARALLEL_FROM
    batch = _TOGETHER if many else 1
    groups = [repeats[start : start + batch] for start in range(0, len(repeats), batch)]

    def quick(group: np.ndarray) -> list[dict[str, np.ndarray]]:
        if shared is None:
            return [{} for _ in group]
        return shared.predict(group, whole=folds is None, parallel=False if many else None)

    out: list[dict[str, np.ndarray]] = []
    width = cores() if many else 1
    for start in progress_bar(range(0, len(groups), width), label="Splits", show=progress):
        here = groups[start : start + width]
        for group, made in zip(here, map_threads(quick, here, parallel=many), strict=True):
            for split, found in zip(group, made, strict=True):
                with reporting(progress):
                    rest = _one_by_one(X, slow, None if folds is None else split, w, seed + len(out))
                out.append(found | rest)
    return out


def _one_by_one(
    X: np.ndarray, wanted: Sequence[Nuisance], split: np.ndarray | None, w: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    out = _shared_trees(X, [q for q in wanted if isinstance(q.learner, BinnedTrees)], split, w)
    wanted = [q for q in wanted if q.name not in out]
    if split is not None:
        for q in wanted:
            if getattr(q.learner, "folds_together", False):
                out[q.name] = _all_folds(X, q, split, w, seed)
        out |= _shared_kernels(X, [q for q in wanted if isinstance(q.learner, KernelRidge)], split, w)
        wanted = [q for q in wanted if q.name not in out]
    jobs = [(q, k) for q in wanted for k in ([None] if split is None else range(int(split.max()) + 1))]

    def job(item: tuple[Nuisance, int | None]) -> np.ndarray:
        q, k = item
        train = w > 0 if q.rows is None else q.rows & (w > 0)
        here = slice(None) if k is None else split == k
        if k is not None:
            train = train & (split != k)
        fitted = q.learner.fit(X[train], q.target[train], w[train], seed=seed)
        ask = fitted.predict_proba if q.probability and hasattr(fitted, "predict_proba") else fitted.predict
        return np.asarray(ask(X[here]), np.float64)

    large = len(X) * X.shape[1] > _PARALLEL_FROM
    made = map_threads(job, jobs, parallel=large, label="models of nuisances")
    out |= {q.name: np.empty(len(X)) for q in wanted}
    for (q, k), values in zip(jobs, made, strict=True):
        out[q.name][slice(None) if k is None else split == k] = values
    for q in wanted:
        _check_values(q, out[q.name])
    return out


def _all_folds(X: np.ndarray, q: Nuisance, split: np.ndarray, w: np.ndarray, seed: int) -> np.ndarray:
    """Predictions (n,) by a learner that fits its folds together."""
    fits = q.learner.fit_folds(X, q.target, split, w if q.rows is None else w * q.rows, seed=seed)
    out = np.empty(len(X))
    for k, fitted in enumerate(fits):
        here = split == k
        out[here] = fitted.predict(X[here])
    _check_values(q, out)
    return out


def _shared_kernels(
    X: np.ndarray, wanted: Sequence[Nuisance], split: np.ndarray, w: np.ndarray
) -> dict[str, np.ndarray]:
    """Kernel ridge for all folds, and for all outcomes that share a kernel and its rows."""
    groups: dict[tuple[Any, int], list[Nuisance]] = {}
    for q in wanted:
        groups.setdefault((q.learner, id(q.rows)), []).append(q)
    out = {}
    for some in groups.values():
        weight = w if some[0].rows is None else w * some[0].rows
        made = some[0].learner.predict_folds(X, np.column_stack([q.target for q in some]), split, weight)
        for q, values in zip(some, made.T, strict=True):
            out[q.name] = values
            _check_values(q, out[q.name])
    return out


def _shared_trees(
    X: np.ndarray, wanted: Sequence[Nuisance], split: np.ndarray | None, w: np.ndarray
) -> dict[str, np.ndarray]:
    """Binned trees for all folds and for all nuisances of one plan, which share the bins of all rows."""
    groups: dict[Any, list[Nuisance]] = {}
    for q in wanted:
        groups.setdefault(q.learner.plan, []).append(q)
    out = {}
    for some in groups.values():
        learners = [q.learner for q in some]
        bins, trees = fit_together(learners, X, [q.target for q in some], [q.rows for q in some], split, w)
        codes, fold = bins.codes(columns_of(X)), np.zeros(len(X), np.intp) if split is None else split
        count = int(fold.max()) + 1
        for j, q in enumerate(some):
            out[q.name] = np.empty(len(X))
            for k in range(count):
                here = np.flatnonzero(fold == k)
                out[q.name][here] = model_values(trees, codes[:, here], j * count + k)
            _check_values(q, out[q.name])
    return out


def _check_values(q: Nuisance, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise DataError(
            f"the learner of {q.name} predicted {int((~np.isfinite(values)).sum())} values that are not finite."
        )
    if q.probability and hasattr(q.learner, "estimator") and ((values < -1e-9) | (values > 1 + 1e-9)).any():
        raise OptionError(
            f"the learner of {q.name} predicted probabilities outside [0, 1]; give one with predict_proba."
        )


def _check_folds(nuisances: Sequence[Nuisance], folds: np.ndarray, w: np.ndarray) -> None:
    positive = w > 0
    sets = {id(q.rows): (positive if q.rows is None else positive & q.rows, q.name) for q in nuisances}
    for split in folds:
        count = int(split.max()) + 1
        sizes = [(np.bincount(split[rows], minlength=count), name) for rows, name in sets.values()]
        lacking = [(int(np.argmax(size)), name) for size, name in sizes if size.max() == size.sum()]
        if lacking:
            fold, name = min(lacking)
            raise DataError(
                f"fold {fold} leaves no row to learn {name} on: an arm lies wholly inside it. Use fewer folds, or let "
                "folds be a number, which keeps the arms' shares in every fold."
            )
