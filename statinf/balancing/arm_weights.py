"""`MultiArmWeights`: weights for several arms, with the balance of all their pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from statinf.balancing.balanced import Balanced
from statinf.balancing.pairs import (
    SD,
    SIZE_HEADS,
    Contrasted,
    arm_sizes,
    binary_columns,
    check_shown,
    denominator_notes,
    extremes,
    pair_frame,
    size_cells,
)
from statinf.balancing.treatment import plain_level
from statinf.errors import one_of
from statinf.internal import internal
from statinf.numerics.discrepancy.imbalance import arm_denominators
from statinf.results import Table, Weights, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultiArmWeights(Balanced):
    """Weights that balance several treatment arms.

    Propensity methods keep the scale h / P(own arm); the others have mean one in each arm (over the sampling weights), within
    each group of `by=`.

    Attributes
    ----------
    arm : ndarray of int, shape (n,)
        Position of each row's arm among `levels`.
    levels : tuple
        Values of the treatment, the reference first.
    focal : int or None
        Position of the arm that counts as treated.
    propensity : ndarray, shape (n, arms), optional
        Probability of each arm.
    """

    arm: np.ndarray
    levels: tuple[Any, ...]
    focal: int | None = None
    propensity: np.ndarray | None = None

    @property
    @internal
    def certified_as(self) -> tuple[str, ...]:
        return ("arms",)

    @property
    @internal
    def labels(self) -> list[str]:
        """The levels as text."""
        return [plain_level(level) for level in self.levels]

    def _masks(self) -> Iterator[tuple[str, np.ndarray]]:
        return ((label, self.arm == k) for k, label in enumerate(self.labels))

    def sizes_frame(self) -> Any:
        """`sizes` as a pandas frame."""
        return arm_sizes(list(self._masks()), self.sampling, self.values)

    def diagnostics(self, *, denominator: str | None = None, binary: str = "std", by_group: bool = False) -> Any:
        """Balance of every column between every two arms, before and after weighting.

        Parameters
        ----------
        denominator : {"treated", "control", "pooled", "all", "weighted"}, optional
            Standard deviation behind the standardised mean difference, the same before and after, and for all pairs. By
            default that of the target: the treated arm for ATT, the reference for ATC, for ATE all arms pooled (the root of
            the mean of their variances), the weighted sample otherwise (as R cobalt). A column that does not vary there takes
            the next wider one, and the column `denominator` says so.
        binary : {"std", "raw"}
            Whether 0/1 columns are standardised too, or shown as differences in proportion.
        by_group : bool
            One block a group of `by=`.

        Returns
        -------
        data frame
            Columns arm, reference, term, type, denominator, smd_before, smd_after, variance_ratio_before,
            variance_ratio_after, ks_before, ks_after, mean_arm, mean_reference (after), and group with `by_group`.
        """
        return to_caller(self.balance_frame(denominator=denominator, binary=binary, by_group=by_group), self.kind)

    def balance_frame(self, *, denominator: str | None = None, binary: str = "std", by_group: bool = False) -> Any:
        """`diagnostics` as a pandas frame."""
        kind = check_shown(self.estimand, denominator, binary)
        if kind == "treated" and self.focal is None:
            one_of("denominator", kind, tuple(k for k in SD if k != "treated"))
        return self._blocks(by_group, lambda rows: self._block(rows, kind, binary))

    def _block(self, rows: np.ndarray, kind: str, binary: str) -> Any:
        import pandas as pd

        assert self.columns is not None
        positive = self.sampling > 0
        used = rows & positive
        columns = replace(self.columns, values=self.columns.values[rows[positive]])
        arm, s, w = self.arm[used], self.sampling[used], self.values[used]
        given = arm_denominators(columns.values, arm, s, w, kind, self.focal or 0, len(self.levels))
        flags, labels, blocks = binary_columns(columns), self.labels, []
        for low, high in combinations(range(len(labels)), 2):
            pair = (arm == low) | (arm == high)
            some = replace(columns, values=columns.values[pair])
            block = pair_frame(some, Contrasted(arm[pair] == high, s[pair], w[pair]), kind, binary, flags, given)
            block.insert(0, "reference", labels[low])
            block.insert(0, "arm", labels[high])
            blocks.append(block)
        found = pd.concat(blocks, ignore_index=True)
        return found.rename(columns={"mean_treated": "mean_arm", "mean_control": "mean_reference"})

    def compared(self) -> Any:
        """Balance before and after, one line per column and pair of arms."""
        frame = self.balance_frame()
        label = frame["term"] + ": " + frame["arm"] + " - " + frame["reference"]
        return frame.assign(term=label, before=frame["smd_before"], after=frame["smd_after"])

    def score(self, newdata: Any) -> np.ndarray:
        """The weight that each new row would get from the fitted propensities and its own arm, shape (rows,)."""
        if self.coef is None or self.recipe is None:
            return Weights.score(self, newdata)
        from statinf.balancing.arm_scores import scores

        return scores(self, newdata)

    def summary(self) -> Table:
        """Sizes before and after, the largest weights, and the worst balance of any two arms."""
        roles = {0: "reference"} | ({self.focal: "treated"} if self.focal else {})
        rows = []
        for k, (label, mask) in enumerate(self._masks()):
            name = f"{self.treatment} = {label}{f' ({roles[k]})' if k in roles else ''}"
            rows.append((name, *size_cells(self.sampling[mask], self.values[mask])))
        estimand = self.estimand
        if estimand in ("ATT", "ATC"):
            estimand += f" ({self.treatment} = {self.labels[self.focal or 0 if estimand == 'ATT' else 0]})"
        facts = [("Formula", self.formula), ("Estimand", estimand), ("Solver residual", f"{self.residual:.1e}")]
        notes = [f"Method: {self.citation}." if self.citation else "", "Weights relative to their arm's mean."]
        if self.columns is not None:
            frame = self.balance_frame()
            facts += extremes(frame)
            said = SD | {
                "control": "the reference",
                "pooled": "all arms pooled, the root of the mean of their variances",
            }
            notes += denominator_notes(frame, self.estimand, said)
        notes += self._closing_notes()
        title = f"Balancing weights: {self.method}, {len(self.levels)} arms"
        return Table(SIZE_HEADS, tuple(rows), title=title, facts=tuple(facts), notes=tuple(n for n in notes if n))

    def plot(self, kind: str = "love", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"love", "weights"}
            Absolute standardised differences before and after, one panel for every two arms, or histograms of the weights by
            arm. Options of the first: `pairs="largest"` for one panel with the largest difference of any two arms,
            `threshold=`, `order=`, `denominator=`, `binary=`.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        from statinf.plotting.balance import love_panels, weight_histogram

        one_of("kind", kind, ("love", "weights"))
        if kind == "weights":
            return weight_histogram(self.values, dict(self._masks()), **options)
        picked = {k: options.pop(k) for k in ("denominator", "binary") if k in options}
        frame = self.balance_frame(**picked)
        panels = {
            f"{arm} against {reference}": (block["smd_before"].to_numpy(), {self.method: block["smd_after"].to_numpy()})
            for (arm, reference), block in frame.groupby(["arm", "reference"], sort=False)
        }
        return love_panels(list(dict.fromkeys(frame["term"])), panels, **options)
