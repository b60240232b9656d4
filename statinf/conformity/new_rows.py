"""New rows as a conformal fit needs them: covariates, density ratios and groups of those that can be predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.conformity import mondrian
from statinf.conformity.procedure import Split
from statinf.errors import StatinfWarning, issue_warning
from statinf.formula.frame import as_frame
from statinf.formula.recipe import NewRows

if TYPE_CHECKING:
    from statinf.conformity.localized import Localized
    from statinf.conformity.result import Conformal
    from statinf.conformity.sets_result import ConformalSets


@dataclass(frozen=True)
class Ready:
    """New rows that can be predicted.

    Attributes
    ----------
    new : NewRows
        All of them.
    ok : ndarray of int, shape (m,)
        Numbers of those that can be predicted.
    X : ndarray, shape (m, p)
    ratio, groups : ndarray, shape (m,), or None
        Density ratios, and group numbers with -1 where a group was not seen; for methods that take columns those of the
        formula's second part, shape (m, k).
    """

    new: NewRows
    ok: np.ndarray
    X: np.ndarray
    ratio: np.ndarray | None
    groups: np.ndarray | None

    def spread(self, values: np.ndarray, among: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values (k, ...) of the rows that can be predicted, or of some `among` them, among all rows; NaN elsewhere."""
        out = np.full((self.new.n, *np.shape(values)[1:]), np.nan)
        out[self.ok[among]] = values
        return out


def ready_rows(fit: ConformalSets, newdata: Any, *, response: bool = False, warn: bool = True) -> Ready:
    """Read new rows, with a warning for those of unknown ratio or group."""
    columns = fit.procedure.takes_columns
    roles = ("covariates", mondrian.ROLE) if columns else ("covariates",)
    new = fit.new_rows(newdata, roles, response=response, warn=warn)
    ok = np.flatnonzero(new.ok)
    ratio = None if fit.ratio is None else fit.ratio.at(newdata, ok)
    if ratio is not None and np.isnan(ratio).any():
        known = ~np.isnan(ratio)
        issue_warning(f"{int((~known).sum())} rows have no density ratio and no set.", StatinfWarning)
        ok, ratio = ok[known], ratio[known]
    codes = mondrian.as_groups(new)[ok] if columns else None
    if fit.groups is not None:
        codes = group_codes(fit, newdata, new.n)[ok]
        unseen = int((codes < 0).sum())
        if unseen and warn:
            issue_warning(
                f"{unseen} rows are of a group without calibration rows; their sets are {fit.endless}.",
                StatinfWarning,
            )
    return Ready(new, ok, np.ascontiguousarray(covariates(new)[ok]), ratio, codes)


def group_codes(fit: ConformalSets, newdata: Any, n: int) -> np.ndarray:
    """Group numbers of new rows (n,), -1 where the group was not seen or cannot be made."""
    assert fit.groups is not None
    part = fit.new_rows(newdata, (mondrian.ROLE,), warn=False)
    codes = np.full(n, -1, np.intp)
    codes[part.ok] = fit.groups.codes(mondrian.as_groups(part)[part.ok])
    return codes


def group_labels(fit: ConformalSets, newdata: Any, new: NewRows, by: str | None) -> np.ndarray | None:
    """Labels (n,) of the groups of new rows: values of a column, or the groups of the fit if it has any."""
    if by is not None:
        frame = as_frame(newdata, [by])
        frame.require(by)
        found = frame.categories(by)
        return np.array([*map(str, found.levels), "missing"], dtype=object)[found.codes]
    if fit.groups is None:
        return None
    return np.array([*fit.groups.labels, "unseen"], dtype=object)[group_codes(fit, newdata, new.n)]


def coverage_parts(
    fit: ConformalSets, newdata: Any, new: NewRows, use: np.ndarray, by: str | None, slab: float | None
) -> dict[str, Any]:
    """What a table of coverage tells apart among the rows `use` (n,) bool: groups, and slabs of at least a share `slab`."""
    labels = group_labels(fit, newdata, new, by)
    return {
        "labels": None if labels is None else labels[use],
        "X": None if slab is None else covariates(new)[use],
        "share": slab or 0.1,
        "seed": fit.seed,
    }


def members(fit: Conformal, new: NewRows) -> dict[str, np.ndarray]:
    """The groups that the 0/1 columns of the formula's second part make, for methods that take its columns.

    Returns
    -------
    dict of str to ndarray of bool, shape (n,)
        One per column, and one of the rows that are in none of a term's columns, such as those of a reference level.
    """
    if not fit.procedure.takes_columns:
        return {}
    part = new.part(mondrian.ROLE)
    assert part is not None
    values, found = part.without_intercept().values[new.ok], {}
    for term, at in part.without_intercept().terms.items():
        inside = values[:, at] == 1.0
        if not (inside | (values[:, at] == 0.0)).all():
            continue
        names = [mondrian.label_of((name,), np.ones(1)) for name in part.without_intercept().names[at]]
        found |= dict(zip(names, inside.T, strict=True))
        rest = ~inside.any(axis=1)
        if rest.any():
            found[f"{term} = 0" if len(names) == 1 and names[0] == f"{term} = 1" else f"{term}: others"] = rest
    return {name: _spread(held, new) for name, held in found.items()}


def _spread(held: np.ndarray, new: NewRows) -> np.ndarray:
    """Truth values of the rows that can be predicted, as one per new row."""
    out = np.zeros(new.n, bool)
    out[new.ok] = held
    return out


def covariates(new: NewRows) -> np.ndarray:
    """The covariates of new rows (n, p), without the constant; NaN where they cannot be made."""
    part = new.part("covariates")
    assert part is not None
    return part.without_intercept().values


def recorded_scores(procedure: Split, ready: Ready) -> tuple[np.ndarray, np.ndarray]:
    """Which of the rows that can be predicted have an outcome (k,), and the scores of these (k, tails)."""
    assert ready.new.response is not None
    recorded = np.asarray(ready.new.response, np.float64)[ready.ok]
    known = np.flatnonzero(np.isfinite(recorded))
    local = procedure.score.local(procedure.fitted, ready.X[known], procedure.seed)
    return known, procedure.score.score(local, recorded[known])


def recorded_p_values(procedure: Split | Localized, ready: Ready, seed: int | None) -> np.ndarray:
    """Conformal p-values of recorded outcomes, shape (rows,).

    A row's draw and its centre are made among all rows that can be predicted, as its set's are.
    """
    known, scores = recorded_scores(procedure.split, ready)
    ties = np.ones(len(ready.ok)) if seed is None else generator(check_seed(seed), 47).random(len(ready.ok))
    full = np.full((len(ready.ok), scores.shape[1]), np.inf)
    full[known] = scores
    found = procedure.p_values(ready.X, full, ready.ratio, ready.groups, ties)
    return ready.spread(found[known], known)
