"""Exact linear quantile regressions over blocks of rows.

A sample of the rows and Newton steps on the subgradient of all rows bring each level near its solution; rows in a narrow
band about that are gathered, the others are replaced by the sum of their subgradients (Portnoy and Koenker 1997,
Statistical Science 12), the rest is solved exactly, and a last pass looks for rows on the wrong side, which join the band
until there are none. The solution is the vertex that all rows in memory have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, DataError
from statinf.formula.design import Design
from statinf.numerics.quantreg.approach import jacobian
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.passes.design import PassDesign
from statinf.passes.folding import row_hashes, units

LossRows = tuple[np.ndarray, np.ndarray, np.ndarray]
LossRowsOf = Callable[[Design], LossRows]
"""From the design of a block to regressors (m, p), outcomes and weights (m,) of the rows that count."""
SAMPLE = 60_000
"""Rows that the first coefficients come from."""
BAND = 1 << 20
"""Rows of a band; of more another Newton step is taken first."""
_NEWTON, _ROUNDS = 8, 30
_TIED = 1e-9
"""Residuals this small beside the largest are zero."""


@dataclass(frozen=True)
class RowsHeld:
    """Rows in pieces."""

    pieces: tuple[LossRows, ...]

    def plus(self, other: RowsHeld) -> RowsHeld:
        return RowsHeld((*self.pieces, *other.pieces))

    def rows(self) -> LossRows:
        """All of them."""
        x, y, w = zip(*self.pieces, strict=True)
        return np.concatenate(x), np.concatenate(y), np.concatenate(w)


@dataclass(frozen=True)
class _NearRows:
    """Rows within `width` of a level's coefficients `coef` (p,)."""

    tau: float
    coef: np.ndarray
    width: float


