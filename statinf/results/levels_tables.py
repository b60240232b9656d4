"""Tables and predictions of fits at many levels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import check_level, one_of
from statinf.inference.distributions import t_quantile
from statinf.numerics.order.monotone import KINDS as MONOTONE
from statinf.numerics.order.monotone import monotone
from statinf.results import coefficients
from statinf.results.predicting import augmented, prediction_frame, predictor, predictor_se, unsupported
from statinf.results.table import Table, format_interval, format_number, format_p

if TYPE_CHECKING:
    import pandas as pd

    from statinf.formula.matrix import Matrix
    from statinf.results.levels_fit import LevelLinesFit, LevelsFit


def coefficient_frame(
    fit: LevelsFit, level: float, style: str, interval: str | None, exponentiate: bool
) -> pd.DataFrame:
    """One row per level and coefficient; see `LevelsFit.tidy`."""
    frame = coefficients.tidy(fit, level, style, interval, exponentiate)
    frame["term"] = list(fit.columns) * len(fit.tau)
    frame.insert(0, "tau", np.repeat(fit.tau, len(fit.columns)))
    return frame


def summary_table(fit: LevelsFit, level: float) -> Table:
    """See `LevelsFit.summary`."""
    letter = "z" if np.isinf(fit.cov.df) else "t"
    many = len(fit.tau) > 1
    lead = ("tau",) if many else ()
    columns = (*lead, "term", "estimate", "std. error", letter, "p", f"{100 * level:g}% interval")
    facts = fit.summary_facts()
    listed = (("Formula", fit.formula), *((k, format_number(v)) for k, v in facts.items()))
    rows = _summary_rows(fit, level)
    rules = tuple(range(len(fit.columns), len(rows), len(fit.columns))) if many else ()
    notes = coefficients.notes_of(fit)
    return Table(columns, rows, title=fit.title, facts=listed, notes=notes, rules=rules, kind=fit.kind)


def _summary_rows(fit: LevelsFit, level: float) -> tuple[tuple[str, ...], ...]:
    numbers, p = coefficients.tidy(fit, level, "statinf", None, False), len(fit.columns)
    rows = []
    for i, name in enumerate(fit.columns * len(fit.tau)):
        lead = (f"{fit.tau[i // p]:g}" if i % p == 0 else "", name) if len(fit.tau) > 1 else (name,)
        if not fit.estimable[i]:
            rows.append((*lead, *coefficients.aliased_cells(5)))
            continue
        values = (format_number(numbers[c][i]) for c in ("estimate", "std_error", "statistic"))
        limits = format_interval(numbers["conf_low"][i], numbers["conf_high"][i])
        rows.append((*lead, *values, format_p(numbers["p_value"][i]), limits))
    return tuple(rows)


def fitted(fit: LevelsFit, rows: Any, matrix: Matrix, aliases: np.ndarray, noncrossing: str | None) -> np.ndarray:
    """Predictions (n, k); NaN for rows that depend on aliased coefficients.

    Parameters
    ----------
    fit : LevelsFit
    rows : new rows, with their offset
    matrix : Matrix
        Columns of the coefficients of one level.
    aliases : ndarray, shape (p kept, p aliased)
    noncrossing : {None, "sort", "isotonic", "sweep"}
    """
    if noncrossing is not None:
        one_of("noncrossing", noncrossing, MONOTONE)
    values = np.column_stack([predictor(matrix, b, rows.offset) for b in fit.coef])
    values[unsupported(matrix, fit.estimable[: len(fit.columns)], aliases)] = np.nan
    return values if noncrossing is None else monotone(values, noncrossing)


def _errors(fit: LevelsFit, matrix: Matrix) -> np.ndarray:
    """Standard errors of the predictions (n, k)."""
    root = fit.cov.root
    p = len(root) // len(fit.tau)
    blocks = [replace(fit.cov, square_root=root[k * p : (k + 1) * p]) for k in range(len(fit.tau))]
    return np.column_stack([predictor_se(matrix, b, block) for b, block in zip(fit.coef, blocks, strict=True)])


def prediction_table(
    fit: LevelsFit,
    rows: Any,
    matrix: Matrix,
    aliases: np.ndarray,
    interval: str | None,
    level: float,
    noncrossing: str | None,
) -> Any:
    """One column per level, with limits if asked for; see `fitted` for the arguments."""
    if interval is not None:
        one_of("interval", interval, ("confidence",))
    check_level(level)
    names = [f"{fit.letter}{t:g}" for t in fit.tau]
    values = fitted(fit, rows, matrix, aliases, noncrossing)
    out = dict(zip(names, values.T, strict=True))
    if interval is not None:
        half = t_quantile(0.5 + level / 2, fit.cov.df) * (errors := _errors(fit, matrix))
        for k, name in enumerate(names):
            out |= {
                f"{name}_std_error": np.where(np.isnan(values[:, k]), np.nan, errors[:, k]),
                f"{name}_conf_low": values[:, k] - half[:, k],
                f"{name}_conf_high": values[:, k] + half[:, k],
            }
    return prediction_frame(rows, out)


def augmented_frame(fit: LevelLinesFit) -> Any:
    """See `LevelLinesFit.augment`."""
    made = fit._need_rows("fitted values")
    columns = {}
    for t, b in zip(fit.tau, fit.coef, strict=True):
        ending = f"_{fit.letter}{t:g}" if len(fit.tau) > 1 else ""
        fitted = predictor(made.parts[0], b, made.offset)
        columns |= {f"fitted{ending}": fitted, f"residual{ending}": made.y - fitted}
    return augmented(made, columns)
