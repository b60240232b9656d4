"""Wald tests of linear hypotheses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.findings import Finding
from statinf.inference.distributions import chi2_sf, f_sf
from statinf.inference.moments import Covariance
from statinf.inference.roots import matrix_root


@dataclass(frozen=True, repr=False)
class WaldTest(Finding):
    """A joint test of `restrictions @ theta = values`.

    Attributes
    ----------
    hypothesis : str
    statistic : float
        F (Wald chi-square over its degrees of freedom), or chi-square where the reference is normal.
    df : int
        Number of restrictions.
    df_denominator : float
        Infinite for a chi-square test.
    p_value : float
    """

    hypothesis: str
    statistic: float
    df: int
    df_denominator: float
    p_value: float

    def __str__(self) -> str:
        if np.isfinite(self.df_denominator):
            return f"{self.hypothesis}: F({self.df}, {self.df_denominator:g}) = {self.statistic:.6g}, p = {self.p_value:.4g}"
        return f"{self.hypothesis}: chi2({self.df}) = {self.statistic:.6g}, p = {self.p_value:.4g}"


def wald(
    theta: np.ndarray,
    covariance: Covariance | np.ndarray,
    restrictions: np.ndarray,
    values: np.ndarray,
    df: float,
    hypothesis: str,
) -> WaldTest:
    """Test `restrictions @ theta = values`.

    Parameters
    ----------
    theta : ndarray, shape (q,)
    covariance : Covariance, or ndarray of shape (q, q)
        Of the estimates; a `Covariance` keeps more digits of differences between large coefficients.
    restrictions : ndarray, shape (m, q)
    values : ndarray, shape (m,)
    df : float
        Residual degrees of freedom; infinite for a chi-square test.

    Raises
    ------
    NotIdentifiedError
        If the restrictions repeat each other, or the covariance is singular along them.
    """
    gap = restrictions @ theta - values
    root = matrix_root(covariance) if isinstance(covariance, np.ndarray) else covariance.root
    half = restrictions @ root
    if not np.isfinite(half).all():
        raise NotIdentifiedError(f"the hypothesis '{hypothesis}' cannot be tested: the fit has no standard errors.")
    scale = 1.0 / np.maximum(np.linalg.norm(half, axis=1), np.finfo(float).tiny)
    left, singular, _ = np.linalg.svd(half * scale[:, None], full_matrices=False)
    m = len(values)
    if len(singular) < m or not singular[-1] > 1e-5:
        raise NotIdentifiedError(
            f"the hypothesis '{hypothesis}' repeats a restriction, or cannot be tested with this covariance."
        )
    chi2 = float((((gap * scale) @ left / singular) ** 2).sum())
    share = 1.0
    if isinstance(covariance, Covariance):
        df, share = covariance.denominator(restrictions, df)
    if np.isfinite(df):
        return WaldTest(hypothesis, share * chi2 / m, m, df, f_sf(share * chi2 / m, m, df))
    return WaldTest(hypothesis, chi2, m, np.inf, chi2_sf(chi2, m))
