"""What the methods of `si.rd_distribution` get: units at their running variable, each with the quantiles of its outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, OptionError, StatinfWarning, issue_warning
from statinf.formula.design import Design, design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_sizes
from statinf.numerics.localpoly.side import Side, sides
from statinf.numerics.order.unit_quantiles import unit_quantiles

_SMALL = 20
_SHARE = 0.1


@dataclass(frozen=True, repr=False)
class UnitCurves(Brief):
    """Units, and the quantiles of each one's outcomes.

    Attributes
    ----------
    design : Design
        Rows within units.
    unit : ndarray of int, shape (rows,)
        Unit of each row of positive weight.
    kept : ndarray of int, shape (rows,)
        Those rows among the rows of the design.
    x : ndarray, shape (n,)
        Running variable less the cutoff.
    quantiles : ndarray, shape (n, m)
    treatment : ndarray, shape (n,), or None
        In fuzzy designs.
    weight : ndarray, shape (n,)
        Of units.
    size : ndarray of int, shape (n,)
        Rows of each unit.
    tau : ndarray, shape (m,)
    running, unit_name : str
    treatment_name : str or None
    cutoff : float
    kernel : str
    """

    design: Design
    unit: np.ndarray
    kept: np.ndarray
    x: np.ndarray
    quantiles: np.ndarray
    treatment: np.ndarray | None
    weight: np.ndarray
    size: np.ndarray
    tau: np.ndarray
    running: str
    unit_name: str
    treatment_name: str | None
    cutoff: float
    kernel: str

    @property
    def n(self) -> int:
        return len(self.x)

    def sides(self, outcomes: np.ndarray) -> tuple[Side, Side]:
        """Units below and above the cutoff with outcomes (n, k)."""
        return sides(self.x, outcomes, self.weight)

    def clusters(self, name: str) -> np.ndarray:
        """Codes of a column that is constant within units, shape (n,)."""
        return self._constant(self.design.cluster_codes(name)[self.kept], name)

    def _constant(self, values: np.ndarray, name: str) -> np.ndarray:
        return constant(values, self.unit, name, self.unit_name, self.design.rows[self.kept])

    def per_row(self, values: np.ndarray) -> np.ndarray:
        """Values of units (n, q) shared out over their rows: what each unit's rows add up to."""
        out = np.zeros((self.design.n, values.shape[1]))
        out[self.kept] = (values / self.size[:, None])[self.unit]
        return out


def constant(values: np.ndarray, unit: np.ndarray, name: str, unit_name: str, rows: np.ndarray) -> np.ndarray:
    """The value of each unit, shape (n,), of a column that must not vary within units."""
    first = np.full(int(unit.max()) + 1, -1)
    first[unit[::-1]] = np.arange(len(unit))[::-1]
    found = values[first]
    off = np.flatnonzero(found[unit] != values)
    if len(off):
        raise DataError(
            f"'{name}' varies within a unit of '{unit_name}', at row {int(rows[off[0]])}; it must be the same in all rows "
            "of a unit."
        )
    return found


