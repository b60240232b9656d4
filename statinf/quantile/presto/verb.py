"""`si.presto`: ordered outcomes, rare categories, and proportional odds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError
from statinf.formula import design
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.quantile.presto.fit import KINDS, CumulativeFit
from statinf.quantile.presto.method import LIKELIHOOD
from statinf.quantile.presto.problem import presto_problem
from statinf.quantile.presto.result import Presto
from statinf.quantile.table import PRESTO
from statinf.results import Estimate


@PRESTO.document
def presto(
    formula: str,
    data: Any,
    *,
    penalty: Any = None,
    parallel: bool = False,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Presto | CumulativeFit:
    """Fit a model of an ordered outcome, whose last category may be rare.

    P(Y <= k | x) = logistic(a_k + x'b_k), where the differences of the slopes between neighbouring boundaries are shrunk
    to zero: between proportional odds, where all are zero, and a logit for each boundary. `penalty=0` is maximum
    likelihood, with `parallel=True` the proportional-odds model.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`. The outcome is an ordered pandas.Categorical, a polars.Enum, a few whole numbers, or
        `C(y, levels=["low", "mid", "high"])`.
    data : data frame
        As `statinf.lm` takes it.
    penalty : None, float or sequence of float
        None makes a path and chooses by cross-validation; so do several numbers; one is used as it is; 0 is maximum
        likelihood.
    parallel : bool
        Slopes that all boundaries share.
    vcov : str or mapping, optional
        With `penalty=0`: "iid" (default), "HC0", "HC1", `{"cluster": "column"}`; the stacked sandwich (HC0) is the default
        with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Weights of the rows in the likelihood and in the score; with a penalty taken as fixed.
    cluster : str or array, optional
        With `penalty=0` the column to cluster standard errors by; otherwise clusters that share a fold and are drawn whole.
    seed : int
        Of the folds.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    Presto or CumulativeFit
        `Presto` has `path`, `penalty`, `slopes`, `intercepts`, `nonproportional` and `predict`, probabilities in columns named
        by the categories; `penalty=0` gives a `CumulativeFit`, with standard errors and tests.

    Raises
    ------
    DataError
        If the outcome has no order, fewer than three categories, a category without rows, or with fewer rows than folds.
    NotIdentifiedError
        With `penalty=0`, if columns separate categories.
    ConvergenceError
        If the optimality conditions do not hold to `tol`.

    References
    ----------
    Faletto and Bien (2023), ICML, PMLR 202, arXiv 2305.18700; McCullagh (1980), Journal of the Royal Statistical Society B 42.

    Examples
    --------
    >>> import statinf as si
    >>> anes = si.datasets.load("anes96")
    >>> fit = si.presto("pid ~ income + age", anes, nlambda=10)
    >>> fit.nonproportional
    ('income', 'age')
    >>> odds = si.presto("pid ~ income + age", anes, penalty=0, parallel=True)
    >>> odds.params[["income", "age"]].round(4).to_dict()
    {'income': -0.0616, 'age': -0.0005}
    """
    chosen, settings = PRESTO.read("", {"penalty": penalty, "parallel": parallel, **options})
    check_seed(seed)
    spec = VcovSpec.read(vcov, cluster, KINDS)
    if vcov is not None and not settings.likelihood:
        raise OptionError(
            "vcov= is for penalty=0: a penalised fit has no standard errors, and bootstrap() draws them for orientation."
        )
    made = design(
        formula,
        data,
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
        response="ordered",
    )
    check_sizes(made)
    groups = spec.clusters if not settings.likelihood else ()
    if len(groups) > 1:
        raise DataError("folds and draws of a penalised fit keep one kind of cluster whole; name one column.")
    problem = presto_problem(made, reverse=settings.reverse, cluster=groups[0] if groups else None, seed=seed)
    with reporting(progress):
        found = chosen.estimate(problem, settings)
    if isinstance(found, Estimate):
        return CumulativeFit.of(made, found, vcov, method=LIKELIHOOD, cluster=cluster)
    return Presto(
        method="presto",
        formula=made.recipe.formula,
        citation=chosen.reference,
        nobs=len(problem.used),
        kind=made.kind,
        dropped=made.dropped,
        recipe=made.recipe,
        levels=problem.levels,
        columns=problem.matrix.names,
        solutions=found.path,
        chosen=found.chosen,
        validation=found.validation,
        criterion=settings.criterion,
        alpha=settings.alpha,
        penalize_first=settings.penalize_first,
        parallel=settings.parallel,
        crossed=found.crossed,
        design=made,
        fitted=found,
    )
