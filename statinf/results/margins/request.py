"""Variables and contrasts as asked for, brought into items and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from numbers import Real
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, nearest, one_of
from statinf.formula.counterfactual import SettableRows
from statinf.inference.contrasts import CONTRASTS
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.results.margins.items import Items, MeanItem, Moved, SlopeItem, Target

PAIRS = ("reference", "sequential", "pairwise", "all")
STEPS = ("sd", "2sd", "iqr", "minmax")
MOST_LEVELS = 100
_ALIASES = {"lnor": "log_odds", "lnratio": "log_ratio", "or": "odds_ratio", "rr": "ratio", "rd": "difference"}
_SIGNS = {"difference": "{} - {}", "ratio": "{} / {}", "lift": "lift({}, {})", "log_ratio": "log({} / {})",
          "log_odds": "log odds({}, {})", "odds_ratio": "odds({}) / odds({})"}  # fmt: skip


def comparison_name(name: Any) -> str:
    """The comparison asked for, other packages' spellings included."""
    return one_of("comparison", _ALIASES.get(name, name) if isinstance(name, str) else name, tuple(CONTRASTS))


def chosen(variables: Any, rows: SettableRows) -> dict[str, Any]:
    """Variables by name, each with how it is to be contrasted; None where the caller says nothing.

    Raises
    ------
    OptionError
        If one is no column of the fit's predictors.
    """
    if variables is None:
        found = rows.regressors
        if not found:
            raise NotIdentifiedError(
                "the fit has no variable whose slope or contrast could be taken; it has a constant alone."
            )
        return dict.fromkeys(found)
    if isinstance(variables, str):
        variables = [variables]
    if not isinstance(variables, Mapping | Sequence) or not len(variables):
        raise OptionError(
            f"variables={variables!r} names no variable; give a name, a list, or a mapping of names to contrasts."
        )
    given = dict(variables) if isinstance(variables, Mapping) else dict.fromkeys(variables)
    for name in given:
        if name not in rows.names:
            known = ", ".join(rows.names[:12])
            raise OptionError(
                f"variables names {name!r}, which the fit does not use; it uses {known}.{nearest(str(name), rows.names)}"
            )
    return given


def is_binary(values: np.ndarray) -> bool:
    """Whether a column of numbers holds zeros and ones alone, and both."""
    found = np.unique(values[:4096])
    if len(found) > 2 or not np.isin(found, (0.0, 1.0)).all():
        return False
    return bool(np.isin(values, (0.0, 1.0)).all()) and float(values.min()) == 0.0 and float(values.max()) == 1.0


# --- contrasts -------------------------------------------------------------------------------------------------


def pairs_of(levels: Sequence[Any], how: Any, name: str) -> list[tuple[Any, Any]]:
    """Pairs (high, low) of levels that are compared."""
    if isinstance(how, list | tuple):
        if len(how) != 2:
            raise OptionError(f"the contrast {how!r} of '{name}' is no pair; give (low, high).")
        return [(how[1], how[0])]
    one_of(f"contrast of '{name}'", how, PAIRS)
    if how == "reference":
        return [(level, levels[0]) for level in levels[1:]]
    if how == "sequential":
        return list(zip(levels[1:], levels[:-1], strict=True))
    if how == "pairwise":
        return [(hi, lo) for lo, hi in combinations(levels, 2)]
    return [(hi, lo) for lo, hi in permutations(levels, 2)]


def settable_to(name: str, value: Any, rows: SettableRows) -> Any:
    """A value that a column is set to; levels are looked up where they are set."""
    if rows.levels(name) is not None:
        return value
    if rows.logical(name) and not (np.ndim(value) == 0 and value in (0, 1)):
        raise OptionError(f"'{name}' holds truth values and cannot be set to {value!r:.60}.")
    if not isinstance(value, Real | np.bool_):
        raise OptionError(f"'{name}' holds numbers and cannot be set to {value!r:.60}.")
    if not np.isfinite(float(value)):
        raise OptionError(f"'{name}' cannot be set to {value!r:.60}: give finite numbers.")
    return value


def contrast_settings(
    name: str, how: Any, rows: SettableRows, weights: np.ndarray, contrast: str, step: Any
) -> list[tuple[Any, Any, str, str]]:
    """What a variable is set to on the high and the low side of each of its contrasts, with their names."""
    levels = rows.levels(name)
    if levels is not None:
        if len(levels) > MOST_LEVELS:
            raise OptionError(
                f"'{name}' has {len(levels)} levels, more than the {MOST_LEVELS} that are compared; give a pair."
            )
        pairs = pairs_of(levels, contrast if how is None else how, name)
        strange = [level for pair in pairs for level in pair if level not in levels]
        if strange:
            raise OptionError(
                f"'{name}' cannot be set to {strange[0]!r}; its levels are {', '.join(map(repr, levels[:12]))}."
            )
        return [(hi, lo, str(hi), str(lo)) for hi, lo in pairs]
    values = rows.numbers(name)
    assert values is not None
    if rows.logical(name):
        given = how if isinstance(how, list | tuple) else (False, True)
        [(hi, lo)] = pairs_of((False, True), [settable_to(name, value, rows) for value in given], name)
        return [(float(hi), float(lo), str(bool(hi)), str(bool(lo)))]
    if how is None and is_binary(values):
        return [(1.0, 0.0, "1", "0")]
    how = step if how is None else how
    if isinstance(how, list | tuple) and len(how) == 2 and all(isinstance(v, Real) for v in how):
        how = [settable_to(name, value, rows) for value in how]
        return [(float(how[1]), float(how[0]), f"{how[1]:g}", f"{how[0]:g}")]
    if isinstance(how, str):
        return [_named_step(name, how, values, weights)]
    if isinstance(how, bool) or not isinstance(how, Real) or not np.isfinite(float(how)) or how == 0:
        raise OptionError(
            f"step={how!r} for '{name}' is no step: give a number but 0, {', '.join(map(repr, STEPS))}, or a pair (low, high)."
        )
    half = 0.5 * float(how)
    return [(Moved(half), Moved(-half), f"{float(how):+g}", "")]


