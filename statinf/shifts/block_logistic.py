"""The logit that tells target from source rows, on blocks of both; see `statinf.shifts.logistic`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_passes import maximise
from statinf.numerics.glm.orthonormal import orthonormal
from statinf.numerics.linear.reduction import Reduced
from statinf.numerics.linear.symmetric import symmetric_inverse
from statinf.numerics.linear.triangular import solve_triangular
from statinf.passes import PassDesign, plus
from statinf.results import Options
from statinf.shifts.block_samples import BlockSamples, ratio_columns
from statinf.shifts.logistic import LogLinear


@dataclass(frozen=True, repr=False)
class PooledPasses(PassDesign):
    """Both samples under each other: a constant, the ratio's columns, and the outcome one on rows of the target.

    Attributes
    ----------
    target : TargetPasses
    first : PassDesign
        The source.
    part : int
        Whose columns they are.
    """

    target: Any = None
    first: Any = None
    part: int = 0

    @classmethod
    def of(cls, samples: BlockSamples) -> PooledPasses:
        """The two samples as one table."""
        held: dict[str, Any] = {f.name: getattr(samples.source, f.name) for f in fields(PassDesign)}
        held["tally"] = samples.source.tally.plus(samples.target.tally)
        return cls(**held, target=samples.target, first=samples.source, part=samples.part)

    @property
    def outcomes(self) -> tuple[str, ...]:
        return ("target",)

    @property
    def names(self) -> tuple[str, ...]:
        layout = self.recipe.parts[self.part].layout
        return ("Intercept", *layout.names[int(layout.intercept) :])

    @property
    def intercept(self) -> bool:
        return True

    def total(self, function: Callable[..., Any], label: str = "summing over rows", *, placed: bool = False) -> Any:
        """The sum over the blocks of both samples; one pass over each."""
        assert not placed
        here = self.first.total(partial(_labelled, function, self.part, 0.0), label)
        return plus(here, self.target.total(partial(_labelled, function, self.part, 1.0), label))

    def head(self) -> Design | None:
        """The first block of the source that has rows in use."""
        found = self.first.head()
        return None if found is None else _turned(self.part, 0.0, found)


def _labelled(function: Callable[[Design], Any], part: int, label: float, block: Design) -> Any:
    return function(_turned(part, label, block))


def _turned(part: int, label: float, block: Design) -> Design:
    own = block.parts[part]
    terms = {name: slice(j, j + 1) for j, name in enumerate(own.rest.names, start=1)}
    values = own.values if own.intercept else _behind_constant(own.values)
    matrix = Matrix(values, ("Intercept", *own.rest.names), {"Intercept": slice(0, 1), **terms}, True)
    # Sampling weights are no numbers of trials, as those of an object are none.
    return replace(block, response=np.full(block.n, label), parts=(matrix,), offset=None, weights_object=block.weights)


def _behind_constant(values: np.ndarray) -> np.ndarray:
    out = np.empty((len(values), values.shape[1] + 1), order="F")
    out[:, 0], out[:, 1:] = 1.0, values
    return out


@dataclass(frozen=True)
class LogitExpansion:
    """Influence on the logit's coefficients, and the ratio's derivatives by them, in columns orthonormal over both samples.

    Attributes
    ----------
    part : int
    reduced : Reduced
        Of a constant and the columns.
    beta : ndarray, shape (k,)
    through : ndarray, shape (k, k)
        Inverse information.
    sizes : tuple of float
        Sums of the weights of source and target, which are in the constant of the ratio.
    """

    part: int
    reduced: Reduced
    beta: np.ndarray
    through: np.ndarray
    sizes: tuple[float, float]

    def _parts(self, block: Design, label: float) -> tuple[np.ndarray, np.ndarray]:
        """Columns (n, k), and the influence of the rows (n, k)."""
        x, w = ratio_columns(self.part, block)
        own = block.parts[self.part]
        z = orthonormal(own.values if own.intercept else _behind_constant(x), self.reduced)
        logit = (z * (w * (label - expit(z @ self.beta)))[:, None]) @ self.through
        size = w / self.sizes[0] if label == 0.0 else -w / self.sizes[1]
        return z, logit + np.outer(size, self.reduced.centred_factor[:, 0])

    def own(self, block: Design, ratio: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the weights and influence of the source's rows, shape (n, k) each."""
        z, influence = self._parts(block, 0.0)
        return z * (ratio * factor)[:, None], influence

    def other(self, block: Design) -> np.ndarray:
        """Influence of the target's rows, shape (m, k)."""
        return self._parts(block, 1.0)[1]


def estimate_logistic(samples: BlockSamples, options: Options) -> tuple[LogLinear, LogitExpansion, dict[str, Any]]:
    """The ratio as a function, its expansion, and facts for the summary.

    Raises
    ------
    DataError
        If there are as many columns as rows.
    NotIdentifiedError
        If columns separate the samples.
    """
    n, m, p = samples.source.nobs, samples.target.nobs, len(samples.names)
    if p + 1 >= min(n, n + m - 1):
        raise DataError(
            f"{p} columns for {n} source and {m} target rows: a logit would separate the samples. Use fewer columns."
        )
    pooled = PooledPasses.of(samples)
    try:
        problem, solved = maximise(pooled, VerbOptions(family="binomial"))
    except NotIdentifiedError as error:
        where = samples.uncovered
        raise NotIdentifiedError(
            f"no overlap: columns separate source from target rows, so the density ratio has no logistic estimate"
            f"{'; ' + where if where else ''} ({error}) Leave these columns out, or restrict both samples to where they overlap."
        ) from None
    reduced = problem.reduced
    assert reduced is not None
    through = symmetric_inverse(solved.sums.information)
    rule = _rule(samples, reduced, solved.beta)
    facts = {"logit coefficients": int(reduced.kept.sum()), "iterations": solved.iterations}
    sizes = (samples.xs.mass, samples.xt.mass)
    return rule, LogitExpansion(samples.part, reduced, solved.beta, through, sizes), facts


def _rule(samples: BlockSamples, reduced: Reduced, beta: np.ndarray) -> LogLinear:
    """The ratio of the columns as they stand."""
    kept, centring = reduced.kept, reduced.centring
    coef = np.zeros(len(kept))
    coef[kept] = solve_triangular(reduced.centred_factor, beta)
    centre = np.zeros(len(kept)) if centring is None else centring.centre
    constant = float(coef[0] + np.log(samples.xs.mass / samples.xt.mass))
    return LogLinear(constant, coef[1:], centre[1:], kept, reduced.aliases)
