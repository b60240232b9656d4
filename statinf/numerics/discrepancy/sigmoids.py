"""Sigmoids of linear functions that tell two weighted samples apart most: local maxima from many starts at once.

A sigmoid is ``s(slope e'x + b)`` with a unit direction e. Smaller slopes need no search: the logistic law is
self-decomposable, so a sigmoid of a smaller slope is a mixture of shifts of steeper ones in the same direction, and no
mixture tells samples apart better than its best member.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ELEMENTS = 1 << 22
_LARGEST_EXPONENT = 700.0
_PATIENCE = 2
_RISE = 1e-5
"""Relative growth of a gap below which a start is on its peak."""


@dataclass(frozen=True)
class Sigmoids:
    """Attributes
    ----------
    direction : ndarray, shape (p, m)
        Unit columns.
    shift : ndarray, shape (m,)
    values : ndarray, shape (m, n)
    gap : ndarray, shape (m,)
        ``values @ signed`` of the last search, not negative: a sigmoid that falls is stored as one that rises.
    """

    direction: np.ndarray
    shift: np.ndarray
    values: np.ndarray
    gap: np.ndarray

    def take(self, chosen: np.ndarray) -> Sigmoids:
        return Sigmoids(self.direction[:, chosen], self.shift[chosen], self.values[chosen], self.gap[chosen])

    def join(self, other: Sigmoids) -> Sigmoids:
        return Sigmoids(
            np.column_stack([self.direction, other.direction]),
            np.r_[self.shift, other.shift],
            np.vstack([self.values, other.values]),
            np.r_[self.gap, other.gap],
        )

    def distinct(self, distance: float) -> np.ndarray:
        """Positions, by falling gap, of sigmoids further than `distance` from any earlier one in (e, b / (1 + |b|))."""
        at = np.vstack([self.direction, self.shift / (1.0 + np.abs(self.shift))])
        square = np.einsum("ij,ij->j", at, at)
        far = square[:, None] + square - 2.0 * at.T @ at > distance**2
        open_, kept = np.ones(len(square), dtype=bool), []
        for k in np.argsort(-self.gap, kind="stable"):
            if open_[k]:
                kept.append(k)
                open_ &= far[k]
        return np.asarray(kept, dtype=int)


@dataclass(frozen=True)
class Landscape:
    """The rows on which sigmoids are sought.

    Attributes
    ----------
    x : ndarray, shape (n, p)
    slope : float
    products : ndarray, shape (n, (p + 1) (p + 2) / 2), or None
        Products of the columns of (x, 1), each pair once; None where they would take too much memory.
    places : ndarray of int, shape (p + 1, p + 1)
        Column of `products` that holds each pair.
    """

    x: np.ndarray
    slope: float
    products: np.ndarray | None
    places: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, slope: float) -> Landscape:
        n, q = len(x), x.shape[1] + 1
        first, second = np.triu_indices(q)
        places = np.empty((q, q), dtype=int)
        places[first, second] = places[second, first] = np.arange(len(first))
        z = np.column_stack([x, np.ones(n)])
        products = z[:, first] * z[:, second] if n * len(first) <= _ELEMENTS else None
        return cls(x, float(slope), products, places)

    def scatter(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random directions, each with its threshold at a random row."""
        e = random.standard_normal((self.x.shape[1], count))
        e /= np.linalg.norm(e, axis=0)
        at = self.x[random.integers(0, len(self.x), count)]
        return e, -self.slope * np.einsum("mp,pm->m", at, e)

    def climb(
        self, signed: np.ndarray, e: np.ndarray, b: np.ndarray, *, steps: int, floor: float = 0.0, tol: float = 1e-9
    ) -> Sigmoids:
        """Raise ``|signed @ s(slope x e + b)|`` from every start by Newton steps on the sphere.

        Parameters
        ----------
        signed : ndarray, shape (n,)
            Weights of the target less those of the arm, sum 0.
        e, b : ndarray, shape (p, m) and (m,)
            Starts; columns of `e` have length one.
        steps : int
            At most; starts that no longer rise stop earlier.
        floor : float
            Starts whose gap is below this after three steps are given up.
        tol : float
            Gradient at which a start is finished.
        """
        e, b = e.copy(), b.copy()
        values = self._values(e, b)
        gap = values @ signed
        down = gap < 0.0
        e[:, down], b[down], values[down] = -e[:, down], -b[down], 1.0 - values[down]
        gap = np.abs(gap)
        live = np.arange(len(b))
        for number in range(steps):
            direction, size = self._newton(signed, e[:, live], values[live])
            rising = size > tol
            live, direction = live[rising], direction[:, rising]
            moved = self._search(signed, live, direction, e, b, values, gap)
            live = live[moved]
            if number == _PATIENCE:
                live = live[gap[live] >= floor]
            if not len(live):
                break
        return Sigmoids(e, b, values, gap)

    def _values(self, e: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Sigmoids of all rows, shape (m, n)."""
        out = (-self.slope * e.T) @ self.x.T
        out -= b[:, None]
        np.minimum(out, _LARGEST_EXPONENT, out=out)
        np.exp(out, out=out)  # several times faster than a call of scipy's expit
        out += 1.0
        return np.reciprocal(out, out=out)

    def _newton(self, signed: np.ndarray, e: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ascent directions (p + 1, m) in (e, b), tangent to the sphere, and largest gradient entries (m,)."""
        p, m = e.shape
        rest = 1.0 - values
        first = values * rest
        first *= signed
        gradient = np.vstack([self.slope * (first @ self.x).T, first.sum(axis=1)])
        rest -= values
        first *= rest
        hessian = self._curvature(first)
        hessian[:, :p] *= self.slope
        hessian[:, :, :p] *= self.slope
        radial = np.einsum("ij,ij->j", gradient[:p], e)
        gradient[:p] -= e * radial
        _to_tangent(hessian, np.vstack([e, np.zeros(m)]).T, radial)
        largest = np.linalg.eigvalsh(hessian)[:, [0, -1]]
        # Shifted until every curvature is negative, steps ascend; the floor bounds them where the surface is flat.
        flat = 1e-3 * np.abs(largest).max(axis=1)
        shift = np.maximum(largest[:, 1], 0.0) + np.maximum(largest[:, 1], flat) + 1e-14
        np.negative(hessian, out=hessian)
        hessian[:, np.arange(p + 1), np.arange(p + 1)] += shift[:, None]
        step = np.linalg.solve(hessian, gradient.T[:, :, None])[:, :, 0].T
        longest = np.maximum(
            2.0 * np.sqrt(np.einsum("ij,ij->j", step[:p], step[:p])), np.abs(step[p]) / max(1.0, self.slope)
        )
        return step / np.maximum(longest, 1.0), np.abs(gradient).max(axis=0)

    def _curvature(self, second: np.ndarray) -> np.ndarray:
        if self.products is not None:
            return (second @ self.products)[:, self.places]
        z = np.column_stack([self.x, np.ones(len(self.x))])
        return np.stack([(z * column[:, None]).T @ z for column in second])

    def _search(self, signed, live, direction, e, b, values, gap) -> np.ndarray:
        """Move the starts `live` along their directions, in place, by steps of 1, 1/4, ...; which of them rose by enough."""
        p = len(e)
        moved, length = np.zeros(len(live), dtype=bool), 1.0
        todo = np.arange(len(live))
        for _ in range(5):
            at = live[todo]
            trial = e[:, at] + length * direction[:p, todo]
            trial /= np.sqrt(np.einsum("ij,ij->j", trial, trial))
            shift = b[at] + length * direction[p, todo]
            v = self._values(trial, shift)
            g = v @ signed
            better = g > gap[at]
            k = at[better]
            moved[todo[better]] = g[better] > gap[k] * (1.0 + _RISE)
            e[:, k], b[k], values[k], gap[k] = trial[:, better], shift[better], v[better], g[better]
            todo = todo[~better]
            if not len(todo):
                break
            length /= 4.0
        return moved


def _to_tangent(hessian: np.ndarray, e: np.ndarray, radial: np.ndarray) -> None:
    """Hessians (m, q, q) along the sphere, in place: projected off the unit rows of e (m, q) and curved with it.

    The last coordinate is not on the sphere; `radial` (m,) are the gradients along e.
    """
    along = (hessian @ e[:, :, None])[:, :, 0]
    along -= 0.5 * (np.einsum("ij,ij->i", e, along) + radial)[:, None] * e
    hessian -= e[:, :, None] * along[:, None, :]
    hessian -= along[:, :, None] * e[:, None, :]
    sphere = np.arange(e.shape[1] - 1)
    hessian[:, sphere, sphere] -= radial[:, None]
