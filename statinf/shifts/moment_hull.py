"""Why no weights match a target's means: which columns are at fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from statinf.brief import Brief
from statinf.errors import InfeasibleError
from statinf.numerics.tilting.distances import Distance
from statinf.shifts.margins import KnownMeans
from statinf.shifts.overlap import describe_uncovered
from statinf.shifts.samples import Samples

_ROUNDING = 1e-12
_SLACK = 1e-7
"""Gap, in standard deviations, below which linear programming counts a mean as met."""


@dataclass(frozen=True, repr=False)
class WantedMeans(Brief):
    """What is said of means that no weights match.

    Attributes
    ----------
    names : tuple of str
        Of p columns.
    known : KnownMeans or None
    ends : callable
        Makes the target's means and the source's least and largest values, shape (p,) each.
    uncovered : callable
        Describes target rows outside the source's range.
    """

    names: tuple[str, ...]
    known: KnownMeans | None
    ends: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
    uncovered: Callable[[], str]

    @classmethod
    def of(cls, samples: Samples) -> WantedMeans:
        """Of rows in memory."""

        def ends() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            mean = samples.wt @ samples.xt / samples.wt.sum()
            return mean, samples.xs.min(axis=0), samples.xs.max(axis=0)

        where = partial(describe_uncovered, samples.xs, samples.xt, samples.names)
        return cls(samples.names, samples.target.known, ends, where)


def check_ranges(wanted: WantedMeans, low: np.ndarray, high: np.ndarray, names: list[str], distance: Distance) -> None:
    """Refuse means that lie beyond the reach of one column alone.

    Parameters
    ----------
    wanted : WantedMeans
    low, high : ndarray, shape (k,)
        Least and largest entries of the columns less the target's means, in standard deviations.
    names : list of str
    distance : Distance

    Raises
    ------
    InfeasibleError
    """
    tilted = distance.name == "raking" and distance.low <= 0  # its weights are positive: the ends are out of reach
    if tilted:
        _check_levels(wanted.known)
    # Columns are in standard deviations: an end within rounding of the mean is the mean.
    edge = _ROUNDING if tilted else -_ROUNDING
    beyond = (low > -edge) | (high < edge)
    beyond &= high - low > _ROUNDING
    if beyond.any() and (tilted or distance.low >= 0):
        _refuse(wanted, [name for name, out in zip(names, beyond, strict=True) if out], distance)


def _check_levels(known: KnownMeans | None) -> None:
    """Refuse a share of zero for a level that the source has, the base level included, which has no column to name it."""
    tables = () if known is None else known.tables
    for table in tables:
        if len(table.factors) == 1 and not table.numeric and (table.values == 0).any():
            raise InfeasibleError(
                f"the margin of '{table.term}' gives no share to a level that the source has rows of, and raking keeps weights "
                "positive: leave these rows out, or use distance='linear' with bounds=(0, None)."
            )


def check_hull(wanted: WantedMeans, scaled: np.ndarray, w: np.ndarray, names: list[str], distance: Distance) -> None:
    """Refuse means that no weights within the bounds match, by the least gaps that weights can leave.

    Parameters
    ----------
    wanted : WantedMeans
    scaled : ndarray, shape (G, k)
        Columns less the target's means.
    w : ndarray, shape (G,)
    names : list of str
    distance : Distance

    Raises
    ------
    InfeasibleError
    """
    from scipy.optimize import linprog

    rows, group = np.unique(scaled, axis=0, return_inverse=True)
    mass = np.bincount(group.ravel(), weights=w)
    mass /= mass.sum()
    k = scaled.shape[1]
    low = max(distance.low, 0.0)
    found = linprog(
        np.r_[np.zeros(len(rows)), np.ones(2 * k)],
        A_eq=np.block([[rows.T, np.eye(k), -np.eye(k)], [np.ones((1, len(rows))), np.zeros((1, 2 * k))]]),
        b_eq=np.append(np.zeros(k), 1.0),
        bounds=[(low * m, None if distance.high == np.inf else distance.high * m) for m in mass]
        + [(0, None)] * (2 * k),
        method="highs",
    )
    if found.status != 0:
        return
    gap = found.x[len(rows) : len(rows) + k] + found.x[len(rows) + k :]
    if gap.max(initial=0.0) > _SLACK:
        _refuse(wanted, [name for name, off in zip(names, gap, strict=True) if off > _SLACK], distance)


def _refuse(wanted: WantedMeans, names: list[str], distance: Distance) -> None:
    listed = ", ".join(map(repr, names))
    mean, low, high = wanted.ends()
    inside = all(low[j] < mean[j] < high[j] for j in map(wanted.names.index, names))
    what = f"of {listed}" + (" (jointly; each lies in its column's range)" if inside else "")
    if wanted.known is not None:
        one = wanted.names.index(names[0])
        said = f"'{names[0]}' runs from {low[one]:.6g} to {high[one]:.6g} in the source, and {mean[one]:.6g} is wanted"
        advice = f"; {said}. Widen bounds=, merge levels, or leave rows out that the population does not have."
    else:
        where = wanted.uncovered()
        advice = f"{'; ' + where if where else ''}. Use fewer columns, restrict the target, or use method='kmm'."
    hull = "the convex hull of the source rows" if not distance.bounded else "what weights within the bounds reach"
    raise InfeasibleError(f"target means {what} lie outside {hull}: no weights match them{advice}")
