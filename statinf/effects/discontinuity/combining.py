"""One effect from the jumps of outcome, treatment and covariates: sharp or fuzzy, with covariates partialled out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.localpoly.side import LocalFit


@dataclass(frozen=True, repr=False)
class Combined(Brief):
    """An effect as a function of the jumps (m,) of outcome, treatment and covariates.

    Attributes
    ----------
    value : float
    gradient : ndarray, shape (m,)
        Of the value in the jumps.
    first : ndarray, shape (m,), or None
        Weights of the jumps in that of the treatment; None for sharp designs.
    """

    value: float
    gradient: np.ndarray
    first: np.ndarray | None


def covariate_products(fit: LocalFit, heads: int) -> tuple[np.ndarray, np.ndarray]:
    """Products Z'Z (z, z) and Z'(Y, T) (z, heads) of what the polynomial leaves over."""
    left = fit.side.y - fit.fitted()
    weighted = fit.weight[:, None] * left[:, heads:]
    return weighted.T @ left[:, heads:], weighted.T @ left[:, :heads]


def slopes(products: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Coefficients of covariates (z, heads), common to the fits that the products come from; NaN where a fit has no polynomial."""
    inside, cross = (np.asarray(sum(parts)) for parts in zip(*products, strict=True))
    if not (np.isfinite(inside).all() and np.isfinite(cross).all()):
        return np.full(cross.shape, np.nan)
    return np.linalg.lstsq(inside, cross, rcond=None)[0]


def combine(jumps: np.ndarray, gamma: np.ndarray, fuzzy: bool) -> Combined:
    """The effect that jumps (m,) and slopes of covariates (z, heads) make."""
    outcome = np.concatenate([np.eye(1 + fuzzy)[0], -gamma[:, 0]])
    if not fuzzy:
        return Combined(float(outcome @ jumps), outcome, None)
    treatment = np.concatenate([[0.0, 1.0], -gamma[:, 1]])
    up, across = float(outcome @ jumps), float(treatment @ jumps)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.float64(up) / across
        return Combined(float(ratio), (outcome - ratio * treatment) / across, treatment)
