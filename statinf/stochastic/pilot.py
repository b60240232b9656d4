"""Default run of a regression: coordinates, first iterate, first preconditioner and step bound from its first rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from statinf.numerics.laws.multipliers import LARGEST
from statinf.stochastic.adapting import directions, inverse_mean
from statinf.stochastic.basis import whiten
from statinf.stochastic.step_size import (
    curvature_step,
    least_k0,
    leverage_step,
    logistic_third,
    quantile_third,
    step_share,
)
from statinf.stochastic.tuning import (
    UNKNOWN_LENGTH,
    Tuning,
    burn_in_rows,
    check_identified,
    check_start,
    curvature_bound,
    spread,
    step_rule,
)


def short_burn_in(n: int | None) -> int:
    """A tenth of the rows, of a stream below 10,000 rows a fifth and at most 1,000."""
    length = UNKNOWN_LENGTH if n is None else n
    return length // 10 if length >= 10_000 else min(length // 5, 1000)


def adapt(
    F: np.ndarray, G: np.ndarray, c: np.ndarray, *, n: int | None, step: Mapping[str, float] | None,
    burn_in: float | int | None, law: str, loss: str, tau: float, instruments: bool, start: np.ndarray | None,
    power: float,
) -> Tuning:  # fmt: skip
    """Tune a run whose rows are whitened and preconditioned on the way.

    Parameters
    ----------
    F, G : ndarray, shape (m, d)
        Weighted regressors or instruments, and regressors, of the first rows.
    c : ndarray, shape (m,)
    n : int or None
        Length of the stream, where known.
    step, burn_in
        What the caller gave.
    law, loss : str
    tau : float
    instruments : bool
        F are not G times weights.
    start : ndarray, shape (d,), optional
        None: a fit to the first rows.
    power : float
        Default power of the steps.
    """
    right = whiten(G)
    left = whiten(F) if instruments else right
    f, g = F @ left.transform, G @ right.transform
    mean = f.T @ g / len(f)
    seen = directions(mean, right.tolerance, instruments)
    if instruments:
        active = (G != 0.0).any(axis=0)  # a column of zeros so far may come alive later
        check_identified(mean[np.ix_(active, active)], len(F))
    inverse = inverse_mean(mean, seen, symmetric=not instruments)
    theta, residuals = _first_fit(f, g, c, inverse, loss, tau)
    curvature = curvature_bound(loss, residuals, tau)
    matrix, slope = inverse / curvature, np.full(len(c), curvature)
    wanted = np.inf
    if loss == "logistic":
        p = 0.5 * (1.0 + np.tanh(0.5 * (g @ theta)))
        slope = np.maximum(p * (1.0 - p), 1e-3)
        matrix = inverse_mean((f * slope[:, None]).T @ g / len(f), seen, symmetric=True)
        wanted = curvature_step(f, g, matrix, logistic_third(p), 1.0, n)
    if loss == "poisson":
        slope = np.maximum(np.exp(g @ theta), 1e-3 * max(float(c.mean()), np.finfo(float).tiny))
        matrix = inverse_mean((f * slope[:, None]).T @ g / len(f), seen, symmetric=True)
        noise = np.sqrt(max(float(np.mean(residuals**2) / np.mean(slope)), 1.0))
        wanted = curvature_step(f, g, matrix, slope, noise, n)
    if loss == "quantile":
        third = np.full(len(c), quantile_third(residuals, tau, curvature))
        wanted = curvature_step(f, g, matrix, third, float(np.sqrt(tau * (1.0 - tau) / curvature)), n)
    h = np.abs(((f @ matrix.T) * g).sum(axis=1)) * slope
    if not instruments:
        wanted = min(wanted, leverage_step(h, LARGEST[law]))
    given = {"k0": least_k0(n)} | dict(step or {})
    if "c0" in given and "k0" not in (step or {}):
        del given["k0"]
    c0, k0, power = step_rule(given, max(float(np.quantile(h, 0.95)), 1.0), n, law, power)
    if "c0" not in given:
        c0 *= step_share(c0, k0, power, n, wanted)
    if start is not None:
        theta = np.linalg.solve(right.transform, check_start(start, G.shape[1]))
    return Tuning(
        c0, k0, power, short_burn_in(n) if burn_in is None else burn_in_rows(burn_in, n), theta, spread(residuals),
        left=left.transform, right=right.transform, tolerance=right.tolerance, matrix=matrix, curvature=curvature,
        bound=0.0 if loss == "poisson" else LARGEST[law] * curvature, instruments=instruments,
    )  # fmt: skip


def _first_fit(
    f: np.ndarray, g: np.ndarray, c: np.ndarray, inverse: np.ndarray, loss: str, tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """A rough fit to the first rows and its residuals (on the scale of c for a logistic loss)."""
    if loss == "logistic":
        return _first_logistic(f, g, c)
    if loss == "poisson":
        return first_poisson(f, g, c)
    theta = inverse @ (f.T @ c) / len(f)
    theta = theta + inverse @ (f.T @ (c - g @ theta)) / len(f)
    if loss == "quantile":
        level = inverse @ f.sum(axis=0) / len(f)  # the direction that moves every prediction by about one
        theta = theta + level * np.quantile(c - g @ theta, tau)
    return theta, c - g @ theta


def _first_logistic(f: np.ndarray, g: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method with half steps on a likelihood with a weak quadratic penalty."""
    theta = np.zeros(g.shape[1])
    ridge = 1e-3 * np.diag(np.where(np.diag(f.T @ g) > 0.0, np.diag(f.T @ g), 1.0))
    weight = np.divide((f * g).sum(axis=1), (g * g).sum(axis=1), out=np.zeros(len(c)), where=(g != 0.0).any(axis=1))

    def value(t: np.ndarray) -> float:
        u = g @ t
        return float(weight @ (np.logaddexp(0.0, u) - c * u) + 0.5 * t @ ridge @ t)

    for _ in range(25):
        p = 0.5 * (1.0 + np.tanh(0.5 * (g @ theta)))
        hessian = (f * (p * (1.0 - p))[:, None]).T @ g + ridge
        move, size = np.linalg.solve(hessian, f.T @ (p - c) + ridge @ theta), 1.0
        while size > 1e-3 and value(theta - size * move) > value(theta):
            size *= 0.5
        theta = theta - size * move
    return theta, c - 0.5 * (1.0 + np.tanh(0.5 * (g @ theta)))


