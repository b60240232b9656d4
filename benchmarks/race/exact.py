"""Solutions to more digits than either side has: Newton steps whose residuals are summed in extended precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.race.rows import Rows, X

Long = np.longdouble


def exact(race: str, rows: Rows) -> dict[str, float] | None:
    """Coefficients by name; None where the race has no equation of its own."""
    solver = {"lm": _least_squares, "clusters": _least_squares, "logit": _logit, "iv": _two_stages}.get(race)
    return None if solver is None else solver(rows)


def loss(rows: Rows, slopes: np.ndarray) -> float:
    """Check loss at the median of coefficients (11,), the constant first."""
    x = rows.source[X[:10]].to_numpy().astype(Long)
    return float(np.abs(rows.source["y"].to_numpy().astype(Long) - slopes[0] - x @ slopes[1:].astype(Long)).sum() / 2)


def _columns(rows: Rows, *before: str) -> tuple[np.ndarray, list[str]]:
    names = [*before, *X]
    return np.column_stack([np.ones(rows.n), rows.source[names].to_numpy()]), ["Intercept", *names]


def _newton(
    x: np.ndarray, names: list[str], moments: np.ndarray, residual: Callable[[np.ndarray], np.ndarray], slope: Callable
) -> dict[str, float]:
    """The root of moments' residual(theta), where slope(theta) is minus its derivative."""
    theta = np.zeros(x.shape[1], Long)
    for _ in range(12):
        step = np.linalg.solve(slope(theta), np.asarray(moments.T @ residual(theta), float))
        theta = theta + step
        if np.abs(step).max() < 1e-15 * np.abs(theta).max():
            break
    return dict(zip(names, theta.astype(float), strict=True))


def _least_squares(rows: Rows) -> dict[str, float]:
    x, names = _columns(rows)
    long, y, gram = x.astype(Long), rows.source["y"].to_numpy().astype(Long), x.T @ x
    return _newton(x, names, long, lambda b: y - long @ b, lambda b: gram)


def _logit(rows: Rows) -> dict[str, float]:
    x, names = _columns(rows)
    long, y = x.astype(Long), rows.source["b"].to_numpy().astype(Long)

    def chance(b: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(long @ b)))

    def slope(b: np.ndarray) -> np.ndarray:
        p = chance(b).astype(float)
        return (x * (p * (1 - p))[:, None]).T @ x

    return _newton(x, names, long, lambda b: y - chance(b), slope)


def _two_stages(rows: Rows) -> dict[str, float]:
    x, names = _columns(rows, "e")
    z = np.column_stack([x[:, :1], x[:, 2:], rows.source[["z1", "z2"]].to_numpy()])
    fitted = z @ np.linalg.lstsq(z.T @ z, z.T @ x, rcond=None)[0]
    long, y, gram = x.astype(Long), rows.source["v"].to_numpy().astype(Long), fitted.T @ x
    return _newton(x, names, fitted.astype(Long), lambda b: y - long @ b, lambda b: gram)
