"""`RdBins`: what a regression discontinuity plot shows."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from statinf.effects.discontinuity.binning import MOST_BINS, SELECTIONS, BinnedSide, binned
from statinf.effects.discontinuity.problem import RdProblem
from statinf.errors import OptionError, check_level, one_of
from statinf.findings import Finding
from statinf.frames import to_caller


@dataclass(frozen=True, repr=False)
class RdBins(Finding):
    """Means in bins on both sides of a cutoff, and a polynomial on each.

    Attributes
    ----------
    left, right : BinnedSide
        Distances from the cutoff.
    cutoff, level : float
    running, outcome, binselect : str
    """

    left: BinnedSide
    right: BinnedSide
    cutoff: float
    level: float
    running: str
    outcome: str
    binselect: str

    def tidy(self) -> Any:
        """One row per bin with rows.

        Returns
        -------
        data frame
            `side`, the `bin`'s middle, its edges `low` and `high`, means of the running variable `x` and the outcome `y`,
            `nobs`, and `std_error`, `conf_low`, `conf_high` of the mean of the outcome.
        """
        import pandas as pd

        parts = []
        for name, side in (("left", self.left), ("right", self.right)):
            half = side.half_width(self.level)
            table = {"side": name, "bin": side.centre + self.cutoff, "low": side.edges[:-1] + self.cutoff}
            table |= {"high": side.edges[1:] + self.cutoff, "x": side.x + self.cutoff, "y": side.y, "nobs": side.count}
            table |= {"std_error": side.std_error, "conf_low": side.y - half, "conf_high": side.y + half}
            parts.append(pd.DataFrame(table)[side.count > 0])
        return to_caller(pd.concat(parts, ignore_index=True), self.frame_kind)

    def curve(self, points: int = 200) -> Any:
        """The polynomial of each side: side, x, y."""
        import pandas as pd

        parts = []
        for name, side in (("left", self.left), ("right", self.right)):
            at = np.linspace(side.edges[0], side.edges[-1], points)
            level = np.polynomial.polynomial.polyval(at, side.coef)
            parts.append(pd.DataFrame({"side": name, "x": at + self.cutoff, "y": level}))
        return to_caller(pd.concat(parts, ignore_index=True), self.frame_kind)

    def __str__(self) -> str:
        return (
            f"{len(self.left.count)} bins left and {len(self.right.count)} right of {self.running} = {self.cutoff:g} "
            f"({self.binselect})"
        )

    def plot(self, **options: Any) -> Any:
        """Means, their intervals and the polynomials; see `statinf.plotting.discontinuities.plot_bins`."""
        from statinf.plotting.discontinuities import plot_bins

        return plot_bins(self, **options)


def bins_of(problem: RdProblem, outcome: str, *, binselect: str, nbins: Any, order: int, level: float) -> RdBins:
    """Bins of the outcome of a problem.

    Parameters
    ----------
    problem : RdProblem
    outcome : str
        Its name.
    binselect : str
        One of `SELECTIONS`.
    nbins : int or pair of int, optional
        In place of the chosen numbers, left and right.
    order : int
        Of the polynomials.
    level : float
    """
    one_of("binselect", binselect, SELECTIONS)
    check_level(level)
    if isinstance(order, bool) or not isinstance(order, Integral) or not 0 <= int(order) <= 8:
        raise OptionError(f"order={order!r} is not a whole number from 0 to 8.")
    counts = (nbins, nbins) if nbins is None or isinstance(nbins, Integral) else tuple(nbins)
    fine = all(one is None or (isinstance(one, Integral) and 1 <= int(one) <= MOST_BINS) for one in counts)
    if len(counts) != 2 or not fine or isinstance(nbins, bool):
        raise OptionError(f"nbins={nbins!r} is not a whole number from 1 to {MOST_BINS}, or a pair of them.")
    both = problem.both
    total = sum(len(side.x) for side in both)
    made = []
    for side, count in zip(both, counts, strict=True):
        # Spacings of ties take rows as they come. Outcomes around their mean, so that squares keep their digits.
        place = np.lexsort((side.index, side.x))
        x, y, w = side.x[place], side.y[place, 0], side.w[place]
        found = binned(x, y, w, total, select=binselect, count=None if count is None else int(count), order=int(order))
        coef = found.coef + problem.centre * (np.arange(len(found.coef)) == 0)
        made.append(
            BinnedSide(
                found.edges,
                found.count,
                found.x,
                found.y + problem.centre,
                found.std_error,
                coef,
                found.imse,
                found.mimicking,
            )
        )
    return RdBins(made[0], made[1], problem.cutoff, level, problem.running, outcome, binselect)
