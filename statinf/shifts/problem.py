"""What every method of `shift` and `target_mean` gets: both samples, the family of the outcome, the density ratio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.models.glm_options import GlmOptions
from statinf.models.glm_scoring import estimate
from statinf.models.row_counts import RowCounts, absent_as_present
from statinf.numerics.glm.families import Family
from statinf.results import Estimate, Method, Weights
from statinf.shifts.pooled import PooledTerms
from statinf.shifts.samples import Samples


@dataclass(frozen=True)
class ShiftProblem:
    """Both samples and what is known of them.

    Attributes
    ----------
    samples : Samples
    family : Family
    ratio : Weights or None
        The density ratio for methods that weight the source rows by it.
    pooled : PooledTerms or None
        Levels of the variables behind the bar, for methods that pool their effects.
    told : mapping
        What a method that makes its own weights has found beside them.
    """

    samples: Samples
    family: Family
    ratio: Weights | None = None
    pooled: PooledTerms | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def design(self) -> Design:
        """The regression on the source rows, weighted by the ratio where there is one."""
        return self.samples.design if self.ratio is None else weighted(self.samples.design, self.ratio)


@dataclass(frozen=True, kw_only=True)
class ShiftMethod(Method):
    """A method of `shift` or `target_mean`.

    Attributes
    ----------
    power : callable or None
        From the method's options to the power of the density ratio that weights the source rows; None for methods that
        use no ratio.
    pooled : bool
        Whether the formula has a second part, of variables whose effects are pooled.
    reweighs : bool
        Whether a density ratio weights the source rows where the caller gives one.
    weigh : callable or None
        From both samples, the family, the caller's ratio and the options to the weights of the source rows and what was
        found beside them, for methods that make their own.
    check : callable or None
        Refuses a family, or a ratio, that does not go with the options, before any row is read.
    result : type or None
        Kind of fit, where it is not a `ShiftFit`.
    """

    power: Callable[[Any], float] | None = None
    pooled: bool = False
    reweighs: bool = False
    weigh: Callable[[Samples, Family, Any, Any], tuple[Weights, Mapping[str, Any]]] | None = None
    check: Callable[[Family, Any, Any], None] | None = None
    result: type | None = None


def weighted(design: Design, ratio: Weights) -> Design:
    """The design with its rows weighted; a known ratio is no estimate that standard errors would have to count."""
    values = ratio.values[np.searchsorted(ratio.used, design.rows)]
    return replace(design, weights=values, weights_object=None if ratio.method == "known" else ratio)


def likelihood(design: Design, family: Family) -> Estimate:
    """Maximum (weighted) likelihood on the rows of a design."""
    return estimate(absent_as_present(design), GlmOptions(family=family.name, link=family.link.name))


def mean_model(design: Design, family: Family) -> Estimate:
    """The same where means and scores alone are read, and nobody asks how likely the outcomes are."""
    options = GlmOptions(family=family.name, link=family.link.name)
    return estimate(absent_as_present(design), options, RowCounts(asked=False))
