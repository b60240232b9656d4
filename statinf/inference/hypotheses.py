"""Tests of linear hypotheses: Wald, one-sided, and of equivalence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.findings import Finding
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import chi2_sf, f_sf, t_quantile, two_sided_p
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


@dataclass(frozen=True, repr=False)
class OneSidedTest(Finding):
    """A test that one linear combination is not above, or not below, a value.

    Attributes
    ----------
    hypothesis : str
    side : {"less", "greater"}
        The alternative.
    estimate, null, std_error : float
    statistic : float
        (estimate - null) / std_error.
    df : float
        Infinite for the normal distribution.
    p_value : float
    conf_low, conf_high : float
        Values that the test does not reject; one of the limits is infinite.
    level : float
    """

    hypothesis: str
    side: str
    estimate: float
    null: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    level: float

    def __str__(self) -> str:
        return (
            f"{self.hypothesis} against {self.side}: {_statistic(self.statistic, self.df)}, p = {self.p_value:.4g}, "
            f"{100 * self.level:g}% interval [{self.conf_low:.6g}, {self.conf_high:.6g}]"
        )


@dataclass(frozen=True, repr=False)
class EquivalenceTest(Finding):
    """Two one-sided tests that one linear combination lies between two bounds (Schuirmann 1987).

    Attributes
    ----------
    hypothesis : str
        What is tested, such as "x"; that it is at or outside the bounds is rejected by small p-values.
    estimate, std_error : float
    low, high : float
        The bounds; an infinite one leaves a test of non-inferiority or non-superiority.
    statistic_low, statistic_high : float
        (estimate - bound) / std_error.
    df : float
        Infinite for the normal distribution.
    p_value_low : float
        Of "at most low", against "above low": non-inferiority.
    p_value_high : float
        Of "at least high", against "below high": non-superiority.
    p_value : float
        The larger of the two.
    conf_low, conf_high : float
        Limits of the 2 level - 1 interval; within the bounds just where equivalence is found at one less the level.
    level : float
    """

    hypothesis: str
    estimate: float
    std_error: float
    low: float
    high: float
    statistic_low: float
    statistic_high: float
    df: float
    p_value_low: float
    p_value_high: float
    p_value: float
    conf_low: float
    conf_high: float
    level: float

    def __str__(self) -> str:
        sides = (
            (self.low, self.statistic_low, "above", self.p_value_low),
            (self.high, self.statistic_high, "below", self.p_value_high),
        )
        shown = "; ".join(
            f"{_statistic(statistic, self.df)} {where} {bound:g}, p = {p:.4g}"
            for bound, statistic, where, p in sides
            if np.isfinite(bound)
        )
        return (
            f"{self.hypothesis} in ({self.low:g}, {self.high:g}): {shown}; equivalence p = {self.p_value:.4g}, "
            f"{200 * self.level - 100:g}% interval [{self.conf_low:.6g}, {self.conf_high:.6g}]"
        )


def _statistic(value: float, df: float) -> str:
    return f"t({df:.5g}) = {value:.6g}" if np.isfinite(df) else f"z = {value:.6g}"


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


def combination(theta: np.ndarray, covariance: Covariance, row: np.ndarray, what: str) -> tuple[float, float, float]:
    """Estimate, standard error and degrees of freedom of one linear combination (q,)."""
    made = covariance.combined(row[None])
    std_error = float(np.linalg.norm(made.root))
    if not np.isfinite(std_error) or std_error <= 0:
        raise NotIdentifiedError(f"'{what}' cannot be tested: it has no standard error.")
    return float(row @ theta), std_error, float(np.ravel(made.df_each)[0])


def one_sided(
    theta: np.ndarray, covariance: Covariance, row: np.ndarray, null: float, side: str, hypothesis: str, level: float
) -> OneSidedTest:
    """Test `row @ theta = null` against "less" or "greater".

    Parameters
    ----------
    theta : ndarray, shape (q,)
    covariance : Covariance
    row : ndarray, shape (q,)
    null : float
    side : {"less", "greater"}
    hypothesis : str
    level : float
        Of the one-sided interval.
    """
    estimate, error, df = combination(theta, covariance, row, hypothesis)
    statistic, half = (estimate - null) / error, float(t_quantile(level, df)) * error
    low, high = (-np.inf, estimate + half) if side == "less" else (estimate - half, np.inf)
    p = upper_tail(statistic if side == "greater" else -statistic, df)
    return OneSidedTest(hypothesis, side, estimate, null, error, statistic, df, p, low, high, level)


def equivalence_test(
    theta: np.ndarray,
    covariance: Covariance,
    row: np.ndarray,
    bounds: tuple[float, float],
    hypothesis: str,
    level: float,
) -> EquivalenceTest:
    """Test that `row @ theta` lies outside of the bounds, against that it lies between them."""
    estimate, error, df = combination(theta, covariance, row, hypothesis)
    low, high = bounds
    above, below = (estimate - low) / error, (estimate - high) / error
    half = float(t_quantile(level, df)) * error
    p_low, p_high = upper_tail(above, df), upper_tail(-below, df)
    return EquivalenceTest(
        hypothesis,
        estimate,
        error,
        low,
        high,
        above,
        below,
        df,
        p_low,
        p_high,
        max(p_low, p_high),
        estimate - half,
        estimate + half,
        level,
    )


def upper_tail(statistic: float, df: float) -> float:
    """P(T > statistic) under t with `df` degrees of freedom, or the normal."""
    half = 0.5 * float(two_sided_p(statistic, df))
    return half if statistic > 0 else 1.0 - half
