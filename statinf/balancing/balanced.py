"""What balancing weights of every kind of treatment share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.balancing.columns import BalanceColumns
from statinf.errors import DataError, OptionError
from statinf.formula.recipe import Recipe
from statinf.internal import internal
from statinf.results import Weights, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Balanced(Weights):
    """Weights that balance covariates.

    `values` hold the sampling weights multiplied in.

    Attributes
    ----------
    sampling : ndarray, shape (n,)
        Sampling weights.
    columns : BalanceColumns
        Those of the balance table on rows of positive sampling weight, every level of a factor among them; not saved.
    names : tuple of str
    treatment : str
        Treatment column.
    level_note : str
        What the summary says where the order of the values alone decided which is treated, or the reference.
    aliases : ndarray, shape (k, p + 1 - k), optional
        How the k columns that have a coefficient make the others.
    coef : ndarray, shape (p + 1,) or (arms - 1, p + 1), optional
        Coefficients of the treatment's model on the formula's columns, intercept first; NaN where aliased.
    details : mapping
        Numbers of the method: multipliers, tolerances, bandwidth, objective, J statistic. With `by`, one a group.
    iterations : int
    residual : float
        What the solver left: the largest imbalance in standard deviations, or its optimality residual.
    groups : ndarray of int, shape (n,), optional
        Codes of the groups of `by=`.
    group_names : tuple of str
    treated_as_fixed : str
        Why standard errors downstream treat the weights as known; empty where they do not.
    solver : callable, optional
        Solves again for other sampling weights, shape (B, n); not saved.
    """

    sampling: np.ndarray
    columns: BalanceColumns | None = field(default=None, metadata={"saved": False})
    names: tuple[str, ...] = ()
    treatment: str = ""
    level_note: str = ""
    coef: np.ndarray | None = None
    aliases: np.ndarray | None = None
    recipe: Recipe | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 0
    residual: float = 0.0
    groups: np.ndarray | None = None
    group_names: tuple[str, ...] = ()
    treated_as_fixed: str = ""
    solver: Any = field(default=None, metadata={"saved": False})

    beside = ("values", "ess", "sizes", "diagnostics")
    measure: ClassVar[str] = "SMD"
    """What the balance table compares."""

    def sizes(self) -> Any:
        """Rows and effective sample sizes before and after weighting, in the caller's kind of frame."""
        return to_caller(self.sizes_frame(), self.kind)

    @internal
    def balance_frame(self, **options: Any) -> Any:
        """`diagnostics` as a pandas frame."""
        raise NotImplementedError

    @internal
    def compared(self) -> Any:
        """Balance before and after as a pandas frame: `term`, `before`, `after`, `denominator`, one line each."""
        frame = self.balance_frame()
        return frame.assign(before=frame["smd_before"], after=frame["smd_after"])

    @internal
    def sizes_frame(self) -> Any:
        """`sizes` as a pandas frame."""
        raise NotImplementedError

    @internal
    def size_labels(self) -> list[str]:
        """What a table of several weightings calls the effective sizes of `sizes`."""
        return [f"ESS {label}" for label in self.sizes_frame().iloc[:, 0]]

    def _blocks(self, by_group: bool, block: Any) -> Any:
        """`block` of all rows, a function of a mask (n,) to a frame, or one after the other for every group."""
        import pandas as pd

        if self.columns is None:
            raise DataError("the balance table needs the rows, which saved weights leave out; balance again.")
        if not by_group:
            return block(np.ones(len(self.values), dtype=bool))
        if self.groups is None:
            raise OptionError("by_group=True needs weights made with by=.")
        blocks = []
        for code, name in enumerate(self.group_names):
            one = block(self.groups == code)
            one.insert(0, "group", name)
            blocks.append(one)
        return pd.concat(blocks, ignore_index=True)

    def _closing_notes(self) -> list[str]:
        """The last lines of every summary."""
        notes = [self.level_note, self.dropped_note()]
        if self.treated_as_fixed:
            notes.append(f"Standard errors downstream treat these weights as known: {self.treated_as_fixed}")
        return notes

    def resolve(self, multipliers: np.ndarray) -> np.ndarray:
        """Weights estimated again with every row's sampling weight multiplied, as bootstraps do.

        Parameters
        ----------
        multipliers : ndarray, shape (B, n)
            Nonnegative; one row per replica.

        Returns
        -------
        ndarray, shape (B, n)
            The multipliers are part of the weights; a replica without a solution is NaN.
        """
        if self.solver is None:
            raise DataError("weights that were saved do not hold the rows to estimate them again; balance again.")
        return self.solver(np.atleast_2d(np.asarray(multipliers, dtype=np.float64)))
