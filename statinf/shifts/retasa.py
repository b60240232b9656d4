"""ReTaSA: regularised importance weights under a shift of a continuous outcome.

Kim, Zhang, Zhao and Tian (2024, arXiv 2401.16410). The law of x given y is common to both samples and that of y is not;
the estimand is omega(y) = p_T(y) / p_S(y). Since p_T(x) / p_S(x) = E_S[omega(y) | x], rho = omega - 1 solves the integral
equation T rho = eta with eta(x) = p_T(x) / p_S(x) - 1 and (T f)(x) = E_S[f(y) | x], which is ill-posed. Tikhonov's
solution (alpha I + T*T)^{-1} T* eta is computed with kernel regressions for T and its adjoint (T* g)(y) = E_S[g(x) | y] and
kernel densities for eta. The paper leaves alpha open; by default it follows Morozov's discrepancy principle: the largest
alpha whose residual is no larger than the noise that resampling both samples finds in eta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from statinf.backend import chunks, generator, rows_per_chunk
from statinf.brief import Brief
from statinf.results.methods import Method
from statinf.results.options import Options, count, number
from statinf.shifts.continuous import OutcomeRatio, column_bandwidths, product_kernel
from statinf.shifts.samples import Samples

ALPHAS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


@dataclass(frozen=True, kw_only=True)
class RetasaOptions(Options):
    """Options of regularised weights under target shift."""

    alpha: float | str = number(
        "discrepancy",
        "regularisation; by default the largest of eight values whose residual does not exceed the noise",
        low=0,
        high=np.inf,
        open_low=True,
        open_high=True,
        also=("discrepancy",),
    )
    draws: int = count(50, "resamples behind the noise level", low=2)


@dataclass(frozen=True, repr=False)
class TikhonovRatio(Brief):
    """omega(y) from the equation that rho solves, at any y.

    Attributes
    ----------
    y, mass : ndarray, shape (n,)
        Source outcomes and row weights.
    bandwidth, alpha : float
    gap : ndarray, shape (n,)
        eta - T rho at the source rows.
    """

    y: np.ndarray
    mass: np.ndarray
    bandwidth: float
    alpha: float
    gap: np.ndarray

    def at(self, y: np.ndarray) -> np.ndarray:
        out = np.empty(len(y))
        width = np.array([self.bandwidth])
        for rows in chunks(len(y), rows_per_chunk(24.0 * len(self.y))):
            kernel = product_kernel(y[rows, None], self.y[:, None], width) * self.mass
            total = kernel.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                # Far from every source outcome there is nothing to average: the ratio is not known there.
                out[rows] = np.where(total > 0, 1.0 + (kernel @ self.gap) / total / self.alpha, np.nan)
        return np.maximum(out, 0.0)


def estimate(samples: Samples, options: RetasaOptions) -> OutcomeRatio:
    """Solve the regularised equation."""
    assert samples.y is not None
    y, ws, wt = samples.y, samples.ws, samples.wt
    hx, ht = column_bandwidths(samples.xs), column_bandwidths(samples.xt)
    hy = float(column_bandwidths(y[:, None])[0])
    kernel_x = product_kernel(samples.xs, samples.xs, hx)
    crossed = product_kernel(samples.xs, samples.xt, ht)
    eta = _eta(kernel_x @ ws / ws.sum(), crossed @ wt / wt.sum(), hx, ht)
    given_x = kernel_x * ws
    given_x /= given_x.sum(axis=1, keepdims=True)
    given_y = product_kernel(y[:, None], y[:, None], np.array([hy])) * ws
    given_y /= given_y.sum(axis=1, keepdims=True)
    squared, right = given_y @ given_x, given_y @ eta
    facts: dict[str, Any] = {}
    if isinstance(options.alpha, str):
        noise = _noise(samples, kernel_x, crossed, given_y, eta, hx, ht, options.draws)
        chosen, rho = _by_discrepancy(squared, right, given_x, given_y, eta, noise)
        facts["noise level"] = noise
    else:
        chosen = options.alpha
        rho = solve(squared, right, chosen)
    gap = eta - given_x @ rho
    facts["relative residual"] = float(np.linalg.norm(gap) / max(np.linalg.norm(eta), np.finfo(float).tiny))
    rule = TikhonovRatio(y, ws, hy, chosen, gap)
    settings = {"alpha": chosen, "bandwidth y": hy, "bandwidth x": float(hx[0]), "bandwidth target x": float(ht[0])}
    return OutcomeRatio(rule, 1.0 + rho, settings, facts)


def solve(squared: np.ndarray, right: np.ndarray, alpha: float) -> np.ndarray:
    """``(alpha I + T*T)^{-1} right``."""
    system = squared.copy()
    system[np.diag_indices_from(system)] += alpha
    return lu_solve(lu_factor(system, overwrite_a=True), right)


def _eta(density_s: np.ndarray, density_t: np.ndarray, hx: np.ndarray, ht: np.ndarray) -> np.ndarray:
    """Relative excess of the target's density, from kernel sums that lack their constants."""
    return density_t / np.prod(ht) / (density_s / np.prod(hx)) - 1.0


def _noise(
    samples: Samples,
    kernel_x: np.ndarray,
    crossed: np.ndarray,
    given_y: np.ndarray,
    eta: np.ndarray,
    hx: np.ndarray,
    ht: np.ndarray,
    draws: int,
) -> float:
    """Mean square of T*(eta* - eta) over resamples of both samples; all resamples are one product."""
    n, m = len(samples.xs), len(samples.xt)
    rng = generator(samples.seed, 21)
    source = rng.multinomial(n, np.full(n, 1.0 / n), size=draws) * samples.ws
    target = rng.multinomial(m, np.full(m, 1.0 / m), size=draws) * samples.wt
    density_s = (source / source.sum(axis=1, keepdims=True)) @ kernel_x
    density_t = (target / target.sum(axis=1, keepdims=True)) @ crossed.T
    # A row that is not drawn would leave its own place empty; the density keeps what the row itself lends it.
    density_s = np.maximum(density_s, 1.0 / n)
    moved = _eta(density_s, density_t, hx, ht) - eta
    return float(np.mean((moved @ given_y.T) ** 2))


def _by_discrepancy(
    squared: np.ndarray, right: np.ndarray, given_x: np.ndarray, given_y: np.ndarray, eta: np.ndarray, noise: float
) -> tuple[float, np.ndarray]:
    for alpha in ALPHAS:
        rho = solve(squared, right, alpha)
        if float(np.mean((given_y @ (given_x @ rho - eta)) ** 2)) <= noise:
            break
    return alpha, rho


METHOD = Method(
    verb="target_shift",
    name="retasa",
    estimate=estimate,
    options=RetasaOptions,
    summary="Tikhonov-regularised weights from the integral equation that the outcome's density ratio solves (ReTaSA)",
    citation="Kim, Zhang, Zhao and Tian (2024)",
    arxiv="2401.16410",
    guarantee="consistent for the ratio of outcome densities; regularisation by the discrepancy principle",
    vignette="target-shift",
)
