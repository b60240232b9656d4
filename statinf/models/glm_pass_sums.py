"""What blocks of rows add to the sums of a generalised linear model: facts of the outcome, and a likelihood at coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from statinf.formula.design import Design
from statinf.numerics.glm.families import ALL_FAMILIES, Family, family_of
from statinf.numerics.glm.orthonormal import orthonormal
from statinf.numerics.linear.reduction import Reduced
from statinf.passes.reduction import ColumnStack
from statinf.passes.scored import ScoredRows
from statinf.passes.sums import Extent, Triangle


@dataclass(frozen=True)
class Model:
    """A family under its link, by name: laws are functions, which travel badly."""

    name: str
    link: str
    alpha: float = 0.0

    @classmethod
    def of(cls, family: Family, alpha: float) -> Model:
        return cls(family.name, family.link.name, alpha)

    @property
    def family(self) -> Family:
        return family_of(self.name, self.link, alpha=self.alpha, among=ALL_FAMILIES)


def outcome(block: Design) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and weights, shape (n,): of `cbind(successes, failures)` shares of successes, trials among the weights."""
    response = block.response
    assert response is not None
    if response.ndim == 1:
        return response, block.weights
    trials = response.sum(axis=1)
    return response[:, 0] / np.maximum(trials, np.finfo(float).tiny), block.weights * trials


