"""The multinomial logit by maximum likelihood (Luce 1959; McFadden 1974): outcomes that are categories without an order.

Estimand: b_k in log(P(Y = k | x) / P(Y = reference | x)) = x'b_k; robust covariances hold for the minimiser of the expected
negative log-likelihood where the model is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.arms import treatment_levels
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models import regression as common
from statinf.models.categories import check_distinct, check_terms
from statinf.models.likelihood_fit import asked_covariance
from statinf.models.multinomial_fit import MultinomialFit
from statinf.models.multinomial_rows import multinomial_rows
from statinf.models.row_counts import ONE_EACH, RowCounts, counted, weights_kind_option
from statinf.models.table import MULTINOMIAL
from statinf.results import Estimate, Method, Options, count, number
from statinf.results.options import value
from statinf.results.several import several

_MOST = 200
"""Classes beyond which an outcome is taken for an identifier."""


@dataclass(frozen=True, kw_only=True)
class MultinomialOptions(Options):
    """Options of maximum likelihood."""

    weights_kind: str = weights_kind_option()
    reference: Any = value(None, "the class that the others are compared with; the first one by default", "a class")
    tol: float = number(1e-10, "largest mean score of orthonormal columns", low=0, high=1, open_low=True)
    max_iter: int = count(100, "most evaluations of the likelihood")


def estimate(made: Design, options: MultinomialOptions, counts: RowCounts = ONE_EACH) -> Estimate:
    """Maximum likelihood by Newton steps; separated classes are refused by name."""
    levels, reference = _levels(made, options.reference)
    found = multinomial_rows(made, levels, reference, counts)
    rows, (m, k) = found.rows, found.shape
    common.check_size(rows.nobs, m * k, tuple(f"{c}: {n}" for c in found.classes for n in made.parts[0].names))
    totals = np.bincount(found.codes, weights=rows.weights)
    solution = found.solve(rows.weights, np.zeros((m, k)), tol=options.tol, max_iter=options.max_iter)
    found.check(solution, options.max_iter)
    columns = made.parts[0].names
    terms = tuple(f"{level}: {column}" for level in found.classes for column in columns)
    check_terms(terms)
    theta, beta = np.full((m, len(columns)), np.nan), solution.beta.reshape(m, k)
    theta[:, rows.kept] = found.carried(beta)
    nobs, likely = rows.nobs, 1.0 if counts.likely else np.nan
    return Estimate(
        terms=terms,
        theta=theta.ravel(),
        moments=partial(found.moments, beta, solution.hessian),
        nobs=nobs,
        df_resid=float(nobs - m * k),
        extra={
            "levels": levels,
            "reference": reference,
            "columns": columns,
            "loglik": -solution.value * float(rows.weights.sum()) * likely,
            "null_loglik": float(totals @ np.log(totals / totals.sum())) * likely,
            "aliases": rows.aliases,
            "iterations": solution.iterations,
            "weights_kind": counts.weights_kind,
            "copies": counts.copies,
        },
    )


def _levels(made: Design, reference: Any) -> tuple[tuple[Any, ...], Any]:
    """The levels that rows of positive weight have, and the one that others are compared with."""
    assert made.levels is not None
    name, seen = made.response_names[0], np.zeros(len(made.levels), bool)
    seen[np.asarray(made.response, np.intp)[made.weights > 0]] = True
    levels = tuple(level for level, there in zip(made.levels, seen, strict=True) if there)
    if len(levels) < 2:
        only = ", ".join(map(repr, levels))
        raise DataError(f"the outcome '{name}' has only the level {only} in the rows of positive weight.")
    if len(levels) > _MOST:
        raise DataError(f"the outcome '{name}' has {len(levels)} levels; a multinomial logit takes at most {_MOST}.")
    check_distinct(name, levels)
    if made.offset is not None:
        raise DataError(
            "an offset that is the same for all classes has no effect on their odds; take offset() out of the formula."
        )
    if reference is None:
        return levels, levels[0]
    return levels, treatment_levels(levels, reference=reference, name=name)[1]


METHOD = Method(
    verb="multinomial",
    name="",
    estimate=estimate,
    options=MultinomialOptions,
    summary="maximum likelihood of a multinomial logit",
    citation="McFadden (1974), Conditional logit analysis of qualitative choice behavior",
    guarantee="maximum likelihood; separation is detected and named",
    vignette="categories-and-limits",
    traits={"errors of doubled weights": "a weight of two is two rows in a likelihood without a dispersion"},
)


@MULTINOMIAL.document
@several()
def multinomial(
    formula: str,
    data: Any,
    *,
    reference: Any = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> MultinomialFit:
    """Fit a multinomial logit: an outcome of two or more categories without an order.

    log(P(Y = k | x) / P(Y = reference | x)) = x'b_k, with coefficients of its own for each class but the reference.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`. The outcome is a column of categories, or `C(y)` of numbers that stand for classes.
    data : data frame
        As `statinf.lm` takes it.
    reference : object, optional
        The class that the others are compared with; the first one by default.
    vcov : str or mapping, optional
        "iid" (the inverse information, the default), "HC0", "HC1", `{"cluster": "column"}`, or one under dependence, such as
        `{"hac": 4, "time": "column"}`; the stacked sandwich (HC0) is the default with a `Weights` object.
    weights : array of shape (rows,), str or Weights, optional
        Weights of the rows in the likelihood; `weights_kind=` says what they mean.
    cluster, na_action, context, by
        As in `statinf.lm`; the formula takes several outcomes and steps as there.
    **options
        {methods}

    Returns
    -------
    MultinomialFit
        Coefficients are named "class: column" and tables have a column `outcome`; `tidy(exponentiate=True)` gives relative
        risk ratios, `predict` a column of probabilities per class, `test("x")` tests a column for all classes at once.

    Raises
    ------
    DataError
        If the outcome has one class, is made of numbers, or there is an offset.
    NotIdentifiedError
        If columns separate classes, so that no finite maximum exists; the message names them.
    ConvergenceError
        If Newton's method does not converge.

    References
    ----------
    Luce (1959), Individual choice behavior; McFadden (1974), in Frontiers in Econometrics.

    Examples
    --------
    >>> import statinf as si
    >>> penguins = si.datasets.load("penguins")
    >>> fit = si.multinomial("species ~ bill_length_mm + body_mass_g", penguins)
    >>> fit.predict(penguins.iloc[[0]]).round(3)
       Adelie  Chinstrap  Gentoo
    0   0.999        0.0   0.001
    >>> print(fit.test("body_mass_g"))
    body_mass_g: chi2(2) = 22.1674, p = 1.536e-05
    """
    chosen, settings = MULTINOMIAL.read("", {"reference": reference, **options})
    spec = VcovSpec.read(vcov, cluster, MultinomialFit.vcov_kinds)
    made = design(
        formula,
        data,
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
        response="categories",
    )
    check_sizes(made)
    common.check_has_columns(made.parts[0].p)
    made, counts = counted(made, settings.weights_kind)
    asked = asked_covariance(vcov, cluster, counts)
    return MultinomialFit.of(made, chosen.estimate(made, settings, counts), asked, method=chosen, cluster=cluster)
