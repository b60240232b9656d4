"""Mean functions of fits of classes and of censored outcomes: what their slopes, contrasts and adjusted predictions are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from statinf.formula.part_sides import PartSide
from statinf.inference.indexed_mean import IndexedMean
from statinf.numerics.glm.multinomial import softmax
from statinf.numerics.limited.censored_means import censored_mean
from statinf.numerics.limited.links import CumulativeLink, log_between
from statinf.numerics.linear.aliases import breaks_alias
from statinf.results.margins.mean import MeanModel

if TYPE_CHECKING:
    from statinf.models.multinomial_fit import MultinomialFit
    from statinf.models.ordered_fit import OrderedFit
    from statinf.models.tobit_fit import TobitFit


def multinomial_means(fit: MultinomialFit, promise: str) -> MeanModel:
    """The probability of each class, of one linear predictor for each but the reference."""
    if fit.recipe is None:
        fit.refuse(promise, "it was made from arrays, without a formula")
    places = np.arange(len(fit.theta)).reshape(len(fit.classes), -1)
    base = fit.levels.index(fit.reference)
    means = tuple(
        IndexedMean(places, partial(_share, base, k), partial(_share_slopes, base, k), name=level)
        for k, level in enumerate(fit.levels)
    )
    return MeanModel(
        fit.recipe, (PartSide("covariates"),), means, "outcome", _broken(fit.kept, fit.aliases), "probability"
    )


def _shares(base: int, eta: np.ndarray) -> np.ndarray:
    return softmax(np.insert(eta, base, 0.0, axis=1))


def _share(base: int, k: int, eta: np.ndarray) -> np.ndarray:
    return _shares(base, eta)[:, k]


def _share_slopes(base: int, k: int, eta: np.ndarray) -> np.ndarray:
    shares = _shares(base, eta)
    own = np.arange(shares.shape[1]) == k
    return np.delete(shares[:, [k]] * (own - shares), base, axis=1)


def ordered_means(fit: OrderedFit, promise: str) -> MeanModel:
    """The probability of each class, of linear predictor less the cutpoints above and below it."""
    if fit.recipe is None:
        fit.refuse(promise, "it was made from arrays, without a formula")
    m, law = len(fit.levels) - 1, fit.law
    slopes = np.arange(len(fit.theta) - m)
    signs = np.append(-1.0, np.ones(len(slopes)))
    means = []
    for k, level in enumerate(fit.levels):
        ends = [e for e in (k, k - 1) if 0 <= e < m]
        places = np.array([[len(slopes) + e, *slopes] for e in ends])
        inverse, slope = partial(_between, law, k == 0, k == m), partial(_between_slopes, law, k == 0, k == m)
        means.append(IndexedMean(places, inverse, slope, level, np.tile(signs, (len(ends), 1))))
    side, broken = PartSide("covariates", constant=True), _broken(fit.kept, fit.aliases)
    return MeanModel(fit.recipe, (side,), tuple(means), "outcome", broken, "probability")


def _between(law: CumulativeLink, first: bool, last: bool, eta: np.ndarray) -> np.ndarray:
    """F at the cutpoint above less F at that below, from linear predictors less the cutpoints."""
    if first:
        return np.exp(law.log_below(-eta[:, 0]))
    if last:
        return np.exp(law.log_above(-eta[:, 0]))
    return np.exp(log_between(law, -eta[:, 0], -eta[:, 1]))


def _between_slopes(law: CumulativeLink, first: bool, last: bool, eta: np.ndarray) -> np.ndarray:
    density = np.exp(law.log_density(-eta))
    return -density if first else density if last else density * np.array([-1.0, 1.0])


def tobit_means(fit: TobitFit, promise: str) -> MeanModel:
    """The expected outcome as it is recorded, of the latent mean and log sigma."""
    if fit.recipe is None:
        fit.refuse(promise, "it was made from arrays, without a formula")
    if isinstance(fit.lower, str) or isinstance(fit.upper, str):
        fit.refuse(promise, "its limits are columns, which rows that are set to values do not have")
    k = len(fit.theta) - 1
    constant = fit.recipe.parts[0].layout.intercept
    latent = np.arange(k) if constant else np.append(-1, np.arange(k))
    spread = np.append(k, np.full(len(latent) - 1, -1))
    rows = [latent, spread]
    if fit.recipe.offset:
        # An offset is added to every predictor: what has it alone takes it out of log sigma.
        rows.append(np.full(len(latent), -1))
    limits = (-np.inf if fit.lower is None else fit.lower, np.inf if fit.upper is None else fit.upper)
    mean = IndexedMean(np.array(rows), partial(_recorded, *limits), partial(_recorded_slopes, *limits))
    kept = fit.estimable[:-1] if constant else np.append(True, fit.estimable[:-1])
    aliases = fit.aliases if constant else np.vstack([np.zeros((1, fit.aliases.shape[1])), fit.aliases])
    side = PartSide("covariates", constant=True)
    return MeanModel(fit.recipe, (side,), (mean,), "", _broken(kept, aliases), "expected outcome")


def _expected(lower: float, upper: float, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    log_sigma = eta[:, 1] - eta[:, 2] if eta.shape[1] == 3 else eta[:, 1]
    ends = (np.full(len(eta), lower), np.full(len(eta), upper))
    return censored_mean("censored", eta[:, 0], np.exp(log_sigma), *ends)


def _recorded(lower: float, upper: float, eta: np.ndarray) -> np.ndarray:
    return _expected(lower, upper, eta)[0]


def _recorded_slopes(lower: float, upper: float, eta: np.ndarray) -> np.ndarray:
    _, slope, spread = _expected(lower, upper, eta)
    return np.column_stack([slope, spread, -spread][: eta.shape[1]])


def _broken(kept: np.ndarray, aliases: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """From columns to the rows that depend on aliased coefficients; None where there are none."""
    return None if kept.all() else partial(_breaks, kept, aliases)


def _breaks(kept: np.ndarray, aliases: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return breaks_alias(columns, kept, aliases)
