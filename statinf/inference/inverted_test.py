"""Answers of tests whose draws are known for every null value: what they do not reject is a confidence set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.inversion import NullDraws


@dataclass(frozen=True, repr=False, kw_only=True)
class InvertedTest(Finding):
    """A test with an interval made of all values that it does not reject.

    Attributes
    ----------
    hypothesis : str
    statistic : float
    p_value : float
    side : {"two-sided", "less", "greater"}
        Alternative.
    interval : {"symmetric", "equal-tailed"}
        How two-sided p-values and limits are made.
    conf_low, conf_high : float
        Outermost values that are not rejected.
    level : float
    estimate, null : float
        What is tested, and its value under the null hypothesis.
    draws : int
    enumerated : bool
        Whether the draws are all there are, so that nothing is random.
    seed : int
    null_draws : NullDraws or None
    """

    hypothesis: str
    statistic: float
    p_value: float
    side: str
    interval: str
    conf_low: float
    conf_high: float
    level: float
    estimate: float
    null: float
    draws: int
    enumerated: bool
    seed: int
    null_draws: NullDraws | None = field(default=None, repr=False)

    def _answered(self, what: str) -> NullDraws:
        if self.null_draws is None:
            raise NotIdentifiedError(f"{what} are for one restriction; '{self.hypothesis}' has several.")
        return self.null_draws

    def conf_set(self, level: float = 0.95) -> list[tuple[float, float]]:
        """The values that are not rejected at one less the level, as ascending intervals: usually one."""
        made = self._answered("confidence sets").confidence_set(check_level(level), self.side, self.interval)
        return [(self.estimate - high, self.estimate - low) for low, high in reversed(made)]

    def conf_int(self, level: float = 0.95) -> Any:
        """Outermost values that are not rejected at one less the level: one row with conf_low and conf_high."""
        import pandas as pd

        low, high = outermost(self.conf_set(level))
        return to_caller(pd.DataFrame({"conf_low": [low], "conf_high": [high]}), self.frame_kind)

    def p_values(self, null: Any) -> np.ndarray:
        """P-values of other null values, from the same draws.

        Parameters
        ----------
        null : array of shape (m,)

        Returns
        -------
        ndarray, shape (m,)
        """
        found = self._answered("p-values of other values")
        try:
            values = np.atleast_1d(np.asarray(null, dtype=np.float64))
        except (TypeError, ValueError):
            raise OptionError(f"null={null!r} takes numbers.") from None
        return np.array([found.p_value(self.estimate - v, self.side, self.interval) for v in values])


@dataclass(frozen=True, repr=False, kw_only=True)
class WildTest(InvertedTest):
    """A wild bootstrap test of linear restrictions.

    Attributes
    ----------
    statistic : float
        t of one restriction, F (Wald over the number of restrictions) of several, with the variance of the type.
    p_value : float
        Share of the draws that are more extreme than the sample.
    p_value_with_ties : float
        The share with draws that equal the sample's statistic. Among all sign changes the sample itself and its mirror image
        do: with few clusters a p-value of zero says that the sample is the most extreme of them, and no more than that.
    df : int
        Number of restrictions; for several estimate, null and limits are NaN.
    restricted : bool
        Whether the null hypothesis was imposed on the residuals.
    law : str
        Of the random numbers.
    type : str
        What is done to residuals before they are multiplied, and in the variance; see `statinf.inference.wild`.
    clusters : int
        Clusters that are drawn; rows without clusters.
    by : str
        The column of the clusters; empty for rows.
    """

    p_value_with_ties: float
    df: int
    restricted: bool
    law: str
    type: str
    clusters: int
    by: str

    def __str__(self) -> str:
        name = f"t = {self.statistic:.6g}" if self.df == 1 else f"F = {self.statistic:.6g} of {self.df} restrictions"
        side = "" if self.side == "two-sided" else f" ({self.side})"
        drawn = f"all {self.draws} sign changes" if self.enumerated else f"{self.draws} draws, {self.law}"
        units = f"{self.clusters} clusters of {self.by}" if self.by else f"{self.clusters} rows"
        how = "null imposed" if self.restricted else "null not imposed"
        ties = f" ({self.p_value_with_ties:.4g} with ties)" if self.p_value_with_ties > self.p_value else ""
        said = f"{self.hypothesis}: {name}, p = {self.p_value:.4g}{ties}{side}"
        if self.df == 1:
            said += f", {100 * self.level:g}% interval [{self.conf_low:.6g}, {self.conf_high:.6g}]"
        return f"{said}\nWild bootstrap, {how}, type {self.type}: {drawn}, {units}."


@dataclass(frozen=True, repr=False, kw_only=True)
class RandomizationTest(InvertedTest):
    """A test of the sharp null hypothesis that a treatment adds the same number to every row's outcome.

    Attributes
    ----------
    statistic : float
        Studentised estimate less its null value, or the difference itself.
    p_value : float
        Share of the assignments, the one that happened among them, whose statistic is at least as extreme.
    studentized : str
        The covariance of the statistic; empty where the estimate itself is compared.
    design : str
        How the treatment was assigned, in words.
    units : int
        Rows or clusters that are assigned.
    """

    studentized: str
    design: str
    units: int

    def __str__(self) -> str:
        name = f"t = {self.statistic:.6g} ({self.studentized})" if self.studentized else f"estimate {self.estimate:.6g}"
        drawn = f"all {self.draws} assignments" if self.enumerated else f"{self.draws} random assignments"
        side = "" if self.side == "two-sided" else f" ({self.side})"
        return (
            f"{self.hypothesis}: {name}, p = {self.p_value:.4g}{side}, {100 * self.level:g}% interval "
            f"[{self.conf_low:.6g}, {self.conf_high:.6g}]\nRandomisation test, {self.design}: {drawn} of {self.units} units."
        )


def outermost(pieces: list[tuple[float, float]]) -> tuple[float, float]:
    """The least and the greatest number of a union of intervals; NaN for an empty one."""
    return (pieces[0][0], pieces[-1][1]) if pieces else (np.nan, np.nan)
