"""CUSUM of scores: a model is fitted to the first rows, and the sum of its scores over later rows is watched.

Chu, Stinchcombe and White (1996, Econometrica 64), Horvath, Huskova, Kokoszka and Steinebach (2004, Journal of Statistical
Planning and Inference 126), Zeileis, Leisch, Kleiber and Hornik (2005, Journal of Applied Econometrics 20). With m first rows
without change, psi the scores at the coefficients fitted to them and S their covariance there,

    Q_k = m^(-1/2) S^(-1/2) (psi_(m+1) + ... + psi_(m+k))

tends to W(1 + s) - (1 + s) W(1), s = k / m, in as many dimensions as there are coefficients, because the sum of psi over new
rows holds k / m times the error of the coefficients. Its norm has the law of (1 + s) |W(s / (1 + s))|, for which the limits
have exact probabilities (`statinf.inference.crossing`): the probability that it ever passes them, up to the horizon, is one
less the level, whatever the number of coefficients. The sum of residuals is near that law from 100 first rows on, the sums of
all scores much later (`benchmarks/results/monitoring_alarms.md`). The norm does not depend on where columns stand
or on their units.
Assumed: the first rows are without change; rows independent, or dependent over fewer than `lags` rows; m large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning
from statinf.formula.in_time import OnlineRows
from statinf.inference.crossing import boundary, limits
from statinf.results import Method, choice, count
from statinf.stochastic.monitoring.detector import AlarmOptions, Findings, MonitorProblem, crossed
from statinf.stochastic.monitoring.reference import Reference, combined, learn, whitening

MANY = {"linear": 100, "csw": 400}
"""First rows a score from which limits were found to hold about, by the boundary."""


@dataclass(frozen=True, kw_only=True)
class CusumOptions(AlarmOptions):
    """Options of the CUSUM of scores."""

    watch: str | None = choice(
        None,
        ("scores", "residuals"),
        "the scores of all coefficients, or only that of the constant, whose false alarms need fewer first rows; None: the "
        "residuals of a model with a constant, else all scores",
    )
    boundary: str = choice(
        "linear",
        ("linear", "csw"),
        "c (1 + k / m), or that of Chu, Stinchcombe and White, which is lower at first and higher later: faster right after the "
        "first rows, with more false alarms for skewed errors",
    )
    horizon: int | None = count(None, "rows that will be monitored at most; None: no end", also=(None,))
    lags: int = count(0, "autocovariances in the scores' covariance, for rows that depend on those before them", low=0)


@dataclass(frozen=True, repr=False)
class Cusum(Brief):
    """The sum so far.

    Attributes
    ----------
    reference : Reference
    white : ndarray, shape (p, q)
        From scores to uncorrelated ones of variance one.
    mean : ndarray, shape (q,)
        Of uncorrelated scores over the first rows; zero up to rounding for a model with an outcome.
    total : ndarray, shape (q,)
    history, count : int
        First rows, and rows since.
    shape : str
    constant : float
    horizon : int or None
    alarmed : bool
    """

    reference: Reference
    white: np.ndarray
    mean: np.ndarray
    total: np.ndarray
    history: int
    count: int
    shape: str
    constant: float
    horizon: int | None
    alarmed: bool

    def advance(self, rows: OnlineRows) -> tuple[Cusum, Findings]:
        """See `ChangeDetector.advance`."""
        steps = combined(self.reference.scores(rows.X, rows.y), self.white) - self.mean
        sums = np.cumsum(np.concatenate([self.total[None], steps]), axis=0)[1:]
        k = self.count + np.arange(1, len(rows) + 1)
        found = np.sqrt((sums**2).sum(axis=1) / self.history)
        limit = limits(self.shape, self.constant, len(self.total), k / self.history)
        if self.horizon is not None:
            limit = np.where(k > self.horizon, np.inf, limit)
        alarm = crossed(found > limit, self.alarmed)
        after = replace(self, total=sums[-1], count=int(k[-1]), alarmed=self.alarmed or bool(alarm.any()))
        return after, Findings(np.arange(len(rows)), found, limit, alarm)

    def facts(self) -> Mapping[str, str]:
        """See `ChangeDetector.facts`."""
        end = "none" if self.horizon is None else str(self.horizon)
        return {"Scores watched": str(len(self.total)), "Horizon": end, "Boundary": self.shape}

    def notes(self) -> Sequence[str]:
        """See `ChangeDetector.notes`."""
        return []


def estimate(problem: MonitorProblem, options: CusumOptions) -> Cusum:
    """The state after the first rows.

    Raises
    ------
    OptionError
        For `watch="residuals"` without a constant in the model.
    """
    reference = learn(problem, options.family)
    scores = reference.scores(problem.rows.X, problem.rows.y)
    m, p = scores.shape
    select = np.eye(p)
    constant = bool(problem.outcome) and problem.intercept and bool(reference.kept[0])
    if options.watch == "residuals" or (options.watch is None and constant):
        if not constant:
            raise OptionError("watch='residuals' needs an outcome and a constant: write 'y ~ x'.")
        select = select[:, :1]
    chosen = combined(scores, select)
    middle = chosen.mean(axis=0)
    white = whitening(chosen - middle, options.lags, p if problem.outcome else 1)
    q = white.shape[1]
    many = MANY[options.boundary]
    if q > 1 and m < many * q:
        issue_warning(
            f"{m} first rows are few for {q} scores: false alarms were found to be more frequent than the level says below "
            f"{many} rows a score. Raise burn_in=, or watch='residuals'.",
            NumericalWarning,
        )
    until = 1.0 if options.horizon is None else options.horizon / (m + options.horizon)
    if not np.isfinite(white).all():
        raise DataError("the scores of the first rows are too large or too small to be summed.")
    return Cusum(
        reference, select @ white, combined(middle[None], white)[0], np.zeros(q), m, 0, options.boundary,
        boundary(options.boundary, 1.0 - options.level, q, until), options.horizon, False,
    )  # fmt: skip


METHOD = Method(
    verb="monitor",
    name="cusum",
    estimate=estimate,
    options=CusumOptions,
    summary="the sum of a model's scores since the first rows, against a limit that it passes with a known probability",
    citation="Chu, Stinchcombe and White (1996); Horvath et al. (2004); Zeileis et al. (2005)",
    guarantee="a false alarm up to the horizon has the probability 1 - level, for many first rows",
    vignette="monitoring",
)
