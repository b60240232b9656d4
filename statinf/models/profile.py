"""Profile likelihood limits of coefficients (Venzon and Moolgavkar 1988), penalised ones included (Heinze and Schemper 2002).

A limit is where twice the log-likelihood lost by holding a coefficient there, the others and an estimated overdispersion at
their best beside it, reaches the square of the reference distribution's quantile: the normal's, or Student's t where a dispersion
is estimated, by which the loss is divided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError
from statinf.inference.distributions import t_quantile
from statinf.numerics.glm.constrained import (
    HeldMaximum,
    JeffreysLikelihood,
    PlainLikelihood,
    ScoredLikelihood,
    WhitenedColumns,
    maximise,
    sums_of,
    under,
)
from statinf.numerics.glm.families import ALL_FAMILIES, Family, family_of, log_likelihood
from statinf.numerics.glm.irls import inside
from statinf.numerics.glm.likelihood import LikelihoodSums
from statinf.numerics.glm.negative_binomial import DispersionSums

if TYPE_CHECKING:
    from statinf.models.generalized_fit import GeneralizedFit

ProfileSolver = Callable[[np.ndarray, np.ndarray | None], tuple[HeldMaximum, float]]
_TOLERANCE = 1e-6
"""Of the coefficients beside the one that is held; the likelihood there is right to its square."""
_FARTHEST = 1e4
"""Standard errors from the estimate beyond which a limit counts as infinite."""


@dataclass
class Profile:
    """The likelihood of a fit with one coefficient held.

    Attributes
    ----------
    coordinates : WhitenedColumns
    best : HeldMaximum
    value : float
        The likelihood that `best` has.
    dispersion : float
    solve : callable
        From coefficients to begin with and the combination that is held to the maximum beside it, and its likelihood.
    """

    coordinates: WhitenedColumns
    best: HeldMaximum
    value: float
    dispersion: float
    solve: ProfileSolver
    last: dict[int, HeldMaximum] = field(default_factory=dict)

    def root(self, j: int, value: float) -> float:
        """The root of twice the likelihood lost, over the dispersion, with the j-th kept coefficient at a value."""
        hold = self.coordinates.back[j]
        near = self.last.get(j, self.best)
        along = np.linalg.solve(near.gram, hold)
        start = near.beta + along * (value - hold @ near.beta) / (hold @ along)
        try:
            found, reached = self.solve(start, hold)
        except ConvergenceError:
            # From the estimate itself, where the last point was too far.
            along = np.linalg.solve(self.best.gram, hold)
            start = self.best.beta + along * (value - hold @ self.best.beta) / (hold @ along)
            found, reached = self.solve(start, hold)
        self.last[j] = found
        return float(np.sqrt(max(2.0 * (self.value - reached) / self.dispersion, 0.0)))


def profile_limits(fit: GeneralizedFit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of every coefficient, shape (q,) each; infinite where the likelihood never falls so far.

    Raises
    ------
    OptionError
        If the fit's covariance is robust, which a likelihood knows nothing of.
    NotIdentifiedError
        If there is no likelihood to profile.
    """
    if fit.cov.kind not in ("iid", "none"):
        raise OptionError(
            f"interval='profile' follows the likelihood, and the fit's covariance is {fit.cov.label}: ask for "
            "fit.with_vcov('iid').conf_int(interval='profile'), or leave interval= out."
        )
    if "absorbed" in vars(fit):
        raise NotIdentifiedError(
            "interval='profile' would have to fit the absorbed effects anew at every value; write them as C() in the formula."
        )
    if fit.weights_kind == "probability" or fit.cov.kind == "none":
        raise NotIdentifiedError("interval='profile' needs a likelihood, which this fit does not have.")
    profile = profile_of(fit)
    target = float(t_quantile(0.5 + level / 2.0, np.inf if fit.normal_reference else fit.df_resid))
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    error = fit._se()
    for j, place in enumerate(np.flatnonzero(fit.estimable)):
        for sign, out in ((-1.0, low), (1.0, high)):
            profile.last.clear()
            out[place] = _limit(profile, j, float(fit.theta[place]), sign * float(error[place]), target)
    return low, high


