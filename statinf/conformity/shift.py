"""Covariate shift: where the density ratio of calibration and new rows comes from.

Tibshirani, Barber, Candes and Ramdas (2019, arXiv 1904.06019): with w = dQ_X / dP_X up to a constant, scores weighted
by w and a point mass w(x) at infinity keep coverage on the target population Q.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import as_frame
from statinf.formula.given import aligned


@dataclass(frozen=True)
class Ratio:
    """A density ratio target/source that can be taken at any rows.

    Attributes
    ----------
    source : object
        A `Weights` with `score`, a function of a data frame, or a column name.
    """

    source: Any = field(metadata={"saved": False})

    def at(self, data: Any, rows: np.ndarray | None = None) -> np.ndarray:
        """Ratios at the rows of a frame, or some of them; NaN where it is not known.

        Raises
        ------
        DataError
            If ratios are negative, infinite or fewer than the rows.
        """
        if self.source is None:
            raise DataError("The density ratio was not saved with the fit; fit again to predict.")
        # A `Weights` reads the rows itself; a function of a data frame may use any column.
        needed = [self.source] if isinstance(self.source, str) else [] if hasattr(self.source, "score") else None
        frame = as_frame(data, needed)
        if isinstance(self.source, str):
            frame.require(self.source)
            values, what = frame.column(self.source).values, f"weights column '{self.source}'"  # type: ignore[union-attr]
        elif hasattr(self.source, "score"):
            values, what = self.source.score(data), "weights.score(data)"
        else:
            values, what = self.source(frame.native), "the function given as weights"
        values = np.asarray(aligned(values, frame, what), np.float64).reshape(-1)
        if len(values) != frame.n:
            raise DataError(f"{what} gave {len(values)} values for {frame.n} rows; one per row is needed.")
        values = values if rows is None else values[rows]
        bad = np.flatnonzero((values < 0) | np.isinf(values))
        if len(bad):
            first = int(bad[0] if rows is None else rows[bad[0]])
            raise DataError(f"{what}: {len(bad)} density ratios are negative or infinite (first at row {first}).")
        return values


def read_ratio(weights: Any) -> Ratio | None:
    """What `weights=` means here: a density ratio, not a weight of rows in the model's fit.

    Raises
    ------
    OptionError
        If it cannot be taken at new rows.
    """
    if weights is None:
        return None
    if isinstance(weights, str) or hasattr(weights, "score") or isinstance(weights, Callable):
        return Ratio(weights)
    raise OptionError(
        "weights= is a density ratio here and is needed at new rows too: give a Weights from si.density_ratio, "
        f"a function of a data frame, or a column name; got {type(weights).__name__}."
    )


def calibration_ratio(ratio: Ratio, d: Design, data: Any, rows: np.ndarray) -> np.ndarray:
    """Ratios at the calibration rows, numbers into the rows of the design.

    Raises
    ------
    DataError
        If one is missing, or none is positive.
    """
    values = ratio.at(data, d.rows[rows])
    if np.isnan(values).any():
        first = int(d.rows[rows][np.isnan(values)][0])
        raise DataError(
            f"The density ratio is missing at {int(np.isnan(values).sum())} calibration rows (first: row {first})."
        )
    if not (values > 0).any():
        raise DataError("The density ratio is zero at every calibration row; source and target do not overlap.")
    return values


def effective_size(weights: np.ndarray) -> float:
    """Rows that equal weights would need for the same precision: (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / np.square(weights).sum())
