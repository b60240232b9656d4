"""Gradient boosting of symmetric trees on binned columns: the same trees from rows in memory and from rows in blocks.

Columns are cut into bins at their quantiles, those of a sample of the rows where there are many; trees are grown from sums of
gradients and Hessians by node, column and bin, in `statinf.numerics.trees.symmetric`. Bins are learnt from the covariates of all
rows, never from outcomes, so that all folds share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from statinf.backend import map_threads
from statinf.brief import Brief
from statinf.errors import DataError, OptionError, one_of
from statinf.learners.base import check_rows
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.trees.bins import MOST_BINS, Bins, learn_bins
from statinf.numerics.trees.symmetric import BinnedRows, SymmetricTrees, TreePlan, grow
from statinf.passes.adding import plus
from statinf.passes.folding import row_hashes, units

SAMPLE = 200_000
"""Rows that bins are learnt from."""
_DISTINCT = 0.99
"""Share of the rows drawn that must differ from one another."""
_CHUNK = 1 << 17
_LOSSES = ("squared", "logistic")


@dataclass(frozen=True, repr=False)
class FittedBinnedTrees(Brief):
    """One model of trees, and the bins of its columns.

    Attributes
    ----------
    bins : Bins
    trees : SymmetricTrees
    model : int
        Its number among the models that were grown together.
    """

    bins: Bins
    trees: SymmetricTrees
    model: int = 0

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Means, or probabilities by the logistic loss, (n,)."""
        return model_values(self.trees, self.bins.codes(columns_of(np.asarray(X, np.float64))), self.model)

    def importances(self) -> np.ndarray:
        """Shares of the columns among the splits, shape (p,)."""
        used = self.trees.cut[self.model] < self.trees.plan.bins - 1
        count = np.bincount(self.trees.feature[self.model][used], minlength=len(self.bins.cuts))
        return count / max(1, count.sum())


@dataclass(frozen=True)
class BinnedTrees:
    """Gradient boosting of symmetric trees on binned columns.

    All nodes of a level split at the same cut (Prokhorenkova, Gusev, Vorobev, Dorogush and Gulin 2018, arXiv 1706.09516). Data
    that are read in blocks grow the trees of all folds in the same passes, one pass a level.

    Parameters
    ----------
    trees : int
    depth : int
        Levels of each tree, at most eight.
    learning_rate : float
    bins : int
        Of each column, at most 255.
    l2 : float
        Rows' worth of no effect in each leaf, in units of weight.
    loss : {"squared", "logistic"}
        "logistic" is for outcomes between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.learners.binned_trees import BinnedTrees
    >>> x = np.linspace(-2.0, 2.0, 400)[:, None]
    >>> fitted = BinnedTrees().fit(x, np.abs(x[:, 0]))
    >>> fitted.predict(np.array([[-1.5], [0.0], [1.0]])).round(1).tolist()
    [1.5, 0.0, 1.0]
    """

    trees: int = 50
    depth: int = 4
    learning_rate: float = 0.2
    bins: int = 128
    l2: float = 5.0
    loss: str = "squared"
    folds_together: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of("loss", self.loss, _LOSSES)
        for name, low, high in (("trees", 1, 100_000), ("depth", 1, 8), ("bins", 2, MOST_BINS)):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int | np.integer) or not low <= given <= high:
                raise OptionError(f"{name}={given!r} of binned trees must be a whole number from {low} to {high}.")
        if not 0.0 < self.learning_rate <= 1.0:
            raise OptionError(f"learning_rate={self.learning_rate!r} must lie above 0 and be at most 1.")
        if not (np.isfinite(self.l2) and self.l2 >= 0.0):
            raise OptionError(f"l2={self.l2!r} must be a finite number of at least 0.")

    @property
    def plan(self) -> TreePlan:
        """How its trees are grown, whatever the loss."""
        return TreePlan(self.trees, self.depth, self.bins, self.learning_rate, self.l2)

    @property
    def logistic(self) -> bool:
        return self.loss == "logistic"

    def check(self, y: np.ndarray) -> None:
        """Refuse outcomes that its loss does not have."""
        if self.logistic and ((y < 0.0) | (y > 1.0)).any():
            raise DataError("binned trees with the logistic loss need outcomes between 0 and 1; use loss='squared'.")

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedBinnedTrees:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used."""
        return self.fit_folds(X, y, None, w)[0]

    def fit_folds(
        self, X: np.ndarray, y: np.ndarray, folds: np.ndarray | None, w: np.ndarray | None = None, *, seed: int = 0
    ) -> list[FittedBinnedTrees]:
        """One fit a fold, each without that fold's rows; one on all rows without folds."""
        X, y, w = check_rows(X, y, w)
        bins, trees = fit_together([self], X, [y], [None], folds, w)
        return [FittedBinnedTrees(bins, trees, m) for m in range(trees.size)]


