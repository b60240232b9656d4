"""Gradient boosting of trees by scikit-learn: a mean, one model per quantile level, or class probabilities."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import one_thread
from statinf.errors import OptionError
from statinf.learners.base import check_rows
from statinf.learners.forest import ensembles

_ROWS_FOR_THREADS = 20_000


@dataclass(frozen=True)
class FittedBoosting:
    """Fitted models of scikit-learn, one per level of `taus` (t,), or one of the mean where there are no levels.

    alone : whether they are asked on one thread.
    """

    models: tuple[Any, ...]
    taus: np.ndarray
    alone: bool

    @property
    def foreign(self) -> str:
        """The class of another library that this holds."""
        return type(self.models[0]).__name__

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (n,), or medians where quantiles were fitted: of the levels the one nearest to 0.5."""
        which = int(np.argmin(np.abs(self.taus - 0.5))) if len(self.taus) else 0
        with one_thread() if self.alone else nullcontext():
            return np.asarray(self.models[which].predict(X), np.float64)

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t) at levels that were fitted; they may cross."""
        where = [int(np.argmin(np.abs(self.taus - t))) if len(self.taus) else -1 for t in taus]
        if -1 in where or not np.allclose(self.taus[where], taus, rtol=0.0, atol=1e-12):
            raise OptionError(f"Fitted at quantile levels {self.taus.tolist()}; asked for {list(taus)}.")
        with one_thread() if self.alone else nullcontext():
            return np.column_stack([self.models[k].predict(X) for k in where])


@dataclass(frozen=True)
class Boosting:
    """Histogram gradient boosting.

    Parameters
    ----------
    taus : tuple of float
        Quantile levels; none for the conditional mean.
    max_iter, max_leaf_nodes : int
    learning_rate : float
    """

    taus: tuple[float, ...] = ()
    max_iter: int = 50
    learning_rate: float = 0.1
    max_leaf_nodes: int = 15

    def at_taus(self, taus: tuple[float, ...]) -> Boosting:
        """The same learner for other quantile levels."""
        return replace(self, taus=tuple(float(t) for t in taus))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedBoosting:
        """Fit to X (n, p), y (n,), weights (n,)."""
        maker = ensembles("gbm").HistGradientBoostingRegressor
        X, y, w = check_rows(X, y, w)
        size = {
            "max_iter": self.max_iter,
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.max_leaf_nodes,
            "random_state": seed,
        }
        # Without weights scikit-learn takes plain quantiles in the leaves, which is several times as fast.
        options = {} if (w == w[0]).all() else {"sample_weight": w}
        losses: list[dict[str, Any]] = [{"loss": "quantile", "quantile": t} for t in self.taus] or [{}]
        # A tree of some thousand rows takes less time than waking the threads for it, above all on a busy machine.
        alone = len(y) < _ROWS_FOR_THREADS
        with one_thread() if alone else nullcontext():
            models = tuple(maker(**loss, **size).fit(X, y, **options) for loss in losses)
        return FittedBoosting(models, np.asarray(self.taus), alone)


@dataclass(frozen=True)
class FittedClassBoosting:
    """A fitted model of scikit-learn; `classes_` holds the outcomes' values. `alone`: whether it is asked on one thread."""

    classes_: np.ndarray
    model: Any
    alone: bool

    @property
    def foreign(self) -> str:
        """The class of another library that this holds."""
        return type(self.model).__name__

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes)."""
        with one_thread() if self.alone else nullcontext():
            return np.asarray(self.model.predict_proba(X), np.float64)


@dataclass(frozen=True)
class ClassBoosting:
    """Histogram gradient boosting of class probabilities.

    Parameters
    ----------
    max_iter, max_leaf_nodes : int
    learning_rate : float
    """

    max_iter: int = 50
    learning_rate: float = 0.1
    max_leaf_nodes: int = 15

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedClassBoosting:
        """Fit to X (n, p), y (n,) whose distinct values are the classes, weights (n,)."""
        maker = ensembles("gbm").HistGradientBoostingClassifier
        X, y, w = check_rows(X, y, w)
        alone = len(y) < _ROWS_FOR_THREADS
        with one_thread() if alone else nullcontext():
            model = maker(
                max_iter=self.max_iter,
                learning_rate=self.learning_rate,
                max_leaf_nodes=self.max_leaf_nodes,
                random_state=seed,
            ).fit(X, y, sample_weight=None if (w == w[0]).all() else w)
        return FittedClassBoosting(np.asarray(model.classes_), model, alone)
