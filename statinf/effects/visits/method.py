"""Inverse intensity weighting of outcomes at informative visits (Lin, Scharfstein, Rosenheck 2004; Buzkova, Lumley 2007).

Estimand: the coefficients of g(E[Y(t) | x(t)]) = x(t)'b if every unit were seen all the time. Visits come with the intensity
l0(t) exp(z(t)'c) given the past z(t), and each outcome counts by the inverse of its visit's. Assumes that visits depend on the
outcome through the recorded past alone, a positive intensity of that form, and censoring that does not depend on outcomes. The
same weights make forecasts that learn from visited rows unbiased (Vanderschueren et al. 2023, arXiv 2306.04255).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.visits.discrete import fit_discrete
from statinf.effects.visits.intensity import Intensity, IntensityFit, fit_intensity
from statinf.effects.visits.options import VisitOptions
from statinf.effects.visits.spells import Spells
from statinf.errors import DataError, StatinfWarning, issue_warning
from statinf.formula.design import Design
from statinf.formula.frame import Frame
from statinf.formula.identity import RowIdentity
from statinf.models import glm_scoring
from statinf.models.glm_options import GlmOptions
from statinf.results import Estimate, Method, Weights

_LARGE, _FEW = 20.0, 5.0


@dataclass(frozen=True, eq=False, repr=False)
class VisitProblem(Brief):
    """What the weights are made of.

    Attributes
    ----------
    frame : Frame
    spells : Spells
    sampling : ndarray, shape (n,)
        Weight of each row of the frame; zero for rows left out.
    formula, stabilize : str or None
        Of the visits, with lags as columns.
    unit, time : str
    context : mapping, optional
    identity : RowIdentity
        The rows of the frame.
    """

    frame: Frame
    spells: Spells
    sampling: np.ndarray
    formula: str
    stabilize: str | None
    unit: str
    time: str
    context: Any
    identity: RowIdentity


def visit_weights(problem: VisitProblem, options: VisitOptions) -> tuple[Weights, IntensityFit]:
    """Inverse intensities of the visits, of mean one over those that happened, and the intensity."""
    spells = problem.spells
    each = problem.sampling[spells.row]

    def fitted(formula: str) -> Intensity:
        if options.visit_model == "cox":
            return fit_intensity(formula, spells, each, problem.unit, options.ties, METHOD, problem.context)
        how = options.visit_model
        return fit_discrete(formula, spells, each, problem.unit, problem.time, how, METHOD, problem.context)

    whole = fitted(problem.formula)
    parts = [(whole, -1.0)]
    if problem.stabilize is not None:
        parts.append((fitted(problem.stabilize), 1.0))
    return _weights(problem, parts, options.clip), whole.fit


def _weights(problem: VisitProblem, parts: list[tuple[Intensity, float]], clip: float | None) -> Weights:
    spells, n = problem.spells, problem.frame.n
    visit = spells.event == 1
    # First visits by design have no intensity.
    moving = visit & spells.at_risk
    known = visit & (~spells.at_risk | np.all([np.isfinite(one.log_ratio) for one, _ in parts], axis=0))
    log_weight = np.where(moving, sum(sign * one.log_ratio for one, sign in parts), 0.0)[known]
    columns = np.concatenate([sign * one.columns for one, sign in parts], axis=1)[known]
    used, came = spells.row[known], moving[known]
    s = problem.sampling[used]
    # Visits that happened have mean one, as first rows have, wherever the columns of the past stand. The mean is one more
    # parameter.
    relative = np.ones(len(used))
    if came.any():
        plain = np.exp(log_weight[came] - log_weight[came].max())
        most = np.inf if clip is None else float(np.average(plain, weights=s[came])) / clip
        # A weight at its bound moves with nothing; the bound is taken as known.
        columns[np.flatnonzero(came)[plain > most]] = 0.0
        plain = np.minimum(plain, most)
        relative[came] = plain / np.average(plain, weights=s[came])
    share = np.where(came, s * relative, 0.0) / max(s[came].sum(), np.finfo(float).tiny)
    centred = np.where(came[:, None], columns - share[came] @ columns[came], 0.0)
    derivative = np.column_stack([centred, np.where(came, -1.0, 0.0)])
    _warn_uneven(relative, s, used)
    influence = np.zeros((n, derivative.shape[1]))
    np.add.at(influence[:, :-1], spells.row, np.concatenate([one.influence for one, _ in parts], axis=1))
    influence[used, -1] = share - np.where(came, s, 0.0) / max(s[came].sum(), np.finfo(float).tiny)
    order = np.argsort(used)
    used, values = used[order], (s * relative)[order]
    return Weights(
        method="visits",
        formula=problem.formula,
        citation=METHOD.reference,
        nobs=int((values > 0).sum()),
        values=values,
        used=used,
        n_total=n,
        estimand="outcomes seen all the time",
        derivative=values[:, None] * derivative[order],
        influence=influence[used],
        identity=problem.identity,
        kind=problem.frame.kind,
    )


def _warn_uneven(relative: np.ndarray, s: np.ndarray, rows: np.ndarray) -> None:
    if relative.max() > _LARGE:
        issue_warning(
            f"row {int(rows[np.argmax(relative)])} counts as {relative.max():.0f} visits: visits of its past were very unlikely. "
            "stabilize= takes the part of the weights out that the outcome's formula explains.",
            StatinfWarning,
        )
    w = s * relative
    size = w.sum() ** 2 / (w @ w)
    if size < len(w) / _FEW:
        issue_warning(f"the weighted visits are worth {size:.0f} of {len(w)}.", StatinfWarning)


def estimate(problem: Design, options: VisitOptions) -> Estimate:
    """The outcome's regression on its visits, weighted; a generalised linear model with independent errors to work with."""
    settings = {name: getattr(options, name) for name in GlmOptions.names()}
    found = glm_scoring.estimate(problem, GlmOptions(**settings))
    if not len(problem.rows):
        raise DataError("no visit has an outcome and a known past.")
    return replace(found, facts={"Effective visits": _size(problem.weights)})


def _size(w: np.ndarray) -> float:
    return float(w.sum() ** 2 / (w @ w))


METHOD = Method(
    verb="visits",
    name="",
    estimate=estimate,
    options=VisitOptions,
    summary="regression of outcomes seen at informative visits, by inverse intensity weights",
    citation="Lin, Scharfstein and Rosenheck (2004), Analysis of longitudinal data with irregular, outcome-dependent follow-up",
    guarantee="consistent if the intensity is right; errors of units count that it is estimated",
    vignette="informative-visits",
)
