"""Kullback-Leibler importance estimation.

Sugiyama, Suzuki, Nakajima, Kashima, von Buenau and Kawanabe (2008, Annals of the Institute of Statistical Mathematics
60): the ratio as a non-negative sum of Gaussian bumps at target rows that maximises the target's mean log ratio, with a
mean of one over the source. The bandwidth is chosen by cross-validation, all bandwidths and folds solved side by side: a
fold is a set of row weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar, rows_per_chunk
from statinf.errors import ConvergenceError, DataError, OptionError
from statinf.results.methods import Method
from statinf.results.options import count
from statinf.shifts.kernels import BumpOptions, KernelRatio, bandwidths, choose_centers, in_units, rbf
from statinf.shifts.ratio_estimate import RatioEstimate
from statinf.shifts.samples import Samples

BANDWIDTHS = 10.0 ** np.linspace(-0.8, 0.4, 9)
TINY = 1e-12


_JITTER = 1e-13
"""Of curvatures, for bumps that are equal or nearly so, such as those at ties: steps stay finite, and end where they would."""


@dataclass(frozen=True, kw_only=True)
class KliepOptions(BumpOptions):
    """Options of Kullback-Leibler importance estimation."""

    folds: int = count(5, "of the cross-validation that chooses the bandwidth", low=2)


def estimate(samples: Samples, options: KliepOptions) -> RatioEstimate:
    """Choose the bandwidth by cross-validated likelihood and fit."""
    scaling, xs, xt = in_units(samples, options.scale)
    widths = bandwidths(options.bandwidth, np.concatenate([xs, xt]), samples.seed, BANDWIDTHS)
    chosen = choose_centers(len(xt), options.n_centers, samples.seed)
    centers = xt[chosen]
    facts: dict[str, Any] = {}
    width = float(widths[0])
    if len(widths) > 1:
        scores = cross_validate(xs, xt, samples.ws, samples.wt, chosen, widths, options.folds, samples.seed)
        width = float(widths[int(np.argmax(scores))])
        facts["held-out divergence"] = float(scores.max())
    phi, level = rbf(xt, centers, width), samples.ws @ rbf(xs, centers, width) / samples.ws.sum()
    if not (level > TINY).any():
        raise DataError(
            f"no source row lies within reach of a target row at bandwidth {width:.3g}: the ratio is zero everywhere. Raise "
            "bandwidth=, or restrict the target to where the samples overlap."
        )
    share = samples.wt / samples.wt.sum()
    theta = maximise(phi[None], np.maximum(level, TINY)[None], share[None])[0]
    facts["mean log ratio"] = float(share @ np.log(phi @ theta))
    facts["active centres"] = int((theta > 0).sum())
    rule = KernelRatio(centers, theta, width, scaling)
    return RatioEstimate(rule, rule.at(samples.xs), {"bandwidth": width, "n_centers": len(centers)}, facts=facts)


def cross_validate(
    xs: np.ndarray,
    xt: np.ndarray,
    ws: np.ndarray,
    wt: np.ndarray,
    chosen: np.ndarray,
    widths: np.ndarray,
    folds: int,
    seed: int,
) -> np.ndarray:
    """Held-out score of each bandwidth, shape (bandwidths,): large is good.

    Folds are of both samples, and the score is the target's mean log ratio less the log of the source's mean ratio, a
    lower bound of the divergence. The paper holds out target rows alone; then a small bandwidth can put its bumps where
    the source happens to have no row, and pays nothing. Held-out rows are no centres of their fold either.
    """
    m, n, centers = len(xt), len(xs), xt[chosen]
    if min(m, n) < 2:
        raise DataError(
            f"cross-validation needs two rows in each sample, there are {n} and {m}; give bandwidth=, a number."
        )
    if folds > min(m, n):
        raise OptionError(
            f"folds={folds}: give a whole number between 2 and the {min(m, n)} rows of the smaller sample."
        )
    numbers = np.arange(folds)[:, None]
    inside = generator(seed, 5).permutation(m) % folds != numbers
    inside_source = generator(seed, 6).permutation(n) % folds != numbers
    weights = _shares(inside * wt)
    held_out, held_source = _shares(~inside * wt), _shares(~inside_source * ws)
    open_center = inside[:, chosen].astype(float)
    together = max(1, rows_per_chunk(8.0 * folds * m * len(centers) * 3))
    out = np.empty(len(widths))
    for start in progress_bar(range(0, len(widths), together), label="bandwidths"):
        some = widths[start : start + together]
        phi = np.stack([rbf(xt, centers, s) for s in some])
        source = np.stack([rbf(xs, centers, s) for s in some])
        level = np.maximum(np.matmul(_shares(inside_source * ws), source), TINY)
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
    phi: np.ndarray, level: np.ndarray, weights: np.ndarray, *, tol: float = 1e-11, max_iter: int = 200
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
    for _ in progress_bar(range(max_iter), label="interior-point steps, at most"):
        fitted = np.einsum("kml,kl->km", scaled, theta)
        pull = weights / fitted
        gradient = 1.0 - np.einsum("kml,km->kl", scaled, pull)
        gap = (theta * slack).sum(axis=1)
        error = np.maximum(np.abs(gradient - slack).max(axis=1), gap)
        if error.max() <= tol:
            break
        goal = 0.1 * gap / b
        weighted = scaled * np.sqrt(weights)[..., None] / fitted[..., None]
        hessian = np.matmul(weighted.transpose(0, 2, 1), weighted)
        diagonal = np.arange(b)
        hessian[:, diagonal, diagonal] = (1.0 + _JITTER) * hessian[:, diagonal, diagonal] + slack / theta
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


METHOD = Method(
    verb="density_ratio",
    name="kliep",
    estimate=estimate,
    options=KliepOptions,
    summary="Kullback-Leibler importance estimation: the sum of Gaussian bumps under which the target is likeliest",
    citation="Sugiyama, Suzuki, Nakajima, Kashima, von Bünau and Kawanabe (2008)",
    guarantee="consistent without a shape for the ratio; bandwidth by cross-validation",
    vignette="covariate-shift",
)
