"""The clusters of a fit's rows, and of the rows that only helped to estimate its weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from statinf.formula.design import Design
from statinf.inference.clusters import RowClusters


def fit_clusters(design: Design, kind: Any) -> RowClusters:
    """Codes of the columns that a covariance in normal form clusters by; none for one that does not cluster."""
    given = kind["cluster"] if isinstance(kind, Mapping) else ()
    names = (given,) if isinstance(given, str) else tuple(given)
    return clusters_of(design, names)


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