def solve_passes(made: PassDesign, rows: LossRowsOf, taus: Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    """Exact coefficients at several levels, all in the same passes.

    Parameters
    ----------
    made : PassDesign
    rows : callable
        Picklable; see `LossRowsOf`. Columns are of one size and about zero, and none follows from others.
    taus : sequence of float, or ndarray
    n : int
        Rows that count, of positive weight.

    Returns
    -------
    ndarray, shape (levels, p)

    Raises
    ------
    ConvergenceError
        If a solution could not be certified.
    """
    levels = np.asarray(taus, dtype=np.float64)
    share = min(1.0, SAMPLE / n)
    x, y, w = made.total(partial(_sampled, rows, share), "a sample of rows", placed=share < 1.0).rows()
    p = x.shape[1]
    if len(x) <= p:
        raise DataError(f"{n} rows cannot determine {p} coefficients.")
    weight = None if (w == 1.0).all() else w
    if len(x) == n:
        return solve_quantiles(x, y, levels, weight).coef
    coef = np.asarray(solve_quantiles(x, y, levels, weight).coef, dtype=np.float64)
    slope = jacobian(x, y, weight, levels, coef)
    wanted = _newton(made, rows, levels, coef, slope, x.T @ x / len(x), n)
    residual = np.sort(np.abs(y - coef @ x.T), axis=1)
    # About so many of all rows lie within the width, if residuals are even near zero.
    near = max(50, len(x) // 50)
    widths = residual[:, near] * np.minimum(wanted * len(x) / n / near, 1e3)
    # Of outcomes that tie, rows on the quantile alone do not determine it, and a width of zero would never grow.
    beyond = np.where(residual > _TIED * residual[:, -1:], residual, np.inf).min(axis=1)
    widths = np.maximum(widths, np.where(np.isfinite(beyond), (1.0 + _TIED) * beyond, 0.0))
    return _exact(made, rows, [_NearRows(t, c, s) for t, c, s in zip(levels, coef, widths, strict=True)])


def _sampled(rows: LossRowsOf, share: float, block: Design, start: int = 0) -> RowsHeld | None:
    x, y, w = rows(block)
    if share < 1.0:
        # Equal rows are told apart by their places: few different ones might all be left out.
        chosen = units(row_hashes([x, y, start + np.arange(len(x))], 41)) < share
        x, y, w = x[chosen], y[chosen], w[chosen]
    return RowsHeld(((np.array(x), np.array(y), np.array(w)),)) if len(x) else None


def _newton(
    made: PassDesign, rows: LossRowsOf, taus: np.ndarray, coef: np.ndarray, slope: np.ndarray, gram: np.ndarray, n: int
) -> np.ndarray:
    """Steps on the subgradient of all rows, in place; about how many rows each band should hold, shape (levels,)."""
    p = coef.shape[1]
    metric = np.linalg.pinv(gram, hermitian=True)
    best = np.full(len(taus), 10.0 * p)
    trial, length = coef.copy(), np.ones(len(taus))
    mean = np.zeros_like(coef)
    size = np.full(len(taus), np.inf)
    for _ in range(_NEWTON):
        found = np.asarray(made.total(partial(_subgradients, rows, taus, trial), "quantile regression")) / n
        now = np.sqrt(np.einsum("qi,ij,qj->q", found, metric, found))
        better = now < size
        gain = np.where(better, now / np.where(np.isfinite(size), size, np.inf), 1.0)
        coef[better], mean[better], size[better] = trial[better], found[better], now[better]
        length = np.where(better, 1.0, 0.3 * length)
        best = 10.0 * p + 5.0 * n * size
        # Another step costs a pass, as a band of many rows does.
        if (best < BAND / len(taus) / 8).all() or not ((gain < 0.5) | ~better).any() or (length < 0.02).all():
            break
        step = np.stack([np.linalg.lstsq(j, m, rcond=None)[0] for j, m in zip(slope, mean, strict=True)])
        trial = coef + length[:, None] * step
    return np.minimum(best, BAND / len(taus))


def _subgradients(rows: LossRowsOf, taus: np.ndarray, coef: np.ndarray, block: Design) -> np.ndarray:
    x, y, w = rows(block)
    below = y[:, None] < x @ coef.T
    return ((taus - below) * w[:, None]).T @ x


def _exact(made: PassDesign, rows: LossRowsOf, bands: list[_NearRows]) -> np.ndarray:
    """Solve the bands, and widen or extend them until no row outside is on the wrong side."""
    found: list[Any] = made.total(partial(_split, rows, bands), "quantile regression: the band")
    pulls = [one[0] for one in found]
    held = [one[1].rows() for one in found]
    out = np.array([b.coef for b in bands])
    todo = list(range(len(bands)))
    for _ in range(_ROUNDS):
        wide = [q for q in todo if not _solve(q, bands, pulls, held, out)]
        if wide:
            for q in wide:
                bands[q] = _NearRows(bands[q].tau, bands[q].coef, 4.0 * bands[q].width)
            again: list[Any] = made.total(
                partial(_split, rows, [bands[q] for q in wide]), "quantile regression: the band"
            )
            for q, one in zip(wide, again, strict=True):
                pulls[q], held[q] = one[0], one[1].rows()
            continue
        flipped: list[Any] = made.total(
            partial(_flipped, rows, [bands[q] for q in todo], out[todo]), "quantile regression: checking"
        )
        left = []
        for q, one in zip(todo, flipped, strict=True):
            if one is None:
                continue
            x, y, w = one.rows()
            if not len(x):
                continue
            below = y < x @ bands[q].coef
            pulls[q] = pulls[q] - ((bands[q].tau - below) * w) @ x
            held[q] = tuple(np.concatenate(pair) for pair in zip(held[q], (x, y, w), strict=True))
            left.append(q)
        todo = left
        if not todo:
            return out
    raise ConvergenceError(
        f"{len(todo)} quantile regressions have no certified solution: their levels are too extreme for the rows, or columns are "
        "nearly collinear."
    )


def _solve(q: int, bands: list[_NearRows], pulls: list[np.ndarray], held: list[Any], out: np.ndarray) -> bool:
    x, y, w = held[q]
    if len(x) <= x.shape[1] or np.linalg.matrix_rank(x.T @ x, hermitian=True) < x.shape[1]:
        return False
    weight = None if (w == 1.0).all() else w
    try:
        made = solve_quantiles(
            x, y, np.array([bands[q].tau]), weight, pull=pulls[q][None], start=bands[q].coef[None], certified=False
        )
    except DataError:
        return False
    if not made.optimal[0]:
        return False
    out[q] = made.coef[0]
    return True


def _split(rows: LossRowsOf, bands: Sequence[_NearRows], block: Design) -> list[tuple[np.ndarray, RowsHeld]]:
    x, y, w = rows(block)
    out = []
    for band in bands:
        residual = y - x @ band.coef
        inside = np.abs(residual) <= band.width
        psi = (band.tau - (residual < 0)) * w
        psi[inside] = 0.0
        out.append((psi @ x, RowsHeld(((x[inside], y[inside], w[inside]),))))
    return out


def _flipped(rows: LossRowsOf, bands: Sequence[_NearRows], coef: np.ndarray, block: Design) -> list[RowsHeld | None]:
    x, y, w = rows(block)
    out: list[RowsHeld | None] = []
    for band, now in zip(bands, coef, strict=True):
        before = y - x @ band.coef
        wrong = (np.abs(before) > band.width) & ((before < 0) != (y - x @ now < 0))
        out.append(RowsHeld(((x[wrong], y[wrong], w[wrong]),)) if wrong.any() else None)
    return out
