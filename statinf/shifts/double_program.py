"""The quadratic programme of double weighting on two samples, for any D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import one_blas_thread
from statinf.brief import Brief
from statinf.errors import NotIdentifiedError, NumericalWarning, OptionError, issue_warning
from statinf.numerics.geometry.nearest import nearest
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.programs.paired_weights import PairedRows, PairedSolution, solve_paired, solve_second
from statinf.shifts.kernels import in_units, kernel_sums, median_distance, rbf
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling

if TYPE_CHECKING:
    import pandas as pd

FACTOR_TOLERANCE = 1e-11
NEIGHBOUR = 50
_STEPS, _LEAST = 100, 1e-4
"""Most proximal steps without a ridge, and their last ridge."""
_SMALL_ROWS, _SMALL_RANK = 8000, 500
"""Sizes up to which a solve is many products too small for several threads."""
GRID = tuple(1.0 / (1.0 - s / 10.0) ** 2 for s in range(10))
"""Values of D that are tried where none is given: 1, 1.23, ..., 25, 100."""


def check_levels(given: Any) -> tuple[float, ...]:
    """Values of D, each at least one."""
    several = given if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given]
    try:
        levels = tuple(float(d) for d in several)
    except (TypeError, ValueError):
        levels = ()
    if not levels or not all(d >= 1.0 for d in levels) or any(isinstance(d, bool | np.bool_) for d in several):
        raise OptionError(f"D={given!r}: give numbers of at least 1; 1 weights the source alone, inf the target alone.")
    return levels


def neighbour_distance(x: np.ndarray) -> float:
    """Mean distance of a row to its 50th nearest, itself the first; to the farthest, with a warning, of fewer rows."""
    k = min(NEIGHBOUR, len(x))
    if k < NEIGHBOUR:
        issue_warning(
            f"the default bandwidth is the mean distance to the {NEIGHBOUR}th nearest row, and there are {k} rows in both "
            f"samples: the {k}th is taken. Give bandwidth='median' or a number.",
            NumericalWarning,
        )
    found = nearest(x, x, k)
    # Entries of a row are in the order of the points: its largest distance is that of the k-th nearest.
    return float(np.sqrt(np.maximum.reduceat(found.squared, found.start[:-1])).mean())


def bandwidth_of(given: Any, x: np.ndarray, seed: int) -> float:
    """The bandwidth asked for: a number, the median distance, or the 50th neighbour's."""
    if given is None or given == "nn50":
        width = neighbour_distance(x)
        return width if width > 0 else median_distance(x, seed)
    return median_distance(x, seed) if isinstance(given, str) else float(given[0])


@dataclass(frozen=True, repr=False)
class WitnessRule(Brief):
    """Both weights at any rows: functions of ``u(x) = (sum_j a_j k(x_j, x) - sum_i b_i k(x_i, x)) / ridge - shift``.

    Attributes
    ----------
    source, target : ndarray, shape (n, p) and (m, p)
        Scaled columns.
    mass, target_mass : ndarray, shape (n,) and (m,)
        Row weights times b, and times a, each scaled to the source's total.
    bandwidth, ridge, bound, shift, ball : float
    mean_alpha : float
        By which b is divided to be a ratio of mean about one.
    scaling : Scaling
    """

    source: np.ndarray
    target: np.ndarray
    mass: np.ndarray
    target_mass: np.ndarray
    bandwidth: float
    ridge: float
    bound: float
    shift: float
    ball: float
    mean_alpha: float
    scaling: Scaling

    def _witness(self, x: np.ndarray) -> np.ndarray:
        if self.ridge == 0.0:
            raise NotIdentifiedError(
                "double weights with ridge=0 are on the rows of the samples only; a positive ridge defines them for new rows."
            )
        x = self.scaling.apply(x)
        pull = kernel_sums(x, self.target, self.target_mass, self.bandwidth)
        return (pull - kernel_sums(x, self.source, self.mass, self.bandwidth)) / self.ridge - self.shift

    def at(self, x: np.ndarray) -> np.ndarray:
        if self.ball == 0.0:
            return np.ones(len(x))
        return np.clip(self._witness(x), 0.0, self.bound) / self.mean_alpha

    def alpha(self, x: np.ndarray) -> np.ndarray:
        """Weights of target rows x (m, p), shape (m,)."""
        if np.isinf(self.ball):
            return np.ones(len(x))
        if self.ball == 0.0:
            # With b = 1 the ridge is on a itself.
            return np.clip(-self._witness(x), 0.0, 1.0)
        return 1.0 - np.clip(self._witness(x) / self.ball, 0.0, 1.0)


