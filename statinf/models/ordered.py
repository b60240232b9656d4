"""Cumulative link models by maximum likelihood (McCullagh 1980): ordered logit, which is proportional odds, and ordered probit.

Estimand: slopes b and cutpoints c_k in P(Y <= k | x) = F(c_k - x'b); robust covariances hold for the minimiser of the
expected negative log-likelihood where the model is wrong. Slopes are shared by all boundaries: `test_parallel` looks at that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.formula.scan import halves
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models import regression as common
from statinf.models.categories import boundary_names, check_terms, ordered_levels
from statinf.models.likelihood_fit import asked_covariance
from statinf.models.ordered_fit import OrderedFit
from statinf.models.ordered_rows import ordered_problem
from statinf.models.row_counts import ONE_EACH, RowCounts, counted, weights_kind_option
from statinf.models.table import ORDERED
from statinf.numerics.limited.links import LINKS
from statinf.numerics.limited.ordered import OrderedRows
from statinf.results import Estimate, Method, Options, choice, count, number
from statinf.results.several import several


@dataclass(frozen=True, kw_only=True)
class OrderedOptions(Options):
    """Options of maximum likelihood."""

    weights_kind: str = weights_kind_option()
    link: str = choice("logit", tuple(LINKS), "the inverse of F")  # type: ignore[assignment]
    tol: float = number(1e-10, "largest mean score of orthonormal columns", low=0, high=1, open_low=True)
    max_iter: int = count(100, "most evaluations of the likelihood")


def estimate(made: Design, options: OrderedOptions, counts: RowCounts = ONE_EACH) -> Estimate:
    """Maximum likelihood by Newton steps; separated categories are refused by name."""
    levels, codes = ordered_levels(made)
    problem = ordered_problem(made, codes, len(levels), options.link, counts=counts)
    rows, boundaries = problem.rows, boundary_names(levels)
    names = made.parts[0].without_intercept().names
    terms = (*names, *boundaries)
    check_terms(terms)
    common.check_size(rows.nobs, problem.model.size, terms)
    solution = problem.solve(tol=options.tol, max_iter=options.max_iter)
    theta = np.full(len(terms), np.nan)
    theta[np.concatenate([rows.kept[1:], np.ones(len(boundaries), bool)])] = problem.to_outer @ solution.beta
    nobs, mass = rows.nobs, float(rows.weights.sum())
    likely = 1.0 if counts.likely else np.nan
    return Estimate(
        terms=terms,
        theta=theta,
        moments=partial(problem.moments, solution.beta, solution.hessian),
        nobs=nobs,
        df_resid=float(nobs - problem.model.size),
        extra={
            "levels": levels,
            "link": options.link,
            "loglik": -solution.value * mass * likely,
            "null_loglik": _null_loglik(problem.model, rows.weights, options) * likely,
            "aliases": rows.aliases,
            "iterations": solution.iterations,
            "weights_kind": counts.weights_kind,
            "copies": counts.copies,
        },
    )


def _null_loglik(model: OrderedRows, weights: np.ndarray, options: OrderedOptions) -> float:
    """Log-likelihood without slopes, the offset kept."""
    bare = OrderedRows(np.empty((len(weights), 0)), model.starts, model.offset, model.link, model.order)
    return -bare.maximise(weights, tol=options.tol, max_iter=options.max_iter).value * float(weights.sum())


METHOD = Method(
    verb="ordered",
    name="",
    estimate=estimate,
    options=OrderedOptions,
    summary="maximum likelihood of a cumulative link model, such as proportional odds",
    citation="McCullagh (1980), Regression models for ordinal data",
    guarantee="maximum likelihood; separation is detected and named",
    vignette="categories-and-limits",
    traits={"errors of doubled weights": "a weight of two is two rows in a likelihood without a dispersion"},
)


@ORDERED.document
@several()
def ordered(
    formula: str,
    data: Any,
    *,
    link: str = "logit",
    levels: Sequence[Any] | None = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> OrderedFit:
    """Fit a cumulative link model: an outcome of three or more ordered categories.

    P(Y <= k | x) = F(c_k - x'b). A positive slope makes higher categories likelier, as in R's `polr`, Stata's `ologit` and
    statsmodels' `OrderedModel`; `si.presto` has slopes of each boundary's own, penalties, and the opposite sign.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one. The outcome is an ordered pandas.Categorical, a polars.Enum, a few
        whole numbers, which are sorted, or text whose order `levels=` gives.
    data : data frame
        As `statinf.lm` takes it.
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        F is the logistic, the normal, 1 - exp(-exp(z)), exp(-exp(-z)) or the Cauchy distribution, as in R's `polr`.
    levels : sequence, optional
        The outcome's categories from the lowest to the highest, where its column has no order of its own.
    vcov : str or mapping, optional
        "iid" (the inverse observed information, the default), "HC0", "HC1", `{"cluster": "column"}`, or one under dependence,
        such as `{"hac": 4, "time": "column"}`; the stacked sandwich (HC0) is the default with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Weights of the rows in the likelihood; `weights_kind=` says what they mean.
    cluster, na_action, context, by
        As in `statinf.lm`; the formula takes several outcomes and steps as there.
    **options
        {methods}

    Returns
    -------
    OrderedFit
        Slopes by column, then cutpoints named "low|mid"; `predict` gives a column of probabilities per category and
        `test_parallel()` Brant's test of the slopes that the boundaries share.

    Raises
    ------
    DataError
        If the outcome has no order, fewer than three categories, or a category without rows.
    NotIdentifiedError
        If columns separate categories, so that no finite maximum exists; the message names them.
    ConvergenceError
        If Newton's method does not converge.

    References
    ----------
    McCullagh (1980), Journal of the Royal Statistical Society B 42; Brant (1990), Biometrics 46.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.ordered("pid ~ income + age", si.datasets.load("anes96"))
    >>> fit.params[["income", "age"]].round(4).to_dict()
    {'income': 0.0616, 'age': 0.0005}
    """
    chosen, settings = ORDERED.read("", {"link": link, **options})
    spec = VcovSpec.read(vcov, cluster, OrderedFit.vcov_kinds)
    made = design(
        formula if levels is None else _with_levels(formula, levels),
        data,
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
        response="ordered",
    )
    check_sizes(made)
    made, counts = counted(made, settings.weights_kind)
    asked = asked_covariance(vcov, cluster, counts)
    return OrderedFit.of(made, chosen.estimate(made, settings, counts), asked, method=chosen, cluster=cluster)


def _with_levels(formula: str, levels: Sequence[Any]) -> str:
    """The formula with the order of the outcome's levels written into it."""
    if isinstance(levels, str) or not isinstance(levels, Iterable) or len(list(levels)) < 2:
        raise OptionError(
            "levels= takes the categories from the lowest to the highest, such as ['low', 'mid', 'high']."
        )
    outcome, tilde, rest = halves(formula)
    listed = [v.item() if isinstance(v, np.generic) else v for v in levels]
    return f"C({outcome.strip()}, levels={listed!r}) {tilde}{rest}"
