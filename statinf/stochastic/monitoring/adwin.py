"""ADWIN: a window of the latest values that drops its oldest part where two parts of it have different means.

Bifet and Gavalda (2007, SIAM International Conference on Data Mining, Learning from time-changing data with adaptive
windowing), with the exponential histogram of section 4 (ADWIN2). Watched is the outcome of `y ~ 1`, the column of `~ x`, or the
loss of a model that the first rows teach, for `y ~ x`. `bounds=` brings values into [0, 1], for which `delta` bounds the
probability of a false cut at a look, up to the normal approximation in the paper's bound; a stream of many looks may have
more. Assumed: values independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.in_time import OnlineRows
from statinf.numerics.recursions.adaptive_window import AdaptiveWindow, WindowRules, follow
from statinf.results import Method, choice, count, number, value
from statinf.stochastic.monitoring.detector import Findings, ModelOptions, MonitorProblem
from statinf.stochastic.monitoring.reference import Reference, learn


def check_bounds(name: str, given: Any) -> tuple[float, float]:
    """Two numbers, the lower first."""
    try:
        low, high = (float(v) for v in given)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not (np.isfinite([low, high]).all() and low < high):
        raise OptionError(f"{name}={given!r}: give the least and the largest value that is possible, such as (0, 1).")
    return low, high


@dataclass(frozen=True, kw_only=True)
class AdwinOptions(ModelOptions):
    """Options of ADWIN."""

    burn_in: int | None = count(
        None,
        "rows at the beginning from which the model of 'y ~ x' is learnt; None: 100 where there is a model, else none",
        low=4,
        also=(None,),
    )
    delta: float = number(
        0.002, "small: few false alarms, late true ones", low=0, high=1, open_low=True, open_high=True
    )
    loss: str = choice("absolute", ("absolute", "squared", "residual"), "of the model of 'y ~ x'")
    bounds: Any = value(
        None,
        "range of the values, which are brought into [0, 1]; None: as they are",
        "(low, high) or None",
        check_bounds,
    )
    clock: int = count(32, "rows between looks")
    max_buckets: int = count(5, "buckets of one size: more look at more cuts", low=2)
    shortest: int = count(5, "values in either part of a cut")
    grace: int = count(10, "values in a window before it is cut", low=0)
    after_alarm: str = choice(
        "keep", ("keep", "reset"), "the newer part of the window, as in the paper, or nothing, as river's class does"
    )

    def first_rows(self, modelled: bool) -> int:
        """Rows before the window begins."""
        if not modelled:
            return 0
        return 100 if self.burn_in is None else self.burn_in


@dataclass(frozen=True, repr=False)
class Adwin(Brief):
    """The window so far; `origin` (0,) or (1,) is the first value, which is taken off so that no digits are lost."""

    reference: Reference | None
    window: AdaptiveWindow
    rules: WindowRules
    loss: str
    bounds: tuple[float, float] | None
    reset: bool
    origin: np.ndarray
    outside: bool = False

    def advance(self, rows: OnlineRows) -> tuple[Adwin, Findings]:
        """See `ChangeDetector.advance`."""
        values = self._values(rows)
        origin = self.origin if len(self.origin) else values[:1]
        window, looks = follow(self.window, values - origin[0], self.rules, reset=self.reset)
        outside = self.outside or bool(((values < 0.0) | (values > 1.0)).any())
        also = {"mean": looks.mean + origin[0], "width": looks.width}
        found = Findings(looks.at, looks.ratio, np.ones(len(looks.at)), looks.cut, also)
        return replace(self, window=window, origin=origin, outside=outside), found

    def _values(self, rows: OnlineRows) -> np.ndarray:
        if self.reference is not None:
            found = self.reference.residuals(rows.X, rows.y)
            found = {"absolute": np.abs, "squared": np.square, "residual": np.asarray}[self.loss](found)
        else:
            found = rows.X[:, 0] if rows.X.shape[1] else rows.y
        if self.bounds is not None:
            low, high = self.bounds
            wrong = (found < low) | (found > high)
            if wrong.any():
                raise DataError(
                    f"bounds={self.bounds}: {int(wrong.sum())} values lie outside, such as {found[wrong][0]:g}; give the range "
                    "of all values that are possible."
                )
            found = (found - low) / (high - low)
        if not np.isfinite(found).all() or (np.abs(found) > 1e140).any():
            raise DataError("the values to be watched are too large for sums of squares; take other units, or bounds=.")
        return found

    def facts(self) -> Mapping[str, str]:
        """See `ChangeDetector.facts`."""
        return {"Delta": f"{self.rules.delta:g}", "Window": str(int(self.window.sizes.sum()))}

    def notes(self) -> Sequence[str]:
        """See `ChangeDetector.notes`."""
        return ["Values are not all in [0, 1], for which the guarantee is: see bounds=."] if self.outside else []


def estimate(problem: MonitorProblem, options: AdwinOptions) -> Adwin:
    """The state before the first value."""
    reference = None
    if problem.outcome and problem.names:
        reference = learn(problem, options.family)
    elif len(problem.names) > 1:
        raise OptionError(
            f"method='adwin' watches one series, and the formula has {len(problem.names)} columns: "
            f"{', '.join(problem.names[:6])}. Name one, or watch a loss by 'y ~ x'."
        )
    rules = WindowRules(options.delta, options.clock, options.max_buckets, options.shortest, options.grace)
    return Adwin(
        reference,
        AdaptiveWindow.empty(),
        rules,
        options.loss,
        options.bounds,
        options.after_alarm == "reset",
        np.zeros(0),
    )


METHOD = Method(
    verb="monitor",
    name="adwin",
    estimate=estimate,
    options=AdwinOptions,
    summary="a window of the latest values that is cut where its parts have different means",
    citation="Bifet and Gavalda (2007)",
    guarantee="for independent values in [0, 1] a false cut at a look has a probability of about delta at most",
    vignette="monitoring",
)
