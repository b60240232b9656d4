"""From sets of classes and rows to the arrays that their figures show."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.frame import as_frame
from statinf.plotting.conformal import plot_set_sizes, plot_shares


def draw(fit: Any, kind: str, data: Any, by: str | None, ax: Any) -> Any:
    """Draw one of a fit's figures; returns the axes."""
    if kind == "size":
        _, _, inside = fit._sets(data, None, warn=data is not fit.data)
        return plot_set_sizes(np.bincount(inside.sum(axis=1), minlength=len(fit.levels) + 1), ax=ax)
    names = set(as_frame(data).names)
    if not all(c in names for label in fit.recipe.response for c in fit.recipe.factors[label].columns):
        raise DataError("A figure of coverage needs the recorded outcome in newdata.")
    part = "class" if by is None else by if by in ("class", "size") and by not in names else "group"
    table = fit.coverage(data, by=by if part == "group" else None, slab=None)
    columns = {name: np.asarray(table[name]) for name in ("part", "label", "coverage", "conf_low", "conf_high")}
    chosen = columns["part"] == part
    label, coverage, low, high = (columns[k][chosen] for k in ("label", "coverage", "conf_low", "conf_high"))
    words = {"class": "Recorded class", "size": "Classes in the set"}
    return plot_shares(
        [str(v) for v in label], coverage, low, high, level=fit.level, xlabel=words.get(part, by or ""), ax=ax
    )
