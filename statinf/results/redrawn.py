"""Rows or clusters that are drawn, and the data frames that draws make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.frame import Frame
from statinf.formula.native_rows import native_rows
from statinf.inference.weights import draw


@dataclass(frozen=True, eq=False)
class DrawnUnits:
    """What is drawn: codes (n,) of each row's unit, the number of units, and the stratum (count,) of each, or None."""

    codes: np.ndarray
    count: int
    stratum: np.ndarray | None

    @classmethod
    def of(cls, frame: Frame, cluster: str | None, strata: str | None) -> DrawnUnits:
        codes = np.arange(frame.n) if cluster is None else complete_codes(frame, cluster, "cluster")
        count = int(codes.max()) + 1
        if count < 2:
            raise DataError(f"cluster='{cluster}' makes one group of all rows; there is nothing to redraw.")
        if strata is None:
            return cls(codes, count, None)
        values = complete_codes(frame, strata, "strata")
        stratum = np.zeros(count, np.intp)
        stratum[codes] = values
        if (stratum[codes] != values).any():
            raise DataError(
                f"strata='{strata}' varies within groups of cluster='{cluster}'; strata are of whole groups."
            )
        return cls(codes, count, stratum)

    def weights(self, kind: str, start: int, stop: int, seed: int) -> np.ndarray:
        """Weights of the units in some replicas, shape (stop - start, count)."""
        if self.stratum is None:
            return draw(kind, self.count, start, stop, seed)
        out = np.empty((stop - start, self.count))
        for h in range(int(self.stratum.max()) + 1):
            inside = np.flatnonzero(self.stratum == h)
            # A stream of its own for each stratum.
            out[:, inside] = draw(kind, len(inside), start, stop, seed + 7919 * (h + 1))
        return out


def redrawn(frame: Frame, units: DrawnUnits, counts: np.ndarray, cluster: str | None) -> Any:
    """A data frame of the caller's kind with each unit as often as it was drawn."""
    import narwhals as nw

    times = counts.astype(np.intp)
    order = np.argsort(units.codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(units.codes, minlength=units.count))])
    drawn = np.repeat(np.arange(units.count), times)
    rows = (
        order[drawn]
        if units.count == frame.n
        else np.concatenate([order[starts[u] : starts[u + 1]] for u in drawn.tolist()])
    )
    out = native_rows(frame, rows)
    if frame.kind == "pandas":
        # Labels occur as often as their rows were drawn, and a column is given back by label.
        out = out.reset_index(drop=True)
    if cluster is not None:
        sizes = np.diff(starts)[drawn]
        copy = np.repeat(np.arange(len(drawn)) - np.searchsorted(drawn, drawn), sizes)
        if frame.kind == "pandas":
            out = out.assign(**{cluster: _apart(nw.from_native(out[cluster], series_only=True), copy, nw).to_native()})
        else:
            table = nw.from_native(out, eager_only=True)
            out = table.with_columns(_apart(table[cluster], copy, nw)).to_native()
    return out


def _apart(column: Any, copy: np.ndarray, nw: Any) -> Any:
    """A cluster column whose copies are told apart."""
    if not copy.any():
        return column
    if column.dtype.is_numeric():
        values = np.asarray(column.to_numpy(), np.float64)
        width = np.floor(np.nanmax(values)) - np.floor(np.nanmin(values)) + 1.0
        made = values + copy * width
        made = made.astype(np.int64) if column.dtype.is_integer() else made
        return nw.new_series(column.name, made, backend=column.implementation)
    values = [f"{v} ({k + 1})" if k else str(v) for v, k in zip(column.to_list(), copy.tolist(), strict=True)]
    return nw.new_series(column.name, values, nw.String, backend=column.implementation)


def complete_codes(frame: Frame, name: str, option: str) -> np.ndarray:
    """Codes from 0 of a column's values, shape (n,)."""
    if not isinstance(name, str):
        raise OptionError(f"{option}={name!r} is the name of a column.")
    frame.require(name)
    found = frame.categories(name).codes
    if (found < 0).any():
        raise DataError(
            f"column '{name}' is missing in {int((found < 0).sum())} rows (first: {int(np.argmax(found < 0))})."
        )
    return np.unique(found, return_inverse=True)[1]
