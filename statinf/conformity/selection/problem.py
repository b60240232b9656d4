"""What every method of selection gets: labelled rows, usable new rows, thresholds, density ratios and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.selection.ratios import Ratios
from statinf.conformity.selection.thresholds import Thresholds, read_thresholds
from statinf.errors import DataError, OptionError
from statinf.formula import design
from statinf.formula.design import Design
from statinf.formula.recipe import NewRows, warn_rows
from statinf.formula.scale import check_sizes
from statinf.results import Method


@dataclass(frozen=True, kw_only=True)
class SelectMethod(Method):
    """A method of `si.conformal_select`.

    Attributes
    ----------
    several : bool
        Whether it chooses among several models.
    weighted : bool
        Whether it takes density ratios.
    models : tuple of str
        What it uses where the caller names none.
    """

    several: bool = False
    weighted: bool = False
    models: tuple[str, ...] = ("lm",)


@dataclass(frozen=True, repr=False)
class SelectProblem(Brief):
    """Labelled rows, new rows, and what is asked of them.

    Attributes
    ----------
    design : Design
    data : object
        The labelled rows as the caller gave them.
    new : NewRows
        All new rows.
    usable : ndarray of int, shape (m,)
        Numbers of those that can be selected: their covariates, threshold and density ratio are known.
    thresholds : Thresholds
    ratios : Ratios or None
    own : ndarray, shape (m,), or None
        Density ratios of the usable new rows.
    models : mapping of str to object
        Learners, or fitted models, by name.
    sign : float
        One where outcomes above the threshold are looked for, minus one for those below.
    seed : int
    progress : bool or None
    lost : mapping of str to int
        New rows that cannot be selected, by cause.
    """

    design: Design
    data: Any
    new: NewRows
    usable: np.ndarray
    thresholds: Thresholds
    ratios: Ratios | None
    own: np.ndarray | None
    models: Mapping[str, Any]
    sign: float
    seed: int
    progress: bool | None
    lost: Mapping[str, int]

    @cached_property
    def X(self) -> np.ndarray:
        """Covariates of the labelled rows, shape (n, p)."""
        part = self.design.part("covariates")
        assert part is not None
        return np.ascontiguousarray(part.without_intercept().values)

    @cached_property
    def X_new(self) -> np.ndarray:
        """Covariates of the usable new rows, shape (m, p)."""
        return np.ascontiguousarray(self.new.part("covariates").without_intercept().values[self.usable])

    @property
    def y(self) -> np.ndarray:
        """Outcomes, shape (n,)."""
        return self.design.y

    @cached_property
    def c_new(self) -> np.ndarray:
        """Thresholds of the usable new rows, shape (m,)."""
        return self.thresholds.new[self.usable]

    def passes(self, rows: np.ndarray) -> np.ndarray:
        """Which of some labelled rows have an outcome that is looked for, shape (k,) bool.

        Raises
        ------
        OptionError
            If their thresholds are not known.
        """
        if self.thresholds.old is None:
            raise OptionError(
                "thresholds that differ between new rows are needed for the labelled rows too: give threshold= a column of "
                "both, or a pair (those of data, those of newdata). With score='residual' those of newdata suffice."
            )
        return self.sign * self.y[rows] > self.sign * self.thresholds.old[rows]


def read_problem(
    formula: str,
    data: Any,
    newdata: Any,
    *,
    threshold: Any,
    ratios: Ratios | None,
    models: Mapping[str, Any],
    sign: float,
    seed: int,
    na_action: str,
    context: Mapping[str, Any] | None,
    progress: bool | None,
) -> SelectProblem:
    """Read both samples.

    Raises
    ------
    FormulaError, DataError, OptionError
        If a sample, a threshold or a density ratio cannot be used.
    """
    d = design(formula, data, roles=("covariates",), na_action=na_action, context=context)
    if d.offset is not None:
        raise OptionError("conformal selection takes no offset(); subtract it from the outcome and the threshold.")
    check_sizes(d)
    try:
        new = d.recipe.new_rows(newdata, warn=False)
    except DataError as error:
        raise DataError(f"newdata: {error}") from None
    _refuse(new, na_action)
    thresholds = read_thresholds(threshold, d, new, newdata)
    lost = dict(new.causes)
    usable = new.ok & ~np.isnan(thresholds.new)
    if (new.ok & ~usable).any():
        lost["its threshold is missing"] = int((new.ok & ~usable).sum())
    own = None
    if ratios is not None:
        found = ratios.of_new(newdata, new.frame, np.flatnonzero(usable))
        own = found[~np.isnan(found)]
        if len(own) < len(found):
            lost["its density ratio is missing"] = len(found) - len(own)
            usable[np.flatnonzero(usable)[np.isnan(found)]] = False
    warn_rows(lost, new.n, "cannot be selected")
    return SelectProblem(
        d, data, new, np.flatnonzero(usable), thresholds, ratios, own, models, sign, seed, progress, lost
    )


def _refuse(new: NewRows, na_action: str) -> None:
    """Infinite values, and missing ones where the caller says so."""
    listed = "; ".join(f"{count} rows: {cause}" for cause, count in new.causes.items())
    if any(cause.endswith("is infinite") for cause in new.causes):
        raise DataError(f"newdata: {listed}; replace infinite values by missing ones or remove these rows.")
    if na_action == "raise" and new.causes:
        first = int(np.argmin(new.ok))
        raise DataError(f"na_action='raise' and rows of newdata cannot be used (first: {first}): {listed}.")


def named_models(models: Any, several: bool, method: str, default: tuple[str, ...]) -> dict[str, Any]:
    """Models by name, from what the caller gave.

    Raises
    ------
    OptionError
        If there is none, or more than one where the method takes one.
    """
    given: Any = default if models is None else models
    if isinstance(given, Mapping):
        found = {str(name): model for name, model in given.items()}
    else:
        listed = list(given) if isinstance(given, list | tuple) else [given]
        found = {}
        for model in listed:
            name = model if isinstance(model, str) else type(model).__name__
            twice = sum(known == name or known.startswith(f"{name} (") for known in found)
            found[f"{name} ({twice + 1})" if twice else name] = model
    if not found:
        raise OptionError("models= is empty; name at least one learner.")
    if len(found) > 1 and not several:
        raise OptionError(
            f"method={method!r} takes one model and models= holds {len(found)}; to choose among several use "
            "'optcs-msel' or 'optcs-full-msel'."
        )
    return found
