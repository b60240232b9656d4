"""Unconstrained least-squares importance fitting.

Kanamori, Hido and Sugiyama (2009, Journal of Machine Learning Research 10): the ratio as a sum of Gaussian bumps at
target rows, fitted by ridge least squares, theta = (H + lambda I)^{-1} h with negative entries set to zero. The
leave-one-out score of every bandwidth and lambda is in closed form: one eigendecomposition a bandwidth serves all
ridges, and each lambda then costs one product of a (b, b) by a (b, n) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator, on_devices, progress_bar
from statinf.errors import DataError, OptionError
from statinf.results.methods import Method
from statinf.results.options import value
from statinf.shifts import ulsif_devices
from statinf.shifts.kernels import (
    BumpOptions,
    KernelRatio,
    bandwidths,
    choose_centers,
    in_units,
    positive_grid,
    rbf,
)
from statinf.shifts.ratio_estimate import RatioEstimate
from statinf.shifts.samples import Samples

BANDWIDTHS = 10.0 ** np.linspace(-1.0, 0.5, 10)
RIDGES = 10.0 ** np.linspace(-3.0, 1.0, 10)
_BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class UlsifOptions(BumpOptions):
    """Options of unconstrained least-squares importance fitting."""

    ridge: Any = value(
        None,
        "penalty on the squared heights of the bumps; by default chosen from ten values between 1e-3 and 10",
        "None, a positive number, or several to choose from",
        positive_grid,
    )


def estimate(samples: Samples, options: UlsifOptions) -> RatioEstimate:
    """Choose bandwidth and penalty by leave-one-out and fit."""
    scaling, xs, xt = in_units(samples, options.scale)
    widths = bandwidths(options.bandwidth, np.concatenate([xs, xt]), samples.seed, BANDWIDTHS)
    ridges = RIDGES if options.ridge is None else np.array(options.ridge)
    centers = xt[choose_centers(len(xt), options.n_centers, samples.seed)]
    facts: dict[str, Any] = {}
    width, ridge = float(widths[0]), float(ridges[0])
    if len(widths) * len(ridges) > 1:
        i, j, score = _choose(samples, xs, xt, centers, widths, ridges)
        width, ridge = float(widths[i]), float(ridges[j])
        facts["leave-one-out score"] = score
    theta = solve(rbf(xs, centers, width), rbf(xt, centers, width), samples.ws, samples.wt, ridge)
    rule = KernelRatio(centers, np.maximum(theta, 0.0), width, scaling)
    settings = {"bandwidth": width, "ridge": ridge, "n_centers": len(centers)}
    return RatioEstimate(rule, rule.at(samples.xs), settings, facts=facts)


def _choose(
    samples: Samples, xs: np.ndarray, xt: np.ndarray, centers: np.ndarray, widths: np.ndarray, ridges: np.ndarray
) -> tuple[int, int, float]:
    """The pair with the smallest leave-one-out score, and the score."""
    if np.ptp(samples.ws) > 0 or np.ptp(samples.wt) > 0:
        raise OptionError(
            "leave-one-out needs rows of equal weight; with row weights give one bandwidth and one ridge."
        )
    if min(len(xs), len(xt)) < 2:
        raise DataError(
            f"leave-one-out needs two rows in each sample, there are {len(xs)} and {len(xt)}; give one bandwidth and one "
            "ridge."
        )
    # Pairs are formed by row order; rows of a sorted frame must not be paired by what they were sorted by.
    xs = xs[generator(samples.seed, 3).permutation(len(xs))]
    xt = xt[generator(samples.seed, 4).permutation(len(xt))]
    scores = loocv(xs, xt, centers, widths, ridges)
    i, j = np.unravel_index(int(np.argmin(scores)), scores.shape)
    return int(i), int(j), float(scores[i, j])


def solve(phi_s: np.ndarray, phi_t: np.ndarray, ws: np.ndarray, wt: np.ndarray, ridge: float) -> np.ndarray:
    """Coefficients before negative ones are set to zero, shape (b,)."""
    h = wt @ phi_t / wt.sum()
    gram = phi_s.T @ (phi_s * (ws / ws.sum())[:, None])
    gram[np.diag_indices_from(gram)] += ridge
    return np.linalg.solve(gram, h)


def loocv(xs: np.ndarray, xt: np.ndarray, centers: np.ndarray, widths: np.ndarray, ridges: np.ndarray) -> np.ndarray:
    """Leave-one-out scores of a grid, shape (bandwidths, ridges); small is good.

    Row i of both samples is left out together, for i up to the smaller sample's size; coefficients are clipped at zero
    after each removal, as in the fit.
    """
    if on_devices():
        return ulsif_devices.loocv(xs, xt, centers, widths, ridges)
    bars = progress_bar(widths, label="bandwidths")
    return np.stack([_scores(rbf(xs, centers, s), rbf(xt, centers, s), ridges) for s in bars])


def _scores(phi_s: np.ndarray, phi_t: np.ndarray, ridges: np.ndarray) -> np.ndarray:
    n, m = len(phi_s), len(phi_t)
    pairs = min(n, m)
    vectors_of = phi_s.T @ phi_s / n
    h = phi_t.mean(axis=0)
    values, vectors = np.linalg.eigh(vectors_of)
    inverse = 1.0 / (values[:, None] + ridges * (n - 1) / n)
    left_s, left_t = phi_s[:pairs] @ vectors, phi_t[:pairs] @ vectors
    # Quadratic forms under every penalty are products with the inverse eigenvalues, ridges side by side.
    solved = inverse * (vectors.T @ h)[:, None]
    with_h = left_s @ solved
    denominator = n - (left_s * left_s) @ inverse
    crossed = (left_s * left_t) @ inverse
    slope = (m * with_h - crossed) / denominator
    out = np.zeros(len(ridges))
    scale = (n - 1) / (n * (m - 1.0))
    for j in range(len(ridges)):
        back = (vectors * inverse[:, j]).T * scale
        base = (m * scale) * (vectors @ solved[:, j])
        for start in range(0, pairs, _BLOCK):
            rows = slice(start, min(start + _BLOCK, pairs))
            moved = left_s[rows] * slope[rows, j, None] - left_t[rows]
            theta = moved @ back
            theta += base
            np.maximum(theta, 0.0, out=theta)
            fit_s = np.einsum("ij,ij->i", phi_s[rows], theta)
            out[j] += 0.5 * float(fit_s @ fit_s) - float(np.einsum("ij,ij->", phi_t[rows], theta))
    return out / pairs


METHOD = Method(
    verb="density_ratio",
    name="ulsif",
    estimate=estimate,
    options=UlsifOptions,
    summary="unconstrained least-squares importance fitting: the sum of Gaussian bumps closest to the ratio in squares",
    citation="Kanamori, Hido and Sugiyama (2009)",
    guarantee="closed form; exact leave-one-out choice of bandwidth and ridge",
    vignette="covariate-shift",
)