@dataclass(frozen=True, repr=False)
class DoubleProgram(Brief):
    """The programme on two samples.

    Attributes
    ----------
    rows : PairedRows
    xs, xt : ndarray, shape (n, p) and (t, p)
        Scaled columns.
    total : float
        Of the source's weights, over which the ridge is spread.
    bandwidth, ridge, bound : float
    eps : float or None
        By default one less the root of one over the source's rows (the target's, for an infinite D).
    scaling : Scaling
    scaled : bool
        Whether columns are in standard deviations.
    """

    rows: PairedRows
    xs: np.ndarray
    xt: np.ndarray
    total: float
    bandwidth: float
    ridge: float
    bound: float
    eps: float | None
    scaling: Scaling
    scaled: bool = True

    @classmethod
    def of(cls, samples: Samples, options: Any) -> DoubleProgram:
        """The programme of two samples, its kernel factored once for every D."""
        scaling, xs, xt = in_units(samples, options.scale)
        both = np.concatenate([xs, xt])
        width = bandwidth_of(options.bandwidth, both, samples.seed)
        with one_blas_thread(len(both) <= _SMALL_ROWS):
            factor = pivoted_cholesky(
                lambda at: rbf(both, both[at], width), np.ones(len(both)), tol=FACTOR_TOLERANCE, max_rank=len(both)
            )
        assert factor is not None  # the rank may reach all rows
        n, total = len(xs), float(samples.ws.sum())
        rows = PairedRows(factor[:n], factor[n:], samples.ws / total, samples.wt / samples.wt.sum())
        return cls(rows, xs, xt, total, width, options.ridge, options.bound, options.eps, scaling, options.scale)

    def solve(self, D: float, start: PairedSolution | None = None) -> PairedSolution:
        """The weights at one D."""
        with one_blas_thread(self.rows.first.shape[1] <= _SMALL_RANK):
            return self._solve(D, start)

    def _solve(self, D: float, start: PairedSolution | None) -> PairedSolution:
        if np.isinf(D):
            mass = float(len(self.rows.q))
            eps = 1.0 - 1.0 / np.sqrt(mass) if self.eps is None else self.eps
            first = solve_second(self.rows, (self.ridge or 1.0) / self.total, eps)
            return self._sharpened(first, lambda k, s: solve_second(self.rows, k, eps, s.alpha))
        eps = 1.0 - 1.0 / np.sqrt(len(self.rows.p)) if self.eps is None else self.eps
        bound, radius = self.bound / np.sqrt(D), 1.0 - 1.0 / np.sqrt(D)
        first = solve_paired(self.rows, (self.ridge or 1.0) / self.total, bound, eps, radius, start=start)
        return self._sharpened(
            first, lambda k, s: solve_paired(self.rows, k, bound, eps, radius, around=s.beta, start=s, tol=1e-9)
        )

    def _sharpened(self, found: PairedSolution, step: Any) -> PairedSolution:
        """Without a ridge, proximal point steps: the discrepancy converges, weights need not."""
        if self.ridge > 0:
            return found
        k = 1.0 / self.total
        for _ in range(_STEPS):
            before, k = found.discrepancy, max(0.3 * k, _LEAST / self.total)
            found = step(k, found)
            if k <= _LEAST / self.total and before - found.discrepancy <= 1e-6 * before + 1e-13:
                break
        return found

    def rule(self, found: PairedSolution, D: float) -> WitnessRule:
        """The weights as functions of the columns."""
        rows, bound = self.rows, self.bound / np.sqrt(D) if np.isfinite(D) else 1.0
        mass, target = self.total * rows.p * found.beta, self.total * rows.q * found.alpha
        return WitnessRule(
            self.xs, self.xt, mass, target, self.bandwidth, self.ridge, bound, found.shift, found.ball,
            float(rows.q @ found.alpha), self.scaling,
        )  # fmt: skip

    def risks(self, found: PairedSolution) -> dict[str, float]:
        """Sizes of both weights, and the worst-case risk of weighted means; see `DoubleRatio.path`."""
        p, q = self.rows.p, self.rows.q
        level = float(q @ found.alpha)
        bias = found.discrepancy / level**2
        variance = float(p @ found.beta**2) / self.total / level**2
        return {
            "mean_beta": float(p @ found.beta),
            "mean_alpha": level,
            "mmd2": found.discrepancy,
            "squared_bias": bias,
            "variance": variance,
            "worst_case_risk": bias + (self.ridge or 1.0) * variance,
            "ess_beta": float((p @ found.beta) ** 2 / (p**2 @ found.beta**2)),
            "ess_alpha": float(level**2 / (q**2 @ found.alpha**2)),
        }

    def path(self, grid: Any = GRID) -> tuple[pd.DataFrame, list[PairedSolution]]:
        """The programme at several D, each begun at the last, with their risks."""
        import pandas as pd

        found: list[PairedSolution] = []
        for D in grid:
            start = found[-1] if found and np.isfinite(D) else None
            found.append(self.solve(float(D), start))
        table = [{"D": float(D), **self.risks(s)} for D, s in zip(grid, found, strict=True)]
        return pd.DataFrame(table), found
