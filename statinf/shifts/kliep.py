"""Kullback-Leibler importance estimation.

Sugiyama, Suzuki, Nakajima, Kashima, von Buenau and Kawanabe (2008, Annals of the Institute of Statistical Mathematics
60): the ratio as a non-negative sum of Gaussian bumps at target rows that maximises the target's mean log ratio, with a
mean of one over the source. The bandwidth is chosen by cross-validation, all bandwidths and folds solved side by side: a
fold is a set of row weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import generator, rows_per_chunk
from statinf.errors import ConvergenceError, OptionError
from statinf.shifts.estimate import Estimate
from statinf.shifts.kernels import KernelRatio, bandwidths, choose_centers, rbf
from statinf.shifts.samples import Samples

CITATION = "Kullback-Leibler importance estimation (Sugiyama et al. 2008)"
OPTIONS = ("sigma", "n_centers", "folds")
SIGMAS = 10.0 ** np.linspace(-0.8, 0.4, 9)


def estimate(samples: Samples, *, sigma: Any = None, n_centers: int = 100, folds: int = 5, seed: int = 0) -> Estimate:
    """Choose the bandwidth by cross-validated likelihood and fit."""
    sigmas = bandwidths(sigma, samples.xs, samples.xt, seed, SIGMAS)
    chosen = choose_centers(len(samples.xt), n_centers, seed)
    centers = samples.xt[chosen]
    facts: dict[str, Any] = {}
    s = float(sigmas[0])
    if len(sigmas) > 1:
        scores = cross_validate(samples, chosen, sigmas, folds, seed)
        s = float(sigmas[int(np.argmax(scores))])
        facts["held-out divergence"] = float(scores.max())
    phi, level = rbf(samples.xt, centers, s), samples.ws @ rbf(samples.xs, centers, s) / samples.ws.sum()
    theta = maximise(phi[None], level[None], (samples.wt / samples.wt.sum())[None])[0]
    facts["mean log ratio"] = float(samples.wt @ np.log(phi @ theta) / samples.wt.sum())
    facts["active centres"] = int((theta > 0).sum())
    rule = KernelRatio(centers, theta, s)
    return Estimate(rule, rule.at(samples.xs), {"sigma": s, "n_centers": len(centers)}, facts=facts)


def cross_validate(samples: Samples, chosen: np.ndarray, sigmas: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Held-out score of each bandwidth, shape (sigmas,): large is good.

    Folds are of both samples, and the score is the target's mean log ratio less the log of the source's mean ratio, a
    lower bound of the divergence. The paper holds out target rows alone; then a small bandwidth can put its bumps where
    the source happens to have no row, and pays nothing. Held-out rows are no centres of their fold either.
    """
    m, n, centers = len(samples.xt), len(samples.xs), samples.xt[chosen]
    if not isinstance(folds, int | np.integer) or not 2 <= folds <= min(m, n):
        raise OptionError(
            f"folds={folds!r}: give a whole number between 2 and the {min(m, n)} rows of the smaller sample."
        )
    numbers = np.arange(folds)[:, None]
    inside = generator(seed, 5).permutation(m) % folds != numbers
    inside_source = generator(seed, 6).permutation(n) % folds != numbers
    weights = _shares(inside * samples.wt)
    held_out, held_source = _shares(~inside * samples.wt), _shares(~inside_source * samples.ws)
    open_center = inside[:, chosen].astype(float)
    together = max(1, rows_per_chunk(8.0 * folds * m * len(centers) * 3))
    out = np.empty(len(sigmas))
    for start in range(0, len(sigmas), together):
        some = sigmas[start : start + together]
        phi = np.stack([rbf(samples.xt, centers, s) for s in some])
        source = np.stack([rbf(samples.xs, centers, s) for s in some])
        level = np.maximum(np.matmul(_shares(inside_source * samples.ws), source), 1e-12)
        every = (phi[:, None] * open_center[None, :, None, :]).reshape(len(some) * folds, m, len(centers))
        theta = maximise(every, level.reshape(len(every), -1), np.tile(weights, (len(some), 1)))
        theta = theta.reshape(len(some), folds, -1) * open_center
        # A row far from every centre has a ratio of zero to rounding: a bandwidth pays for it, finitely.
        fitted = np.log(np.maximum(np.einsum("sjl,sfl->sfj", phi, theta), 1e-300))
        mass = np.einsum("sil,sfl,fi->sf", source, theta, held_source, optimize=True)
        score = np.einsum("sfj,fj->sf", fitted, held_out) - np.log(np.maximum(mass, 1e-300))
        out[start : start + len(some)] = score.mean(axis=1)
    return out


def _shares(w: np.ndarray) -> np.ndarray:
    return w / w.sum(axis=1, keepdims=True)


def maximise(
    phi: np.ndarray, level: np.ndarray, weights: np.ndarray, *, tolerance: float = 1e-11, max_iterations: int = 200
) -> np.ndarray:
    """Maximise ``sum_j w_j log(phi_j'theta)`` over ``theta >= 0`` with ``level'theta = 1``, for a batch of problems.

    Parameters
    ----------
    phi : ndarray, shape (batch, m, b)
        Positive.
    level : ndarray, shape (batch, b)
        Positive.
    weights : ndarray, shape (batch, m)
        Each row sums to one.

    Returns
    -------
    ndarray, shape (batch, b)

    Notes
    -----
    Scaling shows that the multiplier of the constraint is one, so the problem is that of ``sum w log(phi theta) -
    level'theta`` over ``theta >= 0``, solved by primal-dual interior-point steps; with coordinates scaled to
    ``level = 1`` the gap between primal and dual is theta's.
    """
    batch, _, b = phi.shape
    # A row far from every centre would make the likelihood infinite in floating point; the floor bounds its pull.
    scaled = np.maximum(phi, 1e-10) / level[:, None, :]
    theta = np.full((batch, b), 1.0 / b)
    slack = np.ones((batch, b))
    for _ in range(max_iterations):
        fitted = np.einsum("kml,kl->km", scaled, theta)
        pull = weights / fitted
        gradient = 1.0 - np.einsum("kml,km->kl", scaled, pull)
        gap = (theta * slack).sum(axis=1)
        error = np.maximum(np.abs(gradient - slack).max(axis=1), gap)
        if error.max() <= tolerance:
            break
        goal = 0.1 * gap / b
        weighted = scaled * np.sqrt(weights)[..., None] / fitted[..., None]
        hessian = np.matmul(weighted.transpose(0, 2, 1), weighted)
        diagonal = np.arange(b)
        hessian[:, diagonal, diagonal] += slack / theta
        right = -gradient + goal[:, None] / theta
        move = np.linalg.solve(hessian, right[..., None])[..., 0]
        other = goal[:, None] / theta - slack - slack / theta * move
        theta = theta + _longest(theta, move)[:, None] * move
        slack = slack + _longest(slack, other)[:, None] * other
    else:
        raise ConvergenceError(f"the likelihood of the density ratio did not converge (residual {error.max():.1e}).")
    theta = np.where(theta > 1e-8 * theta.max(axis=1, keepdims=True), theta, 0.0)
    return theta / theta.sum(axis=1, keepdims=True) / level


def _longest(at: np.ndarray, move: np.ndarray) -> np.ndarray:
    """The largest step up to 1 that keeps a share of every positive entry."""
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(move < 0, -at / move, np.inf).min(axis=1)
    return np.minimum(1.0, 0.99 * limit)
