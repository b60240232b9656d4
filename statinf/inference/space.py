"""Sums of products of scores of neighbours in space, and of one unit's scores over time (Conley 1999; Hsiang 2010).

Distances are great circles on a sphere of the earth's mean radius, 6371.01 km. Places go as points of the unit sphere into a
tree, whose neighbours come a block at a time, so that memory does not grow with the number of pairs; rows of one place are
summed first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.inference.clusters import cluster_sums
from statinf.inference.serial import lag_weights, panel_sums

EARTH = 6371.01
"""Mean radius in kilometres."""
_PAIRS = 1 << 22
"""Pairs of neighbours that are held at a time."""


def conley_meat(
    scores: np.ndarray, kind: Mapping[str, Any], columns: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, str]:
    """Sum over pairs of rows of the kernel at their distance times the product of their scores, shape (q, q), and its label.

    Parameters
    ----------
    scores : ndarray, shape (n, q)
    kind : mapping
        `{"conley": kilometres, "latitude": ..., "longitude": ...}` in normal form.
    columns : mapping of str to ndarray, shape (n,)
        Latitudes and longitudes in degrees, codes of times and units.
    """
    cutoff, kernel = float(kind["conley"]), kind.get("kernel", "uniform")
    latitude, longitude = columns[kind["latitude"]], columns[kind["longitude"]]
    check_places(latitude, longitude, kind)
    time = np.unique(columns[kind["time"]], return_inverse=True)[1] if "time" in kind else None
    meat = spatial_sums(scores, latitude, longitude, cutoff, kernel, time)
    label = f"Conley, {cutoff:g} km, {kernel if kernel == 'uniform' else 'Bartlett'} kernel"
    if time is not None:
        label += f", within {kind['time']}"
    if "lags" in kind:
        assert time is not None
        unit = np.unique(columns[kind["unit"]], return_inverse=True)[1]
        meat = meat + _own_lags(scores, time, unit, int(kind["lags"]), kind)
        label += f", {kind['lags']} lag{'' if kind['lags'] == 1 else 's'} within {kind['unit']}"
    return meat, label


def check_places(latitude: np.ndarray, longitude: np.ndarray, kind: Mapping[str, Any]) -> None:
    """Refuse coordinates that are no degrees on the earth."""
    for name, values, most in ((kind["latitude"], latitude, 90.0), (kind["longitude"], longitude, 360.0)):
        if values.dtype.kind != "f" or not (np.abs(values) <= most).all():
            what = "categories" if values.dtype.kind != "f" else f"values beyond {most:g} degrees"
            raise DataError(
                f"the coordinates in '{name}' hold {what}; latitudes are degrees from -90 to 90, longitudes from -180 to 360."
            )


def spatial_sums(
    scores: np.ndarray,
    latitude: np.ndarray,
    longitude: np.ndarray,
    cutoff: float,
    kernel: str,
    time: np.ndarray | None = None,
) -> np.ndarray:
    """Sum over pairs of rows, shape (q, q), a row with itself among them; of rows of one time where times are given.

    Parameters
    ----------
    scores : ndarray, shape (n, q)
    latitude, longitude : ndarray, shape (n,)
        In degrees.
    cutoff : float
        Kilometres beyond which rows do not count.
    kernel : {"uniform", "bartlett"}
        One within the cutoff, or one less the share of the cutoff.
    time : ndarray of int, shape (n,), optional
    """
    if cutoff >= np.pi * EARTH and kernel == "uniform":
        sums = scores.sum(axis=0, keepdims=True) if time is None else cluster_sums(scores, time)
        return sums.T @ sums
    key = np.column_stack([latitude, longitude, np.zeros(len(scores)) if time is None else time.astype(np.float64)])
    places, codes = np.unique(key, axis=0, return_inverse=True)
    summed = cluster_sums(scores, codes.ravel())
    points = _on_sphere(places[:, 0], places[:, 1])
    # Chords grow with arcs up to the other side of the earth.
    chord = 2.0 * np.sin(min(cutoff / EARTH, np.pi) / 2.0)
    reach = chord * (1.0 + 1e-12) + 1e-15
    if time is not None:
        # Times stand further apart than the sphere is wide.
        points = np.column_stack([points, places[:, 2] * 4.0])
    out = np.zeros((scores.shape[1],) * 2)
    for rows, weights in _neighbours(points, reach, cutoff, kernel):
        out += summed[rows].T @ (weights @ summed)
    return 0.5 * (out + out.T)


def _neighbours(points: np.ndarray, reach: float, cutoff: float, kernel: str) -> Iterator[tuple[slice, Any]]:
    """Rows of the sparse matrix of kernel weights, a block at a time."""
    from scipy.sparse import coo_matrix
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    order = tree.indices  # neighbours in the tree are neighbours in memory
    count = np.empty(len(points), np.int64)
    count[order] = tree.query_ball_point(points[order], reach, return_length=True)
    ends = np.cumsum(count)
    first = 0
    while first < len(points):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + _PAIRS, side="right")), first + 1)
        found = cKDTree(points[first:last]).sparse_distance_matrix(tree, reach, output_type="ndarray")
        if kernel == "uniform":
            values = np.ones(len(found))
        else:
            arcs = 2.0 * np.arcsin(np.minimum(found["v"] / 2.0, 1.0))
            values = np.maximum(1.0 - arcs * EARTH / cutoff, 0.0)
        weights = coo_matrix((values, (found["i"], found["j"])), shape=(last - first, len(points))).tocsr()
        yield slice(first, last), weights
        first = last


def _on_sphere(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    phi, lam = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def _own_lags(scores: np.ndarray, time: np.ndarray, unit: np.ndarray, lags: int, kind: Mapping[str, Any]) -> np.ndarray:
    """Bartlett-weighted products of a unit's scores up to so many times apart, those of one time left out."""
    weights = lag_weights("bartlett", lags + 1.0, int(time.max()) + 1)
    key = unit * (int(time.max()) + 1 + len(weights)) + time
    order = np.argsort(key, kind="stable")
    if (np.diff(key[order]) == 0).any():
        raise DataError(
            f"a unit of '{kind['unit']}' has several rows of one time of '{kind['time']}'; lags need one row a unit and time."
        )
    weights[0] = 0.0
    return panel_sums(scores[order], key[order], weights)
