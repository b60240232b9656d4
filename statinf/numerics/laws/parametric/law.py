"""What a parametric family of outcomes is: its scores in unconstrained parameters, and its law in the usual ones.

A score is computed in units in which outcomes are near zero and of size one; `LawUnits` carries both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import OptionError, nearest

ScoreFunction = Callable[..., Any]
STEEPEST = 14.0
"""Largest logarithm of a shape that a marginal law has: outcomes that hardly vary have none of their own."""


@dataclass(frozen=True)
class ScoreRule:
    """A proper score: small is good.

    Attributes
    ----------
    value : callable
        From parameters (K, n), outcomes (n,) and events (n,), one where the outcome was seen and zero where it is known to
        exceed `y`, to scores (n,).
    metric : callable or None
        From parameters to the K x K matrix, as nested tuples of (n,): for the log score Fisher's
        information, for the CRPS twice the integral of dF dF' (for counts the sum).
    natural : callable or None
        The natural gradient (K, n) itself, where it is simpler than the metric; arguments of `value`.
    """

    value: ScoreFunction
    metric: ScoreFunction | None = None
    natural: ScoreFunction | None = None


@dataclass(frozen=True)
class LawUnits:
    """How outcomes are carried to the units that scores are computed in: (y - centre) / unit, of their logarithm for
    laws of kind "log".
    """

    centre: float = 0.0
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Law:
    """A parametric family.

    Attributes
    ----------
    name : str
    parameters : tuple of str
        In the usual parametrisation, as reports name them; empty for categories, whose parameters are probabilities.
    kind : {"real", "log", "positive", "count", "classes"}
        Where outcomes lie, which decides their units.
    rules : mapping of str to ScoreRule
        By the name of the score.
    start : callable
        From outcomes, weights and events (n,) to the parameters (K,) of greatest likelihood.
    usual : callable
        From parameters (K, n) and the units to the usual ones by name.
    frozen : callable
        From the usual parameters, as a mapping, to SciPy's law of each row.
    low, high : float
        Bounds of the parameters that are logarithms: beyond, scores are those at the bound.
    bounded : tuple of bool
        Which parameters these are.
    censored : mapping of str to ScoreRule
        Scores of outcomes some of which are known to be exceeded, by name; empty where there are none.
    """

    name: str
    parameters: tuple[str, ...]
    kind: str
    rules: Mapping[str, ScoreRule]
    start: Callable[..., np.ndarray]
    usual: Callable[..., dict[str, np.ndarray]]
    frozen: Callable[..., Any] | None
    bounded: tuple[bool, ...]
    low: float = -20.0
    high: float = 20.0
    censored: Mapping[str, ScoreRule] = field(default_factory=dict)

    def rule(self, score: str, *, censored: bool = False) -> ScoreRule:
        """The score of that name, or an `OptionError` that names the ones there are."""
        if censored and not self.censored:
            raise OptionError(
                f"dist={self.name!r} takes no censored outcomes; use 'lognormal', 'weibull' or 'exponential'."
            )
        rules = self.censored if censored else self.rules
        if score not in rules:
            raise OptionError(
                f"dist={self.name!r} has no score={score!r}; choose {', '.join(map(repr, rules))}."
                f"{nearest(score, list(rules))}"
            )
        return rules[score]

    def outside(self, y: np.ndarray) -> np.ndarray:
        """Outcomes that the family cannot produce, (n,) bool."""
        if self.kind in ("log", "positive"):
            return ~(y > 0)
        if self.kind == "count":
            return (y < 0) | (y != np.round(y))
        return np.zeros(len(y), bool)

    @property
    def support(self) -> str:
        """Where outcomes lie, in words."""
        words = {"real": "numbers", "log": "positive numbers", "positive": "positive numbers"}
        return words.get(self.kind, "whole numbers of at least 0" if self.kind == "count" else "classes")

    def units(self, y: np.ndarray, w: np.ndarray) -> LawUnits:
        """LawUnits of outcomes with weights."""
        if self.kind == "real":
            centre = float(np.average(y, weights=w))
            spread = float(np.sqrt(np.average((y - centre) ** 2, weights=w)))
            return LawUnits(centre, spread if spread > 1e-14 * max(abs(centre), 1e-300) else max(abs(centre), 1.0))
        if self.kind == "log":
            return LawUnits(float(np.average(np.log(y), weights=w)))
        if self.kind == "positive":
            return LawUnits(0.0, float(np.exp(np.average(np.log(y), weights=w))))
        return LawUnits()

    def inward(self, y: np.ndarray, units: LawUnits) -> np.ndarray:
        """Outcomes in the units of scores."""
        return ((np.log(y) if self.kind == "log" else y) - units.centre) / units.unit

    def outward_score(self, values: np.ndarray, y: np.ndarray, event: np.ndarray, units: LawUnits, score: str) -> Any:
        """Scores of rows in the outcome's own units; `y` (n,) are its own units as well."""
        if score != "log":
            return values * (np.exp(units.centre) if self.kind == "log" else units.unit)
        jacobian = np.log(y) if self.kind == "log" else np.full(len(y), np.log(units.unit))
        return values + event * jacobian


def clipped(law: Law, theta: Any) -> Any:
    """Parameters (K, n) with the logarithms among them inside their bounds; for use inside a kernel."""
    import jax.numpy as jnp

    if not any(law.bounded):
        return theta
    if all(law.bounded) or len(theta) > len(law.bounded):
        return jnp.clip(theta, law.low, law.high)
    rows = [jnp.clip(t, law.low, law.high) if b else t for t, b in zip(theta, law.bounded, strict=True)]
    return jnp.stack(rows)
