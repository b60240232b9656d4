"""Base models of a quantile ensemble: each learns from rows and predicts all levels at once.

Names: "rq" linear quantile regression; "forest" the quantile regression forest of Meinshausen (2006); "gbm"
gradient boosting, one model a level; "gaussian" a network with a conditional mean and spread; "mqn" a network
with one output a level. Objects: anything with `fit(X, y)` and `predict(X)` that gives (n, m) quantiles at the
ensemble's levels, or with `predict_quantiles(X, tau)`; a `predict` of one column counts as a point forecast and is
spread by the training residuals' quantiles.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import one_thread
from statinf.errors import DataError, OptionError
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.numerics.quantreg.solver import fit_quantiles
from statinf.quantile.forest import fit_forest
from statinf.quantile.networks import Objective, layers, predict
from statinf.quantile.training import train

Predictor = Callable[[np.ndarray], np.ndarray]
NAMES = ("rq", "forest", "gbm", "gaussian", "mqn")
NETWORKS = ("gaussian", "mqn")
_HIDDEN = (64, 64)
_ROWS_FOR_THREADS = 20_000
_BOOSTING = {"max_iter": 50, "learning_rate": 0.1, "max_leaf_nodes": 15}


def fit_base(
    model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray, tau: np.ndarray, seed: int, given: np.ndarray | None = None
) -> Predictor:
    """Fit a base model.

    Parameters
    ----------
    model : str or object
    X : (n, d)
        Standardised features, without an intercept.
    y, w : (n,)
    tau : (m,)
    seed : int
    given : (m',), optional
        The levels in the order of the columns that an object predicts, where that is not the order of `tau`.

    Returns
    -------
    callable
        From features (r, d) to quantiles (r, m).
    """
    if not isinstance(model, str):
        return _object(model, X, y, w, tau, tau if given is None else given)
    if model in NETWORKS:
        return fit_networks(model, X, y, w[None], tau, seed)[0]
    makers = {"rq": _linear, "forest": _forest, "gbm": _boosting}
    if model not in makers:
        raise OptionError(
            f"models: {model!r} is not known; choose among {', '.join(map(repr, NAMES))} or give an object."
        )
    return makers[model](X, y, w, tau, seed)


@dataclass(frozen=True)
class Linear:
    """Linear quantiles of the columns `kept` of a one and the features; coef : (m, kept columns)."""

    kept: np.ndarray
    coef: np.ndarray

    def __call__(self, new: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(new)), new])[:, self.kept] @ self.coef.T


def _linear(X, y, w, tau, seed) -> Linear:
    # Columns that others determine add nothing to predictions: a pivoted basis is enough.
    varies = np.flatnonzero(np.append(True, X.std(axis=0) > 0))
    ones = np.column_stack([np.ones(len(X)), X])[:, varies]
    kept = _independent(ones)
    return Linear(varies[kept], fit_quantiles(ones[:, kept], y, tau, w))


def _independent(X: np.ndarray) -> np.ndarray:
    from scipy.linalg import qr

    r, pivot = qr(X, mode="r", pivoting=True)
    size = np.abs(np.diag(r))
    return np.sort(pivot[: int((size > 1e-9 * size[0]).sum())])


def _sklearn(name: str) -> Any:
    try:
        import sklearn.ensemble as found
    except ImportError:
        raise OptionError(f"models: {name!r} needs scikit-learn: pip install 'statinf[sklearn]'.") from None
    return found


def _forest(X, y, w, tau, seed) -> Predictor:
    return fit_forest(_sklearn("forest").RandomForestRegressor, X, y, w, tau, seed)


@dataclass(frozen=True)
class Foreign:
    """Fitted objects of another library, which cannot be written to a file of statinf.

    fitted : list of objects, one a level or one for all; call : what is asked of them; shift : (m,) added to a point
    forecast's one column; alone : whether they are asked on one thread; columns : (m,) which of the columns of
    `predict` belong to the levels.
    """

    fitted: list[Any]
    tau: np.ndarray
    call: str = "predict"
    shift: np.ndarray | None = None
    alone: bool = False
    columns: np.ndarray | None = None

    def __call__(self, new: np.ndarray) -> np.ndarray:
        with one_thread() if self.alone else nullcontext():
            return self._asked(new)

    def _asked(self, new: np.ndarray) -> np.ndarray:
        if self.call == "predict_quantiles":
            return np.asarray(self.fitted[0].predict_quantiles(new, self.tau), float)
        if len(self.fitted) > 1:
            return np.column_stack([one.predict(new) for one in self.fitted])
        out = np.asarray(self.fitted[0].predict(new), float)
        if self.shift is not None:
            return out.reshape(-1, 1) + self.shift
        out = out.reshape(len(new), -1)
        return out if self.columns is None else out[:, self.columns]


def _boosting(X, y, w, tau, seed) -> Foreign:
    maker = _sklearn("gbm").HistGradientBoostingRegressor
    # Without weights scikit-learn takes plain quantiles in the leaves, which is several times as fast.
    options = {} if (w == w[0]).all() else {"sample_weight": w}
    models = (maker(loss="quantile", quantile=float(t), random_state=seed, **_BOOSTING) for t in tau)
    # A tree of some thousand rows takes less time than waking the threads for it, above all on a busy machine.
    alone = len(y) < _ROWS_FOR_THREADS
    with one_thread() if alone else nullcontext():
        return Foreign([one.fit(X, y, **options) for one in models], tau, alone=alone)


@dataclass(frozen=True)
class Network:
    """A trained network for outcomes less `centre` over `scale`."""

    objective: Objective
    params: list[Any]
    centre: float
    scale: float
    tau: np.ndarray

    def __call__(self, new: np.ndarray) -> np.ndarray:
        return self.centre + self.scale * predict(self.objective, self.params, new, None, self.tau)


def fit_networks(name: str, X: np.ndarray, y: np.ndarray, W: np.ndarray, tau: np.ndarray, seed: int) -> list[Predictor]:
    """One network a row of the weights W (K, n), trained as one batch; a fold's rows have weight zero."""
    objective = Objective("gaussian" if name == "gaussian" else "quantiles")
    start = layers((X.shape[1], *_HIDDEN, 2 if name == "gaussian" else len(tau)), seed)
    centre = W @ y / W.sum(axis=1)
    scale = np.sqrt((W * (y - centre[:, None]) ** 2).sum(axis=1) / W.sum(axis=1))
    scale = np.where(scale > 0, scale, 1.0)
    found = train(objective, start, X, None, (y - centre[:, None]) / scale[:, None], W, tau, seed=seed)
    return [
        Network(objective, params, float(c), float(s), tau) for params, c, s in zip(found, centre, scale, strict=True)
    ]


def _object(model, X, y, w, tau, given) -> Foreign:
    fitted = fit_object(model, X, y, w)
    if hasattr(fitted, "predict_quantiles"):
        return Foreign([fitted], tau, "predict_quantiles")
    inner = np.asarray(fitted.predict(X), float)
    if inner.ndim == 2 and inner.shape[1] == len(given):
        return Foreign([fitted], tau, columns=positions(given, tau))
    if inner.ndim == 2 and inner.shape[1] != 1:
        raise DataError(f"models: {model!r} predicts {inner.shape[1]} columns for {len(given)} levels.")
    if inner.size != len(y):
        raise DataError(f"models: {model!r} predicts {inner.size} values for {len(y)} rows.")
    return Foreign([fitted], tau, shift=weighted_quantile(y - inner.ravel(), tau, w))


def positions(given: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Where each of the increasing levels `tau` stands first among the levels in the order given, shape (m,)."""
    return np.argmax(given == tau[:, None], axis=1)


def fit_object(model: Any, X: np.ndarray, y: np.ndarray, w: np.ndarray) -> Any:
    """A fitted copy of an object with `fit` and `predict`; its `fit` gets row weights where they are not all equal."""
    if isinstance(model, type):
        raise OptionError(f"models: {model.__name__} is a class; give an object of it: {model.__name__}().")
    if not (hasattr(model, "fit") and (hasattr(model, "predict") or hasattr(model, "predict_quantiles"))):
        raise OptionError(
            f"models: {model!r} is not known; give a name, an object with fit and predict, or an array of predictions."
        )
    fresh = copy.deepcopy(model)
    if (w == w[0]).all():
        fitted = fresh.fit(X, y)
    else:
        try:
            parameters = inspect.signature(fresh.fit).parameters
        except (TypeError, ValueError):
            parameters = {}
        if len(parameters) == 2:
            raise OptionError(
                f"models: the fit of {type(model).__name__} takes no row weights; leave weights= out, or give it a "
                "third argument sample_weight."
            )
        fitted = fresh.fit(X, y, sample_weight=w) if "sample_weight" in parameters else fresh.fit(X, y, w)
    return fresh if fitted is None else fitted
