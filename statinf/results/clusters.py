"""The columns that covariances read on a fit's rows: times, places, and clusters, also of rows that only made its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, StatinfWarning, issue_warning
from statinf.formula.columns import Numeric
from statinf.formula.design import Design
from statinf.inference.clusters import RowClusters


def fit_clusters(design: Design, kind: Any) -> RowClusters:
    """What a covariance in normal form reads of the data: codes of clusters, and of its other columns; nothing for a name."""
    if not isinstance(kind, Mapping):
        return clusters_of(design, ())
    given = kind.get("cluster", ())
    found = clusters_of(design, (given,) if isinstance(given, str) else tuple(given))
    places = {kind[key]: _coordinates(design, kind[key]) for key in ("latitude", "longitude") if key in kind}
    times = {kind[key]: _codes(design, kind[key]) for key in ("time", "unit") if key in kind}
    if "time" in kind:
        _warn_gaps(design, kind["time"])
    return replace(found, columns={**times, **places})


def _codes(design: Design, name: str) -> np.ndarray:
    """Codes (n,) of a column in the order of its values."""
    found = design.frame.categories(name).codes[design.rows]
    _check_complete(found < 0, name)
    return found


def _coordinates(design: Design, name: str) -> np.ndarray:
    values = np.asarray(design.column(name))
    if values.dtype.kind == "f":
        _check_complete(np.isnan(values), name)
    return values


def _check_complete(missing: np.ndarray, name: str) -> None:
    if missing.any():
        raise DataError(
            f"the column '{name}' of the covariance is missing in {int(missing.sum())} rows used by the fit; give the same vcov= "
            "at the fit, so that these rows are left out."
        )


def _warn_gaps(design: Design, name: str) -> None:
    """Say where whole numbers of times are not evenly spaced, for lags go from one time of the data to the next."""
    column = design.frame.column(name) if _is_number(design, name) else None
    if not isinstance(column, Numeric):
        return
    values = np.unique(column.values[design.rows][design.weights > 0])
    steps = np.diff(values)
    if len(steps) < 2 or (values != np.round(values)).any() or (steps == steps[0]).all():
        return
    at = int(np.argmax(steps > steps.min()))
    issue_warning(
        f"the times of '{name}' are not evenly spaced ({values[at]:g} is followed by {values[at + 1]:g}): lags are counted from "
        "one time of the data to the next.",
        StatinfWarning,
    )


def _is_number(design: Design, name: str) -> bool:
    return bool(design.frame.raw(name).dtype.is_numeric())


def clusters_of(design: Design, names: tuple[str, ...]) -> RowClusters:
    """Codes of some cluster columns."""
    return RowClusters({name: design.cluster_codes(name) for name in names}, partial(_elsewhere, design))


def _elsewhere(design: Design, name: str, numbers: np.ndarray) -> np.ndarray:
    """Codes (m,) of other rows, in the numbering of the fit's own and from its end for further clusters; -1 if unknown.

    Rows are numbered as in the fit's frame; those of the weights' frame that it lacks are numbered from its end.
    """
    raw, further = _raw(design, name, numbers)
    own, used = design.cluster_codes(name), raw[design.rows]
    number = np.full(max(int(raw.max(initial=-1)), int(further.max(initial=-1))) + 1, -1)
    number[used] = own
    new = np.setdiff1d(further[further >= 0], used)
    number[new] = int(own.max(initial=-1)) + 1 + np.arange(len(new))
    return np.where(further >= 0, number[further], -1)


def _raw(design: Design, name: str, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of all rows of the frame (n_total,), and of the rows asked for (m,), in one numbering; -1 if missing."""
    here = numbers < design.n_total
    out = np.full(len(numbers), -1)
    if name in design.frame_clusters:
        codes, levels = design.frame_clusters[name], None
    else:
        found = design.frame.categories(name)
        codes, levels = found.codes, found.levels
    out[here] = codes[numbers[here]]
    if here.all():
        return codes, out
    weights = design.weights_object
    origin = getattr(weights, "origin", None)
    identity = None if origin is None else origin.identity
    frame = None if identity is None else identity.frame
    if levels is None and name in design.frame.names:
        levels = design.frame.categories(name).levels
    if origin is None or frame is None or levels is None or name not in frame.names:
        return codes, out
    column = frame.categories(name)
    place = {level: k for k, level in enumerate(levels)}
    relabelled = np.array([place.setdefault(level, len(place)) for level in column.levels] + [-1])
    at = origin.used[weights.order[np.searchsorted(weights.used, numbers[~here])]]
    out[~here] = relabelled[column.codes[at]]
    return codes, out
