"""Unconstrained least-squares importance fitting.

Kanamori, Hido and Sugiyama (2009, Journal of Machine Learning Research 10): the ratio as a sum of Gaussian bumps at
target rows, fitted by ridge least squares, theta = (H + lambda I)^{-1} h with negative entries set to zero. The
leave-one-out score of every bandwidth and lambda is in closed form: one eigendecomposition a bandwidth serves all
lambdas, and each lambda then costs one product of a (b, b) by a (b, n) matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.errors import OptionError
from statinf.shifts.estimate import Estimate
from statinf.shifts.kernels import KernelRatio, bandwidths, choose_centers, positive_grid, rbf
from statinf.shifts.samples import Samples

CITATION = "unconstrained least-squares importance fitting (Kanamori, Hido and Sugiyama 2009)"
OPTIONS = ("sigma", "lambda_", "n_centers")
SIGMAS = 10.0 ** np.linspace(-1.0, 0.5, 10)
LAMBDAS = 10.0 ** np.linspace(-3.0, 1.0, 10)
_BLOCK = 2048


def estimate(
    samples: Samples, *, sigma: Any = None, lambda_: Any = None, n_centers: int = 100, seed: int = 0
) -> Estimate:
    """Choose bandwidth and penalty by leave-one-out and fit."""
    sigmas = bandwidths(sigma, samples.xs, samples.xt, seed, SIGMAS)
    lambdas = LAMBDAS if lambda_ is None else positive_grid("lambda_", lambda_)
    centers = samples.xt[choose_centers(len(samples.xt), n_centers, seed)]
    facts: dict[str, Any] = {}
    s, lam = float(sigmas[0]), float(lambdas[0])
    if len(sigmas) * len(lambdas) > 1:
        if np.ptp(samples.ws) > 0 or np.ptp(samples.wt) > 0:
            raise OptionError(
                "leave-one-out needs rows of equal weight; with row weights give one sigma and one lambda_."
            )
        # Pairs are formed by row order; rows of a sorted frame must not be paired by what they were sorted by.
        xs = samples.xs[generator(seed, 3).permutation(len(samples.xs))]
        xt = samples.xt[generator(seed, 4).permutation(len(samples.xt))]
        scores = loocv(xs, xt, centers, sigmas, lambdas)
        i, j = np.unravel_index(int(np.argmin(scores)), scores.shape)
        s, lam = float(sigmas[i]), float(lambdas[j])
        facts["leave-one-out score"] = float(scores[i, j])
    theta = solve(rbf(samples.xs, centers, s), rbf(samples.xt, centers, s), samples.ws, samples.wt, lam)
    rule = KernelRatio(centers, np.maximum(theta, 0.0), s)
    settings = {"sigma": s, "lambda_": lam, "n_centers": len(centers)}
    return Estimate(rule, rule.at(samples.xs), settings, facts=facts)


def solve(phi_s: np.ndarray, phi_t: np.ndarray, ws: np.ndarray, wt: np.ndarray, lam: float) -> np.ndarray:
    """Coefficients before negative ones are set to zero, shape (b,)."""
    h = wt @ phi_t / wt.sum()
    gram = phi_s.T @ (phi_s * (ws / ws.sum())[:, None])
    gram[np.diag_indices_from(gram)] += lam
    return np.linalg.solve(gram, h)


def loocv(xs: np.ndarray, xt: np.ndarray, centers: np.ndarray, sigmas: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """Leave-one-out scores of a grid, shape (sigmas, lambdas); small is good.

    Row i of both samples is left out together, for i up to the smaller sample's size; coefficients are clipped at zero
    after each removal, as in the fit.
    """
    return np.stack([_scores(rbf(xs, centers, s), rbf(xt, centers, s), lambdas) for s in sigmas])


def _scores(phi_s: np.ndarray, phi_t: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    n, m = len(phi_s), len(phi_t)
    pairs = min(n, m)
    vectors_of = phi_s.T @ phi_s / n
    h = phi_t.mean(axis=0)
    values, vectors = np.linalg.eigh(vectors_of)
    inverse = 1.0 / (values[:, None] + lambdas * (n - 1) / n)
    left_s, left_t = phi_s[:pairs] @ vectors, phi_t[:pairs] @ vectors
    # Quadratic forms under every lambda are products with the inverse eigenvalues, lambdas side by side.
    solved = inverse * (vectors.T @ h)[:, None]
    with_h = left_s @ solved
    denominator = n - (left_s * left_s) @ inverse
    crossed = (left_s * left_t) @ inverse
    slope = (m * with_h - crossed) / denominator
    out = np.zeros(len(lambdas))
    scale = (n - 1) / (n * (m - 1.0))
    for j in range(len(lambdas)):
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
