"""`si.rd_distribution`: discontinuities of outcomes that are distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.effects.discontinuity.options import check_cutoff, check_kernel
from statinf.effects.distributional.fit import DistributionJump
from statinf.effects.distributional.problem import read_units
from statinf.effects.table import RD_DISTRIBUTION
from statinf.errors import OptionError, one_of
from statinf.inference.levels import levels_of
from statinf.inference.vcov import VcovSpec, cluster_columns

LEVELS = tuple(np.round(np.arange(1, 20) * 0.05, 2).tolist())


@RD_DISTRIBUTION.document
def rd_distribution(
    formula: str,
    data: Any,
    *,
    cutoff: float = 0.0,
    method: str = "frechet",
    tau: float | Sequence[float] = LEVELS,
    fuzzy: str | None = None,
    kernel: str = "epanechnikov",
    unit_weights: str | None = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: str | None = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> DistributionJump:
    """Estimate how the distribution within units jumps where their running variable passes a cutoff.

    A unit (a school, a firm, a county) is treated as a whole; its outcome is the distribution of its members' outcomes. The
    effect at a level is the jump of the mean over units of that quantile.

    Parameters
    ----------
    formula : str
        `outcome ~ running | unit`, one row per member; the running variable is the same in all rows of a unit. With quantiles
        themselves, one row per unit: `cbind(q1, q2, q3) ~ running`, with `tau=` their levels.
    data : data frame
        As `statinf.lm` takes it.
    cutoff : float
        Units at the cutoff count as above.
    method : {"frechet", "simple"}
    tau : float or sequence of float
        Levels in (0, 1).
    fuzzy : str, optional
        Column of the treatment, constant within units, if crossing the cutoff does not settle it.
    kernel : {"epanechnikov", "triangular", "uniform"}
    unit_weights : str, optional
        "size" to count members, or a column that is constant within units. The effect is then that on the weighted mean.
    vcov : str or mapping, optional
        "HC3" (default) to "HC0", units independent of each other; `{"cluster": "column"}` for clusters of units.
    weights : array of shape (rows,), str or Weights, optional
        Of the rows within their unit.
    cluster : str, optional
        Column of clusters of units.
    na_action : {"drop", "raise"}
        Rows without an outcome are left out, and units without rows with them.
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    DistributionJump
        One coefficient per level; `curves()`, `band()`, `nullity_test()`, `homogeneity_test()`, `gini_test()`, `plot()`.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.
    NotIdentifiedError
        If the units near the cutoff do not determine the polynomials, or the treatment does not jump.

    References
    ----------
    Van Dijcke (2025), arXiv 2504.03992.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.simulate("unit_distributions", 6000, seed=1)
    >>> fit = si.rd_distribution("y ~ x | unit", data, tau=[0.25, 0.5, 0.75])
    >>> fit.tidy()[["tau", "term", "estimate", "std_error"]].round(3)
        tau  term  estimate  std_error
    0  0.25  jump     0.339      0.511
    1  0.50  jump     0.313      0.415
    2  0.75  jump     0.247      0.418
    >>> print(fit.nullity_test())
    no jump at levels 0.25 to 0.75: statistic 0.7558, p = 0.67 (999 replicas)
    """
    chosen, settings = RD_DISTRIBUTION.read(method, options)
    cutoff, kernel, levels = check_cutoff(cutoff), check_kernel(kernel), np.atleast_1d(levels_of(tau))
    one_of("na_action", na_action, ("drop", "raise"))
    for name, given in (("fuzzy", fuzzy), ("unit_weights", unit_weights), ("cluster", cluster)):
        if given is not None and not isinstance(given, str):
            raise OptionError(f"{name}={given!r} is not the name of a column.")
    spec = VcovSpec.read(vcov, cluster, DistributionJump.vcov_kinds)
    problem = read_units(
        formula,
        data,
        levels,
        cutoff=cutoff,
        fuzzy=fuzzy,
        kernel=kernel,
        unit_weights=unit_weights,
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
    )
    with reporting(progress):
        return DistributionJump.of(problem.design, chosen.estimate(problem, settings), spec, method=chosen)