def _named_step(name: str, how: str, values: np.ndarray, weights: np.ndarray) -> tuple[Any, Any, str, str]:
    one_of(f"step of '{name}'", how, STEPS)
    if how in ("sd", "2sd"):
        n, total = int(np.count_nonzero(weights)), weights.sum()
        centre = weights @ values / total
        sd = float(np.sqrt(weights @ (values - centre) ** 2 / total * n / (n - 1))) if n > 1 else 0.0
        if not sd > 0:
            raise DataError(f"'{name}' does not vary on these rows: it has no standard deviation to step by.")
        times = 0.5 if how == "sd" else 1.0
        above, below = ("x+sd/2", "x-sd/2") if how == "sd" else ("x+sd", "x-sd")
        return Moved(times * sd), Moved(-times * sd), above, below
    if how == "iqr":
        low, high = weighted_quantile(values, np.array([0.25, 0.75]), weights, kind="linear")
        return float(high), float(low), "Q3", "Q1"
    return float(values.max()), float(values.min()), "max", "min"


def add_contrasts(
    made: Items,
    variables: Mapping[str, Any],
    rows: SettableRows,
    weights: np.ndarray,
    *,
    comparison: str = "difference",
    contrast: str = "reference",
    step: Any = 1,
) -> None:
    """Add the comparisons of predictions for each variable."""
    for name, how in variables.items():
        for hi, lo, above, below in contrast_settings(name, how, rows, weights, contrast, step):
            label = _SIGNS[comparison].format(above, below) if below else above
            if not below and comparison != "difference":
                label = f"{comparison.replace('_', ' ')} {above}"
            at = made.place(MeanItem(((name, hi),))), made.place(MeanItem(((name, lo),)))
            made.targets.append(Target({"variable": name, "contrast": label}, *at, comparison))


def add_slopes(
    made: Items, variables: Mapping[str, Any], rows: SettableRows, weights: np.ndarray, *, kind: str, discrete: bool
) -> None:
    """Add the slopes of numeric variables, and differences of the others."""
    for name, how in variables.items():
        values = rows.numbers(name)
        stepped = rows.levels(name) is not None or rows.logical(name) or values is None
        if how is not None and not stepped:
            raise OptionError(
                f"slopes() takes the derivative in '{name}'; for the contrast {how!r} call comparisons()."
            )
        if stepped or (discrete and values is not None and is_binary(values)):
            add_contrasts(made, {name: how}, rows, weights)
            continue
        label = {"dydx": "dY/dX", "eyex": "eY/eX", "eydx": "eY/dX", "dyex": "dY/eX"}[kind]
        made.targets.append(Target({"variable": name, "contrast": label}, made.place(SlopeItem(name, kind))))
    if kind != "dydx" and any(t.lo >= 0 for t in made.targets) and all(t.lo >= 0 for t in made.targets):
        raise OptionError(
            f"slope={kind!r} needs a numeric variable; those given have levels, whose contrasts comparisons() makes."
        )


def add_predictions(made: Items, variables: Any, rows: SettableRows) -> None:
    """Add predictions: of the rows as they stand, or with variables set to each of their values."""
    if variables is None:
        made.targets.append(Target({}, made.place(MeanItem())))
        return
    given = chosen(variables, rows)
    cells: list[tuple[tuple[str, Any], ...]] = [()]
    for name, values in given.items():
        cells = [(*cell, (name, value)) for cell in cells for value in _values_of(name, values, rows)]
    for cell in cells:
        made.targets.append(Target(dict(cell), made.place(MeanItem(cell))))


def _values_of(name: str, values: Any, rows: SettableRows) -> list[Any]:
    if values is not None:
        listed = [values] if isinstance(values, str | Real) else list(values)
        if not listed:
            raise OptionError(f"variables gives no value for '{name}'.")
        return [settable_to(name, value, rows) for value in listed]
    levels, numbers = rows.levels(name), rows.numbers(name)
    if levels is not None:
        return list(levels)
    assert numbers is not None
    if rows.logical(name) or is_binary(numbers):
        return [False, True] if rows.logical(name) else [0, 1]
    return [float(v) for v in np.quantile(numbers, [0.0, 0.25, 0.5, 0.75, 1.0])]
