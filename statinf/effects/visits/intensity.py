"""The intensity of visits given the past (Andersen and Gill 1982), and the weights that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.visits.spells import Spells
from statinf.errors import DataError
from statinf.formula.design import Design, design
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.numerics.linear.triangular import solve_triangular
from statinf.numerics.survival.cox import CoxSolution, fit_cox
from statinf.results import Estimate, Fit, Method

_MODELS = {
    "cox": "proportional hazards",
    "cloglog": "proportional hazards of days, complementary log-log link",
    "logit": "log odds of a visit on a day",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IntensityFit(Fit):
    """Log hazard ratios of visits; standard errors are those of units.

    Attributes
    ----------
    loglik : float
        Partial log likelihood; that of the days of a binomial model.
    events : int
    model : {"cox", "cloglog", "logit"}
    """

    loglik: float
    events: int
    model: str = "cox"

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("iid", "HC0", "HC1"), robust="HC0")

    @property
    def title(self) -> str:
        return f"Intensity of visits: {_MODELS[self.model]}"

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "events": self.events, "loglik": self.loglik}

    def summary_facts(self) -> dict[str, Any]:
        name = "Partial log likelihood" if self.model == "cox" else "Log likelihood"
        return {"Spells": self.nobs, "Visits": self.events, name: self.loglik}


@dataclass(frozen=True)
class Intensity:
    """A fitted intensity.

    Attributes
    ----------
    fit : IntensityFit
    log_ratio : ndarray, shape (m,)
        Log of each spell's intensity over the baseline; NaN where its past is not known.
    columns : ndarray, shape (m, q)
        Derivatives of `log_ratio`.
    influence : ndarray, shape (m, q)
        Of each spell on the coefficients.
    """

    fit: IntensityFit
    log_ratio: np.ndarray
    columns: np.ndarray
    influence: np.ndarray


def fit_intensity(
    formula: str, spells: Spells, weights: np.ndarray, unit: str, ties: str, method: Method, context: Any
) -> Intensity:
    """Fit the spells at risk whose past is known.

    Parameters
    ----------
    formula : str
        `~ terms`, lags as columns of the spells' frame.
    spells : Spells
    weights : ndarray, shape (m,)
    unit : str
        Column of units, by which standard errors cluster.
    ties : {"efron", "breslow"}

    Raises
    ------
    DataError
        If no term is left, or no visit is at risk.
    """
    made = design(formula, spells.frame, response="none", cluster=[unit], weights=weights, context=context)
    matrix = made.parts[0].without_intercept()
    inside = spells.at_risk[made.rows]
    if not (spells.event[made.rows][inside] > 0).any():
        raise DataError("no visit is at risk: each unit needs a visit after its first, with its past recorded.")
    x = np.ascontiguousarray(matrix.values[inside])
    rows = made.rows[inside]
    inner, upper = orthonormal(x, made.weights[inside], matrix.names, formula)
    found = fit_cox(inner, spells.start[rows], spells.stop[rows], spells.event[rows], made.weights[inside], ties=ties)
    gamma = solve_triangular(upper, found.coef)
    bread = _carried(np.linalg.inv(found.information), upper)
    scores = np.zeros((made.n, matrix.p))
    scores[inside] = found.scores @ upper
    influence = np.zeros((len(spells.row), matrix.p))
    influence[made.rows] = scores @ bread
    columns = np.full((len(spells.row), matrix.p), np.nan)
    columns[made.rows] = matrix.values
    log_ratio = columns @ gamma
    fit = _intensity_fit(made, matrix.names, gamma, scores, bread, found, inside, spells, unit, method)
    return Intensity(fit, log_ratio, columns, influence)


def orthonormal(x: np.ndarray, w: np.ndarray, names: tuple[str, ...], formula: str) -> tuple[np.ndarray, np.ndarray]:
    """Centred columns (m, p) in an orthonormal basis, and the triangular matrix that leads to it.

    Raises
    ------
    DataError
        If a column does not vary, or is made of others.
    """
    if not x.shape[1]:
        raise DataError(
            f"{formula!r} has no terms: the intensity of visits depends on nothing, and all weights are one."
        )
    varies = np.ptp(x, axis=0) > 0
    if not varies.all():
        raise DataError(
            f"column '{names[int(np.argmin(varies))]}' of {formula!r} does not vary over the spells at risk."
        )
    # Partial likelihoods know no constant: centred columns, then an orthonormal basis of them.
    centre = np.average(x, axis=0, weights=w)
    upper = np.asarray(np.linalg.qr((x - centre) / np.sqrt(len(x)), mode="r"))
    scale = np.abs(np.diag(upper))
    if not (scale > 1e-9 * np.sqrt(((x - centre) ** 2).mean(axis=0))).all():
        raise DataError(
            f"the columns of {formula!r} are linearly dependent; leave '{names[int(np.argmin(scale))]}' out."
        )
    return solve_triangular(upper.T, (x - centre).T, lower=True).T, upper


def _carried(inverse: np.ndarray, upper: np.ndarray) -> np.ndarray:
    half = solve_triangular(upper, inverse)
    return solve_triangular(upper, half.T).T


def _intensity_fit(
    made: Design,
    names: tuple[str, ...],
    gamma: np.ndarray,
    scores: np.ndarray,
    bread: np.ndarray,
    found: CoxSolution,
    inside: np.ndarray,
    spells: Spells,
    unit: str,
    method: Method,
) -> IntensityFit:
    present = inside & (made.weights > 0)
    nobs = int(present.sum())
    df = float(nobs - len(gamma))
    moments = partial(Moments, scores, bread, nobs, df, bread, present=present)
    events = int(spells.event[made.rows][present].sum())
    estimate = Estimate(
        terms=names,
        theta=gamma,
        moments=moments,
        nobs=nobs,
        df_resid=df,
        extra={"loglik": found.loglik, "events": events},
    )
    return IntensityFit.of(made, estimate, {"cluster": unit}, method=method)