def read_units(
    formula: str,
    data: Any,
    tau: np.ndarray,
    *,
    cutoff: float,
    fuzzy: str | None,
    kernel: str,
    unit_weights: str | None,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> UnitCurves:
    """Read `outcome ~ running | unit`, or quantiles themselves with one row per unit, `cbind(q1, q2) ~ running`.

    Raises
    ------
    FormulaError
        If the formula is of another form.
    DataError
        If the running variable varies within a unit, or a side has no units.
    """
    head, unit_name = _split(formula)
    how = {"weights": weights, "cluster": _both(unit_name, cluster), "na_action": na_action, "context": context}
    made, columns = _read(formula, head, data, fuzzy, how)
    kept = np.flatnonzero(made.weights > 0)
    rows, y = made.rows[kept], made.y[kept]
    several = y.ndim == 2 and y.shape[1] > 1
    if unit_name is None and not several:
        raise FormulaError(f"'{formula}' names no units; write 'outcome ~ running | unit', one column after the bar.")
    label = unit_name or "row"
    codes = np.arange(len(kept)) if unit_name is None else made.cluster_codes(unit_name)[kept]
    unit = np.unique(codes, return_inverse=True)[1]
    size = np.bincount(unit)
    y = y if y.ndim == 2 else y[:, None]
    if not np.isfinite(y).all():
        raise DataError(
            f"the outcome is not finite in row {int(rows[np.flatnonzero(~np.isfinite(y).all(axis=1))[0]])}."
        )
    if several:
        quantiles = _given_quantiles(y, tau, size, label, rows)
    else:
        quantiles = unit_quantiles(y[:, 0], unit, made.weights[kept], tau)
        _warn_small(size, tau, label)
    running = columns[0].names[0]
    x = constant(columns[0].values[kept, 0], unit, running, label, rows) - cutoff
    for side, there in (("below", x < 0), ("at or above", x >= 0)):
        if not there.any():
            raise DataError(f"no unit of '{label}' is {side} the cutoff {cutoff:g} of '{running}'.")
    treatment = None if fuzzy is None else constant(columns[1].values[kept, 0], unit, fuzzy, label, rows)
    weight = _weights(made, unit_weights, kept, unit, size, label, rows)
    return UnitCurves(
        made, unit, kept, x, quantiles, treatment, weight, size, tau, running, label, fuzzy, cutoff, kernel
    )


def _read(formula: str, head: str, data: Any, fuzzy: str | None, how: Mapping[str, Any]) -> tuple[Design, list[Matrix]]:
    """The rows, with the running variable and, in fuzzy designs, the treatment as parts of one column each."""
    text = head if fuzzy is None else f"{head} | `{fuzzy}`"
    made = design(text, data, roles=("running", "treatment"), response="any", **how)
    made.refuse_offset("quantiles of units take")
    check_sizes(made)
    columns = [part.without_intercept() for part in made.parts]
    if columns[0].p != 1:
        raise FormulaError(f"'{formula}' has {columns[0].p} running columns; write 'outcome ~ running | unit'.")
    if made.response is None:
        raise FormulaError(f"'{formula}' has no outcome; write 'outcome ~ running | unit'.")
    if fuzzy is not None and columns[1].p != 1:
        raise DataError(f"fuzzy='{fuzzy}' is no column of numbers, nor one of two levels.")
    return replace(made, recipe=replace(made.recipe, formula=formula)), columns


def _split(formula: Any) -> tuple[Any, str | None]:
    if not isinstance(formula, str):
        return formula, None
    parts = formula.split("|")
    if len(parts) > 2:
        raise FormulaError(f"'{formula}' has {len(parts)} parts; write 'outcome ~ running | unit'.")
    return parts[0].strip(), parts[1].strip().strip("`") if len(parts) == 2 else None


def _both(unit: str | None, cluster: Any) -> Any:
    """The columns of units and clusters, so that rows without either are left out."""
    if unit is None:
        return cluster
    if cluster is not None and not isinstance(cluster, str) and not all(isinstance(c, str) for c in cluster):
        raise OptionError("cluster= takes the name of a column here.")
    more = [] if cluster is None else [cluster] if isinstance(cluster, str) else list(cluster)
    return list(dict.fromkeys([unit, *more]))


def _given_quantiles(y: np.ndarray, tau: np.ndarray, size: np.ndarray, label: str, rows: np.ndarray) -> np.ndarray:
    if y.shape[1] != len(tau):
        raise OptionError(f"tau= has {len(tau)} levels for {y.shape[1]} columns of quantiles; give one per column.")
    if size.max() > 1:
        raise DataError(
            f"columns of quantiles are for one row per unit; a unit of '{label}' has {int(size.max())} rows."
        )
    falls = np.flatnonzero((np.diff(y, axis=1) < 0).any(axis=1))
    if len(falls):
        raise DataError(
            f"the quantiles of row {int(rows[falls[0]])} fall from one level to the next; give them in the order of tau."
        )
    return y


def _warn_small(size: np.ndarray, tau: np.ndarray, label: str) -> None:
    few = int((size < _SMALL).sum())
    if few > _SHARE * len(size):
        issue_warning(
            f"{few} of {len(size)} units of '{label}' have fewer than {_SMALL} rows: their quantiles are noisy, which the errors "
            "count as differences between units, and biased in the tails.",
            StatinfWarning,
        )
    reach = 1.0 / (np.median(size) + 1.0)
    if tau[0] < reach or tau[-1] > 1.0 - reach:
        issue_warning(
            f"levels from {tau[0]:g} to {tau[-1]:g} lie beyond the order statistics of half of the units, {reach:.3g} to "
            f"{1 - reach:.3g}.",
            StatinfWarning,
        )


def _weights(
    made: Design, how: str | None, kept: np.ndarray, unit: np.ndarray, size: np.ndarray, label: str, rows: np.ndarray
) -> np.ndarray:
    if how is None:
        return np.ones(len(size))
    if how == "size":
        return np.bincount(unit, made.weights[kept]) / made.weights[kept].mean()
    try:
        values = np.asarray(made.column(how)[kept], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"unit_weights='{how}' is no column of numbers.") from error
    if not (np.isfinite(values) & (values >= 0)).all():
        raise DataError(f"unit_weights='{how}' must be finite and not negative.")
    found = constant(values, unit, how, label, rows)
    if not (found > 0).all():
        raise DataError(f"unit_weights='{how}' is zero for a unit of '{label}'; leave its rows out.")
    return found / found.mean()
