"""Weights that combine quantile predictions: exact for constant weights, a network for weights that vary with x.

Fakoor, Kim, Mueller, Smola and Tibshirani (2023), Flexible model aggregation for quantile regression, Journal of
Machine Learning Research 24, arXiv 2103.00083. With base predictions Z[i, j, k] the output at level k is
sum_j w_j Z_ijk (coarse), sum_j w_jk Z_ijk (medium) or sum_jl w_jlk Z_ijl (fine), the weights nonnegative and summing
to one. Constant weights solve a linear programme; otherwise the weights are the softmax of a network's output, and
levels that cross or come too near are penalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, DataError, OptionError, one_of
from statinf.learners.quantile_objective import RESOLUTIONS, QuantileObjective, layers, predict
from statinf.learners.quantile_training import train

MARGINS = ("adapt", "none")
_HIDDEN = (64, 64)


@dataclass(frozen=True)
class Aggregator:
    """Fitted aggregation weights.

    Attributes
    ----------
    resolution : str
    weights : ndarray or None
        Constant weights: (J,), (J, m) or (J, m, m), the last axis the output level.
    params : list or None
        Network of local weights.
    """

    resolution: str
    weights: np.ndarray | None
    params: Any
    tau: np.ndarray
    dropout: float = 0.05

    def __call__(self, X: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Aggregated quantiles (n, m), not yet made monotone."""
        if self.weights is not None:
            return combine(Z, self.weights)
        return predict(QuantileObjective("local", self.resolution, self.dropout), self.params, X, Z, self.tau)

    def at(self, X: np.ndarray, models: int) -> np.ndarray:
        """Weights of rows X, shape (n, J), (n, J, m) or (n, J, m, m)."""
        if self.weights is not None:
            return np.broadcast_to(self.weights, (len(X), *self.weights.shape))
        from scipy.special import softmax

        hidden = X
        for matrix, bias in self.params[:-1]:
            hidden = hidden @ matrix + bias
            hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
        logits = hidden @ self.params[-1][0] + self.params[-1][1]
        m = len(self.tau)
        if self.resolution == "coarse":
            return softmax(logits, axis=1)
        if self.resolution == "medium":
            return softmax(logits.reshape(-1, models, m), axis=1)
        return softmax(logits.reshape(-1, models * m, m), axis=1).reshape(-1, models, m, m)


def combine(Z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Constant weights applied to base predictions (n, J, m)."""
    if weights.ndim == 1:
        return np.einsum("j,njk->nk", weights, Z)
    if weights.ndim == 2:
        return np.einsum("jk,njk->nk", weights, Z)
    n, J, m = Z.shape
    return Z.reshape(n, J * m) @ weights.reshape(J * m, m)


def check_predictions(Z: np.ndarray, tau: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse base predictions of the wrong shape or with missing values, naming the model."""
    if Z.ndim != 3 or Z.shape[2] != len(tau):
        raise DataError(f"base predictions of shape {Z.shape} for {len(tau)} levels; give (rows, models, levels).")
    bad = ~np.isfinite(Z).all(axis=(0, 2))
    if bad.any():
        raise DataError(f"the base model '{names[int(np.argmax(bad))]}' predicts values that are not numbers.")


def fit_global(Z: np.ndarray, y: np.ndarray, tau: np.ndarray, resolution: str, w: np.ndarray) -> np.ndarray:
    """Constant weights that minimise the weighted pinball loss, by linear programming.

    Returns
    -------
    ndarray, shape (J,), (J, m) or (J, m, m)
    """
    one_of("resolution", resolution, RESOLUTIONS)
    n, J, m = Z.shape
    if resolution == "coarse":
        stacked = Z.transpose(0, 2, 1).reshape(n * m, J)
        return simplex_quantile(stacked, np.repeat(y, m), np.tile(tau, n), np.repeat(w, m))
    if resolution == "medium":
        return np.stack([simplex_quantile(Z[:, :, k], y, tau[k], w) for k in range(m)], axis=1)
    flat = Z.reshape(n, J * m)
    return np.stack([simplex_quantile(flat, y, tau[k], w) for k in range(m)], axis=1).reshape(J, m, m)


def simplex_quantile(Z: np.ndarray, y: np.ndarray, tau: Any, w: np.ndarray) -> np.ndarray:
    """Minimise over the simplex sum_i w_i rho_tau_i(y_i - z_i'b), through the dual programme.

    The dual has one bounded variable per row and one constraint a model: max y'a + s subject to Z'a + s <= 0,
    w (tau - 1) <= a <= w tau; the weights are the multipliers of its constraints.
    """
    from scipy.optimize import linprog

    J = Z.shape[1]
    scale = float(np.abs(y).mean())
    if scale <= 1e-12 * float(np.abs(Z).max()):  # a constant outcome, which the models fit
        scale = float(np.abs(Z).max())
    scale = scale or 1.0
    level = np.broadcast_to(tau, y.shape)
    bounds = np.column_stack([np.append(w * (level - 1), -np.inf), np.append(w * level, np.inf)])
    found = linprog(
        np.append(-y / scale, -1.0),
        A_ub=np.column_stack([Z.T / scale, np.ones(J)]),
        b_ub=np.zeros(J),
        bounds=bounds,
        method="highs",
    )
    if found.status != 0:
        raise ConvergenceError(f"the linear programme of the ensemble weights was not solved: {found.message}")
    b = np.maximum(-found.ineqlin.marginals, 0.0)
    return b / b.sum()


def margins(Z: np.ndarray, y: np.ndarray, tau: np.ndarray, kind: str, scale: float = 0.01) -> np.ndarray:
    """Distances that levels should keep, shape (m, m), from quantiles of residuals about the models' median."""
    one_of("margin", kind, MARGINS)
    if kind == "none":
        return np.zeros((len(tau), len(tau)))
    centre = np.median(Z[:, :, len(tau) // 2], axis=1)
    r = np.quantile(y - centre, tau)
    return scale * np.maximum(0.0, r[None, :] - r[:, None])


def fit_aggregator(
    X: np.ndarray,
    Z: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    tau: np.ndarray,
    *,
    resolution: str,
    local: bool,
    solver: str = "lp",
    penalty: float = 1.0,
    margin: str = "adapt",
    seed: int = 0,
) -> Aggregator:
    """Fit aggregation weights on out-of-fold predictions; X and y standardised, Z on the scale of y."""
    one_of("resolution", resolution, RESOLUTIONS)
    if local and X.shape[1] == 0:
        raise OptionError("local=True needs features on the right-hand side for the weights to vary with.")
    if not local and solver == "lp":
        return Aggregator(resolution, fit_global(Z, y, tau, resolution, w), None, tau)
    J, m = Z.shape[1:]
    size = {"coarse": J, "medium": J * m, "fine": J * m * m}[resolution]
    common = {"margin": margins(Z, y, tau, margin), "penalty": penalty, "seed": seed}
    if not local:
        logits = train(
            QuantileObjective("global", resolution), np.zeros(size), X, Z, y[None], w[None], tau, rate=5e-3, **common
        )[0]
        from scipy.special import softmax

        shape = {"coarse": (J,), "medium": (J, m), "fine": (J * m, m)}[resolution]
        weights = softmax(np.asarray(logits).reshape(shape), axis=0)
        return Aggregator(resolution, weights.reshape(J, m, m) if resolution == "fine" else weights, None, tau)
    start = layers((X.shape[1], *_HIDDEN, size), seed, last_zero=True)
    objective = QuantileObjective("local", resolution, 0.05)
    return Aggregator(resolution, None, train(objective, start, X, Z, y[None], w[None], tau, **common)[0], tau)
