"""The worst mean of losses over laws near a sample, exactly, and its derivatives in the losses.

Balls of laws p around weights w, both with sum one: chi-square, sum w (p / w - 1)^2 / 2 <= radius, whose dual is
a + sqrt(1 + 2 radius) sqrt(sum w max(l - a, 0)^2) minimised over a; and Kullback-Leibler, sum p log(p / w) <= radius,
whose dual is a log(sum w exp(l / a)) + a radius minimised over a > 0 (Duchi and Namkoong 2021; Hu and Hong 2013).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief

_STEPS = 200


@dataclass(frozen=True, repr=False)
class WorstCase(Brief):
    """The worst law in a ball.

    Attributes
    ----------
    value : float
        Mean loss under it.
    law : ndarray, shape (n,)
        p, with sum one.
    at : float
        The dual variable a.
    """

    value: float
    law: np.ndarray
    at: float


def largest_radius(ball: str, w: np.ndarray) -> float:
    """The radius from which a ball holds a law on one row."""
    return float(0.5 * (1.0 / w.min() - 1.0) if ball == "chi2" else -np.log(w.min()))


def worst_chi2(losses: np.ndarray, w: np.ndarray, radius: float) -> WorstCase:
    """The worst law of a chi-square ball, by one sort."""
    order = np.argsort(-losses, kind="stable")
    ordered, share = losses[order], w[order]
    top = ordered[0]
    u = ordered - top  # differences from the largest loss, so that a common level costs no digits
    s0, s1, s2 = np.cumsum(share), np.cumsum(share * u), np.cumsum(share * u * u)
    factor = 1.0 + 2.0 * radius
    # With the first k rows active, the mean of (u - a)^2 is `factor` times the squared mean of u - a.
    mean = s1 / s0
    spread = np.maximum(s2 / s0 - mean**2, 0.0)
    room = factor * s0 - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        a = mean - np.sqrt(spread / room)
    following = np.append(u[1:], -np.inf)
    good = (room > 0) & (a >= following)
    k = int(np.argmax(good)) if good.any() else len(ordered) - 1
    at = a[k] if room[k] > 0 else u[-1]
    excess = np.maximum(losses - top - at, 0.0)
    total = float(w @ excess)
    if not total > 0:  # all losses are the same
        return WorstCase(float(w @ losses), w.copy(), float(top))
    law = w * excess / total
    return WorstCase(float(top + law @ (losses - top)), law, float(top + at))


def worst_kl(losses: np.ndarray, w: np.ndarray, radius: float) -> WorstCase:
    """The worst law of a Kullback-Leibler ball, by safeguarded Newton steps in 1 / a."""
    top = float(losses.max())
    u = losses - top
    size = float(-(w @ u))
    if not size > 0:
        return WorstCase(float(w @ losses), w.copy(), np.inf)
    low, high = 0.0, np.inf
    t = np.sqrt(2.0 * radius / float(w @ (u + size) ** 2))
    law = w
    for _ in range(_STEPS):
        tilted = w * np.exp(t * u)
        total = float(tilted.sum())
        law = tilted / total
        mean = float(law @ u)
        divergence = t * mean - np.log(total)
        gap = divergence - radius
        low, high = (t, high) if gap < 0 else (low, t)
        if abs(gap) <= 1e-15 * max(radius, 1e-3) or (high < np.inf and high - low <= 1e-15 * high):
            break
        slope = t * float(law @ (u - mean) ** 2)
        step = t - gap / slope if slope > 0 else np.nan
        t = step if low < step < high else (2.0 * t if np.isinf(high) else 0.5 * (low + high))
    return WorstCase(float(top + law @ u), law, float(1.0 / t))


WORST: dict[str, Callable[[np.ndarray, np.ndarray, float], WorstCase]] = {"chi2": worst_chi2, "kl": worst_kl}


@dataclass(frozen=True, repr=False)
class BallSystem(Brief):
    """Estimating equations of a regression of least worst-case loss, per row at the optimum.

    Attributes
    ----------
    scores : ndarray, shape (n, p)
        Of the coefficients, with the ball's own parameters profiled out; their weighted mean is zero.
    hessian : ndarray, shape (p, p)
        Of the worst-case loss.
    risk : ndarray, shape (n,)
        Influence of a row on the worst-case loss.
    """

    scores: np.ndarray
    hessian: np.ndarray
    risk: np.ndarray


LossTerms = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Losses, slopes and curvatures in the predictor, each of shape (n,)."""


def ball_hessian(ball: str, Z: np.ndarray, terms: LossTerms, w: np.ndarray, worst: WorstCase) -> np.ndarray:
    """Second derivative of the worst-case loss in the coefficients, shape (p, p)."""
    losses, slope, curvature = terms
    law = worst.law
    lead = Z * slope[:, None]
    out = (Z * (law * curvature)[:, None]).T @ Z
    gradient = law @ lead
    if ball == "kl":
        if np.isinf(worst.at):
            return out
        centred, level = lead - gradient, losses - worst.value
        spread = float(law @ level**2)
        along = (law * level) @ centred
        out += ((centred * law[:, None]).T @ centred - np.outer(along, along) / spread) / worst.at
        return out
    active = w * (losses > worst.at)
    total = float(w @ np.maximum(losses - worst.at, 0.0))
    if not total > 0:
        return out
    # In units of the mean excess s1: s2 = c^2 s1^2, so that the ratio s2 / s1 is that of the law's own mean excess.
    mean = float(law @ (losses - worst.at))
    own = float(active.sum())
    along = active @ lead
    out += ((lead * active[:, None]).T @ lead - np.outer(gradient, gradient) * total / mean) / total
    cross = along - gradient * total / mean
    left = own - total / mean
    if left > 0:
        out -= np.outer(cross, cross) / (total * left)
    return out


def ball_system(
    ball: str, Z: np.ndarray, terms: LossTerms, w: np.ndarray, worst: WorstCase, radius: float
) -> BallSystem:
    """The stacked equations of coefficients and dual variables, the latter profiled out."""
    losses, slope, _ = terms
    hessian = ball_hessian(ball, Z, terms, w, worst)
    ratio = worst.law / w
    lead = Z * slope[:, None]
    if ball == "kl":
        inner, at = losses - worst.value, worst.at
        spread = float(worst.law @ inner**2)
        cross = (worst.law * inner) @ lead
        # The dual variable's equation is sum p log(p / w) = radius.
        own = ratio * (inner / at) - (ratio - 1.0)
        own -= w @ own
        moved = np.outer(own, cross) * (at / spread)
        return BallSystem(-(ratio[:, None] * lead) + moved, hessian, at * (ratio - 1.0))
    excess = np.maximum(losses - worst.at, 0.0)
    total, factor = float(w @ excess), 1.0 + 2.0 * radius
    active = w * (losses > worst.at)
    # The threshold and the mean excess m solve u^2 = factor m^2 and u = m in the mean; the threshold's influence over m:
    moved = (ratio**2 - factor - 2.0 * factor * (ratio - 1.0)) / (2.0 - 2.0 * factor * float(active.sum()))
    scores = -(ratio[:, None] * lead) + np.outer(moved, active @ lead)
    return BallSystem(scores, hessian, 0.5 * total * (ratio**2 - factor))
