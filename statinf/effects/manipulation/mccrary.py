"""McCrary's (2008, Journal of Econometrics 142) test of manipulation: local lines through the bars of a histogram.

Estimand: the log of the running variable's density just above the cutoff less that just below. The bars' width hardly matters;
the bandwidth does, and leaves a bias that the standard error does not know of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.manipulation.fit import LOG_TERMS
from statinf.effects.manipulation.problem import RunningRows
from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance
from statinf.numerics.laws.edge_bars import Bars, bar_bandwidth, edge_levels
from statinf.numerics.laws.edge_density import Ranked
from statinf.results import Estimate
from statinf.results.methods import Method
from statinf.results.options import Options, number


@dataclass(frozen=True, kw_only=True)
class McCraryOptions(Options):
    """Options of McCrary's test."""

    bin_width: float | None = number(
        None, "of the bars; twice the standard deviation over the root of the rows by default", low=0.0, open_low=True,
        also=(None,),
    )  # fmt: skip
    bandwidth: float | None = number(
        None, "of the local lines; by the rule of the paper from polynomials of order four", low=0.0, open_low=True,
        also=(None,),
    )  # fmt: skip


def estimate(problem: RunningRows, options: McCraryOptions) -> Estimate:
    """Log densities on both sides and their difference."""
    if problem.design.weights_object is not None:
        raise OptionError("method='mccrary' takes sampling weights, not estimated ones; use method='polynomial'.")
    bars = Bars.of(problem.x, problem.w, options.bin_width)
    h = bar_bandwidth(bars) if options.bandwidth is None else options.bandwidth
    density = edge_levels(bars, h)
    if not (np.isfinite(density) & (density > 0.0)).all():
        raise NotIdentifiedError(
            f"the local lines through the bars of '{problem.name}' do not stay above zero at the cutoff; use a larger bandwidth= "
            f"than {h:g}, or method='polynomial'."
        )
    n = len(problem.x)
    variance = 24.0 / 5.0 / (n * h * density)
    contrast = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    return Estimate(
        terms=LOG_TERMS,
        theta=contrast @ np.log(density),
        moments=None,
        nobs=n,
        df_resid=float(n - 1),
        facts={
            "Cutoff": problem.cutoff,
            "Bandwidth": f"{h:.6g}",
            "Width of bars": f"{bars.width:.6g}",
            "Densities": f"{density[0]:.6g}, {density[1]:.6g}",
        },
        extra={
            "running": problem.name,
            "cutoff": problem.cutoff,
            "bandwidth": (h, h),
            "bars": bars,
            "ranked": Ranked.of(problem.x, problem.w),
        },
        covary=partial(_covariance, contrast @ np.diag(variance) @ contrast.T),
    )


def _covariance(matrix: np.ndarray, kind: Any) -> Covariance:
    if kind not in ("jackknife", "plugin"):
        raise OptionError("method='mccrary' has the plug-in standard errors of the paper only; leave vcov= out.")
    return Covariance(matrix, "plugin", "plug-in", np.inf)


METHOD = Method(
    verb="rd_density",
    name="mccrary",
    estimate=estimate,
    options=McCraryOptions,
    summary="jump of the log density by local lines through the bars of a histogram",
    citation="McCrary (2008), Manipulation of the running variable in the regression discontinuity design",
    guarantee="consistent; the size of the test suffers from the bias that its bandwidth leaves",
    vignette="rd-density",
    traits={"column shift": "the cutoff stands where it is", "column scale": "densities are per unit of the column"},
)
