"""Likelihood against weighted likelihood: a Hausman-type test, and excess risks.

Hausman (1978, Econometrica 46) for the idea: under a right model both estimate the same coefficients, so that their
difference is noise whose covariance the two influence functions give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError
from statinf.inference.distributions import chi2_sf
from statinf.inference.hypotheses import WaldTest
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance, uncorrected
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results import Estimate, Weights
from statinf.results.clusters import fit_clusters
from statinf.shifts.information import information_factor
from statinf.shifts.problem import ShiftProblem, likelihood, weighted
from statinf.shifts.ratio_choice import check_ratio, find_ratio
from statinf.shifts.samples import Samples

if TYPE_CHECKING:
    import pandas as pd

RELATIVE_CUT = 1e-10


@dataclass(frozen=True)
class Pair:
    """The unweighted and the weighted regression on the same source rows.

    Attributes
    ----------
    samples : Samples
    plain, weighted : Estimate
    ratio : Weights
    """

    samples: Samples
    plain: Estimate
    weighted: Estimate
    ratio: Weights

    @property
    def kept(self) -> np.ndarray:
        """Which coefficients are not aliased, shape (q,) bool."""
        return ~np.isnan(self.plain.theta)

    @property
    def gap(self) -> np.ndarray:
        """Weighted minus unweighted coefficients, those that are not aliased, shape (k,)."""
        return (self.weighted.theta - self.plain.theta)[self.kept]


def both_fits(problem: ShiftProblem, ratio: Any) -> Pair:
    """Both regressions on the samples of a problem.

    Parameters
    ----------
    problem : ShiftProblem
    ratio : str, Weights, array or None
        As `shift` takes it.

    Raises
    ------
    DataError
        If the two leave out different columns.
    """
    check_ratio(ratio)
    samples, family = problem.samples, problem.family
    found = find_ratio(samples, ratio)
    plain = likelihood(samples.design, family)
    other = likelihood(weighted(samples.design, found), family)
    if not np.array_equal(np.isnan(plain.theta), np.isnan(other.theta)):
        raise DataError(
            "the weighted fit leaves out other columns than the unweighted one; the two cannot be compared."
        )
    return Pair(samples, plain, other, found)


def moves(pair: Pair, factor: np.ndarray) -> Moments:
    """Influence of every row of both samples on the gap, as scores in the coordinates ``factor @ coefficients``.

    In coordinates in which the information is the identity, columns far from zero keep their digits.
    """
    first, second = pair.plain.source(), pair.weighted.source()
    inside = _carried(second, second.total, factor) - _carried(first, first.total, factor)
    beyond = [m for m in (first, second) if m.outside is not None]
    outside = np.concatenate([_carried(m, m.outside, factor) for m in beyond]) if beyond else None
    rows = [m.outside_rows for m in beyond]
    known = bool(rows) and all(r is not None for r in rows)
    return Moments(
        inside,
        np.eye(inside.shape[1]),
        first.nobs,
        first.df_resid,
        outside=outside,
        outside_rows=np.concatenate(rows) if known else None,
        present=pair.samples.design.weights > 0,
    )


def gap_spread(pair: Pair, factor: np.ndarray, kind: Any) -> np.ndarray:
    """Covariance of the gap in those coordinates, shape (k, k), rows that depend on each other taken together as `kind` says."""
    clusters = fit_clusters(pair.samples.design, kind)
    return covariance(moves(pair, factor), _of_scores(kind), clusters, normal=True).matrix


def _of_scores(kind: Any) -> Any:
    """What scores alone allow of a fit's covariance."""
    return uncorrected(kind) if isinstance(kind, Mapping) else "HC0"


def _carried(moments: Moments, scores: np.ndarray, factor: np.ndarray) -> np.ndarray:
    own = moments.factor
    assert own is not None
    half = solve_triangular(own.T, scores.T, lower=True).T
    return half @ solve_triangular(own.T, factor.T, lower=True)


def specification_test(problem: ShiftProblem, ratio: Any, kind: Any) -> WaldTest:
    """Chi-square test of equal limits; see `ShiftFit.specification_test`."""
    pair = both_fits(problem, ratio)
    own = pair.plain.source()
    assert own.factor is not None
    # In units of the coefficients' own spread a direction without variance is one that the weights leave alone.
    values, vectors = np.linalg.eigh(gap_spread(pair, own.factor, kind))
    level = float((_carried(own, own.total, own.factor) ** 2).sum()) / len(values)
    used = values > RELATIVE_CUT * max(level, values.max(initial=0.0))
    df = int(used.sum())
    along = vectors[:, used].T @ (own.factor @ pair.gap)
    statistic = float(np.sum(along**2 / values[used]))
    p = float(chi2_sf(statistic, df)) if df else 1.0
    return WaldTest("likelihood = weighted likelihood", statistic, df, np.inf, p)


def risk(problem: ShiftProblem, ratio: Any, kind: Any) -> pd.DataFrame:
    """Variance and squared bias on the target; see `ShiftFit.risk`."""
    import pandas as pd

    pair = both_fits(problem, ratio)
    target = pair.samples.target
    factor = information_factor(target.x, pair.weighted.theta, target.weights, target.offset, problem.family)
    curved = factor / np.sqrt(pair.weighted.extra["dispersion"])
    # The squared gap estimates the squared bias plus its own noise, whose mean is known.
    noise = float(np.trace(gap_spread(pair, curved, kind)))
    bias = 0.5 * max(0.0, float(((curved @ pair.gap) ** 2).sum()) - noise)
    rows = []
    for name, one, squared in (("mle", pair.plain, bias), ("mwle", pair.weighted, 0.0)):
        root = covariance(one.source(), _of_scores(kind), fit_clusters(pair.samples.design, kind)).root
        variance = 0.5 * float(((curved @ root) ** 2).sum())
        rows.append(
            {"estimator": name, "variance": variance, "squared_bias": squared, "excess_risk": variance + squared}
        )
    return pd.DataFrame(rows)