def _limit(profile: Profile, j: int, estimate: float, unit: float, target: float) -> float:
    """Where the root reaches the target, from the estimate in steps of `unit`, whose sign is the direction."""
    from scipy.optimize import brentq

    # What a point was found to have stands: searched again from another neighbour, a limit at the end of the bracket could
    # come out on its other side.
    lost = {0.0: 0.0}

    def beyond(steps: float) -> float:
        if steps not in lost:
            lost[steps] = profile.root(j, estimate + steps * unit)
        return lost[steps] - target

    near, far = 0.0, target
    for _ in range(60):
        if beyond(far) >= 0.0:
            break
        near, far = far, far * min(max(1.05 * target / max(lost[far], 1e-3), 1.1), 4.0)
        if far > _FARTHEST:
            return float(np.copysign(np.inf, unit))
    return estimate + float(brentq(beyond, near, far, xtol=1e-8, rtol=1e-10)) * unit


def profile_of(fit: GeneralizedFit) -> Profile:
    """What holds coefficients of a fit."""
    made = fit._need_rows("profile likelihoods")
    if made.weights_object is not None:
        raise NotIdentifiedError("interval='profile' takes weights as known; with estimated ones leave interval= out.")
    coordinates = WhitenedColumns.of(made.parts[0].values, made.weights)
    family = fit._family
    sums = sums_of(coordinates, made.y, made.weights, made.offset, family)
    begin = inside(np.nan_to_num(fit.theta), coordinates.reduced)
    if "information" in fit.shape:
        solve = _beside_alpha(fit, sums)
    else:
        solve = _of(JeffreysLikelihood(sums) if "jeffreys" in fit.shape else PlainLikelihood(sums))
    best, value = solve(begin, None)
    apart = np.abs(coordinates.back @ best.beta - fit.theta[fit.estimable])
    if (apart > 1e-3 * fit._se()[fit.estimable]).any():
        raise NotIdentifiedError(
            "interval='profile' is for fits that maximise the likelihood of their rows over the coefficients alone, which this one "
            "does not (another sample takes part); leave interval= out."
        )
    return Profile(coordinates, best, value, fit.dispersion, solve)


def _of(objective: ScoredLikelihood) -> ProfileSolver:
    """Maxima over the other coefficients."""

    def solve(start: np.ndarray, hold: np.ndarray | None) -> tuple[HeldMaximum, float]:
        found = maximise(objective, start, hold=hold, tolerance=_TOLERANCE)
        return found, found.value

    return solve


def _beside_alpha(fit: GeneralizedFit, sums: LikelihoodSums) -> ProfileSolver:
    """Maxima over the other coefficients and the overdispersion, in turn."""
    dispersion = DispersionSums(sums.y, sums.w)

    def family_at(alpha: float) -> Family:
        return family_of(fit.family, fit.link, alpha=alpha, among=ALL_FAMILIES)

    def solve(start: np.ndarray, hold: np.ndarray | None) -> tuple[HeldMaximum, float]:
        alpha, beta = fit.alpha, start
        for _ in range(100):
            family = family_at(alpha)
            found = maximise(PlainLikelihood(under(sums, family)), beta, hold=hold, tolerance=_TOLERANCE)
            beta = found.beta
            mean = family.link.inverse(sums.predictor(beta))
            before = alpha
            alpha = dispersion.best(mean, alpha) if alpha > 0 else 0.0
            if alpha == before or (alpha > 0 and abs(np.log(alpha / before)) < 1e-7):
                break
        return found, log_likelihood(family_at(alpha), sums.y, mean, sums.w, np.nan, fit.copies)

    return solve
