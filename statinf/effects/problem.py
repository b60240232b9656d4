"""What every method of `effect` gets: the rows, whose average is meant, and the seed of all that is random."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.effects.rows import EffectRows


@dataclass(frozen=True)
class EffectProblem:
    """An average effect to be estimated.

    Attributes
    ----------
    rows : EffectRows
        Outcome, treatment with any number of arms, covariates, weights, groups and clusters.
    estimand : str
        "ATE", "ATT", "ATC" or "ATO".
    seed : int
    progress : bool or None
    """

    rows: EffectRows
    estimand: str = "ATE"
    seed: int = 0
    progress: bool | None = None
