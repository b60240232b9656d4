"""Martingale conditions of linear values as equations Z'(c - G theta) = 0, and their solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.stochastic.continuous.paths import Paths, forwards


@dataclass(frozen=True, eq=False, repr=False)
class Equations(Brief):
    """Rows of the equations Z'(c - G theta) = 0; last rows of episodes are zero in Z, or in both G and c.

    Attributes
    ----------
    Z : ndarray, shape (n, m)
        Test functions.
    G : ndarray, shape (n, q)
    c : ndarray, shape (n,)
    """

    Z: np.ndarray
    G: np.ndarray
    c: np.ndarray

    def errors(self, theta: np.ndarray) -> np.ndarray:
        """C - G theta, shape (n,)."""
        return self.c - self.G @ theta


def increments(paths: Paths, features: np.ndarray, discounting: str) -> tuple[np.ndarray, np.ndarray]:
    """G (n, q) and c (n,) with c - G theta the increments of the martingale to the next row; zero in last rows.

    Parameters
    ----------
    paths : Paths
    features : ndarray, shape (n, q)
    discounting : {"euler", "exact"}
        The value at the next row as it is, with discount * dt times the value taken off, or times exp(-discount * dt).
    """
    dt, ends = paths.dt, paths.last
    ahead = np.ones(len(dt)) if discounting == "euler" else np.exp(-paths.discount * dt)
    here = 1.0 + paths.discount * dt if discounting == "euler" else np.ones(len(dt))
    here[ends] = 0.0
    targets = paths.reward * dt
    if paths.terminal is not None:
        # The value at the last row is known: it moves to the other side.
        targets = targets + ahead * paths.following(paths.terminal)
        ahead = np.where(np.append(ends[1:], False), 0.0, ahead)
    ahead = np.where(ends, 0.0, ahead)[:-1]
    # Column by column, and in place: arrays of all rows are too large for the cache.
    G = np.empty_like(features)
    for j in range(features.shape[1]):
        np.multiply(features[:, j], here, out=G[:, j])
        G[:-1, j] -= ahead * features[1:, j]
    return G, targets


def traces(paths: Paths, features: np.ndarray, lam: float) -> np.ndarray:
    """Test functions z_k = lam^(t_k - t_{k-1}) z_{k-1} + phi_k dt_k, shape (n, q); zero in last rows."""
    since = paths.lagged(paths.dt)
    factor = np.where(paths.first, 0.0, lam**since)
    out = forwards(factor, features * paths.dt[:, None])
    out[paths.last] = 0.0
    return out


def still(paths: Paths, features: np.ndarray) -> np.ndarray:
    """Test functions (n, q) that are zero in last rows."""
    return np.where(paths.last[:, None], 0.0, features)


@dataclass(frozen=True, eq=False, repr=False)
class ConditionRoot(Brief):
    """The root of equations.

    Attributes
    ----------
    theta : ndarray, shape (q,)
    inverse : ndarray, shape (q, q)
        Of Z'G: the error of theta is about the sum of z (c - G theta) times it.
    """

    theta: np.ndarray
    inverse: np.ndarray


def solve(equations: Equations, names: Sequence[str]) -> ConditionRoot:
    """The root of as many equations as coefficients.

    Raises
    ------
    NotIdentifiedError
        That names the features whose values depend on one another.
    """
    matrix, right = equations.Z.T @ equations.G, equations.Z.T @ equations.c
    check_identified(matrix, equations, names)
    return ConditionRoot(np.linalg.solve(matrix, right), np.linalg.inv(matrix))


def check_identified(matrix: np.ndarray, equations: Equations, names: Sequence[str]) -> None:
    """Refuse a matrix Z'G (m, q) of which some combination of columns is zero."""
    rows, columns = (np.sqrt([np.dot(column, column) for column in a.T]) for a in (equations.Z, equations.G))
    unit = matrix / np.where(rows > 0.0, rows, 1.0)[:, None] / np.where(columns > 0.0, columns, 1.0)
    if not np.isfinite(unit).all():
        raise NotIdentifiedError("the equations overflow: rescale the rewards, the features or the time.")
    values, directions = np.linalg.svd(unit)[1:]
    if len(values) == len(names) and values[-1] > 1e-12 * values[0]:
        return
    weight = np.abs(directions[-1])
    found = [name for name, w in zip(names, weight, strict=True) if w > 1e-6 * weight.max()]
    listed = ", ".join(f"'{name}'" for name in found[:12])
    if len(found) == 1:
        raise NotIdentifiedError(
            f"the coefficient of {listed} is not identified: the feature, or its change along the paths, is zero or constant. "
            "Leave it out; the level of values needs a discount above zero or terminal=, what is paid at the end."
        )
    raise NotIdentifiedError(
        f"the features {listed} are collinear along these paths: their coefficients are not identified. Leave one out."
    )
