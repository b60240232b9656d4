"""Base models of a quantile ensemble: each learns from rows and predicts all levels at once.

Names: "rq" linear quantile regression; "forest" the quantile regression forest of Meinshausen (2006); "gbm"
gradient boosting, one model a level; "gaussian" a network with a conditional mean and spread; "mqn" a network
with one output a level. Objects: anything with `fit(X, y)` and `predict(X)` that gives (n, m) quantiles at the
ensemble's levels, or with `predict_quantiles(X, tau)`; a `predict` of one column counts as a point forecast and is
spread by the training residuals' quantiles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.numerics.quantiles import weighted_quantile
from statinf.numerics.quantreg import fit_quantiles
from statinf.quantile.networks import Objective, layers, predict, train

Predictor = Callable[[np.ndarray], np.ndarray]
NAMES = ("rq", "forest", "gbm", "gaussian", "mqn")
_HIDDEN = (64, 64)
_PAIRS = 4_000_000


def fit_base(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray, tau: np.ndarray, seed: int) -> Predictor:
    """Fit a base model.

    Parameters
    ----------
    model : str or object
    X : (n, d)
        Standardised features, without an intercept.
    y, w : (n,)
    tau : (m,)
    seed : int

    Returns
    -------
    callable
        From features (r, d) to quantiles (r, m).
    """
    if isinstance(model, str):
        makers = {"rq": _linear, "forest": _forest, "gbm": _boosting, "gaussian": _network, "mqn": _network}
        if model not in makers:
            raise OptionError(
                f"models: {model!r} is not known; choose among {', '.join(map(repr, NAMES))} or give an object."
            )
        return makers[model](X, y, w, tau, seed, *((model,) if model in ("gaussian", "mqn") else ()))
    return _object(model, X, y, w, tau, seed)


def _linear(X, y, w, tau, seed) -> Predictor:
    spread = X.std(axis=0) > 0
    ones = np.column_stack([np.ones(len(X)), X[:, spread]])
    # Columns that others determine add nothing to predictions: a pivoted basis is enough.
    kept = _independent(ones)
    coef = fit_quantiles(ones[:, kept], y, tau, w)
    return lambda new: np.column_stack([np.ones(len(new)), new[:, spread]])[:, kept] @ coef.T


def _independent(X: np.ndarray) -> np.ndarray:
    from scipy.linalg import qr

    r, pivot = qr(X, mode="r", pivoting=True)[0], qr(X, mode="r", pivoting=True)[1]
    size = np.abs(np.diag(r))
    return np.sort(pivot[: int((size > 1e-9 * size[0]).sum())])


def _sklearn(name: str) -> Any:
    try:
        import sklearn.ensemble as found
    except ImportError:
        raise NotIdentifiedError(f"models: {name!r} needs scikit-learn: pip install 'statinf[sklearn]'.") from None
    return found


@dataclass(frozen=True)
class _Forest:
    """Leaves of every tree and the training outcomes in increasing order."""

    trees: Any
    leaves: np.ndarray
    sizes: tuple[np.ndarray, ...]
    outcome: np.ndarray
    tau: np.ndarray

    def __call__(self, new: np.ndarray) -> np.ndarray:
        at = self.trees.apply(new)
        out = np.empty((len(new), len(self.tau)))
        step = max(1, _PAIRS // len(self.outcome))
        for start in range(0, len(new), step):
            rows = slice(start, start + step)
            weights = np.zeros((len(at[rows]), len(self.outcome)))
            for t in range(at.shape[1]):
                weights += (at[rows, t][:, None] == self.leaves[:, t]) * self.sizes[t]
            reached = np.cumsum(weights, axis=1)
            reached /= reached[:, -1:]
            for k, level in enumerate(self.tau):
                out[rows, k] = self.outcome[(reached >= level - 1e-12).argmax(axis=1)]
        return out


def _forest(X, y, w, tau, seed) -> Predictor:
    order = np.argsort(y, kind="stable")
    X, y, w = X[order], y[order], w[order]
    trees = _sklearn("forest").RandomForestRegressor(
        n_estimators=100, min_samples_leaf=5, max_features=1 / 3 if X.shape[1] > 2 else 1.0, random_state=seed
    )
    leaves = trees.fit(X, y, sample_weight=w).apply(X)
    sizes = []
    for column in leaves.T:
        _, code = np.unique(column, return_inverse=True)
        sizes.append(w / np.bincount(code, weights=w)[code])
    return _Forest(trees, leaves, tuple(sizes), y, tau)


def _boosting(X, y, w, tau, seed) -> Predictor:
    maker = _sklearn("gbm").HistGradientBoostingRegressor
    fitted = [
        maker(
            loss="quantile", quantile=float(t), max_iter=100, learning_rate=0.1, max_leaf_nodes=15, random_state=seed
        ).fit(X, y, sample_weight=w)
        for t in tau
    ]
    return lambda new: np.column_stack([one.predict(new) for one in fitted])


def _network(X, y, w, tau, seed, name) -> Predictor:
    centre, scale = np.average(y, weights=w), max(float(np.sqrt(np.cov(y, aweights=w))), 1e-300)
    objective = Objective("gaussian" if name == "gaussian" else "quantiles")
    start = layers((X.shape[1], *_HIDDEN, 2 if name == "gaussian" else len(tau)), seed)
    nothing = np.zeros((len(y), 1, len(tau)))
    params = train(objective, start, X, nothing, (y - centre) / scale, w, tau, seed=seed)
    return lambda new: centre + scale * predict(objective, params, new, np.zeros((len(new), 1, len(tau))), tau)


def _object(model, X, y, w, tau, seed) -> Predictor:
    if not hasattr(model, "fit"):
        raise OptionError(f"models: {model!r} has no fit; give a name, an object with fit and predict, or an array.")
    fresh = copy.deepcopy(model)
    plain = (w == w[0]).all()
    fitted = fresh.fit(X, y) if plain else fresh.fit(X, y, w)
    fitted = fresh if fitted is None else fitted
    if hasattr(fitted, "predict_quantiles"):
        return lambda new: np.asarray(fitted.predict_quantiles(new, tau), float)
    inner = np.asarray(fitted.predict(X), float)
    if inner.ndim == 2 and inner.shape[1] == len(tau):
        return lambda new: np.asarray(fitted.predict(new), float)
    if inner.ndim == 2 and inner.shape[1] != 1:
        raise DataError(f"models: {model!r} predicts {inner.shape[1]} columns for {len(tau)} levels.")
    shift = weighted_quantile(y - inner.ravel(), tau, w)
    return lambda new: np.asarray(fitted.predict(new), float).reshape(-1, 1) + shift
