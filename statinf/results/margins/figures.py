"""From marginal effects to what their figures draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.plotting.margins import MarginLine, plot_lines_with_bands
from statinf.plotting.style import figure

if TYPE_CHECKING:
    from statinf.results.margins.result import MarginalEffects

_LEAST = 3


def line_column(labels: Mapping[str, tuple[Any, ...]]) -> str | None:
    """The column that a figure's horizontal axis is: the numeric one with most values, three or more."""
    counts = {
        name: len(set(values))
        for name, values in labels.items()
        if name not in ("variable", "contrast")
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    }
    best = max(counts, key=counts.__getitem__, default=None)
    return best if best is not None and counts[best] >= _LEAST else None


@figure
def line_figure(
    effects: MarginalEffects, column: str, *, level: float = 0.95, ax: Any = None, label: str | None = None
) -> Any:
    """Estimates along a column with a band, one line for each value of the others."""
    low, high = effects.conf_int(level).to_numpy().T
    others = [name for name, values in effects.labels.items() if name != column and len(set(values)) > 1]
    lines: dict[str, list[int]] = {}
    for k in range(len(effects.terms)):
        name = ", ".join(_said(other, effects.labels[other][k]) for other in others)
        lines.setdefault(name, []).append(k)
    drawn = {}
    for name, places in lines.items():
        x = np.array([effects.labels[column][k] for k in places], dtype=np.float64)
        order = np.array(places)[np.argsort(x, kind="stable")]
        drawn[name] = MarginLine(np.sort(x), effects.theta[order], low[order], high[order])
    names = set(effects.labels.get("variable", ("",)))
    of = f"{effects.estimand} of {effects.outcome}" if effects.outcome else effects.estimand
    usual = of if effects.verb == "predictions" else f"effect of {', '.join(sorted(names))} on the {of}"
    zero = effects.verb == "slopes"
    return plot_lines_with_bands(drawn, column, label=label or usual, zero=zero, ax=ax)


def _said(name: str, value: Any) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    return shown if name in ("variable", "contrast") else f"{name} = {shown}"
