"""`si.crq`: quantile regressions of censored outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import one_of
from statinf.inference.levels import levels_of
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.quantile.censored.fit import KINDS, CensoredQuantileFit, check_draws
from statinf.quantile.censored.problem import censored_problem
from statinf.quantile.table import CRQ


@CRQ.document
def crq(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = 0.5,
    method: str = "portnoy",
    side: str = "right",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> CensoredQuantileFit:
    """Fit linear quantile regressions of a censored outcome.

    Parameters
    ----------
    formula : str
        `cbind(time, event) ~ terms`, event 1 where the time was seen and 0 where it is known to be longer (shorter with
        `side="left"`); `cbind(log(time), event)` for accelerated failure times. With `method="powell"` and `limit=` also
        `outcome ~ terms`.
    data : data frame
        As `statinf.lm` takes it.
    tau : float or sequence of float
        Levels in (0, 1) of the outcome without censoring.
    method : {"portnoy", "peng-huang", "powell"}
        The first two are for censoring points that are independent of the outcome given the regressors, and assume that all
        quantiles below the highest level are linear; the last is for limits known in every row, and looks at one level alone.
    side : {"right", "left"}
        Outcomes are hidden above what was seen, or below it.
    vcov : str or mapping, optional
        "HC0" (default), from the influence of each row; "HC1"; `{"cluster": "column"}`; "boot", or
        `{"boot": kind, "replicas": 500}` with kind "bayesian", "pairs" or "multiplier".
    weights : array of shape (rows,), str or Weights, optional
        Multiply each row's share. With a `Weights` the standard errors account for its estimation.
    cluster : str, sequence of str or array, optional
        Column to cluster by.
    seed : int
        Of `vcov="boot"` and of the starts of "powell".
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    CensoredQuantileFit
        Tables carry a column `tau`; `predict` has one column per level, named "q0.1"; `process()` and `equal_slopes()` as
        those of `statinf.rq`.

    Raises
    ------
    NotIdentifiedError
        For levels that the censored rows hide; the message says how far the method reaches.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    Portnoy (2003), JASA 98; Peng and Huang (2008), JASA 103; Powell (1986), Journal of Econometrics 32.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.crq("cbind(time, status) ~ age + sex", si.datasets.load("lung"), tau=[0.25, 0.5])
    >>> fit.tidy()[["tau", "term", "estimate", "std_error"]].round(2)
        tau           term  estimate  std_error
    0  0.25      Intercept    287.55     110.16
    1  0.25            age     -2.31       1.79
    2  0.25  sex[T.female]     82.10      39.27
    3  0.50      Intercept    336.06     186.93
    4  0.50            age     -0.94       2.81
    5  0.50  sex[T.female]    152.67      58.47
    """
    chosen, settings = CRQ.read(method, options)
    one_of("side", side, ("right", "left"))
    check_seed(seed)
    levels = levels_of(tau)
    spec = VcovSpec.read(vcov, cluster, KINDS)
    if spec.kind == "boot":
        spec = replace(spec, settings={"seed": seed} | dict(spec.settings))
        check_draws(spec.settings)
    problem = censored_problem(
        formula,
        data,
        levels,
        side=side,
        weights=weights,
        clusters=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
        seed=seed,
    )
    with reporting(progress):
        found = chosen.estimate(problem, settings)
        if spec.kind == "boot":
            return CensoredQuantileFit.of(problem.design, found, method=chosen).with_vcov(spec)
        return CensoredQuantileFit.of(problem.design, found, spec, method=chosen)