def first_poisson(f: np.ndarray, g: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method with half steps on a likelihood with a weak quadratic penalty, from a fit to log outcomes."""
    weight = np.divide((f * g).sum(axis=1), (g * g).sum(axis=1), out=np.zeros(len(c)), where=(g != 0.0).any(axis=1))
    total = float(weight.sum()) or 1.0
    mean = max(float(weight @ c) / total, 0.5 / total)
    gram = f.T @ g
    size = np.where(np.diag(gram) > 0.0, np.diag(gram), 1.0)
    theta = np.linalg.solve(gram + 1e-3 * np.diag(size), f.T @ np.log(np.maximum(c, 0.1 * mean)))
    ridge = 1e-3 * mean * np.diag(size)

    def value(t: np.ndarray) -> float:
        u = g @ t
        return float(weight @ (np.exp(np.minimum(u, 300.0)) - c * u) + 0.5 * t @ ridge @ t)

    for _ in range(25):
        mu = np.exp(np.minimum(g @ theta, 300.0))
        move = np.linalg.solve((f * mu[:, None]).T @ g + ridge, f.T @ (mu - c) + ridge @ theta)
        step = 1.0
        while step > 1e-6 and value(theta - step * move) > value(theta):
            step *= 0.5
        theta = theta - step * move
    return theta, c - np.exp(np.minimum(g @ theta, 300.0))
