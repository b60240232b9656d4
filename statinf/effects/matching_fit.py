"""The result of `effect(method="matching")`: an average of matched differences, and who was matched with whom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.brief import Brief
from statinf.effects.effect_fit import EffectFit
from statinf.inference.vcov import VcovKinds
from statinf.results import to_caller

if TYPE_CHECKING:
    from statinf.numerics.geometry.nearest import Neighbours


@dataclass(frozen=True, repr=False)
class MatchedGroup(Brief):
    """Who stands for whom among some rows.

    Attributes
    ----------
    averaged : ndarray of int
        Rows that are averaged over.
    rows : ndarray of int
        All rows of the group, by which matches are numbered.
    near : Neighbours
        The matches of each row of `averaged`.
    """

    averaged: np.ndarray
    rows: np.ndarray
    near: Neighbours


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MatchedEffect(EffectFit):
    """Average differences between rows and their matches; tables use the normal distribution.

    The default covariance is that of Abadie and Imbens; "HC0" and clusters come from influence values, for which the
    outcome is regressed on the covariates in each arm.

    Attributes
    ----------
    sets : tuple of MatchedGroup
        Who stands for whom in each group; not saved.
    """

    sets: tuple[MatchedGroup, ...] = field(default=(), metadata={"saved": False})

    vcov_kinds = VcovKinds(
        default="AI", names=("AI", "HC0", "HC1"), robust="HC0", stacked="AI", clustered=("HC0", "HC1")
    )
    beside = ("matches", "e_value")

    def lean(self) -> Self:
        return replace(super().lean(), sets=())

    def matches(self) -> Any:
        """Every row and its matches.

        Returns
        -------
        data frame
            One row per pair: `row` and `match`, numbers of rows in the data, the `distance` between them, and `share`,
            the weight of the match among those of its row.
        """
        import pandas as pd

        design = self._need_rows("matches")
        parts = []
        for group in self.sets:
            near = group.near
            who, whom = group.averaged[near.rows], group.rows[near.points]
            w = design.weights[whom]
            total = np.bincount(near.rows, weights=w, minlength=len(group.averaged))
            parts.append(
                pd.DataFrame(
                    {
                        "row": design.rows[who],
                        "match": design.rows[whom],
                        "distance": np.sqrt(near.squared),
                        "share": w / total[near.rows],
                    }
                )
            )
        return to_caller(pd.concat(parts, ignore_index=True), self.kind)
