"""The result of `transport`: effects in the population, the arms' means behind them, and how far the trial covers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovKinds
from statinf.results import Estimate, Fit, Weights, to_caller
from statinf.shifts.means import Mean, stacked
from statinf.shifts.transport.trial import Trial

COMPARISONS = ("difference", "ratio", "lift", "log_odds")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PopulationMeans(Fit):
    """Mean outcome of the population in every arm, the reference first; tables use the normal distribution."""

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0", "HC1"))

    @property
    def title(self) -> str:
        return f"Mean outcome of the population by arm: {self.method}"

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TransportFit(Fit):
    """Effects of a trial's arms in a population; tables use the normal distribution.

    Attributes
    ----------
    treatment : str
    levels : tuple of str
        The arms, the reference first.
    comparison : str
    population_rows : int
        Rows of positive weight.
    in_trial : ndarray, shape (arms - 1,)
        The same comparisons of the arms' plain means in the trial.
    parts : mapping of str to float
        What the arms' means are sums of.
    ratio : Weights or None
        The density ratio of population to trial; None for "gformula".
    coverage : tuple of tuple
        Arm, rows, effective sample size and largest share of the weight.
    outside : int
        Population rows outside the trial's range in some covariate.
    outcomes : Estimate or None
        The arms' means; not saved.
    """

    treatment: str = ""
    levels: tuple[str, ...] = ()
    comparison: str = "difference"
    population_rows: int = 0
    in_trial: np.ndarray = field(default_factory=lambda: np.empty(0))
    parts: Mapping[str, float] = field(default_factory=dict)
    ratio: Weights | None = None
    coverage: tuple[tuple[str, int, float, float], ...] = ()
    outside: int = 0
    outcomes: Estimate | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0", "HC1"))
    beside = ("means", "overlap")

    @property
    def title(self) -> str:
        what = {
            "difference": "Effect",
            "ratio": "Ratio of means",
            "lift": "Relative effect",
            "log_odds": "Log odds ratio",
        }
        return f"{what[self.comparison]} of a trial in a population: {self.method}"

    def lean(self) -> Self:
        made = super().lean()
        return replace(made, outcomes=None, ratio=None if made.ratio is None else made.ratio.lean())

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Trial rows": self.nobs, "Population rows": self.population_rows or "known margins"}
        facts |= dict(self.facts)
        if self.ratio is not None:
            facts |= {f"Effective sample, {arm}": ess for arm, _, ess, _ in self.coverage}
        if self.outside:
            facts["Population rows outside the trial's range"] = self.outside
        for term, value in zip(self.terms, self.in_trial, strict=True):
            facts[f"In the trial, {term}"] = float(value)
        return facts

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "population_rows": self.population_rows, "comparison": self.comparison}

    def means(self, *, vcov: Any = None) -> PopulationMeans:
        """Means of the population's outcome in every arm, with their joint covariance.

        Parameters
        ----------
        vcov : str or mapping, optional
            That of the effects by default.

        Returns
        -------
        PopulationMeans
            Functions of them come from `transform`.
        """
        design = self._need_rows("means of the arms")
        if self.outcomes is None:
            raise NotIdentifiedError("a saved fit leaves the means of the arms out; fit again.")
        from statinf.shifts.table import TRANSPORT

        own = self._undrawn_kind
        kind = own if vcov is None and own != "none" else vcov
        return PopulationMeans.of(design, self.outcomes, kind, method=TRANSPORT[self.method])

    def overlap(self) -> Any:
        """How many rows of each arm the weights leave.

        Returns
        -------
        data frame
            Columns arm, rows, ess (effective sample size), largest_share (of one row, of all weight). Balance of the
            covariates is `fit.ratio.diagnostics()`.
        """
        import pandas as pd

        if self.ratio is None:
            raise NotIdentifiedError(
                f"'{self.method}' uses no weights; use 'ipw' or 'aipw' to see how many rows they leave."
            )
        return to_caller(pd.DataFrame(list(self.coverage), columns=["arm", "rows", "ess", "largest_share"]), self.kind)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure: "coefficients", effects with intervals, or "balance", covariates before and after weighting."""
        if kind != "balance":
            return super().plot(kind, **options)
        if self.ratio is None:
            raise NotIdentifiedError(f"'{self.method}' uses no weights, which could balance covariates.")
        return self.ratio.plot(**options)


def compared(means: np.ndarray, comparison: str) -> tuple[np.ndarray, np.ndarray]:
    """Comparisons (k - 1,) of means (k,) with the first, and their slopes (k - 1, k).

    Raises
    ------
    NotIdentifiedError
        If a ratio's denominator is zero, or odds are asked of means that are no probabilities.
    """
    base, others = means[0], means[1:]
    slope = np.zeros((len(others), len(means)))
    at = np.arange(len(others))
    if comparison == "difference":
        slope[:, 0], slope[at, at + 1] = -1.0, 1.0
        return others - base, slope
    if comparison == "log_odds":
        if ((means <= 0.0) | (means >= 1.0)).any():
            raise NotIdentifiedError("comparison='log_odds' needs means strictly between 0 and 1.")
        slope[:, 0], slope[at, at + 1] = -1.0 / (base * (1.0 - base)), 1.0 / (others * (1.0 - others))
        return np.log(others / (1.0 - others)) - np.log(base / (1.0 - base)), slope
    if base == 0.0:
        raise NotIdentifiedError(f"comparison={comparison!r}: the mean of the reference arm is zero.")
    slope[:, 0], slope[at, at + 1] = -others / base**2, 1.0 / base
    return others / base - (1.0 if comparison == "lift" else 0.0), slope


def trial_estimates(
    trial: Trial, means: list[Mean], comparison: str, ratio: Weights | None
) -> tuple[Estimate, Estimate]:
    """The effects and the arms' means behind them, with the influence of the rows of both samples."""
    long = max(len(m.on_target) for m in means)
    source = np.column_stack([m.on_source for m in means])
    target = np.column_stack([np.append(m.on_target, np.zeros(long - len(m.on_target))) for m in means])
    theta = np.array([m.value for m in means])
    effects, slope = compared(theta, comparison)
    names = [f"{trial.treatment}[{name}]" for name in trial.names]
    terms = (trial.treatment,) if trial.k == 2 else tuple(names[1:])
    made = trial.design
    return (
        _estimate(made, terms, effects, source @ slope.T, target @ slope.T, ratio),
        _estimate(made, tuple(names), theta, source, target, ratio),
    )


def _estimate(
    design: Design,
    terms: tuple[str, ...],
    theta: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    ratio: Weights | None,
) -> Estimate:
    present = design.weights > 0
    nobs = int(np.count_nonzero(present))
    # Rows of either sample enter as scores with a bread of one; the population is a sample of its own.
    moments = Moments(source, np.eye(len(theta)), nobs, float(nobs - 1), outside=target, present=present)
    return Estimate(
        terms=terms,
        theta=theta,
        moments=moments,
        df_resid=np.inf,
        covary=partial(stacked, design, moments, ratio=ratio),
    )
