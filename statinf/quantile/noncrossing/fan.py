"""Rows along one covariate, the others held at typical values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError, OptionError, nearest
from statinf.formula.columns import Categorical, Numeric
from statinf.formula.frame import as_frame

if TYPE_CHECKING:
    from statinf.quantile.noncrossing.result import QuantileProcess

_POINTS = 200


@dataclass(frozen=True)
class Fan:
    """Rows to predict along a covariate.

    Attributes
    ----------
    frame : pandas.DataFrame
    column : str
    x : ndarray, shape (k,)
    points : tuple of ndarray, or None
        Covariate and outcome of the rows given, where there is no other covariate.
    """

    frame: Any
    column: str
    x: np.ndarray
    points: tuple[np.ndarray, np.ndarray] | None


def fan_rows(fit: QuantileProcess, newdata: Any, column: str | None) -> Fan:
    """A grid over the range of a numerical covariate in `newdata`, other covariates at their median or commonest value."""
    import pandas as pd

    recipe = fit.recipe
    if recipe is None:
        raise DataError("this fit was made from arrays; it has no columns to draw.")
    labels = [*dict.fromkeys(label for part in recipe.parts for label in part.factors), *recipe.offset]
    names = list(dict.fromkeys(c for label in labels for c in recipe.factors[label].columns))
    frame = as_frame(newdata, names)
    for name in names:
        frame.require(name)
    found = {name: frame.column(name) for name in names}
    numeric = [name for name, values in found.items() if isinstance(values, Numeric)]
    if column is None and not numeric:
        raise OptionError("no covariate is numerical; the fan goes over one.")
    chosen = numeric[0] if column is None else column
    if chosen not in numeric:
        raise OptionError(f"column={column!r} is not a numerical covariate; choose one of {', '.join(numeric)}."
                          f"{nearest(str(column), numeric)}")  # fmt: skip
    along = found[chosen]
    assert isinstance(along, Numeric)
    known = _known(along)
    x = np.linspace(known.min(), known.max(), _POINTS)
    rows = {name: x if name == chosen else [_typical(values)] * _POINTS for name, values in found.items()}
    points = None
    if names == [chosen] and not recipe.offset and all(c in as_frame(newdata).names for c in fit.response_columns):
        outcome = fit.new_rows(newdata, response=True, warn=False).response
        if outcome is not None:
            points = (along.values, outcome)
    return Fan(pd.DataFrame(rows), chosen, x, points)


def _known(values: Numeric) -> np.ndarray:
    known = values.values[np.isfinite(values.values)]
    if not len(known):
        raise DataError("the covariate of the figure is missing in every row.")
    return known


def _typical(values: Numeric | Categorical) -> Any:
    if isinstance(values, Categorical):
        codes = values.codes[values.codes >= 0]
        return values.levels[int(np.bincount(codes).argmax())]
    return float(np.median(_known(values)))
