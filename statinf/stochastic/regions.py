"""Intervals and regions from replicas of an average, or from its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.findings import Finding

INTERVALS = ("symmetric", "basic", "percentile", "normal", "simultaneous")
KINDS = (*INTERVALS, "sequential")
"""Intervals of a run: those of replicas, and the sequence that holds at every look."""
REGIONS = ("ball", "ellipsoid")


def upper_quantile(values: np.ndarray, level: float) -> np.ndarray:
    """The ceil(level (B + 1))-th smallest of B values along the first axis, the largest if there are too few."""
    count = len(values)
    rank = min(int(np.ceil(round(level * (count + 1), 9))), count)
    return np.partition(values, rank - 1, axis=0)[rank - 1]


def _two_sided(errors: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    tail = 0.5 * (1.0 + level)
    return -upper_quantile(-errors, tail), upper_quantile(errors, tail)


def check_draws(draws: np.ndarray) -> None:
    """Raise unless there are at least two finite replicas."""
    if len(draws) < 2:
        raise NotIdentifiedError(
            f"replicas={len(draws)} gives no bootstrap interval; ask for more (200 for a quick look, 1,000 by default)."
        )
    if not np.isfinite(draws).all():
        share = 1.0 - np.isfinite(draws).all(axis=1).mean()
        raise NotIdentifiedError(
            f"{share:.1%} of the replicas overflowed: their first steps are too large. Divide step c0 by 10 or raise k0."
        )


def check_enough(replicas: int, level: float, kind: str) -> None:
    """Raise an `OptionError` if some replica had to stand for a quantile that lies beyond all of them."""
    tail = 0.5 * (1.0 - level) if kind in ("percentile", "basic") else 1.0 - level
    needed = 10 if kind == "normal" else int(np.ceil(round(1.0 / tail, 9))) - 1
    if replicas < needed:
        raise OptionError(
            f"a {level:.4g} interval of kind {kind!r} needs replicas >= {needed}; there are {replicas}. 1,000 is the default."
        )


def draw_intervals(estimate: np.ndarray, draws: np.ndarray, level: float, kind: str = "symmetric") -> np.ndarray:
    """Intervals from replicas.

    Parameters
    ----------
    estimate : ndarray, shape (q,)
    draws : ndarray, shape (B, q)
        Replicas of the estimate.
    level : float
    kind : {"symmetric", "basic", "percentile", "normal", "simultaneous"}
        Symmetric: the quantile of |replica - estimate| on both sides. Simultaneous: the quantile of the largest
        studentised deviation over the q coordinates, times each one's standard deviation.

    Returns
    -------
    ndarray, shape (q, 2)
    """
    one_of("ci", kind, INTERVALS)
    level = check_level(level)
    check_draws(draws)
    check_enough(len(draws), level, kind)
    errors = draws - estimate
    if kind == "symmetric":
        half = upper_quantile(np.abs(errors), level)
        low, high = -half, half
    elif kind == "percentile":
        low, high = _two_sided(errors, level)
    elif kind == "basic":
        low, high = _two_sided(errors, level)
        low, high = -high, -low
    else:
        sd = draws.std(axis=0, ddof=1)
        half = sd * (_normal_quantile(level) if kind == "normal" else max_t(errors, sd, level))
        low, high = -half, half
    return np.stack([estimate + low, estimate + high], axis=1)


def max_t(errors: np.ndarray, sd: np.ndarray, level: float) -> float:
    """Quantile of the largest |error| / sd over coordinates with spread; 0 if none has any."""
    spread = sd > 0.0
    if not spread.any():
        return 0.0
    return float(upper_quantile(np.abs(errors[:, spread] / sd[spread]).max(axis=1), level))


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 * (1.0 + level)))


@dataclass(frozen=True, repr=False)
class Region(Finding):
    """A joint confidence region {theta: (theta - centre)' form (theta - centre) <= bound}.

    `form` is (q, q): the identity for a ball, an inverse covariance for an ellipsoid.
    """

    kind: str
    level: float
    centre: np.ndarray
    form: np.ndarray
    bound: float

    def __str__(self) -> str:
        size = f"radius {self.radius:.6g}" if self.kind == "ball" else f"bound {self.bound:.6g}"
        centre = ", ".join(f"{v:.6g}" for v in self.centre)
        return (
            f"{100 * self.level:g}% confidence {self.kind} in {len(self.centre)} dimensions around ({centre}), {size}"
        )

    def distance(self, theta: np.ndarray) -> np.ndarray | float:
        """(theta - centre)' form (theta - centre) for points of shape (q,) or (m, q)."""
        moved = np.asarray(theta, np.float64) - self.centre
        value = np.einsum("...i,ij,...j->...", moved, self.form, moved)
        return float(value) if value.ndim == 0 else value

    def contains(self, theta: np.ndarray) -> np.ndarray | bool:
        """Whether points of shape (q,) or (m, q) lie in the region."""
        inside = np.asarray(self.distance(theta)) <= self.bound
        return bool(inside) if inside.ndim == 0 else inside

    @property
    def radius(self) -> float:
        """Square root of the bound: the radius of a ball."""
        return float(np.sqrt(self.bound))


def draw_region(estimate: np.ndarray, draws: np.ndarray, level: float, kind: str = "ellipsoid") -> Region:
    """A ball or an ellipsoid that holds the wanted share of the replicas.

    Raises
    ------
    OptionError
        For an ellipsoid with fewer than 5 replicas a coefficient.
    """
    one_of("region", kind, REGIONS)
    level = check_level(level)
    check_draws(draws)
    q = len(estimate)
    if kind == "ellipsoid":
        if len(draws) < 5 * q:
            raise OptionError(
                f"An ellipsoid in {q} dimensions needs replicas >= {5 * q}; there are {len(draws)}. "
                "Ask for a ball, or more replicas."
            )
        form = np.linalg.pinv(np.atleast_2d(np.cov(draws, rowvar=False)), hermitian=True)
    else:
        form = np.eye(q)
    errors = draws - estimate
    return Region(
        kind, level, estimate, form, float(upper_quantile(np.einsum("bi,ij,bj->b", errors, form, errors), level))
    )


def normal_region(
    estimate: np.ndarray, cov: np.ndarray, level: float, kind: str = "ellipsoid", seed: int = 0
) -> Region:
    """A ball or an ellipsoid from a covariance; the ball's radius from 100,000 normal draws."""
    from scipy.stats import chi2

    from statinf.backend import generator

    one_of("region", kind, REGIONS)
    level = check_level(level)
    q = len(estimate)
    if kind == "ellipsoid":
        return Region(kind, level, estimate, np.linalg.pinv(cov, hermitian=True), float(chi2.ppf(level, q)))
    values = np.maximum(np.linalg.eigvalsh(cov), 0.0)
    lengths = generator(seed).standard_normal((100_000, q)) ** 2 @ values
    return Region(kind, level, estimate, np.eye(q), float(upper_quantile(lengths, level)))