def fit_together(
    learners: Sequence[BinnedTrees],
    X: np.ndarray,
    targets: Sequence[np.ndarray],
    groups: Sequence[np.ndarray | None],
    folds: np.ndarray | None,
    w: np.ndarray,
    *,
    show: bool | None = None,
) -> tuple[Bins, SymmetricTrees]:
    """Models that share their columns, bins and plan: of each target without each fold.

    Parameters
    ----------
    learners : sequence of BinnedTrees
        One a target, all of one plan.
    X : ndarray, shape (n, p)
    targets : sequence of ndarray, shape (n,)
    groups : sequence of ndarray of bool, shape (n,), or None
        Rows that each target is learnt on.
    folds : ndarray of int, shape (n,), or None
    w : ndarray, shape (n,)
    show : bool, optional

    Returns
    -------
    Bins
    SymmetricTrees
        Model j K + k is that of target j without fold k, of K.
    """
    seen = w > 0
    for learner, y, group in zip(learners, targets, groups, strict=True):
        learner.check(y[seen if group is None else seen & group])
    plan, count = learners[0].plan, 1 if folds is None else int(folds.max()) + 1
    X = columns_of(X)
    bins = bins_of(X, w, plan.bins)
    rows = split_rows(bins.codes(X), w, np.zeros(len(X), np.intp) if folds is None else folds, count, targets, groups)
    logistic = np.repeat([learner.logistic for learner in learners], count)
    return bins, grow(plan, logistic, partial(held_total, rows), show)


def held_total(rows: Sequence[BinnedRows], function: Any) -> Any:
    """The sum of a function over rows in memory."""
    found = None
    for made in map_threads(function, rows, parallel=sum(r.size for r in rows) > 20_000):
        found = plus(found, made)
    return found


def columns_of(X: np.ndarray) -> np.ndarray:
    """The columns, or one that does not vary where there are none."""
    return X if X.shape[1] else np.zeros((len(X), 1))


def sampled(X: np.ndarray, w: np.ndarray, n: int, places: np.ndarray | None = None) -> np.ndarray:
    """Which of the rows bins are learnt from, shape (n,) bool; `n` rows of positive weight are there in all.

    Rows are drawn by their values, whatever their order; by `places` (n,) too where they are `lumped`.
    """
    chosen = w > 0
    if n <= SAMPLE:
        return chosen
    return chosen & (units(row_hashes([X] if places is None else [X, places], 43)) < SAMPLE / n)


def lumped(X: np.ndarray, n: int) -> bool:
    """Whether rows drawn by their values X, of `n`, are copies of few: whole values of a column may be missing among them."""
    return n > SAMPLE and len(np.unique(row_hashes([X], 43))) < _DISTINCT * max(len(X), 1)


def bins_of(X: np.ndarray, w: np.ndarray, most: int) -> Bins:
    """Bins of the columns X (n, p) of rows with weights (n,)."""
    n = int(np.count_nonzero(w > 0))
    chosen = sampled(X, w, n)
    if lumped(X[chosen], n):
        chosen = sampled(X, w, n, np.arange(len(X)))
    return learn_bins(X[chosen], w[chosen], most)


def split_rows(
    codes: np.ndarray,
    w: np.ndarray,
    folds: np.ndarray,
    count: int,
    targets: Sequence[np.ndarray],
    groups: Sequence[np.ndarray | None],
) -> list[BinnedRows]:
    """Rows with bins (p, n) by fold and group, so that all rows of a piece belong to the same models."""
    distinct: list[np.ndarray] = []
    for group in groups:
        if group is not None and not any(group is one for one in distinct):
            distinct.append(group)
    cell = folds.astype(np.intp)
    for group in distinct:
        cell = 2 * cell + group
    kept = np.flatnonzero(w > 0)
    kept = kept[np.argsort(cell[kept], kind="stable")]
    plain = bool((w[kept] == 1.0).all())
    out = []
    for inside in np.split(kept, np.flatnonzero(np.diff(cell[kept])) + 1):
        if not len(inside):
            continue
        fold, first = int(folds[inside[0]]), inside[0]
        own = [j for j, group in enumerate(groups) if group is None or group[first]]
        for start in range(0, len(inside), _CHUNK):
            some = inside[start : start + _CHUNK]
            of_target = {j: targets[j][some] for j in own}
            models = {j * count + k: of_target[j] for j in own for k in range(count) if count == 1 or k != fold}
            if models:
                out.append(BinnedRows(codes[:, some], models, None if plain else w[some]))
    return out


def model_values(trees: SymmetricTrees, codes: np.ndarray, model: int) -> np.ndarray:
    """Means or probabilities of rows with bins (p, n), shape (n,)."""
    made = trees.values(codes, model)
    return sigmoid(made) if trees.logistic[model] else made
