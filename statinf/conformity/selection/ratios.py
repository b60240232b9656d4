"""Density ratios of labelled and new rows: the population that new rows come from, over that of the labelled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.selection.ratio_model import fitted_ratios
from statinf.conformity.shift import Ratio, calibration_ratio, read_ratio
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import Frame
from statinf.formula.given import aligned


@dataclass(frozen=True, repr=False)
class Ratios(Brief):
    """A ratio that can be taken at any row, or its values at the rows of both samples.

    Attributes
    ----------
    ratio : Ratio or None
    pair : tuple or None
        One value per row of data, and one per row of newdata.
    formula : str or None
        Covariates of a logistic regression that the pair is made by: see `settled`.
    """

    ratio: Ratio | None = None
    pair: tuple[Any, Any] | None = None
    formula: str | None = None

    def settled(self, data: Any, newdata: Any, context: Mapping[str, Any] | None, seed: int) -> Ratios:
        """The same, fitted to both samples where it is a formula."""
        if self.formula is None:
            return self
        return replace(self, pair=fitted_ratios(self.formula, data, newdata, context, seed))

    @property
    def condition(self) -> str:
        """What the bound on the false discovery rate needs of the ratio, in words."""
        return (
            "if the density ratio is right" if self.formula is None else "as far as the fitted density ratio is right"
        )

    def of_labelled(self, data: Any, d: Design, rows: np.ndarray) -> np.ndarray:
        """Ratios at some of the labelled rows used, shape (k,).

        Raises
        ------
        DataError
            If one is negative or missing, or all are zero.
        """
        if self.ratio is not None:
            return calibration_ratio(self.ratio, d, data, rows)
        assert self.pair is not None
        found = _given(self.pair[0], d.frame, d.n_total, "data")[d.rows[rows]]
        if np.isnan(found).any():
            raise DataError(f"weights: {int(np.isnan(found).sum())} density ratios of labelled rows are missing.")
        if not found.any():
            raise DataError("The density ratio is zero at every calibration row; source and target do not overlap.")
        return found

    def of_new(self, newdata: Any, frame: Frame, rows: np.ndarray) -> np.ndarray:
        """Ratios at some of the new rows, shape (k,); NaN where missing.

        Raises
        ------
        DataError
            If one is negative or zero: such a row could not be drawn from the population that it is drawn from.
        """
        if self.ratio is not None:
            found = self.ratio.at(newdata, rows)
        else:
            assert self.pair is not None
            found = _given(self.pair[1], frame, frame.n, "newdata")[rows]
        zero = found == 0.0
        if zero.any():
            raise DataError(
                f"weights: {int(zero.sum())} new rows have a density ratio of zero (first: row {int(rows[zero][0])}), as if "
                "they were not from the target population."
            )
        return found


def read_ratios(weights: Any) -> Ratios | None:
    """What `weights=` holds.

    Raises
    ------
    OptionError
        If it cannot be taken at the rows of both samples.
    """
    if weights is None:
        return None
    if isinstance(weights, tuple) and len(weights) == 2:
        return Ratios(pair=weights)
    if isinstance(weights, str) and "~" in weights:
        return Ratios(formula=weights)
    try:
        return Ratios(read_ratio(weights))
    except OptionError as error:
        raise OptionError(
            f"{error} Or give a formula, '~ x1 + x2', or a pair of arrays, (those of data, those of newdata)."
        ) from None


def _given(values: Any, frame: Frame, n: int, which: str) -> np.ndarray:
    try:
        found = np.asarray(aligned(values, frame, "weights"), np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"weights of {which} hold values that are no numbers.") from None
    if found.shape != (n,):
        raise DataError(f"weights of {which} have shape {found.shape}; one per row, ({n},), is needed.")
    if (found < 0).any() or np.isinf(found).any():
        raise DataError(f"weights of {which} hold negative or infinite values; density ratios are positive.")
    return found
