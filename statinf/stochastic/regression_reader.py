"""From frames to rows of a regression, one block after the other, by what the first block taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula import Design, NewRows, Recipe
from statinf.formula.blocks import check_levels, counted, listed_causes, number_column, refuse_infinite
from statinf.stochastic.reading import StreamBlock
from statinf.stochastic.rows import StreamRows


@dataclass(frozen=True, kw_only=True)
class RegressionReader:
    """Rows of a regression: f = w z (or w x), g = x, c = y.

    Parameters
    ----------
    recipe : Recipe
    loss : str
    weights : str or None
        Weight column; "" where the caller gave an array, which later rows must bring too.
    """

    recipe: Recipe
    loss: str
    weights: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*self.recipe.columns, *([self.weights] if self.weights else []))

    @property
    def weighted(self) -> tuple[str, ...]:
        """What weights the rows have, as a fit tells it."""
        return () if self.weights is None else ("given",)

    @property
    def instruments(self) -> bool:
        return any(p.role == "instruments" for p in self.recipe.parts)

    def from_design(self, design: Design) -> StreamBlock:
        """Rows of the table of the fit, all of it in memory."""
        x, z = design.part("covariates"), design.part("instruments")
        assert x is not None
        rows = self._rows(
            x.values, None if z is None else z.values, *self._shifted(design.y, design.weights, design.offset)
        )
        present = design.weights != 0.0
        return StreamBlock(rows if present.all() else rows.some(present), dict(design.dropped))

    def read(
        self, table: Any, weights: np.ndarray | None = None, *, strict: bool = False
    ) -> tuple[StreamBlock, RegressionReader]:
        """Rows of a block, and the reader of the next block."""
        new = self.recipe.new_rows(table, response=True, warn=False)
        check_levels(self.recipe, new)
        x = new.part("covariates").values
        z = new.part("instruments").values if self.instruments else None
        y = np.asarray(new.response, np.float64)
        w = self._weights(new, weights)
        refuse_infinite(self.recipe, new, y, w == 0.0)
        y, w = self._shifted(y, w, new.offset)
        y_missing, w_missing = np.isnan(y) & new.ok, np.isnan(w) & new.ok
        # A row of weight zero is absent: it takes no step, and what it lacks is not counted.
        ok = new.ok & ~y_missing & ~w_missing & (w != 0.0)
        dropped = counted(self.recipe, new, w == 0.0) | {
            f"{self.recipe.response[0]} is missing": int((y_missing & (w != 0.0)).sum()),
            f"{self.weights or 'weights'} is missing": int(w_missing.sum()),
        }
        dropped = {cause: count for cause, count in dropped.items() if count}
        if strict and dropped:
            raise DataError(f"na_action='raise' and rows cannot be used: {listed_causes(dropped)}.")
        if not ok.all():
            x, y, w, z = x[ok], y[ok], w[ok], (None if z is None else z[ok])
        return StreamBlock(self._rows(x, z, y, w), dropped), self

    def _shifted(self, y: np.ndarray, w: np.ndarray, offset: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and weights under which the equations of rows with an offset o need none.

        Those of a Poisson loss are w (exp(u + o) - y) = w e^o (exp(u) - y e^-o).
        """
        if offset is None:
            return y, w
        if self.loss == "poisson":
            return y * np.exp(-offset), w * np.exp(offset)
        return y - offset, w

    def _weights(self, new: NewRows, weights: np.ndarray | None) -> np.ndarray:
        if self.weights is None and weights is None:
            return np.ones(new.n)
        if isinstance(weights, str):
            raise OptionError(
                f"weights={weights!r} is a name: further rows bring their weights in the column of the fit, or as an array."
            )
        if weights is not None:
            try:
                values = np.asarray(weights, np.float64)
            except (TypeError, ValueError):
                raise DataError("weights are not numbers; give one number per row.") from None
            if values.shape != (new.n,):
                raise DataError(f"weights has shape {values.shape}; give one weight a row, shape ({new.n},).")
        elif not self.weights:
            raise DataError(
                "the fit had weights as an array; give the new rows' weights too: update(rows, weights=...)."
            )
        else:
            values = number_column(new, self.weights)
        if (values < 0).any() or np.isinf(values).any():
            raise DataError(f"weights are negative or infinite in {int(((values < 0) | np.isinf(values)).sum())} rows.")
        return values

    def _rows(self, x: np.ndarray, z: np.ndarray | None, y: np.ndarray, w: np.ndarray) -> StreamRows:
        self._check_outcome(y)
        left = x if z is None else z
        return StreamRows.of(left if (w == 1.0).all() else left * w[:, None], x, y)

    def _check_outcome(self, y: np.ndarray) -> None:
        if self.loss == "logistic" and not np.isin(y, (0.0, 1.0)).all():
            bad = y[~np.isin(y, (0.0, 1.0))][0]
            raise DataError(f"loss='logistic' needs an outcome of 0 and 1; '{self.recipe.response[0]}' holds {bad:g}.")
        if self.loss == "poisson" and (y < 0.0).any():
            raise DataError(
                f"loss='poisson' needs an outcome of 0 or more; '{self.recipe.response[0]}' is negative in "
                f"{int((y < 0.0).sum())} rows."
            )


def check_instruments(design: Design) -> None:
    """Raise unless there are as many instruments as coefficients."""
    x, z = design.part("covariates"), design.part("instruments")
    if z is not None and x is not None and z.p != x.p:
        raise OptionError(
            f"the formula has {x.p} coefficients and {z.p} instruments ({', '.join(z.names)}); averaged stochastic "
            "approximation needs as many: name exogenous regressors in both parts, or use si.iv for more instruments."
        )
