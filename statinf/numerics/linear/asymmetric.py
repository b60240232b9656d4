"""Asymmetric least squares at many levels: the exact minimisers of sum w |tau - 1{r < 0}| r^2, by Newton's method.

Between two changes of sign the loss is a quadratic, so that a Newton step that changes no sign ends at the minimum. Gram
matrices differ from level to level in the rows above the fit alone and are corrected by the rows that change sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.linear.pairs import pair_products, unpack_symmetric

_ELEMENTS = 1 << 22
_SINGULAR = 1e-12
"""Ratio of the eigenvalues of a Gram matrix below which it has no full rank."""
_SMALL = 16 * np.finfo(float).eps


@dataclass(frozen=True)
class AsymmetricSolution:
    """Minimisers of asymmetric squares.

    Attributes
    ----------
    coef : ndarray, shape (k, p)
    loss : ndarray, shape (k,)
    steps : int
        Newton steps of the slowest level.
    """

    coef: np.ndarray
    loss: np.ndarray
    steps: int


def asymmetric_squares(
    columns: np.ndarray,
    y: np.ndarray,
    tau: np.ndarray,
    weights: np.ndarray,
    *,
    start: np.ndarray | None = None,
    max_iter: int = 100,
) -> AsymmetricSolution:
    """Minimise sum w |tau - 1{y < x'b}| (y - x'b)^2 over b for each level.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
        Of full rank and well conditioned, such as an orthonormal basis.
    y, weights : ndarray, shape (n,)
    tau : ndarray, shape (k,)
        In (0, 1).
    start : ndarray, shape (k, p), optional
        Least squares by default.
    max_iter : int

    Raises
    ------
    ConvergenceError
        If a sign still changes after `max_iter` steps.
    numpy.linalg.LinAlgError
        If the weighted columns are not of full rank.
    """
    gram = ((columns * weights[:, None]).T @ columns)[None]
    if start is None:
        start = np.tile(np.linalg.solve(gram[0], columns.T @ (weights * y)), (len(tau), 1))
    size = max(1, _ELEMENTS // max(len(y), 1))
    parts = [
        _Problems(columns, y, tau[i : i + size], weights[None], gram, start[i : i + size]).solve(max_iter)
        for i in range(0, len(tau), size)
    ]
    coef, loss, steps = zip(*parts, strict=True)
    return AsymmetricSolution(np.concatenate(coef), np.concatenate(loss), max(steps))


def asymmetric_replicas(
    columns: np.ndarray, y: np.ndarray, tau: np.ndarray, weights: np.ndarray, start: np.ndarray, *, max_iter: int = 100
) -> np.ndarray:
    """Minimisers for each of many sets of weights, shape (c, k, p); NaN where the weighted columns lose rank.

    Parameters
    ----------
    columns, y, tau, max_iter
        As `asymmetric_squares` takes them.
    weights : ndarray, shape (c, n)
    start : ndarray, shape (k, p)
    """
    p = columns.shape[1]
    products = pair_products(columns, y, np.ones(len(y)))[:, : p * (p + 1) // 2]
    out = np.full((len(weights), *start.shape), np.nan)
    size = max(1, _ELEMENTS // max(len(y) * len(tau), 1))
    for i in range(0, len(weights), size):
        w = weights[i : i + size]
        gram = unpack_symmetric(w @ products, p)
        values = np.linalg.eigvalsh(gram)
        good = np.flatnonzero(values[:, 0] > _SINGULAR * values[:, -1])
        each, again = np.repeat(good, len(tau)), np.tile(start, (len(good), 1))
        made = _Problems(columns, y, np.tile(tau, len(good)), w[each], gram[each], again, products)
        out[i + good] = made.solve(max_iter)[0].reshape(len(good), *start.shape)
    return out


def asymmetry(residual: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """|tau - 1{r < 0}| of residuals (k, n) at levels (k,)."""
    return np.where(residual >= 0.0, tau[:, None], 1.0 - tau[:, None])


class _Problems:
    """Problems that take their steps together: one matrix product for all gradients, one for all moves.

    They differ in their levels (m,), their weights (m, n) and Gram matrices (m, p, p), or share these two, (1, n) and
    (1, p, p); with `products`, the products of columns of each row, the sums of all are one matrix product too.
    """

    def __init__(
        self,
        columns: np.ndarray,
        y: np.ndarray,
        tau: np.ndarray,
        w: np.ndarray,
        gram: np.ndarray,
        start: np.ndarray,
        products: np.ndarray | None = None,
    ) -> None:
        self.columns, self.y, self.tau = columns, y, tau
        self.w, self.gram = w, np.broadcast_to(gram, (len(tau), *gram.shape[1:]))
        self.coef = start.copy()
        self.tiny = _SMALL * float(np.abs(y).max(initial=0.0))
        self.residual = y - start @ columns.T
        self.above = self.residual >= 0.0
        if products is not None:
            self.top = unpack_symmetric((w * self.above) @ products, columns.shape[1])
            return
        self.top = np.empty(self.gram.shape)
        for k in range(len(tau)):
            same = k > 0 and np.array_equal(start[k], start[k - 1])
            self.top[k] = self.top[k - 1] if same else self._sum(np.flatnonzero(self.above[k]), k)

    def _weights(self, problems: np.ndarray) -> np.ndarray:
        return self.w if len(self.w) == 1 else self.w[problems]

    def _sum(self, rows: np.ndarray, k: int) -> np.ndarray:
        some, w = self.columns[rows], self.w[k if len(self.w) > 1 else 0]
        return (some * w[rows, None]).T @ some

    def _loss(self, residual: np.ndarray, problems: np.ndarray) -> np.ndarray:
        each = asymmetry(residual, self.tau[problems]) * residual**2
        return each @ self.w[0] if len(self.w) == 1 else np.einsum("ij,ij->i", each, self.w[problems])

    def _moves(self, problems: np.ndarray) -> np.ndarray:
        """Newton steps at the sides where rows are held to be, shape (m, p)."""
        t, r = self.tau[problems, None], self.residual[problems]
        gradient = (np.where(self.above[problems], t, 1.0 - t) * r * self._weights(problems)) @ self.columns
        hessian = (1.0 - t)[..., None] * self.gram[problems] + (2.0 * t - 1.0)[..., None] * self.top[problems]
        return np.linalg.solve(hessian, gradient[..., None])[..., 0]

    def _cross(self, k: int) -> bool:
        """Move rows that changed sides to the other one; False where none has."""
        now = self.residual[k] >= 0.0
        moved = (now != self.above[k]) & (np.abs(self.residual[k]) > self.tiny)
        rows = np.flatnonzero(moved)
        if not len(rows):
            return False
        up = now[rows]
        self.top[k] += self._sum(rows[up], k) - self._sum(rows[~up], k)
        self.above[k, rows] = up
        return True

    def solve(self, max_iter: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Coefficients, losses and the number of steps."""
        todo = np.arange(len(self.tau))
        loss = self._loss(self.residual, todo)
        for step in range(1, max_iter + 1):
            move = self._moves(todo)
            change = move @ self.columns.T
            part = np.ones((len(todo), 1))
            for _ in range(40):
                trial = self.residual[todo] - part * change
                value = self._loss(trial, todo)
                worse = value > loss[todo] * (1.0 + _SMALL)
                if not worse.any():
                    break
                part[worse] *= 0.5
            self.coef[todo] += part * move
            self.residual[todo], loss[todo] = trial, value
            whole = part[:, 0] == 1.0
            crossed = np.array([self._cross(int(k)) for k in todo])
            todo = todo[crossed | ~whole]
            if not len(todo):
                return *self._polished(), step
        raise ConvergenceError(
            f"asymmetric least squares at tau={self.tau[todo[0]]:g} still changes sides of rows after {max_iter} steps."
        )

    def _polished(self) -> tuple[np.ndarray, np.ndarray]:
        """One more step from residuals made anew, which removes what rounding has added up."""
        every = np.arange(len(self.tau))
        self.residual = self.y - self.coef @ self.columns.T
        self.coef = self.coef + self._moves(every)
        return self.coef, self._loss(self.y - self.coef @ self.columns.T, every)
