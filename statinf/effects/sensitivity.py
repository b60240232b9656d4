"""Sensitivity of an effect to an omitted confounder.

Bounds of Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022, arXiv 2112.13398) for effects with a Riesz
representer; robustness values of Cinelli and Hazlett (2020) for regressions; E-values of VanderWeele and
Ding (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from statinf.effects.estimate import Pieces, Splits
from statinf.errors import OptionError, check_level
from statinf.findings import Finding
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.internal import internal
from statinf.results.clusters import fit_clusters

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class OmittedVariableBounds(Finding):
    """What an omitted confounder of given strength could do to an effect.

    Attributes
    ----------
    theta, lower, upper : float
        The effect and its bounds.
    lower_se, upper_se : float
    level : float
        One-sided, for `conf_low` and `conf_high`.
    rho, null : float
    scale : float
        sqrt(sigma2 nu2): bias at unit strength.
    robustness_value : float
        Common strength cf_y = cf_d at which a bound reaches `null`.
    robustness_value_ci : float
        Common strength at which the confidence limit does; 0 if it already does without a confounder.
    """

    theta: float
    lower: float
    upper: float
    lower_se: float
    upper_se: float
    level: float
    rho: float
    null: float
    scale: float
    robustness_value: float
    robustness_value_ci: float

    @property
    def conf_low(self) -> float:
        """Lower confidence limit of the lower bound."""
        return self.lower - float(ndtri(self.level)) * self.lower_se

    @property
    def conf_high(self) -> float:
        """Upper confidence limit of the upper bound."""
        return self.upper + float(ndtri(self.level)) * self.upper_se

    @cached_property
    def p_value(self) -> float:
        """One-sided p-value of the bound nearer to `null`."""
        low = self.theta > self.null
        distance = (self.lower - self.null) / self.lower_se if low else (self.null - self.upper) / self.upper_se
        return float(ndtr(-distance))

    @internal
    def strength_at(self, cf_y: np.ndarray, cf_d: np.ndarray) -> np.ndarray:
        """The bound nearer to `null` at other strengths."""
        size = np.asarray(strength(cf_y, cf_d, self.rho)) * self.scale
        return self.theta - size if self.theta > self.null else self.theta + size

    def items(self) -> dict[str, Any]:
        limits = {"conf_low": self.conf_low, "conf_high": self.conf_high, "p_value": self.p_value}
        return {"estimate": self.theta, **{k: v for k, v in super().items().items() if k != "theta"}, **limits}

    def __str__(self) -> str:
        return (
            f"bounds [{self.lower:.6g}, {self.upper:.6g}] around {self.theta:.6g}; one-sided {100 * self.level:g}% limits "
            f"[{self.conf_low:.6g}, {self.conf_high:.6g}]; robustness value {100 * self.robustness_value:.2f}%, "
            f"with confidence {100 * self.robustness_value_ci:.2f}%"
        )


def strength(cf_y: np.ndarray | float, cf_d: np.ndarray | float, rho: float) -> np.ndarray | float:
    """|rho| sqrt(cf_y cf_d / (1 - cf_d))."""
    return abs(rho) * np.sqrt(cf_y * cf_d / (1.0 - cf_d))


def robustness(f: float) -> float:
    """Common strength r with r / sqrt(1 - r) = f."""
    return 0.5 * (np.sqrt(f**4 + 4.0 * f**2) - f**2)


def from_splits(
    made: Splits,
    pieces: Sequence[Pieces],
    design: Design,
    kind: Any,
    strengths: tuple[float, float, float],
    null: float,
    level: float,
) -> OmittedVariableBounds:
    """Bounds of every split, put together by medians as estimates are.

    Parameters
    ----------
    made : Splits
    pieces : sequence of Pieces
        One per split.
    design : Design
    kind : str or mapping
        Covariance of the standard errors, in normal form.
    strengths : tuple of float
        cf_y, cf_d and rho.
    null, level : float
    """
    cf_y, cf_d, rho = strengths
    check_level(level)
    for name, value in (("cf_y", cf_y), ("cf_d", cf_d)):
        if not 0.0 <= value < 1.0:
            raise OptionError(f"{name}={value!r} is a share of variation, at least 0 and below 1.")
    if not -1.0 <= rho <= 1.0 or rho == 0.0:
        raise OptionError(f"rho={rho!r} is a correlation between -1 and 1, not 0.")
    clusters = fit_clusters(design, kind)
    every = []
    for theta, moments, (sigma2, nu2, psi_sigma, psi_nu) in zip(made.thetas, made.moments, pieces, strict=True):
        scale = float(np.sqrt(sigma2 * nu2))
        # Influence of a row on the scale itself: delta method on sigma2 nu2.
        on_scale = design.weights / design.weights.sum() * (sigma2 * psi_nu + nu2 * psi_sigma) / (2.0 * scale)
        both = covariance(_beside(moments, on_scale), kind, clusters, normal=True).matrix
        every.append(_one(float(theta[0]), scale, both, strengths, null, level))
    if len(every) == 1:
        return every[0]

    def middle(name: str) -> float:
        return float(np.median([getattr(b, name) for b in every]))

    def error(side: str) -> float:
        spread = [getattr(b, f"{side}_se") ** 2 + (getattr(b, side) - middle(side)) ** 2 for b in every]
        return float(np.sqrt(np.median(spread)))

    names = ("theta", "lower", "upper", "scale", "robustness_value", "robustness_value_ci")
    return replace(every[0], **{name: middle(name) for name in names}, lower_se=error("lower"), upper_se=error("upper"))


def _beside(moments: Moments, on_scale: np.ndarray) -> Moments:
    """Moments of the effect and of the scale, whose influence values (n,) are given: what the error of a bound is made of."""
    outside = moments.outside_influence
    return replace(
        moments,
        scores=np.column_stack([moments.influence[:, 0], on_scale]),
        bread=np.eye(2),
        adjustment=None,
        outside=None if outside is None else np.column_stack([outside[:, 0], np.zeros(len(outside))]),
    )


def _one(
    theta: float, scale: float, both: np.ndarray, strengths: tuple[float, float, float], null: float, level: float
) -> OmittedVariableBounds:
    """Bounds of one split, from the covariance (2, 2) of the effect and the scale."""
    from scipy.optimize import brentq

    rho = strengths[2]

    def error(sign: float, size: float) -> float:
        along = np.array([1.0, sign * size])
        return float(np.sqrt(along @ both @ along))

    size = float(strength(*strengths))
    sign = -1.0 if theta > null else 1.0
    critical = float(ndtri(level))

    def margin(r: float) -> float:
        s = float(strength(r, r, rho))
        return abs(theta - null) - s * scale - critical * error(sign, s)

    with_ci = brentq(margin, 0.0, 1.0 - 1e-12, xtol=1e-14) if margin(0.0) > 0 else 0.0
    return OmittedVariableBounds(
        theta=theta,
        lower=float(theta - size * scale),
        upper=float(theta + size * scale),
        lower_se=error(-1.0, size),
        upper_se=error(1.0, size),
        level=level,
        rho=rho,
        null=null,
        scale=scale,
        robustness_value=float(robustness(abs(theta - null) / (abs(rho) * scale))),
        robustness_value_ci=float(with_ci),
    )


def e_value(ratio: float) -> float:
    """E-value of a risk ratio; 1 for no effect."""
    r = max(ratio, 1.0 / ratio)
    return float(r + np.sqrt(r * (r - 1.0)))


def e_values(terms: Sequence[str], theta: np.ndarray, low: np.ndarray, high: np.ndarray, sd: float) -> pd.DataFrame:
    """E-values of differences in means (q,) and of the limits nearer to no effect, by way of approximate risk ratios.

    VanderWeele and Ding (2017): a difference of d standard deviations is about the risk ratio exp(0.91 d).
    """
    return ratio_e_values(terms, *(np.exp(0.91 * v / sd) for v in (theta, low, high)))


def ratio_e_values(terms: Sequence[str], ratios: np.ndarray, low: np.ndarray, high: np.ndarray) -> pd.DataFrame:
    """E-values of risk ratios (q,) and of their limits nearer to no effect."""
    import pandas as pd

    rows = []
    for term, *values in zip(terms, ratios, low, high, strict=True):
        ratio, lower, upper = map(float, values)
        near = 1.0 if lower <= 1.0 <= upper else lower if lower > 1.0 else upper
        rows.append({"term": term, "risk_ratio": ratio, "e_value": e_value(ratio), "e_value_limit": e_value(near)})
    return pd.DataFrame(rows)