def terms(family: Family, eta: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `Family.terms`, and nothing in rows of weight zero, where means may leave the range of floats."""
    with np.errstate(all="ignore"):
        found = family.terms(eta, y)
    absent = ~(w > 0)
    if not absent.any():
        return found
    slope, information, unit = (np.where(absent, 0.0, part) for part in found)
    return slope, information, unit


def stack(block: Design) -> ColumnStack:
    """The columns of rows whose weight is positive."""
    seen = outcome(block)[1] > 0
    return ColumnStack(block.parts[0].values, None, None if seen.all() else seen.astype(float))


class LikelihoodAt(NamedTuple):
    """A likelihood at coefficients.

    Attributes
    ----------
    cross : ndarray, shape (k + 1, k + 1)
        Information, with the score behind it.
    deviance : float
        Less the saturated part.
    means : Extent
    total : float
        Sum of the means.
    bounded : int
        Rows whose mean has run into its bound, the sign of separation.
    pearson : float
        Pearson's chi-square.
    """

    cross: np.ndarray
    deviance: float
    means: Extent
    total: float
    bounded: int
    pearson: float

    @property
    def information(self) -> np.ndarray:
        return self.cross[:-1, :-1]

    @property
    def score(self) -> np.ndarray:
        return self.cross[:-1, -1]

    @property
    def usable(self) -> bool:
        return bool(np.isfinite(self.cross).all() and np.isfinite(self.deviance))


@dataclass(frozen=True)
class PassLikelihood:
    """A likelihood in columns that are orthonormal over the rows; of a constant alone without `reduced`."""

    model: Model
    reduced: Reduced | None

    def columns(self, block: Design) -> np.ndarray:
        """The columns of one block, shape (n, k)."""
        if self.reduced is None:
            return np.ones((block.n, 1))
        return orthonormal(block.parts[0].values, self.reduced)

    def sums(self, beta: np.ndarray, x: np.ndarray, block: Design) -> LikelihoodAt:
        """The sums of one block."""
        family = self.model.family
        y, w = outcome(block)
        eta = np.dot(x, beta)
        if block.offset is not None:
            eta = eta + block.offset
        k, seen = x.shape[1], w > 0
        with np.errstate(all="ignore"):
            slope, information, unit = terms(family, eta, y, w)
            root = np.sqrt(w * information)
            half = np.empty((len(x), k + 1), order="F")
            np.multiply(x, root[:, None], out=half[:, :k])
            # Beside the scaled columns a working residual: their one cross-product holds information and score.
            np.divide(w * slope, root, out=half[:, k], where=root > 0)
            half[root == 0, k] = 0.0
            mean = family.link.inverse(eta)
            pearson = np.nan
            if not family.known_dispersion:
                pearson = float(np.sum((w * (y - mean) ** 2 / family.variance(mean))[seen]))
            bounded = family.law.bounded(y, mean) & seen if family.separable else np.zeros(0, bool)
            total = float(mean[seen].sum())
            cross = np.dot(half.T, half)
        return LikelihoodAt(
            cross,
            float(np.dot(w, unit)),
            Extent.of(mean[seen]),
            total,
            int(np.count_nonzero(bounded)),
            pearson,
        )


def evaluated(
    problems: Mapping[str, PassLikelihood], asked: Mapping[str, Sequence[np.ndarray]], block: Design
) -> dict[str, list[LikelihoodAt]]:
    """The sums of each problem at each of the coefficients asked for."""
    found = {}
    for name, candidates in asked.items():
        x = problems[name].columns(block)
        found[name] = [problems[name].sums(beta, x, block) for beta in candidates]
    return found


def first_guess(problem: PassLikelihood, level: float, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of a weighted least-squares step from means in range, and of a predictor that is the same on every row."""
    family = problem.model.family
    y, w = outcome(block)
    x = problem.columns(block)
    shift = 0.0 if block.offset is None else block.offset
    with np.errstate(all="ignore"):
        mean = family.start(y, w)
        eta = family.link.link(mean)
        slope = family.link.slope(eta)
        information = w * slope**2 / family.variance(mean)
        target = eta + (y - mean) / slope - shift
        if not (w > 0).all():
            information, target = np.where(w > 0, information, 0.0), np.where(w > 0, target, 0.0)
        half = x * np.sqrt(information)[:, None]
        gram, moment = np.dot(half.T, half), np.dot(x.T, information * target)
    return gram, moment, np.dot(x.T, np.where(w > 0, level - shift, 0.0))


def information_factor(problem: PassLikelihood, beta: np.ndarray, block: Design) -> Triangle:
    """The triangular factor of one block's information."""
    x, (y, w) = problem.columns(block), outcome(block)
    eta = np.dot(x, beta) + (0.0 if block.offset is None else block.offset)
    return Triangle.of(x * np.sqrt(w * terms(problem.model.family, eta, y, w)[1])[:, None])


def density(problem: PassLikelihood, beta: np.ndarray, dispersion: float, block: Design) -> float:
    """Log-likelihood of one block."""
    x, (y, w) = problem.columns(block), outcome(block)
    eta = np.dot(x, beta) + (0.0 if block.offset is None else block.offset)
    seen, family = w > 0, problem.model.family
    assert family.law.density is not None
    return float(np.sum(family.law.density(y[seen], family.link.inverse(eta)[seen], w[seen], dispersion)))


@dataclass(frozen=True)
class LikelihoodRows:
    """A fitted likelihood as blocks of rows see it.

    Attributes
    ----------
    problem : PassLikelihood
    beta : ndarray, shape (k,)
        Coefficients of the orthonormal columns.
    whitened : ndarray, shape (k, k)
        Inverse triangular factor of the information: takes sums of whitened scores to errors of `beta`.
    """

    problem: PassLikelihood
    beta: np.ndarray
    whitened: np.ndarray

    def predictor(self, block: Design) -> tuple[np.ndarray, np.ndarray]:
        """The columns, shape (n, k), and the predictor, shape (n,); of a block without an outcome too."""
        x = self.problem.columns(block)
        return x, np.dot(x, self.beta) + (0.0 if block.offset is None else block.offset)

    def unit(self, block: Design) -> np.ndarray:
        """Whitened scores per unit of weight, shape (n, k)."""
        (x, eta), (y, _) = self.predictor(block), outcome(block)
        return np.dot(x, self.whitened) * self.problem.model.family.terms(eta, y)[0][:, None]

    def scored(self, block: Design) -> ScoredRows:
        """The rows as covariances see them."""
        (x, eta), (y, w) = self.predictor(block), outcome(block)
        slope, information, _ = terms(self.problem.model.family, eta, y, w)
        rows = np.dot(x, self.whitened)
        return ScoredRows(rows * (w * slope)[:, None], rows * np.sqrt(w * information)[:, None])
