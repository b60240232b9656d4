"""`missing_mean`: the mean of an outcome that is missing at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.balancing.missing.fit import KINDS, MissingMeanFit, estimate_of
from statinf.balancing.missing.reading import read_rows
from statinf.balancing.table import MISSING_MEAN
from statinf.errors import one_of
from statinf.inference.vcov import VcovSpec


@MISSING_MEAN.document
def missing_mean(
    formula: str,
    data: Any,
    *,
    method: str = "kernel",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> MissingMeanFit:
    """Estimate the mean of an outcome over all rows, some of which lack it.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, given which outcomes are missing at random: rows without an outcome stay in. Or
        `outcome ~ covariates | observed` with a column of 0 and 1, where outcomes are recorded that do not count. Write
        `1` for no covariates.
    data : data frame
        As `statinf.lm` takes it.
    method : {"kernel", "ipw", "aipw"}
        With its own options, given by name:

        {methods}
    vcov : str or mapping, optional
        "HC0" (default), "HC1", "HC2", "HC3" (corrected for the leverage of rows in weights and mean), "fixed" (weights taken
        as known), or `{"cluster": "column"}`.
    weights : array of shape (rows,) or str, optional
        Sampling weights.
    cluster : str, sequence of str, or array of shape (rows,), optional
    seed : int
        Of anchors and folds.
    na_action : {"drop", "raise"}
        What is done with rows that lack covariates.
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method.

    Returns
    -------
    MissingMeanFit
        Its estimate is named after the outcome. `weights` go into any verb, `imbalance()` shows what was balanced.

    Raises
    ------
    DataError
        If no outcome is observed, or the data cannot be used.
    InfeasibleError
        If no weights balance the covariates exactly.
    NotIdentifiedError
        If covariates separate rows with an outcome from those without.
    FormulaError, OptionError
        If the formula or an option cannot be used.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994); Li et al. (2024), arXiv 2404.19596.

    Examples
    --------
    Log wages of all women, those without work among them:

    >>> import statinf as si
    >>> data = si.datasets.load("mroz")
    >>> fit = si.missing_mean("lwage ~ educ + age + kidslt6 + kidsge6 + nwifeinc", data)
    >>> round(float(fit.params["lwage"]), 3), round(float(fit.std_errors["lwage"]), 3)
    (1.156, 0.038)
    >>> again = si.lm("lwage ~ 1", data, weights=fit.weights)
    >>> round(float(again.std_errors["Intercept"]), 3), again.cov.label
    (0.038, 'HC0, weights estimated')
    """
    chosen, settings = MISSING_MEAN.read(method, options)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    spec = VcovSpec.read(vcov, cluster, KINDS)
    rows = read_rows(formula, data, weights=weights, vcov=spec, cluster=cluster, na_action=na_action, context=context)
    problem = rows.problem(int(seed))
    with reporting(progress):
        found = chosen.estimate(problem, settings)
        return MissingMeanFit.of(rows.design, estimate_of(rows, found, chosen), spec, method=chosen)
