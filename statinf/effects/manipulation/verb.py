"""`si.rd_density`: does the density of a running variable jump at a cutoff?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.effects.discontinuity.options import check_cutoff
from statinf.effects.manipulation.fit import DensityJump
from statinf.effects.manipulation.problem import running_rows
from statinf.effects.table import RD_DENSITY
from statinf.inference.vcov import VcovSpec, cluster_columns


@RD_DENSITY.document
def rd_density(
    formula: str,
    data: Any,
    *,
    cutoff: float = 0.0,
    method: str = "polynomial",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> DensityJump:
    """Test whether a running variable is manipulated at a cutoff: whether its density jumps there.

    Parameters
    ----------
    formula : str
        `~ running`.
    data : data frame
        As `statinf.lm` takes it.
    cutoff : float
        Rows at the cutoff itself count as above.
    method : str
        With its own options, given by name:

        {methods}
    vcov : str or mapping, optional
        "jackknife" (default), from the influence of each row; "plugin", from the density and the kernel's constants;
        `{"cluster": "column"}`.
    weights : array of shape (rows,), str or Weights, optional
        Sampling weights. With a `Weights` the standard errors account for its estimation.
    cluster : str, sequence of str or array, optional
        Column to cluster by.
    na_action, context
        As in `statinf.lm`.
    **options
        Of the method.

    Returns
    -------
    DensityJump
        Coefficients "density below", "density above" and "jump", per unit of the running variable; `p_value` of no
        manipulation, `binomial_test()`, `density()`, `plot()`. With "mccrary" log densities.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.
    NotIdentifiedError
        If McCrary's lines leave no positive density at the cutoff.

    References
    ----------
    McCrary (2008), Journal of Econometrics 142; Cattaneo, Jansson and Ma (2020), JASA 115, arXiv 1811.11512.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.rd_density("~ margin", si.datasets.load("senate"))
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4)
                term  estimate  std_error
    0  density below    0.0217     0.0033
    1  density above    0.0181     0.0024
    2           jump   -0.0035     0.0041
    >>> round(fit.p_value, 4)
    0.3814
    """
    chosen, settings = RD_DENSITY.read(method, options)
    spec = VcovSpec.read(vcov, cluster, DensityJump.vcov_kinds)
    problem = running_rows(
        formula,
        data,
        check_cutoff(cutoff),
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
    )
    return DensityJump.of(problem.design, chosen.estimate(problem, settings), vcov, method=chosen, cluster=cluster)
