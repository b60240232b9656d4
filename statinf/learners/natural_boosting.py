"""Natural gradient boosting of a whole conditional law.

Duan, Avati, Ding, Thai, Basu, Ng and Schuler (2020), NGBoost: natural gradient boosting for probabilistic prediction,
ICML, arXiv 1910.03225. The estimand is the conditional law of the outcome within a parametric family.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from statinf.backend import bucket, generator, pad_axis
from statinf.brief import Brief
from statinf.errors import DataError, OptionError, one_of
from statinf.learners.base import check_rows
from statinf.learners.boosted_law import BoostedLaw, Features
from statinf.numerics.boosting.ensemble import BaseLearners, boost
from statinf.numerics.boosting.plan import BoostingRows, Numbers, Plan
from statinf.numerics.laws.parametric.catalog import law_named
from statinf.numerics.laws.parametric.heavy import student
from statinf.numerics.laws.parametric.law import Law, LawUnits, ScoreRule
from statinf.numerics.laws.parametric.normal import scaled_crps_metric
from statinf.numerics.trees.bins import MOST_BINS


@dataclass(frozen=True, kw_only=True)
class NaturalBoosting:
    """Boosting of all parameters of a law at once.

    Parameters
    ----------
    dist : str or Law
        Name of the family; see `statinf.ngboost`.
    score : {"log", "crps"}
    n_estimators : int
        Iterations; 0 for the marginal law.
    learning_rate : float
    natural : bool
        False for ordinary gradients, which depend on the outcome's unit: its own.
    metric : {"riemann", "ngboost"}
        "ngboost" divides natural gradients of the normal CRPS by the scale, as that package did up to 0.5.11.
    base : {"tree", "linear"}
    depth : int
    min_leaf : float
        Least weight of a leaf, in rows of mean weight.
    ridge : float
    minibatch_frac, col_sample : float
        Shares of rows and columns that an iteration sees.
    validation : float
        Share of rows held out where `early_stopping_rounds` is given.
    early_stopping_rounds : int or None
    refit : bool
        Whether the best number of iterations is run again on all rows.
    tol : float
    df : float or None
        Degrees of freedom of Student's t.
    bins : int
    """

    predicts_scale: ClassVar[bool] = True

    dist: Any = "normal"
    score: str = "log"
    n_estimators: int = 500
    learning_rate: float = 0.01
    natural: bool = True
    metric: str = "riemann"
    base: str = "tree"
    depth: int = 3
    min_leaf: float = 1.0
    ridge: float = 0.0
    minibatch_frac: float = 1.0
    col_sample: float = 1.0
    validation: float = 0.1
    early_stopping_rounds: int | None = None
    refit: bool = False
    tol: float = 1e-4
    df: float | None = None
    bins: int = MOST_BINS

    @property
    def law(self) -> Law:
        """The family."""
        if isinstance(self.dist, Law):
            return self.dist
        found = law_named(self.dist)
        return student(self.df) if found.name == "student" and self.df is not None else found

    def rule(self, *, censored: bool = False) -> ScoreRule:
        """The score with its metric.

        Raises
        ------
        OptionError
            For a score that the family has not.
        """
        found = self.law.rule(self.score, censored=censored)
        one_of("metric", self.metric, ("riemann", "ngboost"))
        if self.metric == "ngboost":
            if (self.law.name, self.score) != ("normal", "crps"):
                raise OptionError("metric='ngboost' is for dist='normal' with score='crps' only; leave it out.")
            return replace(found, metric=scaled_crps_metric)
        return found

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        w: np.ndarray | None = None,
        *,
        seed: int = 0,
        event: np.ndarray | None = None,
        progress: bool | None = False,
    ) -> BoostedLaw:
        """Fit to X (n, p), y (n,), weights (n,); `event` (n,) is zero where the outcome exceeds y.

        Raises
        ------
        DataError
            For outcomes outside the family's support, or too few rows to hold some out.
        ConvergenceError
            If the score ceases to be finite.
        """
        X, y, w = check_rows(X, y, w)
        law, rule = self.law, self.rule(censored=event is not None)
        check_support(law, y[w > 0])
        weights = w / w[w > 0].mean()
        event = np.ones(len(y)) if event is None else np.asarray(event, np.float64)
        held = self._held(weights, y, seed)
        sample = _LawSample(X, y, event, weights)
        fitted = self._run(sample, held, law, rule, seed, progress)
        if self.refit and held.any():
            again = replace(self, n_estimators=fitted.ensemble.size, early_stopping_rounds=None)
            path = fitted.path
            fitted = replace(again._run(sample, np.zeros(len(y), bool), law, rule, seed, progress), path=path)
        return fitted

    def _held(self, w: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
        """Rows that are held out (n,) bool, of each class the same share."""
        held, used = np.zeros(len(w), bool), np.flatnonzero(w > 0)
        if self.early_stopping_rounds is None:
            return held
        order = generator(seed, 61).permutation(used)
        groups = [order[y[order] == k] for k in np.unique(y[used])] if self.law.kind == "classes" else [order]
        for rows in groups:
            held[rows[: min(round(self.validation * len(rows)), len(rows) - 1)]] = True
        if not held.any():
            raise DataError(
                f"{len(used)} rows are too few to hold out a share of {self.validation:g} for early stopping."
            )
        return held

    def _run(
        self, sample: _LawSample, held: np.ndarray, law: Law, rule: ScoreRule, seed: int, progress: bool | None
    ) -> BoostedLaw:
        w = np.where(held, 0.0, sample.w)
        on = w > 0
        if not sample.event[on].any():
            raise DataError("all rows that are left to train on are censored; hold fewer out, or none.")
        scale = law.units(sample.y[on], w[on])
        if not self.natural and law.kind == "real":
            # Ordinary gradients depend on the unit: the paper's are those in the outcome's own.
            scale = replace(scale, unit=1.0)
        # Rows that do not count may lie outside the support.
        inner = law.inward(np.where(sample.w > 0, sample.y, sample.y[on][0]), scale)
        start = law.start(inner[on], w[on], sample.event[on])
        features = Features.learn(sample.X, w, self.base, self.bins)
        length = bucket(len(inner))
        rows = BoostingRows(
            pad_axis(features.of(sample.X), length, axis=1 if self.base == "tree" else 0),
            pad_axis(inner, length, value=1.0),
            pad_axis(sample.event, length, value=1.0),
            pad_axis(w, length),
            pad_axis(np.where(held, sample.w, 0.0), length),
        )
        columns = max(1, int(self.col_sample * features.count))
        numbers = Numbers(
            rate=np.float64(self.learning_rate),
            tol=np.float64(self.tol),
            min_leaf=np.float64(self.min_leaf),
            ridge=np.float64(self.ridge),
            rows=np.float64(self.minibatch_frac),
            columns=np.int64(columns),
        )
        plan = Plan(
            law,
            rule,
            self.natural,
            self.base,
            self.depth if self.base == "tree" else 0,
            features.bins,
            self.minibatch_frac < 1.0,
            self.col_sample < 1.0,
        )
        ensemble = boost(
            start,
            rows,
            numbers,
            plan,
            iterations=self.n_estimators,
            patience=self.early_stopping_rounds if held.any() else None,
            seed=seed,
            show=progress,
        )
        shown = _outward_path(law, ensemble, sample, held, scale, self.score)
        return BoostedLaw(self, features, scale, replace(ensemble, path=shown[:0]), shown)


@dataclass(frozen=True, repr=False)
class _LawSample(Brief):
    """Rows of a fit, weights of mean one."""

    X: np.ndarray
    y: np.ndarray
    event: np.ndarray
    w: np.ndarray


def check_support(law: Law, y: np.ndarray, name: str = "the outcome") -> None:
    """Raise a `DataError` that counts outcomes which the family cannot produce."""
    outside = law.outside(y)
    if outside.any():
        raise DataError(
            f"dist={law.name!r} is for {law.support}; {name} has {int(outside.sum())} of {len(y)} values that are not, such "
            f"as {y[np.argmax(outside)]:g}. Choose another dist= or leave these rows out."
        )


def _outward_path(
    law: Law, ensemble: BaseLearners, sample: _LawSample, held: np.ndarray, units: LawUnits, score: str
) -> np.ndarray:
    """Scores by iteration in the outcome's own units."""
    out = np.full(ensemble.path.shape, np.nan)
    for column, rows in enumerate((~held & (sample.w > 0), held & (sample.w > 0))):
        if not rows.any():
            continue
        w, y, event = sample.w[rows], sample.y[rows], sample.event[rows]
        zero = float(np.average(law.outward_score(np.zeros(len(y)), y, event, units, score), weights=w))
        one = float(np.average(law.outward_score(np.ones(len(y)), y, event, units, score), weights=w))
        out[:, column] = zero + (one - zero) * ensemble.path[:, column]
    return out
