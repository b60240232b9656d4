"""From frames to rows of renewable regressions: outcomes as columns, and the group of each row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula import Design
from statinf.formula.blocks import add_counts, check_levels, counted, listed_causes, refuse_infinite
from statinf.stochastic.regression_reader import RegressionReader
from statinf.stochastic.renewal_state import GroupRows


@dataclass(frozen=True, kw_only=True)
class RenewableReader(RegressionReader):
    """Rows of a regression whose columns stay as they are.

    Parameters
    ----------
    by : str or None
        Column of groups.
    groups : tuple
        Their labels so far, in the order in which they came.
    classes : tuple
        Levels of an outcome of categories.
    """

    by: str | None = None
    groups: tuple[Any, ...] = ()
    classes: tuple[Any, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*super().columns, *([self.by] if self.by else []))

    @property
    def width(self) -> int:
        """Predictions a row."""
        return max(len(self.classes) - 1, 1)

    def of_design(self, design: Design) -> tuple[GroupRows, dict[str, int], RenewableReader]:
        """Rows of a table that is in memory, the rows lost, and the reader of further rows."""
        part = design.part("covariates")
        assert part is not None
        y, w = self._shifted(design.y, design.weights, design.offset)
        found = None if self.by is None else _groups(design.frame, self.by)
        codes, levels = (np.zeros(design.n, np.int64), (0,)) if found is None else (found[0][design.rows], found[1])
        return self._made(part.values, y, w, codes, levels, w != 0.0, dict(design.dropped), False)

    def block(
        self, table: Any, weights: np.ndarray | None = None, *, strict: bool = False
    ) -> tuple[GroupRows, dict[str, int], RenewableReader]:
        """Rows of a block of a stream, the rows lost, and the reader of the next block."""
        new = self.recipe.new_rows(table, response=True, warn=False)
        check_levels(self.recipe, new)
        y, w = np.asarray(new.response, np.float64), self._weights(new, weights)
        if self.classes:
            self._check_classes(y, w)
            y = np.where(y == -1.0, np.nan, y)
        else:
            refuse_infinite(self.recipe, new, y, w == 0.0)
        y, w = self._shifted(y, w, new.offset)
        lost = {
            f"{self.recipe.response[0]} is missing": np.isnan(y) & new.ok & (w != 0.0),
            f"{self.weights or 'weights'} is missing": np.isnan(w) & new.ok,
        }
        dropped = counted(self.recipe, new, w == 0.0) | {cause: int(rows.sum()) for cause, rows in lost.items()}
        codes, levels = np.zeros(new.n, np.int64), (0,)
        if self.by is not None:
            codes, levels = _groups(new.frame, self.by)
        ok = new.ok & ~np.isnan(y) & ~np.isnan(w) & (w != 0.0)
        return self._made(new.part("covariates").values, y, w, codes, levels, ok, dropped, strict)

    def _made(
        self, x: np.ndarray, y: np.ndarray, w: np.ndarray, codes: np.ndarray, levels: tuple[Any, ...], ok: np.ndarray,
        dropped: dict[str, int], strict: bool,
    ) -> tuple[GroupRows, dict[str, int], RenewableReader]:  # fmt: skip
        gone = ok & (codes < 0)
        dropped = add_counts(dropped, {f"{self.by} is missing": int(gone.sum())})
        dropped = {cause: count for cause, count in dropped.items() if count}
        if strict and dropped:
            raise DataError(f"na_action='raise' and rows cannot be used: {listed_causes(dropped)}.")
        ok = ok & ~gone
        x, y, w, codes = x[ok], y[ok], w[ok], codes[ok]
        self._check_outcome(y)
        known = {label: i for i, label in enumerate(self.groups)}
        numbers = np.full(len(levels), -1, np.int64)
        for code in dict.fromkeys(codes.tolist()):  # in the order in which they come
            numbers[code] = known.setdefault(levels[code], len(known))
        Y = y[:, None] if not self.classes else (y[:, None] == np.arange(1, len(self.classes))).astype(float)
        rows = GroupRows(np.ascontiguousarray(x, np.float64), Y, w, numbers[codes])
        return rows, dropped, replace(self, groups=tuple(known))

    def _check_classes(self, y: np.ndarray, w: np.ndarray) -> None:
        unseen = (y == -2.0) & (w != 0.0)
        if unseen.any():
            name = self.recipe.response[0]
            raise DataError(
                f"{int(unseen.sum())} outcomes are classes of '{name}' that the rows which the formula was read on do not "
                f"have. Give all its levels at the fit: levels={{{name!r}: [...]}}."
            )


def _groups(frame: Any, name: str) -> tuple[np.ndarray, tuple[Any, ...]]:
    frame.require(name)
    found = frame.categories(name)
    return found.codes.astype(np.int64), tuple(found.levels)
