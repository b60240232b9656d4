"""From a fit of regions and rows to its figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.conformity.figures import draw_coverage, first_numeric, has_outcome, numeric
from statinf.errors import DataError, OptionError
from statinf.plotting.conformal import plot_sizes
from statinf.plotting.regions import plot_regions


def draw(fit: Any, kind: str, data: Any, x: str | None, ax: Any, *, rows: int = 4) -> Any:
    """Draw one of a fit's figures; returns the axes."""
    if kind == "coverage":
        if not has_outcome(fit, data):
            raise DataError("A figure of coverage needs the recorded outcomes in newdata.")
        name = x or first_numeric(fit, data)
        p, values = fit.p_values(data), numeric(data, name)
        use = np.isfinite(p) & np.isfinite(values)
        return draw_coverage(values[use], fit.contains(data)[use], fit.level, name, ax)
    if kind == "area":
        ready, q = fit._thresholds(data, None, warn=data is not fit.data)
        return plot_sizes(fit.procedure.measures(ready.X, q).area, ax=ax)
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1:
        raise OptionError(f"rows={rows!r} is how many regions are shown; it must be a whole number from 1.")
    recorded = has_outcome(fit, data)
    ready, q = fit._thresholds(data, None, response=recorded, warn=data is not fit.data)
    if not len(ready.ok):
        raise DataError("no row can be predicted; there is no region to draw.")
    at = np.unique(np.linspace(0, len(ready.ok) - 1, int(rows)).round().astype(int))
    shown = ready.ok[at]
    outcomes = np.asarray(ready.new.response, np.float64).reshape(ready.new.n, -1)[shown] if recorded else None
    return plot_regions(fit._regions(ready, q, at), outcomes=outcomes, labels=[f"row {i}" for i in shown], ax=ax)
