"""Counts of variance mu + alpha mu^2: coefficients and overdispersion by maximum likelihood (Lawless 1987; Cameron and Trivedi).

Between coefficients and alpha the expected information is zero, so that covariances of coefficients, robust ones included, are
those at the alpha that was found: estimating alpha adds nothing to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from statinf.errors import ConvergenceError, NotIdentifiedError, StatinfWarning, check_level, issue_warning
from statinf.formula.design import Design
from statinf.frames import to_caller
from statinf.inference.distributions import t_quantile
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.models.existence import check_separation, name_separation
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_scoring import ScoredModel, check_outcomes, described, scoring, solve
from statinf.models.row_counts import RowCounts
from statinf.numerics.glm.families import ALL_FAMILIES, family_of, log_likelihood
from statinf.numerics.glm.negative_binomial import DispersionSums, fit_negative_binomial
from statinf.results import Estimate
from statinf.results.clusters import fit_clusters

if TYPE_CHECKING:
    from statinf.models.generalized_fit import GeneralizedFit


def overdispersed(made: Design, options: VerbOptions, rows: RowCounts) -> Estimate:
    """The estimate of coefficients, and of the overdispersion where it is not given."""
    family = options.model
    check_outcomes(made, family, rows)
    if options.alpha is not None:
        solved = ScoredModel(family, solve(made, family, options), shape={"alpha": options.alpha})
    else:
        solved = _jointly(made, options, rows)
    check_separation(made, solved.family, solved.glm)
    return described(made, solved, rows)


def _jointly(made: Design, options: VerbOptions, rows: RowCounts) -> ScoredModel:
    try:
        found = fit_negative_binomial(made.parts[0].values, made.y, options.model.link.name, **scoring(made, options))
    except ConvergenceError:
        name_separation(made, options.model)
        raise
    family = family_of(options.family, options.link, alpha=found.alpha, among=ALL_FAMILIES)
    shape = {"alpha": found.alpha, "information": np.nan, "poisson": np.nan}
    if found.alpha > 0.0:
        mean = family.link.inverse(found.glm.eta)
        shape["information"] = -DispersionSums(made.y, made.weights).derivatives(mean, found.alpha)[1]
        if rows.likely:
            poisson = found.poisson or solve(made, options.model, replace(options, start=None))
            at = options.model.link.inverse(poisson.eta)
            shape["poisson"] = log_likelihood(options.model, made.y, at, made.weights, np.nan, rows.copies)
    else:
        issue_warning(
            f"the outcome '{made.response_names[0]}' varies no more around its fit than Poisson counts do: alpha is at its "
            "border 0, and the fit is that of family='poisson'.",
            StatinfWarning,
        )
    return ScoredModel(family, found.glm, shape=shape)


def overdispersion(fit: GeneralizedFit, level: float) -> Any:
    """Estimates of alpha and of theta = 1 / alpha, with limits that are symmetric in the logarithm."""
    check_level(level)
    if "information" not in fit.shape:
        raise NotIdentifiedError(
            "there is no estimated overdispersion here: fit.dispersion is that of families whose variance it multiplies, and "
            "family='negative_binomial' without alpha= estimates alpha."
        )
    alpha = fit.alpha
    error = _error(fit) if alpha > 0 else np.nan
    half = t_quantile(0.5 + level / 2.0, np.inf) * error / alpha if alpha > 0 else np.nan
    with np.errstate(divide="ignore", over="ignore"):
        theta = float(np.divide(1.0, alpha))
        shrunk, grown = np.exp(-half), np.exp(half)
    table = pd.DataFrame(
        {
            "term": ["alpha", "theta"],
            "estimate": [alpha, theta],
            "std_error": [error, error * theta**2 if alpha > 0 else np.nan],
            "conf_low": [alpha * shrunk, theta * shrunk if alpha > 0 else np.nan],
            "conf_high": [alpha * grown, theta * grown if alpha > 0 else np.nan],
        }
    )
    return to_caller(table, fit.kind)


def _error(fit: GeneralizedFit) -> float:
    """Standard error of alpha: by its information, or of the fit's robust kind."""
    information = fit.shape["information"]
    kind = fit._undrawn_kind
    simple = not isinstance(kind, dict) or "cluster" not in kind
    if fit.design is None or (simple and not str(kind).startswith("HC")):
        return float(information**-0.5)
    made = fit.design
    scores = DispersionSums(made.y, made.weights).scores(fit.fitted, fit.alpha)[:, None]
    bread = np.array([[1.0 / information]])
    own = Moments(scores, bread, fit.nobs, fit.df_resid, bread, present=made.weights > 0, copies=fit.copies)
    # Leverages are of coefficients; alpha has none.
    if isinstance(kind, dict):
        kind = {"cluster": kind["cluster"], "type": "HC1" if kind.get("type", "HC1") == "HC1" else "HC0"}
    elif kind != "HC1":
        kind = "HC0"
    return float(np.sqrt(covariance(own, kind, fit_clusters(made, kind)).matrix[0, 0]))


def poisson_test(fit: GeneralizedFit) -> dict[str, float]:
    """The likelihood ratio test that alpha is zero, whose law at the border is half of chi-square's."""
    from scipy.special import chdtrc

    if not np.isfinite(fit.shape.get("poisson", np.nan)):
        return {}
    statistic = max(2.0 * (fit.loglik - fit.shape["poisson"]), 0.0)
    return {"LR against Poisson": statistic, "p of LR": 0.5 * float(chdtrc(1.0, statistic))}
