"""`si.ngboost`: boosting of a whole conditional law by natural gradients.

Duan, Avati, Ding, Thai, Basu, Ng and Schuler (2020), NGBoost: natural gradient boosting for probabilistic prediction,
ICML, arXiv 1910.03225. The estimand is the law of the outcome given the covariates within a family; rows are independent
and the family is assumed to be about right. Nothing is inferred about parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.learners.boosted_law import BoostedLaw
from statinf.quantile.ngboost.fit import DistributionFit
from statinf.quantile.ngboost.options import NgboostOptions
from statinf.quantile.ngboost.problem import LawProblem, read_rows
from statinf.quantile.table import NGBOOST
from statinf.results import Method


def estimate(problem: LawProblem, options: NgboostOptions, *, seed: int, progress: bool | None) -> BoostedLaw:
    """Boost the law on arrays."""
    return options.learner().fit(problem.X, problem.y, problem.w, seed=seed, event=problem.event, progress=progress)


METHOD = Method(
    verb="ngboost",
    name="",
    estimate=estimate,
    options=NgboostOptions,
    summary="boosting of all parameters of a conditional law at once by natural gradients of a proper score",
    citation="Duan, Avati, Ding, Thai, Basu, Ng and Schuler (2020)",
    arxiv="1910.03225",
    guarantee="a whole law per row, whose quantiles cannot cross; no coverage without calibration",
    vignette="ngboost",
)


@NGBOOST.document
def ngboost(
    formula: str,
    data: Any,
    *,
    dist: str = "normal",
    score: str = "log",
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> DistributionFit:
    """Boost the conditional law of an outcome.

    Parameters
    ----------
    formula : str
        `outcome ~ features`; `cbind(time, event) ~ features` for times some of which are known to be longer (event 0), with
        dist "lognormal", "weibull" or "exponential".
    data : data frame
    dist : {"normal", "lognormal", "student", "laplace", "poisson", "gamma", "exponential", "weibull", "categorical"}
        Family of the law given the features.
    score : {"log", "crps"}
        "crps" is the ranked probability score of counts, half the Brier score of classes (whatever their order: natural
        gradients of all quadratic scores of classes are the same, and those of the log score), and of a time that is known
        to be longer the integral of the squared distribution function up to it (Avati et al. 2019).
    weights : array, str or Weights, optional
        Row weights; taken as fixed.
    seed : int
        Of held-out rows and of rows and columns that are drawn; nothing else is random.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
    **options
        {methods}

    Returns
    -------
    DistributionFit

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.
    ConvergenceError
        If the score ceases to be finite.

    Examples
    --------
    >>> import statinf as si
    >>> cars = si.datasets.load("mtcars")
    >>> fit = si.ngboost("mpg ~ wt + hp", cars, n_estimators=100, learning_rate=0.05, min_leaf=10)
    >>> fit.predict(cars.head(2), interval="prediction", level=0.8).round(1)
       estimate  lower  upper
    0      25.5   20.8   30.2
    1      21.4   20.2   22.7
    """
    method, settings = NGBOOST.read("", {"dist": dist, "score": score, **options})
    check_seed(seed)
    made, problem = read_rows(formula, data, settings, weights=weights, na_action=na_action, context=context)
    fitted = method.estimate(problem, settings, seed=seed, progress=progress)
    return DistributionFit(
        method=method.verb,
        formula=made.recipe.formula,
        citation=method.reference,
        nobs=len(problem.y),
        kind=made.kind,
        dropped=made.dropped,
        recipe=made.recipe,
        dist=settings.dist,
        score=settings.score,
        iterations=fitted.ensemble.size,
        levels=made.levels or (),
        features=made.parts[0].without_intercept().names,
        fitted=fitted,
        data=data,
    )
